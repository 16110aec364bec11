# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollback as it runs, on a terminal or as lines: what happens comes in, text goes out. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible import constants as C  # noqa: N812  # its usual name
from ansible.utils.color import stringc

from ...module_utils._transaction.request import DATA, EXPOSURE
from .._clock import duration, epoch
from .._exposure import GUARDED
from .._summary import summary
from .area import area
from .channel import CHANNEL
from .narrator import Narrator
from .outcome import Outcome
from .progress import FAILED, HELD, OK, SKIPPED, STORED, UNREACHABLE, Progress
from .report import report_from
from .screen import Screen, Ticker, outliving_its_reader
from .text import names, plain, wrapped

FRAME = 0.2  # s between two drawings on a terminal
BEAT = 1.0  # s between two looks whether a line is due
ROOM = 60  # columns for the names of bots that share an account
COLOURS = {
    OK: C.COLOR_OK,
    FAILED: C.COLOR_ERROR,
    UNREACHABLE: C.COLOR_UNREACHABLE,
    SKIPPED: C.COLOR_SKIP,
    STORED: C.COLOR_WARN,
    HELD: C.COLOR_WARN,
    "note": C.COLOR_WARN,
    "+": C.COLOR_DIFF_ADD,
    "-": C.COLOR_DIFF_REMOVE,
}
DIFF = ("+", "-", " ")
BESIDE = {"report": "report", "incident": "incident report"}


