# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An account at OKX is read whole and closed as its modes want it, and is said to be flat only when it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._exposure import flatten
from ansible_collections.tradeops.botfleet.plugins.module_utils._exposure.account import Position

from tests.peers.exchange.books import BUY, EXPIRED, FILLED, LONG, SELL, SHORT, Market
from tests.peers.exchange.okx import FAMILIES, Okx
from tests.peers.exchange.wire import Answer
from tests.unit.plugins.module_utils._exposure.okx_bench import (
    BTC,
    COIN,
    DOGE,
    ETH,
    USDC,
    Bench,
    bench_at,
)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with bench_at(monkeypatch) as made:
        yield made


# What is seen


def test_positions_settled_in_usdt_usdc_and_coin_are_seen_and_closed(bench: Bench) -> None:
    held = {BTC: "-2.5", ETH: "12.34", USDC: "-250", COIN: "7", DOGE: "0"}
    for name, contracts in held.items():
        bench.account.hold(name, contracts)
    course = bench.run()
    assert course.before is not None and course.reached
    assert {
        (position.symbol, position.side, str(position.contracts), str(position.notional.normalize()))
        for position in course.before.positions
    } == {
        ("BTC/USDT:USDT", SHORT, "2.5", "1.5E+3"),
        ("ETH/USDT:USDT", LONG, "12.34", "3702"),
        ("BTC/USDC:USDC", SHORT, "250", "1500.25"),
        ("BTC/USD:BTC", LONG, "7", "7E+2"),
    }
    assert [order["instId"] for order in bench.closing()] == [ETH, USDC, BTC, COIN], "the most exposed one is first"


def test_only_the_markets_and_symbols_in_scope_are_touched(bench: Bench) -> None:
    for name in (BTC, ETH, COIN):
        bench.account.hold(name, "5")
        bench.account.rest(name, BUY, "1", price=Decimal(5))
    assert bench.run("inverse").reached
    assert [order["instId"] for order in bench.closing()] == [COIN]
    assert bench.run(symbols=("ETH/USDT:USDT",)).reached
    assert bench.account.position(BTC) == 5 and bench.account.position(ETH) == 0
    assert [order.market for order in bench.account.open_orders(conditional=False)] == [BTC]


def test_every_family_of_conditional_order_is_seen_and_cancelled(bench: Bench) -> None:
    for family in FAMILIES:
        bench.account.rest(BTC, BUY, "1", trigger=Decimal(70000), family=family)
    course = bench.run()
    assert course.reached and len(course.cancelled) == len(FAMILIES)


def test_more_orders_than_a_page_of_100_are_seen_and_cancelled_20_and_10_at_a_time(bench: Bench) -> None:
    for number in range(230):
        bench.account.rest((BTC, ETH)[number % 2], BUY, "1", price=Decimal(5))
        bench.account.rest(BTC, BUY, "1", trigger=Decimal(70000), family=("trigger", "twap")[number % 2])
    course = bench.run()
    assert course.before is not None and len(course.before.orders) == 460 and course.reached and course.rounds == 1
    assert [len(request.json()) for request in bench.asked("trade/cancel-batch-orders")] == [20, 20, 20, 20, 20, 15] * 2
    assert [len(request.json()) for request in bench.asked("trade/cancel-algos")] == [10] * 23


@pytest.mark.parametrize(("missing", "reached"), [("smart_iceberg", True), ("twap", False)])
def test_a_family_may_be_unknown_to_the_exchange_only_if_it_is_new(bench: Bench, missing: str, reached: bool) -> None:
    bench.exchange.venue = Okx(families=tuple(family for family in FAMILIES if family != missing))
    bench.account.hold(BTC, "1")
    assert bench.run().reached is reached
    asked = [request for request in bench.asked("trade/orders-algo-pending") if missing in request.query]
    assert len(asked) == 1, "it is asked for once in a run"


def test_an_entry_that_fills_while_the_account_is_read_is_seen_as_order_or_position(bench: Bench) -> None:
    entry = bench.account.rest(BTC, BUY, "3", price=Decimal(50000))

    def fills() -> None:
        entry.status, entry.filled = FILLED, entry.amount
        bench.account.enter(BTC, "3")

    bench.exchange.fault(r"/account/positions", before=fills)
    course = bench.run(clean_reads=1)
    assert course.before is not None and course.before.positions and course.before.orders and course.reached


