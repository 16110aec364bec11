# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every request that the module sends to Bybit is byte for byte what ccxt signs in the same millisecond."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import ccxt
import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._exposure.account import OpenOrder, Position

from tests.peers.exchange.books import SELL
from tests.unit.plugins.module_utils._exposure.bybit_bench import BTC, KEYS, USDC, Bench, bench_at

MARKET = {"category": "linear", "symbol": "BTCUSDT"}


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with bench_at(monkeypatch) as made:
        yield made


def check(bench: Bench, now: int, expected: list[tuple[str, str, dict[str, Any]]]) -> None:
    """Method, target, body and headers of all requests so far, against a ccxt client of its own."""
    client = ccxt.bybit({"apiKey": KEYS["api_key"], "secret": KEYS["api_secret"]})
    client.milliseconds = lambda: now
    assert [request.method for _at, request in bench.exchange.asked] == [method for method, _path, _asked in expected]
    for (_at, request), (method, path, asked) in zip(bench.exchange.asked, expected):
        signed = client.sign(path, ["private"], method, asked)
        assert request.target == signed["url"].replace("https://api.bybit.com", "")
        assert request.body == (signed["body"] or "").encode()
        for name, value in signed["headers"].items():
            assert request.headers[name.lower()] == value


def test_that_markets_are_read_in_full_and_nothing_else_with_them(bench: Bench) -> None:
    bench.connected()
    assert bench.asked() == [
        f"GET /v5/market/instruments-info?category={category}&limit=1000{more} "
        for category, cursor in (("linear", "%5B%22ETHUSDT%22%5D"), ("inverse", "%5B%22ETHUSD%22%5D"))
        for more in ("", "&status=PreLaunch", f"&cursor={cursor}")
    ]


def test_that_each_reading_is_what_ccxt_signs(bench: Bench) -> None:
    bench.account.hold("BTCPERP", "3")
    venue, now = bench.connected(), bench.exchange.now()
    venue.client.milliseconds = lambda: now
    bench.exchange.asked.clear()
    venue.probe()
    assert [position.symbol for position in venue.read(()).positions] == [USDC]
    expected = [("GET", "v5/position/list", {"category": "linear", "settleCoin": "USDT", "limit": 1})]
    for scope in (
        {"category": "linear", "settleCoin": "USDT"},
        {"category": "linear", "settleCoin": "USDC"},
        {"category": "inverse"},
    ):
        expected.append(("GET", "v5/order/realtime", {**scope, "orderFilter": "StopOrder", "limit": 50}))
        expected.append(("GET", "v5/order/realtime", {**scope, "limit": 50}))
        expected.append(("GET", "v5/position/list", {**scope, "limit": 200}))
        if scope.get("settleCoin") == "USDC":
            cursor = "%5B%22BTCPERP%22%2C%20%220%22%5D"  # as it came
            expected.append(("GET", "v5/position/list", {**scope, "limit": 200, "cursor": cursor}))
    check(bench, now, expected)


def test_that_each_order_and_cancellation_is_what_ccxt_signs(bench: Bench) -> None:
    bench.account.hold("BTCUSDT", "3")
    resting = bench.account.rest("BTCUSDT", SELL, "1", price=Decimal(70000), reduce_only=True)
    venue, now = bench.connected(), bench.exchange.now()
    venue.client.milliseconds = lambda: now
    bench.exchange.asked.clear()
    position = Position(BTC, "long", Decimal(3), Decimal(1), {**MARKET, "positionIdx": 0})
    venue.close(position, Decimal("0.5"), "bfplain", None)
    venue.close(position, Decimal("0.5"), "bfbound", Decimal("0.0212"))
    venue.close(position, Decimal("0.0004"), "bfdust", None)
    with pytest.raises(ccxt.BadRequest):  # the account is not in hedge mode
        venue.close(replace(position, handle={**MARKET, "positionIdx": 1}), Decimal("0.5"), "bfhedge", None)
    venue.sent(position, "bfnone")
    venue.cancel_all(BTC, "regular")
    venue.cancel_all(BTC, "conditional")
    venue.cancel([OpenOrder(BTC, resting.id, "", "regular", "sell", True, None, MARKET)])
    order = {**MARKET, "positionIdx": 0, "side": "Sell", "orderType": "Market", "qty": "0.5"}
    bound = {"slippageToleranceType": "Percent", "slippageTolerance": "2.12"}
    create, realtime = "v5/order/create", "v5/order/realtime"
    check(
        bench,
        now,
        [
            ("POST", create, {**order, "orderLinkId": "bfplain", "reduceOnly": True}),
            ("POST", create, {**order, "orderLinkId": "bfbound", "reduceOnly": True, **bound}),
            (
                "POST",
                create,
                {**order, "qty": "0", "orderLinkId": "bfdust", "reduceOnly": True, "closeOnTrigger": True},
            ),
            ("POST", create, {**order, "positionIdx": 1, "orderLinkId": "bfhedge"}),
            ("GET", realtime, {**MARKET, "orderLinkId": "bfnone"}),
            ("GET", "v5/order/history", {**MARKET, "orderLinkId": "bfnone"}),
            ("POST", "v5/order/cancel-all", {**MARKET, "orderFilter": "Order"}),
            ("POST", "v5/order/cancel-all", {**MARKET, "orderFilter": "StopOrder"}),
            ("POST", "v5/order/cancel", {**MARKET, "orderId": resting.id}),
        ],
    )
