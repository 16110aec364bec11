# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lies in a test host's own Python as its sitecustomize, and does to the collection's processes what it is ordered to.

/run/botfleet-faults/kill    ``<line> after`` or ``<line> torn``: SIGKILL as soon as that line of a journal is on the
                             disk, or when half of it is written, so that the step before it is done and nobody says so;
                             ``<line> frozen``: SIGSTOP as soon as it is. A third word is the journal's name
/run/botfleet-faults/clock   seconds by which what it takes for the time is ahead
/run/botfleet-faults/python  the version that it takes itself for, such as 3.8.10
"""

import contextlib
import os
import signal
import sys
import time

ORDERS = "/run/botfleet-faults"


def order(name: str) -> str:
    """What the file says, empty if there is none."""
    with contextlib.suppress(OSError), open(os.path.join(ORDERS, name), encoding="ascii") as handle:
        return handle.read().strip()
    return ""


def die_at(line: int, how: str, journal: str = "journal.jsonl") -> None:
    """Replace what writes a journal."""
    write, fsync = os.write, os.fsync

    def die() -> None:
        os.unlink(os.path.join(ORDERS, "kill"))
        os.kill(os.getpid(), signal.SIGSTOP if how == "frozen" else signal.SIGKILL)

    def lines(descriptor: int) -> int:
        """How many a journal has by now; -1 for any other file."""
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        if os.path.basename(path) != journal:
            return -1
        with open(path, "rb") as handle:
            return handle.read().count(b"\n")

    def torn(descriptor: int, data: bytes) -> int:
        if lines(descriptor) == line - 1:
            write(descriptor, data[: len(data) // 2])
            die()
        return write(descriptor, data)

    def durable(descriptor: int) -> None:
        fsync(descriptor)
        if lines(descriptor) == line:
            die()

    if how == "torn":
        os.write = torn  # type: ignore[assignment]  # takes fewer kinds of data
    else:
        os.fsync = durable  # type: ignore[assignment]  # takes descriptors alone


def set_clock(ahead: float) -> None:
    """Shift what Python programs take for the time."""
    now, gmtime, localtime, strftime = time.time, time.gmtime, time.localtime, time.strftime
    time.time = lambda: now() + ahead
    time.gmtime = lambda seconds=None: gmtime(time.time() if seconds is None else seconds)
    time.localtime = lambda seconds=None: localtime(time.time() if seconds is None else seconds)
    time.strftime = lambda shape, moment=None: strftime(shape, moment or time.localtime())


def take_for(version: str) -> None:
    """Be another Python, for whoever asks."""
    sys.version = f"{version} (default)"
    sys.version_info = (*map(int, version.split(".")), "final", 0)  # type: ignore[assignment]  # a lie


if order("kill"):
    place, *rest = order("kill").split()
    die_at(int(place), *rest)
if order("clock"):
    set_clock(float(order("clock")))
if order("python"):
    take_for(order("python"))
