# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same as plain lines: for a pipe, a log, or beside another callback. PRIVATE to the collection."""

from __future__ import annotations

from collections.abc import Sequence

from .._clock import duration
from .area import reports, waiting
from .progress import FAILED, HELD, OK, SKIPPED, STORED, UNREACHABLE, Progress, Stage
from .text import names

HEARTBEAT = 10.0  # s without a line, so that a job never looks dead
PAUSE = 1.0  # s between two lines that only say how far it is
WORST_FIRST = (UNREACHABLE, FAILED, HELD, OK, STORED, SKIPPED)  # skipped counts only where nothing else was done
ROOM = 100  # columns to say who is waited for
REPORTS = 3  # bots of which a line says how far they are


class Narrator:
    """Says when a stage begins and ends, and now and then how far it is. Seconds of any one clock."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._stages: tuple[str, ...] = ()
        self._said_at = float("-inf")
        self._said_tenths = 0
        self._silent = False

    def begun(self, stages: Sequence[str], bots: int, total: int, now: float) -> list[str]:
        """bots: how many of them are sent something; without any there is nothing to say."""
        self._silent = not bots
        if self._silent:
            return []
        again = self._stages == tuple(stages)
        self._stages = tuple(stages)
        self._said(now)
        number = f"{bots} of {_bots(total)}" if bots < total else _bots(bots)
        return [f"{label(stages)} {_verb('go on' if again else 'begin', len(stages))}: {number}"]

    def received(self, ended: Sequence[Stage], now: float) -> list[str]:
        alike: dict[str, list[str]] = {}
        for stage in ended:
            alike.setdefault(f"{stage.counts()}, after {duration(now - stage.began)}", []).append(stage.name)
        lines = [f"{label(stages)} {_verb('end', len(stages))}: {how}" for how, stages in alike.items()]
        if ended and all(set(stage.outcomes.values()) == {HELD} for stage in ended):
            lines = [f"{'all ' if ended[0].total > 1 else ''}{_bots(ended[0].total)} held at the barrier"]
        if not lines:
            return self.tick(now)
        self._said(now)
        return lines

    def tick(self, now: float) -> list[str]:
        """Called every second or so."""
        further = self._tenths() > self._said_tenths
        if self._silent or now - self._said_at < (PAUSE if further else HEARTBEAT) or not self._progress.waiting:
            return []
        self._said(now)
        stage = self._all(self._stages)
        done = f": {stage.done} of {stage.total}, {stage.counts()}" if stage else ""
        said = [f"{label(self._stages)}{done}", waiting(self._progress, now, ROOM), *reports(self._progress, REPORTS)]
        return ["; ".join(filter(None, said))]

    def _all(self, stages: Sequence[str]) -> Stage | None:
        """The stages of one transaction come in together: for each bot, the worst of what they came to."""
        known = [self._progress.stages[name] for name in stages if name in self._progress.stages]
        if not known:
            return None
        outcomes = {
            bot: min((stage.outcomes[bot] for stage in known if bot in stage.outcomes), key=WORST_FIRST.index)
            for bot in known[0].outcomes
        }
        return Stage(label(stages), known[0].total, known[0].began, outcomes=outcomes)

    def _said(self, now: float) -> None:
        self._said_at, self._said_tenths = now, self._tenths()

    def _tenths(self) -> int:
        stage = self._all(self._stages)
        return 10 * stage.done // stage.total if stage and stage.total else 0


def label(stages: Sequence[str]) -> str:
    """``halt``; ``preserve, revert, resume and verify``."""
    return names(stages, 1000) if stages else "transaction"


def _bots(number: int) -> str:
    return f"{number} bot{'' if number == 1 else 's'}"


def _verb(verb: str, subjects: int) -> str:
    return {"begin": "begins", "end": "ends", "go on": "goes on"}[verb] if subjects == 1 else verb
