# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A trading node: trades while its config says so, or, in mode ``always``, as soon as it runs.

usage: python3 -B trading_node.py --bot NAME --port PORT
"""

from __future__ import annotations

import strategy
from runtime import Bot, Config, NotPermitted

TRADING = Config("config/trading.yaml")


def permission(_orders: int) -> str:
    """Production, unless the switch is off."""
    settings = TRADING.read()
    if settings["mode"] != "always" and settings["trading_enabled"] is not True:
        raise NotPermitted("trading_enabled is not true in config/trading.yaml")
    return "production"


if __name__ == "__main__":
    Bot("trading_node", "logs/trading.log", permission, TRADING, strategy).run()
