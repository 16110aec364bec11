# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a fleet is, stage by stage, and who is being waited for. PRIVATE to the collection."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .report import Report

OK, STORED, FAILED, UNREACHABLE, SKIPPED, HELD = "ok", "stored", "failed", "unreachable", "skipped", "held"
COUNTED = (OK, STORED, FAILED, UNREACHABLE, SKIPPED, HELD)


@dataclass
class Stage:
    """One stage over the fleet.

    total: how many bots it is for, in all batches
    outcomes: by bot, one of ``COUNTED``; ``stored``: what an earlier run came to, nothing was done;
    ``skipped``: an earlier stage failed, ``held``: the bot was not let pass
    began, ended: seconds of the caller's clock; ``ended`` is None while a bot is missing
    """

    name: str
    total: int
    began: float
    ended: float | None = None
    outcomes: dict[str, str] = field(default_factory=dict)

    @property
    def done(self) -> int:
        return len(self.outcomes)

    def counts(self) -> str:
        """``11 ok, 1 failed``; all but ``ok`` only where there are any."""
        count = Counter(self.outcomes.values())
        return ", ".join(f"{count[status]} {status}" for status in COUNTED if status == OK or count[status])


class Progress:
    """The stages that have begun, in that order, and the bots whose results are missing. Seconds of any one clock."""

    def __init__(self) -> None:
        self.stages: dict[str, Stage] = {}
        self._waiting: dict[str, float] = {}  # when each bot was sent its steps, the longest ago first
        self._not_sent: set[str] = set()
        self.reports: dict[str, Report] = {}  # how far each bot's step is, while it says so

    def begin(self, stages: Iterable[str], bots: Iterable[str], total: int, now: float) -> None:
        """A task with these stages is next for these bots, out of ``total`` in all batches."""
        for name in stages:
            stage = self.stages.setdefault(name, Stage(name, total, now))
            stage.total = max(stage.total, total)
        self._not_sent = set(bots)

    def sent(self, bot: str, now: float) -> None:
        """Its steps are on their way."""
        self._not_sent.discard(bot)
        self._waiting[bot] = now

    def reported(self, bot: str, report: Report) -> None:
        """Its transaction is followed, and this far."""
        if bot in self._waiting:
            self.reports[bot] = report

    def received(self, bot: str, outcomes: Mapping[str, str], now: float) -> list[Stage]:
        """Its result is here, an outcome for each stage; returns the stages that ended with it."""
        self._not_sent.discard(bot)
        self._waiting.pop(bot, None)
        self.reports.pop(bot, None)
        ended = []
        for name, outcome in outcomes.items():
            stage = self.stages.setdefault(name, Stage(name, 0, now))
            stage.outcomes[bot] = outcome
            stage.total = max(stage.total, stage.done)
            if stage.done == stage.total and stage.ended is None:
                stage.ended = now
                ended.append(stage)
        return ended

    @property
    def waiting(self) -> list[str]:
        """Who is being waited for, the longest first."""
        return list(self._waiting)

    @property
    def not_sent(self) -> list[str]:
        """Who has to wait until a fork is free."""
        return sorted(self._not_sent)

    def waited(self, now: float) -> float:
        """For how long the first of them is being waited for."""
        return now - next(iter(self._waiting.values()), now)
