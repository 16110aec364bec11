# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes as /proc shows them. PRIVATE to the collection.

A pid alone names nothing for long, because the kernel gives it to somebody else once its process is gone.
So a process is its pid and its start time, and both are looked at again before it is signalled.
"""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ._operation import OperationError

TICKS = os.sysconf("SC_CLK_TCK")
PF_EXITING = 0x4  # of the flags in /proc/<pid>/stat
DELETED = " (deleted)"
SHOWN = 100

INTERPRETER = re.compile(r"(?:python|pypy|perl|ruby|node|java|env|(?:ba|da|k|z)?sh)[\d.]*$")
INTERPRETER_VALUES = ("-X", "-W", "-cp")
"""Options of interpreters that take the next word as their value."""

SECRET = re.compile(
    r"((?:secret|passw(?:or)?d|passphrase|token|api[_-]?key)[\w-]*[\"']?(?:\s*[=:]\s*|\s+))(\"[^\"]*\"|'[^']*'|[^\s,;]+)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Process:
    """A process that is no zombie.

    start: clock ticks after boot; with ``pid`` an identity
    session: pid of the session's leader, which may be gone
    terminal: whether it has a controlling terminal
    uid: the real one
    cwd: None where this process may not look; never an absolute path for one that has another root
    ending: its first thread is on its way out, so that command and cwd can no longer be read
    """

    pid: int
    start: int
    parent: int
    session: int
    terminal: bool
    uid: int
    command: tuple[str, ...]
    cwd: str | None
    ending: bool = False

    def age(self) -> float:
        """Seconds since it started."""
        return time.clock_gettime(time.CLOCK_BOOTTIME) - self.start / TICKS

    def __str__(self) -> str:
        line = mask(" ".join(self.command))
        return f"{self.pid} ({line if len(line) <= SHOWN else line[: SHOWN - 3] + '...'})"


def mask(text: str) -> str:
    """The text without what follows the name of a secret."""
    return SECRET.sub(r"\1***", text)


def read(pid: int) -> Process | None:
    """The process of that pid; None when there is none, it is a zombie, or it is hidden from this user."""
    try:
        first = _stat(pid)
        command, cwd = tuple(filter(None, _text(pid, "cmdline").split("\0"))), _cwd(pid)
        fields = _stat(pid)  # again: only of one that was not ending yet does an empty command say anything
        if first is None or fields is None or first[19] != fields[19]:
            return None
        return Process(
            pid=pid,
            start=int(fields[19]),
            parent=int(fields[1]),
            session=int(fields[3]),
            terminal=fields[4] != "0",
            uid=int(re.search(r"^Uid:\s+(\d+)", _text(pid, "status"), re.MULTILINE)[1]),  # type: ignore[index]  # the kernel writes it
            command=command,
            cwd=cwd,
            ending=bool(int(fields[6]) & PF_EXITING),
        )
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None


def all_processes() -> dict[int, Process]:
    """Every process that this user may see, by pid."""
    found = (read(int(entry)) for entry in os.listdir("/proc") if entry.isdigit())
    return {process.pid: process for process in found if process}


def alive(process: Process) -> bool:
    """Whether it still runs; a zombie does not, and neither does another process with its pid."""
    try:
        fields = _stat(process.pid)
    except (FileNotFoundError, ProcessLookupError):
        return False
    return fields is not None and int(fields[19]) == process.start


def same(one: Process, other: Process | None) -> bool:
    """Whether two readings are of one process."""
    return other is not None and (one.pid, one.start) == (other.pid, other.start)


def send(process: Process, number: int) -> bool:
    """Signal that very process, never a later one with its pid; False when it is gone."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return False
    except (AttributeError, OSError):  # Python or the kernel is too old for it
        descriptor = -1
    try:
        if not alive(process):
            return False
        if descriptor < 0:
            os.kill(process.pid, number)
        else:
            signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return False
    except PermissionError as error:
        raise OperationError(f"process {process} may not be signalled by this user: set become") from error
    finally:
        if descriptor >= 0:
            os.close(descriptor)
    return True


def catches(process: Process, number: int) -> bool:
    """Whether it has a handler for the signal."""
    try:
        caught = re.search(r"^SigCgt:\s+([0-9a-f]+)", _text(process.pid, "status"), re.MULTILINE)
    except (FileNotFoundError, ProcessLookupError):
        return False
    return caught is not None and bool(int(caught[1], 16) >> (number - 1) & 1)


def in_cgroup(pid: int, cgroup: str) -> bool:
    """Whether systemd holds the process in that cgroup or below it."""
    return any(inside(path, cgroup) for path in _cgroups(pid))


def service(pid: int) -> str:
    """The systemd service that holds the process; empty for none, and in the session of somebody who logged in."""
    units = [part for path in _cgroups(pid) for part in path.split("/") if part.endswith((".service", ".scope"))]
    return units[-1] if units and units[-1].endswith(".service") else ""


