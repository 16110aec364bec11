# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Freqtrade through bot_control, against a stand-in that has its traps. The real one is in tests/freqtrade."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._control import course
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import NotUndone

from tests.peers.freqtrade import PASSWORD, USERNAME, Freqtrade, freqtrade_serving
from tests.peers.web import serving

from .controlled_bot import change_of, control, operation, proof_of

KEYS = {"username": USERNAME, "password": PASSWORD}


@pytest.fixture
def bot(monkeypatch: pytest.MonkeyPatch) -> Iterator[Freqtrade]:
    monkeypatch.setattr(course, "POLL", 0.02)
    with freqtrade_serving(Freqtrade()) as served:
        yield served


def ask(bot: Freqtrade, state: str, mode: str = "apply", *, check: bool = False, **options: Any) -> Any:
    given = {"interface": "freqtrade", "url": bot.url, "credentials": KEYS, "state": state, **options}
    outcome = control(mode, check=check, **given)
    assert bot.started == 0, "nothing may ever start a bot"
    assert "reload_config" not in bot.sent and "start" not in bot.sent
    return outcome


def test_s1_3_flat_pauses_exits_and_counts(bot: Freqtrade) -> None:
    """S1.3: closes all positions, and says so only once the bot's own count is 0."""
    bot.hold(1, 2)
    outcome = ask(bot, "flat")
    assert outcome.status == "changed", outcome.message
    assert bot.sent == ["stopentry", "forceexit"]
    assert bot.asked[-1].method == "GET"
    assert outcome.before["count"] == 2 and outcome.before["paused"] is False
    change = change_of(outcome)
    assert (change["sent"], change["count_before"], change["count_after"]) == (["pause", "exit"], 2, 0)
    proof = proof_of(outcome)
    assert (proof["count"], proof["paused"], proof["stopped"], proof["claimed"]) == (0, True, False, False)
    assert (proof["state"], proof["dry_run"], proof["version"]) == ("paused", False, "2026.9")
    assert outcome.diff[0]["before"] == "has 2 open and still enters\n"
    assert outcome.diff[0]["after"] == "flat\n"


def test_stopped_is_flat_first(bot: Freqtrade) -> None:
    """S1.3."""
    bot.hold(1)
    outcome = ask(bot, "stopped")
    assert bot.sent == ["stopentry", "forceexit", "stop"]
    assert proof_of(outcome)["stopped"] is True
    assert proof_of(outcome)["count"] == 0


def test_paused_leaves_trades_open(bot: Freqtrade) -> None:
    bot.hold(1)
    outcome = ask(bot, "paused")
    assert bot.sent == ["stopentry"]
    assert proof_of(outcome)["count"] == 1


@pytest.mark.parametrize("state", ["paused", "flat", "stopped", "reloaded"])
def test_a_second_time_sends_nothing(bot: Freqtrade, state: str) -> None:
    ask(bot, state)
    sent = list(bot.sent)
    again = ask(bot, state)
    assert (again.status, again.change, bot.sent) == ("unchanged", None, sent)
    assert proof_of(ask(bot, state, "prove"))["paused"] is True


@pytest.mark.parametrize("state", ["paused", "flat", "stopped", "reloaded"])
def test_check_mode_only_reads(bot: Freqtrade, state: str) -> None:
    bot.hold(1)
    outcome = ask(bot, state, check=True)
    assert outcome.status == "changed"
    assert bot.sent == []
    assert "have it enter nothing new" in outcome.message


@pytest.mark.parametrize("state", ["paused", "flat", "stopped"])
def test_stopentry_would_start_a_stopped_bot_and_is_not_sent(bot: Freqtrade, state: str) -> None:
    """Paused is what a stopped bot is already: it enters nothing."""
    bot.state = "stopped"
    outcome = ask(bot, state)
    assert outcome.status == "unchanged", outcome.message
    assert bot.sent == []
    assert bot.state == "stopped"
    assert proof_of(outcome)["stopped"] is True


