# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A directory tree of large files, copied and given away. PRIVATE to the collection.

Every step down is taken from an open directory and with O_NOFOLLOW, since what is copied, and where it goes, belongs to
the server's user. A copy shares blocks with its source where the file system can (FICLONE) and never an inode: a hard
link would change with its source.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Mapping

from .._files import NO_FOLLOW, opened_directory, parent_directory
from .._operation import OperationError
from .tree import (
    BLOCK,
    DIRECTORY,
    FileEntry,
    Progress,
    Teller,
    entry_of,
    extents,
    hashed,
    join,
    size_of,
    unfit,
    unheard,
)

FICLONE = 0x40049409
"""The ioctl that shares a file's blocks: x86, ARM."""


def copy_tree(
    source: str,
    target: str,
    *,
    progress: Progress = unheard,
    digests: bool = False,
    vanished: list[str] | None = None,
    sync: bool = True,
) -> dict[str, FileEntry]:
    """Copy a directory to a place where nothing is yet, with modes and, as root, owners.

    Returns what the copy holds, by path relative to it; the directory itself is the empty path.
    vanished: others write meanwhile, so that files may grow and go: those that go are left out and named here
    sync: have all of it on disk in the end; without, ``sync_tree`` is still to come
    """
    teller = Teller(progress, size_of(source))
    copying = _Copying(teller, vanished)
    with parent_directory(source) as (directory, name):
        top = os.open(name, os.O_RDONLY | os.O_DIRECTORY | NO_FOLLOW, dir_fd=directory)
    try:
        with parent_directory(target) as (directory, name):
            copying.directory(top, directory, name, "")
    finally:
        os.close(top)
    entries = copying.entries
    if sync:
        sync_tree(target, entries)
    if digests:
        entries = {path: hashed(target, path, entry) for path, entry in entries.items()}
    teller.end()
    return entries


def copy_into(source: int, name: str, target: int) -> None:
    """Copy a file or directory from an open directory to another one, with what is in it."""
    _Copying(Teller(unheard, 0)).entry(source, target, name, name)


def give(top: str, owner: tuple[int, int]) -> None:
    """As root, give all below a directory to a user, who may put other things in the way meanwhile."""
    if os.geteuid() != 0:
        return
    with opened_directory(top) as directory:
        for _path, folders, files, place in os.fwalk(".", dir_fd=directory):
            for name in [*folders, *files]:
                os.chown(name, *owner, dir_fd=place, follow_symlinks=False)


def sync_tree(top: str, entries: Mapping[str, FileEntry]) -> None:
    """Have files and directories on disk.

    Once all is written: the first call makes the file system commit, and the others find little left to do.
    """
    for path, entry in reversed(list(entries.items())):
        kind = os.O_DIRECTORY if entry.kind == DIRECTORY else os.O_NONBLOCK
        descriptor = os.open(os.path.join(top, path), os.O_RDONLY | kind | NO_FOLLOW)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class _Copying:
    """A copy under way: what it holds so far, by path. vanished: as in ``copy_tree``"""

    def __init__(self, teller: Teller, vanished: list[str] | None = None) -> None:
        self.entries: dict[str, FileEntry] = {}
        self._teller = teller
        self._vanished = vanished

    def directory(self, source: int, target: int, name: str, path: str) -> None:
        """Copy an open directory to a name in another, which nothing has yet."""
        os.mkdir(name, 0o700, dir_fd=target)
        copy = os.open(name, os.O_RDONLY | os.O_DIRECTORY | NO_FOLLOW, dir_fd=target)
        try:
            self.entries[path] = entry_of(os.fstat(source))
            for child in sorted(os.listdir(source)):
                try:
                    self.entry(source, copy, child, join(path, child))
                except FileNotFoundError as error:
                    if self._vanished is None:
                        raise OperationError(
                            f"{join(path, child)} vanished while it was copied: stop what writes"
                        ) from error
                    self._vanished.append(join(path, child))
            _give(copy, self.entries[path])
        finally:
            os.close(copy)

    def entry(self, source: int, target: int, name: str, path: str) -> None:
        """Copy what has this name in an open directory to another one."""
        state = os.stat(name, dir_fd=source, follow_symlinks=False)
        if stat.S_ISDIR(state.st_mode):
            lower = os.open(name, os.O_RDONLY | os.O_DIRECTORY | NO_FOLLOW, dir_fd=source)
            try:
                self.directory(lower, target, name, path)
            finally:
                os.close(lower)
            return
        if not stat.S_ISREG(state.st_mode):
            raise unfit(path, state)
        reader = os.open(name, os.O_RDONLY | os.O_NONBLOCK | NO_FOLLOW, dir_fd=source)
        try:
            writer = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | NO_FOLLOW, 0o600, dir_fd=target)
            try:
                copy_file(reader, writer, self._teller)
                _give(writer, entry_of(os.fstat(reader)))
                self.entries[path] = entry_of(os.fstat(writer))
            finally:
                os.close(writer)
        finally:
            os.close(reader)


def copy_file(reader: int, writer: int, teller: Teller | None = None) -> None:
    """Copy an open file's content into an empty one. Holes stay holes."""
    size = os.fstat(reader).st_size
    try:
        fcntl.ioctl(writer, FICLONE, reader)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        _copy_content(reader, writer, size, teller)
        os.ftruncate(writer, max(size, os.fstat(writer).st_size))
    else:
        if teller:
            teller.add(size)


def _copy_content(reader: int, writer: int, size: int, teller: Teller | None) -> None:
    """Of what is allocated, too, zeros are left out: a server allocates far ahead of what it writes."""
    told = 0
    for start, end in extents(reader, size):
        place = start
        while place < end:
            block = os.pread(reader, min(BLOCK, end - place), place)
            if not block:
                break  # the file was cut off meanwhile
            _write_content(writer, block, place)
            place += len(block)
            if teller:
                teller.add(place - told)
                told = place
    if teller:
        teller.add(size - told)


def _write_content(writer: int, block: bytes, place: int) -> None:
    content = memoryview(block.rstrip(b"\0"))
    while content:
        written = os.pwrite(writer, content, place)
        content, place = content[written:], place + written


def _give(descriptor: int, entry: FileEntry) -> None:
    if os.geteuid() == 0:
        os.fchown(descriptor, entry.uid, entry.gid)
    os.fchmod(descriptor, entry.mode)
