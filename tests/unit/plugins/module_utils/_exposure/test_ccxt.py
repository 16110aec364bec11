# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ccxt does by itself, because of which the venues ask raw endpoints and set addresses of their own (S3.5, S4.7).

A test that fails here after ccxt was updated tells what may have become simpler, or what has become wrong.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import ansible_collections.tradeops.botfleet as collection
import ccxt
import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._exposure.access import open_client
from ansible_collections.tradeops.botfleet.plugins.module_utils._exposure.account import CONDITIONAL
from ansible_collections.tradeops.botfleet.plugins.module_utils._exposure.calls import said

from tests.peers.exchange.books import SELL
from tests.peers.exchange.server import Key
from tests.peers.exchange.wire import Answer
from tests.unit.plugins.module_utils._exposure import binanceusdm_bench, bybit_bench, okx_bench
from tests.unit.plugins.module_utils._exposure.binanceusdm_bench import BTC, KEYS, Bench

ALL_KEYS = {**KEYS, "api_passphrase": "thephrase"}


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """At Binance: long, with a stop."""
    with binanceusdm_bench.bench_at(monkeypatch) as made:
        made.account.hold("BTCUSDT", "0.5")
        made.account.rest("BTCUSDT", SELL, "0.5", trigger=Decimal(50000), reduce_only=True)
        yield made


def unified(bench: Bench) -> Any:
    """A client of ccxt that has read the markets."""
    return bench.connected().client


