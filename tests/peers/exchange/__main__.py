# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serve an exchange of a file until ended: ``python -m tests.peers.exchange <file> --port <port>``.

The file is a JSON object with ``venue`` and ``accounts``, each of which has ``key``, ``secret``, ``environment``, and
may have ``password``, ``hedge``, ``positions`` (lists of market, contracts and side) and ``orders`` (lists of market,
side, amount and an object with what else Order has). GET /books gives ``positions``, their ``notional``, ``orders`` and
``violations`` of each key.
"""

from __future__ import annotations

import argparse
import json
import signal
from decimal import Decimal
from pathlib import Path
from typing import Any

from .binanceusdm import BinanceUsdm
from .binanceusdm_forms import MARKETS
from .books import OPEN, Account
from .bybit import Bybit
from .bybit_forms import markets as bybit_markets
from .okx import Okx
from .okx import markets as okx_markets
from .server import Exchange, Key, Venue, serving

VENUES = {"binanceusdm": (BinanceUsdm, MARKETS.copy), "bybit": (Bybit, bybit_markets), "okx": (Okx, okx_markets)}
AMOUNTS = ("price", "trigger")


def exchange_of(described: dict[str, Any]) -> Exchange:
    """The exchange that a file describes."""
    make, markets = VENUES[described["venue"]]
    venue: Venue = make()
    exchange = Exchange(venue)
    for given in described["accounts"]:
        account = Account(markets(), given.get("hedge", False))
        for market, contracts, *side in given.get("positions", []):
            account.hold(market, contracts, *side)
        for market, side, amount, of in given.get("orders", []):
            account.rest(market, side, amount, **{k: Decimal(v) if k in AMOUNTS else v for k, v in of.items()})
        key = Key(given["key"], given["secret"], given["environment"], account, given.get("password", ""))
        exchange.add_key(key)
    return exchange


def books(exchange: Exchange) -> dict[str, Any]:
    """What it has of each key's account, now."""
    with exchange.lock:
        return {key.id: _book(key.account) for key in exchange.keys.values()}


def _book(account: Account) -> dict[str, Any]:
    return {
        "positions": {f"{market} {side}": str(held) for (market, side), held in account.positions.items() if held},
        "notional": str(account.notional()),
        "orders": [order.client_id for order in account.orders.values() if order.status == OPEN],
        "violations": account.violations,
    }


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("file", type=Path)
    parser.add_argument("--port", type=int, default=0)
    given = parser.parse_args()
    exchange = exchange_of(json.loads(given.file.read_text()))
    with serving(exchange, given.port, pages={"/books": lambda: books(exchange)}) as url:
        print(url, flush=True)
        signal.pause()


if __name__ == "__main__":
    main()
