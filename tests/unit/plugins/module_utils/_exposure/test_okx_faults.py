# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An account at OKX becomes flat whatever happens meanwhile, and no order is sent twice blindly."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from decimal import Decimal

import ccxt
import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._exposure import flatten
from ansible_collections.tradeops.botfleet.plugins.module_utils._exposure.calls import WrongKey
from ansible_collections.tradeops.botfleet.plugins.module_utils._exposure.environment import Claim
from ansible_collections.tradeops.botfleet.plugins.module_utils._exposure.okx import Okx as Module
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import OperationError

from tests.peers.exchange.books import BUY, SELL, Account, Order
from tests.peers.exchange.okx import markets
from tests.peers.exchange.server import Key
from tests.peers.exchange.wire import Answer
from tests.unit.plugins.module_utils._exposure.okx_bench import (
    BTC,
    CANCEL,
    CLOSE,
    ETH,
    KEYS,
    Bench,
    bench_at,
)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with bench_at(monkeypatch) as made:
        yield made


def refusal(code: str, status: int = 200) -> Answer:
    """Of an order."""
    row = {"clOrdId": "", "ordId": "", "sCode": code, "sMsg": "said by a test", "tag": ""}
    return Answer({"code": "1", "msg": "All operations failed", "data": [row]}, status)


# What happens meanwhile


def test_a_stop_that_fires_before_the_close_leaves_nothing_to_close(bench: Bench) -> None:
    bench.account.hold(BTC, "3")
    stop = bench.account.rest(BTC, SELL, "3", trigger=Decimal(59000), family="conditional", whole=True)
    bench.exchange.fault(CLOSE, before=lambda: bench.account.fire(stop))
    course = bench.run()
    assert course.reached and "51169" in course.closed[0]["came_to"] and bench.account.position(BTC) == 0


def test_a_stop_protects_until_the_position_is_gone(bench: Bench) -> None:
    bench.account.hold(BTC, "3")
    bench.account.rest(BTC, SELL, "3", trigger=Decimal(59000), family="oco", reduce_only=True)
    assert bench.run().reached
    changes = [request.path for _at, request in bench.exchange.asked if request.method == "POST"]
    assert changes == ["/api/v5/trade/order", "/api/v5/trade/cancel-algos"]


def test_an_entry_that_fills_between_cancel_and_close_is_closed_too(bench: Bench) -> None:
    bench.account.hold(BTC, "3")
    bench.account.rest(BTC, BUY, "2", price=Decimal(59000))
    bench.exchange.fault(CANCEL, after=lambda: bench.account.enter(BTC, "2"))
    course = bench.run()
    assert course.reached and course.rounds == 2
    assert [order["sz"] for order in bench.closing()] == ["3", "2"]


def test_a_position_that_turns_around_before_the_close_is_not_grown(bench: Bench) -> None:
    bench.account.hold(BTC, "3")
    bench.exchange.fault(CLOSE, before=lambda: bench.account.enter(BTC, "-5"))
    assert bench.run().reached
    assert [order["side"] for order in bench.closing()] == [SELL, BUY]


def test_an_order_that_is_gone_before_it_is_cancelled_is_no_refusal(bench: Bench) -> None:
    orders = [bench.account.rest(BTC, BUY, "1", price=Decimal(5)) for _number in range(3)]

    def gone(*which: Order) -> Callable[[], None]:
        return lambda: bench.account.cancel_all(which) and None  # type: ignore[return-value]  # nobody looks at it

    bench.exchange.fault(CANCEL, before=gone(*orders[:1]))
    course = bench.run()
    assert course.reached and course.refusals == []
    last = bench.account.rest(BTC, BUY, "1", price=Decimal(5))
    bench.exchange.fault(CANCEL, before=gone(last))
    course = bench.run()
    assert course.reached and course.refusals == []


def test_a_batch_that_is_cancelled_in_part_is_told_and_done_again(bench: Bench) -> None:
    for _number in range(2):
        bench.account.rest(BTC, BUY, "1", price=Decimal(5))
    row = {"ordId": "1", "clOrdId": "", "sCode": "51416", "sMsg": "Triggered"}
    bench.exchange.fault(CANCEL, answer=Answer({"code": "2", "msg": "", "data": [{**row, "sCode": "0"}, row]}))
    course = bench.run()
    assert course.reached and course.rounds == 2 and course.refusals == ["51416 Triggered"]


@pytest.mark.parametrize("code", ["1", "2"])
def test_orders_that_cannot_be_cancelled_do_not_keep_others_from_being_so(bench: Bench, code: str) -> None:
    orders = [bench.account.rest(BTC, BUY, "1", price=Decimal(5)) for _number in range(25)]
    row = {"ordId": orders[-1].id, "clOrdId": "", "sCode": "51403", "sMsg": "Not supported"}
    answer = Answer({"code": code, "msg": "", "data": [row]})
    bench.exchange.fault(f'{CANCEL}.*"{orders[-1].id}"', answer=answer, times=None)
    course = bench.run(seconds=2)
    assert not course.reached and "51403" in course.refusals[0]
    assert bench.account.open_orders(conditional=False) == orders[5:]


