# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An account at Bybit is read whole, and closed by orders that can do nothing else (S3.5, S4.7)."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._exposure import bybit
from ansible_collections.tradeops.botfleet.plugins.module_utils._exposure.account import CONDITIONAL, REGULAR, Position
from ansible_collections.tradeops.botfleet.plugins.module_utils._exposure.calls import OutOfTime, TurnedDown, WrongKey
from ansible_collections.tradeops.botfleet.plugins.module_utils._exposure.environment import Claim
from ansible_collections.tradeops.botfleet.plugins.module_utils._exposure.venue import AlreadyThere, Sent
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import OperationError

from tests.peers.exchange.books import BUY, LONG, SELL, SHORT
from tests.peers.exchange.bybit_forms import OF_POSITION
from tests.peers.exchange.server import Key
from tests.peers.exchange.wire import Answer
from tests.unit.plugins.module_utils._exposure.bybit_bench import (
    BTC,
    DATED,
    ETH,
    INVERSE,
    KEYS,
    ORDERS,
    POSITIONS,
    USDC,
    Bench,
    bench_at,
)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with bench_at(monkeypatch) as made:
        yield made


def position(contracts: str, symbol: str = BTC, market: str = "BTCUSDT", index: int = 0) -> Position:
    handle = {"category": "linear", "symbol": market, "positionIdx": index}
    return Position(symbol, "long", Decimal(contracts), Decimal(1), handle)


# Reading


def test_positions_settled_in_usdt_in_usdc_and_in_coin_are_all_seen(bench: Bench) -> None:
    for name, held in (("BTCUSDT", "0.5"), ("BTCPERP", "-0.25"), ("BTCUSDT-26MAR27", "1"), ("BTCUSD", "-300")):
        bench.account.hold(name, held)
    found = {it.symbol: (it.side, it.contracts, it.notional) for it in bench.connected().read(()).positions}
    assert found == {
        BTC: ("long", Decimal("0.5"), Decimal(30000)),
        USDC: ("short", Decimal("0.25"), Decimal("15002.5")),
        DATED: ("long", Decimal(1), Decimal(61000)),
        INVERSE: ("short", Decimal(300), Decimal(300)),  # contracts of one dollar
    }


def test_orders_settled_in_usdt_in_usdc_and_in_coin_are_all_seen(bench: Bench) -> None:
    for name in ("BTCUSDT", "BTCPERP", "BTCUSD"):
        bench.account.rest(name, BUY, "1", price=Decimal(50000), filled=Decimal(0))
        bench.account.rest(name, SELL, "1", trigger=Decimal(50000), reduce_only=True)
    found = {(it.symbol, it.kind, it.reduces, it.amount) for it in bench.connected().read(()).orders}
    assert found == {
        (symbol, kind, reduces, Decimal(1))
        for symbol in (BTC, USDC, INVERSE)
        for kind, reduces in ((REGULAR, False), (CONDITIONAL, True))
    }


@pytest.mark.parametrize("lists_all", [True, False])
def test_conditional_orders_and_stops_of_positions_are_seen_whatever_a_list_without_a_filter_has(
    bench: Bench, lists_all: bool
) -> None:
    bench.emulated.lists_all = lists_all
    bench.account.hold("BTCUSDT", "1")
    bench.account.rest("BTCUSDT", SELL, "0.5", price=Decimal(70000), reduce_only=True, filled=Decimal("0.2"))
    bench.account.rest("BTCUSDT", BUY, "0.5", trigger=Decimal(65000), family="Stop")
    for family in OF_POSITION:
        bench.account.rest("BTCUSDT", SELL, "0", trigger=Decimal(50000), family=family, whole=True)
    orders = bench.connected().read(()).orders
    assert [(it.kind, it.reduces, it.amount) for it in orders if it.kind == REGULAR] == [
        (REGULAR, True, Decimal("0.3"))
    ]
    conditional = [(it.reduces, it.amount) for it in orders if it.kind == CONDITIONAL]
    assert sorted(conditional, key=str) == [(False, Decimal("0.5")), *[(True, None)] * len(OF_POSITION)]


