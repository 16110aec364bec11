# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines that stand at the foot of a terminal while a rollback runs. PRIVATE to the collection."""

from __future__ import annotations

from collections import Counter
from typing import Callable

from .._clock import duration
from .progress import FAILED, HELD, OK, SKIPPED, STORED, UNREACHABLE, Progress, Stage
from .report import told
from .text import cells, fit, names, pad, plain

Paint = Callable[[str, str], str]
BAR = (8, 40)  # columns
NAME = len("preserve")
ROWS = 5  # bots whose steps are shown
PARTS = ((OK, "█"), (FAILED, "▓"), (UNREACHABLE, "▓"), (SKIPPED, "▒"), (STORED, "▒"), (HELD, "▒"))


def area(progress: Progress, title: str, doing: str, now: float, width: int, height: int, paint: Paint) -> list[str]:
    """A line above the bars, the bars, how far bots are, and a line below: ``doing``, or who is being waited for.

    paint: gives a text the colour of a status. No line is wider than ``width``.
    """
    stages = list(progress.stages.values())
    counts = {stage.name: _counts(stage) for stage in stages}
    room = width - NAME - 4 - max((cells(text) for text in counts.values()), default=0)
    length = min(max(room, BAR[0]), BAR[1])
    lines = [fit(title, width)]
    for stage in stages:
        rest = width - NAME - 4 - length
        drawn = _bar(stage, length, paint) if rest > 0 else ""
        lines.append(f"{pad(fit(stage.name, NAME), NAME)}  {drawn}  {fit(counts[stage.name], rest)}".rstrip())
    lines += [fit(line, width) for line in reports(progress, ROWS)]
    lines.append(fit(waiting(progress, now, width) or doing, width))
    lines = lines if lines[-1] else lines[:-1]
    return lines if len(lines) < height else [lines[0], *lines[len(lines) - max(height - 2, 0) :]]


def waiting(progress: Progress, now: float, room: int) -> str:
    """``waiting for tn-3, qt-7 and 37 more, 12 s``; empty when nobody is."""
    bots = progress.waiting
    if not bots:
        return ""
    tail = f", {duration(progress.waited(now))}"
    tail += f"; {len(progress.not_sent)} more wait for a free fork" if progress.not_sent else ""
    return f"waiting for {names(bots, room - len('waiting for ') - cells(tail))}{tail}"


def reports(progress: Progress, most: int) -> list[str]:
    """How far the steps of bots are, of ``most`` of them: ``db-1: Back up the database, 41 %, 1.2 of 2.9 GB, …``."""
    lines = [f"{plain(bot)}: {told(report)}" for bot, report in progress.reports.items()]
    more = len(lines) - most
    return [*lines[:most], f"and {more} more"] if more > 0 else lines


def _counts(stage: Stage) -> str:
    took = f", {duration(stage.ended - stage.began)}" if stage.ended is not None else ""
    return f"{stage.done:{len(str(stage.total))}} of {stage.total}  {stage.counts()}{took}"


def _bar(stage: Stage, width: int, paint: Paint) -> str:
    """One part for each status, as long as its share; who failed is seen however few they are."""
    count = Counter(stage.outcomes.values())
    drawn, used = [], 0
    for status, letter in reversed(PARTS):
        share = count[status] * width / max(stage.total, 1)
        length = min(int(share) if status == OK else -int(-share // 1), width - used)
        if stage.done == stage.total and status == OK:
            length = width - used
        drawn.append(paint(letter * length, status) if length else "")
        used += length
    return "".join(reversed(drawn)) + paint("░" * (width - used), "")
