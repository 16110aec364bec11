# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs a bot on its host: systemd, its own scripts, or nothing else. PRIVATE to the collection."""

from __future__ import annotations

import math
import os
import re
import stat
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from .._command import Finished, run
from .._files import NO_FOLLOW, parent_directory
from .._operation import OperationError
from .detach import start_detached

UNIT = re.compile(r"[A-Za-z0-9_:][A-Za-z0-9_:.@\\-]*")
EXEC_CONDITION = "condition"
"""What systemd calls the state in which a unit's ExecCondition is carried out, after which its other commands come."""
PATH_CONDITION = re.compile(r"^ConditionPathExists=(\|?)(!?)(/.*)$", re.MULTILINE)
SYSTEMCTL_TIMEOUT = 15.0
LOG_TIMEOUT = 5.0
LOG_LIMIT = 64 * 1024


@dataclass(frozen=True)
class Reading:
    """What the manager says of the bot.

    state: ``running``, ``starting``, ``restarting`` (it crashed and is to be started again), ``stopping``, ``stopped``,
        ``failed`` (stopped, too); empty when the manager knows nothing, so that only processes count
    words: the same in its own words
    cgroup: None unless systemd keeps one, empty when it holds nothing
    restarts: how often it was started again by itself
    obstacle: why it cannot be started
    template: of a unit that is an instance and not enabled, so that its name may be wrong
    triggers: other units that would start this one
    """

    state: str = ""
    words: str = ""
    main: int | None = None
    cgroup: str | None = None
    restarts: int = 0
    can_reload: bool = False
    obstacle: str = ""
    template: str = ""
    triggers: tuple[str, ...] = ()

    @property
    def is_down(self) -> bool:
        return self.state in ("", "stopped", "failed")


class Manager(ABC):
    """Times are in seconds; ``user`` runs the commands, None: whoever runs the module."""

    def __init__(self, options: dict[str, Any], user: str | None) -> None:
        self.options = options
        self.name: str = options["name"]
        self.user = user

    @abstractmethod
    def read(self) -> Reading:
        """What it says now. Changes nothing."""

    @abstractmethod
    def start(self, timeout: float) -> int | None:
        """Start it, or ask for it; returns the pid where it is known."""

    @abstractmethod
    def ask_to_stop(self, timeout: float) -> float:
        """Ask it to stop the bot; returns for how long nobody else should signal the bot."""

    @abstractmethod
    def reload(self, timeout: float) -> None:
        """Reload the bot's configuration; called only where the reading says ``can_reload``."""

    @property
    def can_stop_unseen(self) -> bool:
        """Whether asking it may stop a bot that was not found."""
        return False

    def revivers(self, reading: Reading) -> list[str]:
        """What may start the stopped bot again by itself."""
        return []

    def log_lines(self) -> str:
        """The last lines of the bot's log, as far as they can be read."""
        return _last_lines(self.options["log"], self.options["lines"]) if self.options["log"] else ""