def test_every_page_of_orders_and_of_positions_is_read(bench: Bench) -> None:
    for number in range(130):
        bench.account.rest("BTCUSDT", BUY, "1", price=Decimal(50000 + number))
    markets = bench.account.markets
    for number in range(230):
        name = f"C{number}USDT"
        markets[name] = type(markets["BTCUSDT"])(name, f"C{number}", "USDT", "USDT", Decimal(1))
        bench.account.hold(name, "1")
    account = bench.connected().read(())
    assert (len(account.orders), len(account.positions)) == (130, 230)


def test_what_is_closed_while_pages_are_read_hides_nothing_else(bench: Bench) -> None:
    orders = [bench.account.rest("BTCUSDT", BUY, "1", price=Decimal(50000)) for _number in range(120)]
    bench.fault(f"{ORDERS}.*limit=50&cursor", before=lambda: bench.account.cancel_all(orders[-30:]))
    there = {it.id for it in bench.connected().read(()).orders}
    assert {order.id for order in orders[:90]} <= there


def test_an_order_that_fires_between_the_lists_is_seen(bench: Bench) -> None:
    order = bench.account.rest("BTCUSDT", BUY, "1", trigger=Decimal(65000))
    bench.fault(f"{ORDERS}.*USDT&limit", before=lambda: bench.account.fire(order))
    account = bench.connected().read(())
    assert account.positions and account.orders


def test_an_entry_that_fills_while_it_is_read_is_seen_as_order_or_as_position(bench: Bench) -> None:
    order = bench.account.rest("BTCUSDT", BUY, "1", price=Decimal(50000))

    def fill() -> None:
        bench.account.cancel(order)
        bench.account.enter("BTCUSDT", "1")

    bench.fault(f"{ORDERS}.*StopOrder", before=fill)
    assert bench.connected().read(()).positions


def test_only_symbols_in_scope_are_read_and_touched(bench: Bench) -> None:
    for name in ("BTCUSDT", "ETHUSDT", "BTCPERP"):
        bench.account.hold(name, "1")
        bench.account.rest(name, BUY, "1", price=Decimal(1000))
    course = bench.flatten(symbols=(ETH,))
    assert course.reached and bench.account.position("ETHUSDT") == 0
    assert bench.account.position("BTCUSDT") == bench.account.position("BTCPERP") == 1
    assert len(bench.account.open_orders(conditional=False)) == 2
    assert not any("USDC" in line or "inverse" in line for line in bench.asked("GET /v5/order"))


def test_only_kinds_of_markets_in_scope_are_asked(bench: Bench) -> None:
    bench.connected(kinds=("inverse",)).read(())
    assert not any("linear" in line for line in bench.asked())


def test_a_symbol_that_is_not_known_is_not_read_as_flat(bench: Bench) -> None:
    with pytest.raises(OperationError, match="BTC/USDT"):
        bench.connected().read(("BTC/USDT",))


def test_a_market_that_is_not_listed_any_more_is_read_and_closed_by_its_own_name(bench: Bench) -> None:
    venue = bench.connected()
    markets = bench.account.markets
    markets["OLDUSDT"] = type(markets["BTCUSDT"])("OLDUSDT", "OLD", "USDT", "USDT", Decimal(1))
    bench.account.hold("OLDUSDT", "7.5")
    for _number in range(2):
        bench.account.rest("OLDUSDT", SELL, "1", price=Decimal(2), reduce_only=True)
    account = venue.read(())
    assert [(it.symbol, it.contracts) for it in account.positions] == [("OLDUSDT", Decimal("7.5"))]
    assert venue.slices(account.positions[0]) == [Decimal("7.5")]
    venue.cancel_all("OLDUSDT", REGULAR)
    venue.close(account.positions[0], Decimal("7.5"), "bf1", None)
    assert bench.account.flat


ROW: dict[str, Any] = {"symbol": "BTCUSDT", "side": "Buy", "size": "1", "positionIdx": 0, "markPrice": "1"}


