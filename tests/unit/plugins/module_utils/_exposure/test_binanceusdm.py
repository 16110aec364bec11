# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An account at Binance USD-M futures is read whole, and closed by orders that can do nothing else (S3.5, S4.7)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import ccxt
import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._exposure import binanceusdm, flatten
from ansible_collections.tradeops.botfleet.plugins.module_utils._exposure.account import CONDITIONAL, REGULAR, Position
from ansible_collections.tradeops.botfleet.plugins.module_utils._exposure.binanceusdm import BinanceUsdm
from ansible_collections.tradeops.botfleet.plugins.module_utils._exposure.environment import Claim
from ansible_collections.tradeops.botfleet.plugins.module_utils._exposure.flatten import CLOSE, LOOK_UPS, NATURAL
from ansible_collections.tradeops.botfleet.plugins.module_utils._exposure.venue import AlreadyThere, Sent
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import OperationError

from tests.peers.exchange.binance import AHEAD
from tests.peers.exchange.books import BUY, LONG, SELL, SHORT
from tests.unit.plugins.module_utils._exposure.binanceusdm_bench import BTC, DATED, ETH, KEYS, USDC, Bench, bench_at


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with bench_at(monkeypatch) as made:
        yield made


def position(contracts: str, side: str = "long", symbol: str = BTC, named: str = "BOTH") -> Position:
    held = Decimal(contracts)
    return Position(symbol, side, held, held * 60000, {"side": named, "mark": Decimal(60000)})


# Reading


def test_every_position_is_seen_in_usdt_usdc_and_dated_markets(bench: Bench) -> None:
    bench.account.hold("BTCUSDT", "0.5")
    bench.account.hold("BTCUSDC", "-0.25")
    bench.account.hold("BTCUSDT_270326", "1")
    found = {it.symbol: (it.side, it.contracts, it.notional) for it in bench.connected().read(()).positions}
    assert found == {
        BTC: ("long", Decimal("0.5"), Decimal(30000)),
        USDC: ("short", Decimal("0.25"), Decimal("15002.5")),
        DATED: ("long", Decimal(1), Decimal(61000)),
    }


def test_conditional_orders_of_the_algo_service_are_seen_beside_the_regular_ones(bench: Bench) -> None:
    bench.account.hold("BTCUSDT", "0.5")
    limit = bench.account.rest("BTCUSDT", BUY, "1", price=Decimal(50000), filled=Decimal("0.4"))
    stop = bench.account.rest("BTCUSDT", SELL, "0", trigger=Decimal(59000), whole=True)
    trailing = bench.account.rest(
        "ETHUSDT", BUY, "2", trigger=Decimal(3100), family="TRAILING_STOP_MARKET", reduce_only=True
    )
    entry = bench.account.rest("ETHUSDT", BUY, "3", trigger=Decimal(3200), family="STOP")
    found = {it.id: (it.kind, it.symbol, it.amount, it.reduces) for it in bench.connected().read(()).orders}
    assert found == {
        limit.id: (REGULAR, BTC, Decimal("0.6"), False),
        stop.id: (CONDITIONAL, BTC, None, True),
        trailing.id: (CONDITIONAL, ETH, Decimal(2), True),
        entry.id: (CONDITIONAL, ETH, Decimal(3), False),
    }


def test_in_hedge_mode_side_and_position_side_tell_whether_an_order_reduces(bench: Bench) -> None:
    bench.account.hedge = True
    for side, held, trigger in ((BUY, LONG, None), (SELL, LONG, None), (BUY, SHORT, 1), (SELL, SHORT, 1)):
        price = None if trigger else Decimal(1)
        bench.account.rest("BTCUSDT", side, "1", position=held, price=price, trigger=trigger and Decimal(trigger))
    orders = bench.connected().read(()).orders
    assert [(it.kind, it.side, it.reduces) for it in orders] == [
        (CONDITIONAL, BUY, True),
        (CONDITIONAL, SELL, False),
        (REGULAR, BUY, False),
        (REGULAR, SELL, True),
    ]


def test_more_orders_than_any_page_are_seen_and_cancelled_with_one_request(bench: Bench) -> None:
    for number in range(1201):
        bench.account.rest("BTCUSDT", BUY, "0.01", price=Decimal(30000 + number))
    for _number in range(150):
        bench.account.rest("BTCUSDT", BUY, "0.01", trigger=Decimal(70000))
    assert len(bench.connected().read(()).orders) == 1351
    assert bench.flatten().reached
    assert bench.asked("DELETE") == ["DELETE /fapi/v1/allOpenOrders", "DELETE /fapi/v1/algoOpenOrders"]


