# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The emulated OKX speaks of spot to ccxt: what it takes, and what it refuses as OKX does."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import ccxt
import pytest

from tests.peers.exchange.books import BUY, SELL, Account
from tests.peers.exchange.okx import Okx, markets, sign
from tests.peers.exchange.okx_spot import wallet as coins
from tests.peers.exchange.server import Exchange, Key, serving
from tests.peers.exchange.wallet import Wallet

BTC = "BTC/USDT"
SELLS = {
    "instId": "BTC-USDT",
    "tdMode": "cash",
    "side": "sell",
    "ordType": "market",
    "sz": "0.5",
    "clOrdId": "mine",
}


@pytest.fixture
def exchange() -> Exchange:
    exchange = Exchange(Okx())
    exchange.add_key(Key("key-1", "secret-1", "production", Account(markets()), "phrase-1", coins()))
    exchange.add_key(Key("key-2", "secret-2", "demo", Account(markets()), "phrase-2", coins()))
    return exchange


@pytest.fixture
def url(exchange: Exchange) -> Iterator[str]:
    with serving(exchange) as url:
        yield url


@pytest.fixture
def wallet(exchange: Exchange) -> Wallet:
    wallet = exchange.keys["key-1"].wallet
    wallet.hold("BTC", "0.5")
    wallet.hold("USDT", "1000")
    return wallet


def client_at(url: str, environment: str = "production", **of: Any) -> Any:
    """With the key of production, unless another is given."""
    client = ccxt.okx({"apiKey": "key-1", "secret": "secret-1", "password": "phrase-1", **of})
    client.urls["api"] = {"rest": url}
    client.enableRateLimit = False
    client.has["fetchCurrencies"] = False
    client.options["fetchMarkets"] = {"types": ["spot", "swap"]}
    if environment == "demo":
        client.headers = {**client.headers, "x-simulated-trading": "1"}
    return client


def code_of(raised: pytest.ExceptionInfo[Exception]) -> str:
    """Of the order, else of the answer as a whole."""
    said: dict[str, Any] = json.loads(str(raised.value).partition(" ")[2])
    return str(said["data"][0]["sCode"] if said["data"] else said["code"])


def test_ccxt_reads_all_there_is(url: str, wallet: Wallet) -> None:
    wallet.rest("BTC-USDT", SELL, "0.2", price=Decimal(70000))
    wallet.rest("BTC-USDT", SELL, "0.1", trigger=Decimal(50000), family="conditional")
    wallet.rest("BTC-USDT", SELL, "0.5", trigger=Decimal(50000), family="trigger")
    wallet.rest("ETH-USDT", BUY, "0.1", price=Decimal(2000))
    client = client_at(url)
    assert {BTC, "ETH/USDT", "BTC/USDT:USDT", "BTC/USD:BTC"} <= set(client.load_markets())
    limits = client.market(BTC)["limits"]
    assert (client.market(BTC)["spot"], limits["amount"]["min"], limits["cost"]["max"]) == (True, 0.00001, 960000)
    balance = client.fetch_balance()
    assert balance["BTC"] == {"free": 0.2, "used": 0.3, "total": 0.5}
    assert balance["USDT"]["free"] == 800
    assert [it["ccy"] for it in client.private_get_account_balance({"ccy": "BTC"})["data"][0]["details"]] == ["BTC"]
    assert {(it["symbol"], it["amount"]) for it in client.fetch_open_orders()} == {(BTC, 0.2), ("ETH/USDT", 0.1)}
    for family, amount in (("conditional", 0.1), ("trigger", 0.5)):
        (order,) = client.fetch_open_orders(BTC, params={"ordType": family})
        assert (order["amount"], order["info"]["instType"], order["info"]["tdMode"]) == (amount, "SPOT", "cash")
    book = client.fetch_order_book(BTC)
    assert (book["bids"], book["asks"]) == ([[60000, 16, 0]], [[60000.1, 16, 0]])
    with pytest.raises(ccxt.BadSymbol, match="51001"):
        client.public_get_market_books({"instId": "XRP-USDT"})


def test_contracts_and_coins_are_apart(exchange: Exchange, url: str, wallet: Wallet) -> None:
    account = exchange.keys["key-1"].account
    account.hold("BTC-USDT-SWAP", "5")
    of_position = account.rest("BTC-USDT-SWAP", SELL, "1", price=Decimal(70000), reduce_only=True)
    of_coins = wallet.rest("BTC-USDT", SELL, "0.2", price=Decimal(70000))
    client = client_at(url)

    def listed(**asked: str) -> list[str]:
        return [row["ordId"] for row in client.private_get_trade_orders_pending(asked)["data"]]

    assert listed(instType="SPOT") == listed(instId="BTC-USDT") == [of_coins.id]
    assert listed(instType="SWAP") == [of_position.id]
    assert listed() == [of_coins.id, of_position.id]
    assert [it["symbol"] for it in client.fetch_positions()] == ["BTC/USDT:USDT"]
    with pytest.raises(ccxt.OrderNotFound):
        client.cancel_order(of_position.id, BTC)
    client.cancel_order(of_coins.id, BTC)
    assert account.open_orders() == [of_position]