@pytest.mark.parametrize(
    "result",
    [
        None,
        {},
        {"list": None, "nextPageCursor": ""},
        {"list": []},
        {"list": [None], "nextPageCursor": ""},
        *(
            {"list": [{**ROW, **of}], "nextPageCursor": ""}
            for of in (
                {"size": None},
                {"size": ""},
                {"size": "-1"},
                {"size": "NaN"},
                {"side": ""},
                {"positionIdx": 2},
                {"positionIdx": 3},
                {"symbol": None, "side": "Long"},
            )
        ),
        {"list": [ROW], "nextPageCursor": "the-same"},
    ],
)
def test_what_cannot_be_read_is_not_read_as_flat(bench: Bench, result: Any) -> None:
    venue = bench.connected(deadline=1.0)
    content = {"retCode": 0, "retMsg": "OK", "result": result}
    bench.fault(POSITIONS, answer=Answer(content), times=None)
    with pytest.raises(OutOfTime):
        venue.read(())


@pytest.mark.parametrize("content", ["<html>", "", '{"retCode": 0, "result": {"li', "[]", "{}"])
def test_an_answer_that_is_cut_short_is_asked_for_again(bench: Bench, content: str) -> None:
    bench.account.hold("BTCUSDT", "1")
    bench.fault(POSITIONS, answer=Answer(content))
    assert len(bench.connected().read(()).positions) == 1


@pytest.mark.parametrize("field", ["orderStatus", "reduceOnly", "positionIdx", "side", "qty", "cumExecQty", "orderId"])
def test_an_order_that_lacks_what_matters_is_not_read_over(bench: Bench, field: str) -> None:
    bench.account.rest("BTCUSDT", BUY, "1", price=Decimal(50000))
    venue = bench.connected(deadline=1.0)
    row = dict(
        venue.client.private_get_v5_order_realtime({"category": "linear", "symbol": "BTCUSDT"})["result"]["list"][0]
    )
    del row[field]
    content = {"retCode": 0, "retMsg": "OK", "result": {"list": [row], "nextPageCursor": ""}}
    bench.fault(ORDERS, answer=Answer(content), times=None)
    with pytest.raises(OutOfTime):
        venue.read(())


@pytest.mark.parametrize(
    ("of", "reduces"),
    [
        ({"side": "Sell"}, False),
        ({"side": "Sell", "reduceOnly": True}, True),
        ({"side": "Sell", "closeOnTrigger": True}, True),
        ({"side": "Sell", "positionIdx": 1}, True),
        ({"side": "Buy", "positionIdx": 1}, False),
        ({"side": "Buy", "positionIdx": "2"}, True),
    ],
)
def test_only_what_can_never_open_a_position_counts_as_reducing(
    bench: Bench, of: dict[str, Any], reduces: bool
) -> None:
    bench.account.rest("BTCUSDT", SELL, "1", price=Decimal(50000))
    venue = bench.connected()
    row = venue.client.private_get_v5_order_realtime({"category": "linear", "symbol": "BTCUSDT"})["result"]["list"][0]
    content = {"retCode": 0, "retMsg": "OK", "result": {"list": [{**row, **of}], "nextPageCursor": ""}}
    bench.fault(ORDERS, answer=Answer(content), times=None)
    assert venue.read((BTC,)).orders[0].reduces is reduces


def test_markets_that_cannot_be_read_are_not_taken_for_none(bench: Bench) -> None:
    bench.fault("instruments-info", answer=Answer("<html>", headers={"content-type": "text/html"}), times=2)
    assert INVERSE in bench.connected().client.markets


# Environments


def test_each_environment_has_its_own_host(bench: Bench) -> None:
    for name, host in (("production", "api"), ("testnet", "api-testnet"), ("demo", "api-demo")):
        assert bybit.Bybit.ENVIRONMENTS[name] == f"https://{host}.bybit.com"
        client = bench.open(name).client
        assert client.sign("v5/market/time", ["public"])["url"] == f"{bench.url}/{name}/v5/market/time"


def test_a_key_is_proven_to_be_of_one_environment(bench: Bench) -> None:
    claim = Claim("bybit", "production", bench.base_url, KEYS)
    assert claim.check(deadline=10**9) == ["testnet", "demo"]
    with pytest.raises(OperationError, match="they are of production"):
        Claim("bybit", "demo", bench.base_url, KEYS).check(deadline=10**9)
    with pytest.raises(WrongKey):
        bench.open("testnet").calls.read(bench.open("testnet").probe)
    assert bench.sent() == []


