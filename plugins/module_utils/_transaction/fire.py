# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the timer of a dead man's switch runs: makes the bot safe, unless it was verified or taken over.

PRIVATE to the collection. It reverts nothing, sends no order and asks nobody but this host. It runs in the directory
of its rollback; what it prints is for the log of its unit.
"""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import suppress

from .._operation import OperationError
from .._registry import OPERATIONS
from . import switch
from .lock import Lock, Locked, end
from .request import RESUME, Step
from .runner import Runner
from .safety import Safety
from .state import BotState

ME = "the dead man's switch"
PATIENCE = 10.0
"""Seconds that a transaction of the same rollback gets to stop by itself; it knows the deadline, too."""
ATTEMPTS = 5
POLL = 1.0


def main(mode: str, nonce: str = "") -> None:
    """``rehearse``: look at the steps that come in. ``fire``: carry out what is armed. ``wait``: when it is time."""
    if mode == "rehearse":
        raise SystemExit(_rehearse())
    armed = switch.read(os.getcwd())
    while mode == "wait" and armed and armed.nonce == nonce and armed.left() > 0:
        time.sleep(min(POLL, armed.left()))
        with suppress(OperationError, OSError):  # what cannot be read for a moment was not removed
            armed = switch.read(os.getcwd())
    if armed and armed.nonce == nonce:
        raise SystemExit(_fire(armed))


def _rehearse() -> str | None:
    """Why a step could not be carried out here; None if all could."""
    path, steps = json.load(sys.stdin)
    _look_in(path)
    runner = Runner(OPERATIONS, {}, check_mode=True)
    for step in (Step(**data) for data in steps):
        outcome = runner.run(step, "apply")
        if step.required and outcome["status"] == "failed":
            return f"{step.name}: {' '.join(outcome['message'].split())}"
    return None


def _fire(armed: switch.Armed) -> str | None:
    """What went wrong, None if nothing. Money first: state that cannot be used keeps no step from being tried."""
    _look_in(armed.path)
    safety = Safety(armed.steps, Runner(OPERATIONS, {}, check_mode=False))
    state = BotState(armed.state_dir, armed.bot)
    try:
        return _in_turn(armed, state, safety)
    except (OSError, OperationError, ValueError) as error:
        outcomes = [f"{step.name}: {outcome['message'] or outcome['status']}" for step, outcome in safety.make()]
        return f"made safe without lock and journal, since {error}: {'; '.join(outcomes)}"


def _in_turn(armed: switch.Armed, state: BotState, safety: Safety) -> str | None:
    """Take the lock from a transaction of the same rollback; any other rollback goes before the switch."""
    lock = Lock(state, armed.rollback_id, ME)
    wait = PATIENCE
    for _attempt in range(ATTEMPTS):
        try:
            with lock.held(wait=wait, preempt=False, preempt_after=0.0):
                return _with_lock(armed, state, safety)
        except Locked as refused:
            holder = refused.holder.get("rollback_id")
            if holder is None:  # being signed right now
                time.sleep(POLL)
            elif holder != armed.rollback_id:
                _leave(state, armed, f"rollback {holder} holds the bot")
                return None
            elif wait == PATIENCE and _makes_safe_itself(state, armed):
                wait = sum(step.timeout for step in safety.steps)
            else:
                end(refused.holder)
    raise OperationError("the lock of the bot cannot be had")


def _with_lock(armed: switch.Armed, state: BotState, safety: Safety) -> str | None:
    rollback = state.rollback(armed.rollback_id)
    present = switch.read(rollback.path)
    if present is None or present.nonce != armed.nonce:  # verified, made safe or started anew in the meantime
        return None
    if rollback.results.get("superseded_by"):
        _leave(state, armed, f"rollback {rollback.results['superseded_by']} has taken over")
        return None
    journal = rollback.journal()
    own = switch.Switch(state, rollback, journal)
    own.fires("timer")
    for step, outcome in safety.make():
        journal.write("made_safe", step=f"{RESUME}/safe/{step.id}", outcome=outcome)
    read = safety.read(resumed=False)
    said = own.fired(read)
    own.disarm()
    if not read["is_safe"]:
        return said
    sys.stdout.write(f"{said}\n")
    return None


def _leave(state: BotState, armed: switch.Armed, why: str) -> None:
    rollback = state.rollback(armed.rollback_id)
    journal = rollback.journal()
    journal.write("switch_fired", nonce=armed.nonce, by="timer", outcome=f"nothing was done: {why}")
    switch.Switch(state, rollback, journal).disarm()
    sys.stdout.write(f"{ME} did nothing: {why}\n")


def _makes_safe_itself(state: BotState, armed: switch.Armed) -> bool:
    """Whether the transaction that holds the bot has seen that it is too late."""
    lines = state.rollback(armed.rollback_id).journal().lines
    return any(line["event"] == "switch_fired" and line["nonce"] == armed.nonce for line in lines)


def _look_in(path: list[str]) -> None:
    sys.path += [entry for entry in path if entry not in sys.path]
