# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an exchange keeps of an account: positions, orders and fills. It knows no protocol; the venues speak for it.

It lets nobody open or grow a position: who tries is refused, and noted in ``violations``. What grows one all the same,
as a bot does that still runs, is an event that a test's script makes, or an order that its owner ``admits``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import count

NET, LONG, SHORT = "net", "long", "short"
BUY, SELL = "buy", "sell"
OPEN, FILLED, CANCELED, EXPIRED = "open", "filled", "canceled", "expired"


class Refused(Exception):
    """A request that is turned down. ``reason`` is a word of this module, for which each venue has its own code."""

    def __init__(self, reason: str, text: str = "") -> None:
        super().__init__(text or reason.replace("_", " "))
        self.reason = reason


@dataclass(frozen=True)
class Market:
    """A perpetual contract, or a pair of coins in spot, by the venue's own name.

    settle: the coin of a contract's margin; of a pair, the coin that it is paid in
    inverse: a contract is worth ``size`` of ``quote`` and settled in ``base``; else it is ``size`` of ``base``
    step, least: what an amount must be a multiple of, and its minimum, in contracts
    most: what one market order may have, in contracts
    value: the least notional of an order that does not reduce, in ``quote``
    """

    name: str
    base: str
    quote: str
    settle: str
    price: Decimal
    inverse: bool = False
    size: Decimal = Decimal(1)
    step: Decimal = Decimal("0.001")
    least: Decimal = Decimal("0.001")
    most: Decimal = Decimal(1000)
    tick: Decimal = Decimal("0.1")
    value: Decimal = Decimal(5)

    def notional(self, contracts: Decimal) -> Decimal:
        """In ``quote``."""
        return contracts * self.size * (Decimal(1) if self.inverse else self.price)


@dataclass
class Order:
    """One order.

    position: ``net`` in one-way mode, else the side that it is for
    trigger: at which price a conditional order becomes a market one; None: a regular order
    price: None: at the market
    family: what the venue calls its kind of conditional order
    whole: it closes whatever the position is then
    at: when it was placed, in milliseconds since 1970
    average: the price at which it was filled; 0: it was not
    """

    id: str
    client_id: str
    market: str
    side: str
    amount: Decimal
    position: str = NET
    price: Decimal | None = None
    trigger: Decimal | None = None
    reduce_only: bool = False
    whole: bool = False
    family: str = ""
    filled: Decimal = Decimal(0)
    status: str = OPEN
    at: int = 1700000000000
    average: Decimal = Decimal(0)

    @property
    def left(self) -> Decimal:
        return self.amount - self.filled

    @property
    def conditional(self) -> bool:
        return self.trigger is not None


@dataclass
class Orders:
    """The orders of one owner in one environment. What they change is up to Account and to Wallet.

    depth: how much of a market order is filled, by what its script says; the rest expires
    violations: what nobody who is flattening may ask for, as sentences
    admits: whether an order is one with which the bot itself, by its test's script, may open or grow a position
    entered: those that were admitted, as sentences
    """

    markets: dict[str, Market]
    orders: dict[str, Order] = field(default_factory=dict)
    depth: Callable[[Order], Decimal] = lambda order: order.left
    violations: list[str] = field(default_factory=list)
    admits: Callable[[Order], bool] = lambda _order: False
    entered: list[str] = field(default_factory=list)
    fills: list[tuple[str, Decimal]] = field(default_factory=list)
    _ids: count[int] = field(default_factory=lambda: count(1_000_001))

    def rest(self, market: str, side: str, amount: Decimal | str, **of: object) -> Order:
        """Put an order there, as the bot has placed it."""
        number = str(next(self._ids))
        client_id = str(of.pop("client_id", f"bot-{number}"))
        order = Order(number, client_id, market, side, Decimal(amount), **of)  # type: ignore[arg-type]  # Order says them
        self.orders[order.id] = order
        return order

    def open_orders(self, *, conditional: bool | None = None, market: str | None = None) -> list[Order]:
        """Of one kind, in one market; None: of both, in all."""
        return [
            order
            for order in self.orders.values()
            if order.status == OPEN and conditional in (None, order.conditional) and market in (None, order.market)
        ]

    def find(self, *, id: str | None = None, client_id: str | None = None) -> Order:  # noqa: A002  # as venues say
        """The newest order with this id; raises Refused for one that never was."""
        for order in reversed(self.orders.values()):
            if id == order.id or (id is None and client_id == order.client_id):
                return order
        raise Refused("unknown_order")

    # What a client may ask for

    def place(self, wanted: Order) -> Order:
        """Take an order that was asked for and execute what can be; ``id`` is given here."""
        market = self.markets.get(wanted.market)
        if market is None:
            raise Refused("unknown_market", wanted.market)
        self._check_form(wanted, market)
        order = replace(wanted, id=str(next(self._ids)), at=int(time.time() * 1000))
        self._check_direction(order, market)
        self.orders[order.id] = order
        if order.price is None and not order.conditional:
            self._execute(order, min(order.left, self.depth(order)))
            if order.status == OPEN:
                order.status = EXPIRED
        return order

    def place_at_once(self, wanted: Order, best: Decimal) -> Order:
        """A limit order that may not wait: all of it is executed, if the best offer is within its price, or nothing."""
        price = wanted.price or best
        within = price <= best if wanted.side == SELL else price >= best
        order = self.place(replace(wanted, price=None) if within else wanted)
        if order.status == OPEN:
            order.status = EXPIRED
        order.price = price
        return order

    def cancel(self, order: Order) -> Order:
        if order.status != OPEN:
            raise Refused("not_open")
        order.status = CANCELED
        return order

    def cancel_all(self, orders: Iterable[Order]) -> list[Order]:
        return [self.cancel(order) for order in list(orders)]

    # What happens by itself

    def fire(self, order: Order) -> None:
        """A conditional order reaches its trigger, and is executed whole."""
        if order.status == OPEN:
            self._execute(order, order.left)

    def _execute(self, order: Order, amount: Decimal) -> None:
        raise NotImplementedError

    def _check_direction(self, order: Order, market: Market) -> None:
        """Raises Refused for what would open or grow something, and notes it."""
        raise NotImplementedError

    def _check_form(self, order: Order, market: Market) -> None:
        if order.amount <= 0 or order.amount % market.step:
            raise Refused("step")
        if order.amount < market.least and not self._closes_all(order):
            raise Refused("too_small")
        if order.price is None and order.amount > market.most:
            raise Refused("too_large")
        if any(other.client_id == order.client_id and other.status == OPEN for other in self.orders.values()):
            raise Refused("duplicate_client_id")

    def _closes_all(self, order: Order) -> bool:
        """Whether an order that is too small is taken, since it leaves nothing."""
        return False


