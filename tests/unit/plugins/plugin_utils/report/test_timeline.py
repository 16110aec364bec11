# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The timeline as it is drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.plugin_utils._report import render_report

from . import records
from .page import Element, classed, number, page, section, text


def rows(root: Element) -> dict[str, Element]:
    table = classed(root, "timeline")[0]
    return {text(row[0]).split(",")[0]: row for row in next(table.iter("tbody"))}


def bars(row: Element) -> dict[str, Element]:
    """The first rectangle of each stage, by the stage's name."""
    found = [group for group in row.iter("g") if group.get("class", "").startswith("s-")]
    return {text(group[0]).split()[0]: group[1] for group in found}


def test_bars_begin_and_last_in_proportion_to_the_figures(tmp_path: Path) -> None:
    found = bars(rows(page(records.restored(tmp_path)))["bot-1"])
    assert list(found) == ["halt", "revert", "resume", "verify"]
    scale = number(found["halt"], "x") / 2.0
    for name, begin, seconds in (("halt", 2, 2), ("revert", 8, 1), ("resume", 9, 1), ("verify", 10, 1)):
        assert number(found[name], "x") == pytest.approx(begin * scale, abs=0.02)
        assert number(found[name], "width") == pytest.approx(seconds * scale, abs=0.02)
    row = rows(page(records.restored(tmp_path)))["bot-1"]
    spans = classed(row, "span")
    assert [number(span, "x") for span in spans] == pytest.approx([1 * scale, 6 * scale], abs=0.02)
    assert [number(span, "width") for span in spans] == pytest.approx([3 * scale, 5 * scale], abs=0.02)
    marks = {kind: classed(row, "mark", kind)[0] for kind in ("safe", "restored")}
    assert number(marks["safe"], "x") == pytest.approx(4 * scale, abs=0.02)
    assert number(marks["restored"], "x") == pytest.approx(11 * scale, abs=0.02)


def test_decision_safe_and_restored_are_lines_through_all_rows(tmp_path: Path) -> None:
    root = page(records.restored(tmp_path))
    (grid,) = [element for element in root.iter("g") if element.get("id") == "grid"]
    at = {kind: number(classed(grid, "event", kind)[0], "x1") for kind in ("decision", "safe", "restored")}
    assert at["decision"] == 0.0
    assert at["restored"] == pytest.approx(at["safe"] * 11 / 4, abs=0.05)
    for row in rows(root).values():
        assert any(use.get("href") == "#grid" for use in row.iter("use"))
    axis = classed(root, "timeline")[0][1]
    assert "all safe 4.00 s" in text(axis) and "all restored 11.00 s" in text(axis)
    assert "decision 03:15:00 UTC" in text(axis)


def test_a_line_that_was_not_reached_is_not_drawn(tmp_path: Path) -> None:
    root = page(records.mixed(tmp_path))
    assert not classed(root, "event", "safe") and not classed(root, "event", "restored")
    assert classed(root, "event", "decision")


def test_a_budget_is_a_tick_only_where_it_ends_on_the_axis(tmp_path: Path) -> None:
    found = records.restored(tmp_path)
    assert not classed(section(page(found), "timeline"), "budget", "b-2")
    for bot in found["bots"]:
        bot["stages"][0].update(budget=5.0)
    row = rows(page(found))["bot-1"]
    (tick,) = classed(row, "budget")
    assert number(tick, "x1") == pytest.approx(number(bars(row)["halt"], "x") * 7 / 2, abs=0.05)
    assert "the budget of halt, 5 s, ends" in text(tick)
    headings = [text(heading) for heading in classed(page(found), "timeline")[0].iter("th")]
    assert "revert of 60 s" in headings, "a budget beyond the axis is told in words"


def test_a_stage_over_its_budget_is_marked_from_where_it_ran_out(tmp_path: Path) -> None:
    found = records.restored(tmp_path)
    found["bots"][0]["stages"][0].update(budget=0.5, over_budget=True)
    root = page(found)
    row = rows(root)["bot-1"]
    (late,) = classed(row, "late")
    halt = bars(row)["halt"]
    assert number(late, "x") == pytest.approx(number(halt, "x") + number(halt, "width") / 4, abs=0.02)
    assert number(late, "width") == pytest.approx(number(halt, "width") * 3 / 4, abs=0.02)
    assert "▲ 2.00" in text(row) and "OVER BUDGET" in text(row)
    assert "Over budget: halt of bot-1, 2.00 s of 0.5 s." in text(section(root, "timeline"))


