# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers that come when nobody waits for them any more, at each exchange: what was done counts (S3.5, S4.7)."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

import ccxt
import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._exposure import flatten
from ansible_collections.tradeops.botfleet.plugins.module_utils._exposure import okx as okx_venue
from ansible_collections.tradeops.botfleet.plugins.module_utils._exposure.flatten import NEVER_ARRIVED
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import Context, Outcome, carry_out
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations.exchange_exposure import ExchangeExposure

from tests.peers.exchange import binanceusdm, binanceusdm_forms, bybit, bybit_forms, okx
from tests.peers.exchange.books import LONG, Account, Market
from tests.peers.exchange.server import Exchange, Key, Venue, serving

KEYS = {"api_key": "CANARY-key", "api_secret": "CANARY-secret", "api_passphrase": "CANARY-passphrase"}
PATIENCE = 1.0  # s until the client gives an answer up; any other comes sooner, on a busy machine, too
TOO_LATE = 2 * PATIENCE
CAME_LATE = "accepted, its answer was lost"


@dataclass(frozen=True)
class Speech:
    """How one exchange is spoken to.

    market, held: what an account holds there
    order, look_up, conditional, regular, positions: patterns of the requests for these
    look_ups: how many requests are sent for an order that is not found
    id: what the client id of an order is called
    """

    venue: Callable[[], Venue]
    markets: Callable[[], dict[str, Market]]
    market: str
    held: str
    order: str
    look_up: str
    look_ups: int
    conditional: str
    regular: str
    positions: str
    id: str


EXCHANGES = {
    "binanceusdm": Speech(
        binanceusdm.BinanceUsdm,
        binanceusdm_forms.MARKETS.copy,
        "BTCUSDT",
        "0.5",
        "^POST /fapi/v1/order",
        r"^GET /fapi/v1/order\?",
        2,
        "^GET /fapi/v1/openAlgoOrders",
        r"^GET /fapi/v1/openOrders\?(?!.*symbol=)",
        "^GET /fapi/v3/positionRisk",
        "newClientOrderId",
    ),
    "bybit": Speech(
        bybit.Bybit,
        bybit_forms.markets,
        "BTCUSDT",
        "1",
        "^POST /v5/order/create",
        "^GET /v5/order.*orderLinkId=",
        4,
        "^GET /v5/order/realtime.*=USDT.*orderFilter=StopOrder",
        "^GET /v5/order/realtime.*=USDT&limit",
        "^GET /v5/position/list.*=USDT&limit=200 ",
        "orderLinkId",
    ),
    "okx": Speech(
        okx.Okx,
        okx.markets,
        "BTC-USDT-SWAP",
        "3",
        "^POST /api/v5/trade/order ",
        r"^GET /api/v5/trade/order\?",
        2,
        "^GET /api/v5/trade/orders-algo-pending.*=conditional",
        "^GET /api/v5/trade/orders-pending.*limit=100",
        "^GET /api/v5/account/positions",
        "clOrdId",
    ),
}


@dataclass
class Desk:
    """An account that is long in one market, and nothing else."""

    name: str
    speech: Speech
    exchange: Exchange
    account: Account
    base_url: str

    def run(self, mode: str = "apply", **of: Any) -> Outcome:
        """Flatten it; nothing may have been opened, nor a secret or a signed address said."""
        given = {name: option.get("default") for name, option in ExchangeExposure.OPTIONS.items()}
        given.update(exchange=self.name, environment="production", confirm_environment="production", deadline=20)
        given.update(base_url=self.base_url, credentials=KEYS, client_id_seed="rb-1", **of)
        outcome = carry_out(ExchangeExposure(given, Context()), mode)
        assert self.account.violations == []
        assert not any(word in json.dumps(asdict(outcome)) for word in ("CANARY", "signature", "://"))
        return outcome

    def hedge(self) -> None:
        """It holds long and short apart, so that no order says that it may only reduce."""
        self.account.hedge = True
        self.account.positions = {(self.speech.market, LONG): Decimal(self.speech.held)}

    @property
    def sent(self) -> list[str]:
        """The client id of each order that was sent."""
        asked = [request for _at, request in self.exchange.asked if request.method == "POST"]
        return [{**request.parameters(), **_json(request.body)}[self.speech.id] for request in asked]

    def late_order(self) -> tuple[threading.Event, threading.Event]:
        """The first order is taken up only when the first event is set, and the second one is set when it was."""
        may, done = threading.Event(), threading.Event()
        self.exchange.fault(self.speech.order, hangs=may, after=done.set)
        return may, done

    def after_last_look(self, do: Callable[[], object]) -> None:
        """Once all look-ups of an order have found nothing."""
        self.exchange.fault(self.speech.look_up, skip=self.speech.look_ups - 1, after=do)

    def times(self, pattern: str) -> int:
        """How often such a request came."""
        lines = [f"{request.method} {request.target} " for _at, request in self.exchange.asked]
        return sum(1 for line in lines if re.search(pattern, line))

    def assert_flat(self, outcome: Outcome, *came_to: str) -> None:
        """One order closed all of it and was executed once; the exchange's own books agree with the proof."""
        assert outcome.status == "changed", outcome.message
        assert outcome.change is not None and outcome.proof is not None
        assert [it["came_to"] for it in outcome.change["closed"]] == list(came_to)
        assert outcome.proof["state"] == "flat" and len(outcome.proof["proof"]["clean_at"]) == 2
        assert len(self.sent) == len(came_to) and len(set(self.sent)) == 1
        assert self.account.fills == [(self.sent[0], Decimal(self.speech.held))]
        assert self.account.flat


