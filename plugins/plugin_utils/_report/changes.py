# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What changed, as lines taken away and added; the same change of many bots once. PRIVATE to the collection."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import unified_diff
from typing import Any

from .fleet import Bot
from .words import without_name

LONGEST = 400
CONTEXT = 2
FATE_ORDER = ("tried", "not put back", "changed", "changed earlier", "would change", "put back")
Line = tuple[str, str]
"""A sign (``+``, ``-``, blank, or ``…`` for what is left out) and the text."""


@dataclass
class Change:
    """One diff of one step. fate: what came of it; path: what it is of; bots: those with just this change."""

    anchor: str
    stage: str
    step: str
    operation: str
    fate: str
    path: str
    lines: list[Line]
    bots: list[Bot] = field(default_factory=list)


@dataclass(frozen=True)
class Changes:
    """All changes, and those of each bot's steps: ``by_step[bot anchor, stage, step id]``."""

    groups: list[Change]
    by_step: Mapping[tuple[str, str, str], list[Change]]


def changes(bots: Sequence[Bot], check_mode: bool) -> Changes:
    """Changes in the order of the steps, what could not be put back first."""
    groups: dict[tuple[Any, ...], Change] = {}
    by_step: dict[tuple[str, str, str], list[Change]] = {}
    for bot, step, fate in _changed(bots, check_mode):
        for diff in step["diff"]:
            lines, path = diff_lines(diff), _path(diff)
            if not lines:
                continue
            general = tuple((sign, without_name(text, bot.name)) for sign, text in lines)
            key = (step["stage"], step["id"], step["name"], fate, without_name(path, bot.name), general)
            if key not in groups:
                groups[key] = Change("", step["stage"], step["name"], step["operation"], fate, path, lines)
            groups[key].bots.append(bot)
            by_step.setdefault((bot.anchor, step["stage"], step["id"]), []).append(groups[key])
    for key, group in groups.items():
        if len(group.bots) > 1:
            group.path, group.lines = key[4], list(key[5])
    ordered = sorted(groups.values(), key=lambda group: FATE_ORDER.index(group.fate) > 1)
    for number, group in enumerate(ordered, 1):
        group.anchor = f"change-{number}"
    return Changes(ordered, by_step)


def fate_of(step: Mapping[str, Any], check_mode: bool) -> str:
    """What came of what a step was to change; empty if it changed nothing."""
    status = step["status"]
    if status == "changed":
        return "would change" if check_mode else "changed"
    if status == "failed":
        return "tried" if step["touched"] or step["change"] else ""
    if status == "resumed":
        return "changed earlier" if step["change"] else ""
    return {"undone": "put back", "not_undone": "not put back"}.get(status, "")


def diff_lines(diff: Mapping[str, Any]) -> list[Line]:
    """An Ansible diff, line by line, with ``CONTEXT`` lines around what differs."""
    before, after = (_text(diff.get(side)).splitlines() for side in ("before", "after"))
    lines: list[Line] = []
    for line in list(unified_diff(before, after, n=CONTEXT, lineterm=""))[2:]:
        if line.startswith("@@"):
            lines += [("…", "")] if lines else []
        else:
            lines.append((line[0], line[1:]))
    more = len(lines) - LONGEST
    return [*lines[:LONGEST], ("…", f"{more} more lines, see record.json")] if more > 0 else lines


def _changed(bots: Sequence[Bot], check_mode: bool) -> Iterator[tuple[Bot, Mapping[str, Any], str]]:
    """Every step that changed something, by stage and step, so that groups come in the order of the steps."""
    order: dict[tuple[str, str], int] = {}
    for bot in sorted(bots, key=lambda bot: -len(bot.row["steps"])):
        for step in bot.row["steps"]:
            order.setdefault((step["stage"], step["id"]), len(order))
    everything = [(bot, step, fate_of(step, check_mode)) for bot in bots for step in bot.row["steps"]]
    found = [entry for entry in everything if entry[2] and entry[1]["diff"]]
    stages = list(dict.fromkeys(stage for stage, _step in order))
    yield from sorted(
        found, key=lambda entry: (stages.index(entry[1]["stage"]), order[entry[1]["stage"], entry[1]["id"]])
    )


def _path(diff: Mapping[str, Any]) -> str:
    before, after = (str(diff.get(side) or "") for side in ("before_header", "after_header"))
    return after if before in (after, "") else f"{before} → {after}" if after else before


def _text(side: Any) -> str:
    if side is None or isinstance(side, str):
        return side or ""
    return json.dumps(side, indent=2, ensure_ascii=False)