def test_a_failed_stage_is_told_by_more_than_colour(tmp_path: Path) -> None:
    row = rows(page(records.mixed(tmp_path)))["sick"]
    assert len(classed(row, "cross")) == 1 and "✕ 1.00" in text(row) and "FAILED" in text(row)


def test_a_bot_without_times_says_so_in_its_row(tmp_path: Path) -> None:
    row = rows(page(records.mixed(tmp_path)))["gone"]
    assert "no times: unreachable" in text(row)
    assert not list(row.iter("rect"))


def test_a_fleet_without_times_has_nothing_to_draw(tmp_path: Path) -> None:
    root = page(records.unreachable(tmp_path))
    assert not classed(root, "timeline") and "no bot has a time" in text(section(root, "timeline"))


def test_a_transaction_that_brought_no_stage_is_drawn_as_what_was_waited_for(tmp_path: Path) -> None:
    found = records.restored(tmp_path)
    found["bots"][0].update(
        stages=[], transactions=[{"stages": [], "sent_after_seconds": 1, "received_after_seconds": 9}]
    )
    row = rows(page(found))["bot-1"]
    assert len(classed(row, "span")) == 1 and not bars(row)


def test_the_second_run_of_a_rollback_hours_later_is_not_squashed(tmp_path: Path) -> None:
    found = records.later(records.restored(tmp_path), after=5.0, seconds=10800)
    root = page(found)
    row = bars(rows(root)["bot-1"])
    assert number(row["halt"], "width") == pytest.approx(2 * number(row["revert"], "width"), abs=0.05)
    assert number(row["revert"], "width") > 5
    gaps = [element for element in classed(root, "gap") if element.tag == "rect"]
    left, width = number(gaps[0], "x"), number(gaps[0], "width")
    assert number(row["halt"], "x") < left and left + width < number(row["revert"], "x")
    assert "3 h" in text(section(root, "timeline")) and "3:00:0" in text(section(root, "timeline"))


def test_each_row_has_a_text_for_who_cannot_see_it(tmp_path: Path) -> None:
    for row in rows(page(records.restored(tmp_path))).values():
        image = next(element for element in row.iter("svg") if element.get("role") == "img")
        assert "restored" in text(image[0]) and image[0].tag == "title"
        assert image[1].tag == "desc" and "halt 2.00 s of 30 s" in text(image[1])
        assert "safe after 4.00 s; restored after 11.00 s" in text(image[1])


@pytest.mark.parametrize(("count", "compact"), [(1, False), (12, False), (200, True)])
def test_rows_for_fleets_of_any_size(tmp_path: Path, count: int, compact: bool) -> None:
    root = page(records.scaled(records.restored(tmp_path, 1), count))
    assert len(rows(root)) == count
    assert bool(classed(root, "timeline", "compact")) is compact


def test_two_hundred_bots_are_a_page_that_a_browser_opens_at_once(tmp_path: Path) -> None:
    found: dict[str, Any] = records.scaled(records.mixed(tmp_path), 200)
    size = len(render_report(found).encode())
    assert size < 200 * 20_000


def test_the_time_that_a_database_took_is_drawn_and_not_cut_out(tmp_path: Path) -> None:
    root = page(records.later(records.with_database(tmp_path), after=5.0, seconds=90))
    drawn = rows(root)
    assert list(drawn) == ["bot-1", "fills"]
    found = bars(drawn["fills"])
    scale = number(found["data"], "x") / 5.0
    assert number(found["data"], "width") == pytest.approx(90 * scale, abs=0.02)
    assert not [gap for gap in classed(root, "gap") if gap.tag == "rect"]
    headings = [text(heading) for heading in classed(root, "timeline")[0].iter("th")]
    assert headings[0] == "Bot, database" and headings.index("data of 60 s") == headings.index("halt of 30 s") + 1
    assert "▲ 90.00" in text(drawn["fills"]) and "Over budget: data of fills, 90.00 s of 60 s." in text(root)


def test_a_database_in_a_record_of_an_earlier_version_has_no_row(tmp_path: Path) -> None:
    found = records.with_database(tmp_path)
    for name in ("stages", "transactions"):
        del found["databases"][0][name]
    assert list(rows(page(found))) == ["bot-1"]
