# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a result says about its bot: never safe unless that was read back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.tradeops.botfleet.plugins.plugin_utils._timeline.notes import step_lines
from ansible_collections.tradeops.botfleet.plugins.plugin_utils._timeline.outcome import (
    Outcome,
    read_outcome,
    read_shared,
)

from ..results import GOOD, TIMED_OUT, UNREACHABLE, Bot

HALT = ["halt"]
AFTER = ["revert", "resume", "verify"]


def of(result: dict[str, Any], stages: list[str], check_mode: bool = False) -> Outcome:
    return read_outcome(result, stages, check_mode)


def test_all_well(tmp_path: Path) -> None:
    bot = Bot(tmp_path)
    assert of(bot.halt(), HALT) == Outcome({"halt": "ok"}, is_safe=True)
    after = of(bot.revert(), AFTER)
    assert after.stages == dict.fromkeys(AFTER, "ok") and after.failure == ""


def test_no_answer_is_a_failure_of_every_stage() -> None:
    lost = of(UNREACHABLE, HALT)
    assert lost.stages == {"halt": "unreachable"} and lost.failure.startswith("unreachable: Failed to connect")
    assert "\n" not in lost.failure and not lost.is_safe
    newer = of({**UNREACHABLE, "msg": f"Task failed: {UNREACHABLE['msg']}"}, HALT)
    assert newer == lost, "the words that ansible-core 2.20 puts before it are no news"
    late = of(TIMED_OUT, AFTER)
    assert late.stages == dict.fromkeys(AFTER, "failed") and "Timed out after 120" in late.failure
    assert late.at == "revert"


def test_a_halt_that_is_not_proven_safe_has_failed(tmp_path: Path) -> None:
    """Its only step went well; the flag, which it does not touch, is still up."""
    bot = Bot(tmp_path)
    steps = [bot.step("process", "stopped", "stop")]
    halt = bot.run([{"name": "halt", "on_failure": "continue", "budget": 30, "steps": steps}], 2.0)
    assert not halt["failed"]
    found = of(halt, HALT)
    assert found.stages == {"halt": "failed"} and found.failure.startswith("NOT SAFE: ") and "flag" in found.failure


def test_a_reason_is_given_once(tmp_path: Path) -> None:
    found = of(Bot(tmp_path).halt(stop_fails=True), HALT)
    assert found.failure.count("told to fail") == 1 and "NOT SAFE" in found.failure and found.at == "halt"


def test_a_stored_result_is_called_so(tmp_path: Path) -> None:
    stored = {**Bot(tmp_path).halt(), "stored": True}
    assert of(stored, HALT) == Outcome({"halt": "stored"}, is_safe=True)
    assert step_lines(stored)[0].startswith("halt ok (stored), ")


def test_a_failed_revert_says_whether_the_bot_is_safe(tmp_path: Path) -> None:
    bot = Bot(tmp_path)
    bot.halt()
    found = of(bot.revert(code_fails=True), AFTER)
    assert found.stages == {"revert": "failed", "resume": "skipped", "verify": "skipped"}
    assert found.at == "revert" and found.failure.endswith("told to fail; the bot is safe") and found.is_safe


def test_a_refused_transaction_failed_in_its_first_stage(tmp_path: Path) -> None:
    """Another id has superseded it: no stage began."""
    bot = Bot(tmp_path)
    bot.halt()
    bot.halt(rollback_id="rb-2")
    found = of(bot.revert(), AFTER)
    assert found.stages == {"revert": "failed", "resume": "skipped", "verify": "skipped"}
    assert "rb-2" in found.failure


def test_a_check_fails_only_where_a_step_could_not_be_planned(tmp_path: Path) -> None:
    """The bot is live: of course it is not safe yet."""
    bot = Bot(tmp_path)
    assert of(bot.halt(check_mode=True), HALT, check_mode=True).failure == ""
    assert of(bot.halt(check_mode=True, target_fails=True), HALT, check_mode=True).stages == {"halt": "failed"}


def test_a_bot_whose_positions_are_not_closed_is_not_called_safe(tmp_path: Path) -> None:
    """S1.3, S3.5: it is stopped, and what it holds may still cost money."""
    stuck, silent = Bot(tmp_path, "stuck").holds(900.0, refuses=True), Bot(tmp_path, "silent").holds(1.0, silent=True)
    for bot, why in ((stuck, "is not what cancel_and_close wants"), (silent, "cannot be read")):
        found = of(bot.halt(), HALT)
        assert found.stages == {"halt": "failed"} and not found.is_safe
        assert found.failure.startswith("NOT SAFE: ") and found.failure.count(why) == 1
        assert "the bot is safe" not in found.failure


def test_what_is_not_proven_and_what_is_not_closed_are_both_said(tmp_path: Path) -> None:
    found = of(Bot(tmp_path).holds(900.0, refuses=True).halt(stop_fails=True), HALT)
    assert 'no proof of "process stopped"' in found.failure
    assert found.failure.count("is not what cancel_and_close wants") == 1


def test_halt_calls_a_bot_safe_only_if_it_has_read_its_account(tmp_path: Path) -> None:
    """An account that bots share is read after halt, so that nobody knows yet."""
    flat, shares = Bot(tmp_path, "flat").holds(900.0), Bot(tmp_path, "shares").holds(900.0, shared="main")
    assert of(flat.halt(target_fails=True), HALT).failure == "code " + GOOD + ": no tag matches; the bot is safe"
    assert of(shares.halt(target_fails=True), HALT).failure.endswith("no tag matches; the bot cannot trade")


def test_a_guarded_bot_is_called_guarded(tmp_path: Path) -> None:
    """S4.7 A. That its positions are left to their stops is no failure; what fails later still finds it so."""
    bot = Bot(tmp_path).holds(900.0, strategy="natural")
    halt = of(bot.halt(), HALT)
    assert (halt.failure, halt.exposure, halt.is_safe) == ("", "guarded", False)
    failed = read_outcome(bot.revert(code_fails=True), AFTER, False, guarded=True)
    assert failed.failure.endswith("; the bot is guarded: its positions are left to their stops")
    assert not failed.is_safe


def test_an_account_that_bots_share(tmp_path: Path) -> None:
    def account(result: dict[str, Any], check_mode: bool = False) -> Outcome:
        return read_shared(result, "exposure", check_mode)

    flat, stuck, stops = (Bot(tmp_path, name) for name in ("flat", "stuck", "stops"))
    flat.holds(900.0, shared="a"), stuck.holds(900.0, shared="b", refuses=True)
    stops.holds(900.0, shared="c", strategy="natural")
    assert account(flat.account(check_mode=True), check_mode=True).failure == ""
    assert account(flat.account()) == Outcome({"exposure": "ok"}, exposure="flat")
    assert account(stops.account()) == Outcome({"exposure": "ok"}, exposure="guarded")
    failed = account(stuck.account())
    assert failed.stages == {"exposure": "failed"} and failed.at == "exposure" and failed.exposure == "residual"
    assert failed.failure.startswith("NOT SAFE: ") and failed.failure.count("is not what") == 1
    lost = account(UNREACHABLE)
    assert lost.stages == {"exposure": "unreachable"} and lost.failure.startswith("unreachable: ")
