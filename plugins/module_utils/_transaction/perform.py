# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module and the agent both do with what the action plugin sends. PRIVATE to the collection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._environment import use_environment
from .._operation import OperationError
from .._registry import OPERATIONS
from . import detached
from .engine import Transaction
from .request import request_from


def perform(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """The result of a transaction with these options of the module; of one that runs detached, how far it is."""
    if params.get("follow"):
        return detached.follow(params)
    if not params.get("detach") or check_mode:
        return carried_out(params, check_mode)
    problem = ""
    try:
        started = detached.start(params)
        if started:
            return started
    except (OperationError, OSError, ValueError) as error:
        problem = f"carried out while the connection was held, since it cannot run detached: {error}"
    result = carried_out(params, check_mode)
    if problem:
        result["notes"].append(problem)
        result["warnings"].append(f"{result['bot']}: {problem}")
    return {**result, "detached": False}


def carried_out(params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """The result of a transaction that this process carries out."""
    use_environment(params["state_dir"])
    safe = (params["safe"] or {}).get("steps")
    request = request_from({**params, "safe": safe, "check_mode": check_mode})
    result = Transaction(request, OPERATIONS).run()
    result["warnings"] = [f"{request.bot}: {note}" for note in result["notes"]]
    result["diff"] = [diff for step in result["steps"] if step["touched"] for diff in step["diff"]]
    return result
