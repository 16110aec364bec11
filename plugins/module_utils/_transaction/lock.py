# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock of a bot: a flock held for a whole transaction. PRIVATE to the collection.

The kernel frees it when the holder dies. A forked step worker shares it, so it stays held until the
worker is gone too; commands that a step starts do not inherit it.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .._files import read_bytes, remove_file, write_atomic
from .._operation import OperationError
from .child import kill_tree, start_time
from .state import BotState, utc_now

POLL = 0.05


class Locked(OperationError):
    """Somebody else holds the bot. ``holder``: what they signed the lock with, empty if it cannot be read."""

    def __init__(self, message: str, holder: dict[str, Any]) -> None:
        super().__init__(message)
        self.holder = holder


class Lock:
    """Take the lock with ``held``; ``taken_from`` then names who was preempted, if anyone."""

    def __init__(self, state: BotState, rollback_id: str, controller: str) -> None:
        self._state = state
        self._me = {"rollback_id": rollback_id, "controller": controller}
        self.taken_from: list[dict[str, Any]] = []

    @contextmanager
    def held(self, *, wait: float, preempt: bool, preempt_after: float) -> Iterator[None]:
        """Hold the lock. Raises Locked with the holder's id, controller and age.

        A holder of the same rollback id is waited for, ``wait`` s. Any other is refused at once, or, with
        ``preempt``, asked to stop after its step and killed after ``preempt_after`` s. One that cannot be killed
        is an OperationError.
        """
        descriptor = os.open(self._state.file("lock"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            if self._acquired(descriptor, 0):
                remove_file(self._state.file("preempt"))  # of somebody who gave up
            else:
                self._contend(descriptor, wait, preempt, preempt_after)
            self._sign(descriptor)
            self._withdraw_request()
            yield
        finally:
            os.close(descriptor)

    def preempted_by(self) -> dict[str, Any] | None:
        """Who asks the holder of this lock to stop, None if nobody does."""
        content = read_bytes(self._state.file("preempt"))
        return json.loads(content) if content else None

    def _withdraw_request(self) -> None:
        request = self.preempted_by()
        if request and request["rollback_id"] == self._me["rollback_id"]:
            remove_file(self._state.file("preempt"))

    def _contend(self, descriptor: int, wait: float, preempt: bool, preempt_after: float) -> None:
        holder = self._holder()
        if holder.get("rollback_id") == self._me["rollback_id"] and self._acquired(descriptor, wait):
            return
        if not preempt:
            holder = self._holder()
            named, controller, since = (holder.get(key, "unknown") for key in ("rollback_id", "controller", "since"))
            age = max(0.0, time.time() - os.fstat(descriptor).st_mtime)
            raise Locked(
                f"locked by rollback {named} of {controller} since {since} ({age:.0f} s): "
                "wait for it, or halt, which preempts",
                holder,
            )
        request = {**self._me, "since": utc_now()}
        self._ask(request)
        if self._acquired(descriptor, preempt_after, request):
            self.taken_from.append({**holder, "how": "stopped after its step"})
            return
        holder = self._holder()
        end(holder)
        if not self._acquired(descriptor, preempt_after):
            named = holder.get("rollback_id", "unknown")
            raise OperationError(f"rollback {named} (pid {holder.get('pid')}) holds the bot and cannot be killed")
        self.taken_from.append({**holder, "how": "killed"})

    def _acquired(self, descriptor: int, wait: float, request: dict[str, Any] | None = None) -> bool:
        """request: made again where another came in between, who took it for that of somebody who gave up"""
        give_up = time.monotonic() + wait
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            except BlockingIOError:
                if time.monotonic() >= give_up:
                    return False
                if request and not self.preempted_by():
                    self._ask(request)
                time.sleep(POLL)

    def _ask(self, request: dict[str, Any]) -> None:
        write_atomic(self._state.file("preempt"), json.dumps(request).encode(), mode=0o600)

    def _holder(self) -> dict[str, Any]:
        for _attempt in range(4):
            try:
                holder: dict[str, Any] = json.loads(read_bytes(self._state.file("lock")) or b"")
                return holder
            except ValueError:  # being signed right now
                time.sleep(POLL)
        return {}

    def _sign(self, descriptor: int) -> None:
        holder = {**self._me, "since": utc_now(), "pid": os.getpid(), "start_time": start_time(os.getpid())}
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(holder).encode(), 0)
        os.fsync(descriptor)


def end(holder: dict[str, Any]) -> None:
    """Kill a holder with all that it started, if it is still the process that signed."""
    if holder.get("pid") and start_time(holder["pid"]) == holder["start_time"]:
        kill_tree(holder["pid"])
