# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what the demo bots ordered. Knows nothing of the collection, so that it can be a witness."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Order:
    """One order, as its bot wrote it.

    t: wall clock, seconds since 1970; mono: monotonic seconds of the machine
    version: the deploy tag of the code that sent it
    env: ``production`` or ``testnet``
    bad: it broke the risk limit
    """

    t: float
    mono: float
    bot: str
    version: str
    env: str
    side: str
    qty: float
    bad: bool


class Ledger:
    """The orders of all bots of one fleet, below ``<root>/ledger``."""

    def __init__(self, root: Path) -> None:
        self._directory = root / "ledger"

    def bots(self) -> list[str]:
        """The bots that have a ledger, by name."""
        return sorted(path.stem for path in self._directory.glob("*.jsonl"))

    def orders(self, bot: str, *, after: float = 0.0, env: str | None = None) -> list[Order]:
        """A bot's orders later than a wall clock time, oldest first; ``env``: only those of an environment."""
        lines = (self._directory / f"{bot}.jsonl").read_text().split("\n")[:-1]
        orders = [Order(**json.loads(line)) for line in lines]
        return [order for order in orders if order.t > after and env in (None, order.env)]

    def bad(self, bot: str, *, after: float = 0.0) -> list[Order]:
        """A bot's orders that broke the risk limit."""
        return [order for order in self.orders(bot, after=after) if order.bad]

    def last(self, bot: str) -> Order | None:
        """A bot's newest order."""
        orders = self.orders(bot)
        return orders[-1] if orders else None

    def gaps(self, bot: str, longer_than: float = 0.5) -> list[tuple[float, float]]:
        """Where a bot paused: the wall clock times of the orders before and after each pause."""
        times = [order.t for order in self.orders(bot)]
        return [(before, after) for before, after in zip(times, times[1:]) if after - before > longer_than]
