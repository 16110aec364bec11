# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The emulator of Binance USD-M futures, asked by ccxt as a bot would and by hand as its documentation says."""

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

from tests.peers.exchange.binanceusdm import BinanceUsdm
from tests.peers.exchange.books import BUY, LONG, SELL, SHORT, Account, Order
from tests.peers.exchange.server import Exchange, Key, serving

BTC = "BTC/USDT:USDT"


@dataclass
class Bench:
    """An exchange that is up, with one key for one account in production."""

    exchange: Exchange
    account: Account
    key: Key
    url: str

    def client(self, environment: str = "production", **of: Any) -> Any:
        client = ccxt.binanceusdm({"apiKey": self.key.id, "secret": self.key.secret, "enableRateLimit": False, **of})
        base = f"{self.url}/{environment}/fapi"
        client.urls["api"] = {
            "fapiPublic": f"{base}/v1",
            "fapiPrivate": f"{base}/v1",
            "fapiPrivateV2": f"{base}/v2",
            "fapiPrivateV3": f"{base}/v3",
        }
        client.options.update({"fetchCurrencies": False})
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
    venue = BinanceUsdm()
    exchange, account = Exchange(venue), venue.account()
    key = exchange.add_key(Key("thekey", "thesecret", "production", account))
    with serving(exchange) as url:
        yield Bench(exchange, account, key, url)


def test_a_signature_as_in_the_documentation_is_good(bench: Bench) -> None:
    """The example of its general info, at its time; the answer is about the order, not about the signature."""
    key = "dbefbc809e3e83c283a984c3a1459732ea7db1360ca80c5c2c8867408d28cc83"
    secret = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9"
    bench.exchange.add_key(Key(key, secret, "production", bench.account))
    payload = (
        "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC&recvWindow=5000"
        "&timestamp=1591702613943&signature=3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9"
    )
    bench.exchange.skew = 1591702613.943 - time.time()
    for of in ({"data": payload}, {"params": payload}):
        answer = requests.post(
            f"{bench.url}/production/fapi/v1/order",
            headers={"X-MBX-APIKEY": key, "Content-Type": "application/x-www-form-urlencoded"},
            timeout=5,
            **of,  # type: ignore[arg-type]  # mypy tries each value for each option
        )
        assert answer.json() == {"code": -2019, "msg": "Margin is insufficient."}
    assert len(bench.account.violations) == 2


@pytest.mark.parametrize(
    ("of", "code", "status"),
    [
        ({"key": "not a key"}, -2014, 401),
        ({"key": "another"}, -2008, 401),
        ({"place": "testnet"}, -2008, 401),
        ({"place": "demo"}, -2008, 401),
        ({"secret": "wrong"}, -1022, 400),
        ({"query": "timestamp=1"}, -1021, 400),
        ({"query": "recvWindow=60001"}, -1131, 400),
        ({"path": "/fapi/v1/nothing"}, -5000, 404),
        ({"place": "nowhere"}, -5000, 404),
    ],
)
def test_who_may_not_ask_is_told_why(bench: Bench, of: dict[str, Any], code: int, status: int) -> None:
    path, query = of.pop("path", "/fapi/v3/positionRisk"), of.pop("query", "")
    answer = bench.ask("GET", path, query, **of)
    assert (answer.json()["code"], answer.status_code) == (code, status)


@pytest.mark.parametrize(("late", "code"), [(4.8, None), (5.5, -1021), (-0.8, None), (-1.5, -1021)])
def test_the_time_of_a_request_must_be_in_its_window(bench: Bench, late: float, code: int | None) -> None:
    timestamp = bench.exchange.now() - int(late * 1000)
    answer = bench.ask("GET", "/fapi/v3/positionRisk", f"timestamp={timestamp}").json()
    assert answer == [] if code is None else answer["code"] == code


