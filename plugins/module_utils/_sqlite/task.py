# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What moving rows, putting them back and running a script have in common. PRIVATE to the collection."""

from __future__ import annotations

import sqlite3
from typing import Any

from .._operation import Context, Operation, OperationError, Plan, Skip, State
from .database import Database, check


class Task(Operation):
    """One state of ``sqlite_rows``, an operation without an argument spec of its own. Its proof is a state."""

    def __init__(self, options: dict[str, Any], context: Context) -> None:
        super().__init__(options, context)
        if options["busy_timeout"] < 0:
            raise OperationError(f"busy_timeout is {options['busy_timeout']:g}: set seconds, 0 or more")
        self.database = Database(options["path"], options["busy_timeout"], context)
        self.path = self.database.path

    def observe(self) -> State:
        """``path``, ``present``, ``integrity`` (``ok`` or what is wrong), and what the task looks for in it."""
        if not self.database.present():
            return {"path": self.path, "present": False}
        return self.database.read(self._observe)

    def plan(self, before: State) -> Plan:
        if not before["present"]:
            if self.options["missing"] == "ok":
                raise Skip(f"{self.path} is not there, which is allowed here: nothing to do")
            raise OperationError(
                f"{self.path} is not there: correct the path, or set missing to ok where that is expected"
            )
        refuse_damaged(self.path, before["integrity"])
        return self._plan(before)

    def _observe(self, connection: sqlite3.Connection) -> State:
        found = check(connection, self.options["integrity"])
        state = {"path": self.path, "present": True, "integrity": found}
        return {**state, **self._look(connection)} if found == "ok" else state

    def _look(self, connection: sqlite3.Connection) -> State:
        """What the task looks for, in one consistent state of the database."""
        raise NotImplementedError

    def _plan(self, before: State) -> Plan:
        raise NotImplementedError

    def _proof(self) -> State:
        """The state, of a database that is there and sound."""
        state = self.observe()
        if not state["present"]:
            if self.options["missing"] == "ok":
                raise Skip(f"{self.path} is not there, which is allowed here: nothing to do")
            raise OperationError(
                f"{self.path} is not there: correct the path, or set missing to ok where that is expected"
            )
        if state["integrity"] != "ok":
            raise OperationError(f"{self.path} is damaged ({state['integrity']}): put a good copy in its place", state)
        return state


def refuse_damaged(path: str, found: str) -> None:
    """Refuse a database that did not pass its check."""
    if found != "ok":
        raise OperationError(f"{path} is damaged ({found}), and was left alone: put a good copy in its place first")


def diff(path: str, before: str, after: str) -> dict[str, str]:
    """An Ansible diff of what is said of a file: numbers of rows, never what is in them."""
    return {"before_header": path, "after_header": path, "before": before, "after": after}