def inside(path: str, directory: str) -> bool:
    """Whether a path is the directory or lies below it."""
    return path == directory or path.startswith(directory + "/")


def family(roots: Iterable[Process], everyone: Mapping[int, Process]) -> dict[int, Process]:
    """The roots, those of the sessions that they lead, and the descendants of all of these, by pid."""
    children: dict[int, list[Process]] = {}
    sessions: dict[int, list[Process]] = {}
    for process in everyone.values():
        children.setdefault(process.parent, []).append(process)
        sessions.setdefault(process.session, []).append(process)
    found: dict[int, Process] = {}
    queue = list(roots)
    while queue:
        process = queue.pop()
        if process.pid not in found:
            found[process.pid] = process
            queue += children.get(process.pid, []) + sessions.get(process.pid, [])
    return found


def helpers(everyone: Mapping[int, Process]) -> set[int]:
    """This process, its ancestors, and the forks of these that run the same command, as Ansible's workers do.

    What such a worker runs belongs to them: the same step for another bot of this machine.
    """
    line = set()
    pid = os.getpid()
    while pid in everyone and pid not in line:
        line.add(pid)
        pid = everyone[pid].parent
    forks = [
        process
        for pid, process in everyone.items()
        if process.parent in line and pid not in line and process.command == everyone[process.parent].command
    ]
    return line | set(family(forks, everyone))


def hides_others() -> bool:
    """Whether /proc is mounted so that this user does not see the processes of others (``hidepid``)."""
    return not os.access("/proc/1/stat", os.R_OK)


def essence(command: Sequence[str]) -> tuple[str, ...]:
    """What a command runs: its words from the program on, or from the script where the program interprets one.

    Directories of the program or script are left out, so ``./main.py -v``, ``python3 -u /srv/bot/main.py -v``
    and ``/usr/bin/env python main.py -v`` are the same. ``sh -c …`` and ``less main.py`` stay what they are.
    """
    words = list(command)
    while words and INTERPRETER.match(os.path.basename(words[0])):
        rest = words[1:]
        while rest and rest[0].startswith("-") and rest[0] not in ("-c", "-"):
            rest = rest[2 if rest[0] in INTERPRETER_VALUES else 1 :]
        if not rest or rest[0].startswith("-"):
            break
        words = rest
    return (os.path.basename(words[0]), *words[1:]) if words else ()


def program(process: Process) -> str:
    """The path of the program that a process runs, or of the script or module that this one interprets.

    Empty where its command line does not lead to a file, as for a shell that somebody types into. Without a command
    line, as while it is being executed, it is the file that is.
    """
    if not process.command:
        return _executable(process.pid)
    essential = essence(process.command)
    index = len(process.command) - len(essential)
    if not essential or process.cwd is None or (index == 0 and INTERPRETER.match(essential[0])):
        return ""
    path = os.path.normpath(os.path.join(process.cwd, process.command[index]))
    module = os.path.join(process.cwd, *process.command[index].split("."))
    return next((found for found in (path, module, f"{module}.py") if os.path.exists(found)), "")


def matches(pattern: re.Pattern[str], command: Sequence[str]) -> bool:
    """Whether the pattern matches the command line from its program or script on, with or without directories."""
    essential = essence(command)
    if not essential:
        return False
    words = list(command)
    lines = [words, [os.path.basename(words[0]), *words[1:]], list(essential), words[len(words) - len(essential) :]]
    return any(pattern.match(" ".join(line)) for line in lines)


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/<pid>/stat from the state on; None for a zombie, or one that is about to be.

    A process whose first thread ended is shown as a zombie while its other threads live on: it is none.
    """
    fields = _text(pid, "stat").rpartition(")")[2].split()
    ended = fields[0] in "XZ" or int(fields[6]) & PF_EXITING
    gone = ended and int(fields[17]) <= 1
    return None if gone else fields


def _text(pid: int, name: str) -> str:
    with open(f"/proc/{pid}/{name}", encoding="utf-8", errors="replace") as handle:
        return handle.read()


def _executable(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:  # a kernel thread, or somebody else's
        return ""


def _cgroups(pid: int) -> list[str]:
    """Where systemd holds the process."""
    try:
        lines = _text(pid, "cgroup").splitlines()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return []
    return [line.split(":", 2)[2] for line in lines if line.startswith("0::") or ":name=systemd:" in line]


def _cwd(pid: int) -> str | None:
    link = f"/proc/{pid}/cwd"
    try:
        path = os.readlink(link)
        here = os.stat(link)
    except OSError:
        return None
    try:
        same = os.path.samestat(here, os.stat(path))
    except OSError:
        same = False
    if same:
        return path
    # A container's process has its paths in another root; a directory that was replaced keeps its name.
    return path[: -len(DELETED)] if path.endswith(DELETED) else f"another root: {path}"
