# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Binance spot, as the emulator speaks it: ``http://127.0.0.1:<port>/<environment>/api/v3/…``.

Conditional orders lie in the same book as all others, are cancelled with them, and lock coins as they do.
https://developers.binance.com/docs/binance-spot-api-docs/rest-api
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from decimal import Decimal

from .binance import Binance, Content, Parameters, Problem, needed
from .binance_spot_forms import (
    BAND,
    CONDITIONAL,
    LIMITED,
    MARKETS,
    account_row,
    cancelled_row,
    market_row,
    order_row,
    placed_row,
    trade_row,
)
from .books import BUY, SELL, Market, Order, Orders, Refused
from .server import Exchange
from .wallet import Wallet
from .wire import Answer, Request

CLIENT_ID = r"^[a-zA-Z0-9-_]{1,36}$"
FOR_AN_ORDER = {
    *("symbol", "side", "type", "timeInForce", "quantity", "quoteOrderQty", "price", "stopPrice"),
    *("newClientOrderId", "newOrderRespType", "selfTradePreventionMode", "recvWindow", "timestamp", "signature"),
}
"""What may be sent with one. There is no reduceOnly in spot."""
SHORT_OF_COINS = (-2010, "Account has insufficient balance for requested action.")
REFUSALS = {
    "unknown_market": (-1121, "Invalid symbol."),
    "step": (-1013, "Filter failure: LOT_SIZE"),
    "too_small": (-1013, "Filter failure: LOT_SIZE"),
    "too_large": (-1013, "Filter failure: MARKET_LOT_SIZE"),
    "notional": (-1013, "Filter failure: NOTIONAL"),
    "duplicate_client_id": (-2010, "Duplicate order sent."),
    "grows": SHORT_OF_COINS,
    "balance": SHORT_OF_COINS,
    "unknown_order": (-2013, "Order does not exist."),
    "not_open": (-2011, "Unknown order sent."),
}


