# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bot's process: started, stopped, restarted or reloaded (S0.4, S1.3, S1.5, S3.5). PRIVATE to the collection."""

from __future__ import annotations

from typing import Any

from .._operation import Context, NotUndone, Operation, OperationError, Plan, State
from .._process import Process
from .._service.bot import Bot, state_of
from .._service.managers import MANAGERS, Reading
from .._service.options import signal_number
from .._service.ownership import Owned
from .._service.run import check_directory, check_down, how_to_reload, prove_running, reload, start
from .._service.stop import prove_stopped, stop

DOWN = ("stopped", "failed")
BRIEFLY = 2.0
"""Seconds that a suspect gets to end by itself before a stop_command is called because of it."""


class BotService(Operation):
    """Observed: ``state``, ``manager`` (its own words), ``main_pid``, ``started_at`` (UTC) and ``pids``.

    Change: ``stopped`` and ``killed`` (pids), ``started`` (bool), ``reloaded`` (pid), each where it applies.
    """

    OPTIONS = {
        "name": {"type": "str", "required": True},
        "manager": {"type": "str", "required": True, "choices": list(MANAGERS)},
        "state": {"type": "str", "required": True, "choices": ["started", "stopped", "restarted", "reloaded"]},
        "start_command": {"type": "list", "elements": "str"},
        "stop_command": {"type": "list", "elements": "str"},
        "reload_command": {"type": "list", "elements": "str"},
        "command": {"type": "list", "elements": "str"},
        "chdir": {"type": "path"},
        "user": {"type": "str"},
        "environment": {"type": "dict"},
        "pidfile": {"type": "path"},
        "pattern": {"type": "str"},
        "log": {"type": "path"},
        "timeout": {"type": "int", "default": 30},
        "force": {"type": "bool", "default": False},
        "settle": {"type": "float", "default": 3.0},
        "stop_signal": {"type": "str", "default": "TERM"},
        "lines": {"type": "int", "default": 10},
        "start_token": {"type": "path"},
    }
    CONSTRAINTS = {
        "required_if": [
            ("manager", "script", ["chdir"]),
            ("manager", "script", ["pidfile", "pattern"], True),
            ("manager", "process", ["chdir", "command"]),
        ]
    }
    PROOF_IS_STATE = True

    def __init__(self, options: dict[str, Any], context: Context) -> None:
        super().__init__(options, context)
        self.name: str = options["name"]
        self.wanted: str = options["state"]
        self.bot = Bot(options, context)
        self._seen: tuple[Reading, Owned]  # by observe, for plan
        self._started = False
        self._reloaded: Process | None = None
        signal_number(options["stop_signal"])
        if options["manager"] == "script" and self.wanted in ("started", "restarted") and not options["start_command"]:
            raise OperationError(f"{self.name} cannot be started without a start_command: give one")
        for option, least in (("timeout", 0), ("settle", 0), ("lines", 1)):
            if options[option] < least:
                raise OperationError(f"{option} is {options[option]}: make it {least} or more")

    def observe(self) -> State:
        self._seen = self.bot.look()
        return self.bot.state(*self._seen)

    def plan(self, before: State) -> Plan:
        state = before["state"]
        if self.wanted == "reloaded":
            return self._planned(f"reload {self.name} {how_to_reload(self.bot)}", before)
        stopping = (
            f"stop {self.name} (pid {', '.join(map(str, before['pids']))})" if before["pids"] else f"stop {self.name}"
        )
        if self.wanted == "stopped":
            if state == "unproven":
                return self._stopping_unseen(before)
            return Plan() if state in DOWN else self._planned(stopping, before)
        reading, _owned = self._seen
        if reading.obstacle:
            raise OperationError(f"{self.name} cannot be started: it {reading.obstacle}")
        check_directory(self.bot)
        if self.wanted == "restarted":
            return self._planned(f"start {self.name}" if state in DOWN else f"{stopping} and start it again", before)
        if state in ("running", "starting"):
            return Plan()
        check_down(self.bot)
        return self._planned(f"start {self.name}", before)

    def apply(self, plan: Plan) -> State:
        change: State = {}
        if self.wanted in ("stopped", "restarted"):
            change.update(stop(self.bot))
        if self.wanted in ("started", "restarted"):
            start(self.bot)
            self._started = change["started"] = True
        if self.wanted == "reloaded":
            self._reloaded = reload(self.bot)
            change["reloaded"] = self._reloaded.pid
        return change

    def prove(self) -> State:
        """Stopped: by its manager and by no process left. Else: by one main process that lives on."""
        if self.wanted == "stopped":
            return prove_stopped(self.bot)
        return prove_running(self.bot, started=self._started, main=self._reloaded)

    def undo(self, change: State) -> str:
        """What was started is stopped again. What was stopped is never started."""
        if not change.get("started"):
            what = "reloaded" if change.get("reloaded") else "stopped"
            raise NotUndone(f"{self.name} was {what}: an undo neither starts a process nor reloads one")
        stop(self.bot)
        prove_stopped(self.bot)
        return f"{self.name} was stopped again"

    def _stopping_unseen(self, before: State) -> Plan:
        """Nothing is the bot's for sure. Its stop_command is called, if it has one, as long as something may be."""
        if not self.bot.manager.can_stop_unseen:
            return Plan()  # the proof waits for what is there, and names it
        reading, owned = self.bot.look_patiently(BRIEFLY)
        if state_of(reading, owned) in DOWN:
            return Plan()
        there = ", ".join(map(str, owned.all or owned.suspects))
        return self._planned(f"stop {self.name} by its stop_command (process {there} may be the bot's)", before)

    def _planned(self, action: str, before: State) -> Plan:
        after = {"started": "running", "stopped": "stopped"}.get(self.wanted, f"running, {self.wanted}")
        headers = {"before_header": self.name, "after_header": self.name}
        return Plan([action], [{"before": f"{before['state']}\n", "after": f"{after}\n", **headers}])
