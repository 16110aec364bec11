# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables as the schema describes them, and SQL made of their names. PRIVATE to the collection."""

# ruff: noqa: S608  # names come from the schema and are quoted, values are bound

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any

from .._operation import OperationError
from .database import number_of, quoted
from .window import UNITS, Window, plausible, readable

ROWID_NAMES = ("rowid", "_rowid_", "oid")
GENERATED = (2, 3)


@dataclass(frozen=True)
class Table:
    """An ordinary table.

    sql: its CREATE TABLE statement
    stored: the columns that hold something, as SQL names: no generated ones
    key: what tells rows apart, as SQL names: the primary key, without one the rowid
    names: all columns, generated ones too, by their lower-case names
    rowid: SQL name of the rowid, None in a table WITHOUT ROWID
    """

    name: str
    sql: str
    stored: tuple[str, ...]
    key: tuple[str, ...]
    names: dict[str, str]
    rowid: str | None

    @property
    def columns(self) -> tuple[str, ...]:
        """What is copied: the stored columns, and the rowid where no column stands for it."""
        return self.stored if self.rowid in (None, *self.stored) else (str(self.rowid), *self.stored)

    @property
    def quoted(self) -> str:
        return quoted(self.name)

    def column(self, name: str, path: str) -> str:
        """The column as the schema writes it."""
        if name.lower() not in self.names:
            raise OperationError(
                f"{self.name} in {path} has no column {name!r}: set column to one of {', '.join(self.names.values())}"
            )
        return self.names[name.lower()]

    def same_key(self, one: str, other: str) -> str:
        """SQL that is true for two rows with the same key. With NULL in it, only the rowid tells them apart."""
        terms = [f"{one}.{name} IS {other}.{name}" for name in self.key]
        if self.rowid is not None and self.key != (self.rowid,):
            null = " OR ".join(f"{one}.{name} IS NULL" for name in self.key)
            terms.append(f"(NOT ({null}) OR {one}.{self.rowid} = {other}.{self.rowid})")
        return " AND ".join(terms)

    def identical(self, one: str, other: str) -> str:
        """SQL that is true for two rows with the same key, values and types, whatever the columns' collations."""
        values = (
            f"{one}.{name} COLLATE BINARY IS {other}.{name} AND typeof({one}.{name}) = typeof({other}.{name})"
            for name in self.stored
        )
        return " AND ".join([self.same_key(one, other), *values])

    def copied(self, one: str, other: str) -> str:
        """SQL that is true for two rows that are identical down to the rowid."""
        same = [] if self.rowid is None else [f"{one}.{self.rowid} = {other}.{self.rowid}"]
        return " AND ".join([*same, self.identical(one, other)])

    def taken(self, one: str, other: str) -> str:
        """SQL that is true for a row that the table ``other`` has not, but another row with its rowid."""
        place = f"SELECT 1 FROM {other}.{self.quoted} AS o WHERE"
        return (
            f"EXISTS ({place} o.{self.rowid} = {one}.{self.rowid}) AND NOT EXISTS ({place} {self.identical(one, 'o')})"
        )

    def listed(self, prefix: str = "") -> str:
        """The columns for an INSERT or a SELECT."""
        return ", ".join(f"{prefix}{name}" for name in self.columns)


def describe(connection: sqlite3.Connection, name: str, path: str) -> Table:
    """The table of this name. Views, virtual tables and SQLite's own are an OperationError."""
    rows = connection.execute(
        "SELECT type, name, sql FROM main.sqlite_master WHERE type IN ('table', 'view')"
    ).fetchall()
    found = [row for row in rows if row[1].lower() == name.lower()]
    if not found:
        tables = ", ".join(sorted(row[1] for row in rows if row[0] == "table")) or "there is none"
        raise OperationError(f"{path} has no table {name!r}: set table to one of its tables ({tables})")
    kind, name, sql = found[0]
    if kind == "view" or sql.split(None, 2)[1].upper() == "VIRTUAL" or name.lower().startswith("sqlite_"):
        raise OperationError(f"{name} in {path} is a view, a virtual table or SQLite's own: name an ordinary table")
    info = connection.execute("SELECT name, pk, hidden FROM pragma_table_xinfo(?) ORDER BY cid", (name,)).fetchall()
    stored = tuple(quoted(column) for column, _pk, hidden in info if hidden not in GENERATED)
    primary = tuple(quoted(column) for column, pk, _hidden in sorted(info, key=lambda row: row[1]) if pk)
    names = {column.lower(): column for column, _pk, _hidden in info}
    indexed = any(row[0] == "pk" for row in connection.execute("SELECT origin FROM pragma_index_list(?)", (name,)))
    if len(primary) == 1 and not indexed:
        return Table(name, sql, stored, primary, names, primary[0])
    free = [alias for alias in ROWID_NAMES if alias not in names]
    if not free:
        raise OperationError(
            f"{name} in {path} has columns named {', '.join(ROWID_NAMES)}, so rows cannot be told apart"
        )
    try:
        connection.execute(f"SELECT {free[0]} FROM main.{quoted(name)} LIMIT 0")
    except sqlite3.OperationalError as error:
        if "no such column" not in str(error):
            raise
        return Table(name, sql, stored, primary, names, None)
    return Table(name, sql, stored, primary or (free[0],), names, free[0])


