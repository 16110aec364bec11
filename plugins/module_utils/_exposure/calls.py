# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls to an exchange, each with what became of it. PRIVATE to the collection.

ccxt raises what the exchange, the network and its own checks say in one family of errors. What matters here is another
question: was it done? A read may be asked again. An order may not, unless the exchange says that it was not taken.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Callable, TypeVar

from .._operation import OperationError
from .library import ccxt

T = TypeVar("T")
MASK = "********"
PAUSES = (0.1, 0.3, 1.0, 2.0)  # s before a read is asked again; the last one for good
NOT_DONE = (ccxt.InvalidNonce, ccxt.RateLimitExceeded, ccxt.DDoSProtection)
"""The exchange has turned it down before it looked at it: too late by its clock, or too many at once."""


class Unknown(Exception):
    """Nobody knows whether it was done: no answer came, or one that says so."""


class TurnedDown(Exception):
    """The exchange has looked at it and refused; nothing was done."""


class NotFromHere(TurnedDown):
    """The exchange refuses this key from this address, or for what it may not do. It may know it all the same."""


class WrongKey(OperationError):
    """The exchange does not know these credentials here."""


class OutOfTime(Exception):
    """The deadline came first. Its text is what went wrong before, if anything did."""


class Calls:
    """All calls of one run, until its deadline.

    deadline: in monotonic seconds
    network, waited: seconds spent in requests, and in pauses that the exchange or its state asked for
    """

    def __init__(self, client: Any, deadline: float) -> None:
        self.client = client
        self.deadline = deadline
        self.network = 0.0
        self.waited = 0.0
        self.requests = 0
        self._trouble = ""

    @property
    def left(self) -> float:
        """Seconds until the deadline."""
        return max(0.0, self.deadline - time.monotonic())

    def read(self, ask: Callable[[], T]) -> T:
        """Ask until there is an answer; raises TurnedDown, WrongKey or OutOfTime."""
        attempt = 0
        while True:
            try:
                return self._call(ask)
            except Unknown as error:
                self._trouble = str(error)
                self.pause(PAUSES[min(attempt, len(PAUSES) - 1)])
                attempt += 1

    def send(self, order: Callable[[], T]) -> T:
        """Send what changes something, once. Raises TurnedDown, WrongKey, OutOfTime, or Unknown, which is not retried.

        What the exchange has not looked at, because of its clock or its limits, is sent again: it was not done.
        """
        return self._call(order)

    def pause(self, seconds: float) -> None:
        """Wait; raises OutOfTime when the deadline comes first."""
        if seconds >= self.left:
            raise OutOfTime(self._trouble)
        self.waited += seconds
        time.sleep(seconds)

    def _call(self, ask: Callable[[], T]) -> T:
        late = 0
        while True:
            if self.left <= 0:
                raise OutOfTime(self._trouble)
            self.client.timeout = max(100, int(min(10.0, self.left) * 1000))
            try:
                return self._timed(ask)
            except ccxt.InvalidNonce as error:
                self._trouble = said(error, self.client)
                if late:  # its clock was read, and that did not help
                    self.pause(PAUSES[min(late, len(PAUSES)) - 1])
                late += 1
            except NOT_DONE as error:
                self._trouble = said(error, self.client)
                self.pause(self._asked_to_wait())
                continue
            except (ccxt.OperationFailed, ccxt.ExchangeError) as error:
                raise _meaning(error)(said(error, self.client)) from error
            self.read_clock()

    def read_clock(self) -> None:
        """Sign by the exchange's clock from now on."""
        self.read(self.client.load_time_difference)

    def _timed(self, ask: Callable[[], T]) -> T:
        began, before = time.monotonic(), self.network + self.waited
        try:
            return ask()
        finally:
            self.requests += 1
            within = self.network + self.waited - before  # of calls that this one was made of
            self.network += time.monotonic() - began - within

    def _asked_to_wait(self) -> float:
        headers: Mapping[str, str] = self.client.last_response_headers or {}
        given = {name.lower(): value for name, value in headers.items()}.get("retry-after", "")
        return float(given) if given.replace(".", "", 1).isdigit() else 1.0  # who comes earlier is banned for longer


def _meaning(error: Exception) -> type[Exception]:
    """Whether it was done, by an error of ccxt."""
    if isinstance(error, ccxt.OperationFailed):  # no answer, or one that says that it was left half done
        return Unknown
    if isinstance(error, (ccxt.PermissionDenied, ccxt.AccountSuspended)):
        return NotFromHere
    if isinstance(error, ccxt.AuthenticationError):
        return WrongKey
    # With a cause it is of HTTP or of the connection: the exchange itself said nothing
    return TurnedDown if error.__cause__ is None else Unknown


def said(error: Exception, client: Any) -> str:
    """An error of ccxt without the URL that it may quote, whose signature would open the account.

    And without the client's credentials, which an exchange may quote.
    """
    text = masked(" ".join(str(error).split()), client)
    words = [word for word in text.split(" ") if "://" not in word and "signature=" not in word]
    return f"{type(error).__name__}: {' '.join(words)}"[:300]


def masked(text: str, client: Any) -> str:
    """Without the credentials of a client."""
    for credential in filter(None, (client.apiKey, client.secret, client.password)):
        text = text.replace(credential, MASK)
    return text
