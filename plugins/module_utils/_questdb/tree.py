# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A directory tree of large files, walked, measured and hashed with its progress told. PRIVATE to the collection.

Every step down is taken with O_NOFOLLOW, since what is read belongs to the server's user.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Callable

from .._files import NO_FOLLOW
from .._operation import OperationError

FILE, DIRECTORY = "file", "directory"
BLOCK, PAGE = 1 << 18, 1 << 12
TELL_EVERY = 0.5
"""Seconds between two words on the progress."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class FileEntry:
    """A file or directory.

    size: bytes, 0 of a directory; mode: permission bits
    sha256: of a file's content up to the zeros that it ends with, None if it was not asked for. A column that is
        written to ends with up to 16 MiB of them
    """

    kind: str
    size: int
    mode: int
    uid: int
    gid: int
    sha256: str | None = None


def unheard(done: int, total: int) -> None:
    """A progress that nobody listens to."""


class Teller:
    """Tells how many bytes are done, at most about twice a second, and always once at the end."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._total = total
        self._done = 0
        self._told = 0.0

    def add(self, count: int) -> None:
        """So many bytes more are done."""
        self._done += count
        if time.monotonic() - self._told >= TELL_EVERY:
            self._told = time.monotonic()
            self._progress(self._done, max(self._total, self._done))

    def end(self) -> None:
        """All are done."""
        self._progress(self._done, self._done)


def hash_tree(top: str, *, progress: Progress = unheard) -> dict[str, FileEntry]:
    """What a directory holds, every file read and hashed."""
    teller = Teller(progress, size_of(top))
    found = {}
    for path, state in _walk(top):
        if stat.S_ISDIR(state.st_mode):
            found[path] = entry_of(state)
        else:
            found[path] = hashed(top, path, entry_of(state))
            teller.add(state.st_size)
    teller.end()
    return found


def verify_tree(
    top: str, wanted: Mapping[str, FileEntry], *, progress: Progress = unheard, ignore: tuple[str, ...] = ()
) -> list[str]:
    """In what a directory differs from what it should hold, as phrases; empty if in nothing.

    ignore: paths that may be there or not
    """
    wrong = []
    teller = Teller(progress, sum(entry.size for entry in wanted.values()))
    found = {path: state for path, state in _walk(top) if path not in ignore}
    for path, entry in sorted(wanted.items()):
        state = found.pop(path, None)
        if state is None:
            wrong.append(f"{path or top} is missing")
        elif entry_of(state).kind != entry.kind:
            wrong.append(f"{path or top} is no {entry.kind}")
        elif entry.kind == FILE and state.st_size != entry.size:
            what = "cut off" if state.st_size < entry.size else "longer than it was"
            wrong.append(f"{path} is {what} ({state.st_size} of {entry.size} bytes)")
        elif entry.kind == FILE and entry.sha256 and hashed(top, path, entry).sha256 != entry.sha256:
            wrong.append(f"{path} has another content")
        teller.add(entry.size)
    teller.end()
    return wrong + [f"{path} does not belong there" for path in sorted(found)]


def size_of(top: str) -> int:
    """Bytes of all files below a directory, holes included; what vanishes meanwhile is not counted."""
    return sum(state.st_size for _path, state in _walk(top) if stat.S_ISREG(state.st_mode))


def data_in(top: str) -> int:
    """Bytes that a copy of a directory's files takes up: without holes, and without the zeros that one ends with."""
    return sum(_data_of(os.path.join(top, path)) for path, state in _walk(top) if stat.S_ISREG(state.st_mode))


def used_by(top: str) -> int:
    """Bytes on disk of all files below a directory, with what is allocated ahead."""
    return sum(state.st_blocks * 512 for _path, state in _walk(top) if stat.S_ISREG(state.st_mode))


