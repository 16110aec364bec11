# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A script run on a database that was copied first (S2.9). PRIVATE to the collection.

One transaction holds the write lock over all of this, in this order: the database is copied with SQLite's own backup,
the copy is checked and compared, the script runs, the database is checked, the transaction is committed. Killed before
that, the database is as it was; killed later, the script has run as a whole.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from typing import Any

from .._operation import Context, NotUndone, OperationError, Plan, State
from .content import Content, content, differing, digest_of
from .database import Database, check
from .new_file import dated, new_file, refuse_present
from .statements import run, statements_of
from .task import Task, diff, refuse_damaged


class Script(Task):
    """The wanted state is one in which the script changes nothing; it is tried on a private copy that nobody sees."""

    def __init__(self, options: dict[str, Any], context: Context) -> None:
        super().__init__(options, context)
        self._statements = statements_of(options["script"], options["script_path"])
        self._now = time.time_ns()
        self._copied: str | None = None
        self._planned = False

    def prove(self) -> State:
        """The database is sound, and the copy too; asked alone, the script would change nothing."""
        state = self._proof()
        if not self._planned:
            before, after = self.database.read(self._rehearse)
            changed = differing(before, after)
            if changed:
                raise OperationError(
                    f"{self._name()} would still change {_tables(changed)} in {self.path}: run it", state
                )
        if self._copied is None:
            return state
        copy = Database(self._copied, self.database.busy_timeout, self.context)
        found = copy.read(lambda connection: check(connection, self.options["integrity"]))
        refuse_damaged(copy.path, found)
        return {**state, "backup_file": copy.path, "backup_integrity": found}

    def apply(self, plan: Plan) -> State:
        path = plan.data["backup_file"]
        with self.database.locked() as connection:
            before = content(connection)
            reused = os.path.lexists(path)
            if reused:
                self._refuse_other(path, before)
            else:
                self._copy(path, before)
            try:
                run(connection, self._statements, self.path)
                refuse_damaged(self.path, check(connection, self.options["integrity"]))
                after = content(connection)
            except BaseException:
                if not reused:
                    os.unlink(path)
                raise
            connection.execute("COMMIT")
        self._copied = path
        return {
            "state": "scripted",
            "path": self.path,
            "backup_file": path,
            "tables": [name for name in differing(before, after) if name],
            "schema_changed": before[""] != after[""],
            "before": digest_of(before),
            "after": digest_of(after),
        }

    def undo(self, change: State) -> str:
        """Put the copy back, unless somebody wrote the database since, or has it open."""
        kept = f"{self.path} was not put back, its copy from before the script is {change['backup_file']}"
        copy = Database(change["backup_file"], self.database.busy_timeout, self.context)
        try:
            if not copy.present() or copy.read(lambda connection: digest_of(content(connection))) != change["before"]:
                raise NotUndone(f"{kept}, and that is not what it was")
            with self.database.connection() as connection:
                # The lock outlives the transaction: nobody writes between looking and putting back. In WAL mode it
                # is not had as long as somebody else has the database open.
                connection.execute("PRAGMA locking_mode = EXCLUSIVE")
                connection.execute("BEGIN EXCLUSIVE")
                found = digest_of(content(connection))
                connection.execute("COMMIT")
                if found != change["after"]:
                    raise NotUndone(f"{kept}: somebody wrote the database after the script")
                with copy.connection("mode=ro") as source:
                    source.backup(connection)
                    found = digest_of(content(connection))
        except OperationError as error:
            raise NotUndone(f"{kept}: {error}") from error
        if found != change["before"]:
            raise NotUndone(f"{kept}: what was written is not what was copied")
        return f"{self.path} is again what it was before the script"

    def _look(self, connection: sqlite3.Connection) -> State:
        found = content(connection)
        return {"digest": digest_of(found), "tables": {name: rows for name, (rows, _sha) in found.items() if name}}

    def _plan(self, before: State) -> Plan:
        found, after = self.database.read(self._rehearse)
        changed = differing(found, after)
        self._planned = True
        if not changed:
            return Plan()
        path = self.options["backup_file"] or dated(self.path, "before-script", self._now)
        if os.path.lexists(path):
            self._refuse_other(path, found)
        else:
            refuse_present(path, "backup_file")
        action = f"copy {self.path} to {path} and run {self._name()}, which changes {_tables(changed)}"
        diffs = [diff(self.path, _lines(found, changed), _lines(after, changed))]
        return Plan([action], diffs, {"backup_file": path})

    def _rehearse(self, connection: sqlite3.Connection) -> tuple[Content, Content]:
        """What the database holds, and what it would hold after the script, tried on a private copy.

        SQLite keeps that in memory, and what does not fit in a temporary file without a name.
        """
        with closing(sqlite3.connect("", isolation_level=None)) as private:
            connection.execute("SELECT 1 FROM sqlite_master").fetchone()
            connection.backup(private)
            before = content(private)
            private.execute("BEGIN")
            run(private, self._statements, self.path)
            refuse_damaged(f"{self.path} after the script", check(private, self.options["integrity"]))
            return before, content(private)

    def _copy(self, path: str, wanted: Content) -> None:
        refuse_present(path, "backup_file")
        place = new_file(path, self.database, self.options["integrity"])
        with self.database.connection("mode=ro") as source, place as target:
            source.backup(target)
            target.execute("PRAGMA journal_mode = DELETE")  # one file that can be read without making others beside it
            if content(target) != wanted:
                raise OperationError(f"{path} is not the same as {self.path} after copying: look at the disk")

    def _refuse_other(self, path: str, wanted: Content) -> None:
        """Refuse a copy that is there, unless an interrupted run left it just so."""
        copy = Database(path, self.database.busy_timeout, self.context)
        if not copy.present() or copy.read(content) != wanted:
            raise OperationError(
                f"{path} holds another content than {self.path} and is never overwritten: give another backup_file"
            )

    def _name(self) -> str:
        return str(self.options["script_path"] or "the script")


def _tables(changed: list[str]) -> str:
    return ", ".join(name or "the schema" for name in changed)


def _lines(found: Content, changed: list[str]) -> str:
    """A line for each table that changes: its rows and the start of their hash."""
    return "".join(
        f"{name or 'schema'}: {found[name][0]} {'rows' if name else 'entries'}, sha256 {found[name][1][:12]}\n"
        for name in changed
        if name in found
    )