@pytest.mark.parametrize("code", [10005, 10008, 10010])
def test_a_key_that_is_refused_from_here_is_not_said_to_be_of_no_environment(bench: Bench, code: int) -> None:
    """For what it may not do, for its account, or for this address."""
    if code == 10010:
        bench.exchange.add_key(Key("thekey", "thesecret", "production", from_here=False))
    else:
        bench.says(POSITIONS, code)
    with pytest.raises(OperationError, match=rf"cannot be read \(.*{code}.*; it refuses this key from here") as raised:
        Claim("bybit", "production", bench.base_url, KEYS).check(deadline=10**9)
    assert not isinstance(raised.value, WrongKey)


def test_an_environment_that_refuses_a_key_from_here_may_know_it(bench: Bench) -> None:
    bench.says(POSITIONS, 10010, skip=1)
    assert Claim("bybit", "production", bench.base_url, KEYS).check(deadline=10**9) == ["demo"]


# Closing


def test_one_way_positions_close_reduce_only_and_hedged_ones_by_their_index_without_it(bench: Bench) -> None:
    bench.account.hold("BTCUSDT", "1")
    assert bench.flatten().reached
    order = bench.sent()[0]
    assert (order["positionIdx"], order["side"], order["reduceOnly"]) == (0, "Sell", True)


def test_hedged_positions_close_side_by_side(bench: Bench) -> None:
    bench.account.hedge = True
    bench.account.hold("BTCUSDT", "1", LONG)
    bench.account.hold("BTCUSDT", "2", SHORT)
    bench.account.rest("BTCUSDT", SELL, "1", price=Decimal(70000), position=LONG)
    bench.account.rest("BTCUSDT", BUY, "1", price=Decimal(50000), position=LONG)
    bench.account.rest("BTCUSDT", BUY, "1", trigger=Decimal(70000), position=SHORT)
    account = bench.connected().read(())
    assert [order.reduces for order in account.orders].count(False) == 1
    assert bench.flatten().reached
    orders = {(it["positionIdx"], it["side"], it["qty"], it.get("reduceOnly")) for it in bench.sent()}
    assert orders == {(1, "Sell", "1", None), (2, "Buy", "2", None)}


def test_linear_and_inverse_positions_close_in_one_run(bench: Bench) -> None:
    for name, held in (("BTCUSDT", "0.5"), ("BTCPERP", "-0.25"), ("BTCUSDT-26MAR27", "1"), ("BTCUSD", "-300")):
        bench.account.hold(name, held)
        for _number in range(2):
            bench.account.rest(name, BUY, "1", price=Decimal(50000))
            bench.account.rest(name, SELL, "1", trigger=Decimal(50000))
    course = bench.flatten()
    assert course.reached and len(course.closed) == 4 and len(course.cancelled) == 16
    assert {json["category"] for json in bench.sent()} == {"linear", "inverse"}


def test_what_is_above_the_market_maximum_goes_in_slices(bench: Bench) -> None:
    bench.account.hold("BTCUSDT", "250.0005")  # of which the last half step goes as dust
    assert bench.flatten().reached
    assert [order["qty"] for order in bench.sent()] == ["100", "100", "0"]


@pytest.mark.parametrize(
    ("held", "lot", "parts"),
    [
        ("250", ("0.001", "0.001", "100"), ["100", "100", "50"]),
        ("102", ("1", "5", "100"), ["97", "5"]),
        ("100", ("1", "5", "100"), ["100"]),
        ("3", ("1", "5", "100"), ["3"]),
        ("205.5", ("1", "5", "100"), ["100", "100", "5.5"]),
        ("10.4", ("1", "10", "10"), ["1", "9.4"]),
        ("200.5", ("1", "1", "100"), ["100", "99", "1.5"]),
    ],
)
def test_slices_leave_none_that_is_too_small(
    bench: Bench, held: str, lot: tuple[str, str, str], parts: list[str]
) -> None:
    venue = bench.connected()
    given = venue.client.markets[BTC]["info"]["lotSizeFilter"]
    given["qtyStep"], given["minOrderQty"], given["maxMktOrderQty"] = lot
    assert venue.slices(position(held)) == [Decimal(part) for part in parts]


