# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The emulator of Bybit is one for ccxt: what it takes, what it refuses, and by which codes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import ccxt
import pytest

from tests.peers.exchange.books import BUY, LONG, SELL, SHORT, Account
from tests.peers.exchange.bybit import Bybit
from tests.peers.exchange.bybit_forms import markets
from tests.peers.exchange.server import Exchange, Key, serving
from tests.peers.exchange.wire import Answer, Request

BTC, USDC, INVERSE = "BTC/USDT:USDT", "BTC/USDC:USDC", "BTC/USD:BTC"


class World:
    """An exchange with one account, and what reaches it."""

    def __init__(self, url: str, exchange: Exchange, account: Account, key: Key) -> None:
        self.url = url
        self.exchange = exchange
        self.account = account
        self.key = key

    def client(self, place: str = "production", **of: Any) -> Any:
        """A ccxt client as a bot has it: nothing is switched off but the throttle."""
        client = ccxt.bybit({"apiKey": self.key.id, "secret": self.key.secret, "enableRateLimit": False, **of})
        client.urls["api"] = dict.fromkeys(client.urls["api"], f"{self.url}/{place}")
        return client

    @property
    def requests(self) -> list[Request]:
        return [request for _at, request in self.exchange.asked]


@pytest.fixture
def world() -> Iterator[World]:
    exchange = Exchange(Bybit())
    account = Account(markets())
    key = exchange.add_key(Key("key-of-production", "secret-1", "production", account))
    exchange.add_key(Key("key-of-demo", "secret-2", "demo", Account(markets())))
    with serving(exchange) as url:
        yield World(url, exchange, account, key)


def code_of(error: pytest.ExceptionInfo[Exception]) -> int:
    said: dict[str, Any] = json.loads(str(error.value).partition(" ")[2])
    return int(said["retCode"])


def row(client: Any) -> dict[str, Any]:
    """A market order that reduces a long position."""
    return {
        "category": "linear",
        "symbol": "BTCUSDT",
        "positionIdx": 0,
        "side": "Sell",
        "orderType": "Market",
        "qty": "0.5",
        "reduceOnly": True,
        "orderLinkId": client.uuid(),
    }


# What ccxt's unified methods find


def test_that_ccxt_reads_markets_balance_positions_and_orders(world: World) -> None:
    world.account.hold("BTCUSDT", "0.5")
    world.account.rest("BTCUSDT", SELL, "0.2", price=Decimal(70000), reduce_only=True)
    world.account.rest("BTCUSDT", SELL, "0.5", trigger=Decimal(50000), reduce_only=True)
    client = world.client()
    assert {BTC, USDC, INVERSE} <= set(client.load_markets())
    assert client.market(INVERSE)["inverse"] and client.market(USDC)["settle"] == "USDC"
    assert client.fetch_balance()["USDT"]["total"] == 10000
    assert [(it["symbol"], it["side"], it["contracts"]) for it in client.fetch_positions()] == [(BTC, "long", 0.5)]
    assert len(client.fetch_open_orders()) == 2
    assert [it["triggerPrice"] for it in client.fetch_open_orders(params={"trigger": True})] == [50000.0]
    assert client.create_order(BTC, "market", "sell", 0.5, params={"reduceOnly": True})["id"]
    assert world.account.position("BTCUSDT") == 0


def test_that_unified_positions_miss_usdc_and_inverse(world: World) -> None:
    world.account.hold("BTCPERP", "0.5")
    world.account.hold("BTCUSD", "-100")
    assert world.client().fetch_positions() == []


def test_that_inverse_positions_need_no_symbol_and_linear_ones_a_coin(world: World) -> None:
    world.account.hold("BTCUSD", "-100")
    world.account.hold("ETHUSD", "10")
    client = world.client()
    there = client.private_get_v5_position_list({"category": "inverse"})["result"]["list"]
    assert [(it["symbol"], it["side"], it["size"]) for it in there] == [
        ("BTCUSD", "Sell", "100"),
        ("ETHUSD", "Buy", "10"),
    ]
    assert Decimal(there[0]["positionValue"]) == Decimal(100) / 60000  # in the coin that it settles in
    with pytest.raises(ccxt.BadRequest):
        client.private_get_v5_position_list({"category": "linear"})
    with pytest.raises(ccxt.BadRequest):
        client.private_get_v5_order_realtime({"category": "linear"})