@pytest.mark.parametrize("state", ["flat", "stopped"])
def test_a_stopped_bot_with_open_trades_is_not_started_to_exit_them(bot: Freqtrade, state: str) -> None:
    """``forceexit`` is 502 then, and so is ``count``; how many are open comes from ``status``."""
    bot.hold(1, 2)
    bot.state = "stopped"
    outcome = ask(bot, state)
    assert outcome.status == "failed"
    assert "is stopped with 2 open, so it exits nothing, and is not started for that" in outcome.message
    assert "tradeops.botfleet.exchange_exposure" in outcome.message
    assert bot.sent == []


def test_forceexit_that_comes_to_nothing_is_not_believed(bot: Freqtrade) -> None:
    """It answers 200 in any case; the count decides, at the deadline, and the bot is not stopped with a trade open."""
    bot.hold(1)
    bot.deaf = 99
    outcome = ask(bot, "stopped", deadline=1)
    assert outcome.status == "failed"
    assert f"freqtrade at {bot.url} is not stopped: it has 1 open and takes no new entry" in outcome.message
    assert proof_of(outcome)["count"] == 1
    assert "stop" not in bot.sent and bot.state == "paused"


def test_an_exit_that_did_not_fill_is_sent_again(bot: Freqtrade, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "ansible_collections.tradeops.botfleet.plugins.module_utils._control.freqtrade.Freqtrade.again", 0.1
    )
    bot.hold(1)
    bot.deaf = 2
    outcome = ask(bot, "flat")
    assert outcome.status == "changed", outcome.message
    assert bot.sent.count("forceexit") == 3
    assert change_of(outcome)["sent"] == ["pause", "exit"]


def test_an_api_that_is_away_for_a_while_is_waited_for(bot: Freqtrade) -> None:
    """Until the deadline; then it is said, and nothing is proven."""
    bot.hold(1)
    bot.away = 5
    assert ask(bot, "stopped").status == "changed"
    bot.state, bot.away = "running", 10_000
    bot.asked.clear()
    outcome = ask(bot, "stopped", deadline=0.5)
    assert outcome.status == "failed"
    assert f"GET {bot.url}/api/v1/show_config answered 500, expected 200" in outcome.message
    assert bot.sent == ["stopentry"]


def test_nothing_open_sends_no_forceexit(bot: Freqtrade) -> None:
    assert ask(bot, "flat").status == "changed"
    assert bot.sent == ["stopentry"]


def test_a_round_that_was_under_way_may_still_enter_and_is_waited_for(bot: Freqtrade) -> None:
    """The count is 0 right after the pause, and 1 when the round ends that began before it."""
    bot.round_lasts, bot.enters = 4, [7]
    outcome = ask(bot, "flat")
    assert outcome.status == "changed", outcome.message
    assert bot.sent == ["stopentry", "forceexit"]
    assert bot.trades == [] and bot.enters == []


def test_a_round_that_never_ends_is_said(bot: Freqtrade) -> None:
    bot.round_lasts = 10_000
    outcome = ask(bot, "paused", deadline=0.5)
    assert outcome.status == "failed"
    assert "takes no new entry and has not ended the round that it was in when it was paused" in outcome.message


@pytest.mark.parametrize("state", ["running", "paused", "stopped"])
def test_after_an_external_flatten_the_trade_stays_open_until_it_is_reloaded(bot: Freqtrade, state: str) -> None:
    bot.state, bot.trades = state, [3, 4]
    before = ask(bot, "reloaded", check=True).before
    assert before["count"] == 2
    outcome = ask(bot, "reloaded")
    assert outcome.status == "changed", outcome.message
    assert [line for line in bot.sent if line != "stopentry"] == ["trades/3/reload", "trades/4/reload"]
    assert bot.state == ("stopped" if state == "stopped" else "paused")
    assert proof_of(outcome)["count"] == 0


def test_a_trade_that_is_still_held_is_not_called_reloaded(bot: Freqtrade) -> None:
    bot.hold(3)
    outcome = ask(bot, "reloaded", deadline=0.5)
    assert outcome.status == "failed"
    assert "is not reloaded: it has 1 open" in outcome.message


