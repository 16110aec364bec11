# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a transaction is asked to do, as data. PRIVATE to the collection."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

HALT, EXPOSURE, DATA = "halt", "exposure", "data"
REVERT, RESUME, VERIFY = "revert", "resume", "verify"
PROOFS = (VERIFY, "watch")
NOT_IN_CHECK_MODE = (RESUME, *PROOFS)
STAGES = (HALT, EXPOSURE, DATA, "preserve", REVERT, RESUME, *PROOFS)
POLICIES = ("continue", "stop", "undo")
MODES = ("apply", "plan", "prove")


@dataclass(frozen=True)
class Step:
    """One operation with its options, in a stage.

    options: validated, defaults filled in; a secret is the placeholder ``{"secret": name}``
    when: False skips the step
    timeout: time limit, s
    until_resume: in a list of what is safe: holds only until the bot is started again
    required: in a list of what is safe: False, if it is applied to make the bot safe, and not read to call it that
    invalid: why the step cannot be carried out, found by the controller
    """

    id: str
    name: str
    operation: str
    options: dict[str, Any] = field(default_factory=dict)
    mode: str = "apply"
    when: bool = True
    timeout: float = 300.0
    until_resume: bool = False
    required: bool = True
    invalid: str | None = None

    @property
    def digest(self) -> str:
        """Tells whether a step of the journal is this one; free of secrets, since options hold placeholders."""
        text = json.dumps([self.operation, self.mode, self.options], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Stage:
    """Steps in order, and what a failure among them means.

    on_failure: ``continue`` (try the others), ``stop`` (go no further, make the bot safe) or
    ``undo`` (put back what the stage changed, go no further, make the bot safe)
    budget: s that the stage should take; an overrun is reported, never cut short
    requires_safe: prove the bot safe before the first change
    delay: s to wait before the stage, which its budget does not count
    confirm_within: of stage resume: s after which the bot is made safe again unless stage verify is proven; 0: never
    """

    name: str
    steps: list[Step]
    on_failure: str = "stop"
    budget: float | None = None
    requires_safe: bool = False
    delay: float = 0.0
    confirm_within: float = 0.0


@dataclass(frozen=True)
class Request:
    """A transaction: the steps of one or more stages on one bot.

    safe: what must be read back for the bot to be called safe, as steps
    secrets: values that placeholders name
    closes: the rollback is closed when these stages are proven
    preempt: take the bot's lock from another rollback (halt only)
    lock_wait, preempt_after: s
    decided_at: the decision, as the controller's UTC time
    """

    rollback_id: str
    bot: str
    stages: list[Stage]
    safe: list[Step]
    state_dir: str
    secrets: dict[str, Any] = field(default_factory=dict)
    controller: str = ""
    decided_at: str = ""
    closes: bool = False
    preempt: bool = False
    lock_wait: float = 30.0
    preempt_after: float = 10.0
    check_mode: bool = False

    @property
    def key(self) -> str:
        """Under which the result is stored."""
        return "+".join(stage.name for stage in self.stages)


def request_from(data: Mapping[str, Any]) -> Request:
    """A request from the module's parameters."""
    fields = {name: data[name] for name in Request.__dataclass_fields__ if data.get(name) is not None}
    fields["stages"] = [
        Stage(**{**_known(Stage, stage), "steps": [Step(**_known(Step, step)) for step in stage["steps"] or []]})
        for stage in data["stages"]
    ]
    fields["safe"] = [Step(**_known(Step, step)) for step in data["safe"] or []]
    return Request(**fields)


def _known(kind: Any, data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: data[name] for name in kind.__dataclass_fields__ if data.get(name) is not None}
