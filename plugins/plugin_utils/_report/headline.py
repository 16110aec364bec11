# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The outcome in words, and the figures that people ask for first. PRIVATE to the collection."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .fleet import EXPOSED, ORDER, RESTORED, SAFE, Bot
from .words import count, figure, moment

WORDS = {
    RESTORED: ("Restored", "Would be restored"),
    SAFE: ("Safe, not restored", "Would be safe, not restored"),
    EXPOSED: ("Exposed", "Would be exposed"),
}
SAID = {
    "unproven": ("unproven", ": positions were not read"),
    "none": ("none, declared", ": by the inventory, not read"),
}


@dataclass(frozen=True)
class Tile:
    """A figure. state: ``good``, ``bad`` or ``open``; note: what it counts."""

    label: str
    value: str
    note: str
    state: str


@dataclass(frozen=True)
class Headline:
    """look: the state by whose shape and colour it is drawn."""

    look: str
    words: str
    sentence: str
    unsafe: list[Bot]
    tiles: list[Tile]
    facts: list[tuple[str, str]]


def headline(record: Mapping[str, Any], bots: Sequence[Bot]) -> Headline:
    state = record["outcome"]
    words = WORDS.get(state, (state.capitalize(), f"Would be {state}"))[bool(record["check_mode"])]
    unsafe = [bot for bot in bots if bot.state == EXPOSED]
    look = state if state in ORDER else EXPOSED
    return Headline(look, words, _sentence(record, bots), unsafe, _tiles(record, bots), _facts(record))


def _sentence(record: Mapping[str, Any], bots: Sequence[Bot]) -> str:
    total, by_state = len(bots), Counter(bot.state for bot in bots)
    check_mode = record["check_mode"]
    restored = by_state[RESTORED]
    if restored == total:
        everyone = f"All {total} bots" if total > 1 else bots[0].name if bots else "No bot"
        are = ("would be" if check_mode else "are") if total > 1 else ("would be" if check_mode else "is")
        return f"{everyone} {are} {_journey(bots)}."
    verb = "would be" if check_mode else "are"
    parts = []
    if by_state[EXPOSED]:
        parts.append(f"{by_state[EXPOSED]} of {count(total)} {verb} NOT SAFE")
    if by_state[SAFE]:
        parts.append(f"{by_state[SAFE]} {verb} safe but not restored")
    if restored:
        parts.append(f"{restored} {verb} restored")
    sentence = ", ".join(parts).replace(" 1 are", " 1 is")
    return f"{sentence}." if total > 1 else f"{sentence.replace('1 of 1 bot are', f'{bots[0].name} is')}."


def _journey(bots: Sequence[Bot]) -> str:
    """From where to where, if that is the same for all."""
    ways = {(bot.row["from"], bot.row["to"]) for bot in bots}
    if len(ways) == 1:
        ((origin, end),) = ways
        if origin and end:
            return f"on {end}, as before, and proven" if origin == end else f"back on {end}, from {origin}"
    return "restored"


def _tiles(record: Mapping[str, Any], bots: Sequence[Bot]) -> list[Tile]:
    total, check_mode = len(bots), record["check_mode"]
    safe = sum(bot.state != EXPOSED for bot in bots)
    restored = sum(bot.state == RESTORED for bot in bots)
    off = sum(bot.row["trading"] == "off" for bot in bots)
    would = "would be " if check_mode else ""
    return [
        Tile(
            "Checked until safe" if check_mode else "Time to safe",
            figure(record["time_to_safe_seconds"]),
            f"{safe} of {count(total)} {would}safe",
            "good" if safe == total else "bad",
        ),
        Tile(
            "Checked until restored" if check_mode else "Time to restored",
            figure(record["time_to_restored_seconds"]),
            f"{restored} of {count(total)} {would}restored",
            "good" if restored == total else "open",
        ),
        Tile(
            "Trading now" if check_mode else "Trading",
            "off" if off == total else f"on for {total - off}",
            f"off for {off} of {count(total)}" + ("" if off == total else ", not read counts as on"),
            "good" if off == total else "open" if check_mode else "bad",
        ),
        _exposure(bots),
    ]


def _exposure(bots: Sequence[Bot]) -> Tile:
    states = Counter(bot.row["exposure"]["state"] for bot in bots)
    if not states:
        return Tile("Exposure", "unproven", "no bot", "open")
    worst = next((state for state in ("residual", "unproven", "guarded") if states[state]), None)
    shown = worst or states.most_common(1)[0][0]
    value, said = SAID.get(shown, (shown, ""))
    return Tile("Exposure", value, f"{states[shown]} of {count(len(bots))}{said}", "open" if worst else "good")


def _facts(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    inputs = record.get("inputs") or {}
    facts = [
        ("Plan", record["plan"]),
        ("Phase", record.get("phase")),
        ("Scope", record["scope"]),
        ("Target", inputs.get("target")),
        ("Started by", record.get("trigger")),
        ("Who", who(record.get("operator"))),
        ("Decided", moment(record["start_time"])),
        ("Recorded", moment(record["completion_time"])),
        ("Rollback", record["rollback_id"]),
    ]
    return [(name, str(value)) for name, value in facts if value not in (None, "")]


def who(operator: Any) -> str:
    """The operator, whether a name or an object of what is known of one."""
    if isinstance(operator, Mapping):
        return ", ".join(f"{name} {value}" for name, value in operator.items() if value not in (None, ""))
    return str(operator or "not recorded")
