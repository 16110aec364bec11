# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows moved out of an SQLite database and put back, and scripts run on a copied one (S2.6, S2.9)."""

from __future__ import annotations

from typing import Any

from .._operation import Context, Operation, OperationError, Plan, State
from .._sqlite.move import Move
from .._sqlite.restore import Restore
from .._sqlite.script import Script
from .._sqlite.task import Task
from .._sqlite.window import UNITS

TASKS: dict[str, type[Task]] = {"moved": Move, "restored": Restore, "scripted": Script}
OWN = {
    "table": ("moved", "restored"),
    "column": ("moved",),
    "unit": ("moved",),
    "since": ("moved",),
    "until": ("moved",),
    "window": ("moved",),
    "side_file": ("moved", "restored"),
    "script": ("scripted",),
    "script_path": ("scripted",),
    "backup_file": ("scripted",),
}


class SqliteRows(Operation):
    """``moved``: a window's rows are in a side file. ``restored``: they are back. ``scripted``: a script has run.

    Each state is a task in ``_sqlite/``, which says there in which order it does things, and why so.
    """

    OPTIONS = {
        "path": {"type": "path", "required": True},
        "state": {"type": "str", "required": True, "choices": ["moved", "restored", "scripted"]},
        "table": {"type": "str"},
        "column": {"type": "str"},
        "unit": {"type": "str", "choices": UNITS},
        "since": {"type": "str"},
        "until": {"type": "str"},
        "window": {"type": "str"},
        "side_file": {"type": "path"},
        "taken_rowids": {"type": "str", "default": "refuse", "choices": ["refuse", "renumber"]},
        "script": {"type": "str"},
        "script_path": {"type": "path"},
        "backup_file": {"type": "path"},
        "integrity": {"type": "str", "default": "full", "choices": ["full", "quick"]},
        "busy_timeout": {"type": "float", "default": 30},
        "missing": {"type": "str", "default": "fail", "choices": ["fail", "ok"]},
    }
    CONSTRAINTS = {
        "mutually_exclusive": [("since", "window"), ("script", "script_path")],
        "required_if": [
            ("state", "moved", ("table", "column", "unit")),
            ("state", "moved", ("since", "window"), True),
            ("state", "restored", ("side_file",)),
            ("state", "scripted", ("script", "script_path"), True),
        ],
    }
    PROOF_IS_STATE = True

    def __init__(self, options: dict[str, Any], context: Context) -> None:
        super().__init__(options, context)
        state = options["state"]
        for name, states in OWN.items():
            if options[name] is not None and state not in states:
                raise OperationError(f"{name} is {options[name]!r}, which state {state} makes nothing of: leave it out")
        self._task = TASKS[state](options, context)

    def observe(self) -> State:
        """``path``, ``present``, ``integrity``, and what the task of this state looks for."""
        return self._task.observe()

    def plan(self, before: State) -> Plan:
        return self._task.plan(before)

    def apply(self, plan: Plan) -> State:
        return self._task.apply(plan)

    def prove(self) -> State:
        return self._task.prove()

    def undo(self, change: State) -> str:
        return self._task.undo(change)
