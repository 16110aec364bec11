# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal of restores: what was about to be done, and what was done. PRIVATE to the collection.

Each line is on disk before what it tells is begun, or after it has ended. So whoever finds a run without an end knows
which step was under way, and all that the steps before it found out.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from .._files import NO_FOLLOW, open_directory, whole_lines
from .._operation import OperationError, State
from .instance import Instance
from .layout import journal as journal_path
from .layout import make_home

LONGEST = 8 << 20
"""Bytes of ended runs that are kept; a run that begins later starts the journal anew."""


@dataclass
class Run:
    """One restore, as its lines tell.

    request: what was asked for; facts: all that its steps noted; step: the last one that was begun, and whether it is
    done; end: how it ended, None while it has not
    """

    id: str
    request: State
    facts: State = field(default_factory=dict)
    step: str = ""
    is_done: bool = False
    end: str | None = None

    def take(self, line: State) -> None:
        """Add what a line of this run says."""
        known = {"run", "at", "event", "step"}
        self.facts.update({name: value for name, value in line.items() if name not in known})
        if line["event"] == "end":
            self.end = line["ended"]
        elif line["event"] in ("begin", "done"):
            self.step, self.is_done = line["step"], line["event"] == "done"


class Journal:
    """Open to be written, by whoever holds the lock of the instance."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.run: Run | None = None

    def start(self, identifier: str, request: State, **facts: Any) -> Run:
        """Begin a run. The one before has ended."""
        if os.fstat(self._descriptor).st_size > LONGEST:
            os.ftruncate(self._descriptor, 0)
        self.run = Run(identifier, request, dict(facts))
        self._write({"run": identifier, "event": "start", "request": request, **facts})
        return self.run

    def begin(self, step: str, **facts: Any) -> None:
        self._note({"event": "begin", "step": step, **facts})

    def done(self, step: str, **facts: Any) -> None:
        self._note({"event": "done", "step": step, **facts})

    def end(self, how: str, **facts: Any) -> None:
        """The run has ended, and needs nobody to finish it."""
        self._note({"event": "end", "ended": how, **facts})
        self.run = None

    def _note(self, line: State) -> None:
        if self.run is None:
            raise OperationError("no restore is under way whose step could be noted: run it from its begin")
        self._write({"run": self.run.id, **line})
        self.run.take(line)

    def _write(self, line: State) -> None:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        content = memoryview(json.dumps({**line, "at": stamp}, separators=(",", ":")).encode() + b"\n")
        length = os.fstat(self._descriptor).st_size
        try:
            while content:
                content = content[os.write(self._descriptor, content) :]
            os.fsync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, length)  # half a line would hide those after it
            raise


@contextmanager
def opened(instance: Instance) -> Iterator[Journal]:
    """The journal, to be gone on with: without what was cut short at its end, and with the run that has not ended."""
    home = make_home(instance)
    directory = open_directory(home)
    try:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | NO_FOLLOW
        descriptor = os.open(os.path.basename(journal_path(instance.root)), flags, 0o600, dir_fd=directory)
        if os.geteuid() == 0:
            os.fchown(descriptor, *instance.owner())
        os.fsync(directory)
    finally:
        os.close(directory)
    try:
        journal = Journal(descriptor)
        lines = list(whole_lines(descriptor))
        os.ftruncate(descriptor, sum(length for _line, length in lines))
        journal.run = _unfinished(lines)
        yield journal
    finally:
        os.close(descriptor)


def unfinished(root: str) -> Run | None:
    """The run that was interrupted, or is under way. Changes nothing."""
    try:
        descriptor = os.open(journal_path(root), os.O_RDONLY | os.O_NONBLOCK | NO_FOLLOW)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        return _unfinished(whole_lines(descriptor))
    finally:
        os.close(descriptor)


def _unfinished(lines: Iterable[tuple[State, int]]) -> Run | None:
    run: Run | None = None
    for line, _length in lines:
        if line["event"] == "start":
            facts = {name: value for name, value in line.items() if name not in ("run", "event", "request", "at")}
            run = Run(line["run"], line["request"], facts)
        elif run is not None and line["run"] == run.id:
            run.take(line)
    return run if run is not None and run.end is None else None
