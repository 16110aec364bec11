# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of a rollback, from the results of its tasks. PRIVATE to the collection."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from ._results import came_to, not_proven, one_line, running_tag, step_of, tag_to_go_back_to, unsafe_because

Bot = dict[str, Any]
Variables = Mapping[str, Mapping[str, Any]]


def build_record(
    inputs: Mapping[str, Any],
    variables: Variables,
    check_mode: bool,
    now: float,
    standing: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The record (S2.16 is a subset of it).

    inputs: rollback_id, plan, phase, scope, trigger, reason, decided_at (UTC, ISO 8601), bots, inputs
    variables: by bot, with ``halt_result``, ``halt_barrier``, ``revert_result`` and its ``botfleet_*``
    now: the controller's clock, s since the epoch; so are all times in it
    standing: the record of an earlier run of this id; when a bot first was safe or restored stays as it is there
    Figures that not every bot reached are None.
    """
    bots = list(inputs["bots"])
    halts = [variables[bot].get("halt_result") for bot in bots]
    decided = decision([*halts, {"decided_at": (standing or {}).get("start_time")}], inputs["decided_at"])
    earlier = {row["name"]: row for row in (standing or {}).get("bots", [])}
    rows = [_bot(bot, variables[bot], decided, check_mode, earlier.get(bot, {})) for bot in bots]
    to_safe, to_restored = _slowest(rows, "safe_after_seconds"), _slowest(rows, "restored_after_seconds")
    return {
        "rollback_id": inputs["rollback_id"],
        "check_mode": check_mode,
        "plan": inputs["plan"],
        "phase": inputs.get("phase"),
        "scope": inputs["scope"],
        "trigger": inputs["trigger"],
        "reason": inputs["reason"],
        "outcome": outcome(rows),
        "start_time": iso(decided),
        "completion_time": iso(now),
        "duration_minutes": round((now - decided) / 60, 2),
        "time_to_safe_seconds": to_safe,
        "time_to_restored_seconds": to_restored,
        "data_loss": None,  # no operation counts rows yet
        "service_impact_minutes": None if to_restored is None else round(to_restored / 60, 2),
        "root_cause": None,
        "prevention_measures": [],
        "inputs": dict(inputs.get("inputs") or {}),
        "bots": rows,
    }


def outcome(rows: list[Bot]) -> str:
    """``restored`` if every bot is, else ``safe`` if every bot is that or restored, else ``exposed``."""
    if rows and all(row["restored"] for row in rows):
        return "restored"
    return "safe" if rows and all(row["safe"] for row in rows) else "exposed"


def decision(halts: list[Mapping[str, Any] | None], decided_at: str) -> float:
    """The earliest decision that a host or this run knows of: a resumed rollback was decided before."""
    known = [epoch(halt["decided_at"]) for halt in halts if halt and halt.get("decided_at")]
    return min([*known, epoch(decided_at)])


def epoch(text: str) -> float:
    """Seconds since the epoch of an ISO 8601 time; one without a zone is UTC."""
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _bot(name: str, variables: Mapping[str, Any], decided: float, check_mode: bool, earlier: Bot) -> Bot:
    halt, revert = variables.get("halt_result"), variables.get("revert_result")
    if revert and revert.get("skipped"):
        revert = None
    last = revert or halt
    why_unsafe = unsafe_because(halt, check_mode)
    why_unrestored = why_unsafe or _unrestored_because(variables, revert, check_mode)
    restored = not why_unrestored
    safe = not why_unsafe and (check_mode or restored or bool(last and (last.get("safe") or {}).get("is_safe")))
    return {
        "name": name,
        "kind": variables.get("botfleet_kind"),
        "safe": safe,
        "restored": restored,
        "verified": restored and (check_mode or _stage_ok(revert, "verify")),
        "trading": ((last or {}).get("safe") or {}).get("trading", "on"),
        "exposure": {"state": "none" if variables.get("botfleet_holds_positions") is False else "unproven"},
        "from": running_tag(halt),
        "to": _ended_on(halt, revert, restored),
        "safe_after_seconds": _after(halt, decided, earlier.get("safe_after_seconds")) if safe else None,
        "restored_after_seconds": _after(revert, decided, earlier.get("restored_after_seconds")) if restored else None,
        "stored": bool((last or {}).get("stored")),
        "transactions": _transactions(halt, revert, decided, earlier),
        "stages": _stages(halt, revert, decided, earlier),
        "steps": [step for result in (halt, revert) for step in (result or {}).get("steps") or []],
        "read": ((last or {}).get("safe") or {}).get("read", []),
        "failure": why_unrestored or None,
    }


def _unrestored_because(variables: Mapping[str, Any], revert: Mapping[str, Any] | None, check_mode: bool) -> str:
    if revert is None:
        held = (
            (variables.get("halt_barrier") or {})
            .get("bots", {})
            .get(variables.get("inventory_hostname"), {})
            .get("why")
        )
        return held or "not reverted: an earlier batch failed, so the roll stopped"
    missing = came_to(revert)
    if missing:
        return missing
    if revert.get("failed"):
        return one_line(revert.get("msg"))
    if check_mode:
        return ""
    unproven = not_proven(revert, resumed=True)
    if unproven:
        return one_line(f"restored, but not safe: {unproven}")
    return "" if revert.get("closed") else "not closed: its stages are not all proven"


def _stage_ok(result: Mapping[str, Any] | None, name: str) -> bool:
    return any(stage["name"] == name and stage["status"] == "ok" for stage in (result or {}).get("stages") or [])


def _version(revert: Mapping[str, Any] | None) -> str | None:
    """The tag that was read last after the revert."""
    for stage, step in (("verify", "version"), ("revert", "code")):
        result = step_of(revert, stage, step)
        tag = (result.get("proof") or result.get("after") or {}).get("tag")
        if tag and result.get("status") != "undone":
            return str(tag)
    return None


def _ended_on(halt: Mapping[str, Any] | None, revert: Mapping[str, Any] | None, restored: bool) -> str | None:
    """The tag that it is on now, None when nobody knows."""
    if revert and came_to(revert):
        return None
    return _version(revert) or (tag_to_go_back_to(halt) if restored else running_tag(halt))


def _after(result: Mapping[str, Any] | None, decided: float, first: float | None) -> float | None:
    """Seconds from the decision until the controller knew it."""
    if first is not None:
        return first
    received = ((result or {}).get("controller_times") or {}).get("received")
    return None if received is None else round(received - decided, 2)


def _transactions(halt: Any, revert: Any, decided: float, earlier: Bot) -> list[dict[str, Any]]:
    """When each was sent and its result received, in seconds from the decision.

    A stored result is as old as the run that made it: what the record of that run says stands.
    """
    rows = []
    for index, result in enumerate((halt, revert)):
        times = (result or {}).get("controller_times")
        if times and result["stored"] and len(earlier.get("transactions", [])) > index:
            rows.append(earlier["transactions"][index])
        elif times:
            sent, received = (round(times[name] - decided, 3) for name in ("sent", "received"))
            names = [stage["name"] for stage in result.get("stages") or []]
            rows.append({"stages": names, "sent_after_seconds": sent, "received_after_seconds": received})
    return rows


def _stages(halt: Any, revert: Any, decided: float, earlier: Bot) -> list[dict[str, Any]]:
    """Stages as the host told them, each with when it started by the controller's clock.

    The host knows only how long ago that was when its result left, which is taken for the moment it was received:
    later than the truth, never earlier.
    """
    rows = []
    for result in (halt, revert):
        for stage in (result or {}).get("stages") or []:
            known = next((row for row in earlier.get("stages", []) if row["name"] == stage["name"]), None)
            if result["stored"] and known:
                rows.append(known)
                continue
            received = (result.get("controller_times") or {}).get("received")
            since = result.get("seconds", 0.0) - stage.get("began", 0.0)
            started = None if received is None else round(received - decided - since, 3)
            rows.append({**{name: stage[name] for name in stage if name != "began"}, "started_after_seconds": started})
    return rows


def _slowest(rows: list[Bot], figure: str) -> float | None:
    values = [row[figure] for row in rows]
    return None if not values or None in values else max(values)
