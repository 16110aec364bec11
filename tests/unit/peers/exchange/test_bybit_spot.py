# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The emulator of Bybit speaks of spot to ccxt: what it takes, what it refuses, and by which codes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import ccxt
import pytest

from tests.peers.exchange.books import BUY, SELL, Account
from tests.peers.exchange.bybit import Bybit
from tests.peers.exchange.bybit_forms import markets
from tests.peers.exchange.bybit_spot import wallet as coins
from tests.peers.exchange.server import Exchange, Key, serving
from tests.peers.exchange.wallet import Wallet

BTC = "BTC/USDT"
SELLS = {
    "category": "spot",
    "symbol": "BTCUSDT",
    "side": "Sell",
    "orderType": "Market",
    "qty": "0.5",
    "orderLinkId": "mine",
}


class World:
    """An exchange with one account that has contracts and coins."""

    def __init__(self, url: str, exchange: Exchange, key: Key) -> None:
        self.url = url
        self.exchange = exchange
        self.key = key
        self.account: Account = key.account
        self.wallet: Wallet = key.wallet

    def client(self, place: str = "production", **of: Any) -> Any:
        """A ccxt client as a bot has it: nothing is switched off but the throttle."""
        client = ccxt.bybit({"apiKey": self.key.id, "secret": self.key.secret, "enableRateLimit": False, **of})
        client.urls["api"] = dict.fromkeys(client.urls["api"], f"{self.url}/{place}")
        return client


@pytest.fixture
def world() -> Iterator[World]:
    exchange = Exchange(Bybit())
    key = exchange.add_key(Key("key-of-production", "secret-1", "production", Account(markets()), wallet=coins()))
    exchange.add_key(Key("key-of-testnet", "secret-2", "testnet", Account(markets()), wallet=coins()))
    key.wallet.hold("BTC", "0.5")
    key.wallet.hold("USDT", "1000")
    with serving(exchange) as url:
        yield World(url, exchange, key)


def code_of(error: pytest.ExceptionInfo[Exception]) -> int:
    said: dict[str, Any] = json.loads(str(error.value).partition(" ")[2])
    return int(said["retCode"])


# What ccxt's unified methods find


def test_that_ccxt_reads_markets_balance_orders_and_offers(world: World) -> None:
    world.wallet.rest("BTCUSDT", SELL, "0.2", price=Decimal(70000))
    world.wallet.rest("BTCUSDT", SELL, "0.1", trigger=Decimal(50000), family="tpslOrder")
    world.wallet.rest("BTCUSDT", SELL, "0.5", trigger=Decimal(50000), family="StopOrder")
    world.wallet.rest("ETHUSDT", BUY, "0.1", price=Decimal(2000))
    client = world.client()
    assert {BTC, "ETH/USDT", "BTC/USDT:USDT", "BTC/USD:BTC"} <= set(client.load_markets())
    limits = client.market(BTC)["limits"]
    assert (limits["amount"]["min"], limits["cost"]["min"], client.market(BTC)["spot"]) == (0.000011, 5, True)
    balance = client.fetch_balance()
    assert balance["BTC"] | {"debt": 0} == {"free": 0.2, "used": 0.3, "total": 0.5, "debt": 0}
    assert balance["USDT"]["free"] == 800
    assert len(client.fetch_open_orders(BTC)) == 3
    assert len(client.fetch_open_orders(params={"type": "spot"})) == 4
    assert [it["amount"] for it in client.fetch_open_orders(BTC, params={"trigger": True})] == [0.5]
    assert [it["amount"] for it in client.fetch_open_orders(BTC, params={"orderFilter": "tpslOrder"})] == [0.1]
    book = client.fetch_order_book(BTC)
    assert (book["bids"], book["asks"]) == ([[60000, 83]], [[60000.1, 83]])
    assert client.fetch_order_book("BTC/USD:BTC")["bids"] == [[60000, 1000000]]