def refuse_triggers(connection: sqlite3.Connection, table: Table, path: str, verb: str) -> None:
    """Refuse a table with a trigger that DELETE or INSERT fires: what it does elsewhere could not be taken back.

    SQLite's own program for the statement tells, so that no trigger's text has to be understood.
    """
    statement = {"DELETE": "DELETE FROM {}", "INSERT": "INSERT INTO {} DEFAULT VALUES"}[verb]
    program = connection.execute("EXPLAIN " + statement.format(f"main.{table.quoted}")).fetchall()
    if any(row[1] == "Program" for row in program):
        query = (
            "SELECT name FROM main.sqlite_master WHERE type = 'trigger' AND lower(tbl_name) = lower(?) ORDER BY name"
        )
        names = ", ".join(row[0] for row in connection.execute(query, (table.name,)))
        raise OperationError(
            f"{table.name} in {path} has triggers ({names}), and {verb} fires one: drop it first, or write what is "
            "wanted as a script"
        )


def refuse_references(connection: sqlite3.Connection, table: Table, path: str, window: Window, *place: str) -> None:
    """Refuse to take rows away that rows which stay refer to by a foreign key, whatever its action is.

    place: the time column and its unit
    """
    column, unit = place
    parent, bounds = window.condition(f"parent.{quoted(column)}", unit)
    child, _same = window.condition(f"child.{quoted(column)}", unit)
    for name, source, target, action in _references(connection, table):
        match = " AND ".join(f"child.{one} = parent.{other}" for one, other in zip(source, target))
        stays, parameters = "", list(bounds)
        if name.lower() == table.name.lower():
            stays, parameters = f" AND NOT coalesce({child}, 0)", bounds * 2
        query = (
            f"SELECT count(*) FROM main.{quoted(name)} AS child WHERE EXISTS "
            f"(SELECT 1 FROM main.{table.quoted} AS parent WHERE {parent} AND {match}){stays}"
        )
        count = number_of(connection, query, parameters)
        if count:
            raise OperationError(
                f"{count} rows of {name} in {path} refer to rows of {table.name} {window} "
                f"({', '.join(source)}, ON DELETE {action}): move or delete those first"
            )


def _references(connection: sqlite3.Connection, table: Table) -> list[tuple[str, list[str], list[str], str]]:
    """Foreign keys that refer to the table: the child table, its columns, the table's columns, the action."""
    primary = connection.execute("SELECT name FROM pragma_table_info(?) WHERE pk ORDER BY pk", (table.name,)).fetchall()
    query = "SELECT name FROM main.sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'"
    found = []
    for (name,) in connection.execute(query).fetchall():
        keys: dict[int, list[tuple[Any, ...]]] = {}
        columns = 'id, seq, "table", "from", "to", on_delete'
        for row in connection.execute(f"SELECT {columns} FROM pragma_foreign_key_list(?) ORDER BY id, seq", (name,)):
            if row[2].lower() == table.name.lower():
                keys.setdefault(row[0], []).append(row)
        for rows in keys.values():
            target = [row[4] if row[4] is not None else primary[row[1]][0] for row in rows]
            found.append((name, [quoted(row[3]) for row in rows], [quoted(one) for one in target], str(rows[0][5])))
    return found


def refuse_wrong_unit(connection: sqlite3.Connection, table: Table, path: str, column: str, unit: str) -> None:
    """Refuse a unit in which no value of the column is a time of this century, before it moves nothing, or all."""
    place = f"t.{quoted(column)}"

    def fits(other: str) -> bool:
        condition, bounds = plausible(place, other)
        query = f"SELECT EXISTS (SELECT 1 FROM main.{table.quoted} AS t WHERE {condition})"
        return bool(number_of(connection, query, bounds))

    row = connection.execute(
        f"SELECT {place} FROM main.{table.quoted} AS t WHERE {place} IS NOT NULL LIMIT 1"
    ).fetchone()
    if row is None or fits(unit):
        return
    wanted = "ISO text" if unit == "iso" else f"{unit} since 1970"
    better = [other for other in UNITS if fits(other)]
    mend = f"set unit to {better[0]}" if better else "name a column that holds times"
    raise OperationError(f"{table.name}.{column} in {path} holds no time as {wanted} (it has {_shown(row[0])}): {mend}")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:40] + "…"


def count(connection: sqlite3.Connection, table: Table, condition: str = "1", bounds: Any = ()) -> int:
    """How many rows of the table, named ``t`` in the condition, meet it."""
    return number_of(connection, f"SELECT count(*) FROM main.{table.quoted} AS t WHERE {condition}", bounds)


def count_without_time(connection: sqlite3.Connection, table: Table, column: str, unit: str) -> int:
    """How many rows have no time in the unit, and so are in no window."""
    return count(connection, table, f"NOT {readable('t.' + quoted(column), unit)}")