class SystemdManager(Manager):
    """The unit ``name``. It is asked, never waited for inside systemctl, which may hang."""

    PROPERTIES = (
        "Id,LoadState,UnitFileState,ActiveState,SubState,Result,MainPID,NRestarts,ControlGroup,CanReload,Job,"
        "TriggeredBy,ConditionResult,ConditionTimestampMonotonic,InactiveExitTimestampMonotonic"
    )
    STATES = {
        "active": "running",
        "reloading": "running",
        "refreshing": "running",
        "activating": "starting",
        "deactivating": "stopping",
        "failed": "failed",
    }

    def __init__(self, options: dict[str, Any], user: str | None) -> None:
        super().__init__(options, user)
        if not UNIT.fullmatch(self.name):
            raise OperationError(
                f"name {self.name!r} is not the name of one systemd unit: write it as systemctl shows it"
            )

    def read(self) -> Reading:
        if not os.path.isdir("/run/systemd/system"):
            raise OperationError(f"this host does not run systemd, which is to manage {self.name}: set manager")
        shown = self._show()
        load, active, sub = shown["LoadState"], shown["ActiveState"], shown["SubState"]
        main = int(shown.get("MainPID") or 0) or None
        if load == "not-found" and active == "inactive":
            raise OperationError(f"unit {self.name} does not exist on this host: mend the name, or install the unit")
        state = self.STATES.get(active, "stopped")
        if "auto-restart" in sub:
            state = "restarting"
        elif state in ("stopped", "failed") and shown.get("Job"):
            state = "starting"
        template, at, _instance = shown["Id"].partition("@")  # any instance of a template is loaded, misspelt or not
        obstacles = {"loaded": "", "masked": "is masked: unmask it"}
        return Reading(
            state=state,
            words=f"{active} ({sub})" + (f", {load}" if load != "loaded" else ""),
            main=main,
            cgroup=shown.get("ControlGroup", ""),
            restarts=int(shown.get("NRestarts") or 0),
            can_reload=shown.get("CanReload") == "yes",
            obstacle=obstacles.get(load, f"cannot be loaded ({load}): mend the unit's file"),
            template="" if shown.get("UnitFileState", "").startswith("enabled") else at and template + at,
            triggers=tuple(shown.get("TriggeredBy", "").split()),
        )

    def start(self, timeout: float) -> None:
        self._systemctl("reset-failed", self.name)  # or a crash loop's start limit refuses the version that is good
        asked = time.monotonic()
        self._ask("start")
        self._see_it_begin(asked, timeout)

    def ask_to_stop(self, timeout: float) -> float:
        self._ask("stop")
        return math.inf

    def reload(self, timeout: float) -> None:
        finished = run(["systemctl", "--no-ask-password", "reload", self.name], timeout=timeout)
        if finished.code:
            raise OperationError(f"{self.name} could not be reloaded ({finished.last_lines(2)})")

    def revivers(self, reading: Reading) -> list[str]:
        """Timers, sockets and paths that are active and would start the unit."""
        states = self._systemctl("is-active", *reading.triggers).out.split() if reading.triggers else []
        active = ("active", "activating", "reloading")
        return [trigger for trigger, state in zip(reading.triggers, states) if state in active]

    def log_lines(self) -> str:
        if self.options["log"]:
            return super().log_lines()
        journal = ["journalctl", "-q", "--no-pager", "-o", "cat", "-n", str(self.options["lines"]), "-u", self.name]
        with suppress(OperationError):
            return run(journal, timeout=LOG_TIMEOUT).out.strip()
        return ""

    def _see_it_begin(self, asked: float, timeout: float) -> None:
        """Until systemd has looked at the unit's conditions; to systemctl, one that does not hold is a success.

        systemd forgets what it has found as soon as it unloads such a unit.
        """
        while True:
            shown = self._show()
            begun = shown["ActiveState"] != "inactive" or _since(shown, "InactiveExit", asked)
            if begun and shown["SubState"] != EXEC_CONDITION:
                return
            if not begun and not shown.get("Job"):
                break
            if time.monotonic() - asked > timeout:
                return
            time.sleep(0.05)
        conditions = self._systemctl("cat", self.name).out
        paths = [
            (trigger, negated, path, os.path.exists(path.replace("%%", "%")))
            for trigger, negated, path in PATH_CONDITION.findall(conditions)
        ]
        markers = [path for _trigger, negated, path, there in paths if negated and there]
        if markers and not any(trigger and there != bool(negated) for trigger, negated, _path, there in paths):
            raise OperationError(
                f"{self.name} was not started, since it is kept down by {' and '.join(markers)} (ConditionResult=no): "
                "remove the marker with halt_marker once the bot may run, or give the start_token of its unit"
            )
        if shown.get("ConditionResult") == "no" and _since(shown, "Condition", asked):
            raise OperationError(
                f"{self.name} was not started, since a condition of its unit does not hold (ConditionResult=no): "
                f"mend what they ask for: {', '.join(re.findall('^Condition.+$', conditions, re.MULTILINE))}"
            )

    def _show(self) -> dict[str, str]:
        finished = self._systemctl("show", f"--property={self.PROPERTIES}", self.name)
        shown = dict(line.split("=", 1) for line in finished.out.splitlines() if "=" in line)
        if finished.code or "LoadState" not in shown:
            raise OperationError(
                f"systemctl says nothing of {self.name} ({finished.last_lines(1)}): look at the host's systemd"
            )
        return shown

    def _ask(self, verb: str) -> None:
        finished = self._systemctl(verb, "--no-block", self.name)
        if finished.code:
            raise OperationError(f"systemctl {verb} {self.name} was refused ({finished.last_lines(2)})")

    def _systemctl(self, *arguments: str) -> Finished:
        return run(
            ["systemctl", "--no-ask-password", *arguments], timeout=SYSTEMCTL_TIMEOUT, environment={"LC_ALL": "C"}
        )


