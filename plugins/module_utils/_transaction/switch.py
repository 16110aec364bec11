# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dead man's switch: a bot that was started is made safe again unless it is verified in time.

PRIVATE to the collection. The host's own timer fires, whatever has become of controller and transaction.

<state_dir>/<bot>/<rollback_id>/switch.json       what to do, and until when; the switch is armed while it is there
<state_dir>/<bot>/<rollback_id>/switch.<nonce>.zip  the code that does it
<state_dir>/<bot>/switch_fired                    what came of it, until a transaction has told it
"""

from __future__ import annotations

import json
import math
import os
import secrets
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any

from .._files import read_bytes, remove_file, write_atomic
from .._operation import OperationError
from . import timer
from .code import keep, paths
from .request import RESUME, Stage, Step
from .secrets import mask, placeholder
from .state import BotState, Journal, Rollback, utc_now

KEPT = "switch.json"
FIRED = "switch_fired"
NOT_KEPT = ("environment",)  # of a bot's commands: may hold what nobody declared a secret, and stopping does without
BOOT_ID = "/proc/sys/kernel/random/boot_id"


@dataclass(frozen=True)
class Armed:
    """What lies on the host while the switch is armed.

    deadline: monotonic seconds of the boot that ``boot`` names
    unit: the timer's, None for a process
    code: where it lies and what to run
    path: where this Python looks for modules
    """

    nonce: str
    rollback_id: str
    bot: str
    state_dir: str
    seconds: float
    deadline: float
    boot: str
    code: list[str]
    path: list[str]
    steps: list[Step]
    unit: str | None = None

    def left(self) -> float:
        """Seconds until it fires; without end when a reboot has ended its timer."""
        return self.deadline - time.monotonic() if self.boot == _boot() else math.inf


def read(directory: str) -> Armed | None:
    """What is armed there. What is damaged is an OperationError."""
    path = os.path.join(directory, KEPT)
    content = read_bytes(path)
    if content is None:
        return None
    try:
        data = json.loads(content)
        return Armed(**{**data, "steps": [Step(**step) for step in data["steps"]]})
    except (ValueError, TypeError, KeyError) as error:
        raise OperationError(f"{path} is damaged, so nobody knows what is armed: remove it") from error


class Switch:
    """The switch of one rollback on one bot. Whoever uses it holds the bot's lock."""

    def __init__(self, state: BotState, rollback: Rollback, journal: Journal) -> None:
        self._state = state
        self._directory = rollback.path
        self._journal = journal
        self.armed = read(rollback.path)
        self.fresh = False
        """Whether it was armed by this very transaction."""

    def arm(self, seconds: float, safe: Iterable[Step], *, bot: str, rollback_id: str) -> None:
        """Start the timer, in place of an earlier one; raises OperationError, and then none runs."""
        self.disarm()
        nonce = secrets.token_hex(6)
        steps = [_without_values(step) for step in safe]
        path = paths()
        try:
            code = keep(self._directory, f"switch.{nonce}.zip", "fire")
            timer.rehearse(code, self._directory, json.dumps([path, [asdict(step) for step in steps]]).encode())
            armed = Armed(
                nonce=nonce,
                rollback_id=rollback_id,
                bot=bot,
                state_dir=os.path.dirname(self._state.path),
                seconds=seconds,
                deadline=time.monotonic() + seconds,
                boot=_boot(),
                code=list(code),
                path=path,
                steps=steps,
            )
            self._keep(armed)
            self._keep(replace(armed, unit=timer.start(code, self._directory, bot, nonce, seconds)))
            self._journal.write("switch_armed", nonce=nonce, seconds=seconds)
            self.fresh = True
        except BaseException:
            self.disarm(nonce)
            raise

    def _keep(self, armed: Armed) -> None:
        write_atomic(os.path.join(self._directory, KEPT), json.dumps(asdict(armed)).encode(), mode=0o600)
        self.armed = armed

    def left(self) -> float | None:
        """Seconds until it fires; None when none is armed, or a reboot has ended its timer."""
        left = self.armed.left() if self.armed else math.inf
        return None if left == math.inf else round(left, 3)

    def too_late(self) -> str:
        """Why the bot may not run any longer, empty as long as it may."""
        if self.armed is None or self.armed.left() > 0:
            return ""
        return f"not verified within {self.armed.seconds:g} s of its start (confirm_within)"

    def bounded(self, step: Step) -> Step:
        """The step with no more time than is left."""
        return replace(step, timeout=max(0.1, min(step.timeout, self.armed.left()))) if self.armed else step

    def confirm(self) -> None:
        """The bot is verified."""
        if self.armed:
            self._journal.write("switch_confirmed", nonce=self.armed.nonce, left=self.left())
            self.disarm()

    def fires(self, by: str) -> None:
        """Journal it before the bot is made safe."""
        if self.armed:
            self._journal.write("switch_fired", nonce=self.armed.nonce, by=by)

    def fired(self, safe: Mapping[str, Any]) -> str:
        """Keep what came of it for the next transaction, and say it. It stays armed until that is written."""
        if self.armed is None:
            return ""
        firing = {"rollback_id": self.armed.rollback_id, "seconds": self.armed.seconds, "at": utc_now(), "safe": safe}
        write_atomic(self._state.file(FIRED), json.dumps(firing).encode(), mode=0o600)
        return sentence(firing)

    def disarm(self, nonce: str = "") -> None:
        """Nothing fires any more. ``nonce``: of one that was not armed in full."""
        if self.armed:
            remove_file(os.path.join(self._directory, KEPT))
            timer.cancel(self.armed.unit)
            nonce = self.armed.nonce
            self.armed = None
        if nonce:
            remove_file(os.path.join(self._directory, f"switch.{nonce}.zip"))


