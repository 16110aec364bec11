# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A step's own process, so that a time limit can end it with all that it started. PRIVATE to the collection."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import threading
import time
from typing import Any, Callable

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
GRACE = 0.5
PAUSE = 0.5
"""Seconds between two times that the caller hears from it, at least."""

Tell = Callable[[dict[str, Any]], None]


class TimedOut(Exception):
    """The time limit was reached; the process and its children are gone."""


class Died(Exception):
    """The process ended without an answer."""


def call(function: Callable[[Tell], dict[str, Any]], timeout: float, hear: Tell = lambda _news: None) -> dict[str, Any]:
    """The JSON object that ``function`` returns in a forked process within ``timeout`` s.

    What it tells meanwhile, as JSON objects, is heard here: the newest, every PAUSE s at most.

    The child adopts whatever its own children leave behind, so that on a time-out they are found and
    killed too; what it leaves running when it ends by itself (a bot) lives on.
    """
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        _answer(function, writer)
    os.close(writer)
    try:
        answer = _read_until(reader, time.monotonic() + timeout + GRACE, hear)
    except TimedOut:
        kill_tree(pid)
        raise
    finally:
        os.close(reader)
        _reap(pid)
    try:
        result: dict[str, Any] = json.loads(answer)
    except ValueError:  # nothing, or cut short
        raise Died("the step's process was killed") from None
    return result


def _answer(function: Callable[[Tell], dict[str, Any]], writer: int) -> None:
    turn = threading.Lock()

    def tell(news: dict[str, Any]) -> None:
        with contextlib.suppress(OSError, TypeError, ValueError):  # an operation does not fail by what it tells
            line = json.dumps(news).encode() + b"\n"
            with turn:
                os.write(writer, line if len(line) <= select.PIPE_BUF else b"")

    try:
        prctl = ctypes.CDLL(None, use_errno=True).prctl
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        prctl(PR_SET_CHILD_SUBREAPER, 1)
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        data = json.dumps(function(tell)).encode()
        turn.acquire()  # for good: a thread that is left has nothing more to tell
        while data:
            data = data[os.write(writer, data) :]
    finally:
        os._exit(0)


def _read_until(reader: int, deadline: float, hear: Tell) -> bytes:
    """What comes behind the last line; a line is something to hear."""
    answer, news, due = b"", b"", 0.0
    while True:
        now = time.monotonic()
        if news and now >= due:
            hear(json.loads(news))
            news, due = b"", now + PAUSE
        end = min(deadline, due) if news else deadline
        ready, _unused, _unused = select.select([reader], [], [], max(0.0, end - now))
        if not ready and time.monotonic() >= deadline:
            raise TimedOut
        block = os.read(reader, 1 << 16) if ready else b""
        if ready and not block:
            return answer
        head, *lines = block.split(b"\n")
        answer += head
        for line in lines:
            news, answer = answer, line


def _reap(pid: int) -> None:
    """Collect a process that ended. One that SIGKILL cannot end, stuck in a dead mount, is left behind after GRACE."""
    give_up = time.monotonic() + GRACE
    try:
        while os.waitpid(pid, os.WNOHANG)[0] == 0 and time.monotonic() < give_up:
            time.sleep(0.002)
    except ChildProcessError:
        pass


def kill_tree(pid: int) -> None:
    """SIGKILL a process with all its descendants.

    All are stopped before the first is killed: otherwise a parent would go on with what comes after the child
    that failed, or an orphan would get away.
    """
    family = [pid]
    for _attempt in range(50):
        for member in family:
            _send(member, signal.SIGSTOP)
        time.sleep(0.002)
        found = [pid, *descendants(pid)]
        if set(found) <= set(family):
            break
        family = found
    for member in reversed(family):
        _send(member, signal.SIGKILL)


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # gone, or another user's
        os.kill(pid, number)


def descendants(pid: int) -> list[int]:
    """The living descendants of a process; zombies do not count."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            fields = _stat(int(entry))
            if fields and fields[0] != "Z":
                children.setdefault(int(fields[1]), []).append(int(entry))
    found: list[int] = []
    queue = [pid]
    while queue:
        born = children.get(queue.pop(), [])
        found += born
        queue += born
    return found


def start_time(pid: int) -> int | None:
    """When a process started, in clock ticks since boot: with the pid it is an identity. None: no such process."""
    fields = _stat(pid)
    return int(fields[19]) if fields else None


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/<pid>/stat from the state on."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as handle:
            return handle.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError, PermissionError):  # the last: /proc mounted with hidepid
        return None
