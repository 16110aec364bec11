# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lines of the history say. PRIVATE to the collection.

Shapes: docs/schemas/history.json. A line of kind ``rollback`` is a run of a rollback; one of kind ``note`` is what
people found out later about it (S4.13, S3.14).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .chain import Line, content_hash

SCHEMA_VERSION = 1
STATUSES = ("Resolved", "Monitoring", "Under Investigation")
COPIED = (
    *("rollback_id", "plan", "phase", "scope", "trigger", "automatic", "operator", "reason", "outcome"),
    *("start_time", "completion_time", "duration_minutes", "time_to_safe_seconds", "time_to_restored_seconds"),
    *("service_impact_minutes", "root_cause", "prevention_measures", "status"),
)
FINDINGS = ("status", "impact", "root_cause", "prevention_measures", "resolved_by")


def rollback_entry(record: Mapping[str, Any]) -> dict[str, Any]:
    """The line of a record, with the hash of its content."""
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "rollback",
        **{name: record[name] for name in COPIED},
        "from": _tags(record, "from"),
        "to": _tags(record, "to"),
        "bots": len(record["bots"]),
        "record": content_hash(record),
    }


def note_entry(rollback_id: str, operator: str, at: str, findings: Mapping[str, Any]) -> dict[str, Any]:
    """A line of what was found out: any of FINDINGS, None for what stays as it is."""
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "note",
        "rollback_id": rollback_id,
        "at": at,
        "operator": operator,
        **{name: findings.get(name) for name in FINDINGS},
    }


def latest(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """One entry for each rollback id, in the order of their first lines: the newest of all that is known."""
    entries: dict[str, dict[str, Any]] = {}
    for line in lines:
        content = line.content or {}
        name, kind = content.get("rollback_id"), content.get("kind")
        if not isinstance(name, str):
            continue
        if kind == "rollback":
            facts = {key: value for key, value in content.items() if key not in FINDINGS}
            entries[name] = {**entries.get(name, {}), **facts, **_known(content)}
        elif kind == "note" and name in entries:
            entries[name].update(_known(content))
    return list(entries.values())


def runs(lines: Sequence[Line]) -> dict[str, list[Line]]:
    """The lines of kind ``rollback``, by rollback id."""
    found: dict[str, list[Line]] = {}
    for line in lines:
        if line.content and line.content.get("kind") == "rollback":
            found.setdefault(str(line.content.get("rollback_id")), []).append(line)
    return found


def _known(content: Mapping[str, Any]) -> dict[str, Any]:
    """What it says of the findings; where it says nothing, what was found out before stays."""
    return {name: content[name] for name in FINDINGS if content.get(name) not in (None, [])}


def _tags(record: Mapping[str, Any], side: str) -> list[str]:
    return sorted({bot[side] for bot in record["bots"] if bot[side]})
