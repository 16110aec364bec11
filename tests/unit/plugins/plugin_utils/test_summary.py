# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The final table: it names every bot that is not as it should be, the worst first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.plugin_utils._next import next_steps, stopped
from ansible_collections.tradeops.botfleet.plugins.plugin_utils._record import build_record
from ansible_collections.tradeops.botfleet.plugins.plugin_utils._summary import stored_notice, summary, verdict

from .results import BAD, DECIDED, DECIDED_EPOCH, GOOD, SKIPPED, UNREACHABLE, Bot

INPUTS = {"rollback_id": "rb-1", "plan": "emergency", "scope": "bots", "trigger": "manual", "reason": "x"}


HELD = "held at the barrier: 1 of 200 bots are not safe (tn-1), max_unsafe is 0, and so on and so forth"


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
    assert len({line.index("exposure") if "exposure" in line else line.index("none") for line in lines}) == 1
    assert not any(line != line.rstrip() for line in lines)


def test_the_verdict_counts_and_names(mixed: dict[str, Any]) -> None:
    assert verdict(mixed) == "1 of 3 bots restored; safe but not restored: b-safe; EXPOSED: c-exposed"


def test_figures_that_nobody_has_are_dashes(mixed: dict[str, Any]) -> None:
    text = "\n".join(summary(mixed, "/x/record.json"))
    assert "time-to-safe      -\n" in text and "time-to-restored  -\n" in text
    assert "outcome           exposed (1 of 3" in text and "\nrecord            /x/record.json\n" in text


def test_overruns_are_named(mixed: dict[str, Any]) -> None:
    assert any(line.startswith("over budget") and "a-restored verify" in line for line in summary(mixed, "x"))


def test_all_well(tmp_path: Path) -> None:
    bot = Bot(tmp_path, "a")
    found = record(bot.variables(bot.halt(), bot.revert()))
    text = "\n".join(summary(found, "x"))
    assert verdict(found) == "1 of 1 bot restored"
    assert "time-to-safe      2.0 s" in text and "time-to-restored  9.0 s" in text and "CHECK MODE" not in text


def test_check_mode_says_so(tmp_path: Path) -> None:
    bot = Bot(tmp_path, "a")
    found = record(bot.variables(bot.halt(check_mode=True), bot.revert(check_mode=True)), check_mode=True)
    lines = summary(found, "x")
    assert lines[0].startswith("CHECK MODE: nothing was changed") and "trading now" in lines[1]
    assert "outcome           would be restored (1 of 1 bot would be restored)" in lines


def test_what_is_next_after_an_exposed_bot(mixed: dict[str, Any]) -> None:
    exposed, safe = next_steps(mixed)
    assert exposed == (
        "make sure that c-exposed cannot trade (its machine, its exchange), then run again with -e rollback_id=rb-1"
    )
    assert safe == "b-safe: mend what the failure says, then run again with -e rollback_id=rb-1"
    assert summary(mixed, "x")[-2:] == [f"next              {exposed}", f"next              {safe}"]


def test_what_is_next_where_unsafe_bots_hold_the_others() -> None:
    lost, waiting = row("tn-1", "unreachable"), row("tn-3", HELD, safe=True)
    (step,) = next_steps(of([lost, waiting]))
    assert step.endswith("; to go on without it add -e max_unsafe=1")
    (step,) = next_steps(of([lost, {**lost, "name": "tn-2"}, waiting]))
    assert "tn-1 and tn-2 cannot" in step and step.endswith("; to go on without them add -e max_unsafe=2")


def test_nothing_is_next_where_nothing_is_left_to_do() -> None:
    assert next_steps(of([row("tn-1")])) == []
    superseded = row(
        "tn-1", "rollback rb-1 is closed, superseded by rb-2: follow that one, or start a new one", safe=True
    )
    assert next_steps(of([superseded])) == []
    (step,) = next_steps(of([{**superseded, "safe": False}]))
    assert step.startswith("make sure that tn-1 cannot trade") and step.endswith("then start a new rollback")
    assert next_steps({**of([row("tn-1", "no tag")]), "check_mode": True}) == [
        "tn-1: mend what the failure says, then check again"
    ]


