# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An account at Bybit gets flat whatever happens meanwhile, and is never called so before (S3.5, S4.7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._exposure.flatten import CLOSE, NATURAL, NEVER_ARRIVED

from tests.peers.exchange.books import BUY, LONG, OPEN, SELL, SHORT, Order
from tests.peers.exchange.wire import Answer
from tests.unit.plugins.module_utils._exposure.bybit_bench import (
    CANCEL_ALL,
    CREATE,
    INVERSE,
    ORDERS,
    POSITIONS,
    Bench,
    bench_at,
)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with bench_at(monkeypatch) as made:
        yield made


# Strategies and cancelling


def test_natural_cancels_entries_and_keeps_what_protects(bench: Bench) -> None:
    bench.account.hold("BTCUSDT", "1")
    entry = bench.account.rest("BTCUSDT", BUY, "1", price=Decimal(50000))
    firing = bench.account.rest("BTCUSDT", BUY, "1", trigger=Decimal(65000))
    stop = bench.account.rest("BTCUSDT", SELL, "0", trigger=Decimal(50000), family="StopLoss", whole=True)
    assert bench.flatten(NATURAL).reached
    assert (entry.status, firing.status, stop.status) == ("canceled", "canceled", "open")
    assert bench.account.position("BTCUSDT") == 1 and bench.sent() == []


def test_close_keeps_orders_that_only_reduce(bench: Bench) -> None:
    bench.account.hold("BTCUSDT", "1")
    bench.account.rest("BTCUSDT", BUY, "1", price=Decimal(50000))
    take = bench.account.rest("BTCUSDT", SELL, "1", trigger=Decimal(70000), reduce_only=True)
    assert bench.flatten(CLOSE).reached
    assert bench.account.position("BTCUSDT") == 0 and take.status == "open"


def test_stops_protect_until_the_position_is_gone(bench: Bench) -> None:
    bench.account.hold("BTCUSDT", "1")
    for _number in range(2):
        bench.account.rest("BTCUSDT", SELL, "1", trigger=Decimal(50000), reduce_only=True)
    assert bench.flatten().reached
    lines = bench.asked("POST")
    assert [("create" in line, "StopOrder" in line) for line in lines] == [(True, False), (False, True)]


def test_a_cancellation_that_takes_effect_later_is_waited_for(bench: Bench) -> None:
    bench.emulated.settles = 0.4
    for _number in range(3):
        bench.account.rest("BTCUSDT", BUY, "1", price=Decimal(50000))
    bench.account.rest("BTCUSD", BUY, "1", trigger=Decimal(70000))
    course = bench.flatten()
    assert course.reached and course.clean_at[0] >= 0.4


def test_more_orders_than_one_cancellation_takes_go_in_several(bench: Bench) -> None:
    for number in range(620):
        bench.account.rest("BTCUSDT", BUY, "1", price=Decimal(50000 + number))
    course = bench.flatten()
    assert course.reached and len(course.cancelled) == 620
    assert len(bench.asked(CANCEL_ALL)) == 2


def test_an_order_that_is_gone_before_its_cancellation_is_no_error(bench: Bench) -> None:
    order = bench.account.rest("BTCUSDT", BUY, "1", price=Decimal(50000))
    bench.fault("/v5/order/cancel ", before=lambda: bench.account.cancel(order))
    course = bench.flatten()
    assert course.reached and course.refusals == []


def test_an_order_that_the_key_may_not_send_leaves_the_others_to_be_closed(bench: Bench) -> None:
    """As one of a kind of contract that it has no right to."""
    for market, worth in ("BTCUSDT", "1"), ("ETHUSDT", "1"):
        bench.account.hold(market, worth)
    bench.says(CREATE, 10005)
    course = bench.flatten()
    assert course.reached and "10005" in course.refusals[0]
    assert [order["symbol"] for order in bench.sent()] == ["BTCUSDT", "ETHUSDT", "BTCUSDT"]


# What happens meanwhile


def test_an_entry_that_fills_before_it_is_cancelled_keeps_its_stop_until_it_is_closed(bench: Bench) -> None:
    """Though there was no position yet when all was read."""
    entry = bench.account.rest("BTCUSDT", BUY, "1", price=Decimal(50000))
    stop = bench.account.rest("BTCUSDT", SELL, "1", trigger=Decimal(40000), reduce_only=True)
    protected: list[bool] = []
    bench.fault("/v5/order/cancel", before=lambda: bench.account.fire(entry))
    bench.fault(CREATE, before=lambda: protected.append(stop.status == OPEN))
    assert bench.flatten().reached
    assert protected == [True] and [order["side"] for order in bench.sent()] == ["Sell"]