def test_an_order_that_triggers_while_the_account_is_read_is_seen(bench: Bench) -> None:
    stop = bench.account.rest(BTC, BUY, "3", trigger=Decimal(70000), family="trigger")

    def triggers() -> None:
        stop.status = EXPIRED
        bench.account.rest(BTC, BUY, "3", price=Decimal(70000))

    bench.exchange.fault(r"/trade/orders-pending\?instType=SWAP&limit=100", before=triggers)
    assert bench.run(clean_reads=1).reached and bench.account.open_orders(conditional=False) == []


@pytest.mark.parametrize(
    "content",
    [
        "<html>maintenance</html>",
        {"code": "0", "msg": ""},
        {"code": "0", "msg": "", "data": None},
        {"code": "2", "msg": "", "data": []},
        [],
    ],
)
@pytest.mark.parametrize("path", ["account/positions", "trade/orders-pending", "trade/orders-algo-pending"])
def test_an_answer_without_data_is_not_taken_for_an_empty_account(bench: Bench, path: str, content: Any) -> None:
    bench.account.hold(BTC, "1")
    bench.account.rest(BTC, BUY, "1", price=Decimal(5))
    bench.account.rest(BTC, BUY, "1", trigger=Decimal(5), family="twap")
    bench.exchange.fault(f"/{path}", answer=Answer(content), times=None)
    course = bench.run(seconds=0.7)
    assert not course.reached and course.problem and course.clean_at == []


@pytest.mark.parametrize(
    "row",
    [
        {"pos": ""},
        {"pos": "many"},
        {"pos": "NaN"},
        {"pos": None},
        {"posSide": "both"},
        {"mgnMode": ""},
        {"markPx": ""},
        {"instId": "NEW-USDT-SWAP"},
    ],
)
def test_a_position_that_cannot_be_understood_is_not_taken_for_none(bench: Bench, row: dict[str, Any]) -> None:
    bench.account.hold(BTC, "1")
    known = {"instId": BTC, "posSide": "net", "pos": "1", "mgnMode": "cross", "markPx": "60000"}
    content = {"code": "0", "msg": "", "data": [{**known, **row}]}
    bench.exchange.fault("/account/positions", answer=Answer(content), times=None)
    course = bench.run(seconds=2)
    assert not course.reached and "cannot be read" in course.problem and bench.closing() == []


def test_a_list_whose_pages_repeat_is_not_read_for_ever(bench: Bench) -> None:
    for _number in range(100):
        bench.account.rest(BTC, BUY, "1", price=Decimal(5))
    page = bench.venue().client.private_get_trade_orders_pending({"instType": "SWAP"})
    bench.exchange.fault("/trade/orders-pending", answer=Answer(page), times=None)
    course = bench.run(seconds=5)
    assert not course.reached and "two pages" in course.problem


# How it is closed


def test_one_way_mode_closes_reduce_only_in_the_margin_mode_of_the_position(bench: Bench) -> None:
    bench.account.hold(BTC, "-2.5")
    bench.account.hold(ETH, "12.34")
    assert bench.run().reached
    isolated, cross = bench.closing()
    assert (isolated["tdMode"], isolated["side"], isolated["sz"], isolated["reduceOnly"]) == (
        "isolated", SELL, "12.34", True,
    )  # fmt: skip
    assert (cross["tdMode"], cross["side"], cross["sz"], cross["posSide"]) == ("cross", BUY, "2.5", "net")
    assert not {"tag", "px", "ccy"} & {*isolated, *cross}


def test_hedge_mode_closes_each_side_without_reduce_only(bench: Bench) -> None:
    bench.account.hedge = True
    bench.account.hold(BTC, "2.5", LONG)
    bench.account.hold(BTC, "1.5", SHORT)
    bench.account.hold(ETH, "3", SHORT)
    bench.account.rest(BTC, SELL, "2", position=LONG, price=Decimal(70000))
    bench.account.rest(BTC, SELL, "2", position=SHORT, price=Decimal(70000))
    course = bench.run()
    assert course.before is not None and course.reached
    assert [(order.side, order.reduces) for order in course.before.orders] == [(SELL, False), (SELL, True)]
    sent = [(order["instId"], order["posSide"], order["side"], "reduceOnly" in order) for order in bench.closing()]
    assert sorted(sent) == [(BTC, LONG, SELL, False), (BTC, SHORT, BUY, False), (ETH, SHORT, BUY, False)]


