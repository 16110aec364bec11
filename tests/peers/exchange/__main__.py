# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serve an exchange of a file until ended: ``python -m tests.peers.exchange <file> --port <port>``.

The file is a JSON object with ``venue`` and ``accounts``, each of which has ``key``, ``secret``, ``environment``, and
may have ``password``, ``hedge``, ``positions`` (lists of market, contracts and side) and ``orders`` (lists of market,
side, amount and an object with what else Order has), and of spot ``balances`` (amounts by coin) and ``spot_orders``.
GET /books gives ``positions``, their ``notional``, ``balances``, ``orders`` and ``violations`` of each key.
"""

from __future__ import annotations

import argparse
import json
import signal
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from . import binance_spot_forms, bybit_spot, okx_spot
from .binance_spot import BinanceSpot
from .binanceusdm import BinanceUsdm
from .binanceusdm_forms import MARKETS
from .books import Account, Market, Orders
from .bybit import Bybit
from .bybit_forms import markets as bybit_markets
from .okx import Okx
from .okx import markets as okx_markets
from .server import Exchange, Key, Venue, serving
from .wallet import Wallet

VENUES: dict[str, tuple[Callable[[], Venue], Callable[[], dict[str, Market]], Callable[[], Wallet]]] = {
    "binance": (BinanceSpot, dict, binance_spot_forms.wallet),
    "binanceusdm": (BinanceUsdm, MARKETS.copy, lambda: Wallet({})),
    "bybit": (Bybit, bybit_markets, bybit_spot.wallet),
    "okx": (Okx, okx_markets, okx_spot.wallet),
}
"""How to make each, the contracts of its accounts, and their wallets."""
AMOUNTS = ("price", "trigger")


def exchange_of(described: dict[str, Any]) -> Exchange:
    """The exchange that a file describes."""
    venue, markets, wallet_of = VENUES[described["venue"]]
    exchange = Exchange(venue())
    for given in described["accounts"]:
        wallet, account = wallet_of(), Account(markets(), hedge=given.get("hedge", False))
        for market, contracts, *side in given.get("positions", []):
            account.hold(market, contracts, *side)
        for coin, amount in given.get("balances", {}).items():
            wallet.hold(coin, amount)
        _rest(account, given.get("orders", []))
        _rest(wallet, given.get("spot_orders", []))
        exchange.add_key(
            Key(given["key"], given["secret"], given["environment"], account, given.get("password", ""), wallet)
        )
    return exchange


def _rest(orders: Orders, described: list[Any]) -> None:
    for market, side, amount, of in described:
        orders.rest(market, side, amount, **{k: Decimal(v) if k in AMOUNTS else v for k, v in of.items()})


def books(exchange: Exchange) -> dict[str, Any]:
    """What it has of each key's account, now."""
    with exchange.lock:
        return {key.id: _book(key.account, key.wallet) for key in exchange.keys.values()}


def _book(account: Account, wallet: Wallet) -> dict[str, Any]:
    return {
        "positions": {f"{market} {side}": str(held) for (market, side), held in account.positions.items() if held},
        "notional": str(account.notional()),
        "balances": {coin: str(amount) for coin, amount in wallet.balances.items() if amount},
        "orders": [order.client_id for orders in (account, wallet) for order in orders.open_orders()],
        "violations": account.violations + wallet.violations,
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
