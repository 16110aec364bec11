# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module and the agent both do with what the action plugin sends. PRIVATE to the collection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._environment import use_environment
from .._registry import OPERATIONS
from .engine import Transaction
from .request import request_from


def perform(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """The result of a transaction with these options of the module."""
    use_environment(params["state_dir"])
    safe = (params["safe"] or {}).get("steps")
    request = request_from({**params, "safe": safe, "check_mode": check_mode})
    result = Transaction(request, OPERATIONS).run()
    result["warnings"] = [f"{request.bot}: {note}" for note in result["notes"]]
    result["diff"] = [diff for step in result["steps"] if step["touched"] for diff in step["diff"]]
    return result
