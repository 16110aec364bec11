# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long something took, as the progress, the history and the incident report say it."""

from __future__ import annotations

import pytest
from ansible_collections.tradeops.botfleet.plugins.plugin_utils._clock import duration


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        *[(-1, "0.0 s"), (4.24, "4.2 s"), (9.96, "10 s"), (59.4, "59 s"), (200, "3 min 20 s")],
        *[(3599.94, "1 h 00 min"), (7500, "2 h 05 min")],
    ],
)
def test_durations(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown
