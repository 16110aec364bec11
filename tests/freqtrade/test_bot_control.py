# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""bot_control and a real freqtrade: what its API does, and that we are not caught by it (S1.3)."""

from __future__ import annotations

import time
from base64 import b64encode
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import Context, Outcome, carry_out
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations.bot_service import BotService
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations.exchange_exposure import ExchangeExposure
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations.exchange_testnet import ExchangeTestnet
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations.health_check import HealthCheck

from tests.peers.exchange.books import CANCELED, OPEN
from tests.unit.plugins.module_utils._operations.controlled_bot import change_of, control, proof_of

from .process import MARKET, PASSWORD, USERNAME, Bot, free_port

pytestmark = pytest.mark.timeout(600)
ALL = {"tradeid": "all", "ordertype": "market"}


def ask(bot: Bot, state: str, mode: str = "apply", *, check: bool = False, **options: Any) -> Outcome:
    return control(mode, check=check, **{**bot.options, "state": state, **options})


def flatten(bot: Bot) -> Outcome:
    """By exchange_exposure, behind the bot's back."""
    given = {name: option.get("default") for name, option in ExchangeExposure.OPTIONS.items()}
    (key,) = bot.exchange.keys.values()
    given.update(exchange="binanceusdm", environment="production", confirm_environment="production", deadline=30)
    given.update(base_url=bot.base_url, credentials={"api_key": key.id, "api_secret": key.secret})
    return carry_out(ExchangeExposure(given, Context()))


def switched(config: Path) -> Outcome:
    """Whether dry_run is set there, as exchange_testnet sees it."""
    given = {name: option.get("default") for name, option in ExchangeTestnet.OPTIONS.items()}
    given.update(path=str(config), exchanges=["binance"], key="dry_run")
    return carry_out(ExchangeTestnet(given, Context()), "prove")


def verify(bot: Bot) -> Outcome:
    """That it says of itself that dry_run is set."""
    pair = b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
    asked = {"url": f"{bot.url}/api/v1/show_config", "headers": {"Authorization": f"Basic {pair}"}, "query": "dry_run"}
    given = {"checks": [{"name": "dry_run", "http": asked}], "deadline": 1}
    options = ArgumentSpecValidator(HealthCheck.OPTIONS).validate(given)
    assert not options.error_messages, options.error_messages
    return carry_out(HealthCheck(options.validated_parameters, Context()), "prove")


def test_s1_3_it_closes_what_it_has_and_stops(bot: Bot) -> None:
    """S1.3: read, paused, flat at its exchange, stopped; and each of them again, with nothing sent."""
    bot.enter()
    assert bot.account.position(MARKET) > 0
    assert len(bot.account.entered) >= 1
    would = ask(bot, "stopped", check=True, expect_dry_run=False)
    assert would.status == "changed"
    assert would.before is not None
    assert (would.before["count"], would.before["state"], would.before["dry_run"]) == (1, "running", False)
    assert would.before["version"] == "2026.9"
    assert bot.state == "running"

    paused = ask(bot, "paused")
    assert (proof_of(paused)["state"], proof_of(paused)["count"]) == ("paused", 1)

    flat = ask(bot, "flat")
    assert change_of(flat)["sent"] == ["exit"]
    assert (proof_of(flat)["count"], proof_of(flat)["claimed"]) == (0, False)
    assert bot.account.flat
    assert list(bot.account.orders.values())[-1].reduce_only
    assert ask(bot, "flat").status == "unchanged"

    stopped = ask(bot, "stopped")
    assert change_of(stopped)["sent"] == ["stop"]
    assert proof_of(stopped)["stopped"] is True
    assert bot.state == "stopped"
    for state in ("paused", "flat", "stopped"):
        assert ask(bot, state).status == "unchanged"
    assert bot.state == "stopped"


def test_all_of_it_in_one_go(bot: Bot) -> None:
    """S1.3: from running with a trade to stopped without."""
    bot.enter()
    outcome = ask(bot, "stopped")
    assert change_of(outcome)["sent"] == ["pause", "exit", "stop"]
    assert bot.account.flat
    assert bot.state == "stopped"


def test_stopentry_on_a_stopped_bot_starts_it_paused(bot: Bot) -> None:
    """Why a stopped bot is never paused: it enters nothing as it is."""
    bot.ask("POST", "stop")
    assert ask(bot, "paused").status == "unchanged"
    assert bot.state == "stopped"
    assert bot.ask("POST", "stopentry")[0] == 200
    assert bot.state == "paused"


def test_reload_config_after_stop_goes_back_to_running(bot: Bot) -> None:
    """Why it is never sent."""
    bot.ask("POST", "stop")
    bot.wait(lambda: bot.state == "stopped")
    assert bot.ask("POST", "reload_config")[0] == 200
    bot.wait(lambda: bot.state == "running")


