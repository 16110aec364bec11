# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server as its service, its files and its answers show it together. PRIVATE to the collection."""

from __future__ import annotations

import hashlib
import os
import time
from contextlib import suppress
from typing import Any

from .._operation import Context, OperationError, State, absolute_path
from .._operations.bot_service import BotService
from .._service.bot import Bot, state_of
from .._service.run import start
from .._service.stop import prove_stopped, stop
from .client import Client
from .instance import Instance, is_own
from .rehearse import Boot, boot_from

SERVICE: dict[str, Any] = {name: spec for name, spec in BotService.OPTIONS.items() if name != "state"}
"""Suboptions that say how the server is started and stopped, those of bot_service."""

RELEASE_TIME = 10.0
"""Seconds for which a process that was killed may hold its lock while the kernel takes its memory back."""

YOUNG = 20.0
"""Seconds within which a server that does not answer yet is waited for."""

APPEAR_TIME = 5.0
"""Seconds within which a server that was started must be seen."""

TRANSACTIONS = ("_txn", os.path.join("txn_seq", "_txnlog"))
"""Files of a table that every committed write changes, and nothing else does."""


class Server:
    """One instance, its service, and its client."""

    def __init__(self, options: dict[str, Any], context: Context, instance: Instance, client: Client) -> None:
        self._given = options
        self.options = service_options(options["service"])
        self.context = context
        self.instance = instance
        self.client = client
        self.name: str = self.options["name"]
        self.start_timeout: float = options["start_timeout"]
        self._bot = Bot(self.options, context)

    def within(self, context: Context) -> Server:
        """The same with another time limit."""
        return Server(self._given, context, self.instance, self.client)

    def is_running(self) -> bool:
        """Whether its service runs, or is about to."""
        reading, owned = self._bot.look()
        return bool(owned.all) or not reading.is_down

    def check(self) -> None:
        """OperationError where the service runs and does not have this instance open, or the other way round."""
        limit = time.monotonic() + self.context.remaining(RELEASE_TIME)
        held, running, state = self._seen()
        while held and not running and time.monotonic() < limit:
            time.sleep(0.1)
            held, running, state = self._seen()
        if held and not running:
            raise OperationError(
                f"a server has {self.instance.root} open, which is not {self.name} ({state}): name in service "
                "what runs it"
            )
        if running and not held and state not in ("starting", "restarting"):
            raise OperationError(
                f"{self.name} runs, but has not {self.instance.root} open: correct root, or name another service"
            )

    def _seen(self) -> tuple[bool, bool, str]:
        """Whether a server has the instance open, whether the service runs, and its state in a word."""
        held = self.instance.is_held()
        reading, owned = self._bot.look()
        return held, bool(owned.all) or not reading.is_down, state_of(reading, owned)

    def wait_while_young(self) -> None:
        """Give a server that was just started, as one is with its host, the time to answer."""
        while self._is_young() and not (self.client.is_up() and self.instance.is_held()):
            time.sleep(0.1)

    def _is_young(self) -> bool:
        _reading, owned = self._bot.look()
        return owned.main is not None and owned.main.age() < YOUNG

    def boot(self) -> Boot | None:
        """How the running server was started; None if none can be seen."""
        _reading, owned = self._bot.look()
        found = [process for process in owned.all if "-d" in process.command]
        return boot_from(found[0]) if found else None

    def start(self) -> None:
        """Start it, and wait until it answers. OperationError if it ends instead, or takes too long."""
        start(self._bot)
        self.wait_until_up()

    def wait_until_up(self) -> None:
        """Until it answers."""
        begun = time.monotonic()
        timeout = self.context.remaining(self.start_timeout)
        seen = False
        looked = 0.0
        while not (self.client.is_up() and self.instance.is_held()):  # in this order: to ask who has the lock takes it
            waited = time.monotonic() - begun
            if waited - looked >= 0.2:
                looked = waited
                seen = self._lives(seen, waited)
            if waited > timeout:
                raise OperationError(
                    f"{self.name} did not answer within {timeout:g} s: raise start_timeout{self.log()}"
                )
            time.sleep(0.02)

    def stop(self, *, force: bool = False) -> None:
        """Stop it, and prove by its processes and by the lock of its files that it is gone.

        force: kill what does not end in time, whatever the service says
        """
        bot = Bot({**self.options, "force": True}, self.context) if force else self._bot
        stop(bot)
        prove_stopped(bot)
        limit = time.monotonic() + self.context.remaining(RELEASE_TIME)
        while self.instance.is_held() and time.monotonic() < limit:
            time.sleep(0.05)
        if self.instance.is_held():
            raise OperationError(
                f"{self.name} is stopped, but another process has {self.instance.root} open: stop that, too"
            )

    def log(self) -> str:
        """The end of its log, for a message."""
        return self._bot.log()

    def _lives(self, seen: bool, waited: float) -> bool:
        """Whether its process is there; OperationError if it was, or should be by now."""
        reading, owned = self._bot.look()
        if owned.main is not None and reading.state in ("", "running", "starting"):
            return True
        gone = seen or waited > APPEAR_TIME or reading.state in ("restarting", "failed")
        if gone and reading.state != "starting":
            words = f" (systemd says {reading.words})" if reading.words else ""
            raise OperationError(f"{self.name} ended while it was starting{words}{self.log()}")
        return seen


def service_options(given: dict[str, Any]) -> dict[str, Any]:
    """The suboptions with their defaults, and paths made absolute."""
    options = {name: spec.get("default") for name, spec in SERVICE.items()}
    options.update({name: value for name, value in given.items() if value is not None})
    for name, spec in SERVICE.items():
        if spec["type"] == "path" and options[name] is not None:
            options[name] = absolute_path(f"service.{name}", options[name])
    needed = {"script": ("chdir",), "process": ("chdir", "command")}.get(options["manager"], ())
    for name in needed:
        if not options[name]:
            raise OperationError(f"service.{name} is missing, which manager {options['manager']} needs: give it")
    if options["manager"] == "script" and not options["start_command"]:
        raise OperationError("service.start_command is missing, without which the server cannot be started: give one")
    return options


def transactions(db: str) -> State:
    """A digest of what each table has committed: the same twice means that nothing was written in between."""
    found: State = {}
    for name in sorted(os.listdir(db)):
        if is_own(name) or not os.path.isdir(os.path.join(db, name)):
            continue
        digest = hashlib.sha256()
        for file in TRANSACTIONS:
            with suppress(FileNotFoundError), open(os.path.join(db, name, file), "rb") as handle:
                digest.update(handle.read())
        found[name] = digest.hexdigest()
    return found
