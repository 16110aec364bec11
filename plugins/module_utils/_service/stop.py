# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stop a bot and prove it. PRIVATE to the collection."""

from __future__ import annotations

import os
import signal
import time

from .. import _process
from .._operation import OperationError, State
from .bot import Bot, state_of
from .managers import Reading
from .options import signal_number
from .ownership import Owned

KILL_TIME = 5.0
"""Seconds that the kernel gets to end what was killed."""


def stop(bot: Bot) -> State:
    """Ask the manager, then by signal what the manager leaves; kill only with ``force``, when ``timeout`` is over.

    Returns the pids that are gone (``stopped``), and which of them had to be killed (``killed``).
    """
    reading, owned = bot.look()
    if state_of(reading, owned) in ("stopped", "failed"):
        return {"stopped": [], "killed": []}
    if os.getpid() in (process.pid for process in owned.all):
        raise OperationError(f"this very command was started by {bot.name}: run it from outside of the bot")
    if not owned.all and reading.is_down:
        _stop_unseen(bot)
        return {"stopped": [], "killed": []}
    bot.remember(owned.all)
    force = bot.options["force"]
    spare = KILL_TIME if force else 0.0
    timeout = max(0.0, bot.context.remaining(bot.options["timeout"] + spare) - spare)
    reading, owned = _stop_gracefully(bot, timeout)
    killed = kill(bot, reading, owned) if force else set()
    if not force and (owned.all or not reading.is_down):
        raise OperationError(
            f"{bot.name} did not stop within {timeout:g} s, {bot.what_is_left(reading, owned)}: "
            "raise timeout, or set force to kill it"
        )
    return {"stopped": sorted({process.pid for process in bot.remember([])}), "killed": sorted(killed)}


def kill(bot: Bot, reading: Reading, owned: Owned) -> set[int]:
    """SIGKILL every process of the bot until none is left; returns the pids."""
    killed: set[int] = set()
    limit = time.monotonic() + KILL_TIME
    while owned.all or not reading.is_down:
        bot.remember(owned.all)
        killed.update(process.pid for process in owned.all if _process.send(process, signal.SIGKILL))
        if time.monotonic() > limit:
            raise OperationError(
                f"{bot.name} could not be killed, {bot.what_is_left(reading, owned)}: look at it on the host"
            )
        time.sleep(0.1)
        reading, owned = bot.look()
    return killed


def prove_stopped(bot: Bot) -> State:
    """The manager holds it to be stopped, nothing will start it again, and no process of it is left."""
    reading, owned = bot.look_patiently()
    if owned.all or not reading.is_down:
        left = f"{bot.name} is not stopped, {bot.what_is_left(reading, owned)}"
        raise OperationError(left, {"state": state_of(reading, owned)})
    if owned.suspects:
        raise OperationError(f"{bot.name} is not proven stopped: {bot.what_may_be_its(reading, owned)}")
    revivers = bot.manager.revivers(reading)
    if revivers:
        raise OperationError(
            f"{bot.name} is stopped, but {', '.join(revivers)} may start it again: stop that unit before it"
        )
    return bot.state(reading, owned)


def _stop_unseen(bot: Bot) -> None:
    """None but suspects are there, which nobody here signals: its stop_command may know better which is the bot."""
    if bot.manager.can_stop_unseen:
        timeout = bot.context.remaining(bot.options["timeout"])
        bot.look_patiently(bot.manager.ask_to_stop(timeout / 2))


def _stop_gracefully(bot: Bot, timeout: float) -> tuple[Reading, Owned]:
    """Signals each process once, parents first: children are their parents' business until these are gone."""
    number = signal_number(bot.options["stop_signal"])
    begun = time.monotonic()
    patience = bot.manager.ask_to_stop(timeout / 2)
    asked: set[tuple[int, int]] = set()
    pause = 0.05
    while True:
        reading, owned = bot.look()
        bot.remember(owned.all)
        waited = time.monotonic() - begun
        if (reading.is_down and not owned.all) or waited >= timeout:
            return reading, owned
        if waited >= patience or (reading.state and reading.is_down):
            for process in owned.roots:
                if (process.pid, process.start) not in asked:
                    asked.add((process.pid, process.start))
                    _process.send(process, number)
        time.sleep(max(0.0, min(pause, timeout - waited)))
        pause = min(pause * 1.5, 0.5)