def obstacle(stage: Stage, safe: list[Step], given: dict[str, Any]) -> str:
    """Why the switch that a stage asks for cannot be armed, as one sentence.

    safe: what it would carry out
    given: the secrets of the transaction
    """
    if not stage.confirm_within:
        return ""
    asked = f"confirm_within is {stage.confirm_within:g} s"
    if stage.name != RESUME or stage.confirm_within < 0:
        return f"{asked} in stage {stage.name}: give it to stage {RESUME}, as seconds, or 0 for no switch"
    settle = settling(stage)
    if stage.confirm_within <= settle:
        return f"{asked}, but the started process alone is watched for {settle:g} s: raise it"
    if not safe:
        return f"{asked}, but nothing is declared that makes the bot safe: declare it, or set 0"
    for step in safe:
        if step.invalid:
            return f"{asked}, but {step.name!r}, which would make the bot safe, is not valid: {step.invalid}"
        kept = _without_values(step).options
        if _holds_secret(kept) or mask(kept, given) != kept:
            return f"{asked}, but {step.name!r} holds a secret, which is never kept on a host: leave it out, or set 0"
    return ""


def tight(stages: list[Stage]) -> str:
    """A warning, if a bot that is merely slow may be made safe again."""
    resume = next((stage for stage in stages if stage.confirm_within), None)
    if resume is None:
        return ""
    steps = [step for stage in stages for step in stage.steps if step.when]
    checks = sum(float(step.options.get("deadline") or 0) for step in steps)
    wanted = settling(resume) + checks
    if resume.confirm_within > wanted:
        return ""
    return (
        f"confirm_within is {resume.confirm_within:g} s, but start and health checks may take {wanted:g} s: "
        "a bot that takes so long is stopped again, so raise it"
    )


def settling(stage: Stage) -> float:
    """Seconds for which the stage watches what it starts."""
    return sum(float(step.options.get("settle") or 0) for step in stage.steps if step.when and step.mode == "apply")


def told_by(state: BotState) -> tuple[bytes | None, str]:
    """What a switch of this bot has done and nobody was told yet: as it is kept, and as a sentence."""
    try:
        content = read_bytes(state.file(FIRED))
    except OperationError as error:
        return None, f"whether the dead man's switch of this bot fired is not known: {error}"
    if content is None:
        return None, ""
    try:
        return content, sentence(json.loads(content))
    except (ValueError, TypeError, KeyError):
        return content, f"the dead man's switch of this bot fired, and {state.file(FIRED)} is damaged: look at the bot"


def forget(state: BotState, told: bytes | None) -> None:
    """Remove what was told, unless it has fired again since."""
    if told is not None and read_bytes(state.file(FIRED)) == told:
        remove_file(state.file(FIRED))


def sentence(firing: Mapping[str, Any]) -> str:
    """What a switch has done, for people."""
    safe = firing["safe"]
    missing = [f"{reading['name']}: {reading['message']}" for reading in safe["read"] if not reading["ok"]]
    names = ", ".join(reading["name"] for reading in safe["read"])
    came_to = f"it was made safe, and read back: {names}" if safe["is_safe"] else f"NOT SAFE: {'; '.join(missing)}"
    return (
        f"the dead man's switch of rollback {firing['rollback_id']} fired at {firing['at']}, since the bot was not "
        f"verified within {firing['seconds']:g} s of its start: {came_to}"
    )


def _without_values(step: Step) -> Step:
    return replace(step, options={name: value for name, value in step.options.items() if name not in NOT_KEPT})


def _holds_secret(value: Any) -> bool:
    if isinstance(value, dict):
        return bool(placeholder(value)) or any(map(_holds_secret, value.values()))
    return isinstance(value, list) and any(map(_holds_secret, value))


def _boot() -> str:
    with suppress(OSError), open(BOOT_ID, encoding="ascii") as file:
        return file.read().strip()
    return ""
