# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any account, any faults: what is said of it is what the exchange has, and nothing is done that was not asked for.

The first of the two goes on with one client, and so sees more; the second is the operation as a host runs it.

``make luck EXAMPLES=5000`` tries so many accounts at each exchange. Pauses cost no time here.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._exposure import access, calls, environment, flatten
from ansible_collections.tradeops.botfleet.plugins.module_utils._exposure import okx as okx_venue
from ansible_collections.tradeops.botfleet.plugins.module_utils._exposure.library import ccxt
from ansible_collections.tradeops.botfleet.plugins.module_utils._exposure.venue import PRODUCTION, Venue
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import Context, carry_out
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations import exchange_exposure
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from tests.peers.exchange import binanceusdm, binanceusdm_forms, bybit, bybit_forms, okx
from tests.peers.exchange.books import BUY, LONG, NET, OPEN, SELL, SHORT, Account, Market, Order
from tests.peers.exchange.faults import Fault
from tests.peers.exchange.server import Exchange, Key, serving
from tests.peers.exchange.wire import Answer

EXAMPLES = int(os.environ.get("BOTFLEET_EXAMPLES", "25"))
DEADLINE = 120.0  # s of the clock below
KEYS = {"api_key": "CANARY-key", "api_secret": "CANARY-secret", "api_passphrase": "CANARY-passphrase"}
BUSY = {"code": "50011", "retCode": 10006, "msg": "as scripted", "retMsg": "as scripted"}
BROKEN = Answer("<html>bad gateway</html>", 502)


class Clock:
    """Stands in for ``time`` in what is tested: a pause costs nothing, and is over at once. It never goes back."""

    def __init__(self) -> None:
        self._slept = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self._slept

    def sleep(self, seconds: float) -> None:
        self._slept += seconds


CLOCK = Clock()


@dataclass(repr=False)
class Desk:
    """An exchange that is up, and a client that has read its markets; the account is another one each time."""

    name: str
    exchange: Exchange
    venue: Venue
    base_url: str
    keys: dict[str, str]
    markets: dict[str, Market]

    def take(self, account: Account, of: str = PRODUCTION) -> None:
        key = self.exchange.keys[KEYS["api_key"]]
        self.exchange.add_key(Key(key.id, key.secret, of, account, key.password))
        self.exchange.faults.planned.clear()
        self.exchange.asked.clear()

    def symbol(self, market: str) -> str:
        return str(self.venue.client.safe_symbol(market, None, None, "swap"))


KITS: dict[str, tuple[Callable[[], Any], Callable[[], dict[str, Market]]]] = {
    "binanceusdm": (binanceusdm.BinanceUsdm, binanceusdm_forms.MARKETS.copy),
    "bybit": (bybit.Bybit, bybit_forms.markets),
    "okx": (okx.Okx, okx.markets),
}


@contextmanager
def desk_at(name: str) -> Iterator[Desk]:
    emulated, markets = KITS[name]
    exchange = Exchange(emulated())
    account = Account(markets())
    exchange.add_key(Key(KEYS["api_key"], KEYS["api_secret"], "production", account, KEYS["api_passphrase"]))
    with serving(exchange) as url:
        kind = access.venue_class(name)
        keys = {field: value for field, value in KEYS.items() if field != "api_passphrase" or name == "okx"}
        base = url if kind.TOLD_BY_HEADER else url + "/{environment}"
        client = access.open_client(name, "production", base, keys)
        client.enableRateLimit = False  # it would wait in real time
        venue = kind(client, calls.Calls(client, time.monotonic() + 60), ())
        venue.calls.read(venue.connect)
        yield Desk(name, exchange, venue, base, keys, markets())


@pytest.fixture(scope="module", params=list(KITS))
def desk(request: pytest.FixtureRequest) -> Iterator[Desk]:
    with desk_at(request.param) as made:
        yield made


@dataclass(frozen=True)
class Luck:
    """One example. Of each order: market, side, contracts in steps, position, and what kind it is."""

    hedge: bool
    held: list[tuple[int, int, bool]]
    orders: list[tuple[int, bool, int, str]]
    faults: list[tuple[str, str, int, int]]
    depths: list[int]
    skew: int
    strategy: str
    ours: int | None
    seed: int = 0


@dataclass(frozen=True)
class Papers:
    """Which environment was declared, which was confirmed and which the key is of, each by its place among them."""

    environments: tuple[int, int, int]
    check: bool