def test_that_a_page_with_rows_names_a_next_one(world: World) -> None:
    for _number in range(7):
        world.account.rest("BTCUSDT", SELL, "0.1", price=Decimal(70000), reduce_only=True)
    client, cursor, pages = world.client(), "", []
    while True:
        asked = {"category": "linear", "symbol": "BTCUSDT", "limit": 3, **({"cursor": cursor} if cursor else {})}
        result = client.private_get_v5_order_realtime(asked)["result"]
        pages.append([it["orderId"] for it in result["list"]])
        cursor = result["nextPageCursor"]
        if not cursor:
            break
        assert "%" in cursor  # it comes encoded, and is signed and sent as it came
    assert [len(page) for page in pages] == [3, 3, 1, 0]
    assert len({order for page in pages for order in page}) == 7


# Who may ask


@pytest.mark.parametrize(
    ("place", "of", "error", "code"),
    [
        ("testnet", {}, ccxt.AuthenticationError, 10003),
        ("demo", {}, ccxt.AuthenticationError, 10003),
        ("production", {"apiKey": "nobody"}, ccxt.AuthenticationError, 10003),
        ("production", {"apiKey": "key-of-demo", "secret": "secret-2"}, ccxt.AuthenticationError, 10003),
        ("production", {"secret": "another"}, ccxt.AuthenticationError, 10004),
    ],
)
def test_that_a_key_is_good_in_one_environment(
    world: World, place: str, of: Any, error: type[Exception], code: int
) -> None:
    with pytest.raises(error) as raised:
        world.client(place, **of).private_get_v5_account_info()
    assert code_of(raised) == code
    assert world.client("demo", apiKey="key-of-demo", secret="secret-2").private_get_v5_account_info()


@pytest.mark.parametrize(("skew", "taken"), [(4, True), (6, False), (-0.5, True), (-2, False)])
def test_that_a_timestamp_may_be_late_by_the_window_and_early_by_a_second(
    world: World, skew: float, taken: bool
) -> None:
    world.exchange.skew = skew
    client = world.client()
    if taken:
        client.private_get_v5_account_info()
        return
    with pytest.raises(ccxt.InvalidNonce) as raised:
        client.private_get_v5_account_info()
    assert code_of(raised) == 10002
    client.load_time_difference()
    client.private_get_v5_account_info()


def test_that_what_is_not_signed_is_refused(world: World) -> None:
    def said(request: Request) -> int:
        answer = Bybit().answer(world.exchange, request)
        return int(answer.content["retCode"])

    assert said(Request("GET", "production", "/v5/account/info", "", {})) == 10001
    assert said(Request("GET", "production", "/v5/nothing", "", {})) == 10017
    assert said(Request("GET", "demo", "/v5/user/query-api", "", {})) == 10032


def test_that_one_request_too_many_says_when_to_come_back(world: World) -> None:
    world.exchange.limit, world.exchange.window = 1, 0.5
    client = world.client()
    client.private_get_v5_account_info()
    assert client.last_response_headers["X-Bapi-Limit-Status"] == "0"
    with pytest.raises(ccxt.RateLimitExceeded) as raised:
        client.private_get_v5_account_info()
    assert code_of(raised) == 10006
    until = int(client.last_response_headers["X-Bapi-Limit-Reset-Timestamp"])
    assert 0 < until - world.exchange.now() <= 500
    time.sleep(0.55)
    client.private_get_v5_account_info()


# What an order may be


@pytest.mark.parametrize(
    ("of", "code"),
    [
        ({"qty": "0.0005"}, 10001),
        ({"qty": "101"}, 10001),
        ({"qty": "0"}, 10001),
        ({"positionIdx": 1}, 10001),
        ({"symbol": "NOSUCH"}, 10001),
        ({"category": "inverse"}, 10001),
        ({"orderLinkId": "x" * 37}, 10001),
        ({"side": "Buy"}, 110017),
        ({"symbol": "ETHUSDT"}, 110017),
        ({"slippageToleranceType": "Percent", "slippageTolerance": "11"}, 110109),
    ],
)
def test_that_an_order_is_refused_by_its_code(world: World, of: dict[str, Any], code: int) -> None:
    world.account.hold("BTCUSDT", "200")
    client = world.client()
    with pytest.raises(ccxt.ExchangeError) as raised:
        client.private_post_v5_order_create({**row(client), **of})
    assert code_of(raised) == code
    assert world.account.violations == [] and world.account.fills == []


