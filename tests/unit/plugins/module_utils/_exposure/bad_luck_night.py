# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a night deals: accounts, faults, and what happens at the exchange by itself; and its books, to judge by."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ansible_collections.tradeops.botfleet.plugins.module_utils._exposure import flatten
from hypothesis import strategies as st

from tests.peers.exchange.books import BUY, CANCELED, LONG, NET, SELL, SHORT, Account, Market, Order
from tests.peers.exchange.faults import Event, Fault
from tests.peers.exchange.wire import Answer, Request
from tests.unit.plugins.module_utils._exposure.bad_luck_desk import CANARY, OVERDUE, Desk

OURS = "bf"
"""How the client ids of what the collection sends begin."""
BUSY = {"code": "50011", "retCode": 10006, "msg": "as scripted", "retMsg": "as scripted"}
SIGNED = f"https://proxy.example/order?timestamp=1&signature={CANARY}-signature"
BROKEN = Answer(f"<html>bad gateway for {SIGNED}</html>", 502)
KINDS = ("entry", "take", "stop", "stop entry")
WHERE = ("GET", "POST", "POST", "DELETE", "(POST|DELETE)", "rder", "osition", "")
WHAT = ("drop", "lose", "late", "broken", "busy", "fire", "fill")
ENDS = ("proven", "unproven", "loses power")
SKIPS = (0, 0, 0, 1, 1, 2, 3, 5, 8)
KILLS = ("kill before", "kill after", "kill step")

Place = tuple[str, str]
"""A market and a side of its position."""
Trouble = tuple[str, str, int, int]
"""Where and what, how many requests pass first, and how many it strikes."""


@dataclass(frozen=True)
class Luck:
    """One example. Of each order: market, side, contracts in steps, and what kind it is.

    ours: which market alone is in scope; None: all
    keys: where the bot has its credentials: ``inline``, ``file`` or ``environment``
    shared: whether the account is flattened apart from halt, as one that bots share
    """

    hedge: bool
    held: list[tuple[int, int, bool]]
    orders: list[tuple[int, bool, int, str]]
    ours: int | None
    keys: str
    shared: bool
    max_slippage: float | None


@dataclass(frozen=True)
class Papers:
    """What one run is asked for.

    end: what becomes of the bot once it is started again: ``proven``, ``unproven``, or the host ``loses power`` then
    """

    strategy: str
    check_mode: bool
    mode: str
    accept_guarded: bool
    end: str
    deadline: float


@dataclass(frozen=True)
class Weather:
    """What goes wrong in one run. depths: percent of each market order that the book takes; rest: of all later ones."""

    troubles: list[Trouble]
    depths: list[int]
    rest: int
    skew: int


lucks = st.builds(
    Luck,
    hedge=st.booleans(),
    held=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4000), st.booleans()), min_size=1, max_size=4),
    orders=st.lists(
        st.tuples(st.integers(0, 2), st.booleans(), st.integers(1, 50), st.sampled_from(KINDS)), max_size=6
    ),
    ours=st.sampled_from([None, None, 0, 1]),
    keys=st.sampled_from(["inline", "file", "environment"]),
    shared=st.booleans(),
    max_slippage=st.sampled_from([None, None, 0.02]),
)
papers = st.builds(
    Papers,
    strategy=st.sampled_from([*flatten.STRATEGIES, flatten.CANCEL_AND_CLOSE]),
    check_mode=st.sampled_from([False, False, False, False, False, True]),
    mode=st.sampled_from(["apply", "apply", "apply", "apply", "apply", "prove"]),
    accept_guarded=st.booleans(),
    end=st.sampled_from(ENDS),
    deadline=st.sampled_from([60.0, 60.0, 4.0]),
)
troubles = st.tuples(
    st.sampled_from(WHERE), st.sampled_from([*WHAT, *WHAT, *WHAT, *KILLS]), st.sampled_from(SKIPS), st.integers(1, 3)
)
weathers = st.builds(
    Weather,
    troubles=st.lists(troubles, max_size=5),
    depths=st.lists(st.sampled_from([0, 30, 100]), max_size=3),
    rest=st.sampled_from([100, 100, 100, 30, 0]),
    skew=st.sampled_from([0, 0, 0, -45, 90]),
)
ODD = ((0, 0, 1), (0, 1, 0), (1, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 0))
declarations = st.sampled_from([*[(0, 0, 0), (1, 1, 1)] * 4, *ODD])
"""Which environment is declared, which is confirmed, and whose keys the bot has, each by its place among them."""


