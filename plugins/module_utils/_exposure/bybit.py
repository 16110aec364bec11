# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bybit's derivatives (v5): linear ones, whatever they settle in, and inverse ones. PRIVATE to the collection.

The endpoints are asked as they are: of the unified methods, fetch_positions reads one settle coin, and neither it nor
fetch_open_orders goes through all pages.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_DOWN, ROUND_FLOOR, Decimal, InvalidOperation
from typing import Any, Callable, ClassVar, NoReturn, TypeVar

from .._operation import OperationError
from .account import BUY, CONDITIONAL, LONG, REGULAR, SELL, SHORT, Account, OpenOrder, Position
from .calls import Calls, TurnedDown
from .library import ccxt
from .venue import DEMO, PRODUCTION, TESTNET, AlreadyThere, Sent, Venue

T = TypeVar("T")
Row = dict[str, Any]
LINEAR, INVERSE = "linear", "inverse"
SETTLED_IN = ("USDT", "USDC")
"""What linear contracts settle in, besides what the markets tell."""
ONE_WAY, OF_LONG, OF_SHORT = 0, 1, 2
"""positionIdx; the last two are of hedge mode, where a position has its own and reduceOnly is not sent."""
CLOSING = ((OF_LONG, SELL), (OF_SHORT, BUY))
HELD = {"Buy": LONG, "Sell": SHORT}
SIDES = {"Buy": BUY, "Sell": SELL}
WORDS = {BUY: "Buy", SELL: "Sell"}
CLOSED = ("Filled", "Cancelled", "Rejected", "Deactivated", "PartiallyFilledCanceled")
FILTERS = {REGULAR: "Order", CONDITIONAL: "StopOrder"}
POSITIONS_PAGE, ORDERS_PAGE = 200, 50
NOT_THERE = ("110001", "110008", "110010")  # unknown, done, cancelled
DUPLICATE = "110072"
OF_ONE_ORDER = ("10029", *(f"1100{number}" for number in range(65, 71)))
"""Rights that lack for a market or an order, not for the account: the others go on."""
PAUSES = {"v5/order/create": 5, "v5/order/cancel": 5, "v5/order/cancel-all": 5}
"""In units of ccxt's, 20 ms, before a request: 10 orders and 50 of anything else in a second, as documented."""
LEAST_TOLERANCE, MOST_TOLERANCE = Decimal("0.01"), Decimal(10)  # percent


