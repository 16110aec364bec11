# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OKX v5, its perpetual swaps and its spot: what a client asks that looks at an account and takes it to flat.

Production and demo share the host; ``x-simulated-trading: 1`` tells them apart, and is not signed. OKX sends no header
with what is left of a rate limit, and says 50011 without when to come back.
"""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any, ClassVar

from .books import NET, Market, Order, Orders, Refused
from .okx_forms import CASH, SPOT, SWAP, Row, algo_row, instrument_row, kind, position_row, regular_row
from .okx_spot import asked_amount, coin_row, pair_row
from .server import Exchange, Key
from .wire import Answer, Request

WINDOW = 30_000  # ms that the timestamp of a request may be off
PAGE = 100
BATCH, ALGO_BATCH = 20, 10  # orders in one request that cancels
FAMILIES = ("conditional", "oco", "trigger", "move_order_stop", "iceberg", "twap", "chase", "smart_iceberg")
TOGETHER = {"conditional", "oco"}  # the only ones that one request may ask for at once
REFUSALS = {
    "unknown_market": ("51001", "Instrument ID does not exist"),
    "position_side": ("51000", "Parameter posSide error"),
    "reduce_only_in_hedge_mode": ("51205", "Reduce-only is not available"),
    "step": ("51121", "Order quantity must be a multiple of the lot size"),
    "too_small": ("51020", "The order is below the minimum order amount"),
    "too_large": ("51202", "Market order amount exceeds the maximum"),
    "duplicate_client_id": ("51016", "Client order ID already exists"),
    "nothing_to_reduce": ("51169", "No position in this direction of this contract to reduce or close"),
    "grows": ("51008", "Insufficient margin"),
    "balance": ("51008", "Insufficient balance in account"),
    "unknown_order": ("51603", "Order does not exist"),
    "not_open": ("51400", "Cancellation failed: the order was filled or canceled, or does not exist"),
}


def markets() -> dict[str, Market]:
    """Linear ones settled in USDT and USDC, and inverse ones."""

    def linear(name: str, price: str, size: str, step: str, most: str) -> Market:
        base, quote, _swap = name.split("-")
        lot = Decimal(step)
        return Market(
            name, base, quote, quote, Decimal(price), size=Decimal(size), step=lot, least=lot, most=Decimal(most)
        )

    def inverse(name: str, price: str, size: str, most: str) -> Market:
        base, quote, _swap = name.split("-")
        lot = Decimal("0.1")
        return Market(name, base, quote, base, Decimal(price), True, Decimal(size), lot, lot, Decimal(most))

    found = [
        linear("BTC-USDT-SWAP", "60000", "0.01", "0.01", "1000"),
        linear("ETH-USDT-SWAP", "3000", "0.1", "0.01", "5000"),
        linear("DOGE-USDT-SWAP", "0.2", "1000", "0.01", "3000"),
        linear("BTC-USDC-SWAP", "60010", "0.0001", "1", "100000"),
        inverse("BTC-USD-SWAP", "60005", "100", "5000"),
        inverse("ETH-USD-SWAP", "3001", "10", "20000"),
    ]
    return {market.name: market for market in found}


class Problem(Exception):
    """An answer that is an error."""

    def __init__(self, code: str, text: str, status: int = 200) -> None:
        super().__init__(text)
        self.code, self.status = code, status

    def answer(self) -> Answer:
        return Answer({"code": self.code, "msg": str(self), "data": []}, self.status)


@dataclass
class Okx:
    """How OKX speaks.

    isolated: markets whose position has a margin of its own; all others share the account's
    families: of conditional orders that it knows
    """

    isolated: frozenset[str] = frozenset()
    families: tuple[str, ...] = FAMILIES
    places: tuple[str, ...] = field(default=(), init=False)

    def answer(self, exchange: Exchange, request: Request) -> Answer:
        route = f"{request.method} {request.path.removeprefix('/api/v5/')}"
        try:
            if route in self._public:
                return _rows(self._public[route](self, exchange, request))
            if route not in self._private:
                raise Problem("50404", "Not found", 404)
            said = self._private[route](self, _key(exchange, request), request)
        except Problem as problem:
            return problem.answer()
        except Refused as refused:
            return Problem(*REFUSALS[refused.reason]).answer()
        return said if isinstance(said, Answer) else _rows(said)

    def too_many(self, exchange: Exchange, request: Request) -> Answer:
        return Problem("50011", "Too Many Requests", 429).answer()

    # What anybody may ask

    def _time(self, exchange: Exchange, _request: Request) -> list[Row]:
        return [{"ts": str(exchange.now())}]

    def _instruments(self, exchange: Exchange, request: Request) -> list[Row]:
        asked = request.parameters()
        row = pair_row if asked.get("instType") == SPOT else instrument_row
        return [
            row(market)
            for market in _listed(exchange).values()
            if asked.get("instType") == kind(market.name) and asked.get("instId", market.name) == market.name
        ]

    def _order_book(self, exchange: Exchange, request: Request) -> list[Row]:
        """One offer on each side, one tick apart, which takes all that one market order may have."""
        market = _listed(exchange).get(request.parameters().get("instId", ""))
        if market is None:
            raise Refused("unknown_market")
        bid, ask = ([str(price), str(market.most), "0", "1"] for price in (market.price, market.price + market.tick))
        return [{"bids": [bid], "asks": [ask], "ts": str(exchange.now()), "seqId": 1}]

    # What an account holds

    def _config(self, key: Key, _request: Request) -> list[Row]:
        mode = "long_short_mode" if key.account.hedge else "net_mode"
        return [{"uid": "1", "mainUid": "1", "acctLv": "2", "posMode": mode, "perm": "read_only,trade", "label": "bot"}]

    def _balance(self, key: Key, request: Request) -> list[Row]:
        """What the wallet has, or where there is none some margin."""
        settled = sorted({market.settle for market in key.account.markets.values()})
        details = [
            {"ccy": name, "eq": "1000", "availEq": "900", "availBal": "900", "frozenBal": "100"} for name in settled
        ]
        asked = request.parameters().get("ccy")
        coins = [coin for coin in key.wallet.balances if asked is None or coin in asked.split(",")]
        if key.wallet.balances:
            details = [coin_row(key.wallet, coin) for coin in coins]
        return [{"totalEq": "1000", "uTime": "1700000000000", "details": details}]

    def _positions(self, key: Key, request: Request) -> list[Row]:
        asked, account = request.parameters(), key.account
        wanted = asked["instId"].split(",") if asked.get("instId") else None
        return [
            position_row(account.markets[name], side, held, self._margin(name))
            for (name, side), held in account.positions.items()
            if asked.get("instType", SWAP) == SWAP and (wanted is None or name in wanted)
        ]

    def _margin(self, market: str) -> str:
        if kind(market) == SPOT:
            return CASH
        return "isolated" if market in self.isolated else "cross"

    # Orders

    def _order(self, key: Key, request: Request) -> list[Row]:
        asked = request.parameters()
        if "instId" not in asked:
            raise Problem("50014", "Parameter instId can not be empty", 400)
        order = _orders(key, asked["instId"]).find(id=asked.get("ordId"), client_id=asked.get("clOrdId"))
        if order.conditional or order.market != asked["instId"]:
            raise Refused("unknown_order")
        return [regular_row(order, self._margin(order.market))]

    def _pending(self, key: Key, request: Request) -> list[Row]:
        orders = _open(key, conditional=False)
        return [regular_row(order, self._margin(order.market)) for order in _page(orders, request)]

    def _algos_pending(self, key: Key, request: Request) -> list[Row]:
        asked = request.parameters().get("ordType", "").split(",")
        if not set(asked) <= set(self.families) or (len(asked) > 1 and not set(asked) <= TOGETHER):
            raise Problem("51000", "Parameter ordType error", 400)
        orders = [order for order in _open(key, conditional=True) if order.family in asked]
        return [algo_row(order, self._margin(order.market)) for order in _page(orders, request)]

    def _create(self, key: Key, request: Request) -> Answer:
        return _done([_try(partial(self._place, key), request.json())])

    def _create_several(self, key: Key, request: Request) -> Answer:
        return _done([_try(partial(self._place, key), wanted) for wanted in request.json()])

    def _place(self, key: Key, wanted: Mapping[str, Any]) -> Row:
        orders, account, spot = _orders(key, wanted["instId"]), key.account, kind(wanted["instId"]) == SPOT
        modes = ("cross", "isolated", *([CASH] if spot else []))
        for name, allowed in (("tdMode", modes), ("side", ("buy", "sell"))):
            if wanted.get(name) not in allowed:
                raise Problem("51000", f"Parameter {name} error")
        client_id = wanted.get("clOrdId", "")
        if len(client_id) > 32 or not client_id.isalnum():
            raise Problem("51000", "Parameter clOrdId error")
        market = orders.markets.get(wanted["instId"])
        if market is None:
            raise Refused("unknown_market")
        amount = asked_amount(key.wallet, market, wanted) if spot else Decimal(wanted["sz"])
        at_once = wanted["ordType"] in ("ioc", "fok")
        price = Decimal(wanted["px"]) if at_once or wanted["ordType"] in ("limit", "post_only") else None
        order = Order(
            "", client_id, market.name, wanted["side"], amount, wanted.get("posSide") or NET, price,
            reduce_only=str(wanted.get("reduceOnly", "")).lower() == "true",
        )  # fmt: skip
        if wanted["tdMode"] != self._margin(order.market):  # is another position, which is not there
            if not order.reduce_only and not account.hedge:
                account.violations.append(f"{order.side} {order.market} as {wanted['tdMode']}: opens a second position")
            raise Refused("nothing_to_reduce")
        placed = orders.place_at_once(order, market.price) if at_once else orders.place(order)
        return {"ordId": placed.id, "clOrdId": placed.client_id}

    def _cancel_one(self, key: Key, request: Request) -> Answer:
        return self._cancel(key, [request.json()], "ordId")

    def _cancel_several(self, key: Key, request: Request) -> Answer:
        return self._cancel(key, request.json(), "ordId", BATCH)

    def _cancel_algos(self, key: Key, request: Request) -> Answer:
        return self._cancel(key, request.json(), "algoId", ALGO_BATCH)

    def _cancel(self, key: Key, wanted: list[Row], name: str, most: int = 1) -> Answer:
        if len(wanted) > most:
            raise Problem("51406", f"The number of orders to cancel exceeds {most}", 400)

        def cancel(one: Row) -> Row:
            orders = _orders(key, one.get("instId", ""))
            try:
                order = orders.find(id=one.get(name), client_id=one.get("clOrdId") or one.get("algoClOrdId"))
            except Refused:
                raise Refused("not_open") from None
            if order.conditional != (name == "algoId") or order.market != one.get("instId"):
                raise Refused("not_open")
            orders.cancel(order)
            return {name: order.id}

        return _done([_try(cancel, one) for one in wanted])

    _public: ClassVar[dict[str, Any]] = {
        "GET public/time": _time,
        "GET public/instruments": _instruments,
        "GET market/books": _order_book,
    }
    _private: ClassVar[dict[str, Any]] = {
        "GET account/config": _config,
        "GET account/balance": _balance,
        "GET account/positions": _positions,
        "GET trade/order": _order,
        "GET trade/orders-pending": _pending,
        "GET trade/orders-algo-pending": _algos_pending,
        "POST trade/order": _create,
        "POST trade/batch-orders": _create_several,
        "POST trade/cancel-order": _cancel_one,
        "POST trade/cancel-batch-orders": _cancel_several,
        "POST trade/cancel-algos": _cancel_algos,
    }


def _key(exchange: Exchange, request: Request) -> Key:
    """Whose request it is; raises Problem unless it is signed, in time, and for the key's own environment."""
    given = {}
    for code, name in (("50103", "key"), ("50104", "passphrase"), ("50106", "sign"), ("50107", "timestamp")):
        given[name] = request.headers.get(f"ok-access-{name}", "")
        if not given[name]:
            raise Problem(code, f'Request header "OK-ACCESS-{name.upper()}" can not be empty', 401)
    if request.method == "POST" and "json" not in request.headers.get("content-type", ""):
        raise Problem("50006", "Invalid Content-Type, use application/json", 400)
    try:
        at = datetime.fromisoformat(given["timestamp"].replace("Z", "+00:00")).timestamp() * 1000
    except ValueError:
        raise Problem("50112", "Invalid OK-ACCESS-TIMESTAMP", 401) from None
    if abs(exchange.now() - at) > WINDOW:
        raise Problem("50102", "Timestamp request expired", 401)
    key = exchange.keys.get(given["key"])
    if key is None:
        raise Problem("50111", "Invalid OK-ACCESS-KEY", 401)
    _placed(key, request)
    text = f"{given['timestamp']}{request.method}{request.target}".encode() + request.body
    if not hmac.compare_digest(sign(key.secret, text), given["sign"]):
        raise Problem("50113", "Invalid Sign", 401)
    if key.password != given["passphrase"]:
        raise Problem("50105", 'Request header "OK-ACCESS-PASSPHRASE" incorrect.', 401)
    return key


