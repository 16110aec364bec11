# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bot is paused, emptied and stopped through its own interface, and read back there (S1.3, S2.6)."""

from __future__ import annotations

import time
from typing import Any, ClassVar

from .._control.command import COMMANDS, Command
from .._control.course import MEND, Course
from .._control.freqtrade import Freqtrade
from .._control.http import REQUESTS, Http
from .._control.interface import STEPS, Absent, Interface, Reading, Unanswered
from .._operation import Context, NotUndone, Operation, OperationError, Plan, Skip, State

INTERFACES: dict[str, type[Interface]] = {"freqtrade": Freqtrade, "http": Http, "command": Command}
DOES = {
    "pause": "have it enter nothing new",
    "exit": "have it close what it has open",
    "reload": "have it read from its exchange what became of its trades",
    "stop": "stop it by its own means",
}


class BotControl(Operation):
    """Observed: what the bot says of itself. Change: which steps were ``sent``, and the seconds that it took."""

    OPTIONS: ClassVar[dict[str, Any]] = {
        "interface": {"type": "str", "required": True, "choices": list(INTERFACES)},
        "state": {"type": "str", "required": True, "choices": list(STEPS)},
        "url": {"type": "str"},
        "requests": REQUESTS,
        "commands": COMMANDS,
        "credentials": {"type": "dict", "no_log": True},
        "credentials_env": {"type": "dict", "no_log": False},
        "expect_dry_run": {"type": "bool"},
        "absent": {"type": "str", "choices": ["fail", "skip"], "default": "fail"},
        "timeout": {"type": "float", "default": 5.0},
        "deadline": {"type": "float", "default": 60.0},
        "validate_certs": {"type": "bool", "default": True},
        "ca_path": {"type": "path"},
    }
    CONSTRAINTS: ClassVar[dict[str, Any]] = {
        "required_if": [
            ("interface", "freqtrade", ("url",)),
            ("interface", "http", ("requests",)),
            ("interface", "command", ("commands",)),
        ],
        "mutually_exclusive": [("url", "requests", "commands"), ("credentials", "credentials_env")],
    }
    PROOF_IS_STATE = True

    def __init__(self, options: dict[str, Any], context: Context) -> None:
        super().__init__(options, context)
        for option in ("timeout", "deadline"):
            if options[option] <= 0:
                raise OperationError(f"{option} is {options[option]:g}: give more than 0 s")
        kind, wanted = options["interface"], options["state"]
        if kind != "freqtrade" and (wanted == "reloaded" or options["expect_dry_run"] is not None):
            option = "state reloaded" if wanted == "reloaded" else "expect_dry_run"
            raise OperationError(f"{option} is for freqtrade, and interface is {kind}: leave it out")
        if kind == "command" and (options["credentials"] or options["credentials_env"]):
            raise OperationError("credentials are for an API, and interface is command: leave them out")
        self._bot = INTERFACES[kind](options)
        self._course = Course(self._bot, wanted)
        self._seen: Reading | None = None
        last = STEPS[wanted][-1]
        if not self._bot.can(last):
            raise OperationError(f"state is {wanted}, for which {self._bot.where(last)} is missing: describe it")

    def observe(self) -> State:
        try:
            self._seen = self._bot.read(self.context)
        except Unanswered as error:
            if isinstance(error, Absent) and self.options["absent"] == "skip":
                raise Skip(f"{error}: it does not run") from error
            raise OperationError(f"{error}; nothing was sent: see that it runs and answers there, or {MEND}") from error
        return self._course.shown(self._seen)

    def plan(self, before: State) -> Plan:
        reading = self._seen or Reading()
        steps = self._course.plan(reading)
        if not steps:
            return Plan()
        wanted, headers = self.options["state"], {"before_header": self._bot.name, "after_header": self._bot.name}
        is_now = f"{self._course.what_is(reading)}\n"
        return Plan([DOES[step] for step in steps], [{"before": is_now, "after": f"{wanted}\n", **headers}])

    def apply(self, plan: Plan) -> State:
        started = time.monotonic()
        before = self._seen or Reading()
        limit = started + self.context.remaining(self.options["deadline"])
        after = self._course.run(Context(self.context.check_mode, limit))
        return {
            "sent": self._course.sent,
            "count_before": before.count,
            "count_after": after.count,
            "seconds": round(time.monotonic() - started, 3),
        }

    def prove(self) -> State:
        """Read once more. What cannot be read is claimed, and only by what was sent just now."""
        try:
            reading = self._bot.read(self.context)
        except Unanswered as error:
            raise OperationError(f"{error}, so nothing is proven: see that it answers there, or {MEND}") from error
        if self._course.left(reading):
            raise self._course.failure(reading)
        return self._course.shown(reading)

    def undo(self, change: State) -> str:
        raise NotUndone("a bot that was paused or stopped is not started, and what it closed is not opened again")
