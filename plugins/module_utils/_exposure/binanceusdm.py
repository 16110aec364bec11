# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Binance USD-M futures: perpetual and dated ones, settled in USDT or USDC. PRIVATE to the collection.

Conditional orders live in a service of their own (openAlgoOrders), and the regular lists show none of them. Every list
comes whole, there are no pages. The mode of positions is taken from each row, so none can be read that is out of date.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, InvalidOperation
from typing import Any, ClassVar

from .._operation import OperationError
from .account import BUY, CONDITIONAL, LONG, REGULAR, SELL, SHORT, Account, OpenOrder, Position
from .calls import NotFromHere, said
from .library import ccxt
from .venue import DEMO, PRODUCTION, TESTNET, AlreadyThere, Sent, Venue

RECEIVE_WINDOW = 3000
"""Milliseconds after which an order on its way is void, by a clock that may be 1 s ahead of Binance's.

Together that is less than Flattening looks for it, or it might come twice.
"""
FEW = 4  # symbols; lists of each weigh 1 and take a request each, one list of all weighs 40
NOT_KNOWN = (-2008, -2014, -1022)  # the key, its form, its secret; -2015 also says no to a good key's address
DUPLICATE_ID = -4116
WAITING = ("NEW", "PARTIALLY_FILLED")
ENDED = ("FILLED", "CANCELED", "EXPIRED", "EXPIRED_IN_MATCH", "REJECTED")


