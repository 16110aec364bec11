# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first screenful: what came of it, and who is not safe."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import records
from .page import Element, classed, page, section, text


def tiles(root: Element) -> dict[str, str]:
    return {text(tile[0]): text(tile[1]) for tile in classed(root, "tiles")[0]}


def test_a_fleet_that_is_restored(tmp_path: Path) -> None:
    root = page(records.restored(tmp_path))
    assert [text(element) for element in root.iter("h1")] == ["Restored"]
    (lead,) = classed(root, "lead")
    assert text(lead) == "All 2 bots are back on deploy-20251201-083000, from deploy-20260105-031500."
    assert tiles(root) == {
        "Time to safe": "4.00 s 2 of 2 bots safe",
        "Time to restored": "11.00 s 2 of 2 bots restored",
        "Trading": "off off for 2 of 2 bots",
        "Exposure": "none, declared 2 of 2 bots: by the inventory, not read",
    }
    assert not classed(root, "unsafe") and not classed(root, "attention")


def test_every_bot_that_is_not_safe_is_named_in_the_band(tmp_path: Path) -> None:
    root = page(records.mixed(tmp_path))
    assert [text(element) for element in root.iter("h1")] == ["Exposed"]
    (unsafe,) = classed(root, "unsafe")
    assert [text(link) for link in unsafe.iter("a")] == ["gone", "stuck"], "what may be trading comes first"
    assert "timed out" in text(unsafe)
    (lead,) = classed(root, "lead")
    assert text(lead) == "2 of 6 bots are NOT SAFE, 3 are safe but not restored, 1 is restored."


def test_two_hundred_unsafe_bots_are_all_named_and_no_sentence_pushes_them_down(tmp_path: Path) -> None:
    root = page(records.scaled(records.unreachable(tmp_path), 200))
    (unsafe,) = classed(root, "unsafe")
    names = [text(link) for link in unsafe.iter("a")]
    assert names == [f"bot-{number}" for number in range(1, 201)], "sorted as people count"
    assert "closed" not in text(unsafe)


def test_what_was_not_reached_is_never_zero(tmp_path: Path) -> None:
    root = page(records.unreachable(tmp_path))
    assert tiles(root)["Time to safe"] == "not reached 0 of 3 bots safe"
    assert tiles(root)["Time to restored"].startswith("not reached")
    assert tiles(root)["Trading"] == "on for 3 off for 0 of 3 bots, not read counts as on"
    assert "0.00 s" not in text(root)


def test_check_mode_says_would_wherever_it_says_what_came_of_it(tmp_path: Path) -> None:
    root = page(records.check(tmp_path))
    assert [text(element) for element in root.iter("h1")] == ["Would be restored"]
    assert "nothing was changed, this is what would be" in text(classed(root, "eyebrow")[0])
    body = next(root.iter("body"))
    assert body.get("class") == "check", "drawn as a check, whatever it came to"
    assert "Trading now" in tiles(root) and "Time to safe" not in tiles(root)
    assert text(classed(section(root, "bots"), "state")[0]) == "would be restored"


def test_facts_of_the_rollback(tmp_path: Path) -> None:
    found = records.restored(tmp_path)
    found.update(operator="ana@ops-1", history={"line": 7, "head": "ab" * 32}, schema_version=1, status="Monitoring")
    root = page(found)
    about, (footer,) = text(section(root, "about")), root.iter("footer")
    for fact in ("P&L anomaly", "emergency", "bots", "ana@ops-1", "2026-01-05 03:15:00 UTC", "rb-1"):
        assert fact in about
    for fact in ("rb-1", "schema 1", "ab" * 32, "line 7", "tradeops.botfleet", "ana@ops-1", "Monitoring"):
        assert fact in text(footer)


def test_a_record_of_an_earlier_version(tmp_path: Path) -> None:
    found = records.mixed(tmp_path)
    for name in ("operator", "history", "status", "schema_version", "automatic", "phase", "inputs", "data_loss"):
        found.pop(name, None)
    for bot in found["bots"]:
        bot.pop("transactions")
        bot.pop("stored")
        for stage in bot["stages"]:
            stage.pop("started_after_seconds")
    root = page(found)
    assert "not recorded" in text(next(root.iter("footer")))
    assert "schema" not in text(next(root.iter("footer")))


