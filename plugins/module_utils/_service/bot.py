# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bot as its manager and its processes show it. PRIVATE to the collection."""

from __future__ import annotations

import os
import time
from typing import Any

from .. import _process
from .._operation import Context, OperationError, State
from .._process import Process
from . import options as given
from .managers import MANAGERS, Manager, Reading
from .ownership import Owned, survey

SUSPECT_TIME = 10.0
"""Seconds that a suspect, such as a check that cron started, gets to end by itself before it counts."""


class Bot:
    """What stopping, starting and reloading a bot share.

    acted: when it was last started or reloaded, in monotonic seconds; None: not by this run
    """

    def __init__(self, options: dict[str, Any], context: Context) -> None:
        self.options = options
        self.context = context
        self.name: str = options["name"]
        self.criteria = given.criteria(options)
        self.manager: Manager = MANAGERS[options["manager"]](options, given.starting_user(options))
        self.acted: float | None = None
        self._known: list[Process] = []

    def look(self) -> tuple[Reading, Owned]:
        """What there is now. What was ``remembered`` as the bot's stays so when its parents are gone."""
        reading = self.manager.read()
        if _process.hides_others() and (reading.cgroup is not None or self.criteria.uid != os.geteuid()):
            raise OperationError(f"/proc hides the processes of other users, so {self.name} cannot be seen: set become")
        owned = survey(
            self.criteria, cgroup=reading.cgroup, main=reading.main, template=reading.template, known=self._known
        )
        return reading, owned

    def look_patiently(self, seconds: float | None = None) -> tuple[Reading, Owned]:
        """What there is once none is left that only may be the bot's, at the latest after ``seconds``."""
        wanted = SUSPECT_TIME if seconds is None else seconds
        limit = time.monotonic() + self.context.remaining(wanted + 1) - 1  # 1 s, to say in time what is there
        reading, owned = self.look()
        while state_of(reading, owned) == "unproven" and time.monotonic() < limit:
            time.sleep(0.2)
            reading, owned = self.look()
        return reading, owned

    def remember(self, processes: list[Process]) -> list[Process]:
        """Keep processes in mind as the bot's; returns all that are."""
        known = {(process.pid, process.start): process for process in self._known + processes}
        self._known = list(known.values())
        return self._known

    def state(self, reading: Reading, owned: Owned) -> State:
        """What bot_service shows of a look."""
        return {
            "state": state_of(reading, owned),
            "manager": reading.words,
            "main_pid": owned.main.pid if owned.main else None,
            "started_at": _utc(time.time() - owned.main.age()) if owned.main else None,
            "pids": sorted(process.pid for process in owned.all),
        }

    def what_is_left(self, reading: Reading, owned: Owned) -> str:
        """For a message about a bot that is not down."""
        words = f"systemd says {reading.words}; " if reading.words else ""
        return f"{words}still running: {', '.join(map(str, owned.all)) or 'nothing'}"

    def what_may_be_its(self, reading: Reading, owned: Owned) -> str:
        """For a message about a bot of which nothing was found but suspects: who they are, and the mend."""
        unit = [f'unit "{self.name}" ({reading.words})'] if reading.words else []
        pattern = [f'pattern "{self.options["pattern"]}"'] if self.options["pattern"] else []
        command = [f'command "{_process.mask(" ".join(self.criteria.command))}"'] if self.criteria.command else []
        pidfile = [f"pidfile {self.criteria.pidfile}"] if self.criteria.pidfile and not unit else []
        *tried, last = unit + command + pattern + pidfile or ["any option"]
        found_by = f"{', '.join(tried)} or {last}" if tried else last
        return (
            f"process {', '.join(map(str, owned.suspects))} is at work in {self.options['chdir']} and may be the "
            f"bot's, but is not found by {found_by}: correct what is wrong there, or end that process"
        )

    def log(self) -> str:
        """For a message about a bot that does not run: the last lines of its log."""
        lines = _process.mask(self.manager.log_lines())
        return f"; its log ends with:\n{lines}" if lines else "; its log is empty or cannot be read"


def state_of(reading: Reading, owned: Owned) -> str:
    """What the manager says, corrected by the processes that there are.

    ``leftover``: processes without their manager or their main process; ``unproven``: none but suspects
    """
    if not reading.is_down:
        return reading.state
    if owned.all:
        return "running" if not reading.state and owned.main else "leftover"
    return "unproven" if owned.suspects else reading.state or "stopped"


def _utc(when: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(when))
