# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters of the role arm."""

from __future__ import annotations

from typing import Any, Callable

from ..plugin_utils._readiness import age_problem, readiness
from ..plugin_utils._wheels import pinned_wheels


class FilterModule:
    """Filters of the role arm."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"age_problem": age_problem, "pinned_wheels": pinned_wheels, "readiness": readiness}