def _placed(key: Key, request: Request) -> None:
    """Raises Problem unless the key is of the environment that is asked, and taken from here."""
    if key.environment != ("demo" if request.headers.get("x-simulated-trading") == "1" else "production"):
        raise Problem("50101", "APIKey does not match current environment.", 401)
    if not key.from_here:
        raise Problem("50110", "Your IP is not included in your API key's IP whitelist.", 401)


def _orders(key: Key, market: str) -> Orders:
    """Those of spot or those of positions, which are apart."""
    return key.wallet if kind(market) == SPOT else key.account


def _open(key: Key, *, conditional: bool) -> list[Order]:
    """Of both."""
    return [it for orders in (key.account, key.wallet) for it in orders.open_orders(conditional=conditional)]


def _listed(exchange: Exchange) -> dict[str, Market]:
    """The markets that anybody has."""
    known = [orders for key in exchange.keys.values() for orders in (key.account, key.wallet)]
    return {name: market for orders in known for name, market in orders.markets.items()}


def sign(secret: str, text: bytes) -> str:
    return base64.b64encode(hmac.digest(secret.encode(), text, "sha256")).decode()


def _rows(rows: list[Row]) -> Answer:
    return Answer(json.dumps({"code": "0", "msg": "", "data": rows}, separators=(",", ":")))


