# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Times of a record, by the controller's clock: s since the epoch, s from the decision. PRIVATE to the collection.

Imports no Ansible: the history is read without it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

Row = dict[str, Any]


def decision(halts: list[Mapping[str, Any] | None], decided_at: str) -> float:
    """The earliest decision that a host or this run knows of: a resumed rollback was decided before."""
    known = [epoch(halt["decided_at"]) for halt in halts if halt and halt.get("decided_at")]
    return min([*known, epoch(decided_at)])


def epoch(text: str) -> float:
    """Seconds since the epoch of an ISO 8601 time; one without a zone is UTC."""
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()


def earlier_rows(standing: Mapping[str, Any] | None, decided: float, of: str = "bots") -> dict[str, Row]:
    """The rows of the record of an earlier run, by name, with their times counted from ``decided``.

    That may be before the decision that the earlier run knew of: its times would be too short.

    of: ``bots`` or ``databases``
    """
    if not standing:
        return {}
    since = epoch(standing["start_time"]) - decided
    return {
        row["name"]: {
            **_counted_from(row, since),
            **{name: [_counted_from(each, since) for each in row.get(name, [])] for name in ("transactions", "stages")},
        }
        for row in standing.get(of, [])
    }


def _counted_from(row: Mapping[str, Any], since: float) -> Row:
    return {name: _since(-since, value, 3) if name.endswith("_after_seconds") else value for name, value in row.items()}


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def duration(seconds: float) -> str:
    """``4.2 s``, ``42 s``, ``3 min 20 s``, ``2 h 05 min``."""
    if seconds < 9.95:
        return f"{max(seconds, 0.0):.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


def after(result: Mapping[str, Any] | None, decided: float, first: float | None) -> float | None:
    """Seconds from the decision until the controller knew it.

    Never below 0: if the controller's clock was set back meanwhile, the figure is too small, and nobody knows by how
    much. None for what is no number.
    """
    if first is not None:
        return first
    return _since(decided, ((result or {}).get("controller_times") or {}).get("received"), 2)


def _since(decided: float, moment: float | None, digits: int) -> float | None:
    if moment is None or not math.isfinite(moment):
        return None
    return max(0.0, round(moment - decided, digits))


def transactions(results: Sequence[Mapping[str, Any]], decided: float, earlier: Row) -> list[dict[str, Any]]:
    """When each was sent and its result received, in seconds from the decision.

    A stored result is as old as the run that made it: what the record of that run says stands.
    """
    rows = []
    for result in results:
        times = result.get("controller_times")
        names = [stage["name"] for stage in result.get("stages") or []]
        known = next((row for row in earlier.get("transactions", []) if row["stages"] == names), None)
        if times and result.get("stored") and known:
            rows.append(known)
        elif times:
            sent, received = (_since(decided, times[name], 3) for name in ("sent", "received"))
            if sent is not None and received is not None:
                rows.append({"stages": names, "sent_after_seconds": sent, "received_after_seconds": received})
    return rows


def stages(results: Sequence[Mapping[str, Any]], decided: float, earlier: Row) -> list[dict[str, Any]]:
    """Stages as the host told them, each with when it started by the controller's clock.

    The host knows only how long ago that was when its result left, which is taken for the moment it was received:
    later than the truth, never earlier. Of a stored result whose record is gone, nobody knows.
    """
    rows = []
    for result in results:
        for stage in result.get("stages") or []:
            known = next((row for row in earlier.get("stages", []) if row["name"] == stage["name"]), None)
            if result.get("stored") and known:
                rows.append(known)
                continue
            received = (result.get("controller_times") or {}).get("received")
            since = result.get("seconds", 0.0) - stage.get("began", 0.0)
            if result.get("stored"):
                received = None
            started = None if received is None else _since(decided, received - since, 3)
            rows.append({**{name: stage[name] for name in stage if name != "began"}, "started_after_seconds": started})
    return rows
