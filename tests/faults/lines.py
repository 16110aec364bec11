# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The line to a host, which can tell what it held back."""

from __future__ import annotations

import queue
import socket
import time
from typing import cast

from tests.peers.ssh import Proxy


class Line(Proxy):
    """Watches each piece come from one socket and go to the other, without regard to what should hold it in between.

    held: s that each piece took
    stalled: how many pieces came in a stall and went after it
    """

    def __init__(self, target: int | tuple[str, int], delay: float = 0.0) -> None:
        self.held: list[float] = []
        self.stalled = 0
        self.stalls = self.resumes = 0
        super().__init__(target, delay)

    def stall(self) -> None:
        self.stalls += 1
        super().stall()

    def resume(self) -> None:
        self.resumes += 1
        super().resume()

    def _deliver(self, source: socket.socket, sink: socket.socket) -> None:
        under_way: queue.SimpleQueue[tuple[float, int | None]] = queue.SimpleQueue()
        ends = (cast(socket.socket, End(self, end, under_way)) for end in (source, sink))
        super()._deliver(*ends)


class End:
    """A socket of which it is noted when a piece comes, or goes: what it was put under_way with."""

    def __init__(self, line: Line, end: socket.socket, under_way: queue.SimpleQueue[tuple[float, int | None]]) -> None:
        self._line, self._end, self._under_way = line, end, under_way
        self.shutdown = end.shutdown

    def recv(self, size: int) -> bytes:
        data = self._end.recv(size)
        line = self._line
        self._under_way.put((time.monotonic(), line.resumes if line.stalls > line.resumes else None))
        return data

    def sendall(self, data: bytes) -> None:
        came, resumes = self._under_way.get()
        self._line.held.append(time.monotonic() - came)
        self._line.stalled += resumes is not None and self._line.resumes > resumes
        self._end.sendall(data)