@dataclass
class Account(Orders):
    """One account in one environment.

    hedge: whether it holds long and short apart
    positions: contracts by market and side; of ``net`` negative ones are short
    """

    hedge: bool = False
    positions: dict[tuple[str, str], Decimal] = field(default_factory=dict)

    def hold(self, market: str, contracts: Decimal | str, side: str = NET) -> None:
        """Put a position there, as the bot has built it up; of ``net`` negative ones are short."""
        self.positions[market, side] = Decimal(contracts)

    def position(self, market: str, side: str = NET) -> Decimal:
        return self.positions.get((market, side), Decimal(0))

    @property
    def flat(self) -> bool:
        """Nothing is held, and no order is there that could change that."""
        return not any(self.positions.values()) and not self.open_orders()

    def notional(self) -> Decimal:
        """Of all positions, in quote."""
        return sum(
            (abs(self.markets[market].notional(held)) for (market, _side), held in self.positions.items()), Decimal(0)
        )

    def enter(self, market: str, contracts: Decimal | str, side: str = NET) -> None:
        """An entry fills that was under way."""
        self.positions[market, side] = self.position(market, side) + Decimal(contracts)

    def fire(self, order: Order) -> None:
        """As any, but one of the whole position takes what there is."""
        if order.status == OPEN and order.whole:
            order.amount = abs(self.position(order.market, order.position))
        super().fire(order)

    def _execute(self, order: Order, amount: Decimal) -> None:
        signed = amount if order.side == BUY else -amount
        if order.position == SHORT:
            signed = -signed
        held = self.position(order.market, order.position)
        reduces = order.reduce_only or order.whole or (order.position != NET and signed < 0)
        if reduces:  # never more than there is
            signed = max(signed, -held) if held > 0 else min(signed, -held) if held < 0 else Decimal(0)
        if signed:
            self.positions[order.market, order.position] = held + signed
            order.filled += abs(signed)
            order.average = self.markets[order.market].price
            self.fills.append((order.client_id, abs(signed)))
        if order.filled >= order.amount:
            order.status = FILLED
        elif reduces:  # what is left has nothing to reduce
            order.status = EXPIRED if order.filled == 0 or not self.position(order.market, order.position) else OPEN

    def _check_form(self, order: Order, market: Market) -> None:
        if (order.position == NET) is self.hedge:
            raise Refused("position_side")
        if self.hedge and order.reduce_only:
            raise Refused("reduce_only_in_hedge_mode")
        if not order.whole:
            super()._check_form(order, market)

    def _closes_all(self, order: Order) -> bool:
        """Dust goes when the order closes all of it."""
        return order.amount == abs(self.position(order.market, order.position))

    def _check_direction(self, order: Order, market: Market) -> None:
        """Only what reduces, and cannot do anything else, is taken."""
        held = self.position(order.market, order.position)
        closing = {LONG: SELL, SHORT: BUY}.get(order.position, SELL if held > 0 else BUY)
        reduces = order.side == closing
        if held == 0 and (order.reduce_only or order.position != NET) and reduces:
            raise Refused("nothing_to_reduce")
        text = f"{order.side} {order.amount} {order.market} for {order.position}, which is {held}"
        if held == 0 or not reduces:
            if order.reduce_only:
                raise Refused("nothing_to_reduce")
            if self.admits(order):
                self.entered.append(text)
                return
            self.violations.append(f"{text}: opens or grows a position")
            raise Refused("grows")
        if order.amount > abs(held) and not order.reduce_only and not order.whole:
            if order.position != NET:
                raise Refused("nothing_to_reduce", "more than there is")
            self.violations.append(f"{text}: turns a position around")
            raise Refused("grows")
        if order.position == NET and not (order.reduce_only or order.whole):
            self.violations.append(f"{text}: is not reduce-only, and opens a position if another one was quicker")
            if market.notional(order.amount) < market.value:  # only what reduces for sure may be worth less
                raise Refused("notional")
