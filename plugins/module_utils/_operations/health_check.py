# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Named checks of a bot's health, all of them carried out, the failures named (S0.8, S1.5, S1.6, S2.11, S4.6)."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any, Callable

from .._health import host, log, version, web
from .._health.observed import Hopeless, shown
from .._operation import Context, Operation, OperationError, Plan, Skip, State, absolute_path

AT_ONCE = 8
KINDS: dict[str, dict[str, Any]] = {
    "http": web.HTTP,
    "version": version.VERSION,
    "log": log.LOG,
    "file": host.FILE,
    "command": host.COMMAND,
    "tcp": host.TCP,
}
LOOK: dict[str, Callable[[dict[str, Any], Context], str]] = {
    "http": web.http,
    "version": version.version,
    "log": log.log,
    "file": host.file,
    "command": host.command,
    "tcp": host.tcp,
}
VALIDATE = {"http": web.validate, "version": version.validate, "log": log.validate}


@dataclass
class Result:
    """What a check came to. ok: None if it was not carried out; seconds: of the last attempt."""

    name: str
    ok: bool | None = False
    observed: str = ""
    attempts: int = 0
    seconds: float = 0.0


class HealthCheck(Operation):
    """Changes nothing: there is nothing to observe or plan, and all is done by ``prove``."""

    OPTIONS = {
        "checks": {
            "type": "list",
            "elements": "dict",
            "required": True,
            "options": {"name": {"type": "str", "required": True}, **KINDS},
            "required_one_of": [list(KINDS)],
            "mutually_exclusive": [list(KINDS)],
        },
        "deadline": {"type": "float", "default": 0.0},
        "interval": {"type": "float", "default": 1.0},
    }

    def __init__(self, options: dict[str, Any], context: Context) -> None:
        super().__init__(options, context)
        self.checks: dict[str, tuple[str, dict[str, Any]]] = {}
        for check in options["checks"]:
            name = check["name"]
            if name in self.checks:
                raise OperationError(f"two checks are named {name!r}: give each its own name")
            (kind,) = [kind for kind in KINDS if check[kind] is not None]
            try:
                self._validate(kind, check[kind])
            except OperationError as error:
                raise OperationError(f"check {name!r}: {error}") from error
            self.checks[name] = (kind, check[kind])
        if not self.checks:
            raise OperationError("checks is empty, which would prove nothing: name at least one")

    def observe(self) -> State:
        return {}

    def plan(self, before: State) -> Plan:
        return Plan()

    def apply(self, plan: Plan) -> State:
        raise NotImplementedError("nothing is ever planned")

    def prove(self) -> State:
        """Carry out all checks, and those that fail again until the deadline."""
        results = {name: Result(name) for name in self.checks}
        end = time.monotonic() + self.context.remaining(self.options["deadline"])
        pending = list(self.checks)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            while pending:
                pending = [name for name in pool.map(lambda name: self._look(results[name]), pending) if name]
                left = end - time.monotonic()
                if not pending or left <= 0:
                    break
                time.sleep(min(max(0.05, self.options["interval"]), left))
        proof = {"checks": [asdict(result) for result in results.values()]}
        failed = [result for result in results.values() if result.ok is False]
        if failed:
            named = "; ".join(f"{result.name}: {result.observed}" for result in failed)
            count = f"{len(failed)} of {len(results)} checks failed"
            raise OperationError(f"{count}, mend the bot or the check: {named}", proof)
        return proof

    def _look(self, result: Result) -> str | None:
        """Carry out one check; returns its name if it is worth another attempt."""
        kind, options = self.checks[result.name]
        started = time.monotonic()
        result.attempts += 1
        again = False
        try:
            result.observed = LOOK[kind](options, self.context)
            result.ok = True
        except Skip as reason:
            result.ok, result.observed = None, str(reason)
        except (OperationError, OSError) as error:
            result.ok, result.observed = False, shown(str(error), longest=500)
            again = not isinstance(error, Hopeless)
        result.seconds = round(time.monotonic() - started, 3)
        return result.name if again else None

    def _validate(self, kind: str, options: dict[str, Any]) -> None:
        for option, spec in KINDS[kind]["options"].items():
            if spec["type"] == "path" and options[option] is not None:
                options[option] = absolute_path(option, options[option])
        validate = VALIDATE.get(kind)
        if validate is not None:
            validate(options)
