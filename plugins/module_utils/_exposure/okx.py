# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OKX v5: its perpetual swaps, linear and inverse. PRIVATE to the collection.

Raw endpoints, since the unified methods of ccxt look at one kind of conditional order and at one page only. Orders of
trading bots that run at OKX itself (grids and the like) have accounts of their own, which this API does not open.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, InvalidOperation
from typing import Any, Callable

from .._operation import OperationError
from .account import BUY, CONDITIONAL, LONG, REGULAR, SELL, SHORT, Account, OpenOrder, Position
from .calls import Calls, TurnedDown, Unknown, masked, said
from .library import ccxt
from .venue import DEMO, PRODUCTION, AlreadyThere, Sent, Venue

Row = dict[str, Any]
SIMULATED = "x-simulated-trading"
SWAPS = {"instType": "SWAP"}
PAGE = 100
BATCHES = {REGULAR: 20, CONDITIONAL: 10}  # orders that one request may cancel
IDS = {REGULAR: "ordId", CONDITIONAL: "algoId"}
CLIENT_IDS = {REGULAR: "clOrdId", CONDITIONAL: "algoClOrdId"}
FAMILIES = ("conditional,oco", "trigger", "move_order_stop", "iceberg", "twap")
NEWER_FAMILIES = ("chase", "smart_iceberg")
"""Of conditional orders: as many as one request may ask for. The newer ones are not known everywhere."""
LIMIT, WINDOW = 20, 2.0  # how often OKX tells conditional orders in so many seconds; it takes other requests more often
AT_ONCE = LIMIT // len(FAMILIES + NEWER_FAMILIES)  # readings in that time
GONE = {"51400", "51401", "51402", "51410", "51603"}
"""What the cancelling of an order says that is filled, canceled, about to be, or unknown."""
MEANINGS = {
    "50061": ccxt.RateLimitExceeded,  # of the account's orders
    "51010": ccxt.InvalidOrder,  # the mode of the account does not allow this order: no matter of credentials
    "51016": ccxt.DuplicateOrderId,
    "51054": ccxt.RequestTimeout,
    "51149": ccxt.RequestTimeout,  # of an order, which may have been executed
    "51412": ccxt.RequestTimeout,  # of a cancellation
}
"""Codes that ccxt does not know, or takes for something else."""


