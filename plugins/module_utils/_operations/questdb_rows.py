# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows brought back into a live QuestDB from what a restore replaced (S1.7, S2.3)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from .._operation import Context, NotUndone, Operation, OperationError, Plan, State
from .._questdb import client as _client
from .._questdb import layout
from .._questdb.beside import boot_of, opened_beside
from .._questdb.client import access_from
from .._questdb.compared import Reader
from .._questdb.instance import Instance
from .._questdb.journal import unfinished
from .._questdb.landing import clear, is_landing, prove_writes, settle
from .._questdb.rehearse import Boot
from .._questdb.rows import Comparison, Found, arrived
from .._questdb.safety import Safety, find_safety
from .._questdb.serves import check_serves
from .._questdb.signals import ending_tidily
from .._questdb.tables import read_tables

MOST_NAMED = 3


@dataclass(frozen=True)
class Seen:
    """What both databases were found to hold."""

    tables: dict[str, Found]
    refused: list[str]
    left_over: bool


class QuestdbRows(Operation):
    """``returned``: each row that the safety copy has is in the live database, as often as there.

    What the live database has beyond that stays as it is. A row whose DEDUP key another row has there stays out.
    """

    OPTIONS = {
        "root": {"type": "path", "required": True},
        "safety_copy": {"type": "str", "required": True},
        "state": {"type": "str", "default": "returned", "choices": ["returned"]},
        "tables": {"type": "list", "elements": "str", "default": []},
        "command": {"type": "list", "elements": "str"},
        "start_timeout": {"type": "float", "default": 120},
        "drain_timeout": {"type": "float", "default": 60},
        **_client.OPTIONS,
    }
    PROOF_IS_STATE = True

    def __init__(self, options: dict[str, Any], context: Context) -> None:
        super().__init__(options, context)
        self.root: str = options["root"]
        self.live = Reader(access_from(options), timeout=options["timeout"])
        self._seen: Seen | None = None  # by this run, after all that it changed
        for option, least in (("start_timeout", 1), ("drain_timeout", 0), ("timeout", 0)):
            if options[option] < least:
                raise OperationError(f"{option} is {options[option]:g}: make it {least} or more")

    def observe(self) -> State:
        """``safety_copy``, and of each table of it ``exists``, ``missing`` and ``taken``. Reads every row of both."""
        instance, safety = self._places()
        with ending_tidily("the comparison"), layout.locked(instance), self._beside(instance, safety) as copy:
            self._arrived()
            self._seen = self._look(copy)
        return self._state(safety, self._seen)

    def plan(self, before: State) -> Plan:
        seen = self._seen
        if seen is None:
            raise OperationError("nothing was compared yet: observe first")
        if seen.refused:
            more = f"; and {len(seen.refused) - MOST_NAMED} more tables" if len(seen.refused) > MOST_NAMED else ""
            raise OperationError(
                f"{'; '.join(seen.refused[:MOST_NAMED])}{more}: name in tables those that shall come back, without it"
            )
        wanted = {name: found for name, found in seen.tables.items() if found.missing or not found.exists}
        actions = [_action(name, found) for name, found in wanted.items()]
        if seen.left_over:
            actions.append("remove the table in which an interrupted run left rows on their way")
        diff = {
            "before": "".join(f"{name}: {found.missing} rows missing\n" for name, found in wanted.items()),
            "after": "".join(f"{name}: 0 rows missing\n" for name in wanted),
            "before_header": self.root,
            "after_header": before["safety_copy"],
        }
        return Plan(actions, [diff] if wanted else [], {"tables": wanted})

    def apply(self, plan: Plan) -> State:
        instance, safety = self._places()
        wanted: dict[str, Found] = plan.data["tables"]
        begun = time.monotonic()
        change: State = {"safety_copy": safety.path, "tables": {}}
        with ending_tidily("bringing rows back"), layout.locked(instance):
            if unfinished(self.root):
                raise OperationError(_interrupted(self.root))
            with self._beside(instance, safety) as copy:
                self._arrived()
                prove_writes(self.live, instance.db)
                clear(self.live)
                tables, live = read_tables(copy), read_tables(self.live)
                missing = [name for name in wanted if name not in live]
                for name in missing:
                    Comparison((copy, tables), (self.live, live), [name], self._told).create(name)
                live = read_tables(self.live) if missing else live
                comparison = Comparison((copy, tables), (self.live, live), list(wanted), self._told)
                refused = comparison.refusals() if wanted else []
                if refused:
                    raise OperationError(f"{refused[0]} now: look at what changed it, and run it again")
                before = self._arrived()
                for name, found in wanted.items():
                    rows, batches = comparison.bring_back(name, found.slices, instance.db)
                    change["tables"][name] = {
                        "missing": found.missing,
                        "returned": rows,
                        "taken": found.taken,
                        "created": name in missing,
                        "batches": batches,
                    }
                after = self._arrived()
                change["seconds"] = {"write": round(time.monotonic() - begun, 3)}
                self._seen = self._look(copy)
        counts = {name: table.rows for name, table in live.items()}
        for name, done in change["tables"].items():
            transactions = [found.get(name) for found in (before, after)]
            done["exact"] = self._count(name) == counts[name] + done["returned"] and (
                transactions[0] is None or transactions[1] == transactions[0] + done.pop("batches")
            )
            done.pop("batches", None)
        change["rows"] = sum(done["returned"] for done in change["tables"].values())
        change["exact"] = all(done["exact"] for done in change["tables"].values())
        return change

    def prove(self) -> State:
        """No row is missing. What this run found out after it changed the last thing is not read again."""
        if self._seen is None:
            self.observe()
        _instance, safety = self._places()
        seen = self._seen
        state = self._state(safety, seen) if seen else {}
        if seen is None or seen.refused:
            raise OperationError(f"{seen.refused[0] if seen else self.root}: it cannot be compared", state)
        lacking = {name: found for name, found in seen.tables.items() if found.missing or not found.exists}
        if lacking:
            named = ", ".join(f"{found.missing} of {name}" for name, found in lacking.items())
            raise OperationError(f"rows of {safety.path} are not in the live database ({named}): run it again", state)
        return state

    def undo(self, change: State) -> str:
        raise NotUndone(f"the {change['rows']} rows that were brought back stay: they were there before")

    def _places(self) -> tuple[Instance, Safety]:
        if unfinished(self.root):
            raise OperationError(_interrupted(self.root))
        instance = Instance(self.root)
        wanted = self.options["safety_copy"]
        return instance, find_safety(self.root, wanted.rstrip("/") or wanted)

    @contextmanager
    def _beside(self, instance: Instance, safety: Safety) -> Iterator[Reader]:
        check_serves(self.live, instance)
        boot = Boot(self.options["command"]) if self.options["command"] else boot_of(self.root)
        if boot is None:
            raise OperationError(f"no process is seen that serves {self.root}, so how to read {safety.path} is not "
                                 "known: give command")  # fmt: skip
        with opened_beside(
            instance,
            safety,
            boot,
            self.live.access,
            timeout=self.context.remaining(self.options["start_timeout"]),
            remaining=self._remaining(),
            progress=self.context.telling(f"copy {safety.path}"),
        ) as client:
            yield Reader(client.access, timeout=self.options["timeout"])

    def _look(self, copy: Reader) -> Seen:
        live = read_tables(self.live)
        comparison = Comparison((copy, read_tables(copy)), (self.live, live), self.options["tables"], self._told)
        refused = comparison.refusals()
        return Seen({} if refused else comparison.find(), refused, any(map(is_landing, live)))

    def _arrived(self) -> dict[str, int | None]:
        settle(self.live, self._remaining())
        return arrived(self.live, self._remaining())

    def _count(self, name: str) -> int:
        return self.live.count(name, "")

    def _remaining(self) -> Any:
        limit = time.monotonic() + self.context.remaining(self.options["drain_timeout"])
        return lambda: limit - time.monotonic()

    def _told(self, name: str, done: int, total: int) -> None:
        self.context.progress({"doing": f"compare {name}", "done": done, "total": total})

    def _state(self, safety: Safety, seen: Seen) -> State:
        return {
            "root": self.root,
            "safety_copy": safety.path,
            "tables": {name: found.shown() for name, found in seen.tables.items()},
            "refused": seen.refused,
            "missing": sum(found.missing for found in seen.tables.values()),
            "taken": sum(found.taken for found in seen.tables.values()),
        }


def _action(name: str, found: Found) -> str:
    made = "" if found.exists else ", which is created"
    kept = f"; {found.taken} more stay out, their keys are taken" if found.taken else ""
    return f"bring {found.missing} rows back into table {name}{made}{kept}"


def _interrupted(root: str) -> str:
    return f"a restore of {root} was interrupted: finish it with questdb_restore first"