def test_forceexit_says_the_same_with_nothing_open_and_is_502_while_stopped(bot: Bot) -> None:
    """Why the count is polled; while it is stopped, that is 502, too, and its open trades say how many there are."""
    bot.enter()
    answered = bot.ask("POST", "forceexit", ALL)
    bot.wait(lambda: bot.get("count")["current"] == 0)
    assert bot.ask("POST", "forceexit", ALL) == answered
    bot.enter()
    bot.ask("POST", "stop")
    assert bot.ask("POST", "forceexit", ALL)[0] == 502
    assert bot.ask("GET", "count")[0] == 502
    outcome = ask(bot, "flat")
    assert outcome.status == "failed"
    assert "is stopped with 1 open, so it exits nothing" in outcome.message
    assert (bot.state, bot.account.position(MARKET) > 0) == ("stopped", True)


@pytest.mark.parametrize("state", ["paused", "stopped"])
def test_after_an_external_flatten_the_trade_stays_open_until_it_is_reloaded(bot: Bot, state: str) -> None:
    bot.enter()
    bot.ask("POST", "stopentry" if state == "paused" else "stop")
    flattened = flatten(bot)
    assert flattened.status == "changed", flattened.message
    assert bot.account.flat
    assert len(bot.get("status")) == 1
    assert "has 1 open" in ask(bot, "flat", "prove").message
    outcome = ask(bot, "reloaded")
    assert outcome.status == "changed", outcome.message
    assert change_of(outcome)["sent"] == ["reload"]
    assert (proof_of(outcome)["count"], bot.state) == (0, state)
    assert ask(bot, "reloaded").status == "unchanged"


def test_a_trade_that_its_exchange_still_holds_is_not_called_reloaded(bot: Bot) -> None:
    bot.enter()
    outcome = ask(bot, "reloaded", deadline=8)
    assert outcome.status == "failed"
    assert "is not reloaded: it has 1 open and takes no new entry" in outcome.message
    assert bot.account.position(MARKET) > 0


def test_freqtrade_dry_run_in_the_environment_overrides_the_file(bot: Bot) -> None:
    """Its file says false; show_config says what holds."""
    other = replace(bot, path=bot.path / "other", port=free_port(), process=None)
    other.path.mkdir()
    other.start(FREQTRADE__DRY_RUN="true")
    try:
        assert '"dry_run": false' in (other.path / "config.json").read_text()
        seen = ask(other, "paused", check=True).before
        refused = ask(other, "flat", expect_dry_run=False)
        verified = verify(other)
    finally:
        other.end()
    assert seen is not None and seen["dry_run"] is True
    assert verified.status == "unchanged", verified.message
    assert refused.status == "failed"
    assert "has dry_run true, expected false: nothing was sent; FREQTRADE__DRY_RUN" in refused.message


def test_a_switch_in_its_file_that_its_environment_overrides_shows_in_what_it_says(bot: Bot) -> None:
    """S4.4: the file is as it should be and the bot trades; S4.8: a health check of what it says itself finds that."""
    other = replace(bot, path=bot.path / "live", port=free_port(), process=None, settings={"dry_run": True})
    other.path.mkdir()
    other.start(FREQTRADE__DRY_RUN="false")
    try:
        switch = switched(other.path / "config.json")
        refused = ask(other, "flat", expect_dry_run=True)
        verified = verify(other)
    finally:
        other.end()
    assert switch.status == "unchanged", switch.message
    assert refused.status == "failed"
    assert "has dry_run false, expected true: nothing was sent" in refused.message
    assert verified.status == "failed"
    assert "dry_run" in verified.message


def test_sigterm_never_closes_positions(bot: Bot) -> None:
    """Why flat comes before the process is stopped."""
    bot.enter()
    held = bot.account.position(MARKET)
    bot.end()
    assert bot.account.position(MARKET) == held > 0
    outcome = ask(bot, "flat")
    assert outcome.status == "failed"
    assert f"{bot.url}/api/v1/show_config cannot be reached (Connection refused); nothing was sent" in outcome.message


@pytest.mark.parametrize("cancels", [False, True])
def test_sigterm_cancels_orders_only_with_cancel_open_orders_on_exit(bot: Bot, cancels: bool) -> None:
    """S1.3: why what waits at the exchange is read and cancelled there, once the process is stopped."""
    of_it = {"cancel_open_orders_on_exit": cancels}
    other = replace(bot, path=bot.path / f"cancels-{cancels}", port=free_port(), process=None, settings=of_it)
    other.path.mkdir()
    other.start()
    try:
        other.enter(price=58000)
        (waits,) = bot.account.open_orders()
    finally:
        began = time.monotonic()
        other.end()
        took = time.monotonic() - began
    assert (waits.status == OPEN) is not cancels
    assert took < BotService.OPTIONS["timeout"]["default"]
    assert flatten(bot).status == ("unchanged" if cancels else "changed")
    assert waits.status == CANCELED and bot.account.flat
