# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The emulator of Binance spot, asked by ccxt as a bot would and by hand as its documentation says."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import ccxt
import pytest
import requests

from tests.peers.exchange.binance_spot import BinanceSpot
from tests.peers.exchange.binance_spot_forms import wallet
from tests.peers.exchange.books import BUY, SELL
from tests.peers.exchange.server import Exchange, Key, serving
from tests.peers.exchange.wallet import Wallet

BTC = "BTC/USDT"


@dataclass
class Bench:
    """An exchange that is up, with one key for one wallet in production."""

    exchange: Exchange
    wallet: Wallet
    key: Key
    url: str

    def client(self, environment: str = "production", **of: Any) -> Any:
        """A ccxt client as a bot has it: nothing is switched off but the throttle."""
        client = ccxt.binance({"apiKey": self.key.id, "secret": self.key.secret, "enableRateLimit": False, **of})
        base = f"{self.url}/{environment}"
        client.urls["api"] = {
            "public": f"{base}/api/v3",
            "private": f"{base}/api/v3",
            "sapi": f"{base}/sapi/v1",
            "fapiPublic": f"{base}/fapi/v1",
            "dapiPublic": f"{base}/dapi/v1",
        }
        client.options["fetchOpenOrders"]["warnWithoutSymbol"] = False
        return client

    def ask(self, method: str, path: str, query: str, *, secret: str | None = None, **of: Any) -> requests.Response:
        """Signed by hand, without ccxt; ``query`` without timestamp gets one."""
        if "timestamp=" not in query:
            query = f"{query}&timestamp={self.exchange.now()}".lstrip("&")
        signature = hmac.new((secret or self.key.secret).encode(), query.encode(), hashlib.sha256).hexdigest()
        headers = {"X-MBX-APIKEY": of.pop("key", self.key.id)}
        url = f"{self.url}/{of.pop('place', 'production')}{path}?{query}&signature={signature}"
        return requests.request(method, url, headers=headers, timeout=5)


@pytest.fixture
def bench() -> Iterator[Bench]:
    exchange, mine = Exchange(BinanceSpot()), wallet()
    key = exchange.add_key(Key("thekey", "thesecret", "production", wallet=mine))
    exchange.add_key(Key("theother", "thesecret", "testnet", wallet=wallet()))
    mine.hold("BTC", "0.5")
    mine.hold("USDT", "1000")
    with serving(exchange) as url:
        yield Bench(exchange, mine, key, url)


def test_a_signature_as_in_the_documentation_is_good(bench: Bench) -> None:
    """The example of its request security, at its time; the answer is about the order, not about the signature."""
    name = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
    secret = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
    bench.exchange.add_key(Key(name, secret, "production", wallet=bench.wallet))
    bench.exchange.skew = 1499827319.559 - time.time()
    payload = (
        "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000"
        "&timestamp=1499827319559&signature=c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"
    )
    for of in ({"data": payload}, {"params": payload}):
        answer = requests.post(
            f"{bench.url}/production/api/v3/order",
            headers={"X-MBX-APIKEY": name, "Content-Type": "application/x-www-form-urlencoded"},
            timeout=5,
            **of,  # type: ignore[arg-type]  # mypy tries each value for each option
        )
        assert answer.json() == {"code": -1121, "msg": "Invalid symbol."}


@pytest.mark.parametrize(
    ("of", "code", "status"),
    [
        ({"key": "not a key"}, -2014, 401),
        ({"key": "another"}, -2008, 401),
        ({"key": "theother"}, -2008, 401),
        ({"place": "testnet"}, -2008, 401),
        ({"secret": "wrong"}, -1022, 400),
        ({"query": "timestamp=1"}, -1021, 400),
    ],
)
def test_who_may_not_ask_is_told_why(bench: Bench, of: dict[str, Any], code: int, status: int) -> None:
    answer = bench.ask("GET", "/api/v3/account", of.pop("query", ""), **of)
    assert (answer.json()["code"], answer.status_code) == (code, status)


def test_what_is_not_there_is_not_found(bench: Bench) -> None:
    assert bench.ask("GET", "/api/v3/nothing", "").status_code == 404
    assert bench.ask("GET", "/api/v3/account", "", place="nowhere").status_code == 404


