# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The emulated OKX takes what ccxt signs, refuses what OKX refuses, and gets from the module what ccxt signs."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import ccxt
import pytest
import requests
from ansible_collections.tradeops.botfleet.plugins.module_utils._exposure.account import CONDITIONAL, REGULAR
from ansible_collections.tradeops.botfleet.plugins.module_utils._exposure.calls import Calls
from ansible_collections.tradeops.botfleet.plugins.module_utils._exposure.okx import FAMILIES, NEWER_FAMILIES
from ansible_collections.tradeops.botfleet.plugins.module_utils._exposure.okx import Okx as Module

from tests.peers.exchange.books import BUY, LONG, SELL, SHORT, Account
from tests.peers.exchange.okx import Okx, markets, sign
from tests.peers.exchange.server import Exchange, Key, serving

BTC, ETH, USDC, COIN = "BTC-USDT-SWAP", "ETH-USDT-SWAP", "BTC-USDC-SWAP", "BTC-USD-SWAP"
KEYS = {"apiKey": "key-1", "secret": "secret-1", "password": "phrase-1"}


@pytest.fixture
def exchange() -> Exchange:
    exchange = Exchange(Okx(isolated=frozenset({ETH})))
    exchange.add_key(Key("key-1", "secret-1", "production", Account(markets()), "phrase-1"))
    exchange.add_key(Key("key-2", "secret-2", "demo", Account(markets()), "phrase-2"))
    return exchange


@pytest.fixture
def url(exchange: Exchange) -> Iterator[str]:
    with serving(exchange) as url:
        yield url


@pytest.fixture
def account(exchange: Exchange) -> Account:
    return exchange.keys["key-1"].account


def client_at(url: str, environment: str = "production", **of: Any) -> Any:
    client = ccxt.okx({**KEYS, **of})
    client.enableRateLimit = False
    Module.point(client, environment, url)
    return client


def order(client: Any, **of: Any) -> dict[str, Any]:
    """One as the module sends it, or another."""
    wanted = {"instId": BTC, "tdMode": "cross", "side": SELL, "ordType": "market", "sz": "1", "clOrdId": "a1", **of}
    answer: dict[str, Any] = client.private_post_trade_order(wanted)
    return answer


def test_the_unified_methods_of_ccxt_read_it(url: str, account: Account) -> None:
    account.hold(BTC, "-2.5")
    account.hold(COIN, "7")
    account.rest(BTC, BUY, "1", price=Decimal(50000))
    client = client_at(url)
    client.load_markets()
    assert {client.markets[symbol]["id"] for symbol in client.symbols} == set(markets())
    assert client.market("BTC/USD:BTC")["inverse"] and client.market("BTC/USDC:USDC")["linear"]
    held = {position["symbol"]: position for position in client.fetch_positions()}
    assert held["BTC/USDT:USDT"]["contracts"] == 2.5 and held["BTC/USDT:USDT"]["side"] == "short"
    assert held["BTC/USD:BTC"]["side"] == "long"
    assert [found["amount"] for found in client.fetch_open_orders("BTC/USDT:USDT")] == [1]
    assert client.fetch_balance()["USDT"]["free"] == 900
    assert client.fetch_position_mode()["hedged"] is False
    closed = client.create_order("BTC/USDT:USDT", "market", "buy", 2.5, None, {"reduceOnly": True, "tdMode": "cross"})
    assert client.fetch_order(closed["id"], "BTC/USDT:USDT")["status"] == "closed"
    limit = account.rest(BTC, SELL, "1", price=Decimal(70000))
    client.cancel_order(limit.id, "BTC/USDT:USDT")
    assert account.position(BTC) == 0 and account.violations == []


