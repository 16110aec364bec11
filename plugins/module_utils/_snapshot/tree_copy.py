# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directory trees copied and removed without following a symlink. PRIVATE to the collection."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from .._files import NO_FOLLOW, lstat_at
from .._operation import OperationError
from .tree import DIRECTORY, SYMLINK, Entry, Place, Tree, blocks, inside, join


def copy(source: Place, target: Place, tree: Tree, carried: tuple[Place, Tree] | None = None) -> None:
    """Copy ``tree`` from a place to another, where nothing may be yet, with its modes and, as root, owners.

    Each file is hashed while it is copied, and OperationError raised if it is not what ``tree`` says.
    ``carried`` comes along from a second place. All is fsynced but the directory that holds the target.
    """
    with inside(*target) as (parent, name):
        if tree[""].kind != DIRECTORY:
            _copy_entry(source, (parent, name), tree[""])
            return
        with new_directory(parent, name, tree[""]) as root:
            fill(root, source, tree)
            if carried is not None:
                fill(root, *carried)


def make_folder(directory: int, path: str, entry: Entry) -> None:
    """Make a directory with the entry's owner and mode, unless one is there."""
    with inside(directory, path) as (parent, name):
        if lstat_at(parent, name) is None:
            with new_directory(parent, name, entry):
                pass


def fill(root: int, source: Place, tree: Tree) -> None:
    """Copy what is below the root of ``tree`` into an open directory that only this process may enter."""
    entries = [(path, entry) for path, entry in sorted(tree.items()) if path]
    for path, entry in entries:
        with inside(root, path) as (parent, name):
            if entry.kind == DIRECTORY:
                os.mkdir(name, 0o700, dir_fd=parent)
            else:
                _copy_entry((source[0], join(source[1], path)), (parent, name), entry)
    for path, entry in reversed(entries):
        if entry.kind == DIRECTORY:
            with inside(root, f"{path}/.") as (directory, _name):
                _give(directory, entry)


@contextmanager
def new_directory(parent: int, name: str, entry: Entry) -> Iterator[int]:
    """Make a directory that nobody else may enter; once it is filled it gets the entry's owner and mode."""
    os.mkdir(name, 0o700, dir_fd=parent)
    descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | NO_FOLLOW, dir_fd=parent)
    try:
        if os.fstat(descriptor).st_uid != os.geteuid() or os.listdir(descriptor):
            raise OperationError(f"{name} was exchanged while it was made: somebody tampers with its directory")
        yield descriptor
        _give(descriptor, entry)
    finally:
        os.close(descriptor)


def remove(directory: int, name: str) -> None:
    """Remove a file or a whole tree from an open directory; a missing one is fine."""
    present = lstat_at(directory, name)
    if present is None:
        return
    if not stat.S_ISDIR(present.st_mode):
        os.unlink(name, dir_fd=directory)
        return
    descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | NO_FOLLOW, dir_fd=directory)
    try:
        if present.st_mode & 0o700 != 0o700:
            os.fchmod(descriptor, 0o700)
        for child in os.listdir(descriptor):
            remove(descriptor, child)
    finally:
        os.close(descriptor)
    os.rmdir(name, dir_fd=directory)


def write_new(parent: int, name: str, blocks: Iterable[bytes], entry: Entry | None = None) -> None:
    """Make a file that must not exist, fsynced: with the entry's owner and mode, else 0600."""
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_FOLLOW, 0o600, dir_fd=parent)
    with os.fdopen(descriptor, "wb") as writer:
        for block in blocks:
            writer.write(block)
        writer.flush()
        if entry is not None:
            _give(descriptor, entry)
        else:
            os.fsync(descriptor)


def _copy_entry(source: Place, target: Place, entry: Entry) -> None:
    if entry.kind == SYMLINK:
        os.symlink(entry.content, target[1], dir_fd=target[0])
        if os.geteuid() == 0:
            os.chown(target[1], entry.uid, entry.gid, dir_fd=target[0], follow_symlinks=False)
        return
    content = hashlib.sha256()
    with inside(*source) as (parent, name):
        write_new(*target, blocks(parent, name, content), entry)
    if content.hexdigest() != entry.content:
        raise OperationError(f"{source[1]} changed while it was copied: stop what writes it, and try again")


def _give(descriptor: int, entry: Entry) -> None:
    if os.geteuid() == 0:
        os.fchown(descriptor, entry.uid, entry.gid)
    os.fchmod(descriptor, entry.mode)
    os.fsync(descriptor)