def test_ccxt_reads_all_there_is(bench: Bench) -> None:
    bench.wallet.rest("BTCUSDT", SELL, "0.2", price=Decimal(70000))
    bench.wallet.rest("BTCUSDT", SELL, "0.1", trigger=Decimal(50000), price=Decimal(49000))
    bench.wallet.rest("ETHUSDT", BUY, "0.1", price=Decimal(2000))
    client = bench.client()
    markets = client.load_markets()
    assert {BTC, "BTC/USDC", "ETH/USDT", "DOGE/USDT"} == set(markets)
    limits = {name: (limit["min"], limit["max"]) for name, limit in markets[BTC]["limits"].items()}
    assert (limits["amount"], limits["market"], limits["cost"][0]) == ((0.00001, 1200), (0, 120), 5)
    balance = client.fetch_balance()
    assert balance["BTC"] == {"free": 0.2, "used": 0.3, "total": 0.5}
    assert balance["USDT"] == {"free": 800, "used": 200, "total": 1000}
    assert balance["DOGE"]["total"] == 0
    # Conditional ones are among all others
    assert [(it["symbol"], it["info"]["type"]) for it in client.fetch_open_orders()] == [
        (BTC, "LIMIT"),
        (BTC, "STOP_LOSS_LIMIT"),
        ("ETH/USDT", "LIMIT"),
    ]
    assert len(client.fetch_open_orders("ETH/USDT")) == 1
    book = client.fetch_order_book(BTC)
    assert (book["bids"], book["asks"]) == ([[60000, 120]], [[60000.01, 120]])
    assert client.fetch_ticker(BTC)["last"] == 60000 and set(client.fetch_tickers()) == set(markets)
    assert abs(client.fetch_time() - time.time() * 1000) < 5000


def test_ccxt_sells_what_is_held(bench: Bench) -> None:
    client = bench.client()
    sold = client.create_order(BTC, "market", "sell", 0.5, None, {"newClientOrderId": "mine"})
    assert (sold["status"], sold["filled"], sold["average"]) == ("closed", 0.5, 60000)
    assert client.fetch_balance()["BTC"]["total"] == 0 and client.fetch_balance()["USDT"]["total"] == 31000
    found = client.fetch_order(None, BTC, {"origClientOrderId": "mine"})
    assert (found["id"], found["status"], found["cost"]) == (sold["id"], "closed", 30000)
    assert [(it["amount"], it["price"], it["order"]) for it in client.fetch_my_trades(BTC)] == [
        (0.5, 60000, sold["id"]),
    ]
    assert bench.wallet.flat and bench.wallet.violations == []


def test_ccxt_sells_for_a_sum(bench: Bench) -> None:
    assert bench.client().create_market_sell_order_with_cost(BTC, 601)["filled"] == 0.01001


def test_what_an_order_locks_can_be_sold_after_it_is_cancelled(bench: Bench) -> None:
    waiting = bench.wallet.rest("BTCUSDT", SELL, "0.2", price=Decimal(70000))
    stop = bench.wallet.rest("BTCUSDT", SELL, "0.1", trigger=Decimal(50000), family="STOP_LOSS")
    client = bench.client()
    with pytest.raises(ccxt.InsufficientFunds, match="Account has insufficient balance for requested action"):
        client.create_order(BTC, "market", "sell", 0.5)
    assert client.cancel_order(waiting.id, BTC)["status"] == "canceled"
    with pytest.raises(ccxt.InsufficientFunds):
        client.create_order(BTC, "market", "sell", 0.5)
    client.cancel_order(None, BTC, {"origClientOrderId": stop.client_id})
    client.create_order(BTC, "market", "sell", 0.5)
    assert bench.wallet.flat and bench.wallet.violations == []


def test_ccxt_cancels_all_of_a_market_whatever_their_kind(bench: Bench) -> None:
    bench.wallet.rest("BTCUSDT", SELL, "0.2", price=Decimal(70000))
    bench.wallet.rest("BTCUSDT", SELL, "0.1", trigger=Decimal(50000), family="STOP_LOSS")
    other = bench.wallet.rest("ETHUSDT", BUY, "0.1", price=Decimal(2000))
    client = bench.client()
    assert [it["status"] for it in client.cancel_all_orders(BTC)] == ["canceled", "canceled"]
    assert bench.wallet.open_orders() == [other]
    with pytest.raises(ccxt.OrderNotFound, match="-2011"):
        client.cancel_all_orders(BTC)


def test_an_order_that_is_gone_or_never_was_is_not_found(bench: Bench) -> None:
    order = bench.wallet.rest("BTCUSDT", SELL, "0.2", price=Decimal(70000))
    client = bench.client()
    client.cancel_order(order.id, BTC)
    for name in (order.id, "7"):
        with pytest.raises(ccxt.OrderNotFound, match="-2011"):
            client.cancel_order(name, BTC)
    with pytest.raises(ccxt.OrderNotFound, match="-2013"):
        client.fetch_order("7", BTC)
    with pytest.raises(ccxt.OrderNotFound, match="-2013"):
        client.fetch_order(order.id, "ETH/USDT")


