# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where this collection keeps what is its own beside QuestDB's data. PRIVATE to the collection.

It is all below the instance's root, on the file system of ``db`` so that a rename moves it, and outside of ``db``,
where a restore by the server itself would delete it.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from .._files import NO_FOLLOW, parent_directory, read_bytes, write_atomic
from .._operation import OperationError
from .instance import Instance

BOTFLEET = "botfleet"
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
"""What a backup may be called."""


def home(root: str) -> str:
    """The directory of it all, mode 0700."""
    return os.path.join(root, BOTFLEET)


def stage(root: str, identifier: str) -> str:
    """Where a backup lies ready to be swapped in: ``db`` and, of a checkpoint, ``.checkpoint``."""
    return os.path.join(home(root), "stage", identifier)


def safety(root: str, identifier: str) -> str:
    """Where the data that a restore replaced is kept: ``db`` and ``safety.json``."""
    return os.path.join(home(root), "safety", identifier)


def journal(root: str) -> str:
    """The journal of a restore that is under way."""
    return os.path.join(home(root), "restore.jsonl")


def marker(root: str) -> str:
    """Which backup was last restored."""
    return os.path.join(home(root), "restored.json")


def lease(root: str) -> str:
    """What a backup that is under way has asked of the server, and has to take back."""
    return os.path.join(home(root), "backup.json")


def holder(root: str) -> str | None:
    """The process that makes a backup or a restore of the instance now; None if none does."""
    try:
        descriptor = os.open(os.path.join(home(root), "lock"), os.O_RDONLY | NO_FOLLOW)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
    finally:
        os.close(descriptor)
    return None


@contextmanager
def locked(instance: Instance) -> Iterator[None]:
    """Keep other backups and restores of the same instance away; OperationError while another is at work.

    The kernel ends it with the process that holds it, however that ends.
    """
    path = os.path.join(make_home(instance), "lock")
    with parent_directory(path) as (directory, name):
        descriptor = os.open(name, os.O_RDWR | os.O_CREAT | NO_FOLLOW, 0o600, dir_fd=directory)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OperationError(busy(instance.root, holder(instance.root) or "unknown")) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def busy(root: str, process: str) -> str:
    """For a message."""
    return f"another backup or restore of {root} is at work (process {process}): wait for it"


def check_id(option: str, identifier: str) -> str:
    """The identifier, if it can be a name in a directory."""
    if not ID.fullmatch(identifier):
        raise OperationError(
            f"{option} is {identifier!r}: write letters, digits, dots, dashes and underscores, a letter or digit first"
        )
    return identifier


def make_home(instance: Instance) -> str:
    """Make the directory, which only root and the server's user may enter."""
    path = home(instance.root)
    if not os.path.isdir(path) or os.path.islink(path):
        with parent_directory(path) as (directory, name):
            try:
                os.mkdir(name, 0o700, dir_fd=directory)
            except FileExistsError as error:
                raise OperationError(f"{path} is not a directory: move it away") from error
            if os.geteuid() == 0:
                os.chown(name, *instance.owner(), dir_fd=directory, follow_symlinks=False)
    return path


def check_places(instance: Instance) -> None:
    """What is ours can be renamed to ``db`` and back: it is on that file system, and leads nowhere else."""
    here = os.stat(instance.root, follow_symlinks=False).st_dev
    for path in (home(instance.root), *(os.path.dirname(of(instance.root, "x")) for of in (stage, safety))):
        if os.path.islink(path) or (os.path.isdir(path) and os.stat(path).st_dev != here):
            raise OperationError(f"{path} is not on the file system of {instance.db}: make it a directory there")


def instance_id(instance: Instance, *, create: bool) -> str | None:
    """What this instance is called in its backups; made at the first one. None: there was none yet."""
    path = os.path.join(home(instance.root), "instance")
    content = read_bytes(path) if os.path.isdir(home(instance.root)) else None
    if content is not None:
        found = content.decode("ascii", "replace").strip()
        if not re.fullmatch(r"[0-9a-f]{32}", found):
            raise OperationError(f"{path} holds no identifier: remove it, and take a new backup")
        return found
    if not create:
        return None
    make_home(instance)
    made = secrets.token_hex(16)
    write_atomic(path, f"{made}\n".encode(), mode=0o600, owner=instance.owner())
    return made
