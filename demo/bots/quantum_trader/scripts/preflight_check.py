# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check before a start that the configuration is complete, and say where orders would go (S4.6).

usage: preflight_check.py [--expect disabled]

Exits 1 when the configuration is not complete, or when GO-LIVE is not what is expected.
"""

from __future__ import annotations

import os
import sys

os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.getcwd())
sys.dont_write_bytecode = True

import quantum_trader  # noqa: E402  # found through the path above
from runtime import NotPermitted  # noqa: E402  # likewise


def main() -> None:
    """Check the exchanges, then GO-LIVE."""
    try:
        quantum_trader.GO_LIVE.read()["activation_enabled"]
        for name, exchange in quantum_trader.EXCHANGES.read()["exchanges"].items():
            if not (exchange["api_key"] and exchange["api_secret"]):
                sys.exit(f"PREFLIGHT FAILED: {name} has no credentials")
            print(f"{name}: {'testnet' if exchange['testnet'] is True else 'production'}")
    except (NotPermitted, KeyError, TypeError, AttributeError) as error:
        sys.exit(f"PREFLIGHT FAILED: {error}")
    try:
        quantum_trader.check_live()
        state = "ENABLED"
    except NotPermitted as reason:
        state = f"DISABLED ({reason})"
    print(f"PREFLIGHT PASSED, GO-LIVE is {state}")
    if sys.argv[1:] == ["--expect", "disabled"] and state == "ENABLED":
        sys.exit("GO-LIVE is expected to be DISABLED")


if __name__ == "__main__":
    main()
