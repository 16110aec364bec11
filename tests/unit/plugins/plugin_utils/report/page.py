# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A page as a strict XML parser sees it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from xml.etree import ElementTree as ET

from ansible_collections.tradeops.botfleet.plugins.plugin_utils._report import render_report

Element = ET.Element
BLOCKS = ("dt", "dd", "div", "dl", "li", "p", "td", "th", "title", "tr", "ul")


def page(record: Mapping[str, Any]) -> Element:
    """The rendered page; a markup error is an error."""
    return ET.fromstring(render_report(record))


def classed(root: Element, *names: str) -> list[Element]:
    """All elements with all of these classes, in their order."""
    return [element for element in root.iter() if set(names) <= set(element.get("class", "").split())]


def section(root: Element, name: str) -> Element:
    (found,) = [element for element in root.iter("section") if element.get("aria-labelledby") == name]
    return found


def text(element: Element) -> str:
    """All its text, as one line."""
    return " ".join("".join(_pieces(element)).split())


def _pieces(element: Element) -> Iterator[str]:
    yield element.text or ""
    for child in element:
        blank = " " if child.tag in BLOCKS else ""
        yield blank
        yield from _pieces(child)
        yield blank
        yield child.tail or ""


def number(element: Element, attribute: str) -> float:
    """A length in percent of the width."""
    value = element.get(attribute, "")
    assert value.endswith("%"), value
    return float(value[:-1])
