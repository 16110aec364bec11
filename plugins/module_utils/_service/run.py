# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start or reload a bot, and prove that it runs. PRIVATE to the collection."""

from __future__ import annotations

import fcntl
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from .. import _process
from .._operation import OperationError, State
from .._process import Process
from .bot import Bot, state_of
from .managers import Reading
from .stop import kill
from .token import start_token

APPEAR_TIME = 5.0
"""Seconds within which a bot's process must be seen after its start."""


def start(bot: Bot) -> None:
    """Start a bot that is down. What a failed start leaves running is ended."""
    with _starting_alone(bot):
        check_down(bot)
        bot.acted = time.monotonic()
        try:
            with start_token(bot.options["start_token"]):
                pid = bot.manager.start(bot.context.remaining(bot.options["timeout"]))
        except OperationError:
            with suppress(OperationError):
                reading, owned = bot.look()
                if reading.cgroup is None:
                    kill(bot, reading, owned)
            raise
        if pid is not None:
            _recognise(bot, pid)


def check_down(bot: Bot) -> None:
    """Nothing may be there that a start would double: two of one bot would place every order twice."""
    reading, owned = bot.look_patiently()
    if owned.all or reading.state in ("running", "starting", "stopping"):
        seen = ", ".join(map(str, owned.all)) or reading.words
        raise OperationError(f"{bot.name} is not down, so it was not started: stop it first ({seen})")
    if owned.suspects:
        may_be = bot.what_may_be_its(reading, owned)
        raise OperationError(f"{bot.name} is not proven stopped, so it was not started: {may_be}")


def check_directory(bot: Bot) -> None:
    """The directory to start it in must be there."""
    chdir = bot.options["chdir"]
    if chdir and not os.path.isdir(chdir):
        raise OperationError(f"chdir {chdir} of {bot.name} is not a directory on this host: deploy the bot, or mend it")


def how_to_reload(bot: Bot) -> str:
    """``by its manager`` or ``by SIGHUP``. A bot that cannot be reloaded is an OperationError."""
    reading, owned = bot.look()
    if owned.main is None or reading.state not in ("", "running"):
        raise OperationError(f"{bot.name} is {state_of(reading, owned)} and cannot be reloaded: start it")
    if reading.can_reload:
        return "by its manager"
    if not _process.catches(owned.main, signal.SIGHUP):
        raise OperationError(
            f"{bot.name} cannot be reloaded: its manager has no reload, and process {owned.main} does not handle "
            "SIGHUP: restart it"
        )
    return "by SIGHUP"


def reload(bot: Bot) -> Process:
    """Reload a running bot (S0.4); returns its main process."""
    by_manager = how_to_reload(bot) == "by its manager"
    _reading, owned = bot.look()
    if owned.main is None:
        raise OperationError(f"{bot.name} ended before it could be reloaded{bot.log()}")
    if by_manager:
        bot.manager.reload(bot.context.remaining(bot.options["timeout"]))
    else:
        _process.send(owned.main, signal.SIGHUP)
    bot.acted = time.monotonic()
    return owned.main


def prove_running(bot: Bot, *, started: bool = False, main: Process | None = None) -> State:
    """One main process, the same for ``settle`` seconds; returns how the bot is then.

    A process that is older than that needs no wait, unless this run reloaded it.
    started: whether this run started it, so that it may take its time to appear
    main: which process it must be
    """
    begun = time.monotonic()
    restarts = 0 if started else None
    while True:
        reading, owned = bot.look()
        if owned.strays:
            raise OperationError(
                f"{bot.name} runs more than once: beside {owned.main or 'its manager'} there is "
                f"{', '.join(map(str, owned.strays))}: stop it, then start it"
            )
        restarts = reading.restarts if restarts is None else restarts
        seen = owned.main if reading.state in ("", "running") else None
        if main is None and seen is None:
            if not _may_appear(bot, reading, time.monotonic() - begun, started):
                raise _not_running(bot, reading, started)
        elif seen is None and started and bot.options["command"] and main and _process.alive(main):
            _recognise(bot, main.pid)  # it has just turned into something else
        elif seen is None or reading.restarts > restarts or not _process.same(main or seen, seen):
            raise _crashed(bot, main, reading)
        else:
            main = seen
            if _has_settled(bot, main):
                return bot.state(reading, owned)
        if bot.context.remaining(1) <= 0:
            raise OperationError(f"{bot.name} could not be proven running within its step's time limit: raise it")
        pause = min(0.1, max(0.01, bot.options["settle"] / 4))
        time.sleep(pause)
        while main and _process.alive(main) and not _has_settled(bot, main) and bot.context.remaining(1) > 0:
            time.sleep(pause)  # its manager need not be asked until it has ended or lived long enough


def _may_appear(bot: Bot, reading: Reading, waited: float, started: bool) -> bool:
    if reading.state == "starting":
        return waited < float(bot.options["timeout"])
    return started and reading.state in ("", "running") and waited < APPEAR_TIME


def _has_settled(bot: Bot, main: Process) -> bool:
    settle: float = bot.options["settle"]
    since_acted = time.monotonic() - bot.acted if bot.acted is not None else settle
    return main.age() >= settle and since_acted >= settle


def _recognise(bot: Bot, pid: int) -> None:
    """A process that cannot be told from others later would then be started twice: it is ended at once."""
    process = _process.read(pid)
    limit = time.monotonic() + APPEAR_TIME / 2
    try:
        while process and _process.alive(process):
            if pid in (member.pid for member in bot.look()[1].all):
                return
            if time.monotonic() > limit:
                raise OperationError(
                    f"{bot.name} runs as {_process.read(pid)}, which does not look like its command, and was ended: "
                    "give a pattern that matches"
                )
            time.sleep(0.05)
    except OperationError:
        members = _process.family([process] if process else [], _process.all_processes()).values()
        for member in members:
            _process.send(member, signal.SIGKILL)
        while any(map(_process.alive, members)) and time.monotonic() < limit + APPEAR_TIME:
            time.sleep(0.01)
        raise


@contextmanager
def _starting_alone(bot: Bot) -> Iterator[None]:
    """Two runs at once must not both find the bot down and start it. systemd sees to that itself."""
    check_directory(bot)
    if bot.options["manager"] == "systemd":
        yield
        return
    chdir = bot.options["chdir"]
    limit = time.monotonic() + bot.context.remaining(bot.options["timeout"])
    directory = os.open(chdir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        while True:
            try:
                fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > limit:
                    raise OperationError(
                        f"another run is starting {bot.name} and holds {chdir}: wait for it"
                    ) from error
                time.sleep(0.1)
        yield
    finally:
        os.close(directory)


def _not_running(bot: Bot, reading: Reading, started: bool) -> OperationError:
    words = f" (systemd says {reading.words})" if reading.words else ""
    if started:
        return OperationError(f"{bot.name} was started and does not run{words}: mend what its log tells{bot.log()}")
    return OperationError(f"{bot.name} is not running{words}: start it{bot.log()}")


def _crashed(bot: Bot, main: Process | None, reading: Reading) -> OperationError:
    words = f" (systemd says {reading.words}, restarted {reading.restarts} times)" if reading.words else ""
    return OperationError(
        f"{bot.name} crashed: its main process{f' {main.pid}' if main else ''} did not live for "
        f"{bot.options['settle']:g} s{words}: mend what its log tells{bot.log()}"
    )