def test_a_request_that_is_not_signed_is_turned_down(bench: Bench) -> None:
    headers = {"X-MBX-APIKEY": bench.key.id}
    url = f"{bench.url}/production/fapi/v3/positionRisk?timestamp={bench.exchange.now()}"
    assert requests.get(url, headers=headers, timeout=5).json()["code"] == -1102
    assert requests.get(url, timeout=5).json()["code"] == -2014


def test_ccxt_reads_all_there_is(bench: Bench) -> None:
    bench.account.hold("BTCUSDT", "0.5")
    bench.account.hold("BTCUSDC", "-0.25")
    bench.account.hold("BTCUSDT_270326", "1")
    bench.account.rest("ETHUSDT", BUY, "1", price=Decimal(2900))
    bench.account.rest("BTCUSDT", SELL, "0", trigger=Decimal(59000), whole=True)
    client = bench.client()
    assert client.fetch_position_mode()["hedged"] is False
    held = {position["symbol"]: (position["side"], position["contracts"]) for position in client.fetch_positions()}
    assert held == {
        "BTC/USDT:USDT": ("long", 0.5),
        "BTC/USDC:USDC": ("short", 0.25),
        "BTC/USDT:USDT-270326": ("long", 1),
        "ETH/USDT:USDT": (None, 0),  # a row without a position, since it has an order
    }
    assert [order["symbol"] for order in client.fetch_open_orders()] == ["ETH/USDT:USDT"]
    assert [order["symbol"] for order in client.fetch_open_orders(None, None, None, {"trigger": True})] == [BTC]
    assert client.fetch_balance()["USDT"]["free"] == 10000
    assert abs(client.fetch_time() - time.time() * 1000) < 2000


def test_ccxt_reads_both_sides_of_hedge_mode(bench: Bench) -> None:
    bench.account.hedge = True
    bench.account.hold("BTCUSDT", "0.5", LONG)
    bench.account.hold("BTCUSDT", "0.25", SHORT)
    client = bench.client()
    assert client.fetch_position_mode()["hedged"] is True
    assert {(row["side"], row["contracts"]) for row in client.fetch_positions()} == {("long", 0.5), ("short", 0.25)}


def test_ccxt_orders_and_cancels(bench: Bench) -> None:
    bench.account.hold("BTCUSDT", "0.5")
    client = bench.client()
    stop = client.create_order(BTC, "market", "sell", 0.5, None, {"stopLossPrice": 59000, "reduceOnly": True})
    limit = client.create_order(BTC, "limit", "sell", 0.1, 61000, {"reduceOnly": True, "clientOrderId": "mine"})
    market = client.create_order(BTC, "market", "sell", 0.2, None, {"reduceOnly": True})
    assert market["status"] == "closed"
    assert bench.account.position("BTCUSDT") == Decimal("0.3")
    assert client.fetch_order(None, BTC, {"origClientOrderId": "mine"})["id"] == limit["id"]
    with pytest.raises(ccxt.OrderNotFound):
        client.cancel_order(stop["id"], BTC)  # it is none of the regular ones
    client.cancel_all_orders(BTC)
    assert client.fetch_order(limit["id"], BTC)["status"] == "canceled"
    assert client.fetch_order(stop["id"], BTC, {"trigger": True})["status"] == "open"
    client.cancel_all_orders(BTC, {"trigger": True})
    assert not any(order.status == "open" for order in bench.account.orders.values())
    with pytest.raises(ccxt.OrderNotFound):
        client.cancel_order(limit["id"], BTC)
    assert bench.account.violations == []


def test_an_order_is_only_acknowledged_unless_its_result_is_asked_for(bench: Bench) -> None:
    bench.account.hold("BTCUSDT", "0.5")
    query = "symbol=BTCUSDT&side=SELL&type=MARKET&quantity=0.1&reduceOnly=true"
    assert bench.ask("POST", "/fapi/v1/order", query).json()["status"] == "NEW"
    assert bench.ask("POST", "/fapi/v1/order", f"{query}&newOrderRespType=RESULT").json()["status"] == "FILLED"


