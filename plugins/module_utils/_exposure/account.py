# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an account holds, in words that every exchange shares. PRIVATE to the collection."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

LONG, SHORT = "long", "short"
BUY, SELL = "buy", "sell"
REGULAR, CONDITIONAL = "regular", "conditional"


@dataclass(frozen=True)
class Position:
    """One that is open.

    symbol: as ccxt writes it, such as ``BTC/USDT:USDT``
    contracts: how many, in the unit in which the exchange takes orders; above zero
    notional: what they are worth in the quote currency at the mark price, above zero; it moves while nothing is done
    handle: what the exchange needs to know to close this one and no other
    """

    symbol: str
    side: str
    contracts: Decimal
    notional: Decimal = field(compare=False)
    handle: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str]:
        return self.symbol, self.side

    @property
    def closing_side(self) -> str:
        return SELL if self.side == LONG else BUY

    def shown(self) -> dict[str, Any]:
        """For a result."""
        return {
            "symbol": self.symbol,
            "side": self.side,
            "contracts": str(self.contracts),
            "notional": round(float(self.notional), 2),
        }


@dataclass(frozen=True)
class OpenOrder:
    """One that waits.

    kind: ``regular``, or ``conditional`` for one that waits for a price before it is in the book
    reduces: whether it can only ever reduce a position; any other may open one
    amount: what is left of it, in contracts; None: whatever the position is then
    handle: what the exchange needs to know to cancel it
    """

    symbol: str
    id: str
    client_id: str
    kind: str
    side: str
    reduces: bool
    amount: Decimal | None
    handle: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str]:
        return self.symbol, self.id

    def shown(self) -> dict[str, Any]:
        """For a result."""
        return {
            "symbol": self.symbol,
            "id": self.id,
            "kind": self.kind,
            "side": self.side,
            "reduces": self.reduces,
            "amount": None if self.amount is None else str(self.amount),
        }


@dataclass(frozen=True)
class Account:
    """One reading of all that is in scope."""

    positions: tuple[Position, ...]
    orders: tuple[OpenOrder, ...]

    @property
    def entries(self) -> list[OpenOrder]:
        """Orders that may open or grow a position."""
        return [order for order in self.orders if not order.reduces]

    def of_kind(self, kind: str) -> list[OpenOrder]:
        return [order for order in self.orders if order.kind == kind]

    @property
    def notional(self) -> Decimal:
        return total(position.notional for position in self.positions)


def total(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, Decimal(0))
