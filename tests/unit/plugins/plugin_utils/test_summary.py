# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The final table: it names every bot that is not as it should be, the worst first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.plugin_utils._record import build_record
from ansible_collections.tradeops.botfleet.plugins.plugin_utils._summary import summary, verdict

from .results import BAD, DECIDED, DECIDED_EPOCH, GOOD, SKIPPED, UNREACHABLE, Bot

INPUTS = {"rollback_id": "rb-1", "plan": "emergency", "scope": "bots", "trigger": "manual", "reason": "x"}


def record(*variables: dict[str, Any], check_mode: bool = False) -> dict[str, Any]:
    by_name = {entry["inventory_hostname"]: entry for entry in variables}
    inputs = {**INPUTS, "decided_at": DECIDED, "bots": list(by_name)}
    return build_record(inputs, by_name, check_mode, DECIDED_EPOCH + 20)


@pytest.fixture
def mixed(tmp_path: Path) -> dict[str, Any]:
    """One restored, one safe, one exposed, in the order of the inventory."""
    restored, safe, exposed = Bot(tmp_path, "a-restored"), Bot(tmp_path, "b-safe"), Bot(tmp_path, "c-exposed")
    return record(
        restored.variables(restored.halt(), restored.revert()),
        safe.variables(safe.halt(received=3.0), safe.revert(code_fails=True)),
        exposed.variables(UNREACHABLE, SKIPPED),
    )


def test_the_worst_comes_first_and_nobody_is_left_out(mixed: dict[str, Any]) -> None:
    heading, *rows = summary(mixed, "/x/record.json")[:4]
    assert heading.split()[:3] == ["bot", "from", "to"]
    assert [row.split()[0] for row in rows] == ["c-exposed", "b-safe", "a-restored"]
    assert "NOT SAFE" in rows[0] and "unreachable" in rows[0] and " on " in rows[0]
    assert rows[1].split()[1:3] == [BAD, BAD] and "3.0 s" in rows[1] and "told to fail" in rows[1]
    assert rows[2].split()[1:3] == [BAD, GOOD] and "9.0 s" in rows[2] and " off " in rows[2]


def test_columns_line_up(mixed: dict[str, Any]) -> None:
    lines = summary(mixed, "/x/record.json")[:4]
    assert len({line.index("trading") if "trading" in line else line.index("unproven") - 9 for line in lines}) == 1
    assert not any(line != line.rstrip() for line in lines)


def test_the_verdict_counts_and_names(mixed: dict[str, Any]) -> None:
    assert verdict(mixed) == "1 of 3 bots restored; safe but not restored: b-safe; EXPOSED: c-exposed"


def test_figures_that_nobody_has_are_dashes(mixed: dict[str, Any]) -> None:
    text = "\n".join(summary(mixed, "/x/record.json"))
    assert "time-to-safe      -\n" in text and "time-to-restored  -\n" in text
    assert "outcome           exposed (1 of 3" in text and text.endswith("record            /x/record.json")


def test_overruns_are_named(mixed: dict[str, Any]) -> None:
    assert any(line.startswith("over budget") and "a-restored verify" in line for line in summary(mixed, "x"))


def test_all_well(tmp_path: Path) -> None:
    bot = Bot(tmp_path, "a")
    found = record(bot.variables(bot.halt(), bot.revert()))
    text = "\n".join(summary(found, "x"))
    assert verdict(found) == "1 of 1 bots restored"
    assert "time-to-safe      2.0 s" in text and "time-to-restored  9.0 s" in text and "CHECK MODE" not in text


def test_check_mode_says_so(tmp_path: Path) -> None:
    bot = Bot(tmp_path, "a")
    found = record(bot.variables(bot.halt(check_mode=True), bot.revert(check_mode=True)), check_mode=True)
    assert summary(found, "x")[0].startswith("CHECK MODE: nothing was changed")