def _json(body: bytes) -> dict[str, Any]:
    return json.loads(body) if body.startswith(b"{") else {}


@pytest.fixture(params=EXCHANGES)
def desk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """Its client waits for no answer longer than PATIENCE, whatever it is told."""
    fetch = ccxt.Exchange.fetch

    def impatient(self: Any, *asked: Any, **of: Any) -> Any:
        self.timeout = min(self.timeout, PATIENCE * 1000)
        return fetch(self, *asked, **of)

    monkeypatch.setattr(ccxt.Exchange, "fetch", impatient)
    monkeypatch.setattr(flatten, "BETWEEN_READS", 0.01)
    monkeypatch.setattr(flatten, "LOOK_UPS", (0.01, 0.05))
    monkeypatch.setattr(okx_venue, "WINDOW", 0.0)
    speech = EXCHANGES[request.param]
    exchange, account = Exchange(speech.venue()), Account(speech.markets())
    exchange.add_key(Key(KEYS["api_key"], KEYS["api_secret"], "production", account, KEYS["api_passphrase"]))
    account.hold(speech.market, speech.held)
    with serving(exchange) as url:
        place = "/{environment}" if exchange.venue.places else ""
        yield Desk(request.param, speech, exchange, account, url + place)


# Orders


def test_an_order_whose_answer_comes_too_late_is_found_and_not_sent_again(desk: Desk) -> None:
    desk.exchange.fault(desk.speech.order, slow=TOO_LATE)
    desk.assert_flat(desk.run(), CAME_LATE)


def test_an_order_that_is_executed_while_it_is_looked_up_is_found_and_not_sent_again(desk: Desk) -> None:
    """The first look finds nothing."""
    may, done = desk.late_order()
    desk.exchange.fault(desk.speech.look_up, after=may.set)
    desk.exchange.fault(desk.speech.look_up, hangs=done, skip=1)
    desk.assert_flat(desk.run(), CAME_LATE)


def test_an_order_that_is_executed_after_it_was_looked_up_shows_in_the_next_reading(desk: Desk) -> None:
    """No look finds it; what it has closed is not closed once more."""
    may, done = desk.late_order()

    def last_look() -> None:
        desk.exchange.fault(desk.speech.conditional, hangs=done)
        may.set()

    desk.after_last_look(last_look)
    desk.assert_flat(desk.run(), NEVER_ARRIVED)


@pytest.mark.parametrize("hedge", [False, True])
def test_an_order_that_is_executed_after_that_reading_leaves_nothing_to_the_one_sent_anew(
    desk: Desk, hedge: bool
) -> None:
    """That one has the same id, and can only reduce: it is turned down, and opens nothing."""
    if hedge:
        desk.hedge()
    may, done = desk.late_order()
    desk.after_last_look(lambda: desk.exchange.fault(desk.speech.positions, after=may.set))
    desk.exchange.fault(desk.speech.order, hangs=done, skip=1)
    outcome = desk.run()
    assert outcome.change is not None
    second = outcome.change["closed"][-1]["came_to"]
    assert second == "there already" or second.startswith("refused ("), second
    desk.assert_flat(outcome, NEVER_ARRIVED, second)