def test_a_limit_that_must_execute_at_once_does_or_expires(bench: Bench) -> None:
    bench.account.hold("BTCUSDT", "0.5")
    query = "symbol=BTCUSDT&side=SELL&type=LIMIT&timeInForce=IOC&quantity=0.1&reduceOnly=true&newOrderRespType=RESULT"
    venue = bench.exchange.venue
    assert isinstance(venue, BinanceUsdm)
    venue.spread = Decimal("0.01")
    answers = [bench.ask("POST", "/fapi/v1/order", f"{query}&price={price}").json() for price in (59500, 59000)]
    assert [answer["status"] for answer in answers] == ["EXPIRED", "FILLED"]
    assert bench.account.position("BTCUSDT") == Decimal("0.4")
    assert bench.ask("POST", "/fapi/v1/order", f"{query}&price=56000").json()["code"] == -4024
    assert bench.ask("POST", "/fapi/v1/order", f"{query}&price=59000.05").json()["code"] == -4014


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("symbol=XXXUSDT&side=SELL&type=MARKET&quantity=1&reduceOnly=true", -1121),
        ("symbol=BTCUSDT&side=BUY&type=MARKET&quantity=1&reduceOnly=true", -2022),
        ("symbol=ETHUSDT&side=SELL&type=MARKET&quantity=1&reduceOnly=true", -2022),
        ("symbol=BTCUSDT&side=SELL&type=MARKET&quantity=1&positionSide=LONG", -4061),
        ("symbol=BTCUSDT&side=SELL&type=MARKET&quantity=0.0005&reduceOnly=true", -1111),
        ("symbol=BTCUSDT&side=SELL&type=MARKET&quantity=0&reduceOnly=true", -4003),
        ("symbol=DOGEUSDT&side=SELL&type=MARKET&quantity=5&reduceOnly=true", -4004),
        ("symbol=BTCUSDT&side=SELL&type=MARKET&quantity=121&reduceOnly=true", -4005),
        ("symbol=BTCUSDT&side=SELL&type=MARKET&quantity=1&reduceOnly=true&newClientOrderId=there", -4116),
        ("symbol=BTCUSDT&side=SELL&type=MARKET&reduceOnly=true", -1102),
        ("symbol=BTCUSDT&side=SELL&type=MARKET&quantity=0.001", -4164),
        ("symbol=BTCUSDT&side=SELL&type=STOP_MARKET&quantity=1&reduceOnly=true&stopPrice=1", -4120),
    ],
)
def test_an_order_that_is_turned_down_says_why(bench: Bench, query: str, code: int) -> None:
    bench.account.hold("BTCUSDT", "200")
    bench.account.hold("DOGEUSDT", "50")
    bench.account.rest("BTCUSDT", SELL, "1", price=Decimal(70000), client_id="there", reduce_only=True)
    assert bench.ask("POST", "/fapi/v1/order", query).json()["code"] == code
    assert bench.account.fills == []


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("symbol=BTCUSDT&side=SELL&type=MARKET&quantity=1&positionSide=LONG&reduceOnly=true", -1106),
        ("symbol=BTCUSDT&side=SELL&type=MARKET&quantity=1&reduceOnly=true", -4061),
        ("symbol=BTCUSDT&side=SELL&type=MARKET&quantity=3&positionSide=LONG", -2022),
        ("symbol=BTCUSDT&side=BUY&type=MARKET&quantity=1&positionSide=SHORT", -2022),
    ],
)
def test_hedge_mode_has_rules_of_its_own(bench: Bench, query: str, code: int) -> None:
    bench.account.hedge = True
    bench.account.hold("BTCUSDT", "2", LONG)
    assert bench.ask("POST", "/fapi/v1/order", query).json()["code"] == code
    assert bench.account.violations == []


def test_what_opens_a_position_is_turned_down_and_noted(bench: Bench) -> None:
    assert bench.ask("POST", "/fapi/v1/order", "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=1").json()["code"] == -2019
    assert len(bench.account.violations) == 1


