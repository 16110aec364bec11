# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A quantum trader: trades while its flag file is there and its config is active, on three exchanges in turn.

usage: python3 -B quantum_trader.py --bot NAME --port PORT
"""

from __future__ import annotations

import os
from typing import Any

import strategy
from runtime import Bot, Config, NotPermitted

FLAG = "go_live.active"
GO_LIVE = Config("config/go_live.yaml")
EXCHANGES = Config("config/exchange.yaml")
RISK = Config("config/risk.yaml")


def check_live() -> None:
    """NotPermitted unless flag and config are both up."""
    if not os.path.isfile(FLAG):
        raise NotPermitted(f"{FLAG} is absent")
    if GO_LIVE.read()["activation_enabled"] is not True:
        raise NotPermitted("activation_enabled is not true in config/go_live.yaml")


def permission(orders: int) -> str:
    """Where the next order goes."""
    check_live()
    exchanges = EXCHANGES.read()["exchanges"]
    exchange = exchanges[sorted(exchanges)[orders % len(exchanges)]]
    return "testnet" if exchange["testnet"] is True else "production"


def emergency_stop_status() -> dict[str, Any]:
    """The emergency stop system (S4.6): active while the bot is deactivated by hand."""
    try:
        check_live()
    except (NotPermitted, KeyError):
        return {"active": True, "reason": "manual_deactivation"}
    return {"active": False}


if __name__ == "__main__":
    bot = Bot("quantum_trader", "logs/backend.log", permission, RISK, strategy)
    bot.pages["/api/risk/ess/status"] = emergency_stop_status
    bot.run()
