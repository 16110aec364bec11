# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters that decide what a rollback does next, from the results of its tasks."""

from __future__ import annotations

from typing import Any, Callable

from ..plugin_utils._barrier import barrier, roll_goes_on


class FilterModule:
    """Filters of the stage roles."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"barrier": barrier, "roll_goes_on": roll_goes_on}
