# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller knows of a bot, read from task results. PRIVATE to the collection."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional

Result = Mapping[str, Any]


def came_to(result: Optional[Result]) -> str:
    """Why a transaction brought nothing back, as one sentence; empty when it did."""
    if not result:
        return "was not reached: the task did not run"
    if result.get("unreachable"):
        return f"unreachable: {one_line(result.get('msg'))}"
    if "steps" not in result:
        return f"did not answer: {one_line(result.get('msg'))}"
    return ""


def unsafe_because(halt: Optional[Result], check_mode: bool) -> str:
    """Why a bot may not pass for safe, empty when it may.

    A bot that this rollback has begun to start again was safe before, and is verified or stopped next.
    In check mode a bot passes whose steps could all be planned.
    """
    missing = came_to(halt)
    if missing or halt is None:
        return missing
    if check_mode:
        return one_line(halt.get("msg")) if halt.get("failed") else ""
    if halt["safe"]["is_safe"] or halt.get("resume_begun"):
        return ""
    unproven = [f"{reading['name']}: {reading['message']}" for reading in halt["safe"]["read"] if not reading["ok"]]
    return one_line("not safe: " + ("; ".join(unproven) or str(halt.get("msg") or "nothing declares what safe means for it")))


def step_of(result: Optional[Result], stage: str, step_id: str) -> Dict[str, Any]:
    """A step of a transaction's result, empty if it is not there."""
    steps: List[Dict[str, Any]] = list((result or {}).get("steps") or [])
    return next((step for step in steps if step["stage"] == stage and step["id"] == step_id), {})


def tag_to_go_back_to(halt: Optional[Result]) -> Optional[str]:
    """The tag that halt read at its end, None when the plan does not read one."""
    before = step_of(halt, "halt", "target").get("before") or {}
    tag: Optional[str] = (before.get("target") or {}).get("tag")
    return tag


def running_tag(halt: Optional[Result]) -> Optional[str]:
    """The tag that ran when halt read it."""
    tag: Optional[str] = (step_of(halt, "halt", "target").get("before") or {}).get("tag")
    return tag


def one_line(text: Any) -> str:
    return " ".join(str(text or "no reason was given").split())
