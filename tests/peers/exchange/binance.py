# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all that Binance offers has in common: who may ask, what a problem looks like, and what it counts."""

from __future__ import annotations

import hashlib
import hmac
import math
import re
import time
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from .books import BUY, Market, Order, Orders, Refused
from .server import Exchange, Key
from .wire import Answer, Request

Parameters = Mapping[str, str]
Content = Any

DEFAULT_WINDOW, LONGEST_WINDOW, AHEAD = 5000, 60000, 1000  # ms


class Problem(Exception):
    """An error, as this exchange says it."""

    def __init__(self, code: int, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.answer = Answer({"code": code, "msg": text}, status)


class Binance:
    """One service of it. ``markets`` are those of all its environments; accounts are made with them.

    refusals: its code and words for each reason of Refused
    counted: how many seconds back it counts orders, and how its headers say that
    spread: how far from the price the best offers are
    """

    places: tuple[str, ...] = ("production", "testnet", "demo")
    refusals: Mapping[str, tuple[int, str]]
    counted: tuple[tuple[int, str], ...]

    def __init__(self, markets: Mapping[str, Market]) -> None:
        self.markets = dict(markets)
        self.spread = Decimal(0)
        self._quiet_until = 0.0

    def answer(self, exchange: Exchange, request: Request) -> Answer:
        try:
            content = self._content(exchange, request)
            answer = content if isinstance(content, Answer) else Answer(content)
        except Problem as problem:
            answer = problem.answer
        except Refused as refused:
            answer = Problem(*self.refusals[refused.reason]).answer
        return Answer(answer.content, answer.status, {**answer.headers, **self._usage(exchange, request)})

    def too_many(self, exchange: Exchange, request: Request) -> Answer:
        """429; who does not keep away for as long as it says is banned with 418."""
        now, since = time.monotonic(), time.monotonic() - exchange.window
        oldest = next(at for at, _request in exchange.asked if at >= since)
        wait = max(1, math.ceil(oldest + exchange.window - now))
        again, self._quiet_until = now < self._quiet_until, now + wait
        text = f"Too many requests; current limit is {exchange.limit} requests per window."
        if again:
            text = f"Way too many requests; IP banned until {exchange.now() + wait * 1000}."
        headers = {"Retry-After": str(wait), **self._usage(exchange, request)}
        return Answer({"code": -1003, "msg": text}, 418 if again else 429, headers)

    def _content(self, exchange: Exchange, request: Request) -> Content:
        """What is asked for; raises Problem or Refused."""
        raise NotImplementedError

    def _authentic(self, exchange: Exchange, request: Request) -> Key:
        """Whose request it is, if it is signed by them, in time and for this environment."""
        name = request.headers.get("x-mbx-apikey", "")
        if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
            raise Problem(-2014, "API-key format invalid.", 401)
        given = request.parameters()
        timestamp, signature = int(needed(given, "timestamp")), needed(given, "signature")
        window, now = int(given.get("recvWindow", DEFAULT_WINDOW)), exchange.now()
        if window > LONGEST_WINDOW:
            raise Problem(-1131, "recvWindow must be less than 60000.")
        if timestamp >= now + AHEAD:
            raise Problem(-1021, f"Timestamp for this request was {AHEAD}ms ahead of the server's time.")
        if now - timestamp > window:
            raise Problem(-1021, "Timestamp for this request is outside of the recvWindow.")
        key = exchange.keys.get(name)
        if key is None or key.environment != request.place:
            raise Problem(-2008, "Invalid Api-Key ID.", 401)
        if not key.from_here:
            raise Problem(-2015, "Invalid API-key, IP, or permissions for action.", 401)
        signed = _unsigned(request.query) + _unsigned(request.body.decode())
        if not hmac.compare_digest(
            hmac.new(key.secret.encode(), signed.encode(), hashlib.sha256).hexdigest(), signature
        ):
            raise Problem(-1022, "Signature for this request is not valid.")
        return key

    def ask(self, market: Market) -> Decimal:
        """The best price to buy at."""
        return market.price * (1 + self.spread)

    def bid(self, market: Market) -> Decimal:
        return market.price * (1 - self.spread)

    def _place_limit(self, orders: Orders, wanted: Order, price: Decimal, lasting: str) -> Order:
        """IOC executes now what the price allows, all or nothing here, as FOK does; any other order rests."""
        market, limited = orders.markets[wanted.market], replace(wanted, price=price)
        if lasting in ("IOC", "FOK"):
            return orders.place_at_once(limited, self.ask(market) if wanted.side == BUY else self.bid(market))
        return orders.place(limited)

    def _found(self, orders: Orders, given: Parameters) -> Order:
        needed(given, "symbol")
        if "orderId" not in given and "origClientOrderId" not in given:
            raise Problem(-1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!")
        order = orders.find(id=given.get("orderId"), client_id=given.get("origClientOrderId"))
        if order.market != self._asked(given):
            raise Refused("unknown_order")
        return order

    def _market(self, given: Parameters) -> Market:
        """The one that a request must name."""
        needed(given, "symbol")
        return self.markets[self._asked(given) or ""]

    def _asked(self, given: Parameters) -> str | None:
        """The market of a request; None: it names none."""
        name = given.get("symbol")
        if name is not None and name not in self.markets:
            raise Refused("unknown_market")
        return name

    def _usage(self, exchange: Exchange, request: Request) -> dict[str, str]:
        headers = {"X-MBX-USED-WEIGHT-1M": str(exchange.used())}
        if request.method == "POST":
            orders = [at for at, asked in exchange.asked if asked.method == "POST"]
            for seconds, name in self.counted:
                since = time.monotonic() - seconds
                headers[f"X-MBX-ORDER-COUNT-{name}"] = str(sum(1 for at in orders if at >= since))
        return headers


def needed(given: Parameters, name: str) -> str:
    if not given.get(name):
        raise Problem(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
    return given[name]


def _unsigned(text: str) -> str:
    """What of a query or body is signed: all but the signature."""
    return "&".join(part for part in text.split("&") if not part.startswith("signature="))
