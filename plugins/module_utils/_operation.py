# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operation is: something on a bot's host that can be observed, planned, applied and proven.

PRIVATE to the collection. Imports no Ansible, runs on Python 3.9 and later.
"""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, Callable, ClassVar

State = dict[str, Any]
"""A JSON object that describes a state; it never holds a secret."""


class OperationError(Exception):
    """A failure, as one clear sentence that names the value, the place and the mend.

    proof: what was read to say so, where that tells more than the sentence
    """

    def __init__(self, message: str, proof: State | None = None) -> None:
        super().__init__(message)
        self.proof = proof


class Skip(Exception):
    """Nothing was changed on purpose; the sentence says why."""


class NotUndone(Exception):
    """A change that must stay; the sentence says why."""


@dataclass(frozen=True)
class Plan:
    """What would change. No actions: the wanted state is there.

    actions: one sentence for each change, for people
    diff: Ansible diffs (``before``, ``after`` and their ``_header``), free of secrets
    data: what ``apply`` needs; stays in the process, may hold secrets
    """

    actions: list[str] = field(default_factory=list)
    diff: list[dict[str, str]] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Context:
    """Where an operation runs.

    deadline: in monotonic seconds; None: no limit
    progress: hears from a long operation where it is: ``doing`` (words), ``done`` and ``total`` (bytes)
    """

    check_mode: bool = False
    deadline: float | None = None
    progress: Callable[[State], None] = lambda _state: None

    def remaining(self, wanted: float) -> float:
        """Seconds that a wait of ``wanted`` seconds may take before the step's own time limit."""
        if self.deadline is None:
            return wanted
        return max(0.0, min(wanted, self.deadline - time.monotonic()))

    def telling(self, doing: str) -> Callable[[int, int], None]:
        """A progress in bytes that is told under these words."""
        return lambda done, total: self.progress({"doing": doing, "done": done, "total": total})


class Operation(ABC):
    """One resource kind. Subclasses live in ``_operations/``, one file each, named like their module.

    OPTIONS: the argument spec of the module, as Ansible writes it
    CONSTRAINTS: ``required_if``, ``required_one_of``, ``mutually_exclusive``, … of the same spec
    PROOF_IS_STATE: whether ``prove`` returns what ``observe`` would, which then need not read it all again
    options: validated, defaults filled in; options of type path are absolute here
    """

    OPTIONS: ClassVar[dict[str, Any]] = {}
    CONSTRAINTS: ClassVar[dict[str, Any]] = {}
    PROOF_IS_STATE: ClassVar[bool] = False

    def __init__(self, options: dict[str, Any], context: Context) -> None:
        self.options = options
        self.context = context
        for name, spec in self.OPTIONS.items():
            if spec.get("type") == "path" and options.get(name) is not None:
                options[name] = absolute_path(name, options[name])

    @abstractmethod
    def observe(self) -> State:
        """Read the present state. Changes nothing."""

    @abstractmethod
    def plan(self, before: State) -> Plan:
        """Say what would change. Changes nothing. Raises Skip or OperationError."""

    @abstractmethod
    def apply(self, plan: Plan) -> State:
        """Change it, atomically. Returns what was done, which is what ``undo`` needs."""

    @abstractmethod
    def prove(self) -> State:
        """Read again, and raise OperationError unless the wanted state is there. Returns what was read."""

    def undo(self, change: State) -> str:
        """Put back what ``apply`` said that it changed; returns a sentence.

        Undo is one-way safe: it never starts a bot's process, raises a flag or brings production
        credentials back. What must stay raises NotUndone.
        """
        raise NotUndone("this kind of change is never put back")


def absolute_path(option: str, value: str) -> str:
    """The path with ``~`` expanded on this host; a relative one is an error."""
    path = os.path.expanduser(value)
    if not os.path.isabs(path):
        raise OperationError(f"{option} is {value!r}, which is not an absolute path: write it from the root")
    return os.path.normpath(path)


@dataclass
class Outcome:
    """What carrying out one operation came to.

    status: ``unchanged``, ``changed`` (in check mode: would change), ``skipped`` or ``failed``
    proof: what ``prove`` read; of a failed proof, what it gave with the error
    change: what ``apply`` returned, None if it did not run
    applied: whether ``apply`` began, so that a failure may have changed something
    """

    status: str
    message: str = ""
    before: State | None = None
    after: State | None = None
    proof: State | None = None
    change: State | None = None
    applied: bool = False
    diff: list[dict[str, str]] = field(default_factory=list)


def carry_out(operation: Operation, mode: str = "apply") -> Outcome:
    """Observe, plan, apply and prove.

    mode: ``apply`` (plans only in check mode), ``plan`` (never applies, a difference is fine) or
    ``prove`` (never applies, a difference is a failure)
    """
    outcome = Outcome("failed")
    try:
        if mode == "prove":
            outcome.proof = outcome.before = outcome.after = operation.prove()
            outcome.status = "unchanged"
            return outcome
        outcome.before = operation.observe()
        plan = operation.plan(outcome.before)
        outcome.diff = plan.diff
        outcome.message = "; ".join(plan.actions)
        if plan.actions and (mode == "plan" or operation.context.check_mode):
            outcome.status = "changed"
            return outcome
        if plan.actions:
            outcome.applied = True
            outcome.change = operation.apply(plan)
        outcome.proof = operation.prove() if mode == "apply" else None
        outcome.after = outcome.before
        if plan.actions:
            outcome.after = outcome.proof if operation.PROOF_IS_STATE else operation.observe()
        outcome.status = "changed" if plan.actions else "unchanged"
    except Skip as reason:
        outcome.status, outcome.message = "skipped", str(reason)
    except OperationError as error:
        outcome.message, outcome.proof = str(error), error.proof or outcome.proof
    except OSError as error:
        outcome.message = f"{error.strerror or error}: {error.filename or 'this host'}"
    return outcome
