# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Bybit v5 says of markets, positions and orders, and how it is asked for an order."""

from __future__ import annotations

import re
import uuid
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from .books import BUY, CANCELED, EXPIRED, FILLED, LONG, NET, OPEN, SELL, SHORT, Account, Market, Order

Row = dict[str, Any]
INDEX = {NET: 0, LONG: 1, SHORT: 2}
SIDES = {BUY: "Buy", SELL: "Sell"}
OF_POSITION = ("TakeProfit", "StopLoss", "PartialTakeProfit", "PartialStopLoss", "TrailingStop", "MmRateClose")
"""Kinds of conditional orders that belong to a position, and go with it."""


class Failed(Exception):
    """A request that is answered with a ``retCode`` other than 0."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code = code


def bad(words: str) -> Failed:
    return Failed(10001, words)


def text(number: Decimal) -> str:
    return format(number, "f")


def kind(order: Order) -> str:
    """By which filter it is found."""
    return "Order" if not order.conditional else "tpslOrder" if order.family == "tpslOrder" else "StopOrder"


def names(order: Order) -> Row:
    return {"orderId": order.id, "orderLinkId": order.client_id}


def position_row(market: Market, side: str, account: Account) -> Row:
    held = account.position(market.name, side)
    short = held < 0 or side == SHORT
    value = abs(held) / market.price if market.inverse else abs(held) * market.price
    return {
        "positionIdx": INDEX[side],
        "symbol": market.name,
        "side": ("Sell" if short else "Buy") if held else "",
        "size": text(abs(held)),
        "avgPrice": text(market.price),
        "markPrice": text(market.price),
        "positionValue": text(value),
        "positionStatus": "Normal",
        "leverage": "10",
        "liqPrice": "",
        "positionIM": "0",
        "positionMM": "0",
        "takeProfit": "",
        "stopLoss": "",
        "unrealisedPnl": "0",
        "tpslMode": "Full",
        "isReduceOnly": False,
        "createdTime": "1700000000000",
        "updatedTime": "1700000000000",
    }


def order_row(order: Order) -> Row:
    waiting = order.conditional and not order.filled
    status = {FILLED: "Filled", CANCELED: "Cancelled", EXPIRED: "Cancelled"}.get(
        order.status, "Untriggered" if waiting else "PartiallyFilled" if order.filled else "New"
    )
    return {
        **names(order),
        "symbol": order.market,
        "side": SIDES[order.side],
        "orderType": "Market" if order.price is None else "Limit",
        "price": text(order.price or Decimal(0)),
        "qty": text(order.amount),
        "cumExecQty": text(order.filled),
        "leavesQty": text(order.left if order.status == OPEN else Decimal(0)),
        "avgPrice": "",
        "positionIdx": INDEX[order.position],
        "orderStatus": status,
        "stopOrderType": (order.family or "Stop") if order.conditional else "",
        "triggerPrice": text(order.trigger or Decimal(0)),
        "tpslMode": ("Full" if order.whole else "Partial") if order.family in OF_POSITION else "",
        "timeInForce": "IOC" if order.price is None else "GTC",
        "reduceOnly": order.reduce_only or order.whole,
        "closeOnTrigger": order.whole,
        "createdTime": order.id.ljust(13, "0"),
        "updatedTime": order.id.ljust(13, "0"),
    }


def number(asked: Row, name: str) -> Decimal | None:
    """Amounts and prices are text."""
    given = asked.get(name)
    if given in (None, ""):
        return None
    try:
        if isinstance(given, str):
            return Decimal(given)
    except InvalidOperation:
        pass
    raise bad(f"{name} invalid")


def asked_names(asked: Row) -> tuple[str, str, str]:
    """Side, type and client id of an order."""
    sides = {said: side for side, said in SIDES.items()}
    side, kind = asked.get("side"), asked.get("orderType")
    if side not in sides or kind not in ("Market", "Limit"):
        raise bad("params error")
    client_id = asked.get("orderLinkId") or uuid.uuid4().hex
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,36}", client_id):
        raise bad("orderLinkId is illegal")
    return sides[side], kind, client_id


def asked_order(account: Account, market: Market, asked: Row) -> Order:
    positions = {index: position for position, index in INDEX.items()}
    side, kind, client_id = asked_names(asked)
    index = asked.get("positionIdx", 0)
    if index not in positions:
        raise bad("params error")
    amount, price, tolerance = (number(asked, name) for name in ("qty", "price", "slippageTolerance"))
    if amount is None or (kind == "Limit" and price is None):
        raise bad("params error")
    reduce_only = asked.get("reduceOnly") is True
    whole = amount == 0 and reduce_only and asked.get("closeOnTrigger") is True
    if whole:  # whatever is there, up to what one market order may have
        amount = min(abs(account.position(market.name, positions[index])), market.most)
    if tolerance is not None:
        if asked.get("slippageToleranceType") != "Percent" or kind != "Market":
            raise bad("slippageToleranceType error")
        if not Decimal("0.01") <= tolerance <= 10 or tolerance % Decimal("0.01"):
            raise Failed(110109, "Allowable range: 0.01% to 10%")
    trigger = number(asked, "triggerPrice")
    return Order(
        id="",
        client_id=client_id,
        market=market.name,
        side=side,
        amount=amount,
        position=positions[index],
        price=price if kind == "Limit" else None,
        trigger=trigger,
        family="Stop" if trigger is not None else "",
        reduce_only=reduce_only,
        whole=whole,
    )


def instrument_row(market: Market) -> Row:
    """Of a contract that is delivered, the name ends in the day."""
    dated = market.name.partition("-")[2]
    return {
        "symbol": market.name,
        "contractType": ("Inverse" if market.inverse else "Linear") + ("Futures" if dated else "Perpetual"),
        "status": "Trading",
        "baseCoin": market.base,
        "quoteCoin": market.quote,
        "settleCoin": market.settle,
        "launchTime": "1585526400000",
        "deliveryTime": str(int(datetime.strptime(f"{dated} 08+0000", "%d%b%y %H%z").timestamp() * 1000))
        if dated
        else "0",
        "leverageFilter": {"minLeverage": "1", "maxLeverage": "100.00", "leverageStep": "0.01"},
        "priceFilter": {"minPrice": "0.10", "maxPrice": "1999999.80", "tickSize": text(market.tick)},
        "lotSizeFilter": {
            "minOrderQty": text(market.least),
            "qtyStep": text(market.step),
            "maxOrderQty": text(market.most * 10),  # of a limit order: not what a market order may have
            "maxMktOrderQty": text(market.most),
            "minNotionalValue": text(market.value),
        },
    }


def markets() -> dict[str, Market]:
    """Linear ones settled in USDT, of which one is dated, and in USDC, and inverse ones."""
    whole = Decimal(1)
    of = (
        Market("BTCUSDT", "BTC", "USDT", "USDT", Decimal(60000), most=Decimal(100)),
        Market("ETHUSDT", "ETH", "USDT", "USDT", Decimal(3000), step=Decimal("0.01"), least=Decimal("0.01")),
        Market("BTCPERP", "BTC", "USDC", "USDC", Decimal(60010)),
        Market("BTCUSDT-26MAR27", "BTC", "USDT", "USDT", Decimal(61000)),
        Market("BTCUSD", "BTC", "USD", "BTC", Decimal(60000), True, step=whole, least=whole, most=Decimal(1_000_000)),
        Market("ETHUSD", "ETH", "USD", "ETH", Decimal(3000), True, step=whole, least=whole, most=Decimal(1_000_000)),
    )
    return {market.name: market for market in of}