papers = st.builds(
    Papers,
    environments=st.one_of(
        st.sampled_from([(0, 0, 0), (1, 1, 1)]), st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 2))
    ),
    check=st.sampled_from([False, False, False, True]),
)

KINDS = ("entry", "take", "stop", "stop entry")
WHERE = ("GET", "POST", "DELETE", "(POST|DELETE)", "rder", "osition", "")
WHAT = ("drop", "lose", "broken", "busy", "fire", "fill")
lucks = st.builds(
    Luck,
    hedge=st.booleans(),
    held=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4000), st.booleans()), max_size=4),
    orders=st.lists(
        st.tuples(st.integers(0, 2), st.booleans(), st.integers(1, 50), st.sampled_from(KINDS)), max_size=6
    ),
    faults=st.lists(
        st.tuples(st.sampled_from(WHERE), st.sampled_from(WHAT), st.integers(0, 6), st.integers(1, 3)), max_size=5
    ),
    depths=st.lists(st.sampled_from([0, 30, 100]), max_size=4),
    skew=st.sampled_from([0, 0, 0, -45, 90]),
    strategy=st.sampled_from(flatten.STRATEGIES),
    ours=st.sampled_from([None, None, 0, 1]),
)


@dataclass
class Night:
    """An account as the example has it, and what happens to it by itself."""

    account: Account
    names: list[str]
    moved: set[str] = field(default_factory=set)

    def event(self, what: str) -> Callable[[], None]:
        return lambda: self._happen(what)

    def _happen(self, what: str) -> None:
        """An order that waits is executed, as it may be at any time."""
        for order in self.account.open_orders(conditional=what == "fire"):
            if not order.client_id.startswith("bf"):
                self.moved.add(order.market)
                self.account.fire(order)
                return


def prepared(desk: Desk, luck: Luck) -> Night:
    account = Account(desk.markets, hedge=luck.hedge)
    names = list(desk.markets)[:3]
    for index, steps, short in luck.held:
        market = desk.markets[names[index]]
        amount = market.step * steps
        side = (SHORT if short else LONG) if luck.hedge else NET
        account.hold(market.name, -amount if short and not luck.hedge else amount, side)
    for index, sell, steps, kind in luck.orders:
        rest(account, desk.markets[names[index]], SELL if sell else BUY, steps, kind)
    filled = iter(luck.depths)
    account.depth = lambda order: shallow(order, desk.markets[order.market], next(filled, 100))
    return Night(account, names)


def rest(account: Account, market: Market, side: str, steps: int, kind: str) -> Order:
    of: dict[str, Any] = {"price": market.price} if kind in ("entry", "take") else {"trigger": market.price}
    reduces = kind in ("take", "stop")
    if account.hedge:
        of["position"] = (LONG if side == SELL else SHORT) if reduces else (LONG if side == BUY else SHORT)
    else:
        of["reduce_only"] = reduces
    if "trigger" in of:
        of["family"] = {"okx": "trigger", "bybit": "Stop"}.get(venue_of(market), "")
    return account.rest(market.name, side, market.step * steps, **of)


def venue_of(market: Market) -> str:
    return "okx" if market.name.endswith("-SWAP") else "bybit"


def shallow(order: Order, market: Market, percent: int) -> Decimal:
    part = order.left * percent / 100
    return part - part % market.step


def scripted(night: Night, luck: Luck) -> list[Fault]:
    faults = []
    for where, what, skip, times in luck.faults:
        on = f"^{where}" if where.isupper() else where
        fault = Fault(on, skip=skip, times=times)
        if what == "drop":
            fault.drop = True
        elif what == "lose":
            fault.lose = True
        elif what == "broken":
            fault.answer = BROKEN
        elif what == "busy":
            fault.answer = Answer(BUSY, 429, {"Retry-After": "2"})
        else:
            fault.before = night.event(what)
        faults.append(fault)
    return faults


@settings(
    max_examples=EXAMPLES, deadline=None, derandomize=False, suppress_health_check=list(HealthCheck)
)  # new ones in CI, too
@given(luck=lucks)
def test_what_is_said_is_so(desk: Desk, luck: Luck) -> None:
    night = prepared(desk, luck)
    account, held_first = night.account, dict(night.account.positions)
    desk.take(account)
    desk.exchange.skew = luck.skew
    symbols = () if luck.ours is None else (desk.symbol(night.names[luck.ours]),)
    for fault in scripted(night, luck):
        desk.exchange.faults.add(fault)
    with pauses_cost_nothing():
        desk.venue.calls = calls.Calls(desk.venue.client, CLOCK.monotonic() + DEADLINE)
        aim = flatten.Aim(luck.strategy, symbols, seed="rb-1")
        course = flatten.Flattening(desk.venue, desk.venue.calls, aim).run()
    event(f"{desk.name}: {'reached' if course.reached else course.problem.partition(' (')[0]}")

    if course.reached:
        assert_reached(night, luck)
    else:
        assert course.problem
    assert_nothing_else(night, luck, held_first)
    assert "CANARY" not in f"{course}" and "signature" not in f"{course}"