# What goes wrong on the way


@pytest.mark.parametrize("skew", [-45, 45, 3600])
def test_a_clock_that_is_off_is_set_by_the_exchange(bench: Bench, skew: float) -> None:
    bench.account.hold(BTC, "3")
    bench.exchange.skew = skew
    assert bench.run().reached
    assert len(bench.asked("public/time")) == 1


def test_the_clock_is_set_for_an_order_that_was_late_and_it_is_sent_again(bench: Bench) -> None:
    bench.account.hold(BTC, "3")

    def drift() -> None:
        bench.exchange.skew = 60

    bench.exchange.fault(CLOSE, before=drift)
    course = bench.run()
    assert course.reached and len(bench.closing()) == 2 and len(course.closed) == 1


def test_a_rate_limit_with_a_time_to_come_back_is_kept(bench: Bench) -> None:
    bench.account.hold(BTC, "3")
    too_many = Answer({"code": "50011", "msg": "Too Many Requests", "data": []}, 429, {"Retry-After": "0.5"})
    bench.exchange.fault(CLOSE, answer=too_many)
    course = bench.run()
    sent = [at for at, request in bench.exchange.asked if request.path == "/api/v5/trade/order"]
    assert course.reached and len(sent) == 2 and sent[1] - sent[0] >= 0.5
    assert course.refusals == []


def test_readings_keep_to_the_limit_of_conditional_orders(bench: Bench) -> None:
    """20 in any 2 s, however many readings it takes."""
    bench.account.hold(BTC, "3")
    bench.account.depth = lambda order: max(Decimal(1), order.left - 1)  # what is left takes two orders more
    assert bench.run(clean_reads=3).reached
    sent = [at for at, request in bench.exchange.asked if request.path == "/api/v5/trade/orders-algo-pending"]
    assert len(sent) >= 28, "four readings at least"
    assert all(later - earlier >= 2 for earlier, later in zip(sent, sent[20:]))


@pytest.mark.parametrize(("code", "status"), [("50011", 200), ("50011", 429), ("50061", 200)])
def test_a_rate_limit_is_no_refusal(bench: Bench, code: str, status: int) -> None:
    bench.account.hold(BTC, "3")
    bench.exchange.fault(CLOSE, answer=Answer({"code": code, "msg": "Too Many Requests", "data": []}, status))
    course = bench.run()
    assert course.reached and len(bench.closing()) == 2 and course.refusals == []


def test_a_close_whose_answer_is_lost_is_looked_up_and_not_sent_again(bench: Bench) -> None:
    bench.account.hold(BTC, "3")
    bench.exchange.fault(CLOSE, lose=True)
    course = bench.run()
    assert course.reached and len(bench.closing()) == 1
    assert course.closed[0]["came_to"] == "accepted, its answer was lost"


def test_a_close_that_never_arrived_is_sent_again_with_its_id(bench: Bench) -> None:
    bench.account.hold(BTC, "3")
    bench.exchange.fault(CLOSE, drop=True)
    course = bench.run()
    assert course.reached and [order["came_to"] for order in course.closed] == [flatten.NEVER_ARRIVED, "accepted"]
    first, second = bench.closing()
    assert first == second


@pytest.mark.parametrize(
    "answer",
    [
        refusal("51149", 500),
        refusal("51149"),
        refusal("50004"),
        Answer({"code": "51054", "msg": "Request timed out", "data": []}, 500),
        Answer({"code": "50013", "msg": "Systems are busy", "data": []}, 429),
        Answer({"code": "50001", "msg": "Service temporarily unavailable", "data": []}, 503),
        Answer("<html>bad gateway</html>", 502, {"content-type": "text/html"}),
    ],
)
def test_an_answer_that_leaves_open_whether_it_was_done_is_looked_up(bench: Bench, answer: Answer) -> None:
    bench.account.hold(BTC, "3")
    bench.exchange.fault(CLOSE, answer=answer)
    course = bench.run()
    assert course.reached and course.refusals == []
    assert [order["came_to"] for order in course.closed] == [flatten.NEVER_ARRIVED, "accepted"]
    assert [request.method for request in bench.asked("trade/order")] == ["POST", "GET", "GET", "POST"]


def test_an_id_that_the_exchange_has_had_is_not_used_again(bench: Bench) -> None:
    bench.account.hold(BTC, "3")
    bench.exchange.fault(CLOSE, answer=refusal("51016"))
    course = bench.run()
    assert course.reached and course.closed[0]["came_to"] == "there already"
    assert len({order["clOrdId"] for order in bench.closing()}) == 2