class ScriptManager(Manager):
    """The bot's own start and stop commands (S1.5 ``start.sh``, ``shutdown.sh force``)."""

    def read(self) -> Reading:
        return Reading(can_reload=bool(self.options["reload_command"]))

    def start(self, timeout: float) -> int | None:
        finished = self._run("start_command", timeout)
        if finished.code:
            raise OperationError(
                f"the start_command of {self.name} ended with exit code {finished.code} "
                f"({finished.last_lines(3) or 'it said nothing'}): mend it"
            )
        return None

    @property
    def can_stop_unseen(self) -> bool:
        return bool(self.options["stop_command"])

    def ask_to_stop(self, timeout: float) -> float:
        """A stop_command that fails or hangs leaves the bot to signals."""
        if not self.options["stop_command"]:
            return 0
        begun = time.monotonic()
        try:
            finished = self._run("stop_command", timeout)
        except OperationError:
            return 0
        return 0 if finished.code else timeout - (time.monotonic() - begun)

    def reload(self, timeout: float) -> None:
        finished = self._run("reload_command", timeout)
        if finished.code:
            raise OperationError(
                f"the reload_command of {self.name} ended with exit code {finished.code} "
                f"({finished.last_lines(3) or 'it said nothing'}): mend it"
            )

    def _run(self, option: str, timeout: float) -> Finished:
        return run(
            self.options[option],
            timeout=timeout,
            cwd=self.options["chdir"],
            user=self.user,
            environment=self.options["environment"],
            die_with_caller=True,  # a start_command that goes on alone would start the bot after a halt
        )


class ProcessManager(ScriptManager):
    """No manager: the bot's command is started detached, and stopped by signals."""

    def start(self, timeout: float) -> int:
        return start_detached(
            self.options["command"],
            cwd=self.options["chdir"],
            user=self.user,
            environment=self.options["environment"],
            log=self.options["log"],
            pidfile=self.options["pidfile"],
        )

    @property
    def can_stop_unseen(self) -> bool:
        return False

    def ask_to_stop(self, timeout: float) -> float:
        return 0


MANAGERS: dict[str, type[Manager]] = {"systemd": SystemdManager, "script": ScriptManager, "process": ProcessManager}


def _since(shown: dict[str, str], event: str, when: float) -> bool:
    """Whether an event of a unit, such as that it became active, is younger than a time of the monotonic clock."""
    return int(shown.get(f"{event}TimestampMonotonic") or 0) / 1e6 >= when


def _last_lines(path: str, count: int) -> str:
    """Root reads the file itself only, not what its directory's owner may have linked there."""
    with suppress(OSError, OperationError), parent_directory(path) as (directory, name):
        descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK | NO_FOLLOW, dir_fd=directory)
        with os.fdopen(descriptor, "rb") as handle:
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                handle.seek(-min(LOG_LIMIT, handle.seek(0, os.SEEK_END)), os.SEEK_END)
                return "\n".join(handle.read().decode("utf-8", "replace").splitlines()[-count:])
    return ""