class BinanceSpot(Binance):
    """The venue."""

    refusals = REFUSALS
    counted = ((10, "10S"), (86400, "1D"))

    def __init__(self, markets: Mapping[str, Market] | None = None) -> None:
        super().__init__(MARKETS if markets is None else markets)

    def _content(self, exchange: Exchange, request: Request) -> Content:
        given = request.parameters()
        reading = PUBLIC.get(request.path) if request.method == "GET" and request.place else None
        if reading is not None:
            return reading(self, exchange, given)
        handler = SIGNED.get((request.method, request.path))
        if handler is None or not request.place:
            return Answer("", 404, {"content-type": "text/html"})
        return handler(self, self._authentic(exchange, request).wallet, given)

    # What anybody may read

    def _time(self, exchange: Exchange, given: Parameters) -> Content:
        return {"serverTime": exchange.now()}

    def _information(self, exchange: Exchange, given: Parameters) -> Content:
        return {
            "timezone": "UTC",
            "serverTime": exchange.now(),
            "rateLimits": [
                {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000},
                {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 100},
                {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 200000},
            ],
            "exchangeFilters": [],
            "symbols": [market_row(market) for market in self.markets.values()],
        }

    def _none(self, exchange: Exchange, given: Parameters) -> Content:
        return {"symbols": []}

    def _depth(self, exchange: Exchange, given: Parameters) -> Content:
        """One offer on each side, one tick apart, which takes all that one market order may have."""
        market = self._market(given)
        bid, ask = self.bid(market), self.ask(market) + market.tick
        return {
            "lastUpdateId": 1,
            "bids": [[f"{bid:f}", f"{market.most:f}"]],
            "asks": [[f"{ask:f}", f"{market.most:f}"]],
        }

    def _day(self, exchange: Exchange, given: Parameters) -> Content:
        """Of one market, or of each when none is named."""
        rows = [
            {
                "symbol": market.name,
                "priceChange": "0",
                "priceChangePercent": "0",
                **dict.fromkeys(("lastPrice", "openPrice", "highPrice", "lowPrice"), f"{market.price:f}"),
                "bidPrice": f"{self.bid(market):f}",
                "askPrice": f"{self.ask(market) + market.tick:f}",
                "volume": "1",
                "quoteVolume": f"{market.price:f}",
                "openTime": 0,
                "closeTime": exchange.now(),
            }
            for market in self.markets.values()
            if self._asked(given) in (None, market.name)
        ]
        return rows[0] if "symbol" in given else rows

    # What is there

    def _account(self, wallet: Wallet, given: Parameters) -> Content:
        return account_row(wallet)

    def _open_orders(self, wallet: Wallet, given: Parameters) -> Content:
        return [order_row(order) for order in wallet.open_orders(market=self._asked(given))]

    def _one(self, wallet: Wallet, given: Parameters) -> Content:
        return order_row(self._found(wallet, given))

    def _trades(self, wallet: Wallet, given: Parameters) -> Content:
        market = self._market(given)
        mine = (it for it in wallet.orders.values() if it.market == market.name and it.filled)
        return [trade_row(it, market) for it in mine if given.get("orderId", it.id) == it.id]

    def _nothing(self, wallet: Wallet, given: Parameters) -> Content:
        """Of coins to withdraw and margin pairs, which ccxt lists too."""
        return []

    # What changes something

    def _place(self, wallet: Wallet, given: Parameters) -> Content:
        market, kind = self._market(given), needed(given, "type")
        read = FOR_AN_ORDER & set(given)
        if len(read) < len(given):
            text = f"read '{len(read)}' parameter(s) but was sent '{len(given)}'."
            raise Problem(-1104, f"Not all sent parameters were read; {text}")
        wanted = self._wanted(market, kind, given)
        if kind in LIMITED:
            lasting = "GTC" if kind == "LIMIT_MAKER" else needed(given, "timeInForce")
            waits = "GTC" if wanted.conditional else lasting
            order = self._place_limit(wallet, wanted, Decimal(needed(given, "price")), waits)
        else:
            order = wallet.place(wanted)
        usual = "FULL" if kind in ("MARKET", "LIMIT") else "ACK"
        return placed_row(order, market, given.get("newOrderRespType", usual))

    def _wanted(self, market: Market, kind: str, given: Parameters) -> Order:
        if kind not in ("MARKET", *LIMITED, *CONDITIONAL):
            raise Problem(-1116, "Invalid orderType.")
        side = {"BUY": BUY, "SELL": SELL}.get(needed(given, "side"))
        if side is None:
            raise Problem(-1117, "Invalid side.")
        client_id = given.get("newClientOrderId") or f"web_{time.monotonic_ns()}"
        if not re.fullmatch(CLIENT_ID, client_id):
            text = f"Illegal characters found in parameter 'newClientOrderId'; legal range is '{CLIENT_ID}'."
            raise Problem(-1100, text)
        if kind == "MARKET" and "quoteOrderQty" in given:  # as much as that sum is worth
            amount = Decimal(given["quoteOrderQty"]) / market.price // market.step * market.step
        else:
            amount = Decimal(needed(given, "quantity"))
        trigger = Decimal(needed(given, "stopPrice")) if kind in CONDITIONAL else None
        return Order("", client_id, market.name, side, amount, trigger=trigger, family=kind if trigger else "")

    def _place_limit(self, orders: Orders, wanted: Order, price: Decimal, lasting: str) -> Order:
        market = self.markets[wanted.market]
        if price % market.tick:
            raise Problem(-1013, "Filter failure: PRICE_FILTER")
        if not market.price * BAND[0] <= price <= market.price * BAND[1]:
            raise Problem(-1013, "Filter failure: PERCENT_PRICE_BY_SIDE")
        return super()._place_limit(orders, wanted, price, lasting)

    def _cancel(self, wallet: Wallet, given: Parameters) -> Content:
        try:
            return cancelled_row(wallet.cancel(self._found(wallet, given)))
        except Refused as refused:
            if refused.reason != "unknown_order":
                raise
            raise Refused("not_open") from None

    def _cancel_all(self, wallet: Wallet, given: Parameters) -> Content:
        there = wallet.open_orders(market=self._market(given).name)
        if not there:
            raise Refused("not_open")
        return [cancelled_row(order) for order in wallet.cancel_all(there)]


PUBLIC: dict[str, Callable[[BinanceSpot, Exchange, Parameters], Content]] = {
    "/api/v3/time": BinanceSpot._time,
    "/api/v3/exchangeInfo": BinanceSpot._information,
    "/api/v3/depth": BinanceSpot._depth,
    "/api/v3/ticker/24hr": BinanceSpot._day,
    # Futures, which ccxt lists too. None are here
    "/fapi/v1/exchangeInfo": BinanceSpot._none,
    "/dapi/v1/exchangeInfo": BinanceSpot._none,
}
SIGNED: dict[tuple[str, str], Callable[[BinanceSpot, Wallet, Parameters], Content]] = {
    ("GET", "/api/v3/account"): BinanceSpot._account,
    ("GET", "/api/v3/openOrders"): BinanceSpot._open_orders,
    ("GET", "/api/v3/order"): BinanceSpot._one,
    ("GET", "/api/v3/myTrades"): BinanceSpot._trades,
    ("GET", "/sapi/v1/capital/config/getall"): BinanceSpot._nothing,
    ("GET", "/sapi/v1/margin/allPairs"): BinanceSpot._nothing,
    ("GET", "/sapi/v1/margin/isolated/allPairs"): BinanceSpot._nothing,
    ("POST", "/api/v3/order"): BinanceSpot._place,
    ("DELETE", "/api/v3/order"): BinanceSpot._cancel,
    ("DELETE", "/api/v3/openOrders"): BinanceSpot._cancel_all,
}