@pytest.mark.parametrize("code", ["51206", "51010", "51155", "51004"])
def test_an_order_that_is_refused_does_not_keep_the_others_from_being_closed(bench: Bench, code: str) -> None:
    bench.account.hold(BTC, "3")
    bench.account.hold(ETH, "300")
    bench.exchange.fault(f'{CLOSE}.*"{ETH}"', answer=refusal(code), times=None)
    course = bench.run(seconds=1.5)
    assert not course.reached and bench.account.position(BTC) == 0 and code in course.refusals[0]
    assert course.after is not None and [left.symbol for left in course.after.positions] == ["ETH/USDT:USDT"]


def test_reads_are_asked_again_until_the_exchange_is_back(bench: Bench) -> None:
    bench.account.hold(BTC, "3")
    for path in ("public/instruments", "account/positions", "trade/orders-pending", "ordType=twap"):
        bench.exchange.fault(path, answer=Answer("", 503), times=2)
        bench.exchange.fault(path, drop=True, skip=2)
    assert bench.run().reached


def test_a_cancellation_whose_answer_is_lost_shows_in_the_next_reading(bench: Bench) -> None:
    for number in range(25):
        bench.account.rest(BTC, BUY, "1", price=Decimal(5), client_id=f"c{number}")
    bench.exchange.fault(CANCEL, lose=True)
    course = bench.run()
    assert course.reached and course.rounds == 2


def test_a_rate_limit_between_two_batches_does_not_leave_the_second_one(bench: Bench) -> None:
    for _number in range(30):
        bench.account.rest(BTC, BUY, "1", price=Decimal(5))
    too_many = Answer({"code": "50011", "msg": "Too Many Requests", "data": []}, 429, {"Retry-After": "0.01"})
    bench.exchange.fault(CANCEL, skip=1, answer=too_many)
    course = bench.run()
    assert course.reached and course.rounds == 1 and course.refusals == []


def test_a_key_that_is_taken_away_on_the_way_ends_it_with_what_is_left(bench: Bench) -> None:
    bench.account.hold(BTC, "3")
    bench.exchange.fault(CLOSE, before=bench.exchange.keys.clear)
    course = bench.run()
    assert course.problem.startswith("the credentials were refused") and "50111" in course.problem


# Whose account it is


def test_50101_tells_for_certain_that_a_key_is_of_the_other_environment(bench: Bench) -> None:
    bench.exchange.add_key(Key("key-2", "secret-2", "demo", Account(markets()), "phrase-2"))
    of = {"api_key": "key-2", "api_secret": "secret-2", "api_passphrase": "phrase-2"}
    deadline = time.monotonic() + 10
    assert Claim("okx", "demo", bench.url, of).check(deadline) == ["production"]
    with pytest.raises(OperationError, match=r"not of production, they are of demo \(.*50101"):
        Claim("okx", "production", bench.url, of).check(deadline)
    asked = {(request.method, request.target) for _at, request in bench.exchange.asked}
    assert asked == {("GET", "/api/v5/trade/orders-pending?instType=SWAP&limit=1")}


def test_a_key_that_is_refused_from_here_is_not_said_to_be_of_no_environment(bench: Bench) -> None:
    bench.exchange.add_key(Key("key-2", "secret-2", "production", Account(markets()), "phrase-2", from_here=False))
    of = {"api_key": "key-2", "api_secret": "secret-2", "api_passphrase": "phrase-2"}
    with pytest.raises(OperationError, match=r"cannot be read \(.*50110.*; it refuses this key from here") as raised:
        Claim("okx", "production", bench.url, of).check(time.monotonic() + 10)
    assert not isinstance(raised.value, WrongKey)


def test_the_header_of_the_demo_is_sent_there_alone() -> None:
    client = ccxt.okx({"headers": {"X-Simulated-Trading": "1", "other": "stays"}})
    Module.point(client, "production", "http://127.0.0.1:1")
    assert client.headers == {"other": "stays"}
    Module.point(client, "demo", "http://127.0.0.1:1")
    assert client.headers == {"other": "stays", "x-simulated-trading": "1"}
    assert client.sign("public/time")["url"] == "http://127.0.0.1:1/api/v5/public/time"


@pytest.mark.parametrize(
    ("of", "code"), [({"apiKey": "key-9"}, "50111"), ({"secret": "x"}, "50113"), ({"password": "x"}, "50105")]
)
def test_credentials_that_are_wrong_are_told_apart(bench: Bench, of: dict[str, str], code: str) -> None:
    venue = bench.venue(keys={**KEYS, **of})
    with pytest.raises(WrongKey, match=code):
        venue.calls.read(venue.probe)
