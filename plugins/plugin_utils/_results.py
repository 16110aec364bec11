# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller knows of a bot, read from task results. PRIVATE to the collection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import Undefined

from ..module_utils._transaction.request import STAGES

Result = Mapping[str, Any]
PARTS = {
    "stages": ("name", "status", "seconds", "budget", "over_budget", "message"),
    "steps": (
        *("stage", "id", "name", "operation", "status", "seconds", "before", "after", "proof", "change", "message"),
        *("diff", "touched"),
    ),
    "read": ("id", "name", "operation", "until_resume", "ok", "message", "observed"),
}


def whole(result: Result | None) -> Result | None:
    """The result as it is, or without what a host says in another shape, as an older version may have stored it."""
    if not result or "steps" not in result:
        return result
    missing = _missing(result)
    if not missing:
        return result
    told = {name: result[name] for name in result if name not in ("stages", "steps", "safe")}
    return {**told, "msg": f"its result has no {missing}, as one of another version: start a rollback with a new id"}


def _missing(result: Result) -> str:
    safe = result.get("safe")
    read = safe.get("read") if isinstance(safe, Mapping) else None
    for part, names in PARTS.items():
        entries = read if part == "read" else result.get(part)
        if not isinstance(entries, list):
            return part
        for entry in entries:
            missing = next((name for name in names if not isinstance(entry, Mapping) or name not in entry), None)
            if missing:
                return f"{missing} in {part}"
    return ""


def came_to(result: Result | None) -> str:
    """Why a transaction brought nothing back, as one sentence; empty when it did."""
    if not result:
        return "was not reached: the task did not run"
    if result.get("unreachable"):
        return f"unreachable: {one_line(result.get('msg')).removeprefix('Task failed: ')}"  # 2.20
    result = whole(result) or {}
    if "steps" not in result:
        return f"did not answer: {one_line(result.get('msg'))}"
    return ""


def unsafe_because(halt: Result | None, check_mode: bool) -> str:
    """Why a bot may not pass for safe, empty when it may.

    A bot that this rollback has begun to start again was safe before, and is verified or stopped next; what
    forbids it to trade must still be there.
    In check mode a bot passes whose steps could all be planned.
    """
    missing = came_to(halt)
    if missing or halt is None:
        return missing
    if check_mode:
        return one_line(halt.get("msg")) if halt.get("failed") else ""
    unproven = not_proven(halt, resumed=bool(halt.get("resume_begun")))
    if not unproven:
        return ""
    failed = [step for step in halt["steps"] if step["status"] == "failed" and step["message"] not in unproven]
    return one_line("; ".join([f"not safe: {unproven}", *(f"{step['name']}: {step['message']}" for step in failed)]))


def is_closed(halt: Result | None) -> bool:
    """Whether the rollback of a bot was over when halt was asked for."""
    return bool(halt and halt.get("closed"))


def not_proven(result: Result, *, resumed: bool) -> str:
    """What was not read back of what makes the bot safe; ``resumed``: of what holds for a running one, too."""
    readings = result["safe"]["read"]
    if not readings:
        return str(result.get("msg") or "nothing declares what safe means for it")
    wanted = [reading for reading in readings if not (resumed and reading["until_resume"])]
    unproven = [reading for reading in wanted if not reading["ok"]]
    return "; ".join(f'no proof of "{reading["name"]}": {reading["message"]}' for reading in unproven)


def process(result: Result | None) -> str:
    """``stopped`` or ``running`` by what was read last to prove it stopped, else ``unknown``."""
    if not result or came_to(result):
        return "unknown"
    readings = [reading for reading in result["safe"]["read"] if reading["until_resume"]]
    if readings and all(reading["ok"] for reading in readings):
        return "stopped"
    seen = [(reading["observed"] or {}).get("state") for reading in readings]
    return "running" if set(seen) & {"running", "starting"} else "unknown"


def step_of(result: Result | None, stage: str, step_id: str) -> dict[str, Any]:
    """A step of a transaction's result, empty if it is not there."""
    steps: list[dict[str, Any]] = list((whole(result) or {}).get("steps") or [])
    return next((step for step in steps if step["stage"] == stage and step["id"] == step_id), {})


def tag_to_go_back_to(halt: Result | None) -> str | None:
    """The tag that halt read at its end, None when the plan reads none or no way leads there."""
    step = step_of(halt, "halt", "target")
    if step.get("status") == "failed":  # it was found, and cannot be gone back to
        return None
    tag: str | None = ((step.get("before") or {}).get("target") or {}).get("tag")
    return tag


def running_tag(halt: Result | None) -> str | None:
    """The tag that ran when halt read it."""
    tag: str | None = (step_of(halt, "halt", "target").get("before") or {}).get("tag")
    return tag


def place_of(stage: str) -> int:
    """Where a stage comes in a rollback; one of a plan's own comes last."""
    return STAGES.index(stage) if stage in STAGES else len(STAGES)


def value(variables: Any, name: str) -> Any:
    """A variable of a bot; None for what cannot be templated: one bot's must not cost the others anything."""
    try:
        found = variables.get(name)
    except Exception:  # noqa: BLE001  # what a template raises depends on the version of ansible-core
        return None
    return None if isinstance(found, Undefined) else found  # to a filter, 2.19 and later give what raises when used


def one_line(text: Any) -> str:
    return " ".join(str(text or "no reason was given").split())
