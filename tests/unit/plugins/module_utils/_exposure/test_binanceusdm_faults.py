# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Flattening at Binance USD-M futures, while things go wrong there (S3.5, S4.7)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import ccxt
import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._exposure.calls import OutOfTime
from ansible_collections.tradeops.botfleet.plugins.module_utils._exposure.flatten import NEVER_ARRIVED

from tests.peers.exchange.books import BUY, LONG, SELL, SHORT
from tests.peers.exchange.wire import Answer
from tests.unit.plugins.module_utils._exposure.binanceusdm_bench import Bench, bench_at

ORDER = "POST /fapi/v1/order"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """It answers as at addresses of Binance, of which ccxt has errors that it does not know elsewhere."""
    monkeypatch.setattr(
        ccxt.binance, "get_exceptions_by_url", lambda self, _url, kind: self.exceptions["linear"].get(kind, {})
    )
    with bench_at(monkeypatch) as made:
        made.account.hold("BTCUSDT", "0.5")
        yield made


# The market moves meanwhile


def test_what_a_market_order_left_is_closed_by_the_next_one(bench: Bench) -> None:
    bench.account.depth = lambda order: min(order.left, Decimal("0.2"))
    assert bench.flatten().reached
    assert [it["quantity"] for it in bench.sent()] == ["0.5", "0.3", "0.1"]


def test_a_stop_that_fires_just_before_the_close_turns_nothing_around(bench: Bench) -> None:
    stop = bench.account.rest("BTCUSDT", SELL, "0", trigger=Decimal(59000), whole=True)
    bench.fault(ORDER, before=lambda: bench.account.fire(stop))
    course = bench.flatten()
    assert course.reached
    assert "-2022" in course.refusals[0]
    assert bench.account.fills == [(stop.client_id, Decimal("0.5"))]


def test_a_stop_that_fires_for_a_part_just_before_the_close_turns_nothing_around(bench: Bench) -> None:
    stop = bench.account.rest("BTCUSDT", SELL, "0.3", trigger=Decimal(59000), reduce_only=True)
    bench.fault(ORDER, before=lambda: bench.account.fire(stop))
    assert bench.flatten().reached
    assert [amount for _id, amount in bench.account.fills] == [Decimal("0.3"), Decimal("0.2")]


def test_a_stop_of_one_side_that_fires_in_hedge_mode_turns_nothing_around(bench: Bench) -> None:
    bench.account.hedge, bench.account.positions = True, {}
    bench.account.hold("BTCUSDT", "0.5", LONG)
    bench.account.hold("BTCUSDT", "0.3", SHORT)
    stop = bench.account.rest("BTCUSDT", SELL, "0.2", trigger=Decimal(59000), position=LONG)
    bench.fault(ORDER, before=lambda: bench.account.fire(stop))
    course = bench.flatten()
    assert course.reached
    assert "-2022" in course.refusals[0]  # more than the side has is refused there, not cut
    assert [it["quantity"] for it in bench.sent()] == ["0.5", "0.3", "0.3"]


def test_an_entry_that_fills_between_cancel_and_close_is_closed_too(bench: Bench) -> None:
    bench.account.rest("BTCUSDT", BUY, "0.3", price=Decimal(59000))
    bench.fault("DELETE", after=lambda: bench.account.enter("BTCUSDT", "0.3"))
    assert bench.flatten().reached
    assert [it["quantity"] for it in bench.sent()] == ["0.5", "0.3"]


def test_an_entry_that_fills_before_its_cancel_is_closed_and_is_no_error(bench: Bench) -> None:
    entry = bench.account.rest("BTCUSDT", BUY, "0.3", price=Decimal(59000))
    bench.fault("DELETE", before=lambda: bench.account.fire(entry))
    course = bench.flatten()
    assert course.reached
    assert course.refusals == []  # -2011: gone already