def test_ccxt_sells_what_is_held_and_looks_it_up(url: str, wallet: Wallet) -> None:
    client = client_at(url)
    sold = client.create_order(BTC, "market", "sell", 0.5, None, {"clOrdId": "mine"})
    found = client.fetch_order(None, BTC, {"clOrdId": "mine"})
    assert (found["id"], found["status"], found["filled"], found["average"]) == (sold["id"], "closed", 0.5, 60000)
    assert client.fetch_balance()["USDT"]["total"] == 31000
    assert wallet.flat and wallet.violations == []


def test_what_an_order_locks_can_be_sold_after_it_is_cancelled(url: str, wallet: Wallet) -> None:
    waiting = wallet.rest("BTC-USDT", SELL, "0.2", price=Decimal(70000))
    stop = wallet.rest("BTC-USDT", SELL, "0.1", trigger=Decimal(50000), family="oco")
    idle = wallet.rest("BTC-USDT", SELL, "0.5", trigger=Decimal(50000), family="trigger")
    client = client_at(url)
    client.cancel_order(waiting.id, BTC)
    with pytest.raises(ccxt.InsufficientFunds) as raised:
        client.create_order(BTC, "market", "sell", 0.5)
    assert code_of(raised) == "51008"
    client.cancel_orders([stop.id], BTC, {"trigger": True})
    client.create_order(BTC, "market", "sell", 0.5)
    assert wallet.open_orders() == [idle] and wallet.violations == []
    wallet.fire(idle)  # into nothing
    assert wallet.flat


@pytest.mark.parametrize("method", ["privatePostTradeOrder", "privatePostTradeBatchOrders"])
def test_who_buys_or_borrows_is_refused_and_noted(url: str, wallet: Wallet, method: str) -> None:
    client = client_at(url)
    client.options["createOrder"] = method
    for kind, side, price, params in (
        ("market", "buy", None, {}),
        ("market", "buy", None, {"tgtCcy": "quote_ccy", "cost": 600}),
        ("limit", "buy", 50000, {}),
        ("market", "sell", None, {"marginMode": "cross"}),
        ("market", "sell", None, {"marginMode": "isolated"}),
    ):
        with pytest.raises(ccxt.InsufficientFunds) as raised:
            client.create_order(BTC, kind, side, 0.01, price, params)
        assert code_of(raised) == "51008"
    noted = [it.rpartition(": ")[2] for it in wallet.violations]
    assert noted == ["buys", "buys", "buys", "borrows", "borrows"]
    assert wallet.violations[1].startswith("buy 0.01")
    assert wallet.fills == [] and wallet.open_orders() == []


@pytest.mark.parametrize(
    ("of", "code"),
    [
        ({"instId": "XRP-USDT"}, "51001"),
        ({"sz": "0.000000001"}, "51121"),
        ({"sz": "0.000009"}, "51020"),
        ({"sz": "16.1"}, "51202"),
        ({"sz": "0.50000001"}, "51008"),
        ({"clOrdId": "there"}, "51016"),
        ({"clOrdId": "not-alphanumeric"}, "51000"),
        ({"tdMode": "other"}, "51000"),
        ({"side": "other"}, "51000"),
        ({"instId": "BTC-USDT-SWAP"}, "51000"),
    ],
)
def test_it_refuses_an_order_in_the_words_of_okx(url: str, wallet: Wallet, of: dict[str, str], code: str) -> None:
    wallet.rest("BTC-USDC", SELL, "0", price=Decimal(70000), client_id="there")
    with pytest.raises(ccxt.ExchangeError) as raised:
        client_at(url).private_post_trade_order({**SELLS, **of})
    assert code_of(raised) == code
    assert wallet.fills == [] and wallet.violations == []


def test_a_limit_waits_unless_it_must_execute_at_once(url: str, wallet: Wallet) -> None:
    client = client_at(url)
    waiting = client.create_order(BTC, "limit", "sell", 0.1, 70000)
    near = client.create_order(BTC, "limit", "sell", 0.1, 59000, {"timeInForce": "IOC"})
    far = client.create_order(BTC, "limit", "sell", 0.1, 60000.1, {"timeInForce": "FOK"})
    assert [client.fetch_order(it["id"], BTC)["status"] for it in (waiting, near, far)] == [
        "open",
        "closed",
        "canceled",
    ]
    assert (wallet.balance("BTC"), wallet.locked("BTC")) == (Decimal("0.4"), Decimal("0.1"))


