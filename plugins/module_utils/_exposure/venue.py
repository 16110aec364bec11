# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an exchange must be able to do to be flattened. PRIVATE to the collection."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar

from .account import Account, OpenOrder, Position
from .calls import Calls

PRODUCTION, TESTNET, DEMO = "production", "testnet", "demo"


@dataclass(frozen=True)
class Sent:
    """What became of an order that was sent: whether it is ``open`` still, and how many contracts it has ``filled``."""

    open: bool
    filled: Decimal


class Venue(ABC):
    """One exchange, through a ccxt client that is not shared.

    ID: ccxt's name of it
    ENVIRONMENTS: those that it has, each with the base URL of its hosts; the first is production
    MARKETS: what ``markets`` may name, such as ``linear``
    BOUNDED: whether a market order may be bounded by a price
    TOLD_BY_HEADER: whether the environments share their hosts, and a header tells them apart
    """

    ID: ClassVar[str]
    ENVIRONMENTS: ClassVar[dict[str, str]]
    MARKETS: ClassVar[tuple[str, ...]]
    BOUNDED: ClassVar[bool] = False
    TOLD_BY_HEADER: ClassVar[bool] = False

    def __init__(self, client: Any, calls: Calls, markets: Iterable[str]) -> None:
        self.client = client
        self.calls = calls
        self.markets = tuple(markets) or self.MARKETS

    @classmethod
    @abstractmethod
    def point(cls, client: Any, environment: str, base_url: str) -> None:
        """Let a client, which has sent nothing yet, speak to this environment at this base URL."""

    @abstractmethod
    def connect(self) -> None:
        """Read markets and the account's mode of positions."""

    @abstractmethod
    def probe(self) -> None:
        """One signed read that changes nothing and costs little; raises WrongKey where the key is not known."""

    @abstractmethod
    def read(self, symbols: Iterable[str]) -> Account:
        """All positions and all orders, regular and conditional, of these symbols; of every one when there are none."""

    @abstractmethod
    def cancel(self, orders: list[OpenOrder]) -> None:
        """Cancel these. One that is gone already is no error."""

    @abstractmethod
    def cancel_all(self, symbol: str, kind: str) -> None:
        """Cancel every order of a symbol and kind, in as few requests as the exchange allows."""

    @abstractmethod
    def close(self, position: Position, contracts: Decimal, client_id: str, max_slippage: Decimal | None) -> None:
        """Send one order that reduces the position by so many contracts, and cannot do anything else.

        Raises what ``Calls.send`` raises, and AlreadyThere when the exchange has had an order with this id.
        """

    @abstractmethod
    def sent(self, position: Position, client_id: str) -> Sent | None:
        """What became of the order with this id; None when the exchange has none."""

    @abstractmethod
    def slices(self, position: Position) -> list[Decimal]:
        """How a position must be divided into market orders, in contracts; none below what the exchange takes."""


class AlreadyThere(Exception):
    """The exchange has had an order with this client id."""
