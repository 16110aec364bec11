# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An account at an emulated Binance, and what flattens it, over HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._exposure import flatten as flattening
from ansible_collections.tradeops.botfleet.plugins.module_utils._exposure.access import open_client
from ansible_collections.tradeops.botfleet.plugins.module_utils._exposure.binanceusdm import BinanceUsdm
from ansible_collections.tradeops.botfleet.plugins.module_utils._exposure.calls import Calls
from ansible_collections.tradeops.botfleet.plugins.module_utils._exposure.flatten import (
    CANCEL_AND_CLOSE,
    Aim,
    Course,
    Flattening,
)

from tests.peers.exchange.binanceusdm import BinanceUsdm as Emulated
from tests.peers.exchange.books import Account
from tests.peers.exchange.faults import Fault
from tests.peers.exchange.server import Exchange, Key, serving
from tests.peers.exchange.wire import Answer

KEYS = {"api_key": "thekey", "api_secret": "thesecret"}
BTC, ETH, USDC, DATED = "BTC/USDT:USDT", "ETH/USDT:USDT", "BTC/USDC:USDC", "BTC/USDT:USDT-270326"
ORDER = "POST /fapi/v1/order"


@dataclass
class Bench:
    """``account`` is in production; ``calls`` are those of the last venue."""

    exchange: Exchange
    emulated: Emulated
    account: Account
    url: str
    calls: list[Calls] = field(default_factory=list)

    @property
    def base_url(self) -> str:
        return self.url + "/{environment}"

    def open(self, environment: str = "production", deadline: float = 20) -> BinanceUsdm:
        """A venue that has sent nothing yet."""
        client = open_client("binanceusdm", environment, self.base_url, KEYS)
        self.calls.append(Calls(client, time.monotonic() + deadline))
        return BinanceUsdm(client, self.calls[-1], ())

    def connected(self, deadline: float = 20) -> BinanceUsdm:
        venue = self.open(deadline=deadline)
        venue.calls.read(venue.connect)
        return venue

    def flatten(self, strategy: str = CANCEL_AND_CLOSE, deadline: float = 20, **aim: Any) -> Course:
        """Run it, and check what must hold whatever comes of it."""
        venue = self.connected(deadline)
        course = Flattening(venue, venue.calls, Aim(strategy, **aim)).run()
        assert self.account.violations == []
        executed = [client_id for client_id, _amount in self.account.fills if client_id.startswith("bf")]
        assert len(executed) == len(set(executed))
        if strategy == CANCEL_AND_CLOSE and not aim.get("symbols"):
            assert self.account.flat or not course.reached
        assert "signature" not in f"{course.problem} {course.refusals} {course.closed}"
        return course

    def fault(self, on: str, **of: Any) -> Fault:
        return self.exchange.fault(on, **of)

    def says(self, on: str, code: int, status: int = 400, **of: Any) -> Fault:
        """Script an error in place of an answer."""
        return self.fault(on, answer=Answer({"code": code, "msg": "as scripted"}, status), **of)

    def asked(self, line: str = "") -> list[str]:
        """What was asked, as ``METHOD /path``, where that begins with ``line``."""
        lines = [f"{request.method} {request.path}" for _at, request in self.exchange.asked]
        return [it for it in lines if it.startswith(line)]

    def sent(self) -> list[dict[str, str]]:
        """The parameters of each order that was sent."""
        return [
            {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
            for _at, request in self.exchange.asked
            if f"{request.method} {request.path}" == ORDER
        ]


@contextmanager
def bench_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """With pauses that suit an exchange on loopback."""
    monkeypatch.setattr(flattening, "BETWEEN_READS", 0.01)
    monkeypatch.setattr(flattening, "LOOK_UPS", (0.01, 0.05))
    emulated = Emulated()
    exchange, account = Exchange(emulated), emulated.account()
    exchange.add_key(Key(KEYS["api_key"], KEYS["api_secret"], "production", account))
    with serving(exchange) as url:
        yield Bench(exchange, emulated, account, url)
