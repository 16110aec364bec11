# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which processes are a bot's own. PRIVATE to the collection.

Bots share machines, users and directory trees, and operators work in the same directories. So a working directory
alone proves nothing. A process is the bot's when it is

- in the cgroup of its systemd unit, or
- the one that its pidfile names, or
- one whose command line is the bot's (``command``, ``pattern``), in its directory and of its user, or
- a descendant of one of the latter two, or in a session that one of them leads.

What only looks like the bot's is an error, which names it, and nothing is signalled. While none is the bot's, what
works in its directory without a terminal, or runs a program from there, is a suspect: a pattern with a typo finds
nothing, and nothing found does not prove that a bot is stopped.
"""

from __future__ import annotations

import os
import pwd
import re
import stat
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .. import _process
from .._files import NO_FOLLOW, parent_directory
from .._operation import OperationError
from .._process import Process, inside

CLOCK_SLACK = 2.0  # s


@dataclass(frozen=True)
class Criteria:
    """What is known of a bot's processes.

    uid: None means any user
    chdir: free of symlinks, not the root directory
    """

    name: str
    uid: int | None = None
    chdir: str | None = None
    pidfile: str | None = None
    command: tuple[str, ...] = ()
    pattern: re.Pattern[str] | None = None

    def in_place(self, process: Process) -> bool:
        """Whether it is of the bot's user and in the bot's directory."""
        return self.of_user(process) and self.in_directory(process)

    def of_user(self, process: Process) -> bool:
        return self.uid is None or process.uid == self.uid

    def in_directory(self, process: Process) -> bool:
        return self.chdir is not None and process.cwd is not None and inside(process.cwd, self.chdir)

    def may_be(self, process: Process) -> bool:
        """Whether it works in the bot's directory without a terminal, or runs a program from there.

        So an operator's shell and editor may not be it. Like a pidfile's, such a program may work in ``/``.
        """
        if self.chdir is None or not self.of_user(process):
            return False
        if self.in_directory(process) and not process.terminal:
            return True
        program = _process.program(process) if self.is_placed(process) else ""
        return any(inside(path, self.chdir) for path in (program, os.path.realpath(program)) if program)

    def is_placed(self, process: Process) -> bool:
        """Whether it is in the bot's directory, or in ``/``, where daemons go."""
        return process.cwd == "/" or self.in_directory(process)

    def is_command(self, process: Process) -> bool:
        return bool(self.command) and _process.essence(process.command) == _process.essence(self.command)

    def is_pattern(self, process: Process) -> bool:
        return self.pattern is not None and _process.matches(self.pattern, process.command)


@dataclass(frozen=True)
class Owned:
    """A bot's processes.

    main: the one that the manager or the pidfile names, else the oldest one of the bot's command
    tree: main and what belongs to it
    strays: others of this bot, outside of that tree: a second instance, or what outlived its parent
    suspects: others that may be the bot's by where they work and what they run; never signalled
    """

    main: Process | None = None
    tree: list[Process] = field(default_factory=list)
    strays: list[Process] = field(default_factory=list)
    suspects: list[Process] = field(default_factory=list)

    @property
    def all(self) -> list[Process]:
        return self.tree + self.strays

    @property
    def roots(self) -> list[Process]:
        """Those whose parent is not among them: the first to be asked to stop."""
        pids = {process.pid for process in self.all}
        return [process for process in self.all if process.parent not in pids]


def survey(
    criteria: Criteria,
    *,
    cgroup: str | None = None,
    main: int | None = None,
    template: str = "",
    known: Iterable[Process] = (),
) -> Owned:
    """The bot's processes now.

    cgroup, main: as systemd says; an empty cgroup holds nothing, None means that systemd does not manage the bot
    template: of the unit, if what runs as another unit of it may be the bot's
    known: processes that were found to be the bot's before, and still are while they live
    """
    everyone = _process.all_processes()
    helpers = _process.helpers(everyone)
    if cgroup is None:
        leader, orphans = from_pidfile(criteria, everyone)
        tree = _process.family([leader] if leader else [], everyone)
    else:
        tree = {pid: process for pid, process in everyone.items() if cgroup and _process.in_cgroup(pid, cgroup)}
        tops = _tops(tree)
        leader, orphans = everyone.get(main or 0) or (tops[0] if len(tops) == 1 else None), []
    remembered = {old.pid: everyone[old.pid] for old in known if _process.same(old, everyone.get(old.pid))}
    claimed = claim(criteria, everyone, helpers, {**tree, **remembered})
    if leader is None and cgroup is None and claimed:
        leader = min(_tops(claimed), key=lambda process: process.start)
        tree = _process.family([leader], everyone)
    strays = {**_process.family([*claimed.values(), *orphans], everyone), **remembered}
    owned = {**strays, **tree}
    suspects = [
        process
        for pid, process in everyone.items()
        if pid not in owned
        and pid not in helpers
        and criteria.may_be(process)
        and (cgroup is None or not _has_other_service(criteria, process, everyone, template))
    ]
    return Owned(leader, list(tree.values()), [owned[pid] for pid in strays if pid not in tree], suspects)