@settings(max_examples=EXAMPLES, deadline=None, derandomize=False, suppress_health_check=list(HealthCheck))
@given(luck=lucks, papers=papers)
def test_orders_go_only_where_they_were_meant_to(desk: Desk, luck: Luck, papers: Papers) -> None:
    night = prepared(desk, luck)
    held_first = dict(night.account.positions)
    environments = list(access.venue_class(desk.name).ENVIRONMENTS)
    declared, confirmed, of = (environments[each % len(environments)] for each in papers.environments)
    desk.take(night.account, of)
    desk.exchange.skew = luck.skew
    for fault in scripted(night, luck):
        desk.exchange.faults.add(fault)
    options = {name: option.get("default") for name, option in exchange_exposure.ExchangeExposure.OPTIONS.items()}
    options.update(
        exchange=desk.name,
        environment=declared,
        confirm_environment=confirmed,
        base_url=desk.base_url,
        credentials=desk.keys,
        symbols=[] if luck.ours is None else [desk.symbol(night.names[luck.ours])],
        strategy=luck.strategy,
        client_id_seed="rb-1",
        deadline=DEADLINE,
    )
    with pauses_cost_nothing():
        operation = exchange_exposure.ExchangeExposure(options, Context(check_mode=papers.check))
        outcome = carry_out(operation)
    event(f"{desk.name}: {outcome.status}, {'its' if of == declared else 'another'} environment")

    sent = [request.path for _at, request in desk.exchange.asked if request.method != "GET"]
    if papers.check or not declared == confirmed == of:
        assert sent == []
    if outcome.status != "failed" and not papers.check:
        assert of == declared
        assert_reached(night, luck)
        assert outcome.proof is not None
        held = any(account_held(night, luck).values())
        assert outcome.proof["state"] == ("guarded" if held else "flat")
    assert_nothing_else(night, luck, held_first)
    said = json.dumps(asdict(outcome))
    assert "CANARY" not in said and "signature" not in said


@contextmanager
def pauses_cost_nothing() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for module in (calls, flatten, environment, okx_venue, exchange_exposure):
            patch.setattr(module, "time", CLOCK)
        patch.setattr(ccxt.Exchange, "throttle", lambda *_arguments: None)
        yield


def account_held(night: Night, luck: Luck) -> dict[tuple[str, str], Decimal]:
    """Its positions, of those markets that the example has in scope."""
    return {place: held for place, held in night.account.positions.items() if in_scope(night, luck, place[0])}


def in_scope(night: Night, luck: Luck, market: str) -> bool:
    return luck.ours is None or market == night.names[luck.ours]


def assert_reached(night: Night, luck: Luck) -> None:
    """The exchange has what its strategy wants, and no more."""
    waiting = [order for order in night.account.orders.values() if order.status == OPEN]
    waiting = [order for order in waiting if in_scope(night, luck, order.market)]
    assert luck.strategy == flatten.NATURAL or not any(account_held(night, luck).values())
    assert all(is_reducing(order) for order in waiting)
    assert luck.strategy != flatten.CANCEL_AND_CLOSE or not waiting


def assert_nothing_else(night: Night, luck: Luck, held_first: dict[tuple[str, str], Decimal]) -> None:
    """No position was opened or grown, none was touched that is another's or was to stay, no order was sent twice."""
    account = night.account
    assert account.violations == []
    for (name, side), held in held_first.items():
        untouched = luck.strategy == flatten.NATURAL or not in_scope(night, luck, name)
        if untouched and name not in night.moved:
            assert account.position(name, side) == held
    sent = [order.client_id for order in account.orders.values() if order.client_id.startswith("bf")]
    assert len(sent) == len(set(sent))


def is_reducing(order: Order) -> bool:
    if order.position == NET:
        return order.reduce_only or order.whole
    return (order.side == SELL) == (order.position == LONG)


def test_the_clock_of_these_tests_lets_pauses_pass() -> None:
    clock = Clock()
    before = clock.monotonic()
    clock.sleep(1000)
    assert clock.monotonic() - before >= 1000
