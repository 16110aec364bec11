# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a long step is, for whoever follows the transaction. PRIVATE to the collection.

<state_dir>/<bot>/<rollback_id>/progress.json  the newest, while a transaction runs; not fsynced, since it is stale soon
"""

from __future__ import annotations

import json
import os
import time
from collections import deque
from contextlib import suppress
from typing import Any

from .._files import read_bytes, write_atomic
from .._operation import OperationError, State

NAME = "progress.json"
WINDOW = 10.0
"""Seconds over which the rate is taken."""
LONGEST = 200  # letters of what it does


class Meter:
    """directory: of the rollback; None writes nothing. began: when the transaction did, in monotonic seconds."""

    def __init__(self, directory: str | None = None, began: float = 0.0) -> None:
        self._path = os.path.join(directory, NAME) if directory else None
        self._began = began
        self._of: tuple[str, str] = ("", "")
        self._seen: deque[tuple[float, float]] = deque()
        self.forget()

    def hear(self, step: str, told: State) -> None:
        """Write down what an operation told, with its rate in bytes/s and the seconds that are left."""
        if self._path is None or not isinstance(told, dict):
            return
        now = time.monotonic() - self._began
        doing, done, total = str(told.get("doing") or "")[:LONGEST], _bytes(told.get("done")), _bytes(told.get("total"))
        rate = self._rate((step, doing), now, done)
        left = max(0.0, total - done) / rate if rate and done is not None and total is not None else None
        progress = {
            "step": step,
            "doing": doing,
            "done": done,
            "total": total,
            "at": round(now, 3),
            "rate": rate and round(rate),
            "left": left if left is None else round(left, 1),
        }
        with suppress(OSError, OperationError):  # a full disk: the step may succeed all the same
            write_atomic(self._path, json.dumps(progress).encode(), mode=0o600, durable=False)

    def _rate(self, of: tuple[str, str], now: float, done: float | None) -> float | None:
        """Of the last WINDOW s, as long as the same is done; None while there is nothing to compare with."""
        if done is None:
            return None
        if of != self._of or (self._seen and done < self._seen[-1][1]):
            self._seen.clear()
        self._of = of
        self._seen.append((now, done))
        while len(self._seen) > 2 and self._seen[1][0] < now - WINDOW:
            self._seen.popleft()
        then, before = self._seen[0]
        return (done - before) / (now - then) if now > then else None

    def forget(self) -> None:
        """Remove what was written: of a transaction that is over, or was cut short."""
        if self._path is not None:
            with suppress(OSError):
                os.unlink(self._path)


def read(directory: str) -> dict[str, Any] | None:
    """The newest, None if there is none."""
    with suppress(OSError, OperationError, ValueError):
        progress: dict[str, Any] = json.loads(read_bytes(os.path.join(directory, NAME)) or b"null")
        return progress
    return None


def _bytes(value: Any) -> int | None:
    return int(value) if isinstance(value, (int, float)) and 0 <= value < float("inf") else None
