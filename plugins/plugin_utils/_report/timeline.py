# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ran when, as geometry: one row for each bot, then one for each database. PRIVATE to the collection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from .._results import place_of
from .axis import Axis, axis_over
from .fleet import Bot, state_words
from .words import count, figure, moment, roughly

COMPACT = 40
"""From so many bots on, rows are low and say their figures in their titles only."""
SHORTEST = 0.0005
CUT = "Where it is hatched nothing ran, and time is cut short."
EARLIER = "Of a bot that was run again, the stages of the last run are drawn, and when it was first known to be safe."
LOOKS = {"halt": 1, "preserve": 2, "revert": 3, "resume": 4, "verify": 5}
"""Which of the style's colours a stage has; any other has the last one."""
OTHER = 6


@dataclass(frozen=True)
class Bar:
    """A stage, from left to left + width in percent. late: from where on it was over its budget."""

    stage: str
    look: int
    left: float
    width: float
    failed: bool
    late: float | None
    late_width: float
    title: str


@dataclass(frozen=True)
class Mark:
    at: float
    title: str
    look: int = 0


@dataclass(frozen=True)
class Span:
    """A transaction, from sent to received."""

    left: float
    width: float
    title: str


@dataclass(frozen=True)
class Cell:
    """The seconds of a stage of a bot. state: ``ok``, ``over``, ``failed``, or ``none`` if it did not run."""

    stage: str
    text: str
    state: str
    title: str


@dataclass(frozen=True)
class Row:
    """One bot or database. look: its icon, empty for none. silence: why there is nothing to draw, empty if there is."""

    name: str
    anchor: str
    look: str
    state: str
    bars: list[Bar]
    spans: list[Span]
    budgets: list[Mark]
    safe: Mark | None
    restored: Mark | None
    cells: list[Cell]
    silence: str
    title: str
    description: str


@dataclass(frozen=True)
class Line:
    """A moment of the whole fleet. kind: ``decision``, ``safe`` or ``restored``."""

    kind: str
    at: float
    label: str


@dataclass(frozen=True)
class Stage:
    name: str
    look: int
    budget: str


@dataclass(frozen=True)
class Timeline:
    axis: Axis
    rows: list[Row]
    lines: list[Line]
    stages: list[Stage]
    gaps: list[Mark]
    notes: list[str]
    compact: bool
    drawn: bool


def timeline(record: Mapping[str, Any], bots: Sequence[Bot]) -> Timeline:
    """The timeline of a record; ``bots`` in the order of their rows."""
    databases = [row for row in record.get("databases", []) if row.get("stages")]
    ran = [*(bot.row for bot in bots), *databases]
    axis = axis_over(span for row in ran for span in _times(row))
    stages = _stages(ran)
    names = [stage.name for stage in stages]
    check_mode = record["check_mode"]
    rows = [_bot(bot, axis, names, check_mode) for bot in bots] + [_database(row, axis, names) for row in databases]
    return Timeline(
        axis=axis,
        rows=rows,
        lines=_lines(record, axis),
        stages=stages,
        gaps=[Mark(round((gap.left + gap.right) / 2, 3), roughly(gap.end - gap.begin)) for gap in axis.gaps],
        notes=[*_notes(bots, check_mode), *_over_budget(ran), *([CUT] if axis.gaps else [])],
        compact=len(bots) >= COMPACT,
        drawn=any(not row.silence for row in rows),
    )


def _times(row: Mapping[str, Any]) -> list[tuple[float, float]]:
    """Every stretch of time in which something was under way."""
    spans = [(sent["sent_after_seconds"], sent["received_after_seconds"]) for sent in row.get("transactions", [])]
    spans += [(begin, begin + seconds) for begin, seconds in map(_ran, row["stages"]) if begin is not None]
    return spans + [(seconds, seconds) for seconds in _known(row)]


def _known(row: Mapping[str, Any]) -> list[float]:
    """When it was known to be safe and restored, as far as it was."""
    return [seconds for kind in ("safe", "restored") if (seconds := row.get(f"{kind}_after_seconds")) is not None]


def _ran(stage: Mapping[str, Any]) -> tuple[float | None, float]:
    return stage.get("started_after_seconds"), stage["seconds"]


def _stages(rows: Sequence[Mapping[str, Any]]) -> list[Stage]:
    """All stages in the order in which they come, each with its budget, if that is the same for all."""
    budgets: dict[str, list[float | None]] = {}
    for row in rows:
        for stage in row["stages"]:
            known = budgets.setdefault(stage["name"], [])
            if stage["budget"] not in known:
                known.append(stage["budget"])
    return [Stage(name, LOOKS.get(name, OTHER), _budget(budgets[name])) for name in sorted(budgets, key=place_of)]


def _budget(known: list[float | None]) -> str:
    return f"of {known[0]:g} s" if len(known) == 1 and known[0] is not None else ""


def _bot(bot: Bot, axis: Axis, stages: list[str], check_mode: bool) -> Row:
    known = [f"{kind} after {figure(bot.row[f'{kind}_after_seconds'])}" for kind in ("safe", "restored")]
    return _row(bot.row, bot.anchor, bot.state, state_words(bot, check_mode), axis, stages, known)


def _database(row: Mapping[str, Any], axis: Axis, stages: list[str]) -> Row:
    """Which has no state of its own: its bots have."""
    return _row(row, "databases", "", "database, not as was asked for" if row["failure"] else "database", axis, stages)


