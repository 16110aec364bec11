# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The history as a table (S4.13, S3.14). PRIVATE to the collection."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from .._clock import duration
from .._markdown import Markdown, inline, table
from .chain import Line
from .entries import latest

HEADINGS = (
    *("Date", "Time (UTC)", "Rollback", "Reason", "Trigger", "Started", "From", "To", "Duration", "Outcome"),
    *("Impact", "Root cause", "Prevention", "Resolved by", "Status"),
)
PATH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]*\Z")


def history_table(lines: Sequence[Line]) -> str:
    """Markdown: one row for each rollback id, the newest of all that is known, oldest rollback first."""
    return f"# Rollback history\n\n{table([HEADINGS, *map(_row, latest(lines))])}"


def _row(entry: Mapping[str, Any]) -> list[Any]:
    name = str(entry["rollback_id"])
    date, _separator, time = str(entry.get("start_time", "")).partition("T")
    return [
        date,
        time[:5],
        Markdown(f"[{inline(name)}]({name}/incident.md)") if PATH.match(name) else name,
        entry.get("reason"),
        entry.get("trigger"),
        f"{'auto' if entry.get('automatic') else 'manual'}, {entry.get('operator')}",
        _joined(entry.get("from")),
        _joined(entry.get("to")),
        _duration(entry.get("duration_minutes")),
        f"{entry.get('outcome')}, {entry.get('bots')} {'bot' if entry.get('bots') == 1 else 'bots'}",
        entry.get("impact"),
        entry.get("root_cause"),
        _joined(entry.get("prevention_measures"), "; "),
        entry.get("resolved_by"),
        entry.get("status"),
    ]


def _duration(minutes: Any) -> str:
    """Nothing for what is no number, as in a line that somebody wrote by hand."""
    return duration(minutes * 60) if isinstance(minutes, (int, float)) and isfinite(minutes) else ""


def _joined(values: Any, separator: str = ", ") -> str:
    return separator.join(map(str, values)) if isinstance(values, list) else str(values or "")