def test_what_a_thin_book_leaves_is_closed_by_further_orders(bench: Bench) -> None:
    bench.account.hold("BTCUSDT", "1")
    bench.account.depth = lambda order: min(order.left, Decimal("0.4"))
    assert bench.flatten().reached
    assert [order["qty"] for order in bench.sent()] == ["1", "0.6", "0.2"]


@pytest.mark.parametrize(("stop", "left"), [("1", 0), ("0.3", 0)])
def test_a_stop_that_fires_before_the_closing_order(bench: Bench, stop: str, left: int) -> None:
    bench.account.hold("BTCUSDT", "1")
    order = bench.account.rest("BTCUSDT", SELL, stop, trigger=Decimal(50000), reduce_only=True)
    bench.fault(CREATE, before=lambda: bench.account.fire(order))
    course = bench.flatten()
    assert course.reached and bench.account.position("BTCUSDT") == left


def test_a_hedged_stop_that_fires_before_the_closing_order(bench: Bench) -> None:
    bench.account.hedge = True
    bench.account.hold("BTCUSDT", "1", LONG)
    bench.account.hold("BTCUSDT", "1", SHORT)
    order = bench.account.rest("BTCUSDT", SELL, "0.3", trigger=Decimal(50000), position=LONG)
    bench.fault(f'{CREATE}.*positionIdx": ?1', before=lambda: bench.account.fire(order))
    course = bench.flatten()
    assert course.reached and any("110017" in refusal for refusal in course.refusals)


def test_an_entry_that_fires_while_the_account_is_flattened(bench: Bench) -> None:
    bench.account.hold("BTCUSDT", "1")
    order = bench.account.rest("BTCUSD", BUY, "200", trigger=Decimal(70000))
    bench.fault("/v5/order/cancel ", before=lambda: bench.account.fire(order))
    course = bench.flatten()
    assert course.reached and {it["symbol"] for it in course.closed} >= {INVERSE}


def test_an_entry_that_fills_between_cancelling_and_closing(bench: Bench) -> None:
    bench.account.hold("BTCUSDT", "1")
    bench.account.rest("BTCUSDT", BUY, "1", price=Decimal(50000))
    bench.fault(CREATE, before=lambda: bench.account.enter("BTCUSDT", "0.5"))
    assert bench.flatten().reached
    assert [order["qty"] for order in bench.sent()] == ["1", "0.5"]


def test_an_entry_that_fills_while_its_cancellation_is_under_way(bench: Bench) -> None:
    bench.emulated.settles = 0.3
    orders = [bench.account.rest("BTCPERP", SELL, "1", price=Decimal(70000)) for _number in range(2)]

    def fill() -> None:
        orders[0].status = "filled"
        bench.account.enter("BTCPERP", "-1")

    bench.fault(CANCEL_ALL, after=fill)
    course = bench.flatten()
    assert course.reached and [it["side"] for it in course.closed] == ["short"]


def test_a_position_that_comes_between_two_clean_readings(bench: Bench) -> None:
    bench.fault(POSITIONS, skip=3, before=lambda: bench.account.enter("BTCUSD", "-50"))
    course = bench.flatten()
    assert course.reached and len(course.closed) == 1


def test_a_clock_that_is_off_is_set_by_the_exchanges(bench: Bench) -> None:
    bench.exchange.skew = 30
    bench.account.hold("BTCUSDT", "1")
    assert bench.flatten().reached
    assert len(bench.asked("GET /v5/market/time")) == 1


def test_a_clock_that_goes_off_while_an_order_is_sent(bench: Bench) -> None:
    bench.account.hold("BTCUSDT", "1")
    bench.says(CREATE, 10002)
    course = bench.flatten()
    assert course.reached and [it["came_to"] for it in course.closed] == ["accepted"]
    assert len({order["orderLinkId"] for order in bench.sent()}) == 1


# Answers that do not say what was done


def lost(bench: Bench) -> None:
    bench.fault(CREATE, lose=True)