def _row(
    row: Mapping[str, Any],
    anchor: str,
    look: str,
    state: str,
    axis: Axis,
    stages: list[str],
    known: Sequence[str] = (),
) -> Row:
    bars, budgets = [], []
    for stage in row["stages"]:
        begin, seconds = _ran(stage)
        if begin is None or seconds < SHORTEST:
            continue
        bars.append(_bar(stage, axis))
        end = begin + (stage["budget"] or 0.0)
        if stage["budget"] is not None and not stage["over_budget"] and axis.holds(end):
            title = f"the budget of {stage['name']}, {stage['budget']:g} s, ends"
            budgets.append(Mark(axis.at(end), title, LOOKS.get(stage["name"], OTHER)))
    spans = [_span(sent, axis) for sent in row.get("transactions", [])]
    return Row(
        name=row["name"],
        anchor=anchor,
        look=look,
        state=state,
        bars=bars,
        spans=spans,
        budgets=budgets,
        safe=_mark(axis, row.get("safe_after_seconds"), "known to be safe"),
        restored=_mark(axis, row.get("restored_after_seconds"), "known to be restored"),
        cells=[_cell(row, name) for name in stages],
        silence="" if bars or spans else f"no times: {row['failure'] or 'none are recorded'}",
        title=f"{row['name']}: {state}",
        description="; ".join([*(_sentence(stage) for stage in row["stages"]), *known]),
    )


def _bar(stage: Mapping[str, Any], axis: Axis) -> Bar:
    begin, seconds = stage["started_after_seconds"], stage["seconds"]
    left, right = axis.at(begin), axis.at(begin + seconds)
    late = axis.at(begin + stage["budget"]) if stage["over_budget"] and stage["budget"] is not None else None
    return Bar(
        stage=stage["name"],
        look=LOOKS.get(stage["name"], OTHER),
        left=left,
        width=round(right - left, 3),
        failed=stage["status"] == "failed",
        late=late,
        late_width=0.0 if late is None else round(right - late, 3),
        title=f"{_sentence(stage)}, begun after {figure(begin)}",
    )


def _sentence(stage: Mapping[str, Any]) -> str:
    """A stage in words: ``halt 1.30 s of 30 s``."""
    if stage["status"] == "skipped":
        return f"{stage['name']} skipped"
    budget = "" if stage["budget"] is None else f" of {stage['budget']:g} s"
    over = ", OVER BUDGET" if stage["over_budget"] else ""
    failed = ", FAILED" if stage["status"] == "failed" else ""
    return f"{stage['name']} {figure(stage['seconds'])}{budget}{over}{failed}"


def _span(sent: Mapping[str, Any], axis: Axis) -> Span:
    begin, end = sent["sent_after_seconds"], sent["received_after_seconds"]
    left = axis.at(begin)
    title = f"{', '.join(sent['stages'])}: sent after {figure(begin)}, result received after {figure(end)}"
    return Span(left, round(axis.at(end) - left, 3), title)


def _mark(axis: Axis, seconds: float | None, words: str) -> Mark | None:
    return None if seconds is None else Mark(axis.at(seconds), f"{words} after {figure(seconds)}")


def _cell(row: Mapping[str, Any], name: str) -> Cell:
    stage = next((stage for stage in row["stages"] if stage["name"] == name), None)
    if stage is None or stage["status"] == "skipped":
        return Cell(name, "-", "none", f"{name} did not run")
    state = "failed" if stage["status"] == "failed" else "over" if stage["over_budget"] else "ok"
    return Cell(name, f"{stage['seconds']:.2f}", state, "" if state == "ok" else _sentence(stage))


def _lines(record: Mapping[str, Any], axis: Axis) -> list[Line]:
    lines = [Line("decision", axis.at(0.0), f"decision {moment(record['start_time'])[11:]}")]
    words = "checked until" if record["check_mode"] else "all"
    for kind in ("safe", "restored"):
        seconds = record[f"time_to_{kind}_seconds"]
        if seconds is not None:
            lines.append(Line(kind, axis.at(seconds), f"{words} {kind} {figure(seconds)}"))
    return lines


def _first_sent(row: Mapping[str, Any]) -> float:
    return min((sent["sent_after_seconds"] for sent in row.get("transactions", [])), default=0.0)


def _notes(bots: Sequence[Bot], check_mode: bool) -> list[str]:
    """The slowest bots."""
    notes = []
    for kind in ("safe", "restored"):
        known = [(bot.row[f"{kind}_after_seconds"], bot.name) for bot in bots]
        slowest = max((entry for entry in known if entry[0] is not None), default=None)
        if slowest and len(bots) > 1 and not check_mode:
            notes.append(f"Last to be {kind}: {slowest[1]}, {figure(slowest[0])}.")
    if any(min(_known(bot.row), default=inf) < _first_sent(bot.row) for bot in bots):
        notes.append(EARLIER)
    return notes


def _over_budget(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The stages over budget."""
    notes = []
    over: dict[str, list[tuple[float, str, float]]] = {}
    for row in rows:
        for stage in row["stages"]:
            if stage["over_budget"]:
                over.setdefault(stage["name"], []).append((stage["seconds"], row["name"], stage["budget"]))
    for name, late in over.items():
        seconds, longest, budget = max(late)
        others = f"{count(len(late))}, longest " if len(late) > 1 else ""
        notes.append(f"Over budget: {name} of {others}{longest}, {figure(seconds)} of {budget:g} s.")
    return notes
