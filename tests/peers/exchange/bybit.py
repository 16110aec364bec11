# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How Bybit v5 speaks of derivatives, linear ones settled in USDT and in USDC, and inverse ones, and of spot.

Facts are from its documentation (guide, error, rate-limit, enum, order/*, position/*, market/instrument). Errors come
with HTTP 200 and a ``retCode``; lists come in pages, and a page with rows always names a next one.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

from .books import LONG, NET, OPEN, SHORT, Market, Order, Orders, Refused
from .bybit_forms import (
    INDEX,
    OF_POSITION,
    Failed,
    Row,
    asked_order,
    bad,
    instrument_row,
    kind,
    names,
    order_row,
    position_row,
)
from .bybit_spot import SPOT, SPOT_CODES, asked_pair, coin_row, order_book, pair_order_row, pair_row
from .server import Exchange, Key
from .wire import Answer, Request

MOST_CANCELLED = 500
RECENT = 500
TOO_MANY = (10006, "Too many visits. Exceeded the API Rate Limit.")
UNKNOWN_ORDER = (110001, "order not exists or too late to cancel")
CODES = {
    "unknown_market": (10001, "Not supported symbols"),
    "step": (10001, "Qty invalid"),
    "too_small": (10001, "The number of contracts exceeds minimum limit allowed"),
    "too_large": (10001, "The number of contracts exceeds maximum limit allowed: too large"),
    "position_side": (10001, "position idx not match position mode"),
    "reduce_only_in_hedge_mode": (10001, "reduceOnly is not for hedge mode"),
    "nothing_to_reduce": (110017, "current position is zero, cannot fix reduce-only order qty"),
    "grows": (110007, "ab not enough for new order"),
    "notional": (110094, "Order does not meet minimum order value"),
    "duplicate_client_id": (110072, "OrderLinkedID is duplicate"),
    "unknown_order": UNKNOWN_ORDER,
    "not_open": UNKNOWN_ORDER,
}


@dataclass
class Bybit:
    """One such exchange.

    settles: seconds until a cancellation that was acknowledged takes effect
    lists_all: whether a list of orders without a filter has conditional ones, too, as its documentation says
    """

    settles: float = 0.0
    lists_all: bool = True
    places: tuple[str, ...] = ("production", "testnet", "demo")
    _due: list[tuple[float, Order, Orders]] = field(default_factory=list)

    def answer(self, exchange: Exchange, request: Request) -> Answer:
        self._settle()
        headers = self._limit_headers(exchange)
        try:
            result = self._do(exchange, request)
        except Failed as error:
            status = 404 if error.code == 10017 else 200
            return _say(exchange, {}, (error.code, str(error)), headers, status)
        return _say(exchange, result, (0, "OK"), headers)

    def too_many(self, exchange: Exchange, request: Request) -> Answer:
        return _say(exchange, {}, TOO_MANY, self._limit_headers(exchange))

    def _do(self, exchange: Exchange, request: Request) -> Row:
        name = f"{request.method} {request.path}"
        if name in PUBLIC:
            return PUBLIC[name](exchange, request)
        if name not in PRIVATE:
            raise Failed(10017, "Route not found.")
        if request.place == "demo" and name in NOT_IN_DEMO:
            raise Failed(10032, "Demo trading are not supported.")
        key = _signed_in(exchange, request)
        try:
            asked = request.parameters() if request.method == "GET" else request.json()
        except ValueError:
            raise bad("params error") from None
        try:
            return PRIVATE[name](self, key, asked)
        except Refused as refused:
            codes = SPOT_CODES if asked.get("category") == SPOT else CODES
            raise Failed(*codes[refused.reason]) from None

    def _limit_headers(self, exchange: Exchange) -> dict[str, str]:
        limit, used = exchange.limit or 50, exchange.used()
        over = exchange.limit is not None and used > limit
        return {
            "X-Bapi-Limit": str(limit),
            "X-Bapi-Limit-Status": str(max(0, limit - used)),
            "X-Bapi-Limit-Reset-Timestamp": str(exchange.now() + (int(exchange.window * 1000) if over else 0)),
        }

    def _settle(self) -> None:
        now = time.monotonic()
        for at, order, orders in [due for due in self._due if due[0] <= now]:
            self._due.remove((at, order, orders))
            if order.status == OPEN:
                orders.cancel(order)

    def _cancel_later(self, orders: Orders, those: list[Order]) -> list[Row]:
        """Acknowledged now, done when it ``settles``."""
        self._due += [(time.monotonic() + self.settles, order, orders) for order in those]
        if not self.settles:
            self._settle()
        return [names(order) for order in those]

    # What is asked of an account

    def positions(self, key: Key, asked: Row) -> Row:
        category, symbol, settle = _scope(asked)
        account = key.account
        if category == SPOT:
            raise bad("Illegal category")
        if category == "linear" and not (symbol or settle):
            raise bad("symbol and settleCoin cannot both be empty")
        sides = (LONG, SHORT) if account.hedge else (NET,)
        rows = [
            ((market.name, str(INDEX[side])), position_row(market, side, account))
            for market in _markets(account, category, symbol, settle)
            for side in sides
            if symbol or account.position(market.name, side)
        ]
        return {"category": category, **_page(sorted(rows, key=lambda row: row[0]), asked, 200)}

    def orders(self, key: Key, asked: Row) -> Row:
        category, symbol, settle = _scope(asked)
        orders = _orders(key, asked)
        named = asked.get("orderId") or asked.get("orderLinkId")
        if category == "linear" and not (symbol or settle or asked.get("baseCoin") or named):
            raise bad("symbol, baseCoin or settleCoin is required")
        if named:
            name = "orderId" if asked.get("orderId") else "orderLinkId"
            recent = list(orders.orders.values())[-RECENT:]
            found = [order for order in recent if names(order)[name] == named]
        else:
            wanted = asked.get("orderFilter") or ("" if self.lists_all else "Order")
            found = [order for order in orders.open_orders() if wanted in ("", kind(order))]
        return self._orders_page(orders, asked, found)

    def history(self, key: Key, asked: Row) -> Row:
        orders = _orders(key, asked)
        named = [order for order in orders.orders.values() if order.client_id == asked.get("orderLinkId")]
        return self._orders_page(orders, asked, [order for order in named if order.status != OPEN])

    def _orders_page(self, orders: Orders, asked: Row, found: list[Order]) -> Row:
        category, symbol, settle = _scope(asked)
        markets = {market.name for market in _markets(orders, category, symbol, settle)}
        there = sorted((order for order in found if order.market in markets), key=lambda order: -int(order.id))
        row = pair_order_row if category == SPOT else order_row
        rows = [((str(10**12 - int(order.id)),), row(order)) for order in there]
        return {"category": category, **_page(rows, asked, 50)}

    def create(self, key: Key, asked: Row) -> Row:
        category, symbol, _settle = _scope(asked)
        orders, account = _orders(key, asked), key.account
        if not _markets(orders, category, symbol or "-", None):
            raise Refused("unknown_market")
        market = orders.markets[str(symbol)]
        order = asked_pair(key.wallet, market, asked) if category == SPOT else asked_order(account, market, asked)
        if any(other.client_id == order.client_id for other in orders.orders.values()):
            raise Refused("duplicate_client_id")  # whatever became of that one
        if category == SPOT:
            at_once = order.price is not None and asked.get("timeInForce") in ("IOC", "FOK")
            return names(orders.place_at_once(order, market.price) if at_once else orders.place(order))
        placed = account.place(order)
        if not account.position(placed.market, placed.position):
            of_it = account.open_orders(conditional=True, market=placed.market)
            account.cancel_all(o for o in of_it if o.family in OF_POSITION and o.position == placed.position)
        return names(placed)

    def cancel(self, key: Key, asked: Row) -> Row:
        category, symbol, _settle = _scope(asked)
        orders = _orders(key, asked)
        order = orders.find(id=asked.get("orderId"), client_id=asked.get("orderLinkId"))
        if order.market != symbol or order.status != OPEN or _wanted(category, asked) not in ("", kind(order)):
            raise Refused("unknown_order")
        return self._cancel_later(orders, [order])[0]

    def cancel_all(self, key: Key, asked: Row) -> Row:
        category, symbol, settle = _scope(asked)
        if category != SPOT and not (symbol or settle or asked.get("baseCoin")):
            raise bad("symbol, baseCoin or settleCoin is required")
        orders = _orders(key, asked)
        markets = {market.name for market in _markets(orders, category, symbol, settle)}
        wanted = _wanted(category, asked)
        there = [it for it in orders.open_orders() if it.market in markets and wanted in ("", kind(it))]
        return {"list": self._cancel_later(orders, there[:MOST_CANCELLED]), "success": "1"}

    def balance(self, key: Key, asked: Row) -> Row:
        """What the wallet has, or where there is none some margin."""
        coin = {"coin": "USDT", "equity": "10000", "walletBalance": "10000", "locked": "0", "borrowAmount": "0"}
        coins = [coin_row(key.wallet, name) for name in key.wallet.balances] or [coin]
        return {"list": [{"accountType": "UNIFIED", "totalEquity": "10000", "coin": coins}]}

    def key_info(self, key: Key, asked: Row) -> Row:
        permissions = {"ContractTrade": ["Order", "Position"], "Spot": ["SpotTrade"]}
        return {"readOnly": 0, "permissions": permissions, "uta": 1, "unified": 0}

    def account_info(self, key: Key, asked: Row) -> Row:
        return {"unifiedMarginStatus": 6, "marginMode": "REGULAR_MARGIN"}

    def coins(self, key: Key, asked: Row) -> Row:
        return {"rows": []}


def _say(exchange: Exchange, result: Row, said: tuple[int, str], headers: dict[str, str], status: int = 200) -> Answer:
    code, text = said
    content = {"retCode": code, "retMsg": text, "result": result, "retExtInfo": {}, "time": exchange.now()}
    return Answer(content, status, headers)


def _signed_in(exchange: Exchange, request: Request) -> Key:
    """Whose request it is, if it was signed by them, for this environment, just now."""
    given = {name: request.headers.get(f"x-bapi-{name}", "") for name in ("api-key", "timestamp", "sign")}
    window = request.headers.get("x-bapi-recv-window", "5000")
    if not all(given.values()):
        raise bad("empty value: apiTimestamp[] apiKey[] apiSignature[]: openapi sign params error!")
    key = exchange.keys.get(given["api-key"])
    if key is None or key.environment != request.place:
        raise Failed(10003, "API key is invalid.")
    if not key.from_here:
        raise Failed(10010, "Unmatched IP, please check your API key's bound IP addresses.")
    now = exchange.now()
    if not now - int(window) <= int(given["timestamp"]) < now + 1000:
        times = f"req_timestamp[{given['timestamp']}],server_timestamp[{now}],recv_window[{window}]"
        raise Failed(10002, f"invalid request, please check your server timestamp or recv_window param. {times}")
    signed = f"{given['timestamp']}{key.id}{window}".encode()
    signed += request.query.encode() if request.method == "GET" else request.body
    if not hmac.compare_digest(hmac.new(key.secret.encode(), signed, hashlib.sha256).hexdigest(), given["sign"]):
        raise Failed(10004, f"error sign! origin_string[{signed.decode()}]")
    return key


def _orders(key: Key, asked: Row) -> Orders:
    """Those of positions or those of spot, which are apart."""
    return key.wallet if asked.get("category") == SPOT else key.account


def _wanted(category: str, asked: Row) -> str:
    """The kind of orders to cancel; empty: any. Who names none in spot means none that wait for a trigger."""
    return str(asked.get("orderFilter") or ("Order" if category == SPOT else ""))


def _category(market: Market) -> str:
    return "inverse" if market.inverse else "linear"


def _scope(asked: Row) -> tuple[str, str | None, str | None]:
    """Category, symbol and settle coin that a request names; a symbol goes before a coin."""
    category, symbol = asked.get("category"), asked.get("symbol")
    if category not in ("linear", "inverse", SPOT):
        raise bad("Illegal category")
    return category, symbol, None if symbol or category == SPOT else asked.get("settleCoin")


def _markets(orders: Orders, category: str, symbol: str | None, settle: str | None) -> list[Market]:
    return [
        market
        for market in orders.markets.values()
        if category in (SPOT, _category(market)) and symbol in (None, market.name) and settle in (None, market.settle)
    ]


def _page(rows: Sequence[tuple[tuple[str, ...], Row]], asked: Row, most: int) -> Row:
    """Those after the cursor, which names the last one of the page before and comes URL-encoded."""
    limit = int(asked.get("limit") or 20)
    if not 1 <= limit <= most:
        raise bad("limit error")
    last = tuple(json.loads(unquote(asked["cursor"]))) if asked.get("cursor") else ()
    page = [row for row in rows if row[0] > last][:limit]
    cursor = quote(json.dumps(page[-1][0]), safe="") if page else ""
    return {"nextPageCursor": cursor, "list": [row for _key, row in page]}


def _time(exchange: Exchange, _request: Request) -> Row:
    now = exchange.now()
    return {"timeSecond": str(now // 1000), "timeNano": f"{now}000000"}


def _instruments(exchange: Exchange, request: Request) -> Row:
    asked = request.parameters()
    category = asked.get("category", "")
    markets = _listed(exchange, request) if asked.get("status", "Trading") == "Trading" else {}
    if category == SPOT:  # in one page
        return {"category": category, "list": [pair_row(market) for market in markets.values()]}
    rows = [((name,), instrument_row(markets[name])) for name in sorted(markets)]
    return {"category": category, **_page(rows, {"limit": "500", **asked}, 1000)}


def _order_book(exchange: Exchange, request: Request) -> Row:
    market = _listed(exchange, request).get(request.parameters().get("symbol", ""))
    if market is None:
        raise bad("Not supported symbols")
    return order_book(market, exchange.now())


def _listed(exchange: Exchange, request: Request) -> dict[str, Market]:
    """The markets of a category that anybody has in this environment."""
    asked = request.parameters()
    category = asked.get("category", "")
    known = [_orders(key, asked) for key in exchange.keys.values() if key.environment == request.place]
    return {it.name: it for orders in known for it in _markets(orders, category, None, None)}


PUBLIC: dict[str, Callable[[Exchange, Request], Row]] = {
    "GET /v5/market/time": _time,
    "GET /v5/market/instruments-info": _instruments,
    "GET /v5/market/orderbook": _order_book,
}
PRIVATE: dict[str, Callable[[Bybit, Key, Row], Row]] = {
    "GET /v5/position/list": Bybit.positions,
    "GET /v5/order/realtime": Bybit.orders,
    "GET /v5/order/history": Bybit.history,
    "POST /v5/order/create": Bybit.create,
    "POST /v5/order/cancel": Bybit.cancel,
    "POST /v5/order/cancel-all": Bybit.cancel_all,
    "GET /v5/account/wallet-balance": Bybit.balance,
    "GET /v5/account/info": Bybit.account_info,
    "GET /v5/user/query-api": Bybit.key_info,
    "GET /v5/asset/coin/query-info": Bybit.coins,
}
NOT_IN_DEMO = ("GET /v5/user/query-api", "GET /v5/asset/coin/query-info")