def test_restored_bots_that_do_not_run_are_named() -> None:
    bots = [row("tn-1", process="running"), row("tn-14", process="stopped"), row("qt-1", "x", process="stopped")]
    (line,) = [line for line in summary(of(bots), "x") if line.startswith("stopped")]
    assert line == (
        "stopped           tn-14: restored and not running; start it by hand, or run a rollback with -e hand_back=true"
    )
    assert stopped({**of(bots), "check_mode": True}) == []


def test_a_stored_result_is_said_above_and_below() -> None:
    notice = stored_notice({"completion_time": "2026-01-05T03:16:30.250000Z"}, stands=True)
    assert notice == (
        "STORED RESULT: nothing was read or touched in this run; recorded 2026-01-05 03:16:30 UTC. "
        "For a fresh rollback leave rollback_id out."
    )
    lines = summary(of([row("tn-1")]), "x", notices=[notice])
    assert lines[0] == lines[-1] == notice
    narrow = summary(of([row("tn-1")]), "x", notices=[notice], width=80)
    assert narrow[0].startswith("STORED RESULT: ") and narrow[:2] == narrow[-2:] and max(map(len, narrow)) <= 80


def row(name: str, failure: str | None = None, **more: Any) -> dict[str, Any]:
    """A bot of a record: restored, or with a failure exposed."""
    return {
        "name": name,
        "safe": not failure,
        "guarded": False,
        "restored": not failure,
        "trading": "on" if failure else "off",
        "exposure": held(),
        "from": BAD,
        "to": None if failure else GOOD,
        "safe_after_seconds": None if failure else 2.0,
        "restored_after_seconds": None if failure else 9.0,
        "transactions": [],
        "stages": [],
        "failure": failure,
        **more,
    }


def held(state: str = "none", *figures: Any, reads: int = 2) -> dict[str, Any]:
    """figures: notional and orders before, then after; seconds to flat."""
    names = ("notional_before", "orders_before", "notional_after", "orders_after", "seconds_to_flat")
    clean_at = [float(number) for number in range(reads)]
    proof = [{"account": "okx production", "clean_at": clean_at, "not_known_in": ["demo"]}] if figures else None
    return {"state": state, **dict.fromkeys(names), **dict(zip(names, figures)), "proof": proof}


FLAT = held("flat", 9500.0, 3, 0.0, 0, 1.5)


def of(bots: list[dict[str, Any]]) -> dict[str, Any]:
    figures = {"time_to_safe_seconds": None, "time_to_restored_seconds": None}
    return {"rollback_id": "rb-1", "check_mode": False, "outcome": "exposed", "bots": bots, **figures}


def fleet(size: int) -> dict[str, Any]:
    """The first of them failed."""
    return of([row(f"tn-{number}", HELD if number == 1 else None) for number in range(1, size + 1)])


@pytest.mark.parametrize("size", [12, 200])
@pytest.mark.parametrize("width", [80, 120, 200])
@pytest.mark.parametrize("all_bots", [True, False])
def test_it_fits_the_terminal_and_nothing_is_cut(size: int, width: int, all_bots: bool) -> None:
    lines = summary(fleet(size), "/x/record.json", width=width, all_bots=all_bots)
    assert max(map(len, lines)) <= width
    text = " ".join(" ".join(lines).split())
    assert HELD in text and BAD in text and GOOD in text
    named = sum(line.split()[0].startswith("tn-") for line in lines if line and line[0] == "t" and "-" in line[:4])
    assert named == (1 if size == 200 and not all_bots else size)


def test_80_columns_put_versions_above_and_failures_below() -> None:
    lines = summary(fleet(3), "/x/record.json", width=80)
    assert lines[:2] == ["bot   safe after  restored after  trading  exposure", f"from {BAD} to unknown:"]
    assert lines[2].split() == ["tn-1", "NOT", "SAFE", "no", "on", "none"]
    assert lines[3].startswith("    held at the barrier")
    assert lines[5] == f"from {BAD} to {GOOD}:" and [line.split()[0] for line in lines[6:8]] == ["tn-2", "tn-3"]


def test_200_columns_put_a_bot_on_a_line() -> None:
    lines = summary(of([row("tn-1", "unreachable: timed out"), row("tn-2")]), "/x/record.json", width=200)
    assert lines[1].split()[:3] == ["tn-1", BAD, "-"] and lines[1].endswith("unreachable: timed out")
    assert lines[2].startswith("tn-2") and lines[3] == ""


