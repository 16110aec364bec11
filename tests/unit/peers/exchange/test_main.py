# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An emulated exchange as a file describes it, with coins and with contracts."""

from __future__ import annotations

import pytest

from tests.peers.exchange.__main__ import VENUES, books, exchange_of

NAMED = {"key": "key-1", "secret": "secret-1", "environment": "production"}


@pytest.mark.parametrize(("venue", "market"), [("binance", "BTCUSDT"), ("bybit", "BTCUSDT"), ("okx", "BTC-USDT")])
def test_a_wallet_has_the_coins_and_orders_of_the_file(venue: str, market: str) -> None:
    order = [market, "sell", "0.2", {"price": "70000", "client_id": "mine"}]
    account = {**NAMED, "balances": {"BTC": "0.5", "USDT": "0"}, "spot_orders": [order]}
    exchange = exchange_of({"venue": venue, "accounts": [account]})
    wallet = exchange.keys["key-1"].wallet
    assert (str(wallet.free("BTC")), str(wallet.locked("BTC"))) == ("0.3", "0.2")
    assert books(exchange) == {
        "key-1": {"positions": {}, "notional": "0", "balances": {"BTC": "0.5"}, "orders": ["mine"], "violations": []}
    }
    wallet.violations.append("bought")
    assert books(exchange)["key-1"]["violations"] == ["bought"]


@pytest.mark.parametrize("venue", VENUES)
def test_an_account_may_have_neither(venue: str) -> None:
    exchange = exchange_of({"venue": venue, "accounts": [NAMED]})
    assert exchange.keys["key-1"].account.flat and exchange.keys["key-1"].wallet.flat
    assert bool(exchange.keys["key-1"].account.markets) is (venue != "binance")
