# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Ansible's workers tell the timeline before a bot's result is there. PRIVATE to the collection.

Ansible has no public way for it: of a task only results reach a callback, and polls of its own ``async``. So it is a
pipe that each worker inherits when it is forked.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
from collections.abc import Mapping
from typing import Any


class Channel:
    """Opened by the timeline, before Ansible forks the workers of a task."""

    def __init__(self) -> None:
        self._ends: tuple[int, int] | None = None
        self._rest = b""

    def open(self) -> None:
        """From now on, who is forked can tell."""
        if self._ends is None:
            self._ends = os.pipe()
            for end in self._ends:
                os.set_blocking(end, False)

    def close(self) -> None:
        if self._ends:
            for end in self._ends:
                os.close(end)
        self._ends, self._rest = None, b""

    def tell(self, bot: str, said: Mapping[str, Any]) -> bool:
        """Whether anybody listens. What is too long, or finds the pipe full, is lost: more will follow."""
        if self._ends is None:
            return False
        line = json.dumps([bot, said]).encode() + b"\n"
        if len(line) <= select.PIPE_BUF:  # so that no other worker's line gets into it
            with contextlib.suppress(OSError):
                os.write(self._ends[1], line)
        return True

    def heard(self) -> list[tuple[str, dict[str, Any]]]:
        """Everything that was told since, each with its bot."""
        told = self._rest
        with contextlib.suppress(OSError):  # nothing more, for now
            while self._ends and (block := os.read(self._ends[0], 1 << 16)):
                told += block
        *lines, self._rest = told.split(b"\n")
        return list(map(json.loads, lines))


CHANNEL = Channel()