def _try(do: Callable[[Row], Row], wanted: Row) -> Row:
    """One row of an answer to several."""
    try:
        return {**do(wanted), "sCode": "0", "sMsg": "", "tag": ""}
    except Problem as problem:
        code, text = problem.code, str(problem)
    except Refused as refused:
        code, text = REFUSALS[refused.reason]
        if str(refused) == "more than there is":
            code, text = "51112", "Close order size exceeds the available size"
    known: Row = {name: wanted[name] for name in ("clOrdId", "ordId", "algoId") if name in wanted}
    return {"ordId": "", **known, "sCode": code, "sMsg": text, "tag": ""}


def _done(rows: list[Row]) -> Answer:
    """What became of several, which is told one by one: the answer as a whole is no error of HTTP."""
    failed = sum(row["sCode"] != "0" for row in rows)
    code, text = ("0", "") if not failed else ("1", "All operations failed") if failed == len(rows) else ("2", "")
    return Answer({"code": code, "msg": text, "data": rows})


def _page(orders: Iterable[Order], request: Request) -> list[Order]:
    """Newest first, from the one after ``after``."""
    asked = request.parameters()
    after = int(asked.get("after") or 10**30)
    wanted = [order for order in orders if int(order.id) < after and asked.get("instId", order.market) == order.market]
    wanted = [order for order in wanted if asked.get("instType") in (None, kind(order.market))]
    return sorted(wanted, key=lambda order: -int(order.id))[: min(PAGE, int(asked.get("limit") or PAGE))]
