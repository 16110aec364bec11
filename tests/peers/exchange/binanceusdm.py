# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Binance USD-M futures, as the emulator speaks it: ``http://127.0.0.1:<port>/<environment>/fapi/…``.

Conditional orders live in the algo service; the regular endpoints know none of them.
https://developers.binance.com/docs/derivatives/usds-margined-futures/general-info
"""

from __future__ import annotations

import hashlib
import hmac
import math
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from .binanceusdm_forms import BAND, CONDITIONAL, MARKETS, SIDES, algo_order_row, market_row, order_row, position_row
from .books import BUY, EXPIRED, LONG, NET, OPEN, SELL, SHORT, Account, Market, Order, Refused
from .server import Exchange
from .wire import Answer, Request

Parameters = Mapping[str, str]
Content = Any
Handler = Callable[["BinanceUsdm", Account, Parameters], Content]

DEFAULT_WINDOW, LONGEST_WINDOW, AHEAD = 5000, 60000, 1000  # ms
REFUSALS = {
    "unknown_market": (-1121, "Invalid symbol."),
    "position_side": (-4061, "Order's position side does not match user's setting."),
    "reduce_only_in_hedge_mode": (-1106, "Parameter 'reduceonly' sent when not required."),
    "step": (-1111, "Precision is over the maximum defined for this asset."),
    "too_small": (-4004, "Quantity less than min quantity."),
    "too_large": (-4005, "Quantity greater than max quantity."),
    "duplicate_client_id": (-4116, "ClientOrderId is duplicated."),
    "nothing_to_reduce": (-2022, "ReduceOnly Order is rejected."),
    "notional": (-4164, "Order's notional must be no smaller than 5 (unless you choose reduce only)."),
    "grows": (-2019, "Margin is insufficient."),
    "unknown_order": (-2013, "Order does not exist."),
    "not_open": (-2011, "Unknown order sent."),
}


class Problem(Exception):
    """An error, as this exchange says it."""

    def __init__(self, code: int, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.answer = Answer({"code": code, "msg": text}, status)


class BinanceUsdm:
    """The venue. ``markets`` are those of all its environments; accounts are made with them."""

    places: tuple[str, ...] = ("production", "testnet", "demo")

    def __init__(self, markets: Mapping[str, Market] | None = None) -> None:
        self.markets = dict(MARKETS if markets is None else markets)
        self.spread = Decimal(0)
        self._quiet_until = 0.0

    def account(self, *, hedge: bool = False) -> Account:
        return Account(self.markets, hedge)

    def answer(self, exchange: Exchange, request: Request) -> Answer:
        try:
            content = self._content(exchange, request)
            answer = content if isinstance(content, Answer) else Answer(content)
        except Problem as problem:
            answer = problem.answer
        except Refused as refused:
            answer = Problem(*REFUSALS[refused.reason]).answer
        return Answer(answer.content, answer.status, {**answer.headers, **_usage(exchange, request)})

    def too_many(self, exchange: Exchange, request: Request) -> Answer:
        """429; who does not keep away for as long as it says is banned with 418."""
        now, since = time.monotonic(), time.monotonic() - exchange.window
        oldest = next(at for at, _request in exchange.asked if at >= since)
        wait = max(1, math.ceil(oldest + exchange.window - now))
        again, self._quiet_until = now < self._quiet_until, now + wait
        text = f"Too many requests; current limit is {exchange.limit} requests per window."
        if again:
            text = f"Way too many requests; IP banned until {exchange.now() + wait * 1000}."
        headers = {"Retry-After": str(wait), **_usage(exchange, request)}
        return Answer({"code": -1003, "msg": text}, 418 if again else 429, headers)

    def _content(self, exchange: Exchange, request: Request) -> Content:
        if request.method == "GET" and request.place:
            if request.path == "/fapi/v1/time":
                return {"serverTime": exchange.now()}
            if request.path == "/fapi/v1/exchangeInfo":
                return self._information(exchange)
        handler = HANDLERS.get((request.method, request.path))
        if handler is None or not request.place:
            raise Problem(-5000, f"Path {request.path}, Method {request.method} is invalid", 404)
        return handler(self, self._authentic(exchange, request), request.parameters())

    def _authentic(self, exchange: Exchange, request: Request) -> Account:
        """The account that a signed request is for."""
        name = request.headers.get("x-mbx-apikey", "")
        if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
            raise Problem(-2014, "API-key format invalid.", 401)
        given = request.parameters()
        timestamp, signature = int(_needed(given, "timestamp")), _needed(given, "signature")
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
        signed = _unsigned(request.query) + _unsigned(request.body.decode())
        if not hmac.compare_digest(
            hmac.new(key.secret.encode(), signed.encode(), hashlib.sha256).hexdigest(), signature
        ):
            raise Problem(-1022, "Signature for this request is not valid.")
        return key.account

    # What there is to read

    def _information(self, exchange: Exchange) -> Content:
        return {
            "timezone": "UTC",
            "serverTime": exchange.now(),
            "rateLimits": [
                {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 2400},
                {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 1200},
                {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 300},
            ],
            "exchangeFilters": [],
            "assets": [],
            "symbols": [market_row(market) for market in self.markets.values()],
        }

    def _mode(self, account: Account, given: Parameters) -> Content:
        return {"dualSidePosition": account.hedge}

    def _positions(self, account: Account, given: Parameters) -> Content:
        """As version 3 does: rows of markets that have a position or an order, and no others."""
        asked = self._asked(given)
        rows = []
        for name in self.markets:
            ordered = any(account.open_orders(conditional=kind, market=name) for kind in (False, True))
            for side in (LONG, SHORT) if account.hedge else (NET,):
                held = account.position(name, side)
                if asked in (None, name) and (held or ordered):
                    rows.append(position_row(self.markets[name], side, -held if side == SHORT else held))
        return rows

    def _brackets(self, account: Account, given: Parameters) -> Content:
        bracket = {
            "bracket": 1,
            "initialLeverage": 20,
            "notionalCap": 10**9,
            "notionalFloor": 0,
            "maintMarginRatio": 0.01,
        }
        return [{"symbol": name, "brackets": [bracket]} for name in self.markets]

    def _account(self, account: Account, given: Parameters) -> Content:
        return {"assets": self._balance(account, given), "positions": self._positions(account, given)}

    def _balance(self, account: Account, given: Parameters) -> Content:
        names = sorted({market.settle for market in self.markets.values()})
        amounts = {
            "balance": "10000.0",
            "marginBalance": "10000.0",
            "availableBalance": "10000.0",
            "initialMargin": "0",
        }
        return [{"asset": name, **amounts, "updateTime": 1} for name in names]

    def _open_orders(self, account: Account, given: Parameters) -> Content:
        return [order_row(order) for order in account.open_orders(conditional=False, market=self._asked(given))]

    def _open_algo_orders(self, account: Account, given: Parameters) -> Content:
        return [algo_order_row(order) for order in account.open_orders(conditional=True, market=self._asked(given))]

    def _one(self, account: Account, given: Parameters) -> Content:
        return order_row(self._found(account, given))

    def _one_algo(self, account: Account, given: Parameters) -> Content:
        return algo_order_row(_found_algo(account, given))

    # What changes something

    def _place(self, account: Account, given: Parameters) -> Content:
        kind = _needed(given, "type")
        if kind in CONDITIONAL:
            raise Problem(-4120, "Order type not supported for this endpoint. Please use the Algo Order API endpoints.")
        wanted = self._wanted(given, "newClientOrderId")
        if kind == "LIMIT":
            order = self._place_limit(account, wanted, Decimal(_needed(given, "price")), _needed(given, "timeInForce"))
        else:
            order = account.place(wanted)
        content = order_row(order)
        if given.get("newOrderRespType", "ACK") == "ACK":  # it does not wait for what becomes of it
            content.update(status="NEW", executedQty="0", avgPrice="0", cumQuote="0")
        return content

    def _place_limit(self, account: Account, wanted: Order, price: Decimal, lasting: str) -> Order:
        """IOC executes now what the price allows, all or nothing here; any other order rests."""
        market = self.markets.get(wanted.market)
        if market is None:
            raise Refused("unknown_market")
        if wanted.side == BUY and price > market.price * BAND[1]:
            raise Problem(-4016, f"Limit price can't be higher than {market.price * BAND[1]}.")
        if wanted.side == SELL and price < market.price * BAND[0]:
            raise Problem(-4024, f"Limit price can't be lower than {market.price * BAND[0]}.")
        if price % market.tick:
            raise Problem(-4014, "Price not increased by tick size.")
        if lasting == "IOC" and (price >= self.ask(market) if wanted.side == BUY else price <= self.bid(market)):
            order = account.place(wanted)
        else:
            order = account.place(replace(wanted, price=price))
            order.status = EXPIRED if lasting == "IOC" else OPEN
        order.price = price
        return order

    def ask(self, market: Market) -> Decimal:
        """The best price to buy at; ``spread`` away from the mark price."""
        return market.price * (1 + self.spread)

    def bid(self, market: Market) -> Decimal:
        return market.price * (1 - self.spread)

    def _place_algo(self, account: Account, given: Parameters) -> Content:
        if _needed(given, "algoType") != "CONDITIONAL":
            raise Problem(-1102, "Mandatory parameter 'algoType' was not sent, was empty/null, or malformed.")
        order = self._wanted(given, "clientAlgoId")
        order.trigger, order.family = Decimal(_needed(given, "triggerPrice")), _needed(given, "type")
        return algo_order_row(account.place(order))

    def _wanted(self, given: Parameters, id_name: str) -> Order:
        if "reduceOnly" in given and given["reduceOnly"] not in ("true", "false"):
            raise Problem(-1102, "Mandatory parameter 'reduceOnly' was not sent, was empty/null, or malformed.")
        whole = given.get("closePosition") == "true"
        amount = Decimal(0) if whole else Decimal(_needed(given, "quantity"))
        if amount <= 0 and not whole:
            raise Problem(-4003, "Quantity less than or equal to zero.")
        return Order(
            id="",
            client_id=given.get(id_name) or f"web_{time.monotonic_ns()}",
            market=_needed(given, "symbol"),
            side={"BUY": BUY, "SELL": SELL}[_needed(given, "side")],
            amount=amount,
            position=SIDES[given.get("positionSide", "BOTH")],
            reduce_only=given.get("reduceOnly") == "true",
            whole=whole,
        )

    def _cancel(self, account: Account, given: Parameters) -> Content:
        try:
            return order_row(account.cancel(self._found(account, given)))
        except Refused as refused:
            raise Problem(*REFUSALS["not_open"]) from refused

    def _cancel_algo(self, account: Account, given: Parameters) -> Content:
        try:
            order = account.cancel(_found_algo(account, given))
        except Refused as refused:
            raise Problem(*REFUSALS["not_open"]) from refused
        return {"algoId": int(order.id), "clientAlgoId": order.client_id, "code": "200", "msg": "success"}

    def _cancel_all(self, account: Account, given: Parameters) -> Content:
        return self._cancelled(account, given, conditional=False)

    def _cancel_all_algo(self, account: Account, given: Parameters) -> Content:
        return self._cancelled(account, given, conditional=True)

    def _cancelled(self, account: Account, given: Parameters, *, conditional: bool) -> Content:
        _needed(given, "symbol")
        account.cancel_all(account.open_orders(conditional=conditional, market=self._asked(given)))
        return {"code": 200, "msg": "The operation of cancel all open order is done."}

    def _found(self, account: Account, given: Parameters) -> Order:
        _needed(given, "symbol")
        if "orderId" not in given and "origClientOrderId" not in given:
            raise Problem(-1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!")
        order = account.find(id=given.get("orderId"), client_id=given.get("origClientOrderId"))
        if order.conditional or order.market != self._asked(given):
            raise Refused("unknown_order")
        return order

    def _asked(self, given: Parameters) -> str | None:
        """The market of a request; None: it names none."""
        name = given.get("symbol")
        if name is not None and name not in self.markets:
            raise Problem(*REFUSALS["unknown_market"])
        return name


def _found_algo(account: Account, given: Parameters) -> Order:
    order = account.find(id=given.get("algoId"), client_id=given.get("clientAlgoId"))
    if not order.conditional:
        raise Refused("unknown_order")
    return order


def _needed(given: Parameters, name: str) -> str:
    if not given.get(name):
        raise Problem(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
    return given[name]


def _unsigned(text: str) -> str:
    """What of a query or body is signed: all but the signature."""
    return "&".join(part for part in text.split("&") if not part.startswith("signature="))


def _usage(exchange: Exchange, request: Request) -> dict[str, str]:
    headers = {"X-MBX-USED-WEIGHT-1M": str(exchange.used())}
    if request.method == "POST":
        orders = [at for at, asked in exchange.asked if asked.method == "POST"]
        for seconds, name in ((10, "10S"), (60, "1M")):
            since = time.monotonic() - seconds
            headers[f"X-MBX-ORDER-COUNT-{name}"] = str(sum(1 for at in orders if at >= since))
    return headers


HANDLERS: dict[tuple[str, str], Handler] = {
    ("GET", "/fapi/v1/positionSide/dual"): BinanceUsdm._mode,
    ("GET", "/fapi/v3/positionRisk"): BinanceUsdm._positions,
    ("GET", "/fapi/v1/leverageBracket"): BinanceUsdm._brackets,
    ("GET", "/fapi/v3/account"): BinanceUsdm._account,
    ("GET", "/fapi/v3/balance"): BinanceUsdm._balance,
    ("GET", "/fapi/v1/openOrders"): BinanceUsdm._open_orders,
    ("GET", "/fapi/v1/openAlgoOrders"): BinanceUsdm._open_algo_orders,
    ("GET", "/fapi/v1/order"): BinanceUsdm._one,
    ("GET", "/fapi/v1/algoOrder"): BinanceUsdm._one_algo,
    ("POST", "/fapi/v1/order"): BinanceUsdm._place,
    ("POST", "/fapi/v1/algoOrder"): BinanceUsdm._place_algo,
    ("DELETE", "/fapi/v1/order"): BinanceUsdm._cancel,
    ("DELETE", "/fapi/v1/algoOrder"): BinanceUsdm._cancel_algo,
    ("DELETE", "/fapi/v1/allOpenOrders"): BinanceUsdm._cancel_all,
    ("DELETE", "/fapi/v1/algoOpenOrders"): BinanceUsdm._cancel_all_algo,
}