def test_only_who_reads_an_account_waits_for_its_import() -> None:
    """It takes 0.3 s and more, on each bot of a fleet."""
    root = Path(next(iter(collection.__path__))).resolve()
    code = (
        "import sys\n"
        "from ansible_collections.tradeops.botfleet.plugins.module_utils._registry import OPERATIONS\n"
        "print(len(list(OPERATIONS.values())) == len(OPERATIONS), 'ccxt' in sys.modules)"
    )
    place = {"PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], cwd=root, env=place, capture_output=True, text=True, check=True)
    assert done.stdout == "True False\n"


# Addresses


def test_its_sandbox_mode_signs_nothing_for_binance_futures() -> None:
    client = ccxt.binanceusdm({"apiKey": "thekey", "secret": "thesecret"})
    client.set_sandbox_mode(True)
    with pytest.raises(ccxt.NotSupported, match="testnet/sandbox mode is not supported for futures anymore"):
        client.sign("openOrders", ["fapiPrivate"])


@pytest.mark.parametrize(
    ("exchange", "path", "api", "hosts"),
    [
        (
            "binanceusdm",
            "openOrders",
            "fapiPrivate",
            {
                "production": "https://fapi.binance.com/fapi/v1/",
                "testnet": "https://testnet.binancefuture.com/fapi/v1/",
                "demo": "https://demo-fapi.binance.com/fapi/v1/",
            },
        ),
        (
            "bybit",
            "v5/order/realtime",
            "private",
            {
                "production": "https://api.bybit.com/v5/",
                "testnet": "https://api-testnet.bybit.com/v5/",
                "demo": "https://api-demo.bybit.com/v5/",
            },
        ),
        (
            "okx",
            "account/positions",
            "private",
            {"production": "https://www.okx.com/api/v5/", "demo": "https://www.okx.com/api/v5/"},
        ),
    ],
)
def test_each_environment_is_reached_without_it(exchange: str, path: str, api: str, hosts: dict[str, str]) -> None:
    """S4.4: with the address that each exchange documents."""
    for environment, address in hosts.items():
        client = open_client(exchange, environment, None, ALL_KEYS)
        assert not client.isSandboxModeEnabled
        signed = client.sign(path, [api])
        assert signed["url"].startswith(address)


@pytest.mark.parametrize("environment", ["testnet", "demo"])
def test_an_account_without_real_money_is_flattened_like_any_other(bench: Bench, environment: str) -> None:
    """S4.4: binanceusdm, where ccxt would have refused."""
    account = bench.emulated.account()
    bench.exchange.add_key(Key(KEYS["api_key"], KEYS["api_secret"], environment, account))
    account.hold("BTCUSDT", "0.5")
    venue = bench.open(environment)
    venue.calls.read(venue.connect)
    (position,) = venue.read(()).positions
    venue.close(position, position.contracts, "bfone", None)
    assert account.flat and bench.account.position("BTCUSDT") == Decimal("0.5")
    assert {request.place for _at, request in bench.exchange.asked} == {environment}


# Signatures


def signature(exchange: str, environment: str, path: str, method: str) -> str:
    client = open_client(exchange, environment, None, ALL_KEYS)
    client.milliseconds = client.nonce = lambda: 1_700_000_000_000
    api = "fapiPrivate" if exchange == "binanceusdm" else "private"
    signed = client.sign(path, [api], method, {"symbol": "BTCUSDT"})
    if exchange == "binanceusdm":
        text = f"{signed['url']}&{signed['body']}"
        return next(part for part in text.replace("?", "&").split("&") if part.startswith("signature="))
    return str(signed["headers"]["OK-ACCESS-SIGN" if exchange == "okx" else "X-BAPI-SIGN"])


@pytest.mark.parametrize(
    ("exchange", "other", "path"),
    [
        ("binanceusdm", "testnet", "openOrders"),
        ("bybit", "testnet", "v5/order/realtime"),
        ("okx", "demo", "account/positions"),
    ],
)
def test_a_signature_does_not_bind_the_environment(exchange: str, other: str, path: str) -> None:
    """So that one signed read must go to each of them, to know whose key it is."""
    assert signature(exchange, "production", path, "GET") == signature(exchange, other, path, "GET")


def test_a_signature_of_binance_binds_neither_path_nor_verb() -> None:
    """Who sees the address of a reading can cancel every order."""
    reading = signature("binanceusdm", "production", "openOrders", "GET")
    assert reading == signature("binanceusdm", "production", "allOpenOrders", "DELETE")


def test_its_errors_quote_a_signed_address_and_ours_do_not(bench: Bench) -> None:
    client = unified(bench)
    bench.fault("GET /fapi/v1/openOrders", answer=Answer("<html>", 502))
    with pytest.raises(ccxt.BaseError) as raised:
        client.fapiPrivateGetOpenOrders()
    assert "signature=" in str(raised.value)
    assert not any(word in said(raised.value, client) for word in ("signature", "://", "timestamp"))


# Gaps of its unified methods


@pytest.mark.parametrize(
    ("exchange", "has"),
    [
        ("binanceusdm", {"cancelAllOrders": True, "closePosition": False, "fetchPositionMode": True}),
        ("bybit", {"cancelAllOrders": True, "closePosition": False, "fetchPositionMode": None}),
        ("okx", {"cancelAllOrders": False, "closePosition": True, "fetchPositionMode": True}),
    ],
)
def test_what_it_has_of_each_exchange(exchange: str, has: dict[str, bool | None]) -> None:
    """None of them has all that flattening needs."""
    client = getattr(ccxt, exchange)()
    has = {**has, "closeAllPositions": False, "cancelAllOrdersAfter": None if exchange == "binanceusdm" else True}
    assert {name: client.has.get(name) for name in has} == has


def test_binance_cancels_all_orders_of_a_symbol_only(bench: Bench) -> None:
    with pytest.raises(ccxt.ArgumentsRequired):
        unified(bench).cancel_all_orders()


def test_binance_reads_no_orders_without_a_symbol_before_it_was_told_to(bench: Bench) -> None:
    """It raises in place of asking; we ask for all."""
    client = unified(bench)
    with pytest.raises(ccxt.ExchangeError, match=r"WARNING: fetching open orders without specifying a symbol"):
        client.fetch_open_orders()
    assert bench.asked("GET /fapi/v1/openOrders") == []
    bench.account.rest("ETHUSDT", SELL, "1", price=Decimal(9000))
    assert {order.symbol for order in bench.connected().read(()).orders} == {BTC, "ETH/USDT:USDT"}


def test_binance_shows_and_cancels_no_conditional_order_by_default(bench: Bench) -> None:
    client = unified(bench)
    assert client.fetch_open_orders(BTC) == []
    client.cancel_all_orders(BTC)
    (stop,) = bench.account.open_orders()
    with pytest.raises(ccxt.BaseError):
        client.cancel_orders([stop.id], BTC, {"trigger": True})
    assert bench.asked("DELETE")[-1] == "DELETE /fapi/v1/batchOrders"  # which knows regular orders alone
    venue = bench.connected()
    (seen,) = venue.read(()).orders
    assert (seen.id, seen.kind) == (stop.id, CONDITIONAL)
    venue.cancel([seen])
    assert bench.account.open_orders() == []


def test_binance_takes_a_key_that_is_refused_later_for_a_ban_that_passes(bench: Bench) -> None:
    """A later -2015 tells nothing: what it calls DDoSProtection would be waited for; we end."""
    venue = bench.connected()
    bench.says("GET", -2015, 401, times=None)
    venue.client.options["hasAlreadyAuthenticatedSuccessfully"] = True
    with pytest.raises(ccxt.DDoSProtection):
        venue.client.fapiPrivateGetOpenOrders()
    venue.client.options["hasAlreadyAuthenticatedSuccessfully"] = True
    with pytest.raises(ccxt.AuthenticationError):
        venue._ask("fapiPrivateGetOpenOrders", {})


def test_bybit_reads_and_cancels_what_is_settled_in_usdt_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    with bybit_bench.bench_at(monkeypatch) as bench:
        for name in ("BTCUSDT", "BTCPERP", "BTCUSD"):
            bench.account.hold(name, "1")
            for price in (70000, 71000):
                bench.account.rest(name, SELL, "1", price=Decimal(price), reduce_only=True)
        client = bench.connected().client
        assert [row["symbol"] for row in client.fetch_positions()] == ["BTC/USDT:USDT"]
        client.cancel_all_orders()
        assert {order.market for order in bench.account.open_orders()} == {"BTCPERP", "BTCUSD"}
        assert {it.symbol for it in bench.connected().read(()).positions} == {
            bybit_bench.BTC,
            bybit_bench.USDC,
            bybit_bench.INVERSE,
        }


def test_okx_shows_one_family_of_conditional_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    with okx_bench.bench_at(monkeypatch) as bench:
        for family in ("conditional", "oco", "trigger", "move_order_stop", "iceberg", "twap"):
            of: dict[str, Any] = {"trigger": Decimal(50000), "family": family}
            bench.account.rest(okx_bench.BTC, SELL, "1", **of)
        venue = bench.venue()
        assert len(venue.client.fetch_open_orders(params={"trigger": True})) == 1
        assert [request.parameters()["ordType"] for request in bench.asked("trade/orders-algo-pending")] == ["trigger"]
        assert len(venue.read(()).orders) == 6