@pytest.mark.parametrize("dry_run", [True, None])
def test_a_dry_run_that_nobody_expects_is_refused(bot: Freqtrade, dry_run: Any) -> None:
    """FREQTRADE__DRY_RUN in the bot's environment overrides its config: a count of 0 would prove nothing."""
    bot.dry_run = dry_run
    assert ask(bot, "paused", check=True).before["dry_run"] is dry_run
    outcome = ask(bot, "flat", expect_dry_run=False)
    assert outcome.status == "failed"
    assert "expected false: nothing was sent; FREQTRADE__DRY_RUN" in outcome.message
    assert bot.sent == []
    bot.dry_run = False
    assert ask(bot, "flat", expect_dry_run=False).status == "changed"


def test_killed_half_way_and_run_again_it_finishes(bot: Freqtrade) -> None:
    """A first run was killed after its pause: what is left is done, and nothing twice."""
    bot.hold(1)
    ask(bot, "paused")
    outcome = ask(bot, "stopped")
    assert bot.sent == ["stopentry", "forceexit", "stop"]
    assert change_of(outcome)["sent"] == ["exit", "stop"]


def test_what_was_done_stays(bot: Freqtrade) -> None:
    """An undo would start the bot, or open positions again."""
    options: dict[str, Any] = {"interface": "freqtrade", "url": bot.url, "credentials": KEYS, "state": "stopped"}
    with pytest.raises(NotUndone, match="is not started, and what it closed is not opened again"):
        operation(**options).undo({"sent": ["pause", "exit", "stop"]})
    assert bot.asked == []


def test_prove_alone_fails_with_its_sentence(bot: Freqtrade) -> None:
    bot.hold(1)
    outcome = ask(bot, "flat", "prove")
    assert outcome.status == "failed"
    assert "is not flat: it has 1 open and still enters" in outcome.message
    assert proof_of(outcome)["count"] == 1
    assert bot.sent == []


def test_a_bot_that_stops_meanwhile_is_not_started(bot: Freqtrade, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody stops it while we wait for its exits."""
    bot.hold(1)
    bot.deaf = 99

    def stop() -> None:
        while "forceexit" not in bot.sent:
            time.sleep(0.01)
        bot.state = "stopped"

    other = threading.Thread(target=stop)
    other.start()
    monkeypatch.setattr(
        "ansible_collections.tradeops.botfleet.plugins.module_utils._control.freqtrade.Freqtrade.again", 0.2
    )
    outcome = ask(bot, "flat")
    other.join()
    assert outcome.status == "failed"
    assert "is stopped with 1 open" in outcome.message
    assert bot.state == "stopped"


def test_wrong_credentials_are_one_sentence(bot: Freqtrade) -> None:
    keys = {"username": USERNAME, "password": "CANARY-wrong"}
    outcome = ask(bot, "flat", credentials=keys)
    assert outcome.message == (
        f"GET {bot.url}/api/v1/show_config answered 401, expected 200, which refuses these credentials: mend them; "
        "nothing was sent: see that it runs and answers there, or "
        "close what it holds with tradeops.botfleet.exchange_exposure"
    )


def test_credentials_from_the_environment(bot: Freqtrade, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"username": "THE_USER", "password": "THE_PASSWORD"}
    unset = ask(bot, "paused", credentials=None, credentials_env=names)
    assert unset.message == ("credentials_env names THE_PASSWORD, THE_USER, unset on this host: set it for the module")
    monkeypatch.setenv("THE_USER", USERNAME)
    monkeypatch.setenv("THE_PASSWORD", PASSWORD)
    assert ask(bot, "paused", credentials=None, credentials_env=names).status == "changed"


@pytest.mark.parametrize("content", [b"<html>", b"[]", b'{"state": "running"}'])
def test_what_is_no_freqtrade_is_said(content: bytes) -> None:
    with serving(lambda _asked: (200, {}, content)) as url:
        outcome = control(interface="freqtrade", url=url, credentials=KEYS, state="flat")
    assert outcome.status == "failed"
    assert "nothing was sent" in outcome.message
