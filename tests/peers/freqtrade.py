# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for freqtrade's REST API, with the traps of 2026.9, which tests/freqtrade shows in the real one."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from .web import Asked, Said, serving

USERNAME, PASSWORD = "operator", "CANARY-freqtrade-password"


@dataclass
class Freqtrade:
    """One bot.

    trades: those that its database has open
    held: those of them that its exchange still holds
    started: how often something made it run
    deaf: exits that come to nothing
    away: readings that are answered with 500, once something was sent
    round_lasts: how many looks at its health the round goes on that was under way when it was paused
    enters: trades that this round still enters
    """

    state: str = "running"
    trades: list[int] = field(default_factory=list)
    held: list[int] = field(default_factory=list)
    dry_run: Any = False
    started: int = 0
    deaf: int = 0
    away: int = 0
    round_lasts: int = 1
    enters: list[int] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    rounds: int = 0
    url: str = ""

    @property
    def sent(self) -> list[str]:
        """What may have changed something."""
        return [asked.line.removeprefix("POST /api/v1/") for asked in self.asked if asked.method != "GET"]

    def hold(self, *trades: int) -> None:
        self.trades, self.held = list(trades), list(trades)

    def answer(self, asked: Asked) -> Said:
        self.asked.append(asked)
        pair = base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
        if asked.headers.get("authorization") != f"Basic {pair}":
            return _json({"detail": "Unauthorized"}, 401)
        name = asked.path.removeprefix("/api/v1/")
        if asked.method == "GET" and self.sent and self.away:
            self.away -= 1
            return _json({"detail": "Internal Server Error"}, 500)
        if asked.method == "GET":
            return self._read(name)
        return self._do(name)

    def _read(self, name: str) -> Said:
        if name == "show_config":
            config = {"state": self.state, "dry_run": self.dry_run, "version": "2026.9"}
            return _json({**config, "position_adjustment_enable": False, "stake_currency": "USDT"})
        if name == "count" and self.state == "stopped":
            return _json({"error": "Error querying /api/v1/count: trader is not running"}, 502)
        if name == "count":
            return _json({"current": len(self.trades), "max": 3, "total_stake": 0.0})
        if name == "status":
            return _json([{"trade_id": trade, "pair": "BTC/USDT:USDT"} for trade in self.trades])
        if name == "health":
            if self.round_lasts:
                self.round_lasts -= 1
            else:
                self.rounds += 1
                self.hold(*self.trades, *self.enters)
                self.enters = []
            return _json({"last_process": f"2026-11-29T12:00:{self.rounds:02}.000000Z"})
        return _json({"detail": "Not Found"}, 404)

    def _do(self, name: str) -> Said:
        if name in ("stopentry", "pause"):
            self.started += self.state == "stopped"
            self.state = "paused"
            return _json({"status": "paused, no more entries will occur from now. Run /start to enable entries."})
        if name == "forceexit":
            if self.state == "stopped":
                return _json({"error": "Error querying /api/v1/forceexit: trader is not running"}, 502)
            if self.deaf:
                self.deaf -= 1
            else:
                self.hold()
            return _json({"result": "Created exit orders for all open trades."})
        if name == "stop":
            self.state = "stopped"
            return _json({"status": "stopping trader ..."})
        reload = re.fullmatch(r"trades/(\d+)/reload", name)
        if reload:
            self.trades = [trade for trade in self.trades if trade != int(reload[1]) or trade in self.held]
            return _json({"trade_id": int(reload[1])})
        if name in ("start", "reload_config"):
            self.started += 1
            self.state = "running"
            return _json({"status": "starting trader ..."})
        return _json({"detail": "Not Found"}, 404)


@contextmanager
def freqtrade_serving(bot: Freqtrade) -> Iterator[Freqtrade]:
    """Serve it; its ``url`` is set."""
    with serving(bot.answer) as bot.url:
        yield bot


def _json(content: Any, status: int = 200) -> Said:
    return status, {"Content-Type": "application/json"}, json.dumps(content).encode()
