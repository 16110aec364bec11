# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An SQLite database on disk: opened, locked, checked, its errors as sentences. PRIVATE to the collection.

While a connection is open, nothing here opens the database's file in another way: closing that again would drop
the locks that SQLite holds for this process, since POSIX locks belong to a process and a file, not to a descriptor.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from typing import Callable, TypeVar
from urllib.parse import quote

from .._files import NO_FOLLOW, lstat_at, parent_directory
from .._operation import Context, OperationError

Result = TypeVar("Result")

MAGIC = b"SQLite format 3\0"
WAL = b"\2\2"
CHECKS = {"full": "integrity_check", "quick": "quick_check"}


class Database:
    """One database file. ``busy_timeout`` is in seconds, and never longer than the step may still take."""

    def __init__(self, path: str, busy_timeout: float, context: Context) -> None:
        self.path = path
        self.busy_timeout = busy_timeout
        self._context = context

    def present(self) -> bool:
        """Whether it is there. What is no regular file, or none of SQLite's, is an OperationError."""
        state = self.stat()
        if state is None:
            return False
        if not stat.S_ISREG(state.st_mode):
            raise OperationError(f"{self.path} is not a regular file: name the database itself")
        header = self._header()
        if header and not header.startswith(MAGIC):
            raise OperationError(f"{self.path} is not an SQLite database, or an encrypted one: name another")
        return True

    def stat(self) -> os.stat_result | None:
        """Owner, mode and the like, None if it is not there. A symlink is an OperationError."""
        if not os.path.isdir(os.path.dirname(self.path)):
            return None
        with parent_directory(self.path) as (directory, name):
            state = lstat_at(directory, name)
        if state is not None and stat.S_ISLNK(state.st_mode):
            raise OperationError(f"{self.path} is a symlink to {os.readlink(self.path)}: name the database itself")
        return state

    def read(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """What ``work`` makes of one consistent state of the database; nothing is created where that can be.

        A read-only connection to a database in WAL mode makes its -wal and -shm files if there are none, and leaves
        them behind. If there are none, nobody has it open, and it can be read as a file that does not change; if
        it did change all the same, it is read again.
        """
        self._recover()
        quiet = self._quiet()
        if quiet:
            try:
                result = self._read("mode=ro&immutable=1", work)
            except OperationError:
                if self._quiet() == quiet:
                    raise
            else:
                if self._quiet() == quiet:
                    return result
        return self._read("mode=ro", work)

    @contextmanager
    def connection(self, mode: str = "mode=rw") -> Iterator[sqlite3.Connection]:
        """A connection that begins no transaction by itself. What SQLite raises becomes an OperationError."""
        state = self.stat()
        wait = self._context.remaining(self.busy_timeout)
        try:
            uri = uri_of(self.path, mode)
            with closing(sqlite3.connect(uri, uri=True, isolation_level=None, timeout=wait)) as connection:
                connection.text_factory = lenient
                connection.execute("PRAGMA trusted_schema = OFF")  # what root reads may be another user's
                connection.execute("SELECT 1 FROM sqlite_master").fetchone()
                if state is None or not _holds_open(state) or not self._is_still(state):
                    raise OperationError(f"{self.path} was exchanged while it was opened: somebody tampers with it")
                yield connection
        except sqlite3.Error as error:
            raise OperationError(self.sentence(error, wait)) from error

    def _is_still(self, state: os.stat_result) -> bool:
        """Whether the path leads to the same file yet: an earlier connection may hold open what was exchanged."""
        try:
            present = self.stat()
        except OperationError:  # a symlink
            return False
        return present is not None and os.path.samestat(present, state)

    @contextmanager
    def locked(self) -> Iterator[sqlite3.Connection]:
        """A connection that holds the write lock until it commits. Whoever writes is waited for first."""
        with self.connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def sentence(self, error: sqlite3.Error, waited: float | None = None) -> str:
        """An error of SQLite as one sentence."""
        said = str(error)
        if "locked" in said:
            seconds = self.busy_timeout if waited is None else waited
            return (
                f"{self.path} stayed locked{self._holders()} for {seconds:g} s: stop what has it open, or raise "
                "busy_timeout"
            )
        if "malformed database schema" in said or "unsupported file format" in said:
            return f"{self.path} has a schema that SQLite {sqlite3.sqlite_version} of this host cannot read ({said})"
        if "malformed" in said:
            return f"{self.path} is damaged ({said}): put a good copy in its place first"
        if "not a database" in said:
            return f"{self.path} is not an SQLite database, or an encrypted one: name another"
        if "full" in said:
            return f"the disk is full ({said}): make room beside {self.path}; it was left as it was"
        if "unable to open" in said or "readonly" in said:
            return f"{self.path} cannot be opened ({said}): mend the owner or mode of it, or of its directory"
        return f"{self.path}: SQLite {sqlite3.sqlite_version} says: {said}"

    def _read(self, mode: str, work: Callable[[sqlite3.Connection], Result]) -> Result:
        with self.connection(mode) as connection:
            connection.execute("BEGIN")
            return work(connection)

    def _header(self) -> bytes:
        with parent_directory(self.path) as (directory, name):
            try:
                descriptor = os.open(name, os.O_RDONLY | NO_FOLLOW, dir_fd=directory)
            except OSError as error:
                raise OperationError(
                    f"{self.path} cannot be read ({error.strerror}): mend its owner or mode"
                ) from error
            try:
                return os.read(descriptor, 100)
            finally:
                os.close(descriptor)

    def _quiet(self) -> tuple[int, ...]:
        """What changes when somebody writes it; empty unless it is in WAL mode and nobody has it open."""
        if self._header()[18:20] != WAL or os.path.lexists(f"{self.path}-wal"):
            return ()
        state = os.stat(self.path, follow_symlinks=False)
        return (state.st_ino, state.st_size, state.st_mtime_ns)

    def _recover(self) -> None:
        """Roll back what a killed process had begun, as the next program that opens the database would."""
        with suppress(FileNotFoundError):
            if not os.stat(f"{self.path}-journal").st_size:
                return
            try:
                with self.connection("mode=ro"):
                    pass
            except OperationError as error:
                if "stayed locked" in str(error):  # it is somebody's who is still there
                    raise
                if self._context.check_mode:
                    raise OperationError(
                        f"{self.path} was left in the middle of a transaction, and check mode leaves it so: open it "
                        "once with what usually writes it, or run this without check mode"
                    ) from None
                with self.connection():
                    pass

    def _holders(self) -> str:
        """`` by process 123 (python3)``, as far as the kernel's table of locks tells."""
        inodes = set()
        for suffix in ("", "-shm"):
            with suppress(OSError):
                state = os.stat(self.path + suffix)
                inodes.add(f"{os.major(state.st_dev):02x}:{os.minor(state.st_dev):02x}:{state.st_ino}")
        with suppress(OSError), open("/proc/locks", encoding="ascii") as table:
            rows = [line.split() for line in table if "->" not in line]
            pids = {row[4] for row in rows if row[5] in inodes and row[4] != str(os.getpid())}
            if pids:
                return " by " + ", ".join(f"process {pid}{_name(pid)}" for pid in sorted(pids, key=int))
        return ""


def uri_of(path: str, mode: str) -> str:
    """An SQLite URI of an absolute path."""
    return f"file://{quote(path)}?{mode}"


def number_of(connection: sqlite3.Connection, query: str, parameters: Sequence[int | float] = ()) -> int:
    """What a query for one number says."""
    return int(connection.execute(query, parameters).fetchone()[0])


def lenient(text: bytes) -> str:
    """Text as shown to people; what is not UTF-8 in it is replaced."""
    return text.decode("utf-8", "replace")


def check(connection: sqlite3.Connection, how: str, schema: str = "main") -> str:
    """``ok``, or the first problems that SQLite's own check finds. ``how``: ``full`` or ``quick``."""
    try:
        found = [str(row[0]) for row in connection.execute(f"PRAGMA {schema}.{CHECKS[how]}(3)")]
    except sqlite3.DatabaseError as error:
        if "malformed" not in str(error):
            raise
        return str(error)
    return "; ".join(line.replace("\n", " ") for line in found)


def quoted(name: str) -> str:
    """A name for SQL text. It must have been found in the schema."""
    return '"' + name.replace('"', '""') + '"'


def _holds_open(state: os.stat_result) -> bool:
    """Whether this process has the very file open."""
    for number in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            found = os.stat(f"/proc/self/fd/{number}")
            if (found.st_dev, found.st_ino) == (state.st_dev, state.st_ino):
                return True
    return False


def _name(pid: str) -> str:
    with suppress(OSError), open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as comm:
        return f" ({comm.read().strip()})"
    return ""
