# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file of JSON lines that is written ahead of what it tells. PRIVATE to the collection."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from typing import Any

from .._files import NO_FOLLOW, whole_lines
from .._operation import OperationError

Line = dict[str, Any]


class Journal:
    """Mode 0600, and locked as long as it is open to be written. A line that a kill has cut short is none."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def new(cls, directory: int, name: str, header: Line) -> Journal:
        """Make one that must not exist, its first line on disk."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | NO_FOLLOW
        journal = cls(os.open(name, flags, 0o600, dir_fd=directory))
        journal._lock(name)
        journal.write([header])
        return journal

    @classmethod
    def resume(cls, directory: int, name: str) -> Journal:
        """Open one to go on with, without what was cut short at its end."""
        journal = cls(os.open(name, os.O_RDWR | os.O_APPEND | NO_FOLLOW, dir_fd=directory))
        journal._lock(name)
        os.ftruncate(journal._descriptor, sum(length for _line, length in whole_lines(journal._descriptor)))
        return journal

    @classmethod
    def read(cls, directory: int, name: str) -> Journal:
        """Open one to read."""
        return cls(os.open(name, os.O_RDONLY | os.O_NONBLOCK | NO_FOLLOW, dir_fd=directory))

    def write(self, lines: Iterable[Line]) -> None:
        """Add lines; they are on disk when this returns."""
        content = memoryview("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines).encode())
        while content:
            content = content[os.write(self._descriptor, content) :]
        os.fsync(self._descriptor)

    def lines(self) -> Iterator[Line]:
        """The whole lines, the header first."""
        return (line for line, _length in whole_lines(self._descriptor))

    @property
    def owner(self) -> int:
        """The uid of whoever wrote it."""
        return os.fstat(self._descriptor).st_uid

    def close(self) -> None:
        os.close(self._descriptor)

    def _lock(self, name: str) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.close()
            raise OperationError(f"the same purge is under way, it holds {name}: wait for it") from error
