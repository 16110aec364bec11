# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries out one step in a process of its own. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import importlib
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Callable

from .._operation import Context, NotUndone, Operation, OperationError, State, carry_out
from . import child
from .request import Step
from .secrets import mask, resolve

Result = dict[str, Any]
Hear = Callable[[Step, State], None]


class Runner:
    """Runs steps against the operations of a registry. Results are JSON, masked, and never raise.

    hear: is told how far a step is, see ``Context.progress``
    """

    def __init__(
        self,
        registry: Mapping[str, type[Operation]],
        secrets: dict[str, Any],
        check_mode: bool,
        hear: Hear = lambda _step, _told: None,
    ) -> None:
        self._registry = registry
        self._secrets = secrets
        self._check_mode = check_mode
        self._hear = hear

    def run(self, step: Step, mode: str) -> Result:
        """An Outcome as JSON, with ``seconds``."""

        def work(operation: type[Operation], tell: child.Tell) -> Result:
            return asdict(carry_out(self._made(operation, step, tell), mode))

        return self._timed(step, work)

    def undo(self, step: Step, change: State) -> Result:
        """``status`` is ``undone`` or ``not_undone``, ``message`` says what was done or why not."""

        def work(operation: type[Operation], tell: child.Tell) -> Result:
            try:
                return {"status": "undone", "message": self._made(operation, step, tell).undo(change)}
            except (NotUndone, OperationError) as reason:
                return {"status": "not_undone", "message": str(reason)}

        result = self._timed(step, work)
        return {**result, "status": "undone" if result["status"] == "undone" else "not_undone"}

    def _made(self, operation: type[Operation], step: Step, tell: child.Tell) -> Operation:
        context = Context(
            check_mode=self._check_mode,
            deadline=time.monotonic() + step.timeout,
            progress=lambda told: tell(mask(told, self._secrets)),
        )
        return operation(resolve(step.options, self._secrets), context)

    def _timed(self, step: Step, work: Callable[[type[Operation], child.Tell], Result]) -> Result:
        started = time.monotonic()
        try:
            operation = self._registry[step.operation]  # here, so that no later process has to load it again
        except Exception as error:  # noqa: BLE001  # this host's Python may lack what one operation imports
            return {**_failure(f"{step.operation} cannot be loaded here: {error!r}"), "applied": False, "seconds": 0.0}
        try:
            result = child.call(
                lambda tell: mask(_guarded(lambda: work(operation, tell)), self._secrets),
                step.timeout,
                lambda told: self._hear(step, told),
            )
            _load(result.pop("loaded", []))
        except child.TimedOut:
            result = _failure(
                f"step did not end within its time limit of {step.timeout:g} s: it was killed with its children"
            )
        except (child.Died, OSError) as error:  # OSError: this host has no process left to fork
            result = _failure(str(error))
        return {**result, "seconds": round(time.monotonic() - started, 3)}


def _guarded(work: Callable[[], Result]) -> Result:
    before = set(sys.modules)
    return {**_result(work), "loaded": sorted(set(sys.modules) - before)}


def _load(modules: list[str]) -> None:
    """What one step had to import (ruamel.yaml takes 0.1 s) the next ones find loaded."""
    for name in modules:
        with contextlib.suppress(Exception):
            importlib.import_module(name)


def _result(work: Callable[[], Result]) -> Result:
    try:
        return work()
    except OperationError as error:
        return {"status": "failed", "message": str(error), "applied": False}
    except Exception as error:  # noqa: BLE001  # the other steps of a halt must run whatever happens in this one
        return _failure(f"unexpected {type(error).__name__}: {error}")


def _failure(message: str) -> Result:
    """``applied``: whether something may have been changed; nobody knows, so yes."""
    return {"status": "failed", "message": message, "applied": True}