def test_that_contracts_and_coins_of_one_name_are_apart(world: World) -> None:
    world.account.hold("BTCUSDT", "2")
    of_position = world.account.rest("BTCUSDT", SELL, "1", price=Decimal(70000), reduce_only=True)
    of_coins = world.wallet.rest("BTCUSDT", SELL, "0.2", price=Decimal(70000))
    client = world.client()
    assert [it["id"] for it in client.fetch_open_orders("BTC/USDT:USDT")] == [of_position.id]
    assert [it["id"] for it in client.fetch_open_orders(BTC)] == [of_coins.id]
    with pytest.raises(ccxt.BadRequest):
        client.private_get_v5_position_list({"category": "spot", "symbol": "BTCUSDT"})
    client.cancel_all_orders(BTC)
    assert world.account.open_orders() == [of_position]
    client.create_order(BTC, "market", "sell", 0.5)
    assert world.account.position("BTCUSDT") == 2 and world.wallet.balance("BTC") == 0


def test_that_ccxt_sells_what_is_held_and_looks_it_up(world: World) -> None:
    client = world.client()
    client.create_order(BTC, "market", "sell", 0.5, params={"clientOrderId": "mine"})
    found = client.private_get_v5_order_realtime({"category": "spot", "symbol": "BTCUSDT", "orderLinkId": "mine"})
    order = client.parse_order(found["result"]["list"][0], client.market(BTC))
    assert (order["status"], order["filled"], order["cost"], order["average"]) == ("closed", 0.5, 30000, 60000)
    assert client.fetch_order(order["id"], BTC, {"acknowledged": True})["clientOrderId"] == "mine"
    history = client.private_get_v5_order_history({"category": "spot", "orderLinkId": "mine"})["result"]["list"]
    assert [it["orderId"] for it in history] == [order["id"]]
    assert client.fetch_balance()["USDT"]["total"] == 31000
    assert world.wallet.flat and world.wallet.violations == []


def test_that_a_part_that_was_filled_has_a_state_of_its_own(world: World) -> None:
    world.wallet.depth = lambda _order: Decimal("0.2")
    client = world.client()
    client.create_order(BTC, "market", "sell", 0.5, params={"clientOrderId": "mine"})
    asked = {"category": "spot", "symbol": "BTCUSDT", "orderLinkId": "mine"}
    (row,) = client.private_get_v5_order_realtime(asked)["result"]["list"]
    assert (row["orderStatus"], row["cumExecQty"], row["leavesQty"]) == ("PartiallyFilledCanceled", "0.2", "0")


# Who may ask


@pytest.mark.parametrize(
    ("place", "of", "code"),
    [
        ("testnet", {}, 10003),
        ("production", {"apiKey": "nobody"}, 10003),
        ("production", {"apiKey": "key-of-testnet", "secret": "secret-2"}, 10003),
        ("production", {"secret": "another"}, 10004),
    ],
)
def test_that_a_key_is_good_in_one_environment(world: World, place: str, of: dict[str, str], code: int) -> None:
    with pytest.raises(ccxt.AuthenticationError) as raised:
        world.client(place, **of).private_post_v5_order_create(SELLS)
    assert code_of(raised) == code and world.wallet.fills == []


def test_that_a_clock_that_is_off_is_refused_until_it_is_set(world: World) -> None:
    world.exchange.skew = 3600
    client = world.client()
    with pytest.raises(ccxt.InvalidNonce) as raised:
        client.private_get_v5_account_wallet_balance({"accountType": "UNIFIED"})
    assert code_of(raised) == 10002
    client.load_time_difference()
    assert client.fetch_balance()["BTC"]["total"] == 0.5


def test_that_one_request_too_many_is_refused(world: World) -> None:
    client, world.exchange.limit = world.client(), 1
    client.private_get_v5_account_wallet_balance({"accountType": "UNIFIED"})
    with pytest.raises(ccxt.RateLimitExceeded) as raised:
        client.private_post_v5_order_create(SELLS)
    assert code_of(raised) == 10006 and world.wallet.fills == []
    assert client.last_response_headers["X-Bapi-Limit-Status"] == "0"


# What an order may be


