# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bot's own commands, such as emergency_stop.sh (S1.3) and emergency_stop.py (S2.6). PRIVATE to the collection.

That such a command ends with 0 is what it claims. What became of the positions is read back, or not known.
"""

from __future__ import annotations

from typing import Any

from .._command import Finished, TimedOut, run
from .._health.http import Answer
from .._health.observed import shown
from .._operation import Context, OperationError, absolute_path
from . import readout
from .interface import EXIT, PAUSE, STOP, Interface, Reading, Refused, Unanswered

ARGV = {"type": "list", "elements": "str"}
COMMANDS: dict[str, Any] = {
    "type": "dict",
    "options": {
        PAUSE: ARGV,
        EXIT: ARGV,
        STOP: ARGV,
        "status": {"type": "dict", "options": {"argv": {**ARGV, "required": True}, **readout.EXPRESSIONS}},
        "chdir": {"type": "path"},
        "user": {"type": "str"},
        "timeout": {"type": "float", "default": 30.0},
    },
}


class Command(Interface):
    """Each step is one command, run once. In check mode none is run, since nobody knows what it changes."""

    def __init__(self, options: dict[str, Any]) -> None:
        super().__init__(options)
        self._commands = options["commands"]
        status = self._commands["status"]
        argvs = [self._commands[step] for step in (PAUSE, EXIT, STOP) if self._commands[step] is not None]
        argvs += [status["argv"]] if status else []
        if not all(argvs):
            raise OperationError("commands has an empty list: name the program, then its arguments")
        if status:
            readout.validate(status)
        if self._commands["chdir"] is not None:
            self._commands["chdir"] = absolute_path("commands.chdir", self._commands["chdir"])
        self.name = f"the bot of {shown(argvs[0][0])}" if argvs else "the bot"

    def can(self, step: str) -> bool:
        return self._commands.get(step) is not None

    def where(self, step: str) -> str:
        return f"commands.{step}"

    def read(self, context: Context) -> Reading:
        status = self._commands["status"]
        if status is None or context.check_mode:
            return Reading()
        finished = self._run(status["argv"], context)
        return readout.read(Answer(200, finished.out.encode(), True), status, status["argv"][0], {})

    def send(self, step: str, context: Context) -> None:
        self._run(self._commands[step], context)

    def _run(self, argv: list[str], context: Context) -> Finished:
        timeout = max(0.1, context.remaining(self._commands["timeout"]))
        try:
            finished = run(argv, timeout=timeout, cwd=self._commands["chdir"], user=self._commands["user"])
        except TimedOut as error:
            raise Unanswered(f"{argv[0]} did not end within {timeout:.3g} s and was killed") from error
        except OperationError as error:
            raise Refused(str(error)) from error
        if finished.code != 0:
            said = shown(finished.last_lines(1))
            raise Unanswered(f"{argv[0]} ended with code {finished.code}" + (f": {said}" if said else ""))
        return finished