def test_that_an_order_that_opens_is_refused_and_noted(world: World) -> None:
    client = world.client()
    with pytest.raises(ccxt.InsufficientFunds):
        client.private_post_v5_order_create({**row(client), "reduceOnly": False})
    assert len(world.account.violations) == 1


def test_that_a_client_id_is_good_once_whatever_became_of_its_order(world: World) -> None:
    world.account.hold("BTCUSDT", "1")
    client = world.client()
    order = row(client)
    client.private_post_v5_order_create(order)
    with pytest.raises(ccxt.InvalidOrder) as raised:
        client.private_post_v5_order_create(order)
    assert code_of(raised) == 110072
    assert world.account.position("BTCUSDT") == Decimal("0.5")


def test_that_zero_closes_whatever_is_there(world: World) -> None:
    world.account.hold("BTCUSDT", "0.0005")
    client = world.client()
    client.private_post_v5_order_create({**row(client), "qty": "0", "closeOnTrigger": True})
    assert world.account.flat and world.account.violations == []


def test_that_hedge_mode_takes_a_side_and_no_reduce_only(world: World) -> None:
    world.account.hedge = True
    world.account.hold("BTCUSDT", "1", LONG)
    world.account.hold("BTCUSDT", "1", SHORT)
    client = world.client()
    order = row(client)
    for of in ({}, {"positionIdx": 1}):
        with pytest.raises(ccxt.BadRequest):
            client.private_post_v5_order_create({**order, **of})
    client.private_post_v5_order_create({**order, "positionIdx": 1, "reduceOnly": False, "qty": "1"})
    assert world.account.position("BTCUSDT", LONG) == 0 and world.account.position("BTCUSDT", SHORT) == 1


def test_that_stops_of_a_position_go_with_it(world: World) -> None:
    world.account.hold("BTCUSDT", "0.5")
    world.account.rest("BTCUSDT", SELL, "0", trigger=Decimal(50000), family="StopLoss", whole=True)
    stop = world.account.rest("BTCUSDT", SELL, "1", trigger=Decimal(50000), family="Stop", reduce_only=True)
    client = world.client()
    client.private_post_v5_order_create(row(client))
    assert world.account.open_orders(conditional=True) == [stop]


# Cancelling


def test_that_cancel_all_is_acknowledged_first_and_done_later(world: World) -> None:
    bybit = world.exchange.venue = Bybit(settles=0.3)
    world.account.hold("BTCUSDT", "1")
    world.account.rest("BTCUSDT", SELL, "1", price=Decimal(70000), reduce_only=True)
    client = world.client()
    client.load_markets()
    told = client.private_post_v5_order_cancel_all({"category": "linear", "symbol": "BTCUSDT"})
    assert told["result"]["success"] == "1" and len(told["result"]["list"]) == 1
    assert len(client.fetch_open_orders()) == 1
    time.sleep(bybit.settles + 0.05)
    assert client.fetch_open_orders() == []


def test_that_cancel_all_takes_at_most_500_of_a_kind_and_needs_to_know_where(world: World) -> None:
    for _number in range(501):
        world.account.rest("BTCUSDT", SELL, "0.001", price=Decimal(70000), reduce_only=True)
    world.account.rest("BTCUSDT", SELL, "0.001", trigger=Decimal(50000), reduce_only=True)
    client = world.client()
    with pytest.raises(ccxt.BadRequest):
        client.private_post_v5_order_cancel_all({"category": "linear"})
    client.private_post_v5_order_cancel_all({"category": "linear", "settleCoin": "USDT", "orderFilter": "Order"})
    assert len(world.account.open_orders(conditional=False)) == 1
    assert len(world.account.open_orders(conditional=True)) == 1


def test_that_an_order_that_is_gone_cannot_be_cancelled(world: World) -> None:
    order = world.account.rest("BTCUSDT", BUY, "0.1", price=Decimal(50000))
    client = world.client()
    client.cancel_order(order.id, BTC)
    with pytest.raises(ccxt.OrderNotFound):
        client.cancel_order(order.id, BTC)


# What is not the exchange's


def test_that_a_proxys_page_is_no_answer_of_the_exchange(world: World) -> None:
    world.exchange.fault("/v5/account/info", answer=Answer("<html>", 502, {"content-type": "text/html"}))
    with pytest.raises(ccxt.ExchangeNotAvailable):
        world.client().private_get_v5_account_info()