class Timeline:
    """display: Ansible's. live: draw on the terminal; else lines only. all_bots: see ``summary``."""

    def __init__(self, display: Any, live: bool, check_mode: bool, all_bots: bool) -> None:
        self._display, self._live, self._check_mode, self._all_bots = display, live, check_mode, all_bots
        self._progress = Progress()
        self._narrator = Narrator(self._progress)
        self._screen = Screen(display, self._draw) if live else None
        self._ticker: Ticker | None = None
        self._decided = time.time()
        self._is_rollback = False
        self._rollback_id = ""
        self._doing = ""
        self._outcomes: dict[str, Outcome] = {}
        self._said: dict[str, str] = {}  # failures, by bot
        self._guarded: set[str] = set()
        self._closed: set[str] = set()
        self._shared: dict[str, list[Mapping[str, Any]]] = {}  # by stage, what several bots have in common
        self._proven: set[str] = set()  # bots whose account was read as it should be
        self._unsafe: set[str] = set()
        self._record: Mapping[str, Any] = {}
        self._written = False
        self._barrier: Mapping[str, Any] = {}
        self._rolls_on = True
        self._for_data: Mapping[str, str] = {}  # bots whose database is not as it should be

    def learn(self, facts: Mapping[str, Any]) -> None:
        """What roles set: decision, id, what bots share; which bots pass the barrier; whether a batch was bad."""
        self._is_rollback = self._is_rollback or "assess_decided_at" in facts
        for stage, fact in (EXPOSURE, "halt_accounts"), (DATA, "data_databases"):
            if fact in facts:
                self._shared[stage] = list(facts[fact].values())
        self._barrier = facts.get("halt_barrier", {}).get("bots", self._barrier)
        self._unsafe = set(facts.get("halt_barrier", {}).get("unsafe", self._unsafe))
        self._rolls_on = facts.get("revert_rolling", self._rolls_on)
        self._for_data = facts.get("data_waiting", self._for_data)
        self._rollback_id = plain(facts.get("assess_id") or self._rollback_id)
        with contextlib.suppress(ValueError):  # assess refuses it next
            self._decided = epoch(str(facts["assess_decided_at"])) if "assess_decided_at" in facts else self._decided

    def doing(self, task: str) -> None:
        """A task is next."""
        self._doing = plain(task)

    def begin(self, stages: Sequence[str], bots: Sequence[str], total: int) -> None:
        """A transaction with these stages is next for these bots."""
        now = time.monotonic()
        with self._display._lock:
            self._progress.begin(stages, bots, total, now)
            held = all(self._is_held(bot) for bot in bots)
            lines = self._narrator.begun(stages, 0 if held else len(bots), total, now)
        if self._ticker is None:
            self.say(f"rollback {self._rollback_id or 'begins'}")
            if self._screen:
                self._screen.open()
            CHANNEL.open()
            self._ticker = Ticker(FRAME if self._live else BEAT, self._tick)
        if not self._live:
            self._say_all(lines)

    def _is_held(self, bot: str) -> bool:
        goes_on = self._rolls_on or bot in self._closed  # of a closed one only what is stored is asked for
        return bot in self._for_data or not (goes_on and self._barrier.get(bot, {}).get("passes", True))

    def leaders(self, stage: str) -> list[str]:
        """The bots that read an account, or have a database worked on, for all that share it."""
        return [it["leader"] for it in self._shared.get(stage, []) if stage == DATA or not it["refused"]]

    def is_guarded(self, bot: str) -> bool:
        """Whether it is known that its positions were left to their stops."""
        return bot in self._guarded

    def sent(self, bot: str) -> None:
        """A bot's steps are on their way."""
        with self._display._lock:
            self._progress.sent(bot, time.monotonic())

    def received(self, bot: str, outcome: Outcome) -> None:
        """A bot's result is here; a failure is said at once."""
        if HELD not in outcome.stages.values():
            self._outcomes[bot] = outcome
        if outcome.closed:
            self._closed.add(bot)
        self._show(bot, [bot], outcome)

    def received_shared(self, stage: str, leader: str, outcome: Outcome) -> None:
        """The result is here of what several bots have in common, which their leader has asked for."""
        bots = next((it["bots"] for it in self._shared.get(stage, []) if it["leader"] == leader), [leader])
        if stage == EXPOSURE and not outcome.failure:
            self._proven.update(bots)
        self._show(leader, bots, outcome)

    def _show(self, bot: str, bots: Sequence[str], outcome: Outcome) -> None:
        """bots: those that it is true of."""
        now = time.monotonic()
        if outcome.exposure == GUARDED:
            self._guarded.update(bots)
        with self._display._lock:
            ended = self._progress.received(bot, outcome.stages, now)
            lines = self._narrator.received(ended, now)
        if outcome.failure:
            self._said.update({each: f"{self._said.get(each, '')}\n{outcome.failure}" for each in bots})
            said = [names(bots, ROOM), outcome.at, f"FAILED: {plain(outcome.failure)}"]
            self.say(" ".join(filter(None, said)), FAILED)
        if not self._live:
            self._say_all(lines)

    def recorded(self, result: Mapping[str, Any], written: bool) -> None:
        """The result of the record's task. What lies there if it was not written is older."""
        self._record, self._written = result, written

    def not_said(self, failures: Mapping[str, Any]) -> dict[str, Any]:
        """Sentences by bot, without those that were said when the bot's result came in."""
        return {
            bot: text
            for bot, text in failures.items()
            if str(text).removeprefix("not safe: ") not in self._said.get(bot, "")
        }

    def is_in_table(self, said: Any) -> bool:
        """Whether the final table will say it."""
        return bool(self._record) and said in (self._record.get("summary"), self._record.get("verdict"))

    def say(self, text: str, kind: str = "") -> None:
        """One line with the time since the decision, above what is drawn. ``text`` is plain already.

        A line of a diff belongs to the line above it, and has no time of its own.
        """
        mark = " check mode" if self._check_mode else ""
        when = f"[{_clock(time.time() - self._decided)}{mark}] "
        width = _width()
        first, *rest = wrapped(text, width - len(when)) if width and kind not in DIFF else [text]
        self._print(f"{' ' * len(when) if kind in DIFF else when}{first}", kind)
        for line in rest:
            self._print(" " * len(when) + line, kind)

    def finish(self, failed: bool) -> None:
        """The table, or what is known without one: nothing after a playbook that ended well without any bot."""
        self._stop()
        lines = self._table(_width())
        if not lines and ((failed and self._is_rollback) or self._progress.stages):
            lines = self._without_record(_width())
        for line in ["", *lines] if lines else []:
            self._print(line, _kind(line))

    def abort(self) -> None:
        """The run ends before it has come to its end."""
        self._stop()
        for line in self._without_record(_width()):
            self._print(line, FAILED if "NOT KNOWN" in line else "")

    def _stop(self) -> None:
        self._doing = ""
        if self._ticker:
            self._ticker.stop()
            if self._screen:
                self._screen.close()
            CHANNEL.close()
        self._ticker = None

    def _tick(self) -> None:
        with self._display._lock:
            for bot, said in CHANNEL.heard():
                self._progress.reported(bot, report_from(said))
        if self._screen:
            self._screen.refresh()
            return
        with self._display._lock:
            lines = self._narrator.tick(time.monotonic())
        self._say_all(lines)

    def _draw(self, columns: int, rows: int) -> list[str]:
        title = ", ".join(
            filter(
                None,
                [
                    self._rollback_id or "rollback",
                    "CHECK MODE" if self._check_mode else "",
                    "STORED RESULT" if self._outcomes and all(self._is_stored()) else "",
                    f"{duration(time.time() - self._decided)} since the decision",
                ],
            )
        )
        return area(self._progress, title, self._doing, time.monotonic(), columns, rows, _paint)

    def _is_stored(self) -> Iterator[bool]:
        return (STORED in outcome.stages.values() for outcome in self._outcomes.values())

    def _table(self, width: int | None) -> list[str]:
        lines = list(self._record.get("summary") or [])
        if not self._written:
            return lines
        try:
            with open(self._record["path"], encoding="utf-8") as handle:
                record = json.load(handle)
        except (OSError, ValueError):
            return lines
        more = {label: _shown(self._record[name], width) for name, label in BESIDE.items() if self._record.get(name)}
        path, notices = _shown(self._record["path"], width), self._record["notices"]
        return summary(record, path, width=width, all_bots=self._all_bots, more=more, notices=notices)

    def _without_record(self, width: int | None) -> list[str]:
        """What the results said that came in; who is not known to be safe is named in full."""
        if not self._progress.stages:
            return ["No record was written: the playbook ended before any bot was reached."]
        stages = [] if self._live else self._progress.stages.values()  # drawn already
        lines = [f"{stage.name:10}{stage.done} of {stage.total}: {stage.counts()}" for stage in stages]
        unsafe = self._not_known_to_be_safe()
        if unsafe:
            sentence = f"NOT KNOWN TO BE SAFE: {', '.join(map(plain, unsafe))}"
            lines += wrapped(sentence, width) if width else [sentence]
        lines.append("No record was written.")
        return [*lines, f"Run the same id again: -e rollback_id={self._rollback_id}"] if self._rollback_id else lines

    def _not_known_to_be_safe(self) -> list[str]:
        """Bots that failed or are guarded, and those without a result: what goes on there is not known."""
        failed = [bot for bot, outcome in self._outcomes.items() if outcome.failure and not outcome.is_safe]
        sharing = {bot for account in self._shared.get(EXPOSURE, []) for bot in account["bots"]} - self._proven
        missing = {*self._progress.waiting, *self._progress.not_sent}
        return sorted({*failed, *self._guarded, *sharing, *missing, *self._unsafe})

    def _say_all(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.say(line)

    def _print(self, line: str, kind: str = "") -> None:
        with outliving_its_reader():
            self._display.display(line, color=COLOURS.get(kind))
            sys.stdout.flush()  # a pipe would keep it until it is full


def _width() -> int | None:
    """Columns of the terminal, None where there is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _shown(path: str, width: int | None) -> str:
    """On a terminal, from the current directory if it is below that, so that it fits a line."""
    here = os.path.join(os.getcwd(), "")
    return path.removeprefix(here) if width else path


def _kind(line: str) -> str:
    if "NOT SAFE" in line or "EXPOSED" in line:
        return FAILED
    return STORED if line.startswith("STORED RESULT") else ""


def _clock(seconds: float) -> str:
    return f"{seconds:6.1f} s" if seconds < 1000 else f"{duration(seconds):>8}"


def _paint(text: str, kind: str) -> str:
    return str(stringc(text, COLOURS[kind])) if kind in COLOURS else text
