# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""git in a bot's work tree, run as the owner of that tree. PRIVATE to the collection.

A repository's own configuration names programs (file system monitor, filters, ssh command, credential helpers).
Its owner may run those; root must not, unless root is the owner. So git always drops to the owner of the work
tree, hooks and background jobs are off, and git's own check of ownership (safe.directory) stays on. There is no
terminal, so neither git nor ssh can ask for anything. Git 2.25 or later.
"""

from __future__ import annotations

import os
import pwd
import re
import time
from typing import Callable

from .._command import Finished, TimedOut, run
from .._files import open_directory
from .._operation import OperationError

LOCAL_TIMEOUT = 120.0
"""Seconds for a command that does not leave the host."""
LOCK_WAIT = 5.0
STALE_AFTER = 2.0
OUTPUT_LIMIT = 64 * 1024 * 1024

SETTINGS = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.safecrlf": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "submodule.recurse": "false",
    "fetch.recurseSubmodules": "false",
    "protocol.ext.allow": "never",
    "log.showSignature": "false",
    "advice.detachedHead": "false",
}
ENVIRONMENT = {
    "LC_ALL": "C",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "",
    "SSH_ASKPASS": None,
    "SSH_ASKPASS_REQUIRE": "never",
    "GIT_AUTHOR_NAME": "botfleet",
    "GIT_AUTHOR_EMAIL": "botfleet@localhost",
    "GIT_COMMITTER_NAME": "botfleet",
    "GIT_COMMITTER_EMAIL": "botfleet@localhost",
}
TRANSPORT_VARIABLES = ("GIT_SSH", "GIT_SSL", "GIT_HTTP", "GIT_PROXY")
LOCKED = re.compile(r"Unable to create '(?P<lock>[^'\n]+\.lock)': File exists")
CREDENTIALS = re.compile(r"://[^/@\s]+@")
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class GitFailed(OperationError):
    """git refused, or failed. ``reason`` is what it said, in one line."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class Git:
    """One work tree.

    remaining: seconds that a wait of so many seconds may take (``Context.remaining``)
    top, git_dir: absolute paths; git_dir is the work tree's own where it is a linked one
    """

    def __init__(self, path: str, remaining: Callable[[float], float]) -> None:
        self.path = path
        self._remaining = remaining
        try:
            os.close(open_directory(path))
        except FileNotFoundError as error:
            raise OperationError(f"{path} does not exist: name the work tree of the bot's repository") from error
        except OSError as error:
            raise OperationError(f"{path} cannot be opened ({error.strerror}): name a directory") from error
        where = self.run("rev-parse", "--show-toplevel", "--absolute-git-dir", "--is-shallow-repository")
        top, self.git_dir, shallow = [*where.out.splitlines(), "", "", ""][:3]
        if where.code and "dubious ownership" in where.err:
            raise OperationError(f"{path} and its .git belong to different users: give both to the bot's user")
        if where.code or top != os.path.realpath(path):
            raise OperationError(f"{path} is not the top of a git work tree: name the directory that holds .git")
        self.shallow = shallow == "true"

    @property
    def user(self) -> str:
        """The uid of the tree's owner, read anew each time so that a swapped directory gets no one else's rights."""
        owner = os.stat(self.path).st_uid
        if os.geteuid() not in (0, owner):
            raise OperationError(f"{self.path} belongs to {user_name(owner)}: become that user, or root")
        return str(owner)

    @property
    def environment(self) -> dict[str, str | None]:
        """What a program must not inherit from the caller: another repository's place, and another user's settings.

        With SUDO_UID git would, as root, trust the repositories of sudo's caller.
        """
        names = [name for name in os.environ if name.startswith("GIT_") and not name.startswith(TRANSPORT_VARIABLES)]
        if os.geteuid() != 0:
            return dict.fromkeys(names)
        try:
            home = pwd.getpwuid(int(self.user)).pw_dir
        except KeyError:
            home = "/"
        return {**dict.fromkeys([*names, "SUDO_UID", "XDG_CONFIG_HOME"]), "HOME": home}

    def run(
        self,
        *arguments: str,
        timeout: float = LOCAL_TIMEOUT,
        stdin: str | None = None,
        index: str | None = None,
    ) -> Finished:
        """Run git to its end, whatever its exit code; locks that a killed git left behind are cleared.

        stdin: text, or what ``nul_separated`` makes of file names
        index: a file to use in place of the work tree's index
        """
        cleared: set[str] = set()
        while True:
            finished = self._once(arguments, timeout, stdin, index)
            locked = LOCKED.search(finished.err) if finished.code else None
            if not locked or locked["lock"] in cleared:
                return finished
            self._clear_lock(locked["lock"])
            cleared.add(locked["lock"])

    def read(self, *arguments: str, stdin: str | None = None, index: str | None = None) -> str:
        """Standard output without its last newline; raises GitFailed when git exits with an error."""
        finished = self.run(*arguments, stdin=stdin, index=index)
        if finished.code:
            reason = one_line(finished.last_lines(6))
            raise GitFailed(f"git {arguments[0]} failed in {self.path}: {reason}", reason)
        return finished.out.rstrip("\n")

    def names(self, *arguments: str) -> list[str]:
        """NUL-separated output as a list."""
        return [name for name in self.read(*arguments).split("\0") if name]

    def contact(self, *arguments: str, timeout: float) -> str:
        """As ``read``, for a command that talks to a remote; the whole group of processes ends at ``timeout``."""
        try:
            finished = self.run(*arguments, timeout=timeout)
        except TimedOut as error:
            raise GitFailed(str(error), f"it did not answer within {timeout:g} s") from error
        if finished.code:
            reason = one_line(finished.last_lines(6))
            raise GitFailed(f"git {arguments[0]} failed in {self.path}: {reason}", reason)
        return finished.out

    def _once(self, arguments: tuple[str, ...], timeout: float, stdin: str | None, index: str | None) -> Finished:
        settings = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
        limit = self._remaining(timeout)
        try:
            return run(
                ["git", *settings, *arguments],
                timeout=limit,
                cwd=self.path,
                user=self.user,
                environment={**self.environment, **ENVIRONMENT, "GIT_INDEX_FILE": index},
                stdin=stdin.encode() if stdin is not None else None,
                output_limit=OUTPUT_LIMIT,
            )
        except TimedOut as error:
            message = f"git {arguments[0]} did not end within {limit:g} s in {self.path} and was killed"
            raise TimedOut(message, error.finished) from error

    def _clear_lock(self, lock: str) -> None:
        """Remove a lock that no git holds any more; one that is held is waited for, then an error.

        A git that was killed leaves its lock. It counts as left behind when it is some seconds old and no git
        process runs in any work tree of the repository.
        """
        deadline = time.monotonic() + self._remaining(LOCK_WAIT)
        while True:
            try:
                found = os.lstat(lock)
            except FileNotFoundError:
                return
            holders = self._git_processes()
            old = time.time() - found.st_mtime > STALE_AFTER
            if old and not holders and os.geteuid() in (0, found.st_uid):
                run(["rm", "-f", "--", lock], timeout=LOCK_WAIT, user=self.user)
                return
            if time.monotonic() >= deadline:
                who = f"git process {', '.join(holders)}" if holders else f"a process of {user_name(found.st_uid)}"
                raise OperationError(f"{lock} is held by {who}: wait until it ends, or end it, then run this again")
            time.sleep(0.05)

    def _git_processes(self) -> list[str]:
        """Process ids of git in this repository; one of another user, whose place cannot be read, counts too."""
        trees = self.run("worktree", "list", "--porcelain").out.splitlines()
        places = [line[len("worktree ") :] for line in trees if line.startswith("worktree ")] + [self.git_dir]
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as handle:
                    if not handle.read().startswith("git"):
                        continue
                place = os.readlink(f"/proc/{pid}/cwd")
            except PermissionError:
                found.append(pid)
                continue
            except OSError:
                continue
            if any(place == top or place.startswith(f"{top}/") for top in places):
                found.append(pid)
        return found


def nul_separated(names: list[str]) -> str:
    """File names as git reads them with ``-z``; one that is not UTF-8 is an error, for it cannot be named safely."""
    for name in names:
        if "\ufffd" in name:
            raise OperationError(f"the name of the file {name!r} is not UTF-8: rename it or move it out of the tree")
    return "".join(f"{name}\0" for name in names)


def one_line(text: str) -> str:
    """What a program said, without control characters or the credentials of a URL, as one line."""
    lines = [line.strip() for line in CREDENTIALS.sub("://", CONTROL.sub(" ", text)).splitlines()]
    return " / ".join(line for line in lines if line) or "it said nothing"


def user_name(uid: int) -> str:
    """The name of a user, or the uid where there is none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