def dropped(bench: Bench) -> None:
    bench.fault(CREATE, drop=True)


def scripted(code: int, status: int = 200, text: str = "as scripted") -> Callable[[Bench], None]:
    content = {"retCode": code, "retMsg": text, "result": {}}
    return lambda bench: void(bench.fault(CREATE, answer=Answer(content, status)))


def plain(status: int, content: object = "<html>") -> Callable[[Bench], None]:
    return lambda bench: void(bench.fault(CREATE, answer=Answer(content, status, {"content-type": "text/html"})))


def void(_fault: object) -> None:
    """A fault is scripted for what it does."""


UNSURE = {
    "server_time_out_10000": scripted(10000, text="Server Timeout"),
    "server_error_10016": scripted(10016),
    "request_timeout_10016": scripted(10016, text="Request timeout, please try again later"),
    "busy_429": scripted(429),
    "duplicate_request_10014": scripted(10014),
    "in_process_110079": scripted(110079),
    "unknown_code": scripted(987654),
    "bad_gateway": plain(502),
    "gateway_time_out": plain(504),
    "of_a_proxy_524": plain(524),
    "json_of_a_proxy": plain(503, {"error": "no upstream"}),
    "no_json": plain(200),
    "nothing": plain(200, ""),
    "no_result": plain(200, {"retCode": 0, "retMsg": "OK"}),
    "no_order_id": plain(200, {"retCode": 0, "retMsg": "OK", "result": {}}),
}


@pytest.mark.parametrize("fault", UNSURE.values(), ids=UNSURE)
def test_an_order_that_may_not_have_arrived_is_looked_up_and_keeps_its_id(
    bench: Bench, fault: Callable[[Bench], None]
) -> None:
    bench.account.hold("BTCUSDT", "1")
    fault(bench)
    course = bench.flatten()
    assert course.reached
    assert [it["came_to"] for it in course.closed] == [NEVER_ARRIVED, "accepted"]
    assert len({order["orderLinkId"] for order in bench.sent()}) == 1
    assert bench.asked(f"{ORDERS}?category=linear&symbol=BTCUSDT&orderLinkId=")


def test_an_order_whose_answer_was_lost_is_not_sent_again(bench: Bench) -> None:
    bench.account.hold("BTCUSDT", "1")
    lost(bench)
    course = bench.flatten()
    assert course.reached and [it["came_to"] for it in course.closed] == ["accepted, its answer was lost"]
    assert len(bench.sent()) == 1


def test_an_order_that_was_lost_while_it_was_filled_in_part(bench: Bench) -> None:
    bench.account.hold("BTCUSD", "-100")
    bench.account.depth = lambda order: min(order.left, Decimal(60))
    lost(bench)
    assert bench.flatten().reached
    assert [order["qty"] for order in bench.sent()] == ["100", "40"]


def test_an_order_that_never_arrived_is_sent_with_the_same_id(bench: Bench) -> None:
    bench.account.hold("BTCUSDT", "1")
    dropped(bench)
    course = bench.flatten()
    assert course.reached
    assert len(bench.sent()) == 2 and len({order["orderLinkId"] for order in bench.sent()}) == 1


def test_an_order_that_is_late_to_be_found_is_executed_once(bench: Bench) -> None:
    """The exchange forgets it for as long as it is looked for; the id, sent again, is a duplicate by then."""
    bench.account.hold("BTCUSDT", "1")
    lost(bench)
    empty = {"retCode": 0, "retMsg": "OK", "result": {"list": [], "nextPageCursor": ""}}
    bench.fault("orderLinkId=", answer=Answer(empty), times=4)
    held = {"symbol": "BTCUSDT", "side": "Buy", "size": "1", "positionIdx": 0, "markPrice": "60000"}
    stale = {"retCode": 0, "retMsg": "OK", "result": {"list": [held], "nextPageCursor": ""}}
    bench.fault(f"{POSITIONS}.*USDT", answer=Answer(stale), skip=2)  # and has not counted it yet
    course = bench.flatten()
    assert course.reached and [it["came_to"] for it in course.closed] == [NEVER_ARRIVED, "there already"]
    assert len(bench.account.fills) == 1


