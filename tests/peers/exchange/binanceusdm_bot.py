# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Binance as a bot needs it that trades there: prices that stand still, leverage, and what became of its orders.

Whether the bot may open a position is up to ``Account.admits``, as anywhere else in the emulator.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from .binance import Content, Parameters
from .binanceusdm import BinanceUsdm
from .binanceusdm_forms import order_row
from .books import SELL, Account
from .server import Exchange
from .wire import Request

CANDLE = 300_000  # ms; every time frame is five minutes
CANDLES = 50


class BinanceForBots(BinanceUsdm):
    """The venue, with the further paths of PUBLIC, OTHER_MARKETS (nobody signs for them) and SIGNED."""

    def _content(self, exchange: Exchange, request: Request) -> Content:
        if request.method == "GET" and request.place and request.path in OTHER_MARKETS:
            return {"symbols": []}
        reading = PUBLIC.get(request.path) if request.method == "GET" and request.place else None
        if reading is not None:
            return reading(self, request.parameters())
        handler = SIGNED.get((request.method, request.path))
        if handler is None or not request.place:
            return super()._content(exchange, request)
        return handler(self, self._authentic(exchange, request).account, request.parameters())

    # What anybody may read

    def _candles(self, given: Parameters) -> Content:
        """Without volume, at one price."""
        price = f"{self._market(given).price:f}"
        newest = int(time.time() * 1000) // CANDLE * CANDLE
        starts = range(newest - (CANDLES - 1) * CANDLE, newest + 1, CANDLE)
        return [[at, price, price, price, price, "1", at + CANDLE - 1, price, 1, "1", price, "0"] for at in starts]

    def _depth(self, given: Parameters) -> Content:
        market = self._market(given)
        sides = {"bids": [[f"{self.bid(market):f}", "1000"]], "asks": [[f"{self.ask(market):f}", "1000"]]}
        return {"lastUpdateId": 1, "E": int(time.time() * 1000), "T": int(time.time() * 1000), **sides}

    def _nothing(self, given: Parameters) -> Content:
        return []

    # What the account's owner may

    def _assets_mode(self, account: Account, given: Parameters) -> Content:
        return {"multiAssetsMargin": False}

    def _leverage(self, account: Account, given: Parameters) -> Content:
        return {"symbol": given["symbol"], "leverage": int(given["leverage"]), "maxNotionalValue": "1000000"}

    def _margin_type(self, account: Account, given: Parameters) -> Content:
        return {"code": 200, "msg": "success"}

    def _none(self, account: Account, given: Parameters) -> Content:
        """Of coins to withdraw, margin pairs, funding that was paid."""
        return []

    def _all_orders(self, account: Account, given: Parameters) -> Content:
        market = self._market(given).name
        return [order_row(it) for it in account.orders.values() if it.market == market and not it.conditional]

    def _trades(self, account: Account, given: Parameters) -> Content:
        """One for each order that was filled, free of charge."""
        market = self._market(given)
        filled = [it for it in account.orders.values() if it.market == market.name and it.filled]
        return [
            {
                "id": int(it.id),
                "orderId": int(it.id),
                "symbol": it.market,
                "side": it.side.upper(),
                "buyer": it.side != SELL,
                "maker": False,
                "price": f"{it.average:f}",
                "qty": f"{it.filled:f}",
                "quoteQty": f"{it.filled * it.average:f}",
                "commission": "0",
                "commissionAsset": market.settle,
                "realizedPnl": "0",
                "positionSide": "BOTH",
                "time": it.at,
            }
            for it in filled
        ]


OTHER_MARKETS = {"/api/v3/exchangeInfo", "/dapi/v1/exchangeInfo"}
"""Spot and coin-margined futures, which a bot lists too. None are here."""
PUBLIC: dict[str, Callable[[BinanceForBots, Parameters], Content]] = {
    "/fapi/v1/klines": BinanceForBots._candles,
    "/fapi/v1/markPriceKlines": BinanceForBots._candles,
    "/fapi/v1/depth": BinanceForBots._depth,
    "/fapi/v1/fundingRate": BinanceForBots._nothing,
}
SIGNED: dict[tuple[str, str], Callable[[BinanceForBots, Account, Parameters], Content]] = {
    ("GET", "/sapi/v1/capital/config/getall"): BinanceForBots._none,
    ("GET", "/sapi/v1/margin/allPairs"): BinanceForBots._none,
    ("GET", "/sapi/v1/margin/isolated/allPairs"): BinanceForBots._none,
    ("GET", "/fapi/v1/multiAssetsMargin"): BinanceForBots._assets_mode,
    ("GET", "/fapi/v1/income"): BinanceForBots._none,
    ("GET", "/fapi/v1/allOrders"): BinanceForBots._all_orders,
    ("GET", "/fapi/v1/userTrades"): BinanceForBots._trades,
    ("POST", "/fapi/v1/leverage"): BinanceForBots._leverage,
    ("POST", "/fapi/v1/marginType"): BinanceForBots._margin_type,
}
