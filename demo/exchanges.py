# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The exchanges of the demo fleet, emulated on loopback, and what each quantum trader has there.

A bot has accounts of its own: one in production, which holds something, and an empty one without real money. Its keys
are made of its name. All of them are canaries: they open nothing else, and must be seen nowhere but in the bot's
config/exchange.yaml, the snapshots of it, the exchanges' own files and the inventory.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pages

PROGRAM = "tests.peers.exchange"
COLLECTION = Path(__file__).resolve().parents[1]
PRODUCTION = "production"


@dataclass(frozen=True)
class Holding:
    """A position: ``amount`` is below zero for a short one, ``entry`` what an order that waits would add to it."""

    market: str
    price: int
    amount: float
    entry: float


@dataclass(frozen=True)
class Exchange:
    """One exchange.

    name: in the bots' configs
    venue: as ccxt and the emulator call it
    offset: its port above the fleet's base port; 4 to 19 are no bot's
    practice: its environment without real money
    stop, target: how it calls the conditional orders that limit a loss and take a profit
    """

    name: str
    venue: str
    offset: int
    practice: str
    stop: str
    target: str
    holdings: tuple[Holding, ...]

    def keys(self, environment: str, bot: str) -> dict[str, str]:
        """A bot's credentials, by field."""
        words = ["key", "secret", *(["passphrase"] if self.name == "okx" else [])]
        of = "prod" if environment == PRODUCTION else "testnet"
        return {f"api_{word}": f"CANARY-{of}-{self.name}-{word}-{bot}" for word in words}

    def account(self, environment: str, bot: str) -> dict[str, Any]:
        """A bot's account as the emulator takes it, which passes over ``bot``."""
        keys = self.keys(environment, bot)
        return {
            "bot": bot,
            "environment": environment,
            "key": keys["api_key"],
            "secret": keys["api_secret"],
            "password": keys.get("api_passphrase", ""),
            **(self._held(bot) if environment == PRODUCTION else {}),
        }

    def _held(self, bot: str) -> dict[str, Any]:
        """Each position has a stop and a target. How large it is depends on the bot's number."""
        share = 1 + int(bot.rpartition("-")[2]) % 8
        positions, orders = [], []
        for it in self.holdings:
            up, opens, closes = (1, "buy", "sell") if it.amount > 0 else (-1, "sell", "buy")
            held, entry = (f"{amount * share:.3f}" for amount in (abs(it.amount), it.entry))
            positions.append([it.market, held if up > 0 else f"-{held}"])
            orders.append([it.market, opens, entry, {"price": f"{it.price * (1 - up * 0.02):.1f}"}])
            for away, family in ((-0.05, self.stop), (0.08, self.target)):
                trigger = f"{it.price * (1 + up * away):.1f}"
                orders.append([it.market, closes, held, {"trigger": trigger, "reduce_only": True, "family": family}])
        return {"positions": positions, "orders": orders}


EXCHANGES = (
    Exchange(
        "binance",
        "binanceusdm",
        4,
        "testnet",
        "STOP_MARKET",
        "TAKE_PROFIT_MARKET",
        (Holding("BTCUSDT", 60000, 0.02, 0.005), Holding("ETHUSDT", 3000, -0.4, 0.1)),
    ),
    Exchange(
        "bybit",
        "bybit",
        5,
        "testnet",
        "StopLoss",
        "TakeProfit",
        (Holding("BTCUSDT", 60000, -0.01, 0.002), Holding("ETHUSDT", 3000, 0.6, 0.2)),
    ),
    Exchange(
        "okx",
        "okx",
        6,
        "demo",
        "conditional",
        "trigger",
        (Holding("BTC-USDT-SWAP", 60000, 2, 0.5), Holding("ETH-USDT-SWAP", 3000, -1.5, 0.5)),
    ),
)


def config(bot: str) -> str:
    """A bot's config/exchange.yaml."""
    lines = ["---", "# The bot's own exchange accounts. Set on this host, not in git", "exchanges:"]
    for exchange in EXCHANGES:
        lines += [f"  {exchange.name}:", "    testnet: false  # production"]
        lines += [f'    {field}: "{value}"' for field, value in exchange.keys(PRODUCTION, bot).items()]
    return "\n".join([*lines, ""])


def open_all(root: Path, bots: Iterable[str], base_port: int) -> None:
    """Start a process for each exchange. None may answer yet when this returns."""
    home(root).mkdir(mode=0o700)
    of = [(bot, production) for bot in bots for production in (True, False)]
    for exchange in EXCHANGES:
        port, file = base_port + exchange.offset, home(root) / f"{exchange.name}.json"
        accounts = [exchange.account(PRODUCTION if production else exchange.practice, bot) for bot, production in of]
        file.write_text(json.dumps({"venue": exchange.venue, "port": port, "accounts": accounts}, indent=1))
        with file.with_suffix(".log").open("wb") as log:
            subprocess.Popen(
                # With the standard library alone, and without writing to where the collection is installed
                [sys.executable, "-BES", "-m", PROGRAM, str(file), "--port", str(port)],
                cwd=COLLECTION,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


def home(root: Path) -> Path:
    """Where the files of a fleet's exchanges are."""
    return root / "exchanges"


def runs_one(arguments: list[str], root: Path) -> bool:
    """Whether this is the command line of an exchange of this fleet."""
    return arguments[2:4] == ["-m", PROGRAM] and os.path.dirname("".join(arguments[4:5])) == str(home(root))


def books(root: Path) -> dict[str, dict[str, Any] | None]:
    """What each exchange has of each bot's account in production, by their names; None of one that does not answer."""
    found: dict[str, dict[str, Any] | None] = {}
    for file in sorted(home(root).glob("*.json")):
        described = json.loads(file.read_text())
        page = pages.read(described["port"], "/books")
        held = [it for it in described["accounts"] if it["environment"] == PRODUCTION]
        found[file.stem] = page and {it["bot"]: page[it["key"]] for it in held}
    return found
