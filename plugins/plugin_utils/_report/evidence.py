# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was proven of a bot, and how: its last readings and its steps. PRIVATE to the collection."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from .changes import Change, Changes
from .fleet import Bot
from .words import figure

FIRST = 5
SIGNS = {
    "changed": "Δ",
    "unchanged": "✓",
    "failed": "✕",
    "skipped": "-",
    "resumed": "↻",
    "undone": "↶",
    "not_undone": "!",
}
READ = {"undone": "read before it was put back", "resumed": "read in an earlier run"}
WORDS = {"undone": "put back", "not_undone": "not put back", "resumed": "proven earlier"}
Fact = tuple[str, str]


@dataclass(frozen=True)
class Check:
    """A health check. ok: None if it was not carried out."""

    name: str
    ok: bool | None
    observed: str
    effort: str


@dataclass(frozen=True)
class Proof:
    """What was read back: what matters, the rest, and health checks."""

    first: list[Fact]
    rest: list[Fact]
    checks: list[Check]


@dataclass(frozen=True)
class Reading:
    """What was read last to call a bot safe. verdict: ``ok``, ``bad``, or ``moot`` since the bot runs again."""

    name: str
    verdict: str
    text: str
    proof: Proof


@dataclass(frozen=True)
class Step:
    name: str
    status: str
    sign: str
    word: str
    seconds: str
    message: str
    proof: Proof
    read: str
    changes: list[Change]


@dataclass(frozen=True)
class StageEvidence:
    """skipped: names of the steps that were skipped, by reason."""

    name: str
    figures: str
    message: str
    steps: list[Step]
    skipped: list[tuple[str, list[str]]]


@dataclass(frozen=True)
class Evidence:
    bot: Bot
    readings: list[Reading]
    stages: list[StageEvidence]


def evidence(bot: Bot, changes: Changes, check_mode: bool) -> Evidence:
    """All that the record knows of one bot."""
    stages = [
        _stage(bot, name, list(steps), changes, check_mode)
        for name, steps in groupby(bot.row["steps"], key=lambda step: step["stage"])
    ]
    return Evidence(bot, [_reading(bot, reading) for reading in bot.row["read"]], stages)


def proof_of(value: Any) -> Proof:
    """A proof as facts; what is empty, null or past the first few counts as rest."""
    if not isinstance(value, Mapping):
        return Proof([] if value is None else [("", _scalar(value))], [], [])
    given = value.get("checks") or []
    checks = [check for check in given if isinstance(check, Mapping) and "observed" in check]
    facts = list(_facts({name: item for name, item in value.items() if not (checks and name == "checks")}))
    telling = [fact for fact in facts if fact[1] not in ("", "null", "[]", "{}")]
    first = telling[:FIRST]
    return Proof(first, [fact for fact in facts if fact not in first], [_check(check) for check in checks])


def _facts(value: Mapping[str, Any], prefix: str = "") -> Iterator[Fact]:
    """Leaves under their dotted names."""
    for name, item in value.items():
        if isinstance(item, Mapping) and item:
            yield from _facts(item, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", _scalar(item)


def _scalar(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _check(check: Mapping[str, Any]) -> Check:
    tries = check.get("attempts", 1)
    effort = f"{figure(check.get('seconds'))}, {tries} attempts" if tries > 1 else figure(check.get("seconds"))
    return Check(str(check.get("name")), check.get("ok"), str(check["observed"]), effort)


def _reading(bot: Bot, reading: Mapping[str, Any]) -> Reading:
    moot = not reading["ok"] and reading["until_resume"] and bot.row["restored"]
    text = f"no longer asked for, it was started again: {reading['message']}" if moot else reading["message"]
    verdict = "ok" if reading["ok"] else "moot" if moot else "bad"
    return Reading(reading["name"], verdict, text, proof_of(reading["observed"]))


def _stage(bot: Bot, name: str, steps: list[Any], changes: Changes, check_mode: bool) -> StageEvidence:
    stage = next((stage for stage in bot.row["stages"] if stage["name"] == name), None)
    skipped: dict[str, list[str]] = {}
    for step in steps:
        if step["status"] == "skipped":
            skipped.setdefault(step["message"], []).append(step["name"])
    return StageEvidence(
        name=name,
        figures=_figures(stage) if stage else "",
        message=stage["message"] if stage else "",
        steps=[_step(bot, step, changes, check_mode) for step in steps if step["status"] != "skipped"],
        skipped=list(skipped.items()),
    )


def _figures(stage: Mapping[str, Any]) -> str:
    budget = "" if stage["budget"] is None else f" of {stage['budget']:g} s"
    over = ", over budget" if stage["over_budget"] else ""
    return (
        stage["status"]
        if stage["status"] == "skipped"
        else f"{stage['status']}, {figure(stage['seconds'])}{budget}{over}"
    )


def _step(bot: Bot, step: Mapping[str, Any], changes: Changes, check_mode: bool) -> Step:
    status = step["status"]
    word = "would change" if check_mode and status == "changed" else WORDS.get(status, status)
    return Step(
        name=step["name"],
        status=status,
        sign=SIGNS.get(status, "?"),
        word=word,
        seconds=f"{step['seconds']:.2f}",
        message=step["message"],
        proof=proof_of(step["proof"]),
        read=READ.get(status, "read back"),
        changes=changes.by_step.get((bot.anchor, step["stage"], step["id"]), []),
    )