@pytest.mark.parametrize("hedge", [False, True])
def test_an_order_that_is_executed_when_all_is_closed_opens_nothing(desk: Desk, hedge: bool) -> None:
    """It was sent anew, which closed the position; the first one finds nothing to reduce any more."""
    if hedge:
        desk.hedge()
    may, done = desk.late_order()
    desk.exchange.fault(desk.speech.order, skip=1, after=may.set)
    outcome = desk.run()
    assert done.wait(5)
    desk.assert_flat(outcome, NEVER_ARRIVED, "accepted")


def test_an_order_that_is_executed_when_the_position_has_turned_around_does_not_grow_it(desk: Desk) -> None:
    """A bot that still runs went short, and a late order to sell comes upon that."""
    may, done = desk.late_order()

    def turn_around() -> None:
        desk.account.enter(desk.speech.market, -Decimal(desk.speech.held))
        desk.exchange.fault(desk.speech.conditional, hangs=done)
        may.set()

    desk.exchange.fault(desk.speech.order, skip=1, after=turn_around)
    outcome = desk.run()
    assert outcome.status == "changed", outcome.message
    assert outcome.change is not None and outcome.proof is not None
    assert [it["side"] for it in outcome.change["closed"]] == ["long", "long", "short"]
    first, again, other = desk.sent
    assert first == again != other
    assert desk.account.fills == [(first, Decimal(desk.speech.held)), (other, Decimal(desk.speech.held))]
    assert desk.account.flat and outcome.proof["state"] == "flat"


# Readings


@pytest.mark.parametrize("which", ["conditional", "regular", "positions"])
def test_a_reading_that_takes_too_long_is_asked_for_again(desk: Desk, which: str) -> None:
    asked = getattr(desk.speech, which)
    desk.exchange.fault(asked, slow=TOO_LATE)
    outcome = desk.run("prove")
    assert outcome.proof is not None, outcome.message
    assert [it["contracts"] for it in outcome.proof["positions"]] == [desk.speech.held]
    assert desk.times(asked) >= 2


def test_a_reading_that_always_takes_too_long_is_said_at_the_deadline(desk: Desk) -> None:
    """Before anything was sent, since nobody knows what is there."""
    desk.exchange.fault(desk.speech.positions, slow=TOO_LATE, times=None)
    began = time.monotonic()
    outcome = desk.run(deadline=4 * PATIENCE)
    assert time.monotonic() - began < 5 * PATIENCE
    assert (outcome.status, outcome.applied, desk.sent) == ("failed", False, [])
    account = f"the account at {desk.name} (production)"
    assert outcome.message == f"{account} cannot be read (RequestTimeout: {desk.name} GET)"
    assert desk.times(desk.speech.positions) >= 2


def test_a_proof_that_always_takes_too_long_is_none(desk: Desk) -> None:
    """All is closed, and the readings that would show it come too late: it is not called flat."""

    def slow_down() -> None:
        desk.exchange.fault(desk.speech.positions, slow=TOO_LATE, times=None)

    desk.exchange.fault(desk.speech.order, after=slow_down)
    outcome = desk.run(deadline=6 * PATIENCE)
    assert desk.account.flat
    assert (outcome.status, outcome.applied) == ("failed", True)
    assert "the deadline came first, after RequestTimeout" in outcome.message
    assert outcome.proof is not None and outcome.proof["state"] == "residual"


def test_keys_whose_environment_answers_too_late_open_nothing(desk: Desk) -> None:
    desk.exchange.fault(".", slow=TOO_LATE, times=None)
    outcome = desk.run(deadline=3 * PATIENCE)
    assert (outcome.status, desk.sent) == ("failed", [])
    assert f"production of {desk.name} cannot be read (RequestTimeout: {desk.name} GET): nothing was sent" in (
        outcome.message
    )


def test_a_reading_that_trickles_in_is_given_up_and_asked_for_again(desk: Desk) -> None:
    """Each byte comes in time, and all of them would not within any deadline."""
    desk.exchange.fault(desk.speech.positions, trickles=PATIENCE / 4)
    began = time.monotonic()
    desk.assert_flat(desk.run(deadline=20 * PATIENCE), "accepted")
    assert time.monotonic() - began < 12 * PATIENCE


def test_an_order_whose_answer_trickles_in_is_found_and_not_sent_again(desk: Desk) -> None:
    desk.exchange.fault(desk.speech.order, trickles=PATIENCE / 4)
    desk.assert_flat(desk.run(), CAME_LATE)