def test_the_maximum_of_a_limit_order_is_not_taken_for_that_of_a_market_order(bench: Bench) -> None:
    venue = bench.connected()
    assert venue.client.markets[BTC]["limits"]["amount"]["max"] == 1000
    assert max(venue.slices(position("500"))) == 100


@pytest.mark.parametrize(("name", "held"), [("BTCUSDT", "0.0004"), ("BTCUSDT", "-1.0005"), ("BTCPERP", "0.0004")])
def test_dust_closes_with_the_quantity_zero(bench: Bench, name: str, held: str) -> None:
    bench.account.hold(name, held)
    assert bench.flatten().reached
    assert [(it["qty"], it["reduceOnly"], it["closeOnTrigger"]) for it in bench.sent()] == [("0", True, True)]


def test_hedged_dust_closes_by_its_amount(bench: Bench) -> None:
    bench.account.hedge = True
    bench.account.markets["ETHUSDT"] = type(bench.account.markets["ETHUSDT"])(
        "ETHUSDT", "ETH", "USDT", "USDT", Decimal(3000), least=Decimal("0.01")
    )
    bench.account.hold("ETHUSDT", "0.004", SHORT)
    assert bench.flatten().reached
    assert [(it["qty"], it.get("reduceOnly")) for it in bench.sent()] == [("0.004", None)]


def test_a_bound_is_never_wider_than_asked(bench: Bench) -> None:
    bench.account.hold("BTCUSDT", "1")
    assert bench.flatten(max_slippage=Decimal("0.02129")).reached
    assert bench.sent()[0]["slippageTolerance"] == "2.12"
    bench.account.hold("BTCUSDT", "1")
    assert bench.flatten(max_slippage=Decimal("0.5"), seed="2").reached
    assert bench.sent()[-1]["slippageTolerance"] == "10"


def test_a_bound_that_cannot_be_kept_sends_nothing(bench: Bench) -> None:
    bench.account.hold("BTCUSDT", "1")
    course = bench.flatten(max_slippage=Decimal("0.00001"), deadline=2)
    assert not course.reached and bench.sent() == []
    assert "cannot bound" in course.refusals[0]


def test_a_client_id_that_was_there_is_told_from_another_refusal(bench: Bench) -> None:
    bench.account.hold("BTCUSDT", "1")
    venue = bench.connected()
    venue.calls.send(lambda: venue.close(position("1"), Decimal("0.5"), "bfonce", None))
    with pytest.raises(AlreadyThere):
        venue.calls.send(lambda: venue.close(position("1"), Decimal("0.5"), "bfonce", None))
    bench.account.hold("BTCUSDT", "0")
    with pytest.raises(TurnedDown, match="110017"):
        venue.calls.send(lambda: venue.close(position("1"), Decimal("0.5"), "bftwice", None))


def test_a_second_run_of_the_same_rollback_never_repeats_an_order(bench: Bench) -> None:
    bench.account.hold("BTCUSDT", "1")
    assert bench.flatten(seed="rollback").reached
    bench.account.hold("BTCUSDT", "1")
    course = bench.flatten(seed="rollback")
    assert course.reached
    assert [it["came_to"] for it in course.closed] == ["there already", "accepted"]


@pytest.mark.parametrize("forgotten", [False, True])
def test_an_order_is_looked_up_in_the_history_when_recent_ones_were_forgotten(bench: Bench, forgotten: bool) -> None:
    bench.account.hold("BTCUSDT", "1")
    venue = bench.connected()
    venue.close(position("1"), Decimal("0.4"), "bfonce", None)
    if forgotten:
        empty = {"retCode": 0, "retMsg": "OK", "result": {"list": [], "nextPageCursor": ""}}
        bench.fault(f"{ORDERS}.*bfonce", answer=Answer(empty), times=None)
    assert venue.sent(position("1"), "bfonce") == Sent(open=False, filled=Decimal("0.4"))
    assert venue.sent(position("1"), "bfnever") is None
