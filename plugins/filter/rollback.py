# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters that decide what a rollback does next, from the results of its tasks."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Callable

from ..plugin_utils._barrier import barrier, roll_goes_on
from ..plugin_utils._clock import epoch
from ..plugin_utils._databases import shared_databases, waiting_for_data
from ..plugin_utils._exposure import exposure_of, shared_accounts
from ..plugin_utils._misspelt import input_warnings, unknown_variables
from ..plugin_utils._results import tag_to_go_back_to


def decision_problem(text: str) -> str:
    """Why a rollback cannot have been decided then, as one sentence; empty if it can.

    It does not raise: Ansible would put three sentences of its own before this one.
    """
    try:
        decided = epoch(text)
    except ValueError:
        return f'decided_at is "{text}": set a time such as 2026-01-05T03:15:00Z'
    if decided > time.time():
        return f'decided_at is "{text}", which is in the future: set when it was decided, or nothing'
    return ""


def exposure_state(bot: str, variables: Mapping[str, Any]) -> str:
    """What halt read of what a bot holds: ``none``, ``flat``, ``guarded``, ``residual`` or ``unproven``."""
    return str(exposure_of(bot, variables)["state"])


class FilterModule:
    """Filters of the stage roles."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "barrier": barrier,
            "decision_problem": decision_problem,
            "exposure_state": exposure_state,
            "input_warnings": input_warnings,
            "roll_goes_on": roll_goes_on,
            "shared_accounts": shared_accounts,
            "shared_databases": shared_databases,
            "tag_to_go_back_to": tag_to_go_back_to,
            "unknown_variables": unknown_variables,
            "waiting_for_data": waiting_for_data,
        }
