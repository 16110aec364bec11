# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages, diffs and steps of task results, as lines. PRIVATE to the collection."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from .._clock import duration
from .text import names, plain, plain_lines

ROOM = 60  # columns for names that have the same message


def message_lines(result: Mapping[str, Any]) -> list[str]:
    """What a debug task says. Bots with the same message share a line."""
    lines: list[str] = []
    for value in [value for key, value in result.items() if key not in ("changed", "failed") and key[:1] != "_"]:
        if isinstance(value, Mapping):
            bots: dict[str, list[str]] = {}
            for bot, text in value.items():
                bots.setdefault(plain(text), []).append(str(bot))
            lines += [f"{names(named, ROOM)}: {text}" for text, named in bots.items()]
        elif isinstance(value, list):
            lines += [plain(line) for line in value]
        else:
            lines += plain_lines(value)
    return lines


def step_lines(result: Mapping[str, Any]) -> list[str]:
    """Each stage with what its steps came to, maybe in an earlier run."""
    stored = " (stored)" if result.get("stored") else ""
    return [
        f"{stage['name']} {stage['status']}{stored}, {duration(stage['seconds'])}: "
        + ", ".join(
            f"{plain(step['id'])} {step['status']}" for step in result["steps"] if step["stage"] == stage["name"]
        )
        for stage in result.get("stages") or []
    ]


def diff_lines(result: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What was or would be changed, step by step: lines, each with its kind.

    It is empty for the heading of a step, else ``+``, ``-`` or a blank.
    """
    for step in result.get("steps") or []:
        if not step["touched"]:
            continue
        yield f"{step['stage']}: {plain(step['name'])}: {plain(step['message'])}".rstrip(": "), ""
        for diff in step["diff"]:
            for line in _changes(diff):
                yield f"  {line[:1]} {plain_lines(line[1:])[0]}".rstrip(), line[:1]


def _changes(diff: Mapping[str, Any]) -> list[str]:
    if "prepared" in diff:
        return [f" {line}" for line in plain_lines(diff["prepared"])]
    before, after = (str(diff.get(name, "")).splitlines() for name in ("before", "after"))
    return [
        line for line in difflib.unified_diff(before, after, n=1, lineterm="") if line[:3] not in ("---", "+++", "@@ ")
    ]
