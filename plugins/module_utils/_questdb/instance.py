# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An installation of QuestDB on disk: its root directory, and whether a server has it. PRIVATE to the collection."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from .._files import NO_FOLLOW
from .._operation import OperationError

DB = "db"
CHECKPOINT = ".checkpoint"
TRIGGER = "_restore"
LOCK = "tables.d.lock"
"""In db/. A server holds it with flock, not with a POSIX lock, from before it opens a port until it is gone."""

OWN_TABLES = ("_query_trace", "telemetry", "telemetry_config")
"""Tables that a server makes and fills by itself, beside those that begin with ``sys.``."""


def is_own(directory: str) -> bool:
    """Whether a directory in db/ is of a table that a server makes and fills by itself."""
    name = directory.partition("~")[0]
    return name in OWN_TABLES or name.startswith("sys.")


class Instance:
    """root: what ``-d`` of the server names; it holds ``db``. The rest are paths below it.

    has_db: False where it may be missing, as a restore leaves it that was killed between two renames
    """

    def __init__(self, root: str, *, has_db: bool = True) -> None:
        self.root = root
        self.db = os.path.join(root, DB)
        self.checkpoint = os.path.join(root, CHECKPOINT)
        self.trigger = os.path.join(root, TRIGGER)
        for path, what in ((root, "root"), (self.db, "its directory db"))[: 1 + has_db]:
            _check_directory(path, what)

    def is_held(self) -> bool:
        """Whether a server has this instance open."""
        descriptor = self._open_lock(os.O_RDONLY)
        if descriptor is None:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    @contextmanager
    def kept_from_starting(self) -> Iterator[None]:
        """Hold the server's own lock, so that none can start here meanwhile; OperationError if one has it."""
        descriptor = self._open_lock(os.O_RDWR | os.O_CREAT)
        if descriptor is None:
            raise OperationError(f"{self.db} is gone: put it back")
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise OperationError(f"a server has {self.root} open: stop it first") from error
            yield
        finally:
            os.close(descriptor)

    def owner(self) -> tuple[int, int]:
        """uid and gid of db, which are those of the server's user."""
        state = os.stat(self.db, follow_symlinks=False)
        return state.st_uid, state.st_gid

    def has_trigger(self) -> bool:
        """Whether the next start would restore a checkpoint."""
        return os.path.lexists(self.trigger)

    def has_checkpoint(self) -> bool:
        """Whether there is a checkpoint on disk, which may be open or stale."""
        return os.path.lexists(os.path.join(self.checkpoint, DB))

    def symlinks(self) -> list[str]:
        """Symlinks below db, relative to it: tables in volumes, and partitions that were attached as links."""
        found = []
        for directory, folders, files in os.walk(self.db):
            found += [
                os.path.relpath(path, self.db)
                for path in (os.path.join(directory, name) for name in [*folders, *files])
                if os.path.islink(path)
            ]
        return sorted(found)

    def _open_lock(self, flags: int) -> int | None:
        path = os.path.join(self.db, LOCK)
        try:
            descriptor = os.open(path, flags | NO_FOLLOW, 0o644)
        except FileNotFoundError:
            return None
        if flags & os.O_CREAT and os.geteuid() == 0:
            os.fchown(descriptor, *self.owner())
        return descriptor


def _check_directory(path: str, what: str) -> None:
    try:
        mode = os.stat(path, follow_symlinks=False).st_mode
    except FileNotFoundError as error:
        raise OperationError(
            f"{path} is not there: name as root the directory that QuestDB was started with"
        ) from error
    if stat.S_ISLNK(mode):
        raise OperationError(f"{path} is a symlink to {os.readlink(path)}: name the directory itself")
    if not stat.S_ISDIR(mode):
        raise OperationError(f"{path}, {what}, is no directory: correct root")
