# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The emulator as a bot's exchange, asked by ccxt: it lets in whom the script lets in, and nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import ccxt
import pytest

from tests.peers.exchange.binanceusdm_bot import BinanceForBots
from tests.peers.exchange.books import Account
from tests.peers.exchange.server import Exchange, Key, serving

BTC = "BTC/USDT:USDT"


@dataclass
class Bench:
    """One account, and a client of it."""

    account: Account
    client: Any


@pytest.fixture
def bench() -> Iterator[Bench]:
    venue = BinanceForBots()
    exchange, account = Exchange(venue), venue.account()
    exchange.add_key(Key("thekey", "thesecret", "production", account))
    with serving(exchange) as url:
        client = ccxt.binanceusdm({"apiKey": "thekey", "secret": "thesecret", "enableRateLimit": False})
        for name, address in list(client.urls["api"].items()):
            client.urls["api"][name] = f"{url}/production/{address.partition('://')[2].partition('/')[2]}"
        yield Bench(account, client)


def test_an_entry_is_refused_and_noted_unless_it_is_scripted(bench: Bench) -> None:
    with pytest.raises(ccxt.ExchangeError, match="-2019"):
        bench.client.create_order(BTC, "market", "buy", 0.5)
    assert len(bench.account.violations) == 1
    assert (bench.account.entered, bench.account.flat) == ([], True)


def test_an_entry_that_is_scripted_is_filled_and_noted(bench: Bench) -> None:
    bench.account.admits = lambda order: order.client_id == "the-bot-1"
    with pytest.raises(ccxt.ExchangeError, match="-2019"):
        bench.client.create_order(BTC, "market", "buy", 0.5, None, {"newClientOrderId": "somebody-else"})
    placed = bench.client.create_order(BTC, "market", "buy", 0.5, None, {"newClientOrderId": "the-bot-1"})
    order = bench.client.fetch_order(placed["id"], BTC)
    assert (order["status"], order["filled"], order["average"]) == ("closed", 0.5, 60000.0)
    assert bench.account.position("BTCUSDT") == Decimal("0.5")
    assert bench.account.entered == ["buy 0.5 BTCUSDT for net, which is 0"]
    assert len(bench.account.violations) == 1


def test_a_bot_finds_prices_and_what_became_of_its_orders(bench: Bench) -> None:
    bench.account.admits = lambda _order: True
    bench.client.set_leverage(3, BTC)
    bench.client.set_margin_mode("isolated", BTC)
    bench.client.create_order(BTC, "market", "buy", 0.5)
    assert bench.client.fetch_order_book(BTC)["asks"][0][0] == 60000.0
    assert {row[4] for row in bench.client.fetch_ohlcv(BTC, "5m")} == {60000.0}
    assert [it["filled"] for it in bench.client.fetch_orders(BTC)] == [0.5]
    assert [(it["amount"], it["side"]) for it in bench.client.fetch_my_trades(BTC)] == [(0.5, "buy")]
