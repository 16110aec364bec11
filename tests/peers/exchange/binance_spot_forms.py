# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Binance spot lists: its markets, coins, orders and trades, in the fields that it gives them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from .books import BUY, CANCELED, EXPIRED, FILLED, OPEN, SELL, Market, Order
from .wallet import Wallet, pair

BAND = Decimal("0.2"), Decimal(5)  # how far from the last price a limit may be, as its share
LIMITED = ("LIMIT", "LIMIT_MAKER", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT")
CONDITIONAL = ("STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT")

BTC = {"step": "0.00001", "least": "0.00001", "tick": "0.01"}
MARKETS = {
    market.name: market
    for market in (
        pair("BTCUSDT", "BTC", "USDT", "60000", most="120", value="5", **BTC),
        pair("BTCUSDC", "BTC", "USDC", "60010", most="50", value="5", **BTC),
        pair("ETHUSDT", "ETH", "USDT", "3000", step="0.0001", least="0.0001", most="2000", tick="0.01", value="5"),
        pair("DOGEUSDT", "DOGE", "USDT", "0.2", step="1", least="1", most="30000000", tick="0.00001", value="1"),
    )
}


def wallet() -> Wallet:
    return Wallet(MARKETS.copy())


def market_row(market: Market) -> dict[str, Any]:
    down, up = (f"{share}" for share in BAND)
    lot = {"minQty": f"{market.least:f}", "stepSize": f"{market.step:f}"}
    return {
        "symbol": market.name,
        "status": "TRADING",
        "baseAsset": market.base,
        "baseAssetPrecision": 8,
        "quoteAsset": market.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": ["MARKET", *LIMITED, "STOP_LOSS", "TAKE_PROFIT"],
        "icebergAllowed": True,
        "ocoAllowed": True,
        "quoteOrderQtyMarketAllowed": True,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": "0.00001",
                "maxPrice": "1000000",
                "tickSize": f"{market.tick:f}",
            },
            {"filterType": "LOT_SIZE", "maxQty": f"{market.most * 10:f}", **lot},
            {"filterType": "MARKET_LOT_SIZE", "minQty": "0", "maxQty": f"{market.most:f}", "stepSize": "0"},
            {
                "filterType": "PERCENT_PRICE_BY_SIDE",
                "bidMultiplierUp": up,
                "bidMultiplierDown": down,
                "askMultiplierUp": up,
                "askMultiplierDown": down,
                "avgPriceMins": 5,
            },
            {
                "filterType": "NOTIONAL",
                "minNotional": f"{market.value:f}",
                "applyMinToMarket": True,
                "maxNotional": "9000000",
                "applyMaxToMarket": False,
                "avgPriceMins": 5,
            },
        ],
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": ["EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"],
    }


def account_row(wallet: Wallet) -> dict[str, Any]:
    """Every coin is listed, also one of which nothing is there."""
    coins = sorted({coin for market in wallet.markets.values() for coin in (market.base, market.quote)})
    return {
        "makerCommission": 0,
        "takerCommission": 0,
        "buyerCommission": 0,
        "sellerCommission": 0,
        "canTrade": True,
        "canWithdraw": False,
        "canDeposit": True,
        "updateTime": 1700000000000,
        "accountType": "SPOT",
        "balances": [
            {"asset": coin, "free": f"{wallet.free(coin):f}", "locked": f"{wallet.locked(coin):f}"} for coin in coins
        ],
        "permissions": ["SPOT"],
        "uid": 1,
    }


def placed_row(order: Order, market: Market, form: str) -> dict[str, Any]:
    """What is said of an order that was taken: ``ACK``, ``RESULT`` or ``FULL``."""
    acknowledged = {**_names(order), "transactTime": order.at}
    if form == "ACK":
        return acknowledged
    result = {**acknowledged, **_state(order)}
    if form == "RESULT":
        return result
    filled = {
        "price": f"{order.average:f}",
        "qty": f"{order.filled:f}",
        "commission": "0",
        "commissionAsset": market.quote,
        "tradeId": int(order.id),
    }
    return {**result, "fills": [filled] if order.filled else []}


def cancelled_row(order: Order) -> dict[str, Any]:
    """A cancellation has a client id of its own."""
    names = {**_names(order), "origClientOrderId": order.client_id, "clientOrderId": f"cancel-{order.id}"}
    return {**names, "transactTime": order.at, **_state(order)}


def order_row(order: Order) -> dict[str, Any]:
    return {
        **_names(order),
        **_state(order),
        "stopPrice": f"{order.trigger or 0:f}",
        "icebergQty": "0",
        "time": order.at,
        "updateTime": order.at,
        "isWorking": not order.conditional,
    }


def trade_row(order: Order, market: Market) -> dict[str, Any]:
    """One for each order that was filled, free of charge."""
    return {
        "symbol": order.market,
        "id": int(order.id),
        "orderId": int(order.id),
        "orderListId": -1,
        "price": f"{order.average:f}",
        "qty": f"{order.filled:f}",
        "quoteQty": f"{order.filled * order.average:f}",
        "commission": "0",
        "commissionAsset": market.quote,
        "time": order.at,
        "isBuyer": order.side == BUY,
        "isMaker": False,
        "isBestMatch": True,
    }


def _names(order: Order) -> dict[str, Any]:
    return {
        "symbol": order.market,
        "orderId": int(order.id),
        "orderListId": -1,
        "clientOrderId": order.client_id,
    }


def _state(order: Order) -> dict[str, Any]:
    kind = "MARKET" if order.price is None else "LIMIT"
    if order.conditional:
        kind = order.family or ("STOP_LOSS" if order.price is None else "STOP_LOSS_LIMIT")
    live = "PARTIALLY_FILLED" if order.filled else "NEW"
    return {
        "price": f"{order.price or 0:f}",
        "origQty": f"{order.amount:f}",
        "executedQty": f"{order.filled:f}",
        "origQuoteOrderQty": "0",
        "cummulativeQuoteQty": f"{order.filled * order.average:f}",
        "status": {OPEN: live, FILLED: "FILLED", CANCELED: "CANCELED", EXPIRED: "EXPIRED"}[order.status],
        "timeInForce": "GTC",
        "type": kind,
        "side": {BUY: "BUY", SELL: "SELL"}[order.side],
        "selfTradePreventionMode": "EXPIRE_MAKER",
    }