class BinanceUsdm(Venue):
    """The venue.

    ``handle`` of a position: ``side``, as Binance names it, and ``mark``, its mark price; of an order: nothing
    """

    ID: ClassVar[str] = "binanceusdm"
    ENVIRONMENTS: ClassVar[dict[str, str]] = {
        PRODUCTION: "https://fapi.binance.com",
        TESTNET: "https://testnet.binancefuture.com",
        DEMO: "https://demo-fapi.binance.com",
    }
    MARKETS: ClassVar[tuple[str, ...]] = ("linear",)
    BOUNDED: ClassVar[bool] = True

    @classmethod
    def point(cls, client: Any, environment: str, base_url: str) -> None:  # noqa: ARG003  # Venue has it
        base = base_url.rstrip("/")
        hosts = {"fapiPublic": f"{base}/fapi/v1", "fapiPrivate": f"{base}/fapi/v1", "fapiPrivateV3": f"{base}/fapi/v3"}
        client.urls = {**client.urls, "api": hosts}  # without an address for anything else, nothing else is sent
        client.options.update({"fetchCurrencies": False, "recvWindow": RECEIVE_WINDOW})
        client.enableRateLimit = False  # it would wait 2 s after each list of all orders; 429 says when to wait

    def connect(self) -> None:
        self.client.load_markets(True)
        if not self.client.markets:
            raise ccxt.BadResponse("exchangeInfo has no markets")

    def probe(self) -> None:
        try:
            self._ask("fapiPrivateGetOpenOrders", {"symbol": "BTCUSDT"})
        except ccxt.AuthenticationError as error:
            if _code(error) in NOT_KNOWN:
                raise
            raise NotFromHere(said(error, self.client)) from error

    def read(self, symbols: Iterable[str]) -> Account:
        ids = [self.client.market(symbol)["id"] for symbol in symbols]
        scopes = [{"symbol": name} for name in ids] if 0 < len(ids) <= FEW else [{}]
        # In the order in which an order travels from one list to the next, or it could slip through between two
        conditional = [row for scope in scopes for row in self._rows("fapiPrivateGetOpenAlgoOrders", scope)]
        regular = [row for scope in scopes for row in self._rows("fapiPrivateGetOpenOrders", scope)]
        positions = self._rows("fapiPrivateV3GetPositionRisk", {})
        orders = [(row, CONDITIONAL) for row in conditional] + [(row, REGULAR) for row in regular]
        return Account(
            tuple(
                self._position(row)
                for row in positions
                if _number(row, "positionAmt") and (not ids or row.get("symbol") in ids)
            ),
            tuple(self._order(row, kind) for row, kind in orders if not ids or row.get("symbol") in ids),
        )

    def cancel(self, orders: list[OpenOrder]) -> None:
        for order in orders:
            conditional = order.kind == CONDITIONAL
            name = "fapiPrivateDeleteAlgoOrder" if conditional else "fapiPrivateDeleteOrder"
            try:
                self._ask(name, {"symbol": self._id(order.symbol), "algoId" if conditional else "orderId": order.id})
            except ccxt.OrderNotFound:  # gone already
                continue

    def cancel_all(self, symbol: str, kind: str) -> None:
        name = "fapiPrivateDeleteAlgoOpenOrders" if kind == CONDITIONAL else "fapiPrivateDeleteAllOpenOrders"
        self._ask(name, {"symbol": self._id(symbol)})

    def close(self, position: Position, contracts: Decimal, client_id: str, max_slippage: Decimal | None) -> None:
        """A market order, or with ``max_slippage`` a limit order that is executed at once or not at all.

        Binance knows an id again only while its order is open, so it may be sent anew only when the first is void.
        """
        side = position.handle["side"]
        request = {
            "symbol": self._id(position.symbol),
            "side": position.closing_side.upper(),
            "newClientOrderId": client_id,
            "newOrderRespType": "RESULT",
            "type": "MARKET",
            "quantity": f"{contracts.normalize():f}",
        }
        if max_slippage is not None:
            request.update(
                type="LIMIT", price=f"{self._bound(position, max_slippage).normalize():f}", timeInForce="IOC"
            )
        request.update({"reduceOnly": "true"} if side == "BOTH" else {"positionSide": side})
        try:
            self._ask("fapiPrivatePostOrder", request)
        except ccxt.ExchangeError as error:
            if _code(error) == DUPLICATE_ID:
                raise AlreadyThere from error
            raise

    def sent(self, position: Position, client_id: str) -> Sent | None:
        asked = {"symbol": self._id(position.symbol), "origClientOrderId": client_id}
        try:
            row = self._ask("fapiPrivateGetOrder", asked)
        except ccxt.OrderNotFound:
            return None
        if not isinstance(row, dict) or row.get("status") not in (*WAITING, *ENDED):
            raise ccxt.BadResponse("an order without a status that is known")
        return Sent(row["status"] in WAITING, _number(row, "executedQty"))

    def slices(self, position: Position) -> list[Decimal]:
        lot = self._filter(position.symbol, "MARKET_LOT_SIZE")
        step, least, most = (_number(lot, name) for name in ("stepSize", "minQty", "maxQty"))
        full = most - most % step if step else most
        if full <= 0:
            raise OperationError(f"binanceusdm takes no market orders of {position.symbol}, so it cannot be closed")
        count, rest = divmod(position.contracts, full)
        slices = [full] * int(count)
        if rest and slices and rest < least:  # alone it would be too small, as dust is unless it is all there is
            slices[-1] -= least - rest
            rest = least
        return [*slices, rest] if rest else slices

    def _bound(self, position: Position, max_slippage: Decimal) -> Decimal:
        """The worst price to take: never worse than asked for, nor than the exchange takes."""
        mark: Decimal = position.handle["mark"]
        tick = _number(self._filter(position.symbol, "PRICE_FILTER"), "tickSize")
        band = self._filter(position.symbol, "PERCENT_PRICE")
        if position.closing_side == BUY:
            price = mark * min(1 + max_slippage, _number(band, "multiplierUp"))
            return (price / tick).to_integral_value(ROUND_FLOOR) * tick
        price = mark * max(1 - max_slippage, _number(band, "multiplierDown"))
        return (price / tick).to_integral_value(ROUND_CEILING) * tick

    def _ask(self, name: str, parameters: Mapping[str, Any]) -> Any:
        # ccxt may call a key that is refused after it was good a rate limit, which would be waited for
        self.client.options["hasAlreadyAuthenticatedSuccessfully"] = False
        try:
            return getattr(self.client, name)(parameters)
        except ccxt.ExchangeError as error:
            if _code(error) in NOT_KNOWN:  # ccxt knows -2008 of spot alone
                raise ccxt.AuthenticationError(str(error)) from error
            raise

    def _rows(self, name: str, parameters: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        def ask() -> list[Mapping[str, Any]]:
            rows = self._ask(name, parameters)
            if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
                raise ccxt.BadResponse(f"{name} gave no list")
            return rows

        return self.calls.read(ask)

    def _position(self, row: Mapping[str, Any]) -> Position:
        held, named = _number(row, "positionAmt"), row.get("positionSide")
        side = LONG if held > 0 else SHORT
        if named not in ("BOTH", side.upper()):
            raise OperationError(f"binanceusdm holds {held} of {row.get('symbol')} on side {named}, which is not known")
        mark = _number(row, "markPrice")
        notional = abs(_number(row, "notional"))
        return Position(self._symbol(row), side, abs(held), notional, {"side": named, "mark": mark})

    def _order(self, row: Mapping[str, Any], kind: str) -> OpenOrder:
        conditional, named = kind == CONDITIONAL, row.get("positionSide")
        side = {"BUY": BUY, "SELL": SELL}.get(str(row.get("side")))
        if side is None or named not in ("BOTH", "LONG", "SHORT"):
            raise OperationError(f"binanceusdm has an order of {row.get('symbol')} whose side is not known: {named}")
        whole, reduce_only = _flag(row, "closePosition"), _flag(row, "reduceOnly")
        amount = None
        if not whole:
            amount = _number(row, "quantity") if conditional else _number(row, "origQty") - _number(row, "executedQty")
        return OpenOrder(
            symbol=self._symbol(row),
            id=_text(row, "algoId" if conditional else "orderId"),
            client_id=_text(row, "clientAlgoId" if conditional else "clientOrderId"),
            kind=kind,
            side=side,
            reduces=whole or reduce_only if named == "BOTH" else (named == "LONG") == (side == SELL),
            amount=amount,
        )

    def _id(self, symbol: str) -> str:
        return str(self.client.market(symbol)["id"])

    def _symbol(self, row: Mapping[str, Any]) -> str:
        markets = self.client.markets_by_id.get(row.get("symbol"))
        if not markets:
            raise OperationError(f"binanceusdm has something in {row.get('symbol')}, a market that it does not list")
        return str(markets[0]["symbol"])

    def _filter(self, symbol: str, name: str) -> Mapping[str, Any]:
        for found in self.client.market(symbol)["info"].get("filters", ()):
            if found.get("filterType") == name:
                return found  # type: ignore[no-any-return]  # ccxt ships no types
        raise OperationError(f"binanceusdm does not say the {name} of {symbol}")


def _number(row: Mapping[str, Any], name: str) -> Decimal:
    try:
        number = Decimal(str(row[name]))
    except (KeyError, InvalidOperation):
        number = Decimal("NaN")
    if not number.is_finite():
        raise OperationError(f"binanceusdm gave no number for {name} of {row.get('symbol')}: {row.get(name)!r}")
    return number


def _flag(row: Mapping[str, Any], name: str) -> bool:
    if not isinstance(row.get(name), bool):
        raise OperationError(f"binanceusdm did not say whether an order of {row.get('symbol')} is {name}")
    return bool(row[name])


def _text(row: Mapping[str, Any], name: str) -> str:
    if not row.get(name):
        raise OperationError(f"binanceusdm gave no {name} of an order of {row.get('symbol')}")
    return str(row[name])


def _code(error: Exception) -> int | None:
    found = re.search(r'"code"\s*:\s*"?(-\d+)', str(error))
    return int(found.group(1)) if found else None
