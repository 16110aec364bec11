# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A record as text for a terminal. PRIVATE to the collection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

HEADINGS = ("bot", "from", "to", "safe after", "restored after", "trading", "exposure", "failure")


def summary(record: Mapping[str, Any], path: str) -> list[str]:
    """The final table, failures first, then the figures and where the record is. Lines without line ends."""
    bots = sorted(record["bots"], key=lambda bot: (bot["restored"], bot["safe"], bot["name"]))
    lines = table([HEADINGS, *(_row(bot) for bot in bots)])
    overruns = [
        f"{bot['name']} {stage['name']} {stage['seconds']:g} s of {stage['budget']:g} s"
        for bot in bots
        for stage in bot["stages"]
        if stage["over_budget"]
    ]
    if record["check_mode"]:
        lines.insert(0, "CHECK MODE: nothing was changed, this is what would be")
    return [
        *lines,
        "",
        f"outcome           {record['outcome']} ({verdict(record)})",
        f"time-to-safe      {_seconds(record['time_to_safe_seconds'])}",
        f"time-to-restored  {_seconds(record['time_to_restored_seconds'])}",
        *([f"over budget       {'; '.join(overruns)}"] if overruns else []),
        f"record            {path}",
    ]


def verdict(record: Mapping[str, Any]) -> str:
    """How many bots ended as the plan wants, and who did not."""
    bots: list[dict[str, Any]] = record["bots"]
    exposed = [bot["name"] for bot in bots if not bot["safe"] and not bot["restored"]]
    safe = [bot["name"] for bot in bots if bot["safe"] and not bot["restored"]]
    parts = [f"{sum(bot['restored'] for bot in bots)} of {len(bots)} bots restored"]
    parts += [f"safe but not restored: {', '.join(safe)}"] if safe else []
    parts += [f"EXPOSED: {', '.join(exposed)}"] if exposed else []
    return "; ".join(parts)


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns padded to their widest cell, two blanks between them."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]


def _row(bot: Mapping[str, Any]) -> list[str]:
    return [
        bot["name"],
        bot["from"] or "-",
        bot["to"] or "-",
        _seconds(bot["safe_after_seconds"]) if bot["safe"] else "NOT SAFE",
        _seconds(bot["restored_after_seconds"]) if bot["restored"] else "no",
        bot["trading"],
        bot["exposure"]["state"],
        bot["failure"] or "",
    ]


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"