def test_restored_bots_of_a_large_fleet_are_counted_by_what_they_share() -> None:
    bots = fleet(200)["bots"]
    bots[7] = row("tn-8", trading="on")
    text = "\n".join(summary(of(bots), "x", all_bots=False))
    assert f"198 bots restored: {BAD} to {GOOD}, safe after 2.0 s, restored after 9.0 s, trading off" in text
    assert "1 bot restored" in text and "trading on, exposure none" in text


def test_the_slowest_are_named_with_the_stage_that_took_longest() -> None:
    def timed(name: str, seconds: float) -> dict[str, Any]:
        stages = [{"name": "halt", "seconds": 1.0}, {"name": "verify", "seconds": seconds - 2}]
        sent = {"sent_after_seconds": 100.0, "received_after_seconds": 100.0 + seconds}
        return row(name, transactions=[sent], stages=[{**stage, "over_budget": False} for stage in stages])

    lines = summary(of([timed(f"tn-{number}", number + 10.0) for number in range(6)]), "x")
    slowest = [line for line in lines if line.startswith("slowest")]
    assert slowest == [
        "slowest           tn-5 15.0 s (verify 13.0 s); tn-4 14.0 s (verify 12.0 s); tn-3 13.0 s (verify 11.0 s)"
    ]


def test_what_a_host_sends_is_spelled_out() -> None:
    bots = [row("tn-1", "bad \x1b[2J\nnews"), row("tn-2\x1b]0;x\x07", **{"from": "v\x9b1"})]
    for width in (None, 80):
        lines = summary(of(bots), "/x/\x1b", width=width, more={"report": "/\x07"})
        assert all(line.isprintable() for line in lines)
        assert r"bad \x1b[2J news" in "\n".join(lines)


def test_what_lies_beside_the_record_is_named() -> None:
    lines = summary(of([]), "/x/record.json", more={"report": "/x/report.html"})
    assert lines[-2:] == ["record            /x/record.json", "report            /x/report.html"]


@pytest.mark.parametrize(
    ("exposure", "shown"),
    [
        (held(), "none"),
        (FLAT, "flat (2 reads)"),
        (held("flat", 0.0, 0, 0.0, 0, 0.0, reads=1), "flat (1 read)"),
        (held("guarded", 2500.0, 2, 2500.0, 1, 0.5), "guarded 2500.00"),
        (held("residual", 9500.0, 3, 1234.5, 0), "residual 1234.50"),
        (held("residual", 9500.0, 3), "residual 9500.00"),
        (held("residual", 0.0, 3, 0.0, 2), "residual, 2 orders"),
        (held("unproven"), "unproven"),
        ({"state": "flat"}, "flat"),
    ],
)
def test_what_a_bot_holds_is_said_in_few_words(exposure: dict[str, Any], shown: str) -> None:
    lines = summary(of([row("tn-1", exposure=exposure)]), "x")
    assert lines[1].endswith(f"off      {shown}")


def guarded(name: str, **more: Any) -> dict[str, Any]:
    """A bot whose positions were left to their stops, and that waits for that to be accepted."""
    failure = "guarded: 1 position of 2500.00 left to their stops: set accept_guarded=true"
    stops = held("guarded", 2500.0, 2, 2500.0, 1, 0.5)
    return {**row(name, failure), "guarded": True, "trading": "off", "exposure": stops, **more}


def test_a_guarded_bot_is_never_called_safe() -> None:
    restored = guarded("tn-2", restored=True, failure=None, safe_after_seconds=None)
    lost, safe = row("tn-3", "unreachable"), row("tn-4", "no tag", safe=True, safe_after_seconds=2.0)
    found = of([guarded("tn-1"), restored, row("tn-5"), lost, safe])
    lines = summary(found, "x")
    assert [line.split()[0] for line in lines[1:6]] == ["tn-3", "tn-1", "tn-4", "tn-2", "tn-5"]
    by_name = {line.split()[0]: line.split() for line in lines[1:6]}
    assert [by_name[name][3] for name in ("tn-1", "tn-2", "tn-4")] == ["guarded", "guarded", "2.0"]
    assert verdict(found) == ("2 of 5 bots restored; safe but not restored: tn-4; guarded: tn-1, tn-2; EXPOSED: tn-3")


def test_restored_bots_that_are_guarded_are_named_in_a_large_fleet_too() -> None:
    bots = [row(f"tn-{number}") for number in range(200)]
    bots[7] = guarded("tn-7", restored=True, failure=None)
    lines = summary(of(bots), "x", all_bots=False)
    assert lines[1].startswith("tn-7 ") and "199 bots restored" in lines[2]