class Okx(Venue):
    """Sizes are in contracts, as the exchange takes them."""

    ID = "okx"
    ENVIRONMENTS = {PRODUCTION: "https://www.okx.com", DEMO: "https://www.okx.com"}
    MARKETS = ("linear", "inverse")
    BOUNDED = True
    TOLD_BY_HEADER = True

    def __init__(self, client: Any, calls: Calls, markets: Iterable[str]) -> None:
        super().__init__(client, calls, markets)
        self._marks: dict[str, Decimal] = {}
        self._orders: tuple[OpenOrder, ...] = ()
        self._families: tuple[str, ...] = FAMILIES + NEWER_FAMILIES
        self._read_at: list[float] = []

    @classmethod
    def point(cls, client: Any, environment: str, base_url: str) -> None:
        client.urls["api"] = {"rest": base_url}
        headers = {name: value for name, value in client.headers.items() if name.lower() != SIMULATED}
        client.headers = {**headers, SIMULATED: "1"} if environment == DEMO else headers
        client.enableRateLimit = False  # it would spread the requests of each reading over a second
        client.has["fetchCurrencies"] = False
        client.options["fetchMarkets"] = {"types": ["swap"]}
        client.exceptions["exact"].update(MEANINGS)

    def connect(self) -> None:
        """The mode of positions is told by each of them."""
        self.calls.read(self.client.load_markets)

    def probe(self) -> None:
        _rows(self.client.private_get_trade_orders_pending({**SWAPS, "limit": "1"}))

    def read(self, symbols: Iterable[str]) -> Account:
        """What an order becomes is read after the order: one that fills in between is seen twice, and not never."""
        wanted = set(symbols)
        self._keep_to_limit()
        orders = [self._order(row, CONDITIONAL) for family in self._families for row in self._algos(family)]
        self._read_at.append(time.monotonic())  # all of its requests have come by then
        rows = self._pages(self.client.private_get_trade_orders_pending, SWAPS, REGULAR)
        orders += [self._order(row, REGULAR) for row in rows]
        held = self.calls.read(lambda: _rows(self.client.private_get_account_positions(SWAPS)))
        positions = [self._position(row) for row in held if _decimal(row, "pos")]

        def concerns(what: Position | OpenOrder) -> bool:
            kind = self._market(what.handle["instId"])["info"].get("ctType")
            return (not wanted or what.symbol in wanted) and (kind in self.markets or kind not in self.MARKETS)

        self._orders = tuple(filter(concerns, orders))
        return Account(tuple(filter(concerns, positions)), self._orders)

    def _keep_to_limit(self) -> None:
        if len(self._read_at) >= AT_ONCE:
            self.calls.pause(max(0.0, self._read_at[-AT_ONCE] + WINDOW - time.monotonic()))

    def cancel(self, orders: list[OpenOrder]) -> None:
        """One that cannot be cancelled keeps no other from being so: what was refused is raised at the end."""
        refused: list[str] = []
        for kind, send in (
            (REGULAR, self.client.private_post_trade_cancel_batch_orders),
            (CONDITIONAL, self.client.private_post_trade_cancel_algos),
        ):
            handles = [order.handle for order in orders if order.kind == kind]
            for start in range(0, len(handles), BATCHES[kind]):
                refused += _refused(self.client, send, handles[start : start + BATCHES[kind]])
        if refused:
            raise TurnedDown("; ".join(refused)[:300])

    def cancel_all(self, symbol: str, kind: str) -> None:
        """There is no such request: those of the last reading are, and what is newer shows the next one."""
        self.cancel([order for order in self._orders if (order.symbol, order.kind) == (symbol, kind)])

    def close(self, position: Position, contracts: Decimal, client_id: str, max_slippage: Decimal | None) -> None:
        """Where long and short are held apart, the side of the position is what makes an order reduce it."""
        order = {**position.handle, "side": position.closing_side, "ordType": "market", "sz": _plain(contracts)}
        if position.handle["posSide"] == "net":
            order["reduceOnly"] = True
        if max_slippage is not None:
            order.update(ordType="ioc", px=_plain(self._bound(position, max_slippage)))
        try:
            _rows(self.client.private_post_trade_order({**order, "clOrdId": client_id}))
        except ccxt.DuplicateOrderId as error:
            raise AlreadyThere from error

    def sent(self, position: Position, client_id: str) -> Sent | None:
        about = {"instId": position.handle["instId"], "clOrdId": client_id}
        try:
            rows = _rows(self.client.private_get_trade_order(about))
        except ccxt.OrderNotFound:
            return None
        if not rows:
            raise ccxt.BadResponse("okx gave an answer without the order")
        return Sent(_text(rows[0], "state") in ("live", "partially_filled"), _decimal(rows[0], "accFillSz"))

    def slices(self, position: Position) -> list[Decimal]:
        """The last two share what is left, or the last one might be too small."""
        info = self._market(position.handle["instId"])["info"]
        step = _decimal(info, "lotSz")
        most = max(step, _decimal(info, "maxMktSz") // step * step)
        found, left = [], position.contracts
        while left > most:
            found.append(most if left >= 2 * most else (left / 2 / step).to_integral_value(ROUND_CEILING) * step)
            left -= found[-1]
        return [*found, left]

    def _algos(self, family: str) -> list[Row]:
        """Conditional orders of one family; none where the exchange says that it has no such family."""
        try:
            asked = {**SWAPS, "ordType": family}
            return self._pages(self.client.private_get_trade_orders_algo_pending, asked, CONDITIONAL)
        except TurnedDown as error:
            if family not in NEWER_FAMILIES or "51000" not in str(error):
                raise
        self._families = tuple(known for known in self._families if known != family)
        return []

    def _pages(self, ask: Callable[[Row], Any], about: Row, kind: str) -> list[Row]:
        """All of a list, which comes newest first."""
        found: dict[str, Row] = {}
        after: Row = {}
        while True:
            asked = {**about, **after, "limit": str(PAGE)}
            page = self.calls.read(lambda asked=asked: _rows(ask(asked)))  # type: ignore[misc]  # binds the loop's
            known = len(found)
            found.update((_text(row, IDS[kind]), row) for row in page)
            if len(found) < known + len(page):
                raise OperationError("OKX lists the same orders on two pages: what is open there cannot be read")
            if len(page) < PAGE:
                return list(found.values())
            after = {"after": page[-1][IDS[kind]]}

    def _market(self, name: str) -> Row:
        known = self.client.markets_by_id.get(name)
        if not known:
            raise OperationError(
                f"OKX holds something in {name}, which is none of its swaps: run it again, or look there"
            )
        market: Row = known[0]
        return market

    def _position(self, row: Row) -> Position:
        name, side = _text(row, "instId"), _text(row, "posSide")
        market = self._market(name)
        signed, info = _decimal(row, "pos"), market["info"]
        if side not in ("net", LONG, SHORT):
            raise OperationError(f"OKX holds {name} on the side {side!r}, which cannot be closed")
        mark = self._marks[name] = _decimal(row, "markPx")
        worth = abs(signed) * _decimal(info, "ctVal") * _decimal(info, "ctMult")
        return Position(
            symbol=market["symbol"],
            side=side if side != "net" else LONG if signed > 0 else SHORT,
            contracts=abs(signed),
            notional=worth if _text(info, "ctType") == "inverse" else worth * mark,
            handle={"instId": name, "tdMode": _text(row, "mgnMode"), "posSide": side},
        )

    def _order(self, row: Row, kind: str) -> OpenOrder:
        """One that closes the whole position has no size of its own."""
        name, position, side = _text(row, "instId"), _text(row, "posSide"), _text(row, "side")
        whole = bool(row.get("closeFraction"))
        filled = _decimal(row, "accFillSz") if kind == REGULAR else 0
        opposite = (position, side) in ((LONG, SELL), (SHORT, BUY))
        return OpenOrder(
            symbol=self._market(name)["symbol"],
            id=_text(row, IDS[kind]),
            client_id=row.get(CLIENT_IDS[kind]) or "",
            kind=kind,
            side=side,
            reduces=opposite if position != "net" else whole or row.get("reduceOnly") == "true",
            amount=None if whole or row.get("sz") == "" else _decimal(row, "sz") - filled,
            handle={"instId": name, IDS[kind]: row[IDS[kind]]},
        )

    def _bound(self, position: Position, max_slippage: Decimal) -> Decimal:
        """The worst price allowed, from the mark price of the last reading."""
        name = position.handle["instId"]
        tick = _decimal(self._market(name)["info"], "tickSz")
        sells = position.closing_side == SELL
        ticks = self._marks[name] * (1 - max_slippage if sells else 1 + max_slippage) / tick
        return ticks.to_integral_value(ROUND_CEILING if sells else ROUND_FLOOR) * tick


def _rows(answer: Any) -> list[Row]:
    """What an answer has; raises BadResponse for one that is none."""
    rows = answer.get("data") if isinstance(answer, dict) and answer.get("code") == "0" else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ccxt.BadResponse("okx gave an answer without data")
    return rows


def _refused(client: Any, cancel: Callable[[list[Row]], Any], handles: list[Row]) -> list[str]:
    """Cancel one batch. When some of it fails ccxt keeps quiet, and when all of it does, it raises for the first."""
    try:
        answer = cancel(handles)
    except (ccxt.OrderNotFound, ccxt.CancelPending):
        return []
    except ccxt.ExchangeError as error:
        if isinstance(error, ccxt.AuthenticationError) or error.__cause__ is not None:  # not said by the exchange
            raise
        return [said(error, client)]
    if not isinstance(answer, dict) or not isinstance(answer.get("data"), list):
        raise Unknown("okx gave an answer without data")
    wrong = [row for row in answer["data"] if row.get("sCode") not in GONE | {"0"}]
    return [masked(f"{row.get('sCode')} {row.get('sMsg')}", client) for row in wrong]


def _text(row: Row, name: str) -> str:
    """Raises OperationError where there is none: what is not understood is not taken for nothing."""
    found = row.get(name)
    if not isinstance(found, str) or not found:
        raise OperationError(f"OKX gave {found!r} as {name} of {row.get('instId')}, which cannot be read")
    return found


def _decimal(row: Row, name: str) -> Decimal:
    found = _text(row, name)
    try:
        number = Decimal(found)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise OperationError(f"OKX gave {found!r} as {name} of {row.get('instId')}, which is no number")
    return number


def _plain(number: Decimal) -> str:
    return format(number.normalize(), "f")
