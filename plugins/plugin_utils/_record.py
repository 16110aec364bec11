# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of a rollback, from the results of its tasks. PRIVATE to the collection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import _exposure as exposures
from ._clock import after, decision, earlier_rows, iso, stages, transactions
from ._databases import data_loss, database_rows
from ._results import (
    Result,
    came_to,
    is_closed,
    not_proven,
    one_line,
    process,
    running_tag,
    step_of,
    tag_to_go_back_to,
    unsafe_because,
    whole,
)

Bot = dict[str, Any]
Variables = Mapping[str, Mapping[str, Any]]
SCHEMA_VERSION = 1
PROVEN = ("unchanged", "changed", "resumed", "not_undone")
"""Statuses of a step that changed the code, or found it as wanted."""


def build_record(
    inputs: Mapping[str, Any],
    variables: Variables,
    check_mode: bool,
    now: float,
    standing: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The record (S2.16 is a subset of it), its ``history`` still None. Its shape: docs/schemas/record.json.

    inputs: rollback_id, plan, phase, scope, trigger, automatic, operator, reason, decided_at (UTC, ISO 8601),
    bots, inputs
    variables: by bot, with ``halt_result``, ``halt_barrier``, ``revert_result`` and its ``botfleet_*``
    now: the controller's clock, s since the epoch; so are all times in it
    standing: the record of an earlier run of this id; a bot was first safe or restored at the moment that it says.
    Its bots that are outside this run stay in the record, after those of this run, and count like them
    Figures that not every bot reached are None.
    """
    bots = list(inputs["bots"])
    halts = [variables[bot].get("halt_result") for bot in bots]
    decided = decision([*halts, {"decided_at": (standing or {}).get("start_time")}], inputs["decided_at"])
    earlier = earlier_rows(standing, decided)
    accept_guarded = bool((inputs.get("inputs") or {}).get("accept_guarded"))
    rows = [
        _bot(bot, variables, decided, check_mode, earlier.get(bot, {}), accept_guarded=accept_guarded) for bot in bots
    ]
    rows += [_outside(bot, row, decided) for bot, row in earlier.items() if bot not in variables]
    to_safe, to_restored = _slowest(rows, "safe_after_seconds"), _slowest(rows, "restored_after_seconds")
    came_out = outcome(rows)
    databases = database_rows(bots, variables, earlier_rows(standing, decided, "databases"), decided)
    return {
        "schema_version": SCHEMA_VERSION,
        "rollback_id": inputs["rollback_id"],
        "check_mode": check_mode,
        "plan": inputs["plan"],
        "phase": inputs.get("phase"),
        "scope": inputs["scope"],
        "trigger": inputs["trigger"],
        "automatic": bool(inputs.get("automatic")),
        "operator": inputs.get("operator") or "",
        "reason": inputs["reason"],
        "outcome": came_out,
        "status": "Monitoring" if came_out == "restored" else "Under Investigation",
        "start_time": iso(decided),
        "completion_time": iso(now),
        "duration_minutes": max(0.0, round((now - decided) / 60, 2)),
        "time_to_safe_seconds": to_safe,
        "time_to_restored_seconds": to_restored,
        "data_loss": data_loss(databases),
        "service_impact_minutes": None if to_restored is None else round(to_restored / 60, 2),
        "root_cause": None,
        "prevention_measures": [],
        "history": None,
        "inputs": dict(inputs.get("inputs") or {}),
        "bots": rows,
        "databases": databases,
    }


def _outside(name: str, row: Bot, decided: float) -> Bot:
    """A bot as the last run that it was in recorded it; what that version of the record did not have is not known."""
    return {**_bot(name, {name: {}}, decided, False, {}), **row, "in_this_run": False}


def outcome(rows: list[Bot]) -> str:
    """``restored`` if every bot is, else ``safe`` or ``guarded`` if every bot is at least that, else ``exposed``."""
    if rows and all(row["restored"] for row in rows):
        return "restored"
    if rows and all(row["safe"] or row["restored"] for row in rows):
        return "safe"
    return "guarded" if rows and all(row["safe"] or row["restored"] or row["guarded"] for row in rows) else "exposed"


def _bot(
    name: str, everyone: Variables, decided: float, check_mode: bool, earlier: Bot, *, accept_guarded: bool = False
) -> Bot:
    variables = everyone[name]
    halt, revert = whole(variables.get("halt_result")), whole(variables.get("revert_result"))
    if revert and revert.get("skipped"):
        revert = None
    last = revert or halt
    exposure = exposures.exposure_of(name, everyone, check_mode)
    if is_closed(halt) and earlier.get("exposure"):  # it may trade again by now, and its account was not read anew
        exposure = {**earlier["exposure"], "why": ""}
    account = exposures.account_result(variables)
    own = [result for result in (halt, account, revert) if result]
    why_unsafe = unsafe_because(halt, check_mode)
    against = why_unsafe or exposures.counts_against(exposure, accept_guarded)
    why_unrestored = against or _unrestored_because(variables, revert, check_mode)
    restored = not why_unrestored
    made_safe = not why_unsafe and (check_mode or restored or bool(last and (last.get("safe") or {}).get("is_safe")))
    safe = made_safe and not exposure["why"]
    return {
        "name": name,
        "kind": variables.get("botfleet_kind"),
        "in_this_run": True,
        "safe": safe,
        "guarded": made_safe and exposure["state"] == exposures.GUARDED,
        "restored": restored,
        "verified": restored and (check_mode or _stage_ok(revert, "verify")),
        "trading": ((last or {}).get("safe") or {}).get("trading", "on"),
        "process": process(halt if check_mode else last),
        "exposure": {name: figure for name, figure in exposure.items() if name != "why"},
        "from": running_tag(halt),
        "to": _ended_on(halt, revert, earlier, check_mode),
        "safe_after_seconds": _safe_after(name, everyone, decided, earlier) if safe else None,
        "restored_after_seconds": after(revert, decided, earlier.get("restored_after_seconds")) if restored else None,
        "stored": bool((last or {}).get("stored")),
        "transactions": transactions(own, decided, earlier),
        "stages": stages(own, decided, earlier),
        "steps": [step for result in own for step in result.get("steps") or []],
        "read": ((last or {}).get("safe") or {}).get("read", []),
        "notes": [note for result in own for note in result.get("notes") or []],
        "failure": why_unrestored or None,
    }


def _safe_after(name: str, everyone: Variables, decided: float, earlier: Bot) -> float | None:
    """When the last of what makes it safe was known: its halt, and the account that it shares."""
    first = earlier.get("safe_after_seconds")
    results = (everyone[name].get("halt_result"), exposures.account_result_for(name, everyone))
    known = [seconds for result in results if (seconds := after(result, decided, first)) is not None]
    return max(known, default=None)


def _unrestored_because(variables: Mapping[str, Any], revert: Mapping[str, Any] | None, check_mode: bool) -> str:
    if revert is None:
        held = (
            (variables.get("halt_barrier") or {})
            .get("bots", {})
            .get(variables.get("inventory_hostname"), {})
            .get("why")
        )
        waits = (variables.get("data_waiting") or {}).get(variables.get("inventory_hostname"))
        return held or waits or "not reverted: an earlier batch failed, so the roll stopped"
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


def _ended_on(halt: Result | None, revert: Result | None, earlier: Bot, check_mode: bool) -> str | None:
    """The tag that was read last, None when nobody knows; in check mode the one that it would be on."""
    if revert and came_to(revert):
        return None
    code, version = step_of(revert, "revert", "code"), step_of(revert, "verify", "version")
    if code.get("status") in PROVEN:
        if check_mode and code["status"] == "changed":
            return tag_to_go_back_to(halt)
        if version.get("status") in (*PROVEN, "failed"):
            return _tag(version)
        drifted = code["status"] == "resumed" and code["message"]
        return None if drifted else _tag(code)
    if version.get("status") in PROVEN:
        return _tag(version)
    if code.get("status") == "undone":
        return (code["before"] or {}).get("tag")
    if (code or not revert) and step_of(halt, "halt", "target").get("status") == "resumed":
        return earlier.get("to")  # halt read it in an earlier run, which may have changed the code since
    return running_tag(halt)


def _tag(step: Bot) -> str | None:
    tag: str | None = (step["proof"] or step["after"] or {}).get("tag")
    return tag


def _slowest(rows: list[Bot], figure: str) -> float | None:
    values = [row[figure] for row in rows]
    return None if not values or None in values else max(values)
