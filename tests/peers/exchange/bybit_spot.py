# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is different in Bybit's spot: its markets and coins, its orders, and the codes by which it refuses one.

TP/SL orders lock coins as regular ones do, conditional ones only when they fire. Orders of these two kinds are left
alone unless who cancels names them.
"""

from __future__ import annotations

from .books import BUY, EXPIRED, Market, Order, Refused
from .bybit_forms import Failed, Row, asked_names, bad, number, order_row, text
from .wallet import Wallet, pair

SPOT = "spot"
SHORT_OF_COINS = (170131, "Insufficient balance.")
UNKNOWN_ORDER = (170213, "Order does not exist.")
SPOT_CODES = {
    "unknown_market": (170121, "Invalid symbol."),
    "step": (170137, "Order volume decimal too long."),
    "too_small": (170136, "Order quantity lower than the minimum."),
    "too_large": (170135, "Order quantity too large."),
    "notional": (170140, "Transaction amount lower than the minimum."),
    "duplicate_client_id": (170141, "Duplicate clientOrderId."),
    "grows": SHORT_OF_COINS,
    "balance": SHORT_OF_COINS,
    "unknown_order": UNKNOWN_ORDER,
    "not_open": UNKNOWN_ORDER,
}


def wallet() -> Wallet:
    btc = {"step": "0.000001", "least": "0.000011", "tick": "0.1", "value": "5"}
    of = (
        pair("BTCUSDT", "BTC", "USDT", "60000", most="83", **btc),
        pair("BTCUSDC", "BTC", "USDC", "60010", most="20", **btc),
        pair("ETHUSDT", "ETH", "USDT", "3000", step="0.00001", least="0.0001", most="900", tick="0.01", value="5"),
        pair("DOGEUSDT", "DOGE", "USDT", "0.2", step="0.1", least="2.7", most="8000000", tick="0.00001", value="5"),
    )
    return Wallet({market.name: market for market in of}, lazy=frozenset({"StopOrder"}))


def pair_row(market: Market) -> Row:
    return {
        "symbol": market.name,
        "baseCoin": market.base,
        "quoteCoin": market.quote,
        "innovation": "0",
        "status": "Trading",
        "marginTrading": "both",
        "stTag": "0",
        "lotSizeFilter": {
            "basePrecision": text(market.step),
            "quotePrecision": "0.0000001",
            "minOrderQty": text(market.least),
            "maxOrderQty": text(market.most * 10),
            "minOrderAmt": text(market.value),
            "maxOrderAmt": "8000000",
            "maxLimitOrderQty": text(market.most * 10),
            "maxMarketOrderQty": text(market.most),
        },
        "priceFilter": {"tickSize": text(market.tick)},
        "riskParameters": {"priceLimitRatioX": "0.01", "priceLimitRatioY": "0.02"},
    }


def coin_row(wallet: Wallet, coin: str) -> Row:
    there = text(wallet.balance(coin))
    return {
        "coin": coin,
        "equity": there,
        "walletBalance": there,
        "locked": text(wallet.locked(coin)),
        "availableToWithdraw": "",
        "borrowAmount": "0",
        "accruedInterest": "0",
        "totalOrderIM": "0",
        "totalPositionIM": "0",
        "unrealisedPnl": "0",
    }


def order_book(market: Market, now: int) -> Row:
    """One offer on each side, one tick apart, which takes all that one market order may have."""
    amount = text(market.most)
    return {
        "s": market.name,
        "b": [[text(market.price), amount]],
        "a": [[text(market.price + market.tick), amount]],
        "ts": now,
        "u": 1,
        "seq": 1,
        "cts": now,
    }


def pair_order_row(order: Order) -> Row:
    """As of a contract, without what only a position has."""
    row = {name: value for name, value in order_row(order).items() if name not in ("tpslMode", "closeOnTrigger")}
    return {
        **row,
        "orderStatus": "PartiallyFilledCanceled" if order.filled and order.status == EXPIRED else row["orderStatus"],
        "stopOrderType": ("tpslOrder" if order.family == "tpslOrder" else "Stop") if order.conditional else "",
        "avgPrice": text(order.average) if order.filled else "",
        "cumExecValue": text(order.filled * order.average),
        "marketUnit": "baseCoin",
        "isLeverage": "0",
    }


def asked_pair(wallet: Wallet, market: Market, asked: Row) -> Order:
    """Who borrows is noted, whatever it is for."""
    side, kind, client_id = asked_names(asked)
    if asked.get("isLeverage"):
        wallet.violations.append(f"{side} {asked.get('qty')} {market.name} on margin: borrows")
        raise Refused("grows")
    amount, price, trigger = (number(asked, name) for name in ("qty", "price", "triggerPrice"))
    family = asked.get("orderFilter") or "Order"
    if amount is None or (kind == "Limit" and price is None):
        raise bad("params error")
    if family not in ("Order", "tpslOrder", "StopOrder"):
        raise Failed(170202, "Invalid orderFilter parameter.")
    if family != "Order" and trigger is None:
        raise Failed(170203, "Please enter the TP/SL price.")
    if kind == "Market" and asked.get("marketUnit", "quoteCoin" if side == BUY else "baseCoin") == "quoteCoin":
        amount = amount / market.price // market.step * market.step
    waits = family != "Order"
    return Order(
        id="",
        client_id=client_id,
        market=market.name,
        side=side,
        amount=amount,
        price=price if kind == "Limit" else None,
        trigger=trigger if waits else None,
        family=family if waits else "",
    )