def test_each_answer_says_how_much_was_used(bench: Bench) -> None:
    bench.account.hold("BTCUSDT", "1")
    bench.ask("GET", "/fapi/v3/positionRisk", "")
    order = "symbol=BTCUSDT&side=SELL&type=MARKET&quantity=0.1&reduceOnly=true"
    headers = bench.ask("POST", "/fapi/v1/order", order).headers
    assert headers["X-MBX-USED-WEIGHT-1M"] == "2"
    assert (headers["X-MBX-ORDER-COUNT-10S"], headers["X-MBX-ORDER-COUNT-1M"]) == ("1", "1")


def test_who_asks_too_often_is_told_to_wait_and_banned_when_he_does_not(bench: Bench) -> None:
    bench.exchange.limit, bench.exchange.window = 2, 0.5
    answers = [bench.ask("GET", "/fapi/v3/positionRisk", "") for _number in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 429, 418]
    assert answers[2].headers["Retry-After"] == "1"
    assert answers[2].json()["code"] == -1003
    time.sleep(1)
    assert bench.ask("GET", "/fapi/v3/positionRisk", "").status_code == 200


SIGNED = [
    ("GET", "positionSide/dual", "fapiPrivate", {}),
    ("GET", "positionRisk", "fapiPrivateV3", {}),
    ("GET", "openOrders", "fapiPrivate", {"symbol": "BTCUSDT"}),
    ("GET", "openAlgoOrders", "fapiPrivate", {"symbol": "BTCUSDT"}),
    ("GET", "order", "fapiPrivate", {"symbol": "BTCUSDT", "origClientOrderId": "bot-1000001"}),
    ("DELETE", "order", "fapiPrivate", {"symbol": "BTCUSDT", "orderId": "1000001"}),
    ("DELETE", "algoOrder", "fapiPrivate", {"algoId": "1000002"}),
    ("DELETE", "allOpenOrders", "fapiPrivate", {"symbol": "BTCUSDT"}),
    ("DELETE", "algoOpenOrders", "fapiPrivate", {"symbol": "BTCUSDT"}),
    (
        "POST",
        "order",
        "fapiPrivate",
        {
            "symbol": "BTCUSDT",
            "side": "SELL",
            "type": "MARKET",
            "quantity": "1",
            "reduceOnly": "true",
            "newClientOrderId": "x",
        },
    ),
]


@pytest.mark.parametrize(("method", "path", "api", "parameters"), SIGNED)
def test_a_request_arrives_byte_for_byte_as_it_was_signed(
    bench: Bench, method: str, path: str, api: str, parameters: dict[str, str]
) -> None:
    bench.account.hold("BTCUSDT", "5")
    bench.account.rest("BTCUSDT", SELL, "1", price=Decimal(70000), reduce_only=True)
    bench.account.rest("BTCUSDT", SELL, "1", trigger=Decimal(50000), reduce_only=True)
    client, now = bench.client(), bench.exchange.now()
    client.milliseconds = lambda: now
    expected = client.sign(path, [api], method, dict(parameters))
    client.request(path, [api], method, dict(parameters))
    _at, asked = bench.exchange.asked[-1]
    assert f"{bench.url}/{asked.place}{asked.target}" == expected["url"]
    assert asked.body.decode() == (expected["body"] or "")
    assert asked.headers["x-mbx-apikey"] == bench.key.id


def test_a_conditional_order_that_fires_takes_all_there_is(bench: Bench) -> None:
    bench.account.hold("BTCUSDT", "0.5")
    stop: Order = bench.account.rest("BTCUSDT", SELL, "0", trigger=Decimal(59000), whole=True)
    bench.account.fire(stop)
    assert bench.account.flat
    answer = bench.ask("GET", "/fapi/v1/algoOrder", f"algoId={stop.id}").json()
    assert answer["algoStatus"] == "FINISHED"