def test_a_bot_that_still_runs_is_noticed_between_two_clean_reads(bench: Bench) -> None:
    bench.fault("GET /fapi/v3/positionRisk", skip=2, after=lambda: bench.account.enter("BTCUSDT", "-0.1"))
    assert bench.flatten(clean_reads=3).reached
    assert [it["side"] for it in bench.sent()] == ["SELL", "BUY"]


# Clocks and limits


@pytest.mark.parametrize("skew", [-30.0, 30.0])
def test_a_clock_that_is_off_is_read_and_followed(bench: Bench, skew: float) -> None:
    bench.exchange.skew = skew
    assert bench.flatten().reached
    assert len(bench.asked("GET /fapi/v1/time")) == 1


def test_a_clock_that_jumps_between_reading_and_closing_costs_one_more_request(bench: Bench) -> None:
    def jump() -> None:
        bench.exchange.skew = 60

    bench.fault("GET /fapi/v3/positionRisk", after=jump)
    course = bench.flatten()
    assert course.reached
    assert course.refusals == []
    assert len(bench.sent()) == 2
    assert len({it["newClientOrderId"] for it in bench.sent()}) == 1  # the first was not looked at


def test_a_clock_that_cannot_be_followed_is_no_busy_loop(bench: Bench) -> None:
    bench.says("GET /fapi/v1/open", -1021, times=None)
    course = bench.flatten(deadline=2)
    assert not course.reached
    assert course.after is None
    assert len(bench.asked()) < 15


def test_a_clock_that_does_not_answer_is_asked_again(bench: Bench) -> None:
    bench.exchange.skew = 30
    bench.fault("GET /fapi/v1/time", drop=True, times=2)
    assert bench.flatten().reached


@pytest.mark.parametrize(("on", "again"), [(ORDER, 2), ("GET /fapi/v1/openOrders", 0)])
@pytest.mark.parametrize("status", [429, 418])
def test_a_limit_is_waited_for_as_long_as_it_says(bench: Bench, status: int, on: str, again: int) -> None:
    bench.fault(on, answer=Answer({"code": -1003, "msg": "Too many requests"}, status, {"Retry-After": "1"}))
    assert bench.flatten().reached
    assert 1 <= bench.calls[-1].waited < 1.5
    assert len(bench.sent()) == again or on != ORDER


def test_a_ban_beyond_the_deadline_is_not_made_longer_by_asking(bench: Bench) -> None:
    bench.fault(ORDER, answer=Answer({"code": -1003, "msg": "banned"}, 418, {"Retry-After": "120"}), times=None)
    began = time.monotonic()
    course = bench.flatten(deadline=10)
    assert not course.reached
    assert course.problem.startswith("the deadline came first")
    assert (len(bench.sent()), time.monotonic() - began < 9) == (1, True)


def test_the_limit_of_the_exchange_itself_is_kept(bench: Bench) -> None:
    bench.exchange.limit, bench.exchange.window = 5, 1.0
    assert bench.flatten().reached
    assert bench.calls[-1].waited >= 1


# Answers that never come, or do not tell


def test_an_order_whose_answer_is_lost_is_looked_up_and_never_sent_again(bench: Bench) -> None:
    bench.fault(ORDER, lose=True)
    course = bench.flatten()
    assert course.reached
    assert len(bench.sent()) == 1
    assert [it["came_to"] for it in course.closed] == ["accepted, its answer was lost"]


def test_an_order_that_executed_in_part_and_whose_answer_is_lost_is_not_repeated(bench: Bench) -> None:
    bench.account.depth = lambda order: min(order.left, Decimal("0.3"))
    bench.fault(ORDER, lose=True)
    assert bench.flatten().reached
    assert [it["quantity"] for it in bench.sent()] == ["0.5", "0.2"]


def test_an_order_that_never_arrived_is_sent_again_with_the_same_id(bench: Bench) -> None:
    bench.fault(ORDER, drop=True)
    course = bench.flatten()
    assert course.reached
    assert [it["came_to"] for it in course.closed] == [NEVER_ARRIVED, "accepted"]
    assert len({it["client_id"] for it in course.closed}) == 1


