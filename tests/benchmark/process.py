# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a process and its descendants took."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path


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

    Workers have its command line; what they start, which on real hosts runs elsewhere, has not.
    """

    def __init__(self, pid: int, pause: float = 0.5) -> None:
        super().__init__(daemon=True)
        self._pid, self._pause = pid, pause
        self._ended = threading.Event()
        self.peak = 0.0

    def run(self) -> None:
        while not self._ended.wait(self._pause):
            self.peak = max(self.peak, sum(_pss(pid) for pid in self._workers()) / 1024)

    def end(self) -> float:
        """The peak, MiB."""
        self._ended.set()
        self.join()
        return self.peak

    def _workers(self) -> list[int]:
        own = _read(f"/proc/{self._pid}/cmdline")
        children = _read(f"/proc/{self._pid}/task/{self._pid}/children").split()
        return [self._pid, *(int(pid) for pid in children if _read(f"/proc/{pid}/cmdline") == own)]


def measured(argv: list[str], env: dict[str, str], cwd: Path, log: Path, limit: float) -> Usage:
    """Run a command to its end; what it prints goes to ``log``."""
    with log.open("wb") as printed:
        started = time.time()
        process = subprocess.Popen(argv, env=env, cwd=cwd, stdout=printed, stderr=printed, stdin=subprocess.DEVNULL)
        watch = Watch(process.pid)
        watch.start()
        timer = threading.Timer(limit, process.kill)
        timer.start()
        try:
            _pid, status, used = os.wait4(process.pid, 0)
        except KeyboardInterrupt:
            process.terminate()
            raise
        finally:
            timer.cancel()
    wall = time.time() - started
    return Usage(os.waitstatus_to_exitcode(status), started, wall, used.ru_utime + used.ru_stime, watch.end())


def _pss(pid: int) -> float:
    for line in _read(f"/proc/{pid}/smaps_rollup").splitlines():
        if line.startswith("Pss:"):
            return float(line.split()[1])
    return 0.0


def _read(path: str) -> str:
    with contextlib.suppress(OSError):
        return Path(path).read_text()
    return ""
