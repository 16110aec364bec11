# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a step is, in words."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.plugin_utils._timeline.report import report_from, size, told


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({}, "Back up"),
        ({"doing": "looking for space"}, "Back up, looking for space"),
        ({"doing": "copying", "done": 0, "total": 2_900_000_000}, "Back up, 0 %, 0.0 of 2.9 GB, copying"),
        ({"done": 999, "total": 1000, "rate": 0}, "Back up, 99 %, 1.0 of 1.0 kB, 0 B/s"),
        (
            {"done": 5e6, "total": 5e6, "rate": 2.5e6, "left": 0.0},
            "Back up, 100 %, 5.0 of 5.0 MB, 2.5 MB/s, 0.0 s left",
        ),
        ({"done": 7e9, "total": 5e9, "left": 3725}, "Back up, 100 %, 7.0 of 5.0 GB, 1 h 02 min left"),
        ({"done": 12e6, "total": None, "rate": 1e6}, "Back up, 12.0 MB, 1.0 MB/s"),
        ({"done": "many", "total": [], "doing": None}, "Back up"),
        ({"doing": "\x1b[2J rm"}, "Back up, \\x1b[2J rm"),
    ],
)
def test_what_is_known_is_said(said: dict[str, Any], text: str) -> None:
    assert told(report_from({"step": "Back up", **said})) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (99_949, "99.9 kB"),
        (99_950, "100 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (2.5e15, "2.5 PB"),
        (5e19, "50000 PB"),
    ],
)
def test_sizes_are_short(count: float, text: str) -> None:
    assert size(count) == text