@pytest.mark.parametrize("arrived", [False, True])
def test_an_order_that_may_not_be_looked_up_keeps_no_other_open_and_is_not_sent_again(
    bench: Bench, arrived: bool
) -> None:
    bench.account.hold("ETHUSDT", "-2")
    seen: list[list[str]] = []
    bench.fault(f"{ORDER}.*BTCUSDT", drop=not arrived, lose=arrived)
    if arrived:  # in part, so that the position asks for another
        bench.account.depth = lambda order: min(order.left, Decimal("0.3")) if order.market == "BTCUSDT" else order.left
    bench.says("GET /fapi/v1/order", -1102, times=2, before=lambda: seen.append([it["symbol"] for it in bench.sent()]))
    course = bench.flatten()
    assert course.reached, course.problem
    assert seen == [["BTCUSDT"], ["BTCUSDT", "ETHUSDT"]]
    sent = [it["newClientOrderId"] for it in bench.sent() if it["symbol"] == "BTCUSDT"]
    assert len(sent) == 2 and len(set(sent)) == (2 if arrived else 1)
    assert [it["came_to"] for it in course.closed if it["symbol"] == "BTC/USDT:USDT"] == [
        "accepted, its answer was lost" if arrived else NEVER_ARRIVED,
        "accepted",
    ]
    assert sum("cannot be read" in refusal for refusal in course.refusals) == 2


def test_an_order_that_can_never_be_looked_up_is_never_sent_again(bench: Bench) -> None:
    bench.account.hold("ETHUSDT", "-2")
    bench.fault(f"{ORDER}.*BTCUSDT", drop=True)
    bench.says("GET /fapi/v1/order", -1102, times=None)
    course = bench.flatten(deadline=2)
    assert not course.reached and bench.account.position("ETHUSDT") == 0
    assert [it["symbol"] for it in bench.sent()] == ["BTCUSDT", "ETHUSDT"]
    assert "deadline" in course.problem and "-1102" in course.refusals[-1]


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize(
    "answer",
    [
        Answer({"code": -1007, "msg": "Timeout waiting for response from backend server."}, 408),
        Answer({"code": -1000, "msg": "An unknown error occurred while processing the request."}, 503),
        Answer({"code": -1001, "msg": "Internal error; unable to process your request. Please try again."}, 500),
        Answer({"code": -1006, "msg": "An unexpected response was received. Execution status unknown."}, 500),
        Answer({"code": -1008, "msg": "Server is currently overloaded with other requests."}, 503),
        Answer("<html>502 Bad Gateway</html>", 502, {"content-type": "text/html"}),
        Answer("<html>524</html>", 524, {"content-type": "text/html"}),
        Answer("", 504),
    ],
    ids=lambda answer: f"{answer.status}",
)
def test_an_error_that_does_not_tell_what_became_of_an_order_makes_it_be_looked_up(
    bench: Bench, answer: Answer, lost: bool
) -> None:
    """Either it was executed all the same (``lost``), or it was not."""

    def execute() -> None:
        if lost:
            bench.emulated.answer(bench.exchange, bench.exchange.asked[-1][1])

    bench.fault(ORDER, answer=answer, before=execute)
    course = bench.flatten()
    assert course.reached
    assert course.closed[0]["came_to"] == ("accepted, its answer was lost" if lost else NEVER_ARRIVED)
    assert "GET /fapi/v1/order" in bench.asked()
    assert len(bench.sent()) == (1 if lost else 2)


@pytest.mark.parametrize("on", ["openAlgoOrders", "openOrders", "positionRisk"])
@pytest.mark.parametrize(
    "of",
    [{"drop": True}, {"lose": True}, {"answer": Answer("<html>", 503)}, {"answer": Answer({"code": -1007}, 408)}],
    ids=["drop", "lose", "503", "408"],
)
def test_a_reading_that_fails_is_tried_again(bench: Bench, on: str, of: dict[str, Any]) -> None:
    bench.fault(f"GET /fapi/v./{on}", times=3, **of)
    assert bench.flatten().reached


