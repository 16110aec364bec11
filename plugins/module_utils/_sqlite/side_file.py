# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Side files: databases that hold the rows that were moved out of another. PRIVATE to the collection.

A side file has the table with its rows under their own keys, and a table that says where they come from. Its status
is ``copied`` from the moment that it is there, and ``moved`` once its rows are known to be gone from the database.
"""

# ruff: noqa: S608  # names come from the schema and are quoted, values are bound

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace

from .._operation import Context, OperationError
from .database import Database, number_of, quoted, uri_of
from .new_file import STAMP, discard, new_file, plain
from .table import Table, describe
from .window import Window

ABOUT = "botfleet_side_file"
COPIED, MOVED = "copied", "moved"


@dataclass(frozen=True)
class Origin:
    """Where the rows come from. source: the real path of the database; since, until: nanoseconds since 1970."""

    source: str
    table: str
    column: str
    unit: str
    since: int
    until: int | None
    status: str = COPIED

    @property
    def window(self) -> Window:
        return Window(self.since, self.until)


class SideFile:
    """A side file that is there."""

    def __init__(self, path: str, busy_timeout: float, context: Context) -> None:
        self.database = Database(path, busy_timeout, context)
        self.path = path

    def origin(self) -> Origin:
        """What it says of itself. Another file is an OperationError."""
        if not self.database.present():
            raise OperationError(f"{self.path} is not there: name the side file that a move has made")

        def read(connection: sqlite3.Connection) -> str | None:
            if connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (ABOUT,)).fetchone() is None:
                return None
            return str(connection.execute(f"SELECT about FROM {ABOUT}").fetchone()[0])

        try:
            return Origin(**json.loads(self.database.read(read) or ""))
        except (ValueError, TypeError) as error:
            raise OperationError(
                f"{self.path} is no side file of this collection: name one that a move has made"
            ) from error

    def mark(self, origin: Origin) -> None:
        """Say that its rows are nowhere else."""
        with self.database.locked() as connection:
            _tell(connection, replace(origin, status=MOVED), "UPDATE {} SET about = ?")
            connection.execute("COMMIT")

    def settle(self, database: Database, origin: Origin) -> int:
        """Take out the rows that the database has just so; returns how many are left, which it has not.

        Without any, the file is removed. The write lock of the database must be held, so that nothing comes or
        goes meanwhile. So a row is never lost: it leaves this file only where it is known to be in the database.
        """
        with self.database.locked() as connection, attached(connection, database.path, inside=True):
            table = describe(connection, origin.table, self.path)
            same = f"EXISTS (SELECT 1 FROM source.{table.quoted} AS s WHERE {table.copied('t', 's')})"
            connection.execute(f"DELETE FROM main.{table.quoted} AS t WHERE {same}")
            left = number_of(connection, f"SELECT count(*) FROM main.{table.quoted}")
            _tell(connection, replace(origin, status=MOVED), "UPDATE {} SET about = ?")
            if left:
                connection.execute("COMMIT")
        if not left:
            discard(self.path)
        return left

    def renumber(self, database: Database, table: Table) -> None:
        """Give rows whose rowid another row of the database has by now rowids that neither of the two has.

        Done here, and on disk, before they are put back: so a run that is cut short in between finds them again.
        """
        with self.database.locked() as connection, attached(connection, database.path, inside=True):
            key, taken = table.rowid, table.taken("t", "source")
            highest = max(
                number_of(connection, f"SELECT coalesce(max({key}), 0) FROM {schema}.{table.quoted}")
                for schema in ("main", "source")
            )
            query = f"SELECT min({key}) FROM main.{table.quoted} AS t WHERE {taken}"
            lowest = connection.execute(query).fetchone()[0]
            if lowest is not None:
                by = highest + 1 - lowest
                connection.execute(f"UPDATE main.{table.quoted} AS t SET {key} = {key} + ? WHERE {taken}", (by,))
            connection.execute("COMMIT")


def build(path: str, database: Database, holder: sqlite3.Connection, table: Table, origin: Origin, how: str) -> int:
    """Copy the rows of the window into a new side file, and read each back; returns how many.

    holder: has the write lock of the database, so that what another connection reads is what it sees
    how: which check the side file must pass
    """
    encoding = holder.execute("PRAGMA encoding").fetchone()[0]
    with new_file(path, database, how) as connection:
        connection.execute(f"PRAGMA encoding = '{encoding}'")
        with attached(connection, database.path):
            connection.execute("BEGIN")
            connection.execute(table.sql)
            condition, bounds = origin.window.condition(f"t.{quoted(origin.column)}", origin.unit)
            connection.execute(
                f"INSERT INTO main.{table.quoted} ({table.listed()}) "
                f"SELECT {table.listed('t.')} FROM source.{table.quoted} AS t WHERE {condition}",
                bounds,
            )
            query = f"SELECT count(*) FROM main.{table.quoted} AS t"
            copied = number_of(connection, query)
            same = number_of(connection, f"{query} JOIN source.{table.quoted} AS s ON {table.copied('t', 's')}")
            if same != copied:
                raise OperationError(
                    f"{copied - same} rows of {table.name} would not be the same in {path}: move fewer"
                )
            connection.execute(f"CREATE TABLE {ABOUT} (about TEXT NOT NULL)")
            _tell(connection, origin, "INSERT INTO {} VALUES (?)")
            connection.execute("COMMIT")
        return copied


def unfinished(
    database: Database, table: str, side_file: str | None, context: Context
) -> list[tuple[SideFile, Origin]]:
    """Side files of the table whose rows may still be in the database, too, because a run was cut short."""
    found = []
    for path in [side_file] if side_file else _dated_ones(database.path, table):
        side = SideFile(path, database.busy_timeout, context)
        with suppress(OperationError):  # of another make: it is nobody's unfinished business
            origin = side.origin()
            if (origin.status, origin.source, origin.table) == (COPIED, os.path.realpath(database.path), table):
                found.append((side, origin))
    return found


@contextmanager
def attached(connection: sqlite3.Connection, path: str, *, inside: bool = False) -> Iterator[None]:
    """The database as ``source``, to read. In a transaction it stays so until that ends."""
    connection.execute("ATTACH DATABASE ? AS source", (uri_of(path, "mode=ro"),))
    yield
    if not inside or not connection.in_transaction:
        connection.execute("DETACH DATABASE source")


def _tell(connection: sqlite3.Connection, origin: Origin, statement: str) -> None:
    connection.execute(statement.format(ABOUT), (json.dumps(asdict(origin)),))


def _dated_ones(path: str, table: str) -> list[str]:
    directory, name = os.path.split(path)
    stem, extension = os.path.splitext(name)
    pattern = re.escape(f"{stem}.{plain(table)}.") + STAMP + re.escape(extension)
    return sorted(os.path.join(directory, found) for found in os.listdir(directory) if re.fullmatch(pattern, found))
