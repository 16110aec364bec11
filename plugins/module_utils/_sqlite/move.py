# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of a window of time moved out to a side file (S2.6). PRIVATE to the collection.

In WAL mode a transaction over two attached databases is atomic in each of them, not in both. So nothing rests on
that. One transaction of the database holds its write lock over all of this, in this order:

1. the rows are copied to a new file under another name, read back one by one, checked and synced to disk
2. the file is renamed to the side file's name; it says of itself ``copied``
3. the rows are deleted, and the transaction is committed
4. the side file says ``moved``

Killed before 3 is on disk, a row is in both files or in the database alone; killed later, in the side file alone;
never in none. The next run finds a side file that says ``copied``. It takes the rows out of it that the database
still has just so, which are all or none of them unless somebody changed rows since, and moves that window again.
"""

# ruff: noqa: S608  # names come from the schema and are quoted, values are bound

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import suppress
from typing import Any

from .._operation import Context, NotUndone, OperationError, Plan, State
from .database import Database, check, quoted
from .new_file import dated, discard, refuse_present
from .restore import put_back
from .side_file import Origin, SideFile, build, unfinished
from .table import Table, count, count_without_time, describe, refuse_references, refuse_triggers, refuse_wrong_unit
from .task import Task, diff, refuse_damaged
from .window import Window, text_of, window_of


class Move(Task):
    """The window is fixed when the task is made: rows written into it later stay, and the proof counts them."""

    def __init__(self, options: dict[str, Any], context: Context) -> None:
        super().__init__(options, context)
        self._now = time.time_ns() // 1000 * 1000
        self._window = window_of(options["since"], options["until"], options["window"], self._now)
        self._applied: list[State] | None = None

    def prove(self) -> State:
        """No row is left in the window. Right after a move, rows that others have written into it since are fine."""
        state = self._proof()
        if self._applied is None and (state["rows_in_window"] or state["interrupted"]):
            what = f"{state['rows_in_window']} rows of {state['table']} {self._window}"
            if state["interrupted"]:
                what += f", and {', '.join(state['interrupted'])} of a move that was interrupted"
            raise OperationError(f"{self.path} still has {what}: move them", state)
        sides = [self._side_state(move) for move in self._applied or []]
        return {**state, "side_files": sides}

    def apply(self, plan: Plan) -> State:
        table, explicit = plan.data["table"], self.options["side_file"]
        moves: list[State] = []
        windows: list[Window] = []
        for side, origin in plan.data["interrupted"]:
            with self.database.locked():
                left = side.settle(self.database, origin)
            moves += [_said(side.path, left, origin.window)] if left else []
            windows += [origin.window] if not (left and explicit) else []
        windows += [self._window] if not (explicit and plan.data["interrupted"]) else []
        for window in dict.fromkeys(windows):
            path = explicit or dated(self.path, table, self._now)
            number = self._move(window, path)
            moves += [_said(path, number, window)] if number else []
        self._applied = moves
        rows = sum(move["rows"] for move in moves)
        return {"state": "moved", "path": self.path, "table": table, "rows": rows, "moves": moves}

    def undo(self, change: State) -> str:
        """Put the rows back. The side files stay."""
        for move in change["moves"]:
            try:
                side = SideFile(move["side_file"], self.database.busy_timeout, self.context)
                put_back(self.database, side, self.options)
            except OperationError as error:
                raise NotUndone(f"the rows in {move['side_file']} were not put back: {error}") from error
        return f"{change['rows']} rows of {change['table']} are again in {self.path}"

    def _look(self, connection: sqlite3.Connection) -> State:
        table = describe(connection, self.options["table"], self.path)
        column = table.column(self.options["column"], self.path)
        condition, bounds = self._condition(column, self._window)
        left = unfinished(self.database, table.name, self.options["side_file"], self.context)
        return {
            "table": table.name,
            "column": column,
            "since": text_of(self._window.since),
            "until": None if self._window.until is None else text_of(self._window.until),
            "rows": count(connection, table),
            "rows_in_window": count(connection, table, condition, bounds),
            "rows_without_time": count_without_time(connection, table, column, self.options["unit"]),
            "interrupted": [side.path for side, _origin in left],
        }

    def _plan(self, before: State) -> Plan:
        self.database.read(lambda connection: self._checked(connection, self._window))
        number, table = before["rows_in_window"], before["table"]
        left = unfinished(self.database, table, self.options["side_file"], self.context)
        if not number and not left:
            self._applied = []
            return Plan()
        path = self.options["side_file"] or dated(self.path, table, self._now)
        if path not in [side.path for side, _origin in left]:
            refuse_present(path, "side_file")
        actions = [
            f"finish the move of rows {origin.window} to {side.path} that was interrupted" for side, origin in left
        ]
        diffs: list[dict[str, str]] = []
        if number:
            actions.append(f"move {number} rows of {table} {self._window} out of {self.path} to {path}")
            rows = before["rows"]
            was, will = f"{rows} rows, {number} {self._window}", f"{rows - number} rows, 0 {self._window}"
            diffs = [
                diff(self.path, f"{table}: {was}\n", f"{table}: {will}\n"),
                diff(path, "absent\n", f"{table}: {number} rows {self._window}\n"),
            ]
        return Plan(actions, diffs, {"interrupted": left, "table": table})

    def _move(self, window: Window, path: str) -> int:
        """Move one window in one transaction; returns how many rows. Without any, there is no side file."""
        committing = False
        with self.database.locked() as connection:
            table, column = self._checked(connection, window)
            condition, bounds = self._condition(column, window)
            number = count(connection, table, condition, bounds)
            if not number:
                return 0
            refuse_present(path, "side_file")
            origin = Origin(
                os.path.realpath(self.path), table.name, column, self.options["unit"], window.since, window.until
            )
            copied = build(path, self.database, connection, table, origin, self.options["integrity"])
            try:
                deleted = connection.execute(f"DELETE FROM main.{table.quoted} AS t WHERE {condition}", bounds).rowcount
                if not number == copied == deleted:
                    raise OperationError(
                        f"{number} rows were counted, {copied} copied and {deleted} deleted in {self.path}: "
                        "nothing was changed, try again"
                    )
                committing = True
                connection.execute("COMMIT")
            except BaseException:
                if not committing or connection.in_transaction:  # else the next run finds out what the disk has
                    discard(path)
                raise
        with suppress(OperationError):  # the rows are where they should be, and the next run says so
            SideFile(path, self.database.busy_timeout, self.context).mark(origin)
        return number

    def _checked(self, connection: sqlite3.Connection, window: Window) -> tuple[Table, str]:
        """Table and column, once nothing speaks against the move."""
        table = describe(connection, self.options["table"], self.path)
        column = table.column(self.options["column"], self.path)
        refuse_wrong_unit(connection, table, self.path, column, self.options["unit"])
        refuse_triggers(connection, table, self.path, "DELETE")
        refuse_references(connection, table, self.path, window, column, self.options["unit"])
        return table, column

    def _condition(self, column: str, window: Window) -> tuple[str, list[int | float]]:
        return window.condition(f"t.{quoted(column)}", self.options["unit"])

    def _side_state(self, move: State) -> State:
        """A side file as it is now, checked again."""
        side = Database(move["side_file"], self.database.busy_timeout, self.context)
        found = side.read(lambda connection: check(connection, self.options["integrity"]))
        refuse_damaged(side.path, found)
        return {**move, "integrity": found}


def _said(path: str, rows: int, window: Window) -> State:
    until = None if window.until is None else text_of(window.until)
    return {"side_file": path, "rows": rows, "since": text_of(window.since), "until": until}
