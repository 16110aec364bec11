# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An account at an emulated OKX, for the tests of what takes it to flat."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import ccxt
import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._exposure import calls, flatten
from ansible_collections.tradeops.botfleet.plugins.module_utils._exposure.calls import Calls
from ansible_collections.tradeops.botfleet.plugins.module_utils._exposure.flatten import Aim, Course, Flattening
from ansible_collections.tradeops.botfleet.plugins.module_utils._exposure.okx import Okx as Module

from tests.peers.exchange.books import Account
from tests.peers.exchange.okx import Okx, markets
from tests.peers.exchange.server import Exchange, Key, serving
from tests.peers.exchange.wire import Request

BTC, ETH, DOGE, USDC, COIN = "BTC-USDT-SWAP", "ETH-USDT-SWAP", "DOGE-USDT-SWAP", "BTC-USDC-SWAP", "BTC-USD-SWAP"
KEYS = {"apiKey": "key-1", "secret": "secret-1", "password": "phrase-1"}
CLOSE = r"^POST /api/v5/trade/order "
CANCEL = r"^POST /api/v5/trade/cancel-batch-orders "


@dataclass
class Bench:
    """An account of production at an emulated OKX."""

    url: str
    exchange: Exchange
    account: Account

    def venue(self, *markets: str, seconds: float = 20, keys: dict[str, str] | None = None) -> Module:
        client = ccxt.okx(keys or KEYS)
        client.enableRateLimit = False
        Module.point(client, "production", self.url)
        venue = Module(client, Calls(client, time.monotonic() + seconds), markets)
        venue.connect()
        return venue

    def run(self, *markets: str, strategy: str = flatten.CANCEL_AND_CLOSE, seconds: float = 20, **aim: Any) -> Course:
        """Flatten it, and hold what came of it against the exchange's own books."""
        venue = self.venue(*markets, seconds=seconds)
        course = Flattening(venue, venue.calls, Aim(strategy, seed="s", **aim)).run()
        if strategy == flatten.CANCEL_AND_CLOSE and not markets and not aim.get("symbols"):
            assert self.account.flat is course.reached, course.problem
        assert self.account.violations == []
        executed = Counter(client_id for client_id, _amount in self.account.fills)
        assert not [client_id for client_id, times in executed.items() if times > 1]
        return course

    def asked(self, path: str) -> list[Request]:
        return [request for _at, request in self.exchange.asked if request.path == f"/api/v5/{path}"]

    def closing(self) -> list[dict[str, Any]]:
        """The bodies of the orders that were sent."""
        return [request.json() for request in self.asked("trade/order") if request.method == "POST"]


@contextmanager
def bench_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """With little patience."""
    monkeypatch.setattr(flatten, "BETWEEN_READS", 0.01)
    monkeypatch.setattr(flatten, "LOOK_UPS", (0.01, 0.02))
    monkeypatch.setattr(calls, "PAUSES", (0.01,))
    exchange = Exchange(Okx(isolated=frozenset({ETH})))
    account = exchange.add_key(Key("key-1", "secret-1", "production", Account(markets()), "phrase-1")).account
    with serving(exchange) as url:
        yield Bench(url, exchange, account)
