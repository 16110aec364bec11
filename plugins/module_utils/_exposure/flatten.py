# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes an account to what a strategy wants, and proves it (S1.3, S3.5, S4.7). PRIVATE to the collection.

Each round reads all that is in scope and does what that reading asks for, so that nothing depends on what an earlier
round believes: entries go first, positions next, and what protects a position only when it is gone.
"""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from .._operation import OperationError
from .account import CONDITIONAL, REGULAR, Account, OpenOrder, Position
from .calls import Calls, OutOfTime, TurnedDown, Unknown, WrongKey
from .venue import AlreadyThere, Venue

NATURAL, CLOSE, CANCEL_AND_CLOSE = "natural", "close", "cancel_and_close"
STRATEGIES = (NATURAL, CLOSE, CANCEL_AND_CLOSE)
BETWEEN_READS = 0.3  # s between two clean reads, or the second one would tell no more than the first
LOOK_UPS = (0.2, 0.5, 1.0, 2.5)  # s before each look for an order whose answer never came
NEVER_ARRIVED = "not known to the exchange"
LONGEST_PAUSE = 2.0  # s after a round that did not help


class NotSeen(OperationError):
    """What became of an order cannot be read."""


@dataclass(frozen=True)
class Aim:
    """What is wanted of an account.

    symbols: in scope, as ccxt writes them; none: all
    clean_reads: how many readings in a row must show it
    seed: of the client ids of orders, the same for the same rollback of the same account
    max_slippage: how far from the mark price a market order may go, as a share; None: as far as the book does
    """

    strategy: str
    symbols: tuple[str, ...] = ()
    clean_reads: int = 2
    seed: str = ""
    max_slippage: Decimal | None = None

    def left(self, account: Account) -> tuple[list[Position], list[OpenOrder]]:
        """What is there that should not be."""
        positions = [] if self.strategy == NATURAL else list(account.positions)
        orders = list(account.orders) if self.strategy == CANCEL_AND_CLOSE else account.entries
        return positions, orders


@dataclass
class Course:
    """What was found, done and proven.

    before, after: the first and the last reading; None: none came
    reached: whether enough clean readings came in a row
    clean_at: seconds from the start to each of these
    readings: each that came, with seconds from the start, the notional of all positions, and how many orders there were
    cancelled: orders that were asked to be cancelled, by symbol and id
    closed: each closing order, with ``symbol``, ``side``, ``contracts``, ``client_id`` and what it ``came_to``
    refusals: what the exchange said to what it did not do
    problem: why it ended without being reached
    """

    before: Account | None = None
    after: Account | None = None
    reached: bool = False
    clean_at: list[float] = field(default_factory=list)
    readings: list[tuple[float, Decimal, int]] = field(default_factory=list)
    rounds: int = 0
    cancelled: dict[tuple[str, str], OpenOrder] = field(default_factory=dict)
    closed: list[dict[str, Any]] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    problem: str = ""


class Flattening:
    """One run."""

    def __init__(self, venue: Venue, calls: Calls, aim: Aim) -> None:
        self._venue = venue
        self._calls = calls
        self._aim = aim
        self._began = time.monotonic()
        self._used: dict[str, int] = {}
        self._lost: dict[tuple[str, str], tuple[str, dict[str, Any]]] = {}  # by position: what could not be looked up
        self.course = Course()

    def run(self, *, act: bool = True, seen: Account | None = None) -> Course:
        """Until it is proven, or the deadline; what was done by then is in the course all the same.

        act: False to prove only: what is left then ends it
        seen: a reading from right before, which need not be done again, since a reading takes seconds at some exchanges
        """
        course = self.course
        try:
            account = course.before = course.after = self._noted(seen) if seen else self._read()
            fruitless = 0
            while True:
                positions, orders = self._aim.left(account)
                if (positions or orders) and not act:
                    return course
                if positions or orders:
                    course.clean_at.clear()
                    course.rounds += 1
                    self._round(account, positions, orders)
                else:
                    course.clean_at.append(course.readings[-1][0])
                    if len(course.clean_at) >= self._aim.clean_reads:
                        course.reached = True
                        return course
                    self._calls.pause(BETWEEN_READS)
                earlier, account = account, self._read()
                course.after = account
                fruitless = fruitless + 1 if (positions or orders) and account == earlier else 0
                if fruitless:
                    self._calls.pause(min(0.1 * 2.0**fruitless, LONGEST_PAUSE))
        except OutOfTime as error:
            course.problem = f"the deadline came first{f', after {error}' if str(error) else ''}"
        except WrongKey as error:
            course.problem = f"the credentials were refused on the way ({error})"
        except (TurnedDown, OperationError) as error:  # in place of a reading
            course.problem = f"it cannot be read any more ({error})"
        return course

    def _read(self) -> Account:
        return self._noted(self._venue.read(self._aim.symbols))

    def _noted(self, account: Account) -> Account:
        seconds = round(time.monotonic() - self._began, 3)
        self.course.readings.append((seconds, account.notional, len(account.orders)))
        return account

    def _round(self, account: Account, positions: list[Position], orders: list[OpenOrder]) -> None:
        first = [order for order in orders if not order.reduces or order.kind == REGULAR]
        entered = {order.symbol for order in first if not order.reduces}  # maybe, until the next reading shows it
        held = {position.symbol for position in positions} | entered
        rest = [order for order in orders if order not in first and order.symbol not in held]
        self._cancel(account, first)
        for position in sorted(positions, key=lambda position: position.notional, reverse=True):
            try:
                self._close(position)
            except WrongKey:
                raise
            except OperationError as error:  # one that cannot be closed does not keep the others open
                self.course.refusals.append(str(error))
        self._cancel(account, rest)

    def _cancel(self, account: Account, orders: list[OpenOrder]) -> None:
        """With one request for a symbol and kind where all of these are to go, else one by one."""
        single = list(orders)
        for kind in (REGULAR, CONDITIONAL):
            for symbol in sorted({order.symbol for order in orders if order.kind == kind}):
                there = [order for order in account.of_kind(kind) if order.symbol == symbol]
                if len(there) > 1 and all(order in orders for order in there):
                    single = [order for order in single if order not in there]
                    self._try(there, lambda symbol=symbol, kind=kind: self._venue.cancel_all(symbol, kind))
        for order in single:
            self._try([order], lambda order=order: self._venue.cancel([order]))

    def _try(self, orders: Iterable[OpenOrder], cancel: Any) -> None:
        """What came of it shows the next reading."""
        self.course.cancelled.update({order.key: order for order in orders})
        try:
            self._calls.send(cancel)
        except (Unknown, TurnedDown) as error:
            self.course.refusals.append(str(error))

    def _close(self, position: Position) -> None:
        if position.key in self._lost:  # nothing more is sent until its exchange says what became of it
            about, entry = self._lost[position.key]
            self._note(about, entry, self._look_up(position, entry["client_id"]))
            del self._lost[position.key]
            return  # to read the position again
        for number, contracts in enumerate(self._venue.slices(position)):
            about = f"{self._aim.seed}|{position.symbol}|{position.side}|{position.contracts}|{number}"
            client_id = client_order_id(f"{about}|{self._used.get(about, 0)}")
            entry = {**position.shown(), "contracts": str(contracts), "client_id": client_id, "came_to": "unknown"}
            self.course.closed.append(entry)
            try:
                self._note(about, entry, self._send(position, contracts, client_id))
            except NotSeen:
                self._lost[position.key] = about, entry
                raise

    def _note(self, about: str, entry: dict[str, Any], came_to: str) -> None:
        entry["came_to"] = came_to
        if came_to != NEVER_ARRIVED:  # what is sent anew keeps its id, anything else has another
            self._used[about] = self._used.get(about, 0) + 1

    def _send(self, position: Position, contracts: Decimal, client_id: str) -> str:
        """One closing order, sent once. What it did to the position shows the next reading."""
        try:
            self._calls.send(lambda: self._venue.close(position, contracts, client_id, self._aim.max_slippage))
        except AlreadyThere:
            return "there already"
        except TurnedDown as error:
            self.course.refusals.append(str(error))
            return f"refused ({error})"
        except Unknown:
            return self._look_up(position, client_id)
        return "accepted"

    def _look_up(self, position: Position, client_id: str) -> str:
        for pause in LOOK_UPS:
            self._calls.pause(pause)
            try:
                found = self._calls.read(lambda: self._venue.sent(position, client_id))
            except WrongKey:
                raise
            except (TurnedDown, OperationError) as error:
                raise NotSeen(
                    f"whether order {client_id} of {position.symbol} was taken cannot be read ({error})"
                ) from error
            if found:
                return "accepted, its answer was lost"
        return NEVER_ARRIVED


def client_order_id(about: str) -> str:
    """An id that every exchange takes: 28 lower-case letters and digits, the same for the same text."""
    return "bf" + base64.b32encode(hashlib.sha256(about.encode()).digest()).decode().lower()[:26]