@pytest.mark.parametrize(
    ("of", "code"),
    [
        ({"symbol": "NOSUCH"}, 170121),
        ({"symbol": "BTCPERP"}, 170121),
        ({"qty": "0.1234567"}, 170137),
        ({"qty": "0.00001"}, 170136),
        ({"qty": "84"}, 170135),
        ({"qty": "0.00008"}, 170140),
        ({"qty": "0.500001"}, 170131),
        ({"orderLinkId": "there"}, 170141),
        ({"orderFilter": "Other"}, 170202),
        ({"orderFilter": "tpslOrder"}, 170203),
        ({"orderType": "Limit"}, 10001),
        ({"orderLinkId": "not.one"}, 10001),
    ],
)
def test_that_an_order_is_refused_by_its_code(world: World, of: dict[str, str], code: int) -> None:
    gone = world.wallet.rest("BTCUSDT", SELL, "0.1", price=Decimal(70000), client_id="there")
    world.wallet.cancel(gone)
    with pytest.raises(ccxt.ExchangeError) as raised:
        world.client().private_post_v5_order_create({**SELLS, **of})
    assert code_of(raised) == code
    assert world.wallet.fills == [] and world.wallet.violations == []


def test_that_who_buys_or_borrows_is_refused_and_noted(world: World) -> None:
    client = world.client()
    with pytest.raises(ccxt.InsufficientFunds) as raised:
        client.create_order(BTC, "market", "buy", 0.01)
    assert code_of(raised) == 170131
    with pytest.raises(ccxt.InsufficientFunds):
        client.create_order(BTC, "market", "buy", 0.01, 60000)  # for a sum
    with pytest.raises(ccxt.InsufficientFunds):
        client.create_order(BTC, "limit", "buy", 0.01, 50000)
    with pytest.raises(ccxt.InsufficientFunds):
        client.create_order(BTC, "market", "sell", 0.1, params={"isLeverage": 1})
    assert [it.rpartition(": ")[2] for it in world.wallet.violations] == ["buys", "buys", "buys", "borrows"]
    assert world.wallet.violations[1].startswith("buy 0.01")
    assert world.wallet.fills == [] and world.wallet.open_orders() == []


def test_that_what_an_order_locks_can_be_sold_after_it_is_cancelled(world: World) -> None:
    waiting = world.wallet.rest("BTCUSDT", SELL, "0.2", price=Decimal(70000))
    target = world.wallet.rest("BTCUSDT", SELL, "0.1", trigger=Decimal(80000), family="tpslOrder")
    idle = world.wallet.rest("BTCUSDT", SELL, "0.5", trigger=Decimal(50000), family="StopOrder")
    client = world.client()
    with pytest.raises(ccxt.InsufficientFunds) as raised:
        client.create_order(BTC, "market", "sell", 0.5)
    assert code_of(raised) == 170131
    client.cancel_order(waiting.id, BTC)
    with pytest.raises(ccxt.InsufficientFunds):
        client.create_order(BTC, "market", "sell", 0.5)
    with pytest.raises(ccxt.OrderNotFound):  # it is none of the regular ones
        client.cancel_order(target.id, BTC)
    client.cancel_order(target.id, BTC, {"orderFilter": "tpslOrder"})
    client.create_order(BTC, "market", "sell", 0.5)
    client.cancel_order(idle.id, BTC, {"trigger": True})
    assert world.wallet.flat and world.wallet.violations == []


def test_that_ccxt_places_orders_that_wait(world: World) -> None:
    client = world.client()
    client.create_order(BTC, "limit", "sell", 0.1, 70000)
    client.create_order(BTC, "market", "sell", 0.1, params={"triggerPrice": 50000})
    client.create_order(BTC, "market", "sell", 0.1, params={"stopLossPrice": 50000})
    client.create_order(BTC, "limit", "sell", 0.1, 59000, {"timeInForce": "IOC"})
    client.create_order(BTC, "limit", "sell", 0.1, 60001, {"timeInForce": "IOC"})
    assert [order.family for order in world.wallet.open_orders()] == ["", "StopOrder", "tpslOrder"]
    assert (world.wallet.balance("BTC"), world.wallet.locked("BTC")) == (Decimal("0.4"), Decimal("0.2"))


# Cancelling