@pytest.mark.parametrize(
    ("environment", "of", "code"),
    [
        ("demo", {}, "50101"),
        ("production", {"apiKey": "key-2", "secret": "secret-2", "password": "phrase-2"}, "50101"),
        ("production", {"apiKey": "key-3"}, "50111"),
        ("production", {"secret": "other"}, "50113"),
        ("production", {"password": "other"}, "50105"),
    ],
)
def test_it_tells_why_a_request_is_not_let_in(
    url: str, wallet: Wallet, environment: str, of: dict[str, str], code: str
) -> None:
    with pytest.raises(ccxt.AuthenticationError) as raised:
        client_at(url, environment, **of).private_post_trade_order(dict(SELLS))
    assert code_of(raised) == code and wallet.fills == []


@pytest.mark.usefixtures("wallet")
def test_a_clock_that_is_off_is_refused_until_it_is_set(exchange: Exchange, url: str) -> None:
    exchange.skew, client = 3600, client_at(url)
    with pytest.raises(ccxt.InvalidNonce, match="50102"):
        client.fetch_balance()
    client.load_time_difference()
    assert client.fetch_balance()["BTC"]["total"] == 0.5


def test_one_request_too_many_is_refused(exchange: Exchange, url: str, wallet: Wallet) -> None:
    exchange.limit, client = 0, client_at(url)
    with pytest.raises(ccxt.RateLimitExceeded, match="50011"):
        client.private_post_trade_order(dict(SELLS))
    assert wallet.fills == []


def test_an_order_whose_answer_is_lost_is_found_by_its_client_id(exchange: Exchange, url: str, wallet: Wallet) -> None:
    exchange.fault("^POST /api/v5/trade/", lose=True)
    client = client_at(url)
    with pytest.raises(ccxt.NetworkError):
        client.create_order(BTC, "market", "sell", 0.5, None, {"clOrdId": "mine"})
    assert client.fetch_order(None, BTC, {"clOrdId": "mine"})["status"] == "closed"
    assert wallet.fills == [("mine", Decimal("0.5"))]
    with pytest.raises(ccxt.OrderNotFound, match="51603"):
        client.fetch_order(None, BTC, {"clOrdId": "other"})


SIGNED: list[tuple[str, str, Any]] = [
    ("GET", "account/balance", {}),
    ("GET", "trade/orders-pending", {"instType": "SPOT", "limit": "100"}),
    ("GET", "trade/orders-algo-pending", {"instType": "SPOT", "ordType": "conditional,oco"}),
    ("GET", "trade/order", {"instId": "BTC-USDT", "clOrdId": "bot-2000001"}),
    ("POST", "trade/order", {**SELLS, "sz": "0.1", "tgtCcy": "base_ccy"}),
    ("POST", "trade/batch-orders", [{**SELLS, "sz": "0.1"}]),
    ("POST", "trade/cancel-order", {"instId": "BTC-USDT", "ordId": "2000001"}),
    ("POST", "trade/cancel-batch-orders", [{"instId": "BTC-USDT", "ordId": "2000001"}]),
    ("POST", "trade/cancel-algos", [{"instId": "BTC-USDT", "algoId": "2000002"}]),
]


@pytest.mark.parametrize(("method", "path", "asked"), SIGNED)
def test_a_request_arrives_byte_for_byte_as_it_was_signed(
    exchange: Exchange, url: str, wallet: Wallet, method: str, path: str, asked: Any
) -> None:
    wallet.rest("BTC-USDT", SELL, "0.1", price=Decimal(70000))
    wallet.rest("BTC-USDT", SELL, "0.1", trigger=Decimal(50000), family="conditional")
    client, oracle, now = client_at(url), client_at(url), int(time.time() * 1000)
    client.milliseconds = oracle.milliseconds = lambda: now
    assert client.request(path, ["private"], method, asked)["code"] == "0"
    signed = oracle.sign(path, ["private"], method, asked)
    _at, request = exchange.asked[-1]
    assert f"{url}{request.target}" == signed["url"]
    assert request.body.decode() == (signed["body"] or "")
    headers = {name.lower(): value for name, value in signed["headers"].items()}
    assert headers.items() <= request.headers.items()
    text = f"{oracle.iso8601(now)}{method}{request.target}".encode() + request.body
    assert sign("secret-1", text) == request.headers["ok-access-sign"]