def claim(
    criteria: Criteria, everyone: Mapping[int, Process], helpers: set[int], proven: Mapping[int, Process]
) -> dict[int, Process]:
    """The processes with the bot's command line. One that is not the bot's beyond doubt is an OperationError."""
    claimed = {}
    for pid, process in everyone.items():
        by_command = criteria.is_command(process)
        by_pattern = criteria.is_pattern(process) and pid not in helpers
        if (not by_command and not by_pattern) or pid in proven:
            continue
        if criteria.in_place(process):
            claimed[pid] = process
        elif by_pattern or criteria.in_directory(process) or (process.cwd is None and criteria.of_user(process)):
            what = f'the pattern "{criteria.pattern.pattern}"' if by_pattern and criteria.pattern else "the command"
            raise OperationError(
                f"process {process} matches {what} of {criteria.name}, but it runs as {_user(process.uid)} in "
                f"{process.cwd or 'a directory that cannot be read'}: make the pattern match this bot alone, or mend "
                "user or chdir; that process was not signalled"
            )
    return claimed


def from_pidfile(criteria: Criteria, everyone: Mapping[int, Process]) -> tuple[Process | None, list[Process]]:
    """The process that the pidfile names, and when it is gone the orphans of the session that it led.

    A pidfile outlives its process, and the pid goes to somebody else: to be believed, the process is older than the
    pidfile or has the bot's command line, in the bot's directory (or in ``/``, where daemons go).
    """
    written = read_pidfile(criteria.pidfile) if criteria.pidfile else None
    if written is None:
        return None, []
    pid, mtime, owner = written
    process = everyone.get(pid)
    if process is None:
        return None, [left for left in everyone.values() if left.session == pid and criteria.in_place(left)]
    if process.ending:
        return process, []
    trusted = criteria.of_user(process) and (criteria.uid is not None or owner in (0, process.uid))
    placed = criteria.chdir is None or criteria.is_placed(process)
    older = time.time() - process.age() <= mtime + CLOCK_SLACK
    if trusted and placed and (older or criteria.is_command(process) or criteria.is_pattern(process)):
        return process, []
    if not older:
        return None, []
    raise OperationError(
        f"{criteria.pidfile} names process {process}, which runs as {_user(process.uid)} in "
        f"{process.cwd or 'a directory that cannot be read'}, not as {criteria.name} should: remove the pidfile if it "
        "is not of this bot, or mend user or chdir; that process was not signalled"
    )


def read_pidfile(path: str) -> tuple[int, float, int] | None:
    """Pid, time of writing and owner of a pidfile; None when there is none."""
    try:
        with parent_directory(path) as (directory, name):
            descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK | NO_FOLLOW, dir_fd=directory)
    except FileNotFoundError:
        return None
    except OperationError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return None
        raise
    except OSError as error:
        raise OperationError(f"pidfile {path} cannot be read ({error.strerror}): name the file itself") from error
    with os.fdopen(descriptor, "rb") as handle:
        state = os.fstat(descriptor)
        words = handle.read(64).split() if stat.S_ISREG(state.st_mode) else []
    if not words or not words[0].isdigit() or int(words[0]) < 2:
        raise OperationError(f"pidfile {path} does not hold the pid of a process: remove it, or name the right file")
    return int(words[0]), state.st_mtime, state.st_uid


def _has_other_service(criteria: Criteria, process: Process, everyone: Mapping[int, Process], template: str) -> bool:
    """Whether it is of another systemd service that as such works in the bot's directory, as a dashboard does.

    What cron or sshd left there is in their service, and they work elsewhere.
    """
    unit = _process.service(process.pid)
    if not unit or (template and unit.startswith(template)):
        return False
    members = [member for member in everyone.values() if _process.service(member.pid) == unit]
    return criteria.in_directory(min(members, key=lambda member: member.start, default=process))


def _tops(processes: Mapping[int, Process]) -> list[Process]:
    return [process for process in processes.values() if process.parent not in processes]


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
