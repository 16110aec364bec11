# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An exchange that is up for many nights, a clock that lets pauses pass, and a client that gives late answers up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._exposure import access, calls, environment, flatten
from ansible_collections.tradeops.botfleet.plugins.module_utils._exposure import okx as okx_venue
from ansible_collections.tradeops.botfleet.plugins.module_utils._exposure.library import ccxt
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations import exchange_exposure

from tests.peers.exchange import binanceusdm, binanceusdm_forms, bybit, bybit_forms, okx
from tests.peers.exchange.books import Account, Market
from tests.peers.exchange.server import Exchange, Key, serving
from tests.peers.exchange.wire import Answer, Request

CANARY = "CANARY"
LATE = "X-Late"
"""Header of an answer that comes when its client has given up; see ``pauses_cost_nothing``."""
OVERDUE = Answer("", 200, {LATE: "1"})
KEY_HEADERS = ("x-mbx-apikey", "x-bapi-api-key", "ok-access-key")
SIGNATURE_HEADERS = ("x-bapi-sign", "ok-access-sign")

KITS: dict[str, tuple[Callable[[], Any], Callable[[], dict[str, Market]]]] = {
    "binanceusdm": (binanceusdm.BinanceUsdm, binanceusdm_forms.MARKETS.copy),
    "bybit": (bybit.Bybit, bybit_forms.markets),
    "okx": (okx.Okx, okx.markets),
}


class Clock:
    """Stands in for ``time`` in what is tested: a pause costs nothing, and is over at once. It never goes back."""

    def __init__(self) -> None:
        self._slept = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self._slept

    def sleep(self, seconds: float) -> None:
        self._slept += seconds


CLOCK = Clock()


@dataclass(repr=False)
class Desk:
    """An exchange that is up. Each environment that it has knows one key; its account is another one each night.

    symbols: as ccxt writes them, by the exchange's name of the market
    """

    name: str
    exchange: Exchange
    environments: list[str]
    base_url: str
    markets: dict[str, Market]
    symbols: dict[str, str]

    def keys(self, of: str) -> dict[str, str]:
        """The credentials of an environment."""
        keys = {"api_key": f"{CANARY}-key-{of}", "api_secret": f"{CANARY}-secret-{of}"}
        return {**keys, "api_passphrase": f"{CANARY}-passphrase-{of}"} if self.name == "okx" else keys

    def take(self, accounts: dict[str, Account]) -> None:
        """By environment."""
        for of, account in accounts.items():
            keys = self.keys(of)
            self.exchange.add_key(Key(keys["api_key"], keys["api_secret"], of, account, keys.get("api_passphrase", "")))

    def place(self, request: Request) -> str:
        """The environment that a request was sent to."""
        if self.name != "okx":
            return request.place
        return "demo" if request.headers.get("x-simulated-trading") == "1" else "production"


def key_of(request: Request) -> str:
    return next((request.headers[name] for name in KEY_HEADERS if name in request.headers), "")


def signatures(request: Request) -> list[str]:
    """What must be told to nobody: with it, the request can be sent again."""
    found = [request.headers.get(name, "") for name in SIGNATURE_HEADERS]
    if "signature=" in request.query + request.body.decode():
        found.append(request.parameters()["signature"])
    return list(filter(None, found))


@contextmanager
def desk_at(name: str) -> Iterator[Desk]:
    emulated, markets = KITS[name]
    exchange, kind = Exchange(emulated()), access.venue_class(name)
    with serving(exchange) as url, pauses_cost_nothing():
        base = url if kind.TOLD_BY_HEADER else url + "/{environment}"
        desk = Desk(name, exchange, list(kind.ENVIRONMENTS), base, markets(), {})
        desk.take({of: Account(desk.markets) for of in desk.environments})
        client = access.open_client(name, "production", base, desk.keys("production"))
        venue = kind(client, calls.Calls(client, CLOCK.monotonic() + 60), ())
        venue.calls.read(venue.connect)
        desk.symbols.update({market: client.safe_symbol(market, None, None, "swap") for market in desk.markets})
        yield desk


@contextmanager
def pauses_cost_nothing() -> Iterator[None]:
    """Neither does a time-out: an answer that comes too late says so, and its client waits by the clock above."""
    session = import_module("requests").Session
    overdue = import_module("requests").exceptions.ReadTimeout
    ask = session.request

    def impatient(self: Any, *given: Any, timeout: float, **named: Any) -> Any:
        answer = ask(self, *given, timeout=timeout, **named)
        if LATE in answer.headers:
            CLOCK.sleep(timeout)
            raise overdue("read timed out")
        return answer

    with pytest.MonkeyPatch.context() as patch:
        for module in (calls, flatten, environment, okx_venue, exchange_exposure):
            patch.setattr(module, "time", CLOCK)
        patch.setattr(ccxt.Exchange, "throttle", lambda *_arguments: None)
        patch.setattr(session, "request", impatient)
        yield
