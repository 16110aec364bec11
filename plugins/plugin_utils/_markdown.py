# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text of others in Markdown, where it can be nothing but text. PRIVATE to the collection."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

ESCAPED = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", **{mark: "\\" + mark for mark in "\\`*[]|~"}})
EMPHASIS = re.compile(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")  # within a word it is none


def inline(value: Any) -> str:
    """One line of text, fit for a table cell: no markup, HTML, column or line can begin in it. ``-`` if it is empty."""
    text = "" if value is None else str(value)
    shown = "".join(character if character.isprintable() else " " for character in text)
    return EMPHASIS.sub(r"\\_", " ".join(shown.split()).translate(ESCAPED)) or "-"


class Markdown(str):
    """Text that is Markdown already."""

    __slots__ = ()


def table(rows: Sequence[Sequence[Any]]) -> Markdown:
    """A table, its headings first; cells are escaped unless they are ``Markdown``."""
    lines = [" | ".join(["", *map(cell, row), ""]).strip() for row in rows]
    return Markdown("\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]]) + "\n")


def cell(value: Any) -> str:
    return value if isinstance(value, Markdown) else inline(value)