def test_a_signature_does_not_bind_the_environment_but_the_key_does(url: str) -> None:
    client = client_at(url)
    signed = client.sign("account/config", ["private"], "GET", {})
    right = requests.get(signed["url"], headers=signed["headers"], timeout=5)
    simulated = requests.get(signed["url"], headers={**signed["headers"], "x-simulated-trading": "1"}, timeout=5)
    assert right.json()["code"] == "0"
    assert (simulated.status_code, simulated.json()["code"]) == (401, "50101")


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
def test_it_tells_why_a_request_is_not_let_in(url: str, environment: str, of: dict[str, str], code: str) -> None:
    with pytest.raises(ccxt.AuthenticationError, match=code):
        client_at(url, environment, **of).private_get_account_config()


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("OK-ACCESS-KEY", "50103"),
        ("OK-ACCESS-PASSPHRASE", "50104"),
        ("OK-ACCESS-SIGN", "50106"),
        ("OK-ACCESS-TIMESTAMP", "50107"),
    ],
)
def test_each_header_is_needed(url: str, name: str, code: str) -> None:
    signed = client_at(url).sign("account/config", ["private"], "GET", {})
    headers = {header: value for header, value in signed["headers"].items() if header != name}
    assert requests.get(signed["url"], headers=headers, timeout=5).json()["code"] == code


def test_what_was_signed_must_be_what_comes(url: str) -> None:
    client = client_at(url)
    signed = client.sign("trade/cancel-order", ["private"], "POST", {"instId": BTC, "ordId": "1"})
    body = signed["body"].replace("1", "2")
    assert requests.post(signed["url"], data=body, headers=signed["headers"], timeout=5).json()["code"] == "50113"
    signed = client.sign("trade/orders-pending", ["private"], "GET", {"limit": "1"})
    assert requests.get(f"{signed['url']}0", headers=signed["headers"], timeout=5).json()["code"] == "50113"


@pytest.mark.parametrize("skew", [-31, 31, 3600])
def test_a_clock_that_is_off_by_half_a_minute_is_refused_until_it_is_set(
    exchange: Exchange, url: str, skew: float
) -> None:
    client = client_at(url)
    exchange.skew = skew
    with pytest.raises(ccxt.InvalidNonce, match="50102"):
        client.private_get_account_config()
    client.load_time_difference()
    assert client.private_get_account_config()["code"] == "0"


def test_a_clock_that_is_off_by_less_is_taken(exchange: Exchange, url: str) -> None:
    exchange.skew = 25
    assert client_at(url).private_get_account_config()["code"] == "0"


def test_one_request_too_many_is_told_without_a_time_to_come_back(exchange: Exchange, url: str) -> None:
    exchange.limit, client = 1, client_at(url)
    client.private_get_account_config()
    with pytest.raises(ccxt.RateLimitExceeded, match="50011"):
        client.private_get_account_config()
    assert "retry-after" not in {name.lower() for name in client.last_response_headers}


@pytest.mark.parametrize(
    ("hedge", "of", "code"),
    [
        (False, {"reduceOnly": True, "sz": "0.015"}, "51121"),
        (False, {"reduceOnly": True, "sz": "1000.01"}, "51202"),
        (False, {"reduceOnly": True, "instId": "XRP-USDT-SWAP"}, "51001"),
        (False, {"reduceOnly": True, "instId": USDC}, "51169"),
        (False, {"reduceOnly": True, "side": BUY}, "51169"),
        (False, {"reduceOnly": True, "tdMode": "isolated"}, "51169"),
        (False, {"reduceOnly": True, "posSide": LONG}, "51000"),
        (False, {"reduceOnly": True, "tdMode": "cash"}, "51000"),
        (False, {"reduceOnly": True, "clOrdId": "not-alphanumeric"}, "51000"),
        (True, {}, "51000"),
        (True, {"posSide": LONG, "reduceOnly": True}, "51205"),
        (True, {"posSide": LONG, "sz": "1001"}, "51202"),
        (True, {"posSide": LONG, "sz": "901"}, "51112"),
        (True, {"posSide": SHORT, "side": BUY}, "51169"),
    ],
)
def test_it_refuses_an_order_in_the_words_of_okx(
    url: str, account: Account, hedge: bool, of: dict[str, Any], code: str
) -> None:
    account.hedge = hedge
    account.hold(BTC, "900", LONG if hedge else "net")
    with pytest.raises(ccxt.ExchangeError) as caught:
        order(client_at(url), **of)
    said = json.loads(str(caught.value).partition(" ")[2])
    assert (said["code"], said["data"][0]["sCode"]) == ("1", code)
    assert account.violations == [] and account.fills == []


