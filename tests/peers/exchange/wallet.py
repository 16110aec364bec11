# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an exchange keeps of an account in spot: coins, orders and fills. It knows no protocol, as books.py does not.

There are no positions: who has sold its coins is flat. An order that waits locks what it would give away, so that it
has to be cancelled before that can be sold. Who buys is refused, and noted in ``violations``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count

from .books import BUY, EXPIRED, FILLED, SELL, Market, Order, Orders, Refused


def pair(
    name: str, base: str, quote: str, price: str, *, step: str, least: str, most: str, tick: str, value: str = "0"
) -> Market:
    """A market in spot."""
    return Market(
        name,
        base,
        quote,
        quote,
        Decimal(price),
        step=Decimal(step),
        least=Decimal(least),
        most=Decimal(most),
        tick=Decimal(tick),
        value=Decimal(value),
    )


@dataclass
class Wallet(Orders):
    """The coins of one account in one environment.

    balances: what is there of each coin, free or locked
    lazy: families of conditional orders that lock nothing before they fire
    """

    balances: dict[str, Decimal] = field(default_factory=dict)
    lazy: frozenset[str] = frozenset()
    _ids: count[int] = field(default_factory=lambda: count(2_000_001))  # none that an order of a position has

    def hold(self, coin: str, amount: Decimal | str) -> None:
        """Put coins there, as the bot has bought them."""
        self.balances[coin] = Decimal(amount)

    def balance(self, coin: str) -> Decimal:
        return self.balances.get(coin, Decimal(0))

    def locked(self, coin: str) -> Decimal:
        """What orders that are open would give away of it."""
        return sum((self._locks(order) for order in self.open_orders() if self._gives(order) == coin), Decimal(0))

    def free(self, coin: str) -> Decimal:
        return self.balance(coin) - self.locked(coin)

    @property
    def flat(self) -> bool:
        """No order is open, and what is held is less than one may sell."""
        return not self.open_orders() and not any(self._may_sell(market) for market in self.markets.values())

    def enter(self, market: str, amount: Decimal | str) -> None:
        """An entry fills that was under way."""
        self._exchange(self.markets[market], Decimal(amount), self.markets[market].price)

    def _execute(self, order: Order, amount: Decimal) -> None:
        """One that had locked nothing takes what it finds."""
        market = self.markets[order.market]
        price = order.price or market.price
        found = self.free(self._gives(order)) + self._locks(order)
        done = min(amount, found if order.side == SELL else found / price)
        if done:
            self._exchange(market, done if order.side == BUY else -done, price)
            order.filled += done
            order.average = price
            self.fills.append((order.client_id, done))
        if order.filled >= order.amount:
            order.status = FILLED
        elif not done or order.conditional:
            order.status = EXPIRED

    def _exchange(self, market: Market, bought: Decimal, price: Decimal) -> None:
        """Free of charge; what is sold is bought below zero."""
        self.balances[market.base] = self.balance(market.base) + bought
        self.balances[market.quote] = self.balance(market.quote) - bought * price

    def _gives(self, order: Order) -> str:
        market = self.markets[order.market]
        return market.base if order.side == SELL else market.quote

    def _locks(self, order: Order) -> Decimal:
        return Decimal(0) if order.family in self.lazy else self._costs(order)

    def _costs(self, order: Order) -> Decimal:
        """Of the coin that it gives."""
        return order.left if order.side == SELL else order.left * self._price(order)

    def _price(self, order: Order) -> Decimal:
        return order.price or order.trigger or self.markets[order.market].price

    def _may_sell(self, market: Market) -> bool:
        amount = self.balance(market.base) // market.step * market.step
        return amount >= market.least and market.notional(amount) >= market.value

    def _check_form(self, order: Order, market: Market) -> None:
        super()._check_form(order, market)
        if order.amount * self._price(order) < market.value:
            raise Refused("notional")

    def _check_direction(self, order: Order, market: Market) -> None:
        """Who buys is noted, who sells what is not free is only refused."""
        coin = self._gives(order)
        if order.side == BUY:
            text = f"{order.side} {order.amount} {order.market}, of which there is {self.balance(market.base)}"
            if not self.admits(order):
                self.violations.append(f"{text}: buys")
                raise Refused("grows")
            self.entered.append(text)
        if order.family not in self.lazy and self._costs(order) > self.free(coin):
            raise Refused("balance", coin)
