# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Binance USD-M futures, as the emulator speaks it: ``http://127.0.0.1:<port>/<environment>/fapi/…``.

Conditional orders live in the algo service; the regular endpoints know none of them.
https://developers.binance.com/docs/derivatives/usds-margined-futures/general-info
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from decimal import Decimal

from .binance import Binance, Content, Parameters, Problem, needed
from .binanceusdm_forms import BAND, CONDITIONAL, MARKETS, SIDES, algo_order_row, market_row, order_row, position_row
from .books import BUY, LONG, NET, SELL, SHORT, Account, Market, Order, Orders, Refused
from .server import Exchange
from .wire import Request

Handler = Callable[["BinanceUsdm", Account, Parameters], Content]

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


class BinanceUsdm(Binance):
    """The venue."""

    refusals = REFUSALS
    counted = ((10, "10S"), (60, "1M"))

    def __init__(self, markets: Mapping[str, Market] | None = None) -> None:
        super().__init__(MARKETS if markets is None else markets)

    def account(self, *, hedge: bool = False) -> Account:
        return Account(self.markets, hedge=hedge)

    def _content(self, exchange: Exchange, request: Request) -> Content:
        if request.method == "GET" and request.place:
            if request.path == "/fapi/v1/time":
                return {"serverTime": exchange.now()}
            if request.path == "/fapi/v1/exchangeInfo":
                return self._information(exchange)
        handler = HANDLERS.get((request.method, request.path))
        if handler is None or not request.place:
            raise Problem(-5000, f"Path {request.path}, Method {request.method} is invalid", 404)
        return handler(self, self._authentic(exchange, request).account, request.parameters())

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
        return order_row(self._found_regular(account, given))

    def _one_algo(self, account: Account, given: Parameters) -> Content:
        return algo_order_row(_found_algo(account, given))

    # What changes something

    def _place(self, account: Account, given: Parameters) -> Content:
        kind = needed(given, "type")
        if kind in CONDITIONAL:
            raise Problem(-4120, "Order type not supported for this endpoint. Please use the Algo Order API endpoints.")
        wanted = self._wanted(given, "newClientOrderId")
        if kind == "LIMIT":
            order = self._place_limit(account, wanted, Decimal(needed(given, "price")), needed(given, "timeInForce"))
        else:
            order = account.place(wanted)
        content = order_row(order)
        if given.get("newOrderRespType", "ACK") == "ACK":  # it does not wait for what becomes of it
            content.update(status="NEW", executedQty="0", avgPrice="0", cumQuote="0")
        return content

    def _place_limit(self, orders: Orders, wanted: Order, price: Decimal, lasting: str) -> Order:
        market = self.markets.get(wanted.market)
        if market is None:
            raise Refused("unknown_market")
        if wanted.side == BUY and price > market.price * BAND[1]:
            raise Problem(-4016, f"Limit price can't be higher than {market.price * BAND[1]}.")
        if wanted.side == SELL and price < market.price * BAND[0]:
            raise Problem(-4024, f"Limit price can't be lower than {market.price * BAND[0]}.")
        if price % market.tick:
            raise Problem(-4014, "Price not increased by tick size.")
        return super()._place_limit(orders, wanted, price, lasting)

    def _place_algo(self, account: Account, given: Parameters) -> Content:
        if needed(given, "algoType") != "CONDITIONAL":
            raise Problem(-1102, "Mandatory parameter 'algoType' was not sent, was empty/null, or malformed.")
        order = self._wanted(given, "clientAlgoId")
        order.trigger, order.family = Decimal(needed(given, "triggerPrice")), needed(given, "type")
        return algo_order_row(account.place(order))

    def _wanted(self, given: Parameters, id_name: str) -> Order:
        if "reduceOnly" in given and given["reduceOnly"] not in ("true", "false"):
            raise Problem(-1102, "Mandatory parameter 'reduceOnly' was not sent, was empty/null, or malformed.")
        whole = given.get("closePosition") == "true"
        amount = Decimal(0) if whole else Decimal(needed(given, "quantity"))
        if amount <= 0 and not whole:
            raise Problem(-4003, "Quantity less than or equal to zero.")
        return Order(
            id="",
            client_id=given.get(id_name) or f"web_{time.monotonic_ns()}",
            market=needed(given, "symbol"),
            side={"BUY": BUY, "SELL": SELL}[needed(given, "side")],
            amount=amount,
            position=SIDES[given.get("positionSide", "BOTH")],
            reduce_only=given.get("reduceOnly") == "true",
            whole=whole,
        )

    def _cancel(self, account: Account, given: Parameters) -> Content:
        try:
            return order_row(account.cancel(self._found_regular(account, given)))
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
        needed(given, "symbol")
        account.cancel_all(account.open_orders(conditional=conditional, market=self._asked(given)))
        return {"code": 200, "msg": "The operation of cancel all open order is done."}

    def _found_regular(self, account: Account, given: Parameters) -> Order:
        order = self._found(account, given)
        if order.conditional:
            raise Refused("unknown_order")
        return order


def _found_algo(account: Account, given: Parameters) -> Order:
    order = account.find(id=given.get("algoId"), client_id=given.get("clientAlgoId"))
    if not order.conditional:
        raise Refused("unknown_order")
    return order


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