def _data_of(path: str) -> int:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | NO_FOLLOW)
    except FileNotFoundError:
        return 0
    try:
        size = os.fstat(descriptor).st_size
        content = _length_of_content(descriptor, size)
        data = sum(max(0, min(end, content) - start) for start, end in extents(descriptor, size))
        return -(-data // PAGE) * PAGE
    finally:
        os.close(descriptor)


def entry_of(state: os.stat_result) -> FileEntry:
    """What a state says of a file or directory."""
    is_directory = stat.S_ISDIR(state.st_mode)
    return FileEntry(
        DIRECTORY if is_directory else FILE,
        0 if is_directory else state.st_size,
        stat.S_IMODE(state.st_mode) & 0o3777,
        state.st_uid,
        state.st_gid,
    )


def join(path: str, name: str) -> str:
    """A path below a path, which may be empty."""
    return f"{path}/{name}" if path else name


def _walk(top: str) -> Iterator[tuple[str, os.stat_result]]:
    """Every path below a directory and itself, outermost first. A symlink is refused, what vanishes left out."""

    def below(directory: int, path: str) -> Iterator[tuple[str, os.stat_result]]:
        yield path, os.fstat(directory)
        for name in sorted(os.listdir(directory)):
            with suppress(FileNotFoundError):
                state = os.stat(name, dir_fd=directory, follow_symlinks=False)
                if stat.S_ISDIR(state.st_mode):
                    lower = os.open(name, os.O_RDONLY | os.O_DIRECTORY | NO_FOLLOW, dir_fd=directory)
                    try:
                        yield from below(lower, join(path, name))
                    finally:
                        os.close(lower)
                elif stat.S_ISREG(state.st_mode):
                    yield join(path, name), state
                else:
                    raise unfit(os.path.join(top, path, name), state)

    descriptor = os.open(top, os.O_RDONLY | os.O_DIRECTORY | NO_FOLLOW)
    try:
        yield from below(descriptor, "")
    finally:
        os.close(descriptor)


def unfit(path: str, state: os.stat_result) -> OperationError:
    if stat.S_ISLNK(state.st_mode):
        return OperationError(f"{path} is a symlink, which no copy would hold: attach what it leads to as real files")
    return OperationError(f"{path} is neither a file nor a directory: move it away")


def extents(descriptor: int, size: int) -> list[tuple[int, int]]:
    """Where an open file has data, as start and end, in order."""
    found = []
    place = 0
    while place < size:
        try:
            start = os.lseek(descriptor, place, os.SEEK_DATA)
            place = os.lseek(descriptor, start, os.SEEK_HOLE)
        except OSError as error:
            if error.errno == errno.ENXIO:
                break  # nothing but a hole is left
            if error.errno == errno.EINVAL:
                return [(0, size)]  # the file system knows no holes
            raise
        found.append((start, min(place, size)))
    return found


def _length_of_content(descriptor: int, size: int) -> int:
    """Where the zeros begin that an open file ends with."""
    for start, end in reversed(extents(descriptor, size)):
        while end > start:
            block = os.pread(descriptor, min(BLOCK, end - start), max(start, end - BLOCK))
            content = block.rstrip(b"\0")
            if content:
                return max(start, end - BLOCK) + len(content)
            end = max(start, end - BLOCK)  # noqa: PLW2901  # walks back
    return 0


def hashed(top: str, path: str, entry: FileEntry) -> FileEntry:
    if entry.kind != FILE:
        return entry
    digest = hashlib.sha256()
    descriptor = os.open(os.path.join(top, path), os.O_RDONLY | os.O_NONBLOCK | NO_FOLLOW)
    with open(descriptor, "rb", buffering=0) as handle:
        left = _length_of_content(descriptor, os.fstat(descriptor).st_size)
        os.lseek(descriptor, 0, os.SEEK_SET)
        block = memoryview(bytearray(BLOCK))
        while left:
            count = handle.readinto(block[: min(left, BLOCK)])
            if not count:
                break
            digest.update(block[:count])
            left -= count
    return replace(entry, sha256=digest.hexdigest())
