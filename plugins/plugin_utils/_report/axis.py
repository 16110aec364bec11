# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The axis of a timeline: seconds from the decision to percent of its width. PRIVATE to the collection."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from .words import clock

GAP_WIDTH = 7.0
SHORTEST_GAP = 30.0
STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400)
TICKS = 10


@dataclass(frozen=True)
class Stretch:
    """A stretch of time, in seconds, and where it is drawn, in percent."""

    begin: float
    end: float
    left: float
    right: float


@dataclass(frozen=True)
class Tick:
    at: float
    label: str
    minor: bool


@dataclass(frozen=True)
class Axis:
    """Stretches on one scale, and between them the gaps in which nothing ran, which are cut short."""

    stretches: list[Stretch]
    gaps: list[Stretch]
    ticks: list[Tick]

    def at(self, seconds: float) -> float:
        """Percent of the width. What lies outside is drawn at the edge."""
        for part in sorted([*self.stretches, *self.gaps], key=lambda part: part.begin):
            if seconds <= part.end:
                share = (max(seconds, part.begin) - part.begin) / (part.end - part.begin)
                return round(part.left + share * (part.right - part.left), 3)
        return 100.0

    def holds(self, seconds: float) -> bool:
        """Whether that moment is on the axis, and not in a gap."""
        return any(part.begin <= seconds <= part.end for part in self.stretches)


def axis_over(spans: Iterable[tuple[float, float]]) -> Axis:
    """An axis from the decision over all spans. A gap is cut when it would squash all else."""
    islands = _merged([(0.0, 0.0), *spans])
    active = sum(end - begin for begin, end in islands)
    parts = [islands[0]]
    for begin, end in islands[1:]:
        if begin - parts[-1][1] > max(SHORTEST_GAP, 2 * active):
            parts.append((begin, end))
        else:
            parts[-1] = (parts[-1][0], end)
    shown = sum(end - begin for begin, end in parts)
    margin = max(shown * 0.025, 0.05)
    padded = [
        (begin - (margin if index else 0), end + margin * (2 if index == len(parts) - 1 else 1))
        for index, (begin, end) in enumerate(parts)
    ]
    scale = (100 - GAP_WIDTH * (len(parts) - 1)) / sum(end - begin for begin, end in padded)
    stretches: list[Stretch] = []
    for begin, end in padded:
        left = stretches[-1].right + GAP_WIDTH if stretches else 0.0
        stretches.append(Stretch(begin, end, left, left + (end - begin) * scale))
    gaps = [Stretch(a.end, b.begin, a.right, b.left) for a, b in zip(stretches, stretches[1:])]
    axis = Axis(stretches, gaps, [])
    return Axis(stretches, gaps, _ticks(axis))


def _merged(spans: list[tuple[float, float]]) -> list[tuple[float, float]]:
    merged: list[tuple[float, float]] = []
    for begin, end in sorted(spans):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((begin, end))
    return merged


def _ticks(axis: Axis) -> list[Tick]:
    """Round numbers, on each stretch at least one where it is long enough for any."""
    length = sum(part.end - part.begin for part in axis.stretches)
    wanted = next((step for step in STEPS if length / step <= TICKS), math.ceil(length / TICKS / 86400) * 86400.0)
    ticks = []
    for part in axis.stretches:
        for step in (wanted, *(step for step in reversed(STEPS) if 1 <= step < wanted)):
            numbers = range(math.ceil(max(part.begin, 0.0) / step), math.floor(part.end / step) + 1)
            if numbers:
                break
        for number in numbers:
            value = number * step
            ticks.append(Tick(axis.at(value), _label(value, step, axis.stretches[-1].end), bool(number % 2)))
    return ticks


def _label(value: float, step: float, end: float) -> str:
    if end > 120 and value >= 60:
        return clock(value)
    return f"{value:.1f} s" if step < 1 else f"{value:.0f} s"
