# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of a side file put back. PRIVATE to the collection."""

# ruff: noqa: S608  # names come from the schema and are quoted, values are bound

from __future__ import annotations

import os
import sqlite3
from typing import Any

from .._operation import Context, NotUndone, OperationError, Plan, State
from .database import Database, check, number_of
from .side_file import Origin, SideFile, attached
from .table import Table, count, describe, refuse_triggers
from .task import Task, diff, refuse_damaged

SHOWN = 3


class Restore(Task):
    """A row is there if one with its key and content is. The side file stays as it is."""

    def __init__(self, options: dict[str, Any], context: Context) -> None:
        super().__init__(options, context)
        self._side = SideFile(options["side_file"], options["busy_timeout"], context)

    def prove(self) -> State:
        state = self._proof()
        if state["rows_missing"]:
            raise OperationError(
                f"{state['rows_missing']} of {state['side_rows']} rows in {self._side.path} are not in {self.path}: "
                "restore them",
                state,
            )
        return state

    def apply(self, plan: Plan) -> State:
        number = put_back(self.database, self._side, self.options)
        return {
            "state": "restored",
            "path": self.path,
            "side_file": self._side.path,
            "table": plan.data["table"],
            "rows": number,
        }

    def undo(self, change: State) -> str:
        raise NotUndone(
            f"{change['rows']} rows of {change['table']} stay in {self.path}; move them out again if need be"
        )

    def _look(self, connection: sqlite3.Connection) -> State:
        origin, found = sound_origin(self.database, self._side, self.options)
        with attached(connection, self._side.path, inside=True):
            table = fitting_table(connection, origin, self.path, self._side.path)
            missing, taken = _missing(connection, table)
            return {
                "table": table.name,
                "rows": count(connection, table),
                "side_file": self._side.path,
                "side_integrity": found,
                "side_rows": number_of(connection, f"SELECT count(*) FROM source.{table.quoted}"),
                "rows_missing": missing,
                "rows_taken": taken,
            }

    def _plan(self, before: State) -> Plan:
        number, table = before["rows_missing"], before["table"]
        if not number:
            return Plan()
        self.database.read(lambda connection: self._checked(connection, table))
        actions = [f"put {number} rows of {table} back from {self._side.path} into {self.path}"]
        if before["rows_taken"]:
            actions[0] += f", {before['rows_taken']} of them under new rowids"
        rows = before["rows"]
        return Plan(
            actions, [diff(self.path, f"{table}: {rows} rows\n", f"{table}: {rows + number} rows\n")], {"table": table}
        )

    def _checked(self, connection: sqlite3.Connection, name: str) -> None:
        table = describe(connection, name, self.path)
        refuse_triggers(connection, table, self.path, "INSERT")
        with attached(connection, self._side.path, inside=True):
            refuse_taken(connection, table, self.path, self._side.path, self.options["taken_rowids"])


def put_back(database: Database, side: SideFile, options: dict[str, Any]) -> int:
    """Insert, in one transaction, the rows of a side file that are not in the database; returns how many."""
    origin, _found = sound_origin(database, side, options)
    with database.locked() as connection:
        if options["taken_rowids"] == "renumber":
            table = describe(connection, origin.table, database.path)
            if table.rowid is not None:
                side.renumber(database, table)
        with attached(connection, side.path, inside=True):
            table = fitting_table(connection, origin, database.path, side.path)
            refuse_triggers(connection, table, database.path, "INSERT")
            refuse_taken(connection, table, database.path, side.path, "refuse")
            there = f"EXISTS (SELECT 1 FROM main.{table.quoted} AS t WHERE {table.same_key('s', 't')})"
            try:
                number = connection.execute(
                    f"INSERT INTO main.{table.quoted} ({table.listed()}) "
                    f"SELECT {table.listed('s.')} FROM source.{table.quoted} AS s WHERE NOT {there}"
                ).rowcount
            except sqlite3.IntegrityError as error:
                raise OperationError(
                    f"rows in {side.path} do not fit into {database.path} any more ({error}); nothing was put back: "
                    "remove what stands against them"
                ) from error
            connection.execute("COMMIT")
    return number


def sound_origin(database: Database, side: SideFile, options: dict[str, Any]) -> tuple[Origin, str]:
    """Where the side file's rows come from, which must be this database, and ``ok``, which its check must give."""
    origin = side.origin()
    source = os.path.realpath(database.path)
    if origin.source != source:
        raise OperationError(f"{side.path} holds rows of {origin.source}, not of {source}: name another side_file")
    if options["table"] and options["table"].lower() != origin.table.lower():
        raise OperationError(
            f"{side.path} holds rows of {origin.table}, and table is {options['table']!r}: leave it out"
        )
    found = side.database.read(lambda connection: check(connection, options["integrity"]))
    refuse_damaged(side.path, found)
    return origin, found


def fitting_table(connection: sqlite3.Connection, origin: Origin, path: str, side_file: str) -> Table:
    """The database's table, which must have the columns of the side file's, attached as ``source``."""
    table = describe(connection, origin.table, path)
    query = "SELECT name FROM {}.sqlite_master WHERE type = 'table' AND lower(name) = lower(?)"
    columns = []
    for schema in ("main", "source"):
        if connection.execute(query.format(schema), (table.name,)).fetchone() is None:
            raise OperationError(f"{side_file} has no table {table.name}: name another side_file")
        rows = connection.execute(f"PRAGMA {schema}.table_xinfo({table.quoted})").fetchall()
        columns.append({(row[1].lower(), row[5], row[6]) for row in rows})
    if columns[0] != columns[1]:
        names = sorted({name for name, _pk, _hidden in columns[0] ^ columns[1]})
        raise OperationError(
            f"{table.name} has other columns in {path} than in {side_file} ({', '.join(names)}): alter it first"
        )
    return table


def refuse_taken(connection: sqlite3.Connection, table: Table, path: str, side_file: str, policy: str) -> None:
    """Refuse rows whose key another row has by now, or whose rowid, unless they get a new one."""
    source = f"FROM source.{table.quoted} AS s"
    other = f"(SELECT 1 FROM main.{table.quoted} AS t WHERE {{}})"
    questions = []
    if table.key != (table.rowid,):
        same, identical = other.format(table.same_key("s", "t")), other.format(table.identical("s", "t"))
        condition = f"EXISTS {same} AND NOT EXISTS {identical}"
        questions.append((table.key, condition, "decide which of the two to keep"))
    if table.rowid is not None and policy == "refuse":
        mend = "set taken_rowids to renumber, or decide which to keep"
        questions.append(((table.rowid,), table.taken("s", "main"), mend))
    for key, condition, mend in questions:
        names = ", ".join(f"s.{name}" for name in key)
        rows = connection.execute(f"SELECT {names} {source} WHERE {condition} LIMIT {SHOWN + 1}").fetchall()
        if rows:
            raise OperationError(
                f"{table.name} in {path} has other rows by now under keys of {side_file} ({_keys(key, rows)}); nothing "
                f"was put back: {mend}"
            )


def _keys(key: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    """Keys for people: ``rowid 5; rowid 6 and more``."""
    shown = [", ".join(f"{name} {value!r}" for name, value in zip(key, row)) for row in rows[:SHOWN]]
    return "; ".join(shown) + (" and more" if len(rows) > SHOWN else "")


def _missing(connection: sqlite3.Connection, table: Table) -> tuple[int, int]:
    """How many rows of the side file the database has not, and of how many of them another row has the rowid."""
    source = f"SELECT count(*) FROM source.{table.quoted} AS s WHERE"
    same = f"SELECT 1 FROM main.{table.quoted} AS t WHERE {table.identical('s', 't')}"
    taken = 0 if table.rowid is None else number_of(connection, f"{source} {table.taken('s', 'main')}")
    return number_of(connection, f"{source} NOT EXISTS ({same})"), taken