@pytest.mark.parametrize("code", [110007, 110017, 110094, 10001, 110023])
def test_a_refusal_says_why_and_is_not_looked_up(bench: Bench, code: int) -> None:
    bench.account.hold("BTCUSDT", "1")
    bench.says(CREATE, code)
    course = bench.flatten()
    assert course.reached and str(code) in course.refusals[0]
    assert not any("orderLinkId=" in line for line in bench.asked(ORDERS))


@pytest.mark.parametrize("fault", ["lose", "drop"])
def test_a_cancellation_whose_answer_is_lost_shows_in_the_next_reading(bench: Bench, fault: str) -> None:
    for _number in range(2):
        bench.account.rest("BTCUSDT", BUY, "1", price=Decimal(50000))
    bench.fault(CANCEL_ALL, **{fault: True})
    assert bench.flatten().reached
    assert len(bench.asked(CANCEL_ALL)) == (1 if fault == "lose" else 2)


@pytest.mark.parametrize("on", [ORDERS, POSITIONS])
@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_reading_that_fails_is_asked_for_again(bench: Bench, on: str, status: int) -> None:
    bench.account.hold("BTCUSDT", "1")
    bench.fault(on, answer=Answer("<html>", status), times=2)
    assert bench.flatten().reached


# Limits, and the end


def test_one_request_too_many_is_sent_again_a_second_later(bench: Bench) -> None:
    bench.account.hold("BTCUSDT", "1")
    bench.says(CREATE, 10006)
    course = bench.flatten()
    assert course.reached and bench.calls[-1].waited >= 1
    assert [it["came_to"] for it in course.closed] == ["accepted"]


@pytest.mark.parametrize("status", [403, 429])
def test_an_http_limit_is_waited_for_as_long_as_it_says(bench: Bench, status: int) -> None:
    bench.account.hold("BTCUSDT", "1")
    bench.fault(
        CREATE, answer=Answer("access too frequent", status, {"retry-after": "0.3", "content-type": "text/plain"})
    )
    course = bench.flatten()
    assert course.reached and 0.3 <= bench.calls[-1].waited < 1
    assert len({order["orderLinkId"] for order in bench.sent()}) == 1 and len(course.closed) == 1


def test_the_exchanges_own_limit_lets_the_account_get_flat(bench: Bench) -> None:
    bench.account.hold("BTCUSDT", "1")
    bench.exchange.limit, bench.exchange.window = 12, 0.5
    assert bench.flatten().reached


def test_requests_are_paced_as_the_exchange_documents_it(bench: Bench) -> None:
    """ccxt has a whole second pass before each cancel-all, and a tenth before each page."""
    venue = bench.connected()
    costs: list[float] = []
    venue.client.throttle = costs.append
    venue.cancel_all(INVERSE, "regular")
    venue.probe()
    assert [cost * venue.client.rateLimit for cost in costs] == [100, 20]


@pytest.mark.parametrize("code", [10029, 110067])
def test_a_market_that_the_key_may_not_trade_does_not_keep_the_others_open(bench: Bench, code: int) -> None:
    bench.account.hold("BTCUSDT", "1")
    bench.account.hold("ETHUSDT", "1")
    bench.says(f"{CREATE}.*BTCUSDT", code, times=None)
    course = bench.flatten(deadline=4)
    assert not course.reached and bench.account.position("ETHUSDT") == 0
    assert bench.account.position("BTCUSDT") == 1 and str(code) in course.refusals[0]


def test_a_key_that_is_revoked_on_the_way_ends_it(bench: Bench) -> None:
    bench.account.hold("BTCUSDT", "1")
    bench.fault(CREATE, before=lambda: void(bench.exchange.keys.pop("thekey")))
    course = bench.flatten()
    assert not course.reached and "10003" in course.problem


def test_what_cannot_be_closed_is_said_at_the_deadline(bench: Bench) -> None:
    bench.account.hold("BTCUSDT", "1")
    bench.says(CREATE, 110063, times=None)
    course = bench.flatten(deadline=3)
    assert not course.reached and "deadline" in course.problem
    assert course.after is not None and len(course.after.positions) == 1


def test_a_bot_that_still_trades_is_never_called_flat(bench: Bench) -> None:
    def enter(_order: Order | None = None) -> None:
        bench.account.enter("BTCUSDT", "0.1")

    enter()
    bench.fault(CREATE, after=enter, times=None)
    course = bench.flatten(deadline=3)
    assert not course.reached and bench.account.position("BTCUSDT") > 0