class Bybit(Venue):
    """One account, whose orders and positions are read by category and settle coin."""

    ID: ClassVar[str] = "bybit"
    ENVIRONMENTS: ClassVar[dict[str, str]] = {
        PRODUCTION: "https://api.bybit.com",
        TESTNET: "https://api-testnet.bybit.com",
        DEMO: "https://api-demo.bybit.com",
    }
    MARKETS: ClassVar[tuple[str, ...]] = (LINEAR, INVERSE)
    BOUNDED: ClassVar[bool] = True

    def __init__(self, client: Any, calls: Calls, markets: Iterable[str]) -> None:
        super().__init__(client, calls, markets)
        self._contracts: dict[str, Row] = {}  # by symbol, as the exchange names them

    @classmethod
    def point(cls, client: Any, environment: str, base_url: str) -> None:
        client.urls["api"] = dict.fromkeys(client.urls["api"], base_url.rstrip("/"))
        client.has["fetchCurrencies"] = False  # it would be asked along with the markets, and demo has none
        client.calculate_rate_limiter_cost = _cost  # ccxt's own let a second pass before each cancel-all
        client.enableLastJsonResponse = True  # the code of an error is read there
        client.options["enableDemoTrading"] = environment == DEMO  # where ccxt asks what demo does not have

    def connect(self) -> None:
        self.client.options["fetchMarkets"] = {**self.client.options["fetchMarkets"], "types": list(self.markets)}
        markets = self._sure(lambda: self.client.load_markets(reload=True))
        missing = [kind for kind in self.markets if not any(market[kind] for market in markets.values())]
        if missing:  # ccxt takes an answer that it cannot read for an empty one
            _unreadable(f"no {' and no '.join(missing)} markets")
        for symbol, market in markets.items():
            self._contracts[symbol] = _contract(LINEAR if market["linear"] else INVERSE, market["id"])

    def probe(self) -> None:
        scope = {"category": LINEAR, "settleCoin": SETTLED_IN[0]} if LINEAR in self.markets else {"category": INVERSE}
        self._ask(self.client.private_get_v5_position_list, {**scope, "limit": 1})

    def read(self, symbols: Iterable[str]) -> Account:
        """Orders come before positions: one that fills in between is seen as the position that it makes.

        Conditional orders come before all: one that fires in between is seen among these.
        """
        wanted = set(symbols)
        unknown = sorted(wanted - set(self.client.markets))
        if unknown:
            raise OperationError(
                f"{', '.join(unknown)}: no symbol of {' or '.join(self.markets)} contracts of {self.ID}"
            )
        orders: dict[str, OpenOrder] = {}
        positions: dict[tuple[str, str], Position] = {}
        for scope in self._scopes(wanted):
            open_orders = self.client.private_get_v5_order_realtime
            for of in ({"orderFilter": FILTERS[CONDITIONAL]}, {}):
                found = self._list(open_orders, {**scope, **of, "limit": ORDERS_PAGE}, self._order)
                orders.update({order.id: order for order in found})
            held = self._list(
                self.client.private_get_v5_position_list, {**scope, "limit": POSITIONS_PAGE}, self._position
            )
            positions.update({position.key: position for position in held})
        return Account(
            tuple(position for position in positions.values() if not wanted or position.symbol in wanted),
            tuple(order for order in orders.values() if not wanted or order.symbol in wanted),
        )

    def cancel(self, orders: list[OpenOrder]) -> None:
        for order in orders:
            try:
                self._ask(self.client.private_post_v5_order_cancel, {**order.handle, "orderId": order.id})
            except ccxt.ExchangeError:
                if self._code not in NOT_THERE:
                    raise

    def cancel_all(self, symbol: str, kind: str) -> None:
        """At most 500, which is acknowledged now and done later: the next readings tell."""
        asked = {**self._contracts[symbol], "orderFilter": FILTERS[kind]}
        self._ask(self.client.private_post_v5_order_cancel_all, asked)

    def close(self, position: Position, contracts: Decimal, client_id: str, max_slippage: Decimal | None) -> None:
        """The bound is counted from the best price of the other side, not from the mark price."""
        index = position.handle["positionIdx"]
        request = {
            **position.handle,
            "side": WORDS[position.closing_side],
            "orderType": "Market",
            "qty": format(contracts, "f"),
            "orderLinkId": client_id,
        }
        if index == ONE_WAY:
            request["reduceOnly"] = True
            if self._is_dust(position, contracts):
                request.update(qty="0", closeOnTrigger=True)  # which closes whatever is there
        if max_slippage is not None:
            request.update(slippageToleranceType="Percent", slippageTolerance=_percent(max_slippage))
        try:
            answer = self._ask(self.client.private_post_v5_order_create, request)
        except ccxt.ExchangeError as error:
            if self._code == DUPLICATE:
                raise AlreadyThere from error
            raise
        if not answer.get("orderId"):
            _unreadable("an order without an id")

    def sent(self, position: Position, client_id: str) -> Sent | None:
        """Where recent orders were forgotten, as after a restart of the exchange, its history has them."""
        asked = _contract(position.handle["category"], position.handle["symbol"], orderLinkId=client_id)
        for where in (self.client.private_get_v5_order_realtime, self.client.private_get_v5_order_history):
            rows, _cursor = self._page(where, asked, lambda row: row)
            for row in rows:
                if row.get("orderLinkId") == client_id:
                    return _readable(
                        lambda row: Sent(row["orderStatus"] not in CLOSED, _amount(row["cumExecQty"])), row
                    )
        return None

    def slices(self, position: Position) -> list[Decimal]:
        """As few as can be. What is no multiple of the step, or below the minimum, is in the last one."""
        step, least, most = self._lot(position.symbol)
        left, parts = position.contracts, []
        while most and left > most:
            part = min(most, left - least)  # so that enough is left for an order
            parts.append(max((part / step).to_integral_value(ROUND_FLOOR), Decimal(1)) * step)
            left -= parts[-1]
        return [*parts, left]

    # What rows say

    def _position(self, row: Row) -> Position | None:
        contracts, side, index = _amount(row["size"]), row["side"], int(row["positionIdx"])
        if not contracts:
            return None
        if index not in (ONE_WAY, {"Buy": OF_LONG, "Sell": OF_SHORT}[side]):
            _unreadable(f"a {side} position with positionIdx {index}")
        symbol, category = self._symbol(row), row["category"]
        price = Decimal(1) if category == INVERSE else Decimal(row.get("markPrice") or row.get("avgPrice") or 0)
        handle = _contract(category, row["symbol"], positionIdx=index)
        return Position(symbol, HELD[side], contracts, contracts * price, handle)

    def _order(self, row: Row) -> OpenOrder | None:
        if row["orderStatus"] in CLOSED:
            return None
        index, side, amount = int(row["positionIdx"]), SIDES[row["side"]], _amount(row["qty"])
        if index not in (ONE_WAY, OF_LONG, OF_SHORT) or not isinstance(row["reduceOnly"], bool):
            _unreadable(f"an order with positionIdx {index} and reduceOnly {row['reduceOnly']}")
        return OpenOrder(
            symbol=self._symbol(row),
            id=str(row["orderId"]),
            client_id=row["orderLinkId"],
            kind=CONDITIONAL if row["orderStatus"] == "Untriggered" else REGULAR,
            side=side,
            reduces=row["reduceOnly"] or row["closeOnTrigger"] is True or (index, side) in CLOSING,
            amount=amount - _amount(row["cumExecQty"]) if amount else None,
            handle=_contract(row["category"], row["symbol"]),
        )

    def _symbol(self, row: Row) -> str:
        """As ccxt writes it; of a market that it does not list, as one being delivered, the exchange's own name."""
        name = row["symbol"]
        known = self.client.markets_by_id.get(name)
        symbol = str(known[0]["symbol"] if known else name)
        self._contracts.setdefault(symbol, _contract(row["category"], name))
        return symbol

    def _lot(self, symbol: str) -> tuple[Decimal, Decimal, Decimal]:
        """Step, minimum and maximum of a market order; where they are not known, nothing that binds."""
        try:
            lot = self.client.markets[symbol]["info"]["lotSizeFilter"]
            return Decimal(lot["qtyStep"]), Decimal(lot["minOrderQty"]), Decimal(lot["maxMktOrderQty"])
        except (KeyError, TypeError, InvalidOperation):
            return Decimal(0), Decimal(0), Decimal(0)

    def _is_dust(self, position: Position, contracts: Decimal) -> bool:
        step, least, _most = self._lot(position.symbol)
        return contracts < least or bool(step and contracts % step)

    # Asking

    def _scopes(self, symbols: set[str]) -> list[Row]:
        """What must be asked for each of these symbols, or for every one."""
        markets = [self.client.markets[symbol] for symbol in sorted(symbols or self.client.markets)]
        coins = {market["settleId"]: None for market in markets if market["linear"]}
        if not symbols and LINEAR in self.markets:
            coins = {**dict.fromkeys(SETTLED_IN), **coins}
        scopes: list[Row] = [{"category": LINEAR, "settleCoin": coin} for coin in coins]
        if any(market["inverse"] for market in markets) or (not symbols and INVERSE in self.markets):
            scopes.append({"category": INVERSE})
        return scopes

    def _list(self, ask: Any, asked: Row, parse: Callable[[Row], T | None]) -> list[T]:
        """Every row of every page; a page with rows may name a next one that is empty."""
        found: list[T] = []
        seen = [""]

        def page() -> tuple[list[T | None], str]:
            rows, cursor = self._page(ask, {**asked, **({"cursor": seen[-1]} if seen[-1] else {})}, parse)
            if rows and cursor in seen[1:]:
                _unreadable("pages that go round in a circle")
            return rows, cursor

        while True:
            rows, cursor = self.calls.read(page)
            found += [row for row in rows if row is not None]
            if cursor in seen:
                return found
            seen.append(cursor)

    def _page(self, ask: Any, asked: Row, parse: Callable[[Row], T]) -> tuple[list[T], str]:
        """Rows as they are parsed, and the cursor of the next page."""
        result = self._ask(ask, asked)
        category = {"category": asked["category"]}
        return _readable(
            lambda it: ([parse({**row, **category}) for row in it["list"]], it["nextPageCursor"] or ""), result
        )

    def _ask(self, ask: Any, asked: Row) -> Row:
        """One request; returns its ``result``."""
        answer = self._sure(lambda: ask(asked))
        result = answer.get("result") if isinstance(answer, dict) else None
        if not isinstance(result, dict):
            _unreadable("an answer without a result")
        return result

    def _sure(self, ask: Callable[[], T]) -> T:
        """Tell a refusal of the exchange from an answer that does not say whether it was done.

        ccxt raises ExchangeError for both: for a proxy's HTML or status, and for 10000, 10016 and their like.
        """
        self.client.last_json_response = None
        try:
            return ask()
        except ccxt.AuthenticationError as error:
            if self._code in OF_ONE_ORDER:
                raise ccxt.ExchangeError(str(error)) from None
            raise
        except ccxt.ExchangeError as error:
            if not _refused(self._code):
                raise ccxt.ExchangeNotAvailable(str(error)) from error
            raise

    @property
    def _code(self) -> str:
        """retCode of the last answer; empty: it had none."""
        answer = self.client.last_json_response
        return str(answer.get("retCode", "")) if isinstance(answer, dict) else ""