def test_what_was_held_and_how_long_it_took_to_be_gone() -> None:
    def line(*bots: dict[str, Any]) -> list[str]:
        return [line[18:] for line in summary(of(list(bots)), "x") if line.startswith("exposure")]

    flat = row("tn-1", exposure=FLAT)
    assert line(row("tn-1"), row("tn-2", exposure=held("flat", 0.0, 0, 0.0, 0, 0.0))) == [], "nothing was held"
    slow = row("tn-2", exposure=held("flat", 500.25, 1, 0.0, 0, 4.25))
    assert line(flat, slow, row("tn-3")) == [
        "before: notional 10000.25, 4 orders; after: notional 0.00, 0 orders; flat in 4.2 s (slowest: tn-2)"
    ]
    stuck = row("tn-2", "not flat", exposure=held("residual", 500.0, 1, 500.0, 1))
    assert line(flat, stuck) == ["before: notional 10000.00, 4 orders; after: notional 500.00, 1 order"]
    lost = row("tn-3", "no answer", exposure=held("unproven"))
    assert line(flat, lost) == [
        "before: notional 9500.00, 3 orders; after: notional 0.00, 0 orders; not read of tn-3"
    ], "so it is not flat"
    went = row("tn-3", "no answer", exposure=held("unproven", 100.0, 1))
    assert line(flat, went) == ["before: notional 9600.00, 4 orders; after: notional not known, orders not known"]


def test_an_account_that_bots_share_is_counted_once() -> None:
    step = {"operation": "exchange_exposure", "status": "changed"}
    bots = [row("tn-1", exposure=FLAT, steps=[step]), row("tn-2", exposure=FLAT), row("tn-3", exposure=FLAT)]
    assert "before: notional 9500.00, 3 orders" in "\n".join(summary(of(bots), "x"))
    assert "before: notional 9500.00, 3 orders" in "\n".join(summary(of(bots[1:]), "x"))
    bots[1]["steps"] = [step]
    assert "before: notional 19000.00, 6 orders" in "\n".join(summary(of(bots), "x"))


def test_a_check_says_what_is_held_now() -> None:
    found = {**of([row("tn-1", exposure=held("residual", 9500.0, 3))]), "check_mode": True}
    lines = summary(found, "x")
    assert "exposure now" in lines[1] and "residual 9500.00" in lines[2]
    assert "exposure          now: notional 9500.00, 3 orders" in lines


def test_what_is_next_for_bots_that_are_not_flat() -> None:
    stuck = row("tn-1", "not flat", trading="off", exposure=held("residual", 500.0, 1, 500.0, 1))
    unread = row("tn-2", "not read", trading="off", exposure=held("unproven"))
    lost, waiting = row("tn-3", "unreachable", exposure=held("unproven")), row("tn-4", HELD, safe=True)
    may_trade, hold = next_steps(of([stuck, unread, lost, waiting]))
    assert may_trade.startswith("make sure that tn-3 cannot trade")
    assert hold == (
        "look at the exchange for positions of tn-1 and tn-2, and mend what the failure says, then run again with -e "
        "rollback_id=rb-1; to go on without them add -e max_unsafe=3"
    )


def test_what_is_next_for_guarded_bots() -> None:
    again = "run again with -e rollback_id=rb-1 -e positions=natural -e accept_guarded=true"
    (step,) = next_steps(of([guarded("tn-1"), row("tn-2")]))
    assert step == f"tn-1: {again} to go on with it, or with -e positions=close to close positions"
    (step,) = next_steps(of([guarded("tn-1", failure="code: told to fail")]))
    assert step == f"tn-1: mend what the failure says, then {again}"
    assert next_steps(of([guarded("tn-1", failure="rollback rb-1 is closed, superseded by rb-2")])) == []


def test_a_guarded_bot_that_came_to_its_end_is_not_started_by_hand() -> None:
    ended = guarded("tn-1", restored=True, failure=None, process="stopped")
    assert stopped(of([ended])) == []
    (step,) = next_steps(of([ended]))
    assert step == (
        "tn-1: its exchange account stays on production until its positions are gone; then a new rollback with "
        "-e positions=close switches it to testnet and starts it"
    )
    assert next_steps({**of([ended]), "check_mode": True}) == []
