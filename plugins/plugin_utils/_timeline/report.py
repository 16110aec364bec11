# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a long step is, for people. PRIVATE to the collection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._clock import duration
from .text import plain

UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


@dataclass(frozen=True)
class Report:
    """What the host wrote down last of the step that is under way.

    step: its name
    doing: in words
    done, total: bytes
    rate: bytes/s
    left: s
    """

    step: str
    doing: str = ""
    done: float | None = None
    total: float | None = None
    rate: float | None = None
    left: float | None = None


def report_from(said: Mapping[str, Any]) -> Report:
    """A report from JSON; what is not known of it, or no number, is left out."""
    numbers = {name: said.get(name) for name in ("done", "total", "rate", "left")}
    return Report(
        str(said.get("step") or ""),
        str(said.get("doing") or ""),
        **{name: value for name, value in numbers.items() if isinstance(value, (int, float))},
    )


def told(report: Report) -> str:
    """``Back up the database, 41 %, 1.2 of 2.9 GB, 104 MB/s, 17 s left, copying trades``, as far as it is known.

    The words come last: they are what a narrow terminal may cut off.
    """
    return ", ".join(filter(None, [plain(report.step), *_figures(report), plain(report.doing)]))


def _figures(report: Report) -> list[str]:
    if report.done is None:
        return []
    rate = f"{size(report.rate)}/s" if report.rate is not None else ""
    left = f"{duration(report.left)} left" if report.left is not None else ""
    if not report.total:
        return [size(report.done), rate]
    share = min(100, int(100 * report.done / report.total))
    return [f"{share} %", f"{_in_unit_of(report.done, report.total)} of {size(report.total)}", rate, left]


def size(count: float) -> str:
    """``512 B``, ``1.2 GB``, ``104 MB``: by the thousand, with at least two digits."""
    return f"{_in_unit_of(count, count)} {UNITS[_power(count)]}"


def _in_unit_of(count: float, model: float) -> str:
    power = _power(model)
    scaled = count / 1000**power
    return f"{scaled:.1f}" if power and model / 1000**power < 99.95 else f"{scaled:.0f}"


def _power(count: float) -> int:
    power = 0
    while round(count / 1000**power) >= 1000 and power < len(UNITS) - 1:
        power += 1
    return power
