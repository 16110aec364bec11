# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What changed: lines, and the same change once."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.tradeops.botfleet.plugins.plugin_utils._report.changes import LONGEST, diff_lines

from . import records
from .page import Element, classed, page, section, text


def lines(change: Element) -> list[tuple[str, str]]:
    (diff,) = classed(change, "diff")
    return [(line.tag, line.text or "") for line in diff]


def test_a_diff_is_lines_taken_away_and_added() -> None:
    before, after = "a: 1\nb: 2\nc: 3\n", "a: 1\nb: 4\nc: 3\n"
    assert diff_lines({"before": before, "after": after}) == [
        (" ", "a: 1"),
        ("-", "b: 2"),
        ("+", "b: 4"),
        (" ", "c: 3"),
    ]


def test_only_what_is_near_a_change_is_shown() -> None:
    before = "".join(f"{number}\n" for number in range(100))
    found = diff_lines({"before": before, "after": before.replace("10\n", "x\n", 1).replace("90\n", "y\n", 1)})
    assert ("-", "10") in found and ("+", "y") in found and ("…", "") in found
    assert len(found) == 13


def test_a_long_diff_says_how_much_is_left_out() -> None:
    found = diff_lines({"before": "", "after": "".join(f"{number}\n" for number in range(1000))})
    assert len(found) == LONGEST + 1
    assert found[-1] == ("…", f"{1000 - LONGEST} more lines, see record.json")


def test_a_diff_of_objects_or_of_nothing() -> None:
    assert diff_lines({"before": {"a": 1}, "after": {"a": 2}})[1:3] == [("-", '  "a": 1'), ("+", '  "a": 2')]
    assert diff_lines({"after": "new\n"}) == [("+", "new")]
    assert diff_lines({}) == []


def test_the_same_change_of_all_bots_is_shown_once(tmp_path: Path) -> None:
    found = records.scaled(records.restored(tmp_path, 1), 200)
    root = page(records.with_diff(found, "owner: {name}\nv: 1\n", "owner: {name}\nv: 2\n"))
    (change,) = classed(root, "change")
    assert text(classed(change, "path")[0]) == "/srv/<bot>/config.yaml"
    assert lines(change) == [("span", "  owner: <bot>"), ("del", "- v: 1"), ("ins", "+ v: 2")]
    assert text(classed(change, "members")[0]) == "all 200 bots"
    links = [link for link in section(root, "evidence").iter("a") if link.get("href") == f"#{change.get('id')}"]
    assert len(links) == 200, "each bot leads there"


def test_different_changes_name_their_bots(tmp_path: Path) -> None:
    found = records.with_diff(records.restored(tmp_path), "v: 1\n", "v: {name}2\n", "/srv/shared.yaml")
    found["bots"][1]["steps"][-3]["diff"] = found["bots"][0]["steps"][-3]["diff"]
    changes = classed(page(found), "change")
    assert [text(classed(change, "members")[0]) for change in changes] == ["bot-1", "bot-2"]


def test_what_came_of_a_change_is_said_and_the_worst_comes_first(tmp_path: Path) -> None:
    found = records.with_diff(records.restored(tmp_path, 4), "v: 1\n", "v: 2\n")
    fates = {"bot-1": "changed", "bot-2": "undone", "bot-3": "not_undone", "bot-4": "resumed"}
    for bot in found["bots"]:
        for step in bot["steps"]:
            if step["diff"]:
                step.update(status=fates[bot["name"]], change={"was": 1})
    changes = classed(page(found), "change")
    assert [(text(classed(change, "fate")[0]), text(classed(change, "members")[0])) for change in changes] == [
        ("changed, and could not be put back", "bot-3"),
        ("changed", "bot-1"),
        ("changed, then put back", "bot-2"),
        ("changed in an earlier run", "bot-4"),
    ]


def test_check_mode_shows_what_would_change(tmp_path: Path) -> None:
    root = page(records.with_diff(records.check(tmp_path), "v: 1\n", "v: 2\n"))
    assert text(section(root, "changes")[0]) == "What would change"
    assert text(classed(root, "fate")[0]) == "would change"
