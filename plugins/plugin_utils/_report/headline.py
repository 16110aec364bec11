# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The outcome in words, and the figures that people ask for first. PRIVATE to the collection."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._databases import in_words
from .._exposure import FLAT, NONE, RESIDUAL, UNPROVEN
from .._holdings import amount, totals
from .fleet import EXPOSED, GUARDED, ORDER, RESTORED, SAFE, Bot
from .words import count, figure, moment

WORDS = {
    RESTORED: ("Restored", "Would be restored"),
    SAFE: ("Safe, not restored", "Would be safe, not restored"),
    GUARDED: ("Guarded, not restored", "Would be guarded, not restored"),
    EXPOSED: ("Exposed", "Would be exposed"),
}
AND_GUARDED = ("Restored, guarded", "Would be restored, guarded")
SAID = {
    UNPROVEN: ("unproven", ": not read, or not proven"),
    NONE: ("none, declared", ": by the inventory, not read"),
    FLAT: ("flat", ", read back"),
    GUARDED: ("guarded", ": left to their stops"),
    RESIDUAL: ("residual", ": not closed"),
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
    words = WORDS.get(state, (state.capitalize(), f"Would be {state}"))
    look = state if state in ORDER else EXPOSED
    if state == RESTORED and any(bot.state == GUARDED for bot in bots):
        look, words = GUARDED, AND_GUARDED
    unsafe = [bot for bot in bots if bot.state == EXPOSED]
    return Headline(
        look, words[bool(record["check_mode"])], _sentence(record, bots), unsafe, _tiles(record, bots), _facts(record)
    )


def _sentence(record: Mapping[str, Any], bots: Sequence[Bot]) -> str:
    total, check_mode = len(bots), record["check_mode"]
    guarded = [bot for bot in bots if bot.state == GUARDED]
    ended = Counter("restored" if bot.row["restored"] else bot.state for bot in bots)
    one, several = ("would be", "would be") if check_mode else ("is", "are")
    if ended["restored"] == total:
        everyone = f"All {total} bots {several}" if total > 1 else f"{bots[0].name if bots else 'No bot'} {one}"
        stays = f"; positions of {count(len(guarded))} {several} left to their stops" if guarded else ""
        return f"{everyone} {_journey(bots)}{stays}."
    said = {
        EXPOSED: "NOT SAFE",
        GUARDED: "guarded but not restored",
        SAFE: "safe but not restored",
        RESTORED: "restored",
    }
    parts = [(ended[state], f"{one if ended[state] == 1 else several} {words}") for state, words in said.items()]
    parts = [part for part in parts if part[0]]
    if total == 1:
        return f"{bots[0].name} {parts[0][1]}."
    (first, words), *others = parts
    return ", ".join([f"{first} of {count(total)} {words}", *(f"{number} {words}" for number, words in others)]) + "."


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
    by_state = Counter(bot.state for bot in bots)
    safe, guarded = by_state[SAFE] + by_state[RESTORED], by_state[GUARDED]
    restored = sum(bot.row["restored"] for bot in bots)
    off = sum(bot.row["trading"] == "off" for bot in bots)
    would = "would be " if check_mode else ""
    return [
        Tile(
            "Checked until safe" if check_mode else "Time to safe",
            figure(record["time_to_safe_seconds"]),
            f"{safe} of {count(total)} {would}safe" + (f", {guarded} guarded" if guarded else ""),
            "good" if safe == total else "bad" if by_state[EXPOSED] else "open",
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
        _exposure(bots, check_mode),
    ]


def _exposure(bots: Sequence[Bot], check_mode: bool) -> Tile:
    """The worst that a bot has; what is left of all that was held."""
    label = "Exposure now" if check_mode else "Exposure"
    states = Counter(bot.row["exposure"]["state"] for bot in bots)
    if not states:
        return Tile(label, "unproven", "no bot", "open")
    worst = next((state for state in (RESIDUAL, UNPROVEN, GUARDED) if states[state]), None)
    shown = worst or states.most_common(1)[0][0]
    value, said = SAID.get(shown, (shown, ""))
    if check_mode:
        said = ""
    left = [bot.row for bot in bots if bot.row["exposure"]["state"] == shown]
    notional = totals(left).notional[0 if check_mode else 1] if shown in (RESIDUAL, GUARDED) else None
    value += f" {amount(notional)}" if notional else ""
    look = "good" if not worst else "open" if check_mode or worst == GUARDED else "bad"
    return Tile(label, value, f"{states[shown]} of {count(len(bots))}{said}", look)


def _facts(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    inputs = record.get("inputs") or {}
    facts = [
        ("Plan", record["plan"]),
        ("Phase", record.get("phase")),
        ("Scope", record["scope"]),
        ("Target", inputs.get("target")),
        ("Positions", inputs.get("positions")),
        ("Data loss", in_words(record.get("data_loss"))),
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
