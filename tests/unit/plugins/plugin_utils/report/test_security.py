# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names, reasons and messages come from inventories, alerts and bots: nothing of them is markup."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.plugin_utils._report import render_report

from . import records
from .page import classed, page, text

ATTACKS = [
    "<script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</title></textarea><svg onload=alert(1)>",
    "]]><!--",
    "&lt;b&gt;",
    "{{ 7 * 7 }}{% raw %}",
]
INVISIBLE = {"\x00": "<U+0000>", "\x1b": "<U+001B>", "\u202e": "<U+202E>", "\ud800": "<U+D800>", "\ufffe": "<U+FFFE>"}


class Tags(HTMLParser):
    """What a lenient HTML parser, like a browser's, takes for tags."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]


def tags(html: str) -> Tags:
    parser = Tags()
    parser.feed(html)
    return parser


def poisoned(found: Any, attack: str) -> Any:
    """The record with every text in it replaced, but for what the engine chooses from a few words."""
    chosen = {"status", "outcome", "stage", "start_time", "completion_time", "trading"}
    if isinstance(found, dict):
        return {
            key: value if key in chosen else poisoned(value, f"{attack} was" if key == "before" else attack)
            for key, value in found.items()
        }
    if isinstance(found, list):
        return [poisoned(value, attack) for value in found]
    return attack if isinstance(found, str) else found


@pytest.mark.parametrize("attack", ATTACKS)
def test_every_text_of_a_record_is_inert(tmp_path: Path, attack: str) -> None:
    found = records.with_diff(records.mixed(tmp_path), "{name}\n", "other\n")
    clean, dirty = tags(render_report(found)), tags(render_report(poisoned(found, attack)))
    assert dirty.tags <= clean.tags | {"details", "summary", "pre", "code", "ul", "li"}
    assert not [name for name, _value in dirty.attributes if name.startswith("on")]
    root = page(poisoned(found, attack))
    assert attack in text(classed(root, "reason")[0])
    assert attack in text(classed(root, "diff")[0]) and attack in text(classed(root, "path")[0])
    assert attack in text(classed(root, "bots")[0])


@pytest.mark.parametrize(("character", "shown"), INVISIBLE.items())
def test_what_cannot_be_seen_is_shown(tmp_path: Path, character: str, shown: str) -> None:
    """Control codes would break the page, and a reversed text would lie."""
    found = {**records.restored(tmp_path), "reason": f"a{character}b"}
    html = render_report(found)
    html.encode()
    assert text(classed(page(found), "reason")[0]) == f"a{shown}b"


def test_no_script_and_nothing_from_elsewhere(tmp_path: Path) -> None:
    html = render_report(poisoned(records.mixed(tmp_path), "https://example.com/x.png"))
    found = tags(html)
    assert not found.tags & {"script", "link", "img", "iframe", "object", "embed", "form", "base", "audio", "video"}
    for name, value in found.attributes:
        if name in ("href", "src", "action", "style", "srcset", "xlink:href"):
            assert re.fullmatch(r"#[a-z][a-z0-9-]*", value), (name, value)
    style = html[html.index("<style>") : html.index("</style>")]
    assert re.findall(r"url\(([^)]*)\)", style) and all(
        url.startswith("#") for url in re.findall(r"url\(([^)]*)\)", style)
    )
    assert "@import" not in style and "http" not in style.replace("https://www.gnu.org/licenses/gpl-3.0.txt", "")


def test_a_policy_forbids_scripts_should_one_ever_get_in(tmp_path: Path) -> None:
    (policy,) = [
        element.get("content", "")
        for element in page(records.restored(tmp_path)).iter("meta")
        if element.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'")


def test_anchors_owe_nothing_to_names_and_all_lead_somewhere(tmp_path: Path) -> None:
    root = page(records.with_diff(poisoned(records.mixed(tmp_path), "x"), "a\n", "b\n"))
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(ids) == len(set(ids)), "six bots of one name have six anchors"
    links = {element.get("href", "")[1:] for element in root.iter() if element.get("href")}
    assert links <= set(ids)