def test_what_is_above_the_market_lot_goes_in_slices(bench: Bench) -> None:
    bench.account.hold(BTC, "2000.01")
    course = bench.run()
    assert course.reached and course.rounds == 1
    assert [order["sz"] for order in bench.closing()] == ["1000", "500.01", "500"]


@pytest.mark.parametrize(
    ("contracts", "sizes"),
    [
        ("0.01", ["0.01"]),
        ("0.005", ["0.005"]),
        ("1000", ["1000"]),
        ("1000.01", ["500.01", "500.00"]),
        ("2000", ["1000", "1000"]),
        ("3999.99", ["1000", "1000", "1000.00", "999.99"]),
    ],
)
def test_slices_are_of_whole_steps_within_the_limits_and_make_up_the_position(
    bench: Bench, contracts: str, sizes: list[str]
) -> None:
    position = Position("BTC/USDT:USDT", LONG, Decimal(contracts), Decimal(1), {"instId": BTC})
    found = bench.venue().slices(position)
    assert [Decimal(size) for size in sizes] == found and sum(found) == Decimal(contracts)


def test_dust_below_the_minimum_is_closed_as_one_order(bench: Bench) -> None:
    name = "DUST-USDT-SWAP"
    market = Market(name, "DUST", "USDT", "USDT", Decimal("0.5"), step=Decimal("0.1"), least=Decimal(1))
    bench.account.markets[name] = market
    bench.account.hold(name, "-0.3")
    assert bench.run().reached
    assert [(order["sz"], order["side"]) for order in bench.closing()] == [("0.3", BUY)]


def test_what_is_filled_in_part_is_closed_in_rounds(bench: Bench) -> None:
    bench.account.hold(BTC, "8")
    bench.account.depth = lambda order: max(order.left / 2 // Decimal("0.01") * Decimal("0.01"), Decimal("0.01"))
    course = bench.run()
    assert course.reached and course.rounds > 5
    assert len({order["client_id"] for order in course.closed}) == len(course.closed)


def test_a_bound_on_slippage_becomes_the_price_of_an_order_that_does_not_wait(bench: Bench) -> None:
    bench.account.hold(BTC, "-1")
    bench.account.hold(ETH, "1")
    assert bench.run(max_slippage=Decimal("0.001234")).reached
    assert [(order["ordType"], order["px"]) for order in bench.closing()] == [("ioc", "60074"), ("ioc", "2996.3")]


# How far it goes


def test_nothing_but_what_is_needed_is_asked(bench: Bench) -> None:
    bench.account.hold(BTC, "3")
    bench.account.rest(BTC, BUY, "1", price=Decimal(5))
    bench.account.rest(BTC, BUY, "1", trigger=Decimal(5), family="twap")
    assert bench.run().reached
    assert Counter(request.path.removeprefix("/api/v5/") for _at, request in bench.exchange.asked) == {
        "public/instruments": 1,
        "trade/orders-algo-pending": 7 * 3,
        "trade/orders-pending": 3,
        "account/positions": 3,
        "trade/cancel-batch-orders": 1,
        "trade/cancel-algos": 1,
        "trade/order": 1,
    }


@pytest.mark.parametrize("strategy", [flatten.NATURAL, flatten.CLOSE])
def test_a_milder_strategy_takes_entries_and_leaves_what_protects(bench: Bench, strategy: str) -> None:
    bench.account.hold(BTC, "3")
    bench.account.rest(BTC, BUY, "1", price=Decimal(5))
    bench.account.rest(BTC, BUY, "1", trigger=Decimal(70000), family="trigger")
    stop = bench.account.rest(BTC, SELL, "3", trigger=Decimal(59000), family="conditional", whole=True)
    take = bench.account.rest(BTC, SELL, "3", price=Decimal(70000), reduce_only=True)
    course = bench.run(strategy=strategy)
    assert course.reached and course.after is not None
    left = bench.account.open_orders(conditional=True) + bench.account.open_orders(conditional=False)
    assert left == [stop, take] and [order.amount for order in course.after.orders] == [None, 3]
    assert bench.account.position(BTC) == (3 if strategy == flatten.NATURAL else 0)