def _refused(code: str) -> bool:
    """Whether this retCode says that nothing was done: parameters, rights, and what the matching engine refuses."""
    number = int(code) if code.isdigit() else 0
    return (10001 <= number <= 10029 and number not in (10014, 10016)) or (
        110001 <= number <= 110199 and number != 110079
    )


def _cost(_api: Any, _method: str, path: str, *_more: Any) -> int:
    return PAUSES.get(path, 1)


def _contract(category: str, market: str, **more: Any) -> Row:
    return {"category": category, "symbol": market, **more}


def _amount(text: Any) -> Decimal:
    amount = Decimal(str(text))
    if not 0 <= amount < Decimal("Infinity"):
        _unreadable(f"an amount of {text}")
    return amount


def _percent(share: Decimal) -> str:
    """A bound, never wider than was asked for; raises TurnedDown for one that the exchange cannot keep."""
    percent = min((share * 100).quantize(LEAST_TOLERANCE, ROUND_DOWN), MOST_TOLERANCE)
    if percent < LEAST_TOLERANCE:
        raise TurnedDown(f"Bybit cannot bound an order by {share}: {LEAST_TOLERANCE / 100} is the least")
    return format(percent.normalize(), "f")


def _unreadable(what: str) -> NoReturn:
    raise ccxt.BadResponse(f"bybit has answered with {what}")


def _readable(parse: Callable[[Any], T], answer: Any) -> T:
    """Nothing that is not understood is taken for nothing."""
    try:
        return parse(answer)
    except (KeyError, TypeError, ValueError, AttributeError, InvalidOperation) as error:
        raise ccxt.BadResponse(f"bybit has answered with rows that cannot be read ({error!r})") from error
