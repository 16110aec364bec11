# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file of JSON lines that only grows, each chained to the one before it. PRIVATE to the collection.

Each line holds ``previous``, the SHA-256 of the exact bytes of the line before it (null in the first), without
its line end. The hash of the newest line, the head, so stands for all of the file. Whoever may write the file
can rewrite it from some line to its end: only a head that is kept elsewhere shows that.

Imports no Ansible.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ...module_utils._files import NO_FOLLOW, parent_directory, read_bytes
from ...module_utils._operation import OperationError

PATIENCE = 10.0
"""How long an append waits for another one, s: a rollback is recorded even if that one hangs."""


@dataclass(frozen=True)
class Line:
    """One line: its number from 1 on, the SHA-256 of its bytes, what it holds.

    content: None if it is no JSON object, as a line is that was cut short
    """

    number: int
    hash: str
    content: dict[str, Any] | None


@dataclass(frozen=True)
class Chain:
    """All lines, oldest first. cut: whether the last one lacks its end, because its writer died in it."""

    lines: Sequence[Line]
    cut: bool = False

    def breaks(self) -> Iterator[str]:
        """Each line that does not continue the one before it, as a sentence.

        A line that was cut short breaks nothing once a later one continues it.
        """
        previous: Line | None = None
        for line in self.lines:
            if line.content is not None and line.content.get("previous") != (previous.hash if previous else None):
                follows = f"continue line {previous.number}" if previous else "begin a history"
                yield f"line {line.number} does not {follows}: a line was changed, added or removed there"
            previous = line
        if previous and previous.content is None:
            yield f"line {previous.number}, the last one, is cut short: the next rollback or note continues after it"

    def cut_short(self) -> list[int]:
        """The lines that are no JSON object, but the last."""
        return [line.number for line in self.lines[:-1] if line.content is None]


def content_hash(record: Mapping[str, Any]) -> str:
    """The SHA-256 of a record as canonical JSON (sorted keys, no blanks, ASCII), without its ``history``."""
    content = {name: value for name, value in record.items() if name != "history"}
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def read_chain(path: str) -> Chain:
    """The lines of a file, none if it is not there. Raises OperationError if it cannot be read."""
    return _parse(read_bytes(path) or b"")


def append(path: str, content: Mapping[str, Any], then: Callable[[Chain], None]) -> tuple[Line, Chain]:
    """Add a line, on disk when this returns; returns it, and all that was there before.

    then: is called with all lines before another append can begin
    Raises OperationError or OSError if nothing was added.
    """
    with parent_directory(path) as (directory, name):
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | NO_FOLLOW
        descriptor = os.open(name, flags, 0o644, dir_fd=directory)
        with os.fdopen(descriptor, "r+b", buffering=0) as handle, _locked(descriptor, path):
            size = os.fstat(descriptor).st_size
            if size == 0:
                _first(descriptor, directory)
            chain = _parse(handle.read())
            previous = chain.lines[-1].hash if chain.lines else None
            text = json.dumps({"previous": previous, **content}, separators=(",", ":")).encode()
            _write_whole(descriptor, (b"\n" if chain.cut else b"") + text + b"\n", size, path)
            line = Line(len(chain.lines) + 1, hashlib.sha256(text).hexdigest(), json.loads(text))
            then(Chain([*chain.lines, line]))
    return line, chain


def _parse(data: bytes) -> Chain:
    *whole, rest = data.split(b"\n")
    raw = [*whole, rest] if rest else whole
    lines = [Line(number, hashlib.sha256(text).hexdigest(), _object(text)) for number, text in enumerate(raw, 1)]
    return Chain(lines, cut=bool(rest))


def _object(text: bytes) -> dict[str, Any] | None:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


@contextmanager
def _locked(descriptor: int, path: str) -> Iterator[None]:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                raise OperationError(f"{path} is locked for {PATIENCE:g} s: see who holds it (fuser)") from error
            time.sleep(0.05)
    yield  # closing the file unlocks it


def _first(descriptor: int, directory: int) -> None:
    """A file that root makes belongs to the owner of its directory, and its name is on disk before its lines."""
    if os.geteuid() == 0:
        owner = os.fstat(directory)
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
    os.fsync(directory)


def _write_whole(descriptor: int, data: bytes, size: int, path: str) -> None:
    """All of it or nothing, unless this process or its host dies in it."""
    try:
        if os.write(descriptor, data) < len(data):
            raise OperationError(f"{path} cannot be written, its disk is full: free some space")
        os.fsync(descriptor)
    except BaseException:
        os.ftruncate(descriptor, size)
        raise
