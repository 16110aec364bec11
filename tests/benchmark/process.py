# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a process and its descendants took."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36  # of linux/prctl.h


@dataclass(frozen=True)
class Usage:
    """code: exit code; wall, cpu: s, cpu with all descendants that ended; memory: MiB, see ``Watch``."""

    code: int
    started: float
    wall: float
    cpu: float
    memory: float


class Watch(threading.Thread):
    """The peak of the proportional set size of a process and of the workers that it forked.

    Workers have its command line; what they start, which on real hosts runs elsewhere, has not. ``everything``: of
    all that we have running, where hosts are elsewhere. Looking takes no more than a twentieth of the time.
    """

    def __init__(self, pid: int, *, everything: bool = False, pause: float = 0.5) -> None:
        super().__init__(daemon=True)
        self._pid, self._everything, self._pause = pid, everything, pause
        self._ended = threading.Event()
        self.peak = 0.0

    def run(self) -> None:
        pause = self._pause
        while not self._ended.wait(pause):
            began = time.monotonic()
            pids = descendants(os.getpid()) if self._everything else self._workers()
            self.peak = max(self.peak, sum(map(_pss, pids)) / 1024)
            pause = max(self._pause, 20 * (time.monotonic() - began))

    def end(self) -> float:
        """The peak, MiB."""
        self._ended.set()
        self.join()
        return self.peak

    def _workers(self) -> list[int]:
        own = _read(f"/proc/{self._pid}/cmdline")
        return [self._pid, *(pid for pid in children(self._pid) if _read(f"/proc/{pid}/cmdline") == own)]


def measured(
    argv: list[str], env: dict[str, str], cwd: Path, log: Path, limit: float, *, everything: bool = False
) -> Usage:
    """Run a command to its end; what it prints goes to ``log``.

    everything: count what it leaves running, such as SSH connections that are kept, and end that.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    keep_orphans(everything)
    with log.open("wb") as printed:
        started = time.time()
        process = subprocess.Popen(argv, env=env, cwd=cwd, stdout=printed, stderr=printed, stdin=subprocess.DEVNULL)
        watch = Watch(process.pid, everything=everything)
        watch.start()
        timer = threading.Timer(limit, process.kill)
        timer.start()
        try:
            _pid, status = os.waitpid(process.pid, 0)
        except KeyboardInterrupt:
            process.terminate()
            raise
        finally:
            timer.cancel()
    wall, memory = time.time() - started, watch.end()
    process.returncode = os.waitstatus_to_exitcode(status)
    if everything:
        end_orphans()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    return Usage(process.returncode, started, wall, cpu, memory)


def children(pid: int) -> list[int]:
    """Of its main thread."""
    return [int(child) for child in _read(f"/proc/{pid}/task/{pid}/children").split()]


def descendants(pid: int) -> list[int]:
    """Children, theirs, and so on."""
    return [each for child in children(pid) for each in [child, *descendants(child)]]


def keep_orphans(wanted: bool) -> None:
    """Whether what our descendants leave behind becomes ours, and not the first process's."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, int(wanted), 0, 0, 0)


def end_orphans() -> None:
    """End all our children, and have their CPU time counted."""
    keep_orphans(False)
    for pid in children(os.getpid()):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)


def _pss(pid: int) -> float:
    for line in _read(f"/proc/{pid}/smaps_rollup").splitlines():
        if line.startswith("Pss:"):
            return float(line.split()[1])
    return 0.0


def _read(path: str) -> str:
    with contextlib.suppress(OSError):
        return Path(path).read_text()
    return ""