@dataclass(frozen=True)
class Books:
    """An account at one moment: contracts that are held, and the status of each order."""

    positions: dict[Place, Decimal]
    orders: dict[str, str]


class Night:
    """The accounts as the example has them, one in each environment, and what happens to them.

    lent: contracts that were ever put in a position, by whomever; nothing that is closed is more than that
    moved: markets in which something happened by itself since the run began
    excess: orders for more than was held, though nothing had moved
    bared: orders that were cancelled while there was a position for them to protect
    twice: orders that were sent though the exchange had had them from the same run
    """

    def __init__(self, desk: Desk, luck: Luck) -> None:
        self.luck, self.desk = luck, desk
        self.names = list(desk.markets)[:3]
        self.lent: defaultdict[tuple[str, Place], Decimal] = defaultdict(Decimal)
        self.moved: set[str] = set()
        self.excess: list[str] = []
        self.bared: list[str] = []
        self.twice: list[str] = []
        self._protecting: list[Order] = []
        self._earlier: set[str] = set()
        self._executed: Request | None = None
        self.accounts = {of: self._dealt(of) for of in desk.environments}
        self.declared = self.confirmed = self.of = desk.environments[0]
        desk.take(self.accounts)

    @property
    def account(self) -> Account:
        """The one that the bot's keys open."""
        return self.accounts[self.of]

    @property
    def scope(self) -> list[str]:
        """The symbols of it; empty: all."""
        return [] if self.luck.ours is None else [self.desk.symbols[self.names[self.luck.ours]]]

    def in_scope(self, market: str) -> bool:
        return self.luck.ours is None or market == self.names[self.luck.ours]

    def held(self) -> dict[Place, Decimal]:
        """In scope."""
        return {at: held for at, held in self.account.positions.items() if held and self.in_scope(at[0])}

    def unwanted(self, strategy: str) -> list[Any]:
        """What is there, in scope, that the strategy does not want."""
        waiting = [order for order in self.account.open_orders() if self.in_scope(order.market)]
        positions = [] if strategy == flatten.NATURAL else list(self.held().items())
        return positions + [it for it in waiting if strategy == flatten.CANCEL_AND_CLOSE or not is_reducing(it)]

    def books(self) -> dict[str, Books]:
        """By environment."""
        return {
            of: Books(dict(account.positions), {it.id: it.status for it in account.orders.values()})
            for of, account in self.accounts.items()
        }

    def begin(self, weather: Weather, kill: Callable[[], None], kill_step: Callable[[], None]) -> None:
        """A run."""
        exchange = self.desk.exchange
        exchange.asked.clear()
        exchange.faults.planned.clear()
        exchange.skew = weather.skew
        self.moved.clear()
        self._earlier = {its for account in self.accounts.values() for its in account.orders}
        exchange.faults.add(
            Fault("^(POST|DELETE)", times=None, before=self._note_arrival, after=self._note_what_it_did)
        )
        filled = iter(weather.depths)
        for account in self.accounts.values():
            account.depth = lambda order, account=account: self._taken(account, order, next(filled, weather.rest))  # type: ignore[misc]  # binds the loop's
        for trouble in weather.troubles:
            exchange.faults.add(self._fault(trouble, {"kill": kill, "kill step": kill_step}))

    def fire(self, conditional: bool) -> None:
        """An order of the bot that waits is executed, as it may be at any time."""
        for order in self.account.open_orders(conditional=conditional):
            if not order.client_id.startswith(OURS):
                self._move(order.market, lambda order=order: self.account.fire(order))  # type: ignore[misc]  # as above
                return

    def enter(self, index: int, steps: int, short: bool) -> None:
        """Somebody's entry fills: of a neighbour, if the market is not ours."""
        name = self.names[index]
        side = (SHORT if short else LONG) if self.account.hedge else NET
        contracts = self.desk.markets[name].step * steps
        self._move(name, lambda: self.account.enter(name, -contracts if short and side == NET else contracts, side))

    def closed(self) -> dict[tuple[str, Place], Decimal]:
        """Contracts of what the collection sent that were executed."""
        found: defaultdict[tuple[str, Place], Decimal] = defaultdict(Decimal)
        for of, account in self.accounts.items():
            for order in account.orders.values():
                if order.client_id.startswith(OURS):
                    found[of, (order.market, order.position)] += order.filled
        return found

    def _move(self, market: str, happen: Callable[[], None]) -> None:
        before = dict(self.account.positions)
        happen()
        self.moved.add(market)
        for at, held in self.account.positions.items():
            self.lent[self.of, at] += abs(held - before.get(at, Decimal(0)))

    def _dealt(self, of: str) -> Account:
        luck, account = self.luck, Account(self.desk.markets, hedge=self.luck.hedge)
        for index, steps, short in luck.held:
            market = self.desk.markets[self.names[index]]
            amount = market.step * steps
            side = (SHORT if short else LONG) if luck.hedge else NET
            account.hold(market.name, -amount if short and not luck.hedge else amount, side)
        for index, sell, steps, kind in luck.orders:
            rest(account, self.desk, self.desk.markets[self.names[index]], SELL if sell else BUY, steps, kind)
        for at, held in account.positions.items():
            self.lent[of, at] += abs(held)
        return account

    def _note_arrival(self) -> None:
        _at, request = self.desk.exchange.asked[-1]
        text = request.query + request.body.decode()
        for account in self.accounts.values():
            sent = [order for its, order in account.orders.items() if its not in self._earlier]
            self.twice += [order.client_id for order in sent if order.client_id in text]
        held = {market for (market, _side), contracts in self.account.positions.items() if contracts}
        waiting = self.account.open_orders(conditional=True)
        self._protecting = [order for order in waiting if order.market in held and is_reducing(order)]

    def _note_what_it_did(self) -> None:
        self.bared += [order.id for order in self._protecting if order.status == CANCELED]

    def _taken(self, account: Account, order: Order, percent: int) -> Decimal:
        """How much of a market order the book takes."""
        held = abs(account.position(order.market, order.position))
        if order.amount > held and order.market not in self.moved:
            self.excess.append(f"{order.side} {order.amount} of {held} {order.market}")
        part = order.left * percent / 100
        return part - part % self.desk.markets[order.market].step

    def _fault(self, trouble: Trouble, kills: dict[str, Event]) -> Fault:
        where, what, skip, times = trouble
        become: dict[str, dict[str, Any]] = {
            "drop": {"drop": True},
            "lose": {"lose": True},
            "late": {"before": self._execute_last, "answer": OVERDUE},
            "broken": {"answer": BROKEN},
            "busy": {"answer": Answer(BUSY, 429, {"Retry-After": "2"})},
            "fire": {"before": lambda: self.fire(conditional=True)},
            "fill": {"before": lambda: self.fire(conditional=False)},
            "kill before": {"before": kills["kill"], "answer": BROKEN},
            "kill after": {"after": kills["kill"]},
            "kill step": {"after": kills["kill step"]},
        }
        return Fault(f"^{where}" if where.isupper() else where, skip=skip, times=times, **become[what])

    def _execute_last(self) -> None:
        """The request that has just come; what its client gets is up to the fault."""
        exchange = self.desk.exchange
        _at, request = exchange.asked[-1]
        if request is not self._executed:  # by another fault that it met
            self._executed = request
            exchange.venue.answer(exchange, request)


def rest(account: Account, desk: Desk, market: Market, side: str, steps: int, kind: str) -> Order:
    of: dict[str, Any] = {"price": market.price} if kind in ("entry", "take") else {"trigger": market.price}
    reduces = kind in ("take", "stop")
    if account.hedge:
        of["position"] = (LONG if side == SELL else SHORT) if reduces else (LONG if side == BUY else SHORT)
    else:
        of["reduce_only"] = reduces
    if "trigger" in of:
        of["family"] = {"okx": "trigger", "bybit": "Stop"}.get(desk.name, "")
    return account.rest(market.name, side, market.step * steps, **of)


def is_reducing(order: Order) -> bool:
    if order.position == NET:
        return order.reduce_only or order.whole
    return (order.side == SELL) == (order.position == LONG)
