# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries out a transaction that comes in on standard input. PRIVATE to the collection."""

from __future__ import annotations

import json
import sys

from .._transaction.perform import perform


def main() -> None:
    """Read ``mark``, ``params`` and ``check_mode``; print the result as JSON between two lines that hold the mark.

    The first of them is printed before anything is done: without it, nothing was.
    """
    asked = json.loads(sys.stdin.buffer.read())
    _say(f"begin {asked['mark']}\n")
    result = json.dumps(perform(asked["params"], asked["check_mode"]))
    _say(f"{result}\nend {asked['mark']}\n")


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
