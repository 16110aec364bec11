# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Binance USD-M futures lists: its markets, positions and orders, in the fields that it gives them."""

from __future__ import annotations

import calendar
import time
from decimal import Decimal
from typing import Any

from .books import CANCELED, EXPIRED, FILLED, LONG, NET, OPEN, SHORT, Market, Order

BAND = Decimal("0.95"), Decimal("1.05")  # how far from the mark price a limit may be
CONDITIONAL = {"STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"}
PERPETUAL = 4133404800000  # the delivery date of what is never delivered
SIDES = {"BOTH": NET, "LONG": LONG, "SHORT": SHORT}
SIDE_NAMES = {side: name for name, side in SIDES.items()}

MARKETS = {
    market.name: market
    for market in (
        Market("BTCUSDT", "BTC", "USDT", "USDT", Decimal(60000), most=Decimal(120), value=Decimal(100)),
        Market(
            "ETHUSDT", "ETH", "USDT", "USDT", Decimal(3000), most=Decimal(2000), tick=Decimal("0.01"), value=Decimal(20)
        ),
        Market("BTCUSDC", "BTC", "USDC", "USDC", Decimal(60010), most=Decimal(50), value=Decimal(100)),
        Market("BTCUSDT_270326", "BTC", "USDT", "USDT", Decimal(61000), most=Decimal(10)),
        Market(
            "DOGEUSDT",
            "DOGE",
            "USDT",
            "USDT",
            Decimal("0.2"),
            step=Decimal(1),
            least=Decimal(10),
            most=Decimal(30000000),
        ),
    )
}


def market_row(market: Market) -> dict[str, Any]:
    pair, dated, day = market.name.partition("_")
    lot = {"minQty": f"{market.least:f}", "stepSize": f"{market.step:f}"}
    return {
        "symbol": market.name,
        "pair": pair,
        "contractType": "CURRENT_QUARTER" if dated else "PERPETUAL",
        "deliveryDate": _delivery(day) if dated else PERPETUAL,
        "onboardDate": 1569398400000,
        "status": "TRADING",
        "baseAsset": market.base,
        "quoteAsset": market.quote,
        "marginAsset": market.settle,
        "pricePrecision": 2,
        "quantityPrecision": 3,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "orderTypes": ["LIMIT", "MARKET", *sorted(CONDITIONAL)],
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": "0.1", "maxPrice": "1000000", "tickSize": f"{market.tick:f}"},
            {"filterType": "LOT_SIZE", "maxQty": f"{market.most * 10:f}", **lot},
            {"filterType": "MARKET_LOT_SIZE", "maxQty": f"{market.most:f}", **lot},
            {"filterType": "PERCENT_PRICE", "multiplierDown": f"{BAND[0]}", "multiplierUp": f"{BAND[1]}"},
            {"filterType": "MIN_NOTIONAL", "notional": f"{market.value:f}"},
        ],
    }


def _delivery(day: str) -> int:
    """``YYMMDD``, at 8:00 UTC, in milliseconds since 1970."""
    return calendar.timegm(time.strptime(f"{day} 08", "%y%m%d %H")) * 1000


def position_row(market: Market, side: str, held: Decimal) -> dict[str, Any]:
    return {
        "symbol": market.name,
        "positionSide": SIDE_NAMES[side],
        "positionAmt": f"{held:f}",
        "entryPrice": f"{market.price:f}",
        "breakEvenPrice": f"{market.price:f}",
        "markPrice": f"{market.price:f}",
        "unRealizedProfit": "0.00000000",
        "liquidationPrice": "0",
        "isolatedMargin": "0",
        "notional": f"{held * market.size * market.price:f}",
        "marginAsset": market.settle,
        "isolatedWallet": "0",
        "initialMargin": "0",
        "maintMargin": "0",
        "positionInitialMargin": "0",
        "openOrderInitialMargin": "0",
        "adl": "1",
        "updateTime": 1700000000000,
    }


def order_row(order: Order) -> dict[str, Any]:
    kind = "MARKET" if order.price is None else "LIMIT"
    return {
        "orderId": int(order.id),
        "symbol": order.market,
        "status": _status(order),
        "clientOrderId": order.client_id,
        "price": f"{order.price or 0:f}",
        "avgPrice": f"{order.average:f}",
        "origQty": f"{order.amount:f}",
        "executedQty": f"{order.filled:f}",
        "cumQuote": f"{order.filled * order.average:f}",
        "timeInForce": "GTC",
        "type": kind,
        "origType": kind,
        "reduceOnly": order.reduce_only,
        "closePosition": order.whole,
        "side": order.side.upper(),
        "positionSide": SIDE_NAMES[order.position],
        "stopPrice": "0",
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "time": order.at,
        "updateTime": order.at,
    }


def algo_order_row(order: Order) -> dict[str, Any]:
    return {
        "algoId": int(order.id),
        "clientAlgoId": order.client_id,
        "algoType": "CONDITIONAL",
        "orderType": order.family or "STOP_MARKET",
        "symbol": order.market,
        "side": order.side.upper(),
        "positionSide": SIDE_NAMES[order.position],
        "timeInForce": "GTC",
        "quantity": f"{order.amount:f}",
        "algoStatus": {OPEN: "NEW", FILLED: "FINISHED", CANCELED: "CANCELED", EXPIRED: "EXPIRED"}[order.status],
        "triggerPrice": f"{order.trigger or 0:f}",
        "price": f"{order.price or 0:f}",
        "closePosition": order.whole,
        "reduceOnly": order.reduce_only,
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "createTime": 1700000000000,
        "updateTime": 1700000000000,
        "triggerTime": 0,
        "goodTillDate": 0,
    }


def _status(order: Order) -> str:
    if order.status == OPEN:
        return "PARTIALLY_FILLED" if order.filled else "NEW"
    return {FILLED: "FILLED", CANCELED: "CANCELED", EXPIRED: "EXPIRED"}[order.status]