def test_who_buys_is_turned_down_and_noted(bench: Bench) -> None:
    client = bench.client()
    with pytest.raises(ccxt.InsufficientFunds):
        client.create_order(BTC, "market", "buy", 0.01)
    with pytest.raises(ccxt.InsufficientFunds):
        client.create_order(BTC, "limit", "buy", 0.01, 50000)
    with pytest.raises(ccxt.InsufficientFunds):
        client.create_market_buy_order_with_cost(BTC, 600)
    assert len(bench.wallet.violations) == 3 and bench.wallet.fills == [] and bench.wallet.open_orders() == []


@pytest.mark.parametrize(
    ("query", "code", "text"),
    [
        ("symbol=XXXUSDT&side=SELL&type=MARKET&quantity=1", -1121, "Invalid symbol."),
        ("symbol=BTCUSDT&side=SELL&type=MARKET&quantity=0.000015", -1013, "Filter failure: LOT_SIZE"),
        ("symbol=BTCUSDT&side=SELL&type=MARKET&quantity=0", -1013, "Filter failure: LOT_SIZE"),
        ("symbol=DOGEUSDT&side=SELL&type=MARKET&quantity=0.5", -1013, "Filter failure: LOT_SIZE"),
        ("symbol=BTCUSDT&side=SELL&type=MARKET&quantity=121", -1013, "Filter failure: MARKET_LOT_SIZE"),
        ("symbol=BTCUSDT&side=SELL&type=MARKET&quantity=0.00008", -1013, "Filter failure: NOTIONAL"),
        (
            "symbol=BTCUSDT&side=SELL&type=LIMIT&timeInForce=GTC&quantity=0.1&price=60000.005",
            -1013,
            "Filter failure: PRICE_FILTER",
        ),
        (
            "symbol=BTCUSDT&side=SELL&type=LIMIT&timeInForce=GTC&quantity=0.1&price=11999",
            -1013,
            "Filter failure: PERCENT_PRICE_BY_SIDE",
        ),
        ("symbol=BTCUSDT&side=SELL&type=MARKET&quantity=0.1&newClientOrderId=there", -2010, "Duplicate order sent."),
        (
            "symbol=BTCUSDT&side=SELL&type=MARKET&quantity=0.5",
            -2010,
            "Account has insufficient balance for requested action.",
        ),
        ("symbol=BTCUSDT&side=SELL&type=OTHER&quantity=0.1", -1116, "Invalid orderType."),
        ("symbol=BTCUSDT&side=BOTH&type=MARKET&quantity=0.1", -1117, "Invalid side."),
        (
            "symbol=BTCUSDT&side=SELL&type=MARKET&quantity=0.1&reduceOnly=true",
            -1104,
            "Not all sent parameters were read; read '6' parameter(s) but was sent '7'.",
        ),
    ],
)
def test_an_order_that_is_turned_down_says_why(bench: Bench, query: str, code: int, text: str) -> None:
    bench.wallet.rest("BTCUSDT", SELL, "0.1", price=Decimal(70000), client_id="there")
    answer = bench.ask("POST", "/api/v3/order", query)
    assert (answer.status_code, answer.json()) == (400, {"code": code, "msg": text})
    assert bench.wallet.fills == [] and bench.wallet.violations == []


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("symbol=BTCUSDT&side=SELL&type=MARKET", -1102),
        ("symbol=BTCUSDT&side=SELL&type=LIMIT&quantity=0.1&price=70000", -1102),
        ("symbol=BTCUSDT&side=SELL&type=STOP_LOSS&quantity=0.1", -1102),
        ("side=SELL&type=MARKET&quantity=0.1", -1102),
        ("symbol=BTCUSDT&side=SELL&type=MARKET&quantity=0.1&newClientOrderId=not.one", -1100),
    ],
)
def test_an_order_needs_its_parameters(bench: Bench, query: str, code: int) -> None:
    assert bench.ask("POST", "/api/v3/order", query).json()["code"] == code


def test_a_limit_waits_unless_it_must_execute_at_once(bench: Bench) -> None:
    client = bench.client()
    waiting = client.create_order(BTC, "limit", "sell", 0.1, 70000)
    stop = client.create_order(BTC, "limit", "sell", 0.1, 49000, {"stopLossPrice": 50000})
    assert client.fetch_balance()["BTC"]["used"] == 0.2
    near = client.create_order(BTC, "limit", "sell", 0.1, 59000, {"timeInForce": "IOC"})
    far = client.create_order(BTC, "limit", "sell", 0.1, 60000.01, {"timeInForce": "FOK"})
    states = [client.fetch_order(it["id"], BTC)["status"] for it in (waiting, stop, near, far)]
    assert states == ["open", "open", "closed", "expired"]
    assert bench.wallet.balance("BTC") == Decimal("0.4") and bench.wallet.violations == []