@pytest.mark.parametrize("on", ["openAlgoOrders", "openOrders", "positionRisk"])
@pytest.mark.parametrize("content", ["[", "", "<html>", "{}", "null", '[{"symbol": "BTCUSDT"}', "[1]", '{"code": 200}'])
def test_what_is_no_list_is_never_read_as_an_empty_one(bench: Bench, on: str, content: str) -> None:
    bench.account.positions.clear()  # all else is clean
    bench.fault(f"GET /fapi/v./{on}", answer=Answer(content), times=None)
    venue = bench.connected(deadline=0.8)
    with pytest.raises(OutOfTime, match=r"^\w+: "):  # what the exchange answered is in it
        venue.read(())


ROWS: dict[str, dict[str, Any]] = {
    "positionRisk": {
        "symbol": "BTCUSDT",
        "positionSide": "BOTH",
        "positionAmt": "1",
        "notional": "60000",
        "markPrice": "60000",
    },
    "openOrders": {
        "symbol": "BTCUSDT",
        "orderId": 1,
        "clientOrderId": "x",
        "side": "BUY",
        "positionSide": "BOTH",
        "reduceOnly": False,
        "closePosition": False,
        "origQty": "1",
        "executedQty": "0",
    },
    "openAlgoOrders": {
        "symbol": "BTCUSDT",
        "algoId": 1,
        "clientAlgoId": "x",
        "side": "BUY",
        "positionSide": "BOTH",
        "reduceOnly": False,
        "closePosition": False,
        "quantity": "1",
    },
}


UNREADABLE = [
    (on, field, value)
    for on, row in ROWS.items()
    for field in row
    for value in (None, "", "unheard of")
    if not (value and "Id" in field)  # any text is an id
]


@pytest.mark.parametrize(("on", "field", "value"), UNREADABLE)
def test_a_field_that_cannot_be_understood_ends_it_and_is_never_taken_for_nothing(
    bench: Bench, on: str, field: str, value: str | None
) -> None:
    row = {**ROWS[on], field: value}
    if value is None:
        del row[field]
    bench.fault(f"GET /fapi/v./{on}", answer=Answer([row]), times=None)
    course = bench.flatten()
    assert course.problem.startswith("it cannot be read any more (binanceusdm ")
    assert course.after is None


# Keys


@pytest.mark.parametrize("good", [0, 3, 4])
def test_a_key_that_is_refused_later_ends_it_at_once_and_proves_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, good: int
) -> None:
    """ccxt takes -2015 after ``good`` requests for a ban that passes: no reading, nor to be waited for."""
    request = ccxt.binance.request

    def remember(self: Any, *arguments: Any, **of: Any) -> Any:
        answer = request(self, *arguments, **of)
        self.options["hasAlreadyAuthenticatedSuccessfully"] = True
        return answer

    monkeypatch.setattr(ccxt.binance, "request", remember)
    bench.says("/fapi/v./(open|order|pos)", -2015, 401, skip=good, times=None)
    course = bench.flatten()
    assert (course.reached, course.clean_at) == (False, [])
    assert "-2015" in course.problem
    assert len(bench.asked()) == 1 + good + 1  # the markets, what was good, and one refusal


def test_a_key_without_the_right_to_trade_closes_nothing_and_says_so(bench: Bench) -> None:
    bench.says(ORDER, -2015, 401, times=None)
    course = bench.flatten()
    assert "-2015" in course.problem
    assert len(bench.sent()) == 1


@pytest.mark.parametrize("code", [-2022, -4061, -4164, -4005, -1111, -4131, -1106])
def test_a_refusal_is_kept_and_the_next_reading_decides(bench: Bench, code: int) -> None:
    bench.says(ORDER, code)
    course = bench.flatten()
    assert course.reached
    assert str(code) in course.refusals[0]
    assert len({it["newClientOrderId"] for it in bench.sent()}) == 2