@pytest.mark.parametrize("of", [{}, {"side": BUY}, {"instId": ETH}, {"sz": "901"}])
def test_who_asks_for_more_than_to_reduce_is_noted(url: str, account: Account, of: dict[str, Any]) -> None:
    account.hold(BTC, "900")
    if of:
        with pytest.raises(ccxt.ExchangeError):
            order(client_at(url), **of)
    else:
        order(client_at(url))
    assert len(account.violations) == 1


def test_a_client_id_is_taken_once(url: str, account: Account) -> None:
    account.hold(BTC, "900")
    account.rest(BTC, SELL, "1", client_id="a1", price=Decimal(70000), reduce_only=True)
    with pytest.raises(ccxt.DuplicateOrderId, match="51016"):
        order(client_at(url), reduceOnly=True)


def test_an_order_that_may_not_wait_is_filled_within_its_price_or_not_at_all(url: str, account: Account) -> None:
    client = client_at(url)
    account.hold(BTC, "900")
    order(client, reduceOnly=True, ordType="ioc", px="60000.1", clOrdId="far")
    found = client.private_get_trade_order({"instId": BTC, "clOrdId": "far"})["data"][0]
    assert (found["state"], found["accFillSz"], str(account.position(BTC))) == ("canceled", "0", "900")
    order(client, reduceOnly=True, ordType="ioc", px="59000", clOrdId="near")
    assert account.position(BTC) == 899 and account.violations == []


def test_an_order_that_never_was_is_not_found(url: str) -> None:
    with pytest.raises(ccxt.OrderNotFound, match="51603"):
        client_at(url).private_get_trade_order({"instId": BTC, "clOrdId": "a1"})


def test_several_are_cancelled_one_by_one_in_one_request(url: str, account: Account) -> None:
    client = client_at(url)
    orders = [account.rest(BTC, BUY, "1", price=Decimal(50000)) for _number in range(21)]
    handles = [{"instId": BTC, "ordId": one.id} for one in orders]
    with pytest.raises(ccxt.ExchangeError, match="51406"):
        client.private_post_trade_cancel_batch_orders(handles)
    assert client.private_post_trade_cancel_batch_orders(handles[:2])["code"] == "0"
    partly = client.private_post_trade_cancel_batch_orders(handles[1:3])
    assert (partly["code"], [row["sCode"] for row in partly["data"]]) == ("2", ["51400", "0"])
    with pytest.raises(ccxt.OrderNotFound, match="51400"):
        client.private_post_trade_cancel_batch_orders(handles[:3])
    stops = [account.rest(BTC, SELL, "1", trigger=Decimal(5), family="trigger") for _number in range(11)]
    with pytest.raises(ccxt.ExchangeError, match="51406"):
        client.private_post_trade_cancel_algos([{"instId": BTC, "algoId": one.id} for one in stops])
    with pytest.raises(ccxt.OrderNotFound):  # it is in the other book
        client.private_post_trade_cancel_batch_orders([{"instId": BTC, "ordId": stops[0].id}])
    assert len(account.open_orders(conditional=True)) == 11


def test_a_list_has_pages_of_100_newest_first(url: str, account: Account) -> None:
    client = client_at(url)
    placed = [account.rest(BTC, BUY, "1", price=Decimal(50000)).id for _number in range(130)]
    first = client.private_get_trade_orders_pending({"instType": "SWAP"})["data"]
    rest = client.private_get_trade_orders_pending({"instType": "SWAP", "after": first[-1]["ordId"]})["data"]
    assert [row["ordId"] for row in first + rest] == placed[::-1] and len(first) == 100


def test_conditional_orders_are_listed_by_family(url: str, account: Account) -> None:
    client = client_at(url)
    for family in ("conditional", "oco", "trigger", "twap"):
        account.rest(BTC, SELL, "1", trigger=Decimal(5), family=family)

    def listed(asked: str) -> list[str]:
        return [row["ordType"] for row in client.private_get_trade_orders_algo_pending({"ordType": asked})["data"]]

    assert listed("conditional,oco") == ["oco", "conditional"] and listed("trigger") == ["trigger"]
    assert listed("iceberg") == []
    for asked in ("conditional,trigger", "", "other"):
        with pytest.raises(ccxt.BadRequest, match="51000"):
            listed(asked)