@pytest.mark.parametrize(("symbols", "lists"), [((), 1), ((BTC,), 1), ((BTC, ETH), 2), ((BTC, ETH, USDC, DATED), 4)])
def test_few_symbols_are_asked_one_by_one_since_a_list_of_all_weighs_forty(
    bench: Bench, symbols: tuple[str, ...], lists: int
) -> None:
    bench.connected().read(symbols)
    for path in ("/fapi/v1/openOrders", "/fapi/v1/openAlgoOrders"):
        queries = [request.query for _at, request in bench.exchange.asked if request.path == path]
        assert len(queries) == lists
        assert all(("symbol=" in query) is bool(symbols) for query in queries)


@pytest.mark.parametrize("few", [binanceusdm.FEW, 0])
def test_what_is_out_of_scope_stays(bench: Bench, monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    monkeypatch.setattr(binanceusdm, "FEW", few)
    for name in bench.account.markets:
        bench.account.hold(name, "10")
        bench.account.rest(name, BUY, "10", price=Decimal(1))
        bench.account.rest(name, SELL, "0", trigger=Decimal(1), whole=True)
    for symbols in ((BTC,), (BTC, ETH, USDC, DATED, "DOGE/USDT:USDT")):
        assert bench.flatten(symbols=symbols).reached
        out = set() if len(symbols) > 1 else set(bench.account.markets) - {"BTCUSDT"}
        assert {name for (name, _side), contracts in bench.account.positions.items() if contracts} == out
        assert {order.market for order in bench.account.orders.values() if order.status == "open"} == out
    assert bench.account.flat


def test_an_order_that_travels_from_list_to_list_while_they_are_read_is_not_overlooked(bench: Bench) -> None:
    """A stop entry fires after the conditional orders were read: it must show in what is read next."""
    entry = bench.account.rest("BTCUSDT", BUY, "0.1", trigger=Decimal(61000))
    bench.fault("GET /fapi/v1/openAlgoOrders", before=lambda: bench.account.fire(entry))
    limit = bench.account.rest("ETHUSDT", BUY, "1", price=Decimal(2900))
    bench.fault("GET /fapi/v1/openOrders", before=lambda: bench.account.fire(limit))
    account = bench.connected().read(())
    assert account.orders == ()
    assert {it.symbol for it in account.positions} == {BTC, ETH}
    assert bench.asked("GET /fapi/v1/open") == ["GET /fapi/v1/openAlgoOrders", "GET /fapi/v1/openOrders"]


def test_no_time_is_lost_to_the_rate_limiter_of_ccxt(bench: Bench) -> None:
    venue = bench.connected()
    began = time.monotonic()
    for _number in range(3):
        venue.read(())
    assert time.monotonic() - began < 10  # its own pauses would make it 12 s


def test_nothing_else_is_asked_than_what_is_needed(bench: Bench) -> None:
    bench.account.hold("BTCUSDT", "0.5")
    bench.flatten()
    assert set(bench.asked()) == {
        "GET /fapi/v1/exchangeInfo",
        "GET /fapi/v1/openAlgoOrders",
        "GET /fapi/v1/openOrders",
        "GET /fapi/v3/positionRisk",
        "POST /fapi/v1/order",
    }
    venue, before = bench.connected(), len(bench.exchange.asked)
    for other in (venue.client.sapiGetCapitalConfigGetall, venue.client.dapiPublicGetExchangeInfo):
        with pytest.raises(ccxt.NotSupported):
            other()
    assert len(bench.exchange.asked) == before


def test_production_is_spoken_to_at_its_own_address() -> None:
    client = ccxt.binanceusdm()
    BinanceUsdm.point(client, "production", BinanceUsdm.ENVIRONMENTS["production"])
    expected = ccxt.binanceusdm().urls["api"]
    assert client.urls["api"] == {name: expected[name] for name in client.urls["api"]}
    client = ccxt.binanceusdm()
    BinanceUsdm.point(client, "demo", BinanceUsdm.ENVIRONMENTS["demo"])
    assert client.urls["api"]["fapiPrivateV3"] == ccxt.binanceusdm().urls["demo"]["fapiPrivateV3"]


# Closing


def test_one_way_mode_closes_with_reduce_only(bench: Bench) -> None:
    bench.account.hold("BTCUSDT", "0.5")
    bench.account.hold("ETHUSDT", "-2")
    assert bench.flatten().reached
    assert {(it["symbol"], it["side"], it["quantity"], it["reduceOnly"]) for it in bench.sent()} == {
        ("BTCUSDT", "SELL", "0.5", "true"),
        ("ETHUSDT", "BUY", "2", "true"),
    }
    assert not any("positionSide" in it for it in bench.sent())


def test_hedge_mode_closes_each_side_by_its_name_without_reduce_only(bench: Bench) -> None:
    bench.account.hedge = True
    bench.account.hold("BTCUSDT", "0.5", LONG)
    bench.account.hold("BTCUSDT", "0.25", SHORT)
    bench.account.rest("BTCUSDT", SELL, "0", trigger=Decimal(59000), position=LONG, whole=True)
    bench.account.rest("BTCUSDT", BUY, "0.1", price=Decimal(59000), position=LONG)
    assert bench.flatten().reached
    assert [(it["side"], it["positionSide"], it["quantity"]) for it in bench.sent()] == [
        ("SELL", "LONG", "0.5"),
        ("BUY", "SHORT", "0.25"),
    ]
    assert not any("reduceOnly" in it for it in bench.sent())


def test_the_mode_of_positions_may_change_meanwhile(bench: Bench) -> None:
    bench.account.hold("BTCUSDT", "0.5")

    def change() -> None:
        bench.account.hedge = True
        bench.account.positions = {("BTCUSDT", LONG): Decimal("0.5")}

    bench.fault("POST", before=change)
    course = bench.flatten()
    assert course.reached
    assert "-1106" in course.refusals[0] or "-4061" in course.refusals[0]
    assert [("reduceOnly" in it, it.get("positionSide")) for it in bench.sent()] == [(True, None), (False, "LONG")]


@pytest.mark.parametrize("hedge", [False, True])
def test_dust_below_the_minimum_is_closed(bench: Bench, hedge: bool) -> None:
    bench.account.hedge = hedge
    bench.account.hold("DOGEUSDT", "3", SHORT if hedge else "net")  # 10 is the minimum, and 3 are worth 0.60
    bench.account.positions["DOGEUSDT", SHORT if hedge else "net"] *= 1 if hedge else -1
    assert bench.flatten().reached
    assert [it["quantity"] for it in bench.sent()] == ["3"]


def test_what_is_above_the_market_lot_is_closed_in_slices(bench: Bench) -> None:
    bench.account.hold("BTCUSDT", "-300.5")  # at most 120 in one market order
    assert bench.flatten().reached
    assert [it["quantity"] for it in bench.sent()] == ["120", "120", "60.5"]


@pytest.mark.parametrize(
    ("contracts", "most", "slices"),
    [
        ("3", "30000000", ["3"]),
        ("100", "100", ["100"]),
        ("103", "100", ["93", "10"]),
        ("203", "100", ["100", "93", "10"]),
        ("215", "100", ["100", "100", "15"]),
    ],
)
def test_no_slice_is_below_the_minimum_unless_it_is_all(
    bench: Bench, contracts: str, most: str, slices: list[str]
) -> None:
    market = bench.emulated.markets["DOGEUSDT"]
    bench.emulated.markets["DOGEUSDT"] = replace(market, most=Decimal(most))
    divided = bench.connected().slices(position(contracts, symbol="DOGE/USDT:USDT"))
    assert divided == [Decimal(it) for it in slices]
    assert sum(divided) == Decimal(contracts)


def test_stops_protect_until_their_position_is_gone(bench: Bench) -> None:
    bench.account.hold("BTCUSDT", "0.5")
    bench.account.rest("BTCUSDT", SELL, "0", trigger=Decimal(59000), whole=True)
    bench.account.rest("BTCUSDT", BUY, "0.1", price=Decimal(59000))
    bench.account.rest("BTCUSDT", BUY, "0.1", trigger=Decimal(61000))  # an entry that waits for its price
    assert bench.flatten().reached
    changes = [line for line in bench.asked() if not line.startswith("GET")]
    assert sorted(changes[:2]) == ["DELETE /fapi/v1/algoOrder", "DELETE /fapi/v1/order"]
    assert changes[2:] == ["POST /fapi/v1/order", "DELETE /fapi/v1/algoOrder"]


def test_natural_takes_entries_away_and_leaves_the_rest(bench: Bench) -> None:
    bench.account.hold("BTCUSDT", "0.5")
    bench.account.rest("BTCUSDT", BUY, "0.1", price=Decimal(59000))
    bench.account.rest("BTCUSDT", BUY, "0.1", trigger=Decimal(61000))
    stop = bench.account.rest("BTCUSDT", SELL, "0", trigger=Decimal(59000), whole=True)
    assert bench.flatten(NATURAL).reached
    assert bench.account.position("BTCUSDT") == Decimal("0.5")
    assert [order for order in bench.account.orders.values() if order.status == "open"] == [stop]


def test_close_leaves_orders_that_only_reduce(bench: Bench) -> None:
    bench.account.hold("BTCUSDT", "0.5")
    stop = bench.account.rest("ETHUSDT", SELL, "1", trigger=Decimal(1), reduce_only=True)
    assert bench.flatten(CLOSE).reached
    assert [order for order in bench.account.orders.values() if order.status == "open"] == [stop]


def test_slippage_is_bounded_by_a_limit_that_executes_at_once_or_not_at_all(bench: Bench) -> None:
    bench.account.hold("BTCUSDT", "0.5")
    bench.account.hold("ETHUSDT", "-2")
    bench.emulated.spread = Decimal("0.02")
    course = bench.flatten(max_slippage=Decimal("0.011"), deadline=1.5)
    assert not course.reached
    assert bench.account.fills == []
    assert {(it["symbol"], it["type"], it["timeInForce"], it["price"]) for it in bench.sent()} == {
        ("BTCUSDT", "LIMIT", "IOC", "59340"),
        ("ETHUSDT", "LIMIT", "IOC", "3033"),
    }
    assert bench.flatten(max_slippage=Decimal("0.03")).reached
    bench.account.hold("BTCUSDT", "0.5")
    assert bench.flatten(
        seed="2", max_slippage=Decimal("0.5")
    ).reached  # the exchange takes no price as far away as that
    assert bench.sent()[-1]["price"] == "57000"


def test_what_became_of_an_order_is_known_by_its_own_id(bench: Bench) -> None:
    bench.account.hold("BTCUSDT", "0.5")
    bench.account.depth = lambda _order: Decimal("0.2")
    venue = bench.connected()
    assert venue.sent(position("0.5"), "bfone") is None
    venue.close(position("0.5"), Decimal("0.5"), "bfone", None)
    assert venue.sent(position("0.5"), "bfone") == Sent(open=False, filled=Decimal("0.2"))
    waiting = bench.account.rest("BTCUSDT", SELL, "1", price=Decimal(70000), client_id="bftwo", reduce_only=True)
    assert venue.sent(position("0.5"), "bftwo") == Sent(open=True, filled=Decimal(0))
    with pytest.raises(AlreadyThere):
        venue.close(position("0.3"), Decimal("0.3"), "bftwo", None)
    bench.account.cancel(waiting)
    venue.cancel([it for it in bench.connected().read(()).orders if it.id == waiting.id])


def test_an_order_that_was_not_found_is_void_before_it_is_sent_anew() -> None:
    """Binance knows an id again only while its order is open: two market orders with one id would both be executed."""
    assert sum(LOOK_UPS) * 1000 > binanceusdm.RECEIVE_WINDOW + AHEAD


def test_an_order_that_comes_late_from_a_clock_ahead_is_not_executed_twice(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It arrives when the second one does."""
    monkeypatch.setattr(flatten, "LOOK_UPS", LOOK_UPS)
    bench.exchange.skew = -(AHEAD - 50) / 1000
    bench.account.hold("BTCUSDT", "0.5")
    bench.account.hold("ETHUSDT", "0.5")  # closed meanwhile, so that no pause comes before the second one
    said: list[bytes] = []

    def arrives() -> None:
        late = next(it for _at, it in bench.exchange.asked if b"BTCUSDT" in it.body)
        said.append(bench.emulated.answer(bench.exchange, late).body())

    bench.fault("POST /fapi/v1/order.*BTCUSDT", drop=True)
    bench.fault("POST /fapi/v1/order.*BTCUSDT", before=arrives, skip=1)
    assert bench.flatten().reached
    assert [b"-1021" in it for it in said] == [True]


# Requests


ORACLE: list[tuple[Callable[[BinanceUsdm], Any], Callable[[Any], Any]]] = [
    (lambda it: it.connect(), lambda it: it.fetch_markets()),
    (lambda it: it.probe(), lambda it: it.fetch_open_orders(BTC)),
    (
        lambda it: it.close(position("0.5"), Decimal("0.5"), "bfone", None),
        lambda it: it.create_order(BTC, "market", "sell", 0.5, None, {"clientOrderId": "bfone", "reduceOnly": "true"}),
    ),
    (
        lambda it: it.close(position("0.5", "short", named="SHORT"), Decimal("0.5"), "bfone", None),
        lambda it: it.create_order(
            BTC, "market", "buy", 0.5, None, {"clientOrderId": "bfone", "positionSide": "SHORT"}
        ),
    ),
    (
        lambda it: it.close(position("0.5"), Decimal("0.5"), "bfone", Decimal("0.01")),
        lambda it: it.create_order(
            BTC, "limit", "sell", 0.5, 59400, {"clientOrderId": "bfone", "timeInForce": "IOC", "reduceOnly": "true"}
        ),
    ),
    (
        lambda it: it.sent(position("0.5"), "bfone"),
        lambda it: it.fetch_order(None, BTC, {"origClientOrderId": "bfone"}),
    ),
    (lambda it: it.cancel_all(BTC, REGULAR), lambda it: it.cancel_all_orders(BTC)),
    (lambda it: it.cancel_all(BTC, CONDITIONAL), lambda it: it.cancel_all_orders(BTC, {"trigger": True})),
    (lambda it: it.cancel([it.read(()).orders[0]]), lambda it: it.cancel_order("1000001", BTC, {"trigger": True})),
    (lambda it: it.cancel([it.read(()).orders[1]]), lambda it: it.cancel_order("1000002", BTC)),
    (lambda it: it._rows("fapiPrivateV3GetPositionRisk", {}), lambda it: it.fetch_positions()),
    (lambda it: it._rows("fapiPrivateGetOpenOrders", {}), lambda it: it.fetch_open_orders()),
    (
        lambda it: it._rows("fapiPrivateGetOpenAlgoOrders", {}),
        lambda it: it.fetch_open_orders(None, None, None, {"trigger": True}),
    ),
]


@pytest.mark.parametrize("number", range(len(ORACLE)))
def test_a_request_is_byte_for_byte_what_ccxt_signs_for_its_unified_method(bench: Bench, number: int) -> None:
    ours, theirs = ORACLE[number]
    bench.account.hold("BTCUSDT", "5")
    bench.account.rest("BTCUSDT", SELL, "1", trigger=Decimal(50000), reduce_only=True)
    bench.account.rest("BTCUSDT", SELL, "1", price=Decimal(70000), reduce_only=True)
    now, signed = bench.exchange.now(), []
    venue, oracle = bench.connected(), bench.connected().client
    oracle.options["leverageBrackets"] = {}
    oracle.options["fetchOpenOrders"]["warnWithoutSymbol"] = False
    venue.client.milliseconds = oracle.milliseconds = lambda: now

    def capture(*request: Any) -> None:
        signed.append(request)
        raise ccxt.ExchangeError

    oracle.fetch = capture
    with pytest.raises(ccxt.ExchangeError):
        theirs(oracle)
    try:
        ours(venue)
    except ccxt.ExchangeError:  # of hedge mode, or of a price that moved: it was sent all the same
        assert ORACLE[number] in ORACLE[3:5]
    url, method, headers, body = signed[-1]
    _at, asked = bench.exchange.asked[-1]
    assert (asked.method, f"{bench.url}/{asked.place}{asked.target}", asked.body.decode()) == (method, url, body or "")
    assert asked.headers.get("x-mbx-apikey") == (headers or {}).get("X-MBX-APIKEY")


# Credentials


def claim(bench: Bench, environment: str) -> list[str]:
    return Claim("binanceusdm", environment, bench.base_url, KEYS).check(time.monotonic() + 10)


def test_credentials_are_good_for_their_own_environment_alone(bench: Bench) -> None:
    assert claim(bench, "production") == ["testnet", "demo"]
    with pytest.raises(OperationError, match=r"not of demo, they are of production .*-2008"):
        claim(bench, "demo")
    assert {f"{request.method} {request.path}" for _at, request in bench.exchange.asked} == {"GET /fapi/v1/openOrders"}


@pytest.mark.parametrize(("code", "status"), [(-2008, 401), (-2014, 401), (-1022, 400)])
def test_a_key_that_is_not_known_is_called_so(bench: Bench, code: int, status: int) -> None:
    bench.says("GET", code, status, times=None)
    with pytest.raises(OperationError, match="no other environment knows them either"):
        claim(bench, "production")


def test_a_key_refused_for_its_address_or_rights_proves_nothing(bench: Bench) -> None:
    """-2015 is said to a good key from a wrong address, too: no environment is denied by it."""
    bench.says("GET", -2015, 401, skip=1, times=None)
    assert claim(bench, "production") == []
    with pytest.raises(OperationError, match=r"cannot be read .*-2015.*nothing was sent"):
        claim(bench, "production")
