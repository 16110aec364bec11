# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong at an exchange, by script: which request it strikes, and what becomes of that request."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from .wire import Answer, Request

Event = Callable[[], None]


@dataclass
class Fault:
    """One fault.

    on: a pattern of ``METHOD /path?query`` (for a POST, ``METHOD /path body``)
    drop: the connection ends before anything is done
    lose: it is done, and the answer never comes
    slow: seconds that the answer is late
    trickles: seconds from each byte of the answer to the next
    hangs: it is done only once this is set, however long ago its client has given it up
    answer: given in place of the true one; nothing is done
    before, after: what happens at the exchange just before or after the request is done
    skip: how many matching requests pass first
    times: how many it strikes; None: all
    """

    on: str
    drop: bool = False
    lose: bool = False
    slow: float = 0.0
    trickles: float = 0.0
    hangs: threading.Event | None = None
    answer: Answer | None = None
    before: Event | None = None
    after: Event | None = None
    skip: int = 0
    times: int | None = 1


@dataclass
class Faults:
    """Those of one exchange, in the order in which they were scripted."""

    planned: list[Fault] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, fault: Fault) -> None:
        with self._lock:
            self.planned.append(fault)

    def strike(self, request: Request) -> list[Fault]:
        """Those that this request meets; each counts down."""
        line = f"{request.method} {request.target} {request.body.decode(errors='replace')}"
        met = []
        with self._lock:
            for fault in self.planned:
                if fault.times == 0 or not re.search(fault.on, line):
                    continue
                if fault.skip:
                    fault.skip -= 1
                    continue
                if fault.times is not None:
                    fault.times -= 1
                met.append(fault)
        return met
