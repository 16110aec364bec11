# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A QuestDB database put back from a backup, with what it replaces kept (S1.7, S2.3). PRIVATE to the collection."""

from __future__ import annotations

import os
import time
from typing import Any

from .._operation import Context, NotUndone, Operation, OperationError, Plan, State
from .._questdb import client as _client
from .._questdb import layout, preflight
from .._questdb.client import Client, Unreachable, access_from
from .._questdb.instance import DB, Instance
from .._questdb.journal import Run, opened, unfinished
from .._questdb.loss import loss, refuse_loss
from .._questdb.newest import resolved
from .._questdb.rehearse import Boot
from .._questdb.restore import EARLY, Restoration, mend_rename
from .._questdb.safety import REPLACED, find_safety, list_safety, read_marker
from .._questdb.schema import Statement, missing, statements_of
from .._questdb.server import SERVICE, Server
from .._questdb.serves import check_serves
from .._questdb.signals import ending_tidily
from .._questdb.source import BACKUP, SAFETY, Source, from_backup, from_safety, is_as_left
from .._questdb.steps import Terms
from .._questdb.tables import Table, fingerprint, read_tables, wait_for_wal
from .._questdb.verify import counts, differences, named
from .._questdb.versions import version_of


class QuestdbRestore(Operation):
    """``restored``: the database is what a backup holds. ``reverted``: what a safety copy holds.

    The steps are in ``_questdb/restore.py``. With ``schema_sql`` no row is restored.
    """

    OPTIONS = {
        "root": {"type": "path", "required": True},
        "state": {"type": "str", "default": "restored", "choices": ["restored", "reverted"]},
        "backup": {"type": "path"},
        "taken_before": {"type": "str"},
        "exclude": {"type": "list", "elements": "str", "default": []},
        "safety_copy": {"type": "str"},
        "schema_sql": {"type": "path"},
        "allow_discard": {"type": "bool", "default": False},
        "rehearse": {"type": "bool", "default": False},
        "command": {"type": "list", "elements": "str"},
        "verify": {"type": "str", "default": "columns", "choices": ["counts", "columns"]},
        "on_failure": {"type": "str", "default": "revert", "choices": ["revert", "leave"]},
        "keep_safety": {"type": "int"},
        "service": {"type": "dict", "options": SERVICE},
        "drain_timeout": {"type": "float", "default": 60},
        "start_timeout": {"type": "float", "default": 120},
        **_client.OPTIONS,
    }
    CONSTRAINTS = {
        "mutually_exclusive": [("backup", "safety_copy", "schema_sql")],
        "required_one_of": [("service", "schema_sql")],
    }
    PROOF_IS_STATE = True

    def __init__(self, options: dict[str, Any], context: Context) -> None:
        super().__init__(options, context)
        self.root: str = options["root"]
        self.wanted: str = options["state"]
        self.client = Client(access_from(options), timeout=options["timeout"])
        self._files_checked = False
        self._taken_back = False
        self._statements: list[Statement] = []
        self._live: dict[str, Table] | None = None
        for option, least in (("timeout", 1), ("start_timeout", 1), ("drain_timeout", 0), ("keep_safety", 1)):
            if options[option] is not None and options[option] < least:
                raise OperationError(f"{option} is {options[option]}: make it {least} or more")
        self._refuse_what_does_not_fit()
        if options["safety_copy"]:
            options["safety_copy"] = options["safety_copy"].rstrip("/") or "/"
        if options["backup"]:
            options["backup"] = resolved(options["backup"], options["taken_before"], options["exclude"])
        if options["schema_sql"]:
            self._statements = statements_of(options["schema_sql"])

    def observe(self) -> State:
        """What is live, as far as it can be seen without changing anything."""
        if self._statements:
            return {"tables": counts(read_tables(self.client))}
        run = unfinished(self.root)
        interrupted = run and {"run": run.id, "step": run.step or "preflight", "backup": run.request["path"]}
        if not os.path.isdir(os.path.join(self.root, DB)) and run:
            return {"root": self.root, "running": False, "answers": False, "interrupted": interrupted}
        server = self._server()
        server.wait_while_young()
        up = self._is_up(server)
        self._live = read_tables(self.client, server.instance.db) if up else None
        marker = read_marker(self.root)
        return {
            "root": self.root,
            "running": server.is_running(),
            "answers": up,
            "version": self.client.version() if up else None,
            "tables": None if self._live is None else counts(self._live),
            "fingerprint": None if self._live is None else fingerprint(self._live),
            "restored": marker and {name: marker[name] for name in ("kind", "id", "restored")},
            "safety_copies": [safety.path for safety in list_safety(self.root)],
            "interrupted": interrupted,
        }

    def plan(self, before: State) -> Plan:
        if self._statements:
            return self._plan_schema()
        process = layout.holder(self.root)
        if process is not None:
            raise OperationError(layout.busy(self.root, process))
        run = unfinished(self.root)
        if run and (run.step not in (*EARLY, "stop") or self._takes_back(run)):
            return self._plan_to_finish(run)
        source = self._source()
        if run and run.step == "stop" and not before["answers"]:
            return Plan([f"start {self.root} again, where a restore was interrupted, and go on with what is asked for"])
        plan = Plan() if source is None else self._plan_restore(source, before)
        if run and not plan.actions:
            left = f"clear away what the restore of {run.request['path']} left, which was interrupted"
            return Plan([left], data={"clears": True})
        return plan

    def apply(self, plan: Plan) -> State:
        if self._statements:
            return self._replay(plan.data["statements"])
        what = f"the restore of {self.root}"
        with ending_tidily(what, ""), layout.locked(Instance(self.root, has_db=False)):
            run = unfinished(self.root)
            if run:
                mend_rename(self.root, run)
            return self._carry_out(Instance(self.root), clears=bool(plan.data.get("clears")))

    def prove(self) -> State:
        """What was restored is there: the marker says which, and no row of it is missing."""
        state = self.observe()
        if self._statements:
            needed = missing(self.client, self._statements)
            if needed:
                raise OperationError(
                    f"{needed[0].table} is not as line {needed[0].line} of the schema says: run it", state
                )
            return {**state, "data_restored": False}
        if state["interrupted"]:
            raise OperationError(f"a restore of {self.root} was interrupted at {state['interrupted']['step']}: run it")
        if self._live is None:
            raise OperationError(f"QuestDB at {self.client.access.url} does not answer: look at its log", state)
        source = None if self._taken_back else self._source()
        marker = read_marker(self.root)
        if source is not None:
            if marker is None or (marker["kind"], marker["id"]) != (source.kind, source.id):
                raise OperationError(f"{self.root} was not restored from {source.path}: restore it", state)
            wrong = differences(self._live, source.tables or {}, at_least=True)
            if wrong:
                raise OperationError(f"{self.root} lacks what {source.path} holds ({wrong[0]}): restore it", state)
        return state

    def undo(self, change: State) -> str:
        """Put back what the restore replaced, unless rows came in since. The server runs if it ran before."""
        if self._statements or not change.get("run"):
            raise NotUndone("a schema that was replayed, or a restore that was taken back, stays as it is")
        marker = read_marker(self.root)
        instance = Instance(self.root)
        with layout.locked(instance), opened(instance) as journal:
            server = self._server()
            if journal.run or marker is None or marker.get("run") != change["run"]:
                raise NotUndone(f"{self.root} was restored again since; what was replaced is {change['safety_copy']}")
            if self._is_up(server) and not is_as_left(read_tables(self.client, instance.db), marker):
                raise NotUndone(
                    f"{self.root} was changed since it was restored, and stays so; what was replaced is "
                    f"{change['safety_copy']}"
                )
            source = from_safety(find_safety(self.root, change["safety_copy"]))
            terms = self._terms(allow_discard=True, rehearse=False, columns=False, boots=change["was_running"])
            Restoration(server, terms, self.context, journal, source=source, boot=self._boot(server)).restore()
        running = "and runs" if change["was_running"] else "and is stopped, as it was"
        return f"{self.root} is again what it was before {change['backup']} was restored, {running}"

    # Schema.

    def _plan_schema(self) -> Plan:
        needed = missing(self.client, self._statements)
        if not needed:
            return Plan()
        path = self.options["schema_sql"]
        actions = [f"replay {len(needed)} statements of {path}, which restores no row"]
        added = "".join(f"{_made(statement)}\n" for statement in needed)
        headers = {"before_header": self.client.access.url, "after_header": path}
        return Plan(actions, [{"before": "", "after": added, **headers}], {"statements": needed})

    def _replay(self, statements: list[Statement]) -> State:
        done: list[str] = []
        for statement in statements:
            try:
                self.client.query(statement.text)
            except OperationError as error:
                made = ", ".join(done) or "nothing"
                raise OperationError(
                    f"line {statement.line} of {self.options['schema_sql']} failed ({error}); made before it: {made}"
                ) from error
            done.append(_made(statement))
        limit = time.monotonic() + self.context.remaining(self.options["drain_timeout"])
        wait_for_wal(self.client, lambda: limit - time.monotonic())  # a column arrives in its table as rows do
        return {"schema": done, "data_restored": False, "rows_discarded": {}, "data_loss": False}

    # Restores.

    def _carry_out(self, instance: Instance, *, clears: bool) -> State:
        """Finish or take back what was interrupted, then restore, unless it was to be cleared away alone."""
        with opened(instance) as journal:
            server = self._server()
            boot = self._boot(server)
            if journal.run:
                interrupted = Restoration(server, self._terms(), self.context, journal, boot=boot)
                self._refuse_other(journal.run)
                self._taken_back = self._takes_back(journal.run)
                change = interrupted.take_back() if self._taken_back else interrupted.resume()
                if change is not None:
                    return change
            source = None if clears else self._source()
            if source is None:
                return {"state": self.wanted, "rows_discarded": {}, "data_loss": False}
            return Restoration(
                server,
                self._terms(),
                self.context,
                journal,
                source=source,
                boot=self._boot(server) or boot,
                files_checked=self._files_checked,
            ).restore()

    def _plan_restore(self, source: Source, before: State) -> Plan:
        server = self._server()
        instance = server.instance
        preflight.check_root(instance)
        preflight.check_trigger(instance)
        server.check()
        marker = read_marker(self.root)
        if self._live is not None:
            preflight.check_checkpoint(self.client)
            check_serves(self.client, instance)
            if source.is_live(marker, self._live):
                return Plan()
        version = before["version"] or version_of(self._boot(server))
        preflight.check_source(instance, source, version, rehearse=self.options["rehearse"])
        if self.options["rehearse"] and self._boot(server) is None:
            raise OperationError(
                f"how to boot a copy of {self.root} is not known, since no running server shows it: give command"
            )
        preflight.check_space(instance, source)
        lost, other = loss(self._live, source, marker)
        refuse_loss(self.root, source, self._live, lost, other, allowed=self.options["allow_discard"])
        preflight.check_files(source, self.context.telling(f"check {source.path}"))
        self._files_checked = True
        return Plan([_action(self.root, source, self._live, lost, other)], [_diff(self.root, source, self._live)])

    def _plan_to_finish(self, run: Run) -> Plan:
        self._refuse_other(run)
        which = f"the restore of {run.request['path']}, which was interrupted at {run.step or 'preflight'}"
        return Plan([f"{'take back' if self._takes_back(run) else 'finish'} {which}"])

    def _refuse_other(self, run: Run) -> None:
        """Another restore waits until the interrupted one has found its end."""
        if run.step in (*EARLY, "stop") or self._takes_back(run):
            return
        named_one = self.options["backup"] if run.request["kind"] == BACKUP else self.options["safety_copy"]
        if named_one in (run.request["path"], run.request["id"]) or (
            run.request["kind"] == SAFETY and self.wanted == "reverted" and named_one in (None, "latest")
        ):
            return
        raise OperationError(
            f"the restore of {run.request['path']} into {self.root} was interrupted at {run.step}: run that again, "
            "which finishes it, or state reverted, which takes it back"
        )

    def _takes_back(self, run: Run) -> bool:
        return self.wanted == "reverted" and not self.options["safety_copy"] and run.request["kind"] == BACKUP

    def _source(self) -> Source | None:
        """What is to be put in place; None where what was restored is taken back already."""
        if self.wanted == "restored":
            return from_backup(self.options["backup"])
        name = self.options["safety_copy"]
        marker = read_marker(self.root)
        if name is None and marker:
            if marker["kind"] == SAFETY:
                return None
            name = marker["safety_copy"]
        if marker and marker["kind"] == SAFETY and name == "latest":
            newest = next((safety.id for safety in list_safety(self.root) if safety.reason == REPLACED), None)
            if newest == marker["safety_copy"]:
                name = marker["id"]  # what made way for it is none to go back to, but by its name
        if marker and marker["kind"] == SAFETY and name in (marker["id"], marker["path"]):
            return Source(SAFETY, marker["id"], marker["path"], None, True, False, None, marker["restored"])
        return from_safety(find_safety(self.root, name or "latest"))

    def _terms(self, **others: Any) -> Terms:
        options = self.options
        terms = {
            "allow_discard": options["allow_discard"],
            "rehearse": options["rehearse"],
            "columns": options["verify"] == "columns",
            "revert": options["on_failure"] == "revert",
            "keep": options["keep_safety"],
            "start_timeout": options["start_timeout"],
            "drain_timeout": options["drain_timeout"],
        }
        return Terms(**{**terms, **others})

    def _server(self) -> Server:
        return Server(self.options, self.context, Instance(self.root), self.client)

    def _boot(self, server: Server) -> Boot | None:
        """How a copy is booted: as told, or as the running server was, or as its service starts it."""
        if self.options["command"]:
            return Boot(self.options["command"])
        running = server.boot()
        if running:
            return running
        command = server.options["command"]
        return Boot(command, server.options["chdir"] or "/") if command and "-d" in command else None

    def _is_up(self, server: Server) -> bool:
        """Whether it answers. That it wants other credentials is an error, and no reason to go on without counting."""
        if self.client.is_up():
            return True
        if server.instance.is_held():
            try:
                self.client.query("select 1", timeout=5)
            except Unreachable as error:
                if "credentials" in str(error):
                    raise
            except OperationError:
                return False
        return False

    def _refuse_what_does_not_fit(self) -> None:
        given = {name for name in ("backup", "safety_copy", "schema_sql") if self.options[name]}
        if self.wanted == "restored" and given not in ({"backup"}, {"schema_sql"}):
            raise OperationError("state restored takes a backup or a schema_sql: give one of them")
        if self.wanted == "reverted" and given - {"safety_copy"}:
            raise OperationError(f"state reverted makes nothing of {', '.join(given)}: leave it out")
        if not self.options["schema_sql"] and not self.options["service"]:
            raise OperationError("service is missing, and the server has to be stopped: say how")


def _made(statement: Statement) -> str:
    return statement.table if statement.column is None else f"{statement.table}.{statement.column}"


def _action(root: str, source: Source, live: dict[str, Table] | None, lost: dict[str, int], other: list[str]) -> str:
    action = f"restore {root} from {source.kind} {source.path} of {source.taken}"
    if live is None:
        action += "; the server does not answer, so nobody knows which rows leave the live database"
    if lost:
        action += f"; rows that leave the live database and stay in the safety copy: {named(lost)}"
    if other:
        action += f"; tables that were changed since: {', '.join(other)}"
    return action


def _diff(root: str, source: Source, live: dict[str, Table] | None) -> dict[str, str]:
    return {
        "before": "unknown\n" if live is None else _lines(live),
        "after": "unknown\n" if source.tables is None else _lines(source.tables),
        "before_header": root,
        "after_header": source.path,
    }


def _lines(tables: dict[str, Table]) -> str:
    return "".join(
        f"{name}: {table.rows} rows, {table.first} to {table.last}\n"
        for name, table in sorted(tables.items())
        if table.kind != "view"
    )