def test_that_cancel_all_leaves_what_waits_for_a_trigger_unless_it_names_it(world: World) -> None:
    world.wallet.rest("BTCUSDT", SELL, "0.2", price=Decimal(70000))
    other = world.wallet.rest("ETHUSDT", BUY, "0.1", price=Decimal(2000))
    target = world.wallet.rest("BTCUSDT", SELL, "0.1", trigger=Decimal(80000), family="tpslOrder")
    idle = world.wallet.rest("BTCUSDT", SELL, "0.5", trigger=Decimal(50000), family="StopOrder")
    client = world.client()
    client.cancel_all_orders(BTC)
    assert world.wallet.open_orders() == [other, target, idle]
    client.cancel_all_orders(BTC, {"trigger": True})
    assert world.wallet.open_orders() == [other, target]
    client.cancel_all_orders(BTC, {"orderFilter": "tpslOrder"})
    assert world.wallet.open_orders() == [other]
    client.cancel_all_orders(None, {"type": "spot"})  # of all markets
    assert world.wallet.open_orders() == []


def test_that_a_cancellation_is_acknowledged_first_and_done_later(world: World) -> None:
    world.exchange.venue = Bybit(settles=0.5)
    order = world.wallet.rest("BTCUSDT", SELL, "0.5", price=Decimal(70000))
    client = world.client()
    client.load_markets()
    client.cancel_order(order.id, BTC)
    with pytest.raises(ccxt.InsufficientFunds):
        client.create_order(BTC, "market", "sell", 0.5)
    time.sleep(0.6)
    client.create_order(BTC, "market", "sell", 0.5)


def test_that_an_order_that_is_gone_cannot_be_cancelled(world: World) -> None:
    order = world.wallet.rest("BTCUSDT", SELL, "0.1", price=Decimal(70000))
    client = world.client()
    client.cancel_order(order.id, BTC)
    with pytest.raises(ccxt.OrderNotFound) as raised:
        client.cancel_order(order.id, BTC)
    assert code_of(raised) == 170213


def test_that_an_order_whose_answer_is_lost_is_found_by_its_client_id(world: World) -> None:
    world.exchange.fault("^POST /v5/order/create", lose=True)
    client = world.client()
    with pytest.raises(ccxt.NetworkError):
        client.private_post_v5_order_create(SELLS)
    asked = {"category": "spot", "symbol": "BTCUSDT", "orderLinkId": "mine"}
    (row,) = client.private_get_v5_order_realtime(asked)["result"]["list"]
    assert row["orderStatus"] == "Filled" and world.wallet.fills == [("mine", Decimal("0.5"))]
    with pytest.raises(ccxt.InvalidOrder) as raised:
        client.private_post_v5_order_create(SELLS)
    assert code_of(raised) == 170141


SIGNED = [
    ("GET", "v5/account/wallet-balance", {"accountType": "UNIFIED"}),
    ("GET", "v5/order/realtime", {"category": "spot"}),
    ("GET", "v5/order/realtime", {"category": "spot", "symbol": "BTCUSDT", "orderFilter": "tpslOrder", "limit": 50}),
    ("GET", "v5/order/history", {"category": "spot", "symbol": "BTCUSDT", "orderLinkId": "mine"}),
    ("POST", "v5/order/create", SELLS | {"qty": "0.1", "marketUnit": "baseCoin"}),
    ("POST", "v5/order/cancel", {"category": "spot", "symbol": "BTCUSDT", "orderId": "2000001"}),
    ("POST", "v5/order/cancel-all", {"category": "spot", "symbol": "BTCUSDT", "orderFilter": "Order"}),
]


@pytest.mark.parametrize(("method", "path", "asked"), SIGNED)
def test_that_a_request_arrives_byte_for_byte_as_it_was_signed(
    world: World, method: str, path: str, asked: dict[str, Any]
) -> None:
    world.wallet.rest("BTCUSDT", SELL, "0.1", price=Decimal(70000))
    client, oracle, now = world.client(), world.client(), world.exchange.now()
    client.milliseconds = oracle.milliseconds = lambda: now
    assert client.request(path, ["private"], method, dict(asked))["retCode"] == 0
    signed = oracle.sign(path, ["private"], method, dict(asked))
    _at, request = world.exchange.asked[-1]
    assert f"{world.url}/{request.place}{request.target}" == signed["url"]
    assert request.body == (signed["body"] or "").encode()
    for name, value in signed["headers"].items():
        assert request.headers[name.lower()] == value