def test_how_much_is_said_of_an_order_is_up_to_who_sends_it(bench: Bench) -> None:
    query = "symbol=BTCUSDT&side=SELL&type=MARKET&quantity=0.1"
    said = {
        form: bench.ask("POST", "/api/v3/order", f"{query}&newOrderRespType={form}").json()
        for form in ("ACK", "RESULT", "FULL")
    }
    assert "status" not in said["ACK"]
    assert said["RESULT"]["status"] == "FILLED" and "fills" not in said["RESULT"]
    assert said["FULL"]["fills"][0]["qty"] == "0.1"
    assert "fills" in bench.ask("POST", "/api/v3/order", query).json()


def test_a_clock_that_is_off_is_refused_until_it_is_set(bench: Bench) -> None:
    bench.exchange.skew = 3600
    client = bench.client()
    with pytest.raises(ccxt.InvalidNonce, match="-1021"):
        client.fetch_balance()
    client.load_time_difference()
    assert client.fetch_balance()["BTC"]["total"] == 0.5


def test_each_answer_says_how_much_was_used(bench: Bench) -> None:
    bench.ask("GET", "/api/v3/account", "")
    headers = bench.ask("POST", "/api/v3/order", "symbol=BTCUSDT&side=SELL&type=MARKET&quantity=0.1").headers
    assert headers["X-MBX-USED-WEIGHT-1M"] == "2"
    assert (headers["X-MBX-ORDER-COUNT-10S"], headers["X-MBX-ORDER-COUNT-1D"]) == ("1", "1")


def test_who_asks_too_often_is_told_to_wait_and_banned_when_he_does_not(bench: Bench) -> None:
    bench.exchange.limit = 1
    answers = [bench.ask("GET", "/api/v3/account", "") for _number in range(3)]
    assert [answer.status_code for answer in answers] == [200, 429, 418]
    assert int(answers[1].headers["Retry-After"]) > 0 and answers[1].json()["code"] == -1003
    with pytest.raises(ccxt.DDoSProtection):
        bench.client().fetch_time()


def test_an_order_whose_answer_is_lost_is_found_by_its_client_id(bench: Bench) -> None:
    bench.exchange.fault("^POST /api/v3/order", lose=True)
    client = bench.client()
    with pytest.raises(ccxt.NetworkError):
        client.create_order(BTC, "market", "sell", 0.5, None, {"newClientOrderId": "mine"})
    assert client.fetch_order(None, BTC, {"origClientOrderId": "mine"})["status"] == "closed"
    assert bench.wallet.fills == [("mine", Decimal("0.5"))]


SIGNED = [
    ("GET", "account", {}),
    ("GET", "openOrders", {}),
    ("GET", "openOrders", {"symbol": "BTCUSDT"}),
    ("GET", "order", {"symbol": "BTCUSDT", "origClientOrderId": "bot-2000001"}),
    ("GET", "myTrades", {"symbol": "BTCUSDT"}),
    ("DELETE", "order", {"symbol": "BTCUSDT", "orderId": "2000001"}),
    ("DELETE", "openOrders", {"symbol": "BTCUSDT"}),
    (
        "POST",
        "order",
        {"symbol": "BTCUSDT", "side": "SELL", "type": "MARKET", "quantity": "0.1", "newClientOrderId": "x"},
    ),
]


@pytest.mark.parametrize(("method", "path", "parameters"), SIGNED)
def test_a_request_arrives_byte_for_byte_as_it_was_signed(
    bench: Bench, method: str, path: str, parameters: dict[str, str]
) -> None:
    bench.wallet.rest("BTCUSDT", SELL, "0.1", price=Decimal(70000))
    client, now = bench.client(), bench.exchange.now()
    client.milliseconds = lambda: now
    expected = client.sign(path, ["private"], method, dict(parameters))
    client.request(path, ["private"], method, dict(parameters))
    _at, asked = bench.exchange.asked[-1]
    assert f"{bench.url}/{asked.place}{asked.target}" == expected["url"]
    assert asked.body.decode() == (expected["body"] or "")
    assert asked.headers["x-mbx-apikey"] == bench.key.id
    signed = (asked.query or asked.body.decode()).rpartition("&signature=")
    assert hmac.new(b"thesecret", signed[0].encode(), hashlib.sha256).hexdigest() == signed[2]
