# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""New database files beside an old one, with its owner and mode. PRIVATE to the collection.

They are filled under a name that begins with a dot and get their own by rename: under that they are always whole.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

from .._files import NO_FOLLOW, lstat_at, parent_directory, remove_file
from .._operation import OperationError
from .database import Database, check, lenient, uri_of
from .window import stamp_of

SUFFIX = ".copying"
STAMP = r"\d{8}T\d{6}Z(?:-\d+)?"


def dated(path: str, part: str, now: int) -> str:
    """``market_data.mbo_events.20260105T031500Z.db`` beside ``market_data.db``, a free name. ``now``: nanoseconds."""
    stem, extension = os.path.splitext(path)
    name = f"{stem}.{plain(part)}.{stamp_of(now)}"
    number, made = 1, name
    while os.path.lexists(made + extension):
        number += 1
        made = f"{name}-{number}"
    return made + extension


def plain(part: str) -> str:
    """A table's name as part of a file's."""
    return re.sub(r"[^\w-]", "_", part, flags=re.ASCII)


def refuse_present(path: str, option: str) -> None:
    """Refuse a place that is taken, or that has no directory."""
    if not os.path.isdir(os.path.dirname(path)):
        raise OperationError(
            f"{os.path.dirname(path)}, which is to hold {os.path.basename(path)}, is not there: make it"
        )
    with parent_directory(path) as (directory, name):
        if lstat_at(directory, name) is not None:
            raise OperationError(f"{path} is there already and is never overwritten: give another {option}")


@contextmanager
def new_file(path: str, database: Database, how: str) -> Iterator[sqlite3.Connection]:
    """A connection to a new, empty database, which is checked and at ``path`` when the block ends, or is gone.

    Call it with the write lock of ``database`` held, so that one process at a time does. ``how``: which check.
    It keeps no journal: killed, it leaves a file under another name, which the next one removes.
    """
    model = database.stat()
    if model is None:
        raise OperationError(f"{database.path} is gone: see who removed it while it was open")
    with parent_directory(path) as (directory, name):
        staging = f".{name}{SUFFIX}"
        _remove_left(directory, staging)
        place = os.path.join(os.path.dirname(path), staging)
        try:
            descriptor = os.open(staging, os.O_RDWR | os.O_CREAT | os.O_EXCL | NO_FOLLOW, 0o600, dir_fd=directory)
            made = os.fstat(descriptor)
            os.close(descriptor)
            with closing(sqlite3.connect(uri_of(place, "mode=rw"), uri=True, isolation_level=None)) as connection:
                connection.text_factory = lenient
                connection.execute("PRAGMA journal_mode = OFF")
                connection.execute("PRAGMA synchronous = OFF")
                yield connection
            with closing(sqlite3.connect(uri_of(place, "mode=ro&immutable=1"), uri=True)) as connection:
                found = check(connection, how)
            if found != "ok":
                raise OperationError(f"{path} was damaged while it was written ({found}): look at the disk")
            _give(directory, staging, made, model)
            refuse_present(path, "name")
            os.rename(staging, name, src_dir_fd=directory, dst_dir_fd=directory)
            os.fsync(directory)
        except BaseException as error:
            with suppress(OSError):
                os.unlink(staging, dir_fd=directory)
            if isinstance(error, (sqlite3.Error, OSError)):
                raise OperationError(
                    f"{path} cannot be written ({error}): mend that, or give another place; {database.path} was "
                    "left as it was"
                ) from error
            raise


def discard(path: str) -> None:
    """Remove a file that was made here, and what belongs to it."""
    for suffix in ("", "-journal", "-wal", "-shm"):
        remove_file(path + suffix)


def _give(directory: int, name: str, made: os.stat_result, model: os.stat_result) -> None:
    """Give the file the model's mode and, as root, owner; on disk afterwards."""
    descriptor = os.open(name, os.O_RDWR | NO_FOLLOW, dir_fd=directory)
    try:
        if not os.path.samestat(os.fstat(descriptor), made):
            raise OperationError(f"{name} was exchanged while it was written: somebody tampers with its directory")
        if os.geteuid() == 0:
            os.fchown(descriptor, model.st_uid, model.st_gid)
        os.fchmod(descriptor, model.st_mode & 0o777)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_left(directory: int, staging: str) -> None:
    """Remove what killed runs left for the same name, whatever its date."""
    alike = re.compile(STAMP.join(map(re.escape, re.split(STAMP, staging))))
    for name in os.listdir(directory):
        if alike.fullmatch(name):
            os.unlink(name, dir_fd=directory)