def test_exposure_is_none_only_as_declared(tmp_path: Path) -> None:
    found = records.restored(tmp_path)
    root = page(found)
    assert tiles(root)["Exposure"] == "none, declared 2 of 2 bots: by the inventory, not read"
    assert "Nobody looked at an exchange" in text(section(root, "claims"))
    found["bots"][0]["exposure"] = {"state": "unproven"}
    assert tiles(page(found))["Exposure"].startswith("unproven 1 of 2 bots")


def test_s1_8_whether_rows_were_lost_is_said_above_all_details(tmp_path: Path) -> None:
    said = {True: "Data loss rows left a database, and are in a safety copy", False: "Data loss no row was lost"}
    for loss in (True, False, None):
        found = text(page({**records.restored(tmp_path), "data_loss": loss}))
        assert [sentence for sentence in said.values() if sentence in found] == ([] if loss is None else [said[loss]])


def test_what_is_not_claimed(tmp_path: Path) -> None:
    claims = text(section(page(records.restored(tmp_path)), "claims"))
    assert "Exposure none is declared, not read" in claims and "Money at risk" not in claims
    assert "Data loss is not measured" in claims
    assert "never shorter than the truth" in claims
    assert "Nothing was changed" in text(section(page(records.check(tmp_path)), "claims"))


@pytest.mark.parametrize("outcome", ["restored", "safe", "guarded", "exposed", "splendid"])
def test_an_outcome_that_is_not_known_is_drawn_as_the_worst(tmp_path: Path, outcome: str) -> None:
    root = page({**records.restored(tmp_path), "outcome": outcome})
    look = next(root.iter("body")).get("class")
    assert look == (outcome if outcome != "splendid" else "exposed")


def test_what_is_held_shows_in_the_headline(tmp_path: Path) -> None:
    root = page(records.held(tmp_path))
    assert text(classed(root, "lead")[0]) == "2 of 6 bots are NOT SAFE, 1 is guarded but not restored, 3 are restored."
    assert [text(link) for link in classed(root, "unsafe")[0].iter("a")] == ["silent", "stuck"]
    assert tiles(root)["Time to safe"] == "not reached 3 of 6 bots safe, 1 guarded"
    assert tiles(root)["Exposure"] == "residual 1234.50 1 of 6 bots: not closed"
    assert [tile.get("class") for tile in classed(root, "tiles")[0]] == ["bad", "open", "good", "bad"]


def test_a_fleet_that_came_to_its_end_with_a_guarded_bot_is_not_just_restored(tmp_path: Path) -> None:
    root = page(records.guarded(tmp_path))
    assert [text(element) for element in root.iter("h1")] == ["Restored, guarded"]
    assert next(root.iter("body")).get("class") == "guarded"
    assert text(classed(root, "lead")[0]).endswith("; positions of 1 bot are left to their stops.")
    assert tiles(root)["Time to safe"] == "not reached 1 of 2 bots safe, 1 guarded"
    assert tiles(root)["Exposure"] == "guarded 2500.00 1 of 2 bots: left to their stops"
    assert text(classed(section(root, "bots"), "state")[0]) == "restored, guarded"
    (case,) = classed(root, "case")
    assert "positions of 2500.00 are left to their stops" in text(case) and "stays on production" in text(case)


def test_a_check_of_what_is_held_says_what_is_there_now(tmp_path: Path) -> None:
    root = page(records.check_of_held(tmp_path))
    assert tiles(root)["Exposure now"] == "residual 9500.00 1 of 2 bots"
    assert [tile.get("class") for tile in classed(root, "tiles")[0]][-1] == "open"


def test_one_bot_and_no_bot(tmp_path: Path) -> None:
    found = records.restored(tmp_path, 1)
    assert text(classed(page(found), "lead")[0]).startswith("bot-1 is back on")
    assert page({**found, "bots": [], "outcome": "exposed"}) is not None


def test_bots_outside_the_last_run_are_marked_and_a_stopped_one_shows(tmp_path: Path) -> None:
    root = page(records.narrower(tmp_path))
    rows = {text(row[0]): [text(row[1]), text(row[6])] for row in section(root, "bots").iter("tr") if row.get("class")}
    assert rows == {
        "gone": ["NOT SAFE not in the last run", "on, unknown"],
        "good": ["restored not in the last run", "off, running"],
        "stays": ["restored", "off, stopped"],
    }
    (now,) = classed(section(root, "attention"), "now")
    assert "process unknown" in text(now) and "it was not in the last one" in text(now)
    assert "-e scope=gone" in text(section(root, "attention")), "the scope of the last run would leave it out again"
    assert "2 bots is as an earlier run of this id left it" in text(root)