@pytest.mark.parametrize("environment", ["production", "demo"])
def test_the_module_sends_byte_for_byte_what_a_frozen_ccxt_signs(
    exchange: Exchange, url: str, environment: str
) -> None:
    now = int(time.time() * 1000)
    of = KEYS if environment == "production" else {"apiKey": "key-2", "secret": "secret-2", "password": "phrase-2"}
    account = exchange.keys[of["apiKey"]].account
    account.hold(ETH, "12.34")
    account.rest(ETH, BUY, "1", price=Decimal(2000))
    account.rest(ETH, SELL, "1", trigger=Decimal(2000), family="conditional")
    client, oracle = client_at(url, environment, **of), client_at(url, environment, **of)
    client.milliseconds = oracle.milliseconds = lambda: now
    venue = Module(client, Calls(client, time.monotonic() + 30), ())
    venue.probe()
    venue.connect()
    read = venue.read(())
    stop, entry = read.orders
    venue.cancel([entry])
    venue.cancel([stop])
    for _number in range(2):
        account.rest(ETH, BUY, "1", price=Decimal(2000))
        account.rest(ETH, SELL, "1", trigger=Decimal(2000), family="oco")
    venue.read(())
    venue.cancel_all("ETH/USDT:USDT", REGULAR)
    venue.cancel_all("ETH/USDT:USDT", CONDITIONAL)
    venue.close(read.positions[0], Decimal("2.30"), "bf1", None)
    venue.close(read.positions[0], Decimal("0.04"), "bf2", Decimal("0.01"))
    venue.sent(read.positions[0], "bf1")
    venue.calls.read_clock()

    reading = [
        *(("GET", "trade/orders-algo-pending", {"instType": "SWAP", "ordType": family, "limit": "100"})
          for family in FAMILIES + NEWER_FAMILIES),
        ("GET", "trade/orders-pending", {"instType": "SWAP", "limit": "100"}),
        ("GET", "account/positions", {"instType": "SWAP"}),
    ]  # fmt: skip
    close = {"instId": ETH, "tdMode": "isolated", "posSide": "net", "side": "sell"}
    ids = sorted(account.orders)
    wanted: list[tuple[str, str, Any]] = [
        ("GET", "trade/orders-pending", {"instType": "SWAP", "limit": "1"}),
        ("GET", "public/instruments", {"instType": "SWAP"}),
        *reading,
        ("POST", "trade/cancel-batch-orders", [{"instId": ETH, "ordId": ids[0]}]),
        ("POST", "trade/cancel-algos", [{"instId": ETH, "algoId": ids[1]}]),
        *reading,
        ("POST", "trade/cancel-batch-orders", [{"instId": ETH, "ordId": name} for name in (ids[4], ids[2])]),
        ("POST", "trade/cancel-algos", [{"instId": ETH, "algoId": name} for name in (ids[5], ids[3])]),
        ("POST", "trade/order",
         {**close, "ordType": "market", "sz": "2.3", "reduceOnly": True, "clOrdId": "bf1"}),
        ("POST", "trade/order",
         {**close, "ordType": "ioc", "sz": "0.04", "reduceOnly": True, "px": "2970", "clOrdId": "bf2"}),
        ("GET", "trade/order", {"instId": ETH, "clOrdId": "bf1"}),
        ("GET", "public/time", {}),
    ]  # fmt: skip
    asked = [request for _at, request in exchange.asked]
    assert [f"{request.method} {request.path}" for request in asked] == [
        f"{method} /api/v5/{path}" for method, path, _parameters in wanted
    ]
    for request, (method, path, parameters) in zip(asked, wanted):
        api = path.partition("/")[0].replace("trade", "private").replace("account", "private")
        signed = oracle.sign(path, [api], method, parameters)
        assert f"{url}{request.target}" == signed["url"]
        assert request.body.decode() == (signed["body"] or "")
        headers = {name.lower(): value for name, value in (signed["headers"] or {}).items()}
        assert headers.items() <= request.headers.items()
        assert (request.headers.get("x-simulated-trading") == "1") is (environment == "demo")
        if api == "private":
            text = f"{oracle.iso8601(now)}{method}{request.target}".encode() + request.body
            assert sign(of["secret"], text) == request.headers["ok-access-sign"]
        assert b"tag" not in request.body
    assert account.violations == [] and account.position(ETH) == Decimal("10.00")
