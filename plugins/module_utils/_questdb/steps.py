# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of a restore, each one a method that returns what later ones need to know. PRIVATE to the collection.

``restore.py`` says in which order they are carried out, and what comes of it when one fails or is killed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any, Callable

from .._files import NO_FOLLOW, sync_directory
from .._operation import Context, OperationError, State
from . import layout, preflight
from .client import Client
from .copied import as_copied
from .instance import CHECKPOINT, DB, Instance
from .journal import Journal, Run
from .lineage import UNKNOWN, Restores, restores_of, with_restore
from .loss import loss, loss_of, refuse_loss
from .manifest import COLD
from .rehearse import Boot, rehearsed
from .safety import REPLACED, Safety, make_directory, prune, remove_directory, write_marker, write_safety
from .server import Server, transactions
from .serves import check_serves
from .source import BACKUP, Source
from .swap import arrange, inode
from .tables import Table, fingerprint, read_tables, wait_for_wal
from .tree import verify_tree
from .tree_copy import copy_tree, give
from .verify import verify
from .versions import check_version, version_of

AHEAD, WAY_BACK = 30.0, 30.0
"""Seconds of a step's time limit, beyond the time of one start, to go forward from the stop, and to go back."""


@dataclass(frozen=True)
class Terms:
    """What was asked for.

    columns: whether every column of every row is read; revert: what a failure leads to; keep: how many safety copies
    stay, None: all; times in seconds; boots: whether the server shall run in the end
    """

    allow_discard: bool = False
    rehearse: bool = False
    columns: bool = True
    revert: bool = True
    keep: int | None = None
    start_timeout: float = 120.0
    drain_timeout: float = 60.0
    boots: bool = True


class Steps:
    """One restore of an instance: what it works with, and what it does.

    source: None where an interrupted run is gone on with; boot: how a copy is booted, None if that is not known
    """

    def __init__(
        self,
        server: Server,
        terms: Terms,
        context: Context,
        journal: Journal,
        *,
        source: Source | None = None,
        boot: Boot | None = None,
        files_checked: bool = False,
    ) -> None:
        self.server = server
        self.client: Client = server.client
        self.instance: Instance = server.instance
        self.root = server.instance.root
        self.terms = terms
        self.context = context
        self.journal = journal
        self.source = source
        self.boot = boot
        self._files_checked = files_checked
        self._asked_to_stop = False
        self._run: Run | None = journal.run

    @property
    def run(self) -> Run:
        if self._run is None:
            raise OperationError(f"no restore of {self.root} was begun: run it from its begin")
        return self._run

    @property
    def facts(self) -> State:
        return self.run.facts

    def _preflight(self) -> None:
        source = self._source()
        up = self.facts["was_up"]
        preflight.check_root(self.instance)
        preflight.check_trigger(self.instance)
        self.server.check()
        self._check_time()
        if up:
            preflight.check_checkpoint(self.client)
        version = self.client.version() if up else version_of(self.boot)
        preflight.check_source(self.instance, source, version, rehearse=self.terms.rehearse)
        preflight.check_space(self.instance, source)
        if not self._files_checked:
            preflight.check_files(source, self.context.telling(f"check {source.path}"))

    def _diff(self) -> State:
        if self.facts["was_up"]:
            check_serves(self.client, self.instance)
        tables = read_tables(self.client, self.instance.db) if self.facts["was_up"] else None
        return self._loss(tables)

    def _stage(self) -> State:
        source = self._source()
        if source.kind != BACKUP:
            return self._staged(source.path)
        place = layout.stage(self.root, self.run.id)
        owner = self.instance.owner()
        make_directory(place, owner)
        for part in preflight.parts(source):
            progress = self.context.telling(f"copy {part}")
            copy_tree(os.path.join(source.path, part), os.path.join(place, part), progress=progress)
        give(place, owner)
        if source.manifest:
            files = {path: entry for path, entry in source.manifest.files.items() if path}
            wrong = verify_tree(place, files, progress=self.context.telling("check the copy"), ignore=("",))
            if wrong:
                raise OperationError(f"the staged copy is not what was copied ({wrong[0]}): look at the disk")
        return self._staged(place)

    def _rehearse(self) -> State:
        if not self.terms.rehearse:
            return {}
        if self.boot is None:
            raise OperationError(
                "how to boot the staged copy is not known, since no running server shows it: give command"
            )
        staged = os.path.join(self.root, self.facts["staged_at"], DB)
        with self._booted(self.boot, staged, restore=self.facts["checkpoint"]) as client:
            self._check_version(client)
            found = self._verified(client, staged, at_least=self.facts["at_least"])
        os.sync()  # what it wrote is on disk before it goes live
        marks = transactions(staged)
        return {"rehearsed": True, "wanted": content_of(found), "at_least": False, "staged_marks": marks}

    def _stop(self) -> State:
        self._keep_time()
        tables, marks = None, None
        if self.facts["was_up"]:
            wait_for_wal(self.client, self._within(self.terms.drain_timeout))
            marks = transactions(self.instance.db)
            tables = read_tables(self.client, self.instance.db)
        lost = self._loss(tables)
        version = self.client.version() if self.facts["was_up"] else None
        stopped_at = time.time()
        if self.facts["was_running"]:
            self._asked_to_stop = True
            self.server.stop()
        elif self.server.is_running() or self.instance.is_held():
            raise OperationError(f"a server was started on {self.root} since the restore was begun: run it again")
        if self.client.is_up():
            raise OperationError(
                f"{self.client.access.url} still answers now that {self.server.name} is stopped, so it is another "
                "server's: correct url, or stop what is in front of it"
            )
        exact, now = False, transactions(self.instance.db)
        if tables is not None and marks is not None:
            tables, exact = self._at_rest(tables, marks, now)
            lost = self._loss(tables) if exact else lost
        return {
            **lost,
            "before": None if tables is None else content_of(tables),
            "version": version,
            "exact": exact,
            "stopped_at": stopped_at,
            "live": inode(self.instance.db),
            "marks": now,
            "live_checkpoint": inode(self.instance.checkpoint),
        }

    def _at_rest(self, counted: dict[str, Table], marks: State, now: State) -> tuple[dict[str, Table], bool]:
        """What the stopped tree holds, and whether that is exact. marks: of its transactions when it was counted"""
        if now == marks:
            return counted, True
        if not self.terms.allow_discard:
            raise OperationError(
                f"rows were written to {self.root} while its server was being stopped: stop every writer, or set "
                "allow_discard, which keeps them in the safety copy"
            )
        try:
            found = as_copied(counted, self.root, COLD)
        except OperationError:
            return counted, False
        whole = now.keys() == marks.keys() and not any(table.pending for table in found.values())
        return (found, True) if whole else (counted, False)

    def _swap(self) -> None:
        if not self._is_swapped() and not self._is_at_rest():
            raise OperationError(
                f"a server was started on {self.root} after it was stopped, and may have taken rows: run it again"
            )
        self._describe(self.run.id, REPLACED, self._before(), self.facts["exact"])
        write_marker(self.instance, None)
        self._arrange({DB: self.facts["staged"], f"{self._safety_place()}/{DB}": self.facts["live"]}, self._places())
        names = {}
        put = self.facts["staged_checkpoint"]  # of a safety copy it is what was there, stale or not
        if put and (self._needs_trigger() or self.run.request["kind"] != BACKUP):
            names[CHECKPOINT] = put
        if self.facts["live_checkpoint"]:
            names[f"{self._safety_place()}/{CHECKPOINT}"] = self.facts["live_checkpoint"]
        if names:
            places = (".", self.facts["staged_at"], self._safety_place())
            self._arrange(names, [os.path.normpath(f"{place}/{CHECKPOINT}") for place in places])

    def _trigger(self) -> None:
        if self._needs_trigger() and self.instance.has_checkpoint() and not self.instance.has_trigger():
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_FOLLOW
            with self.instance.kept_from_starting():
                if transactions(self.instance.db) != self.facts["staged_marks"]:
                    raise OperationError(f"rows were written to {self.root} before its checkpoint was recovered")
                descriptor = os.open(self.instance.trigger, flags, 0o600)
                try:
                    if os.geteuid() == 0:
                        os.fchown(descriptor, *self.instance.owner())
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
                sync_directory(self.root)

    def _start(self) -> State:
        if not self.run.request["boots"]:
            return {}
        if self.instance.has_trigger() and not self.instance.has_checkpoint():
            os.unlink(self.instance.trigger)  # it was recovered, and the server killed before it said so
        if self.server.is_running():
            self.server.wait_until_up()
        else:
            self.server.start()
        if self.instance.has_trigger():
            raise OperationError(
                f"the server started and left {self.instance.trigger} there, so it did not recover the checkpoint: "
                "look at its log"
            )
        self._check_version(self.client)
        return {"downtime": round(time.time() - self.facts["stopped_at"], 3) if self.facts["was_running"] else None}

    def _settle(self) -> None:
        if self.run.request["boots"]:
            wait_for_wal(self.client, self._within(self.terms.start_timeout))

    def _verify(self) -> State:
        if not self.run.request["boots"]:
            return {"fingerprint": None, "transactions": {}, "born": self._wanted_exactly()}
        # A tree that was rehearsed holds just what it shall. What came since is a writer's, who was not stopped.
        at_least = self.facts["at_least"] or bool(self.facts.get("rehearsed"))
        born = self._born(self._verified(self.client, self.instance.db, at_least=at_least))
        return {
            "fingerprint": fingerprint(born),
            "transactions": {name: table.seq_txn for name, table in born.items()},
            "born": content_of(born),
        }

    def _commit(self) -> State:
        self._mark(self.run.request["kind"], self.facts.get("born"))
        counted = self._count_safety_copy()
        self._forget(os.path.join(self.root, self.facts["staged_at"]))
        self._clear()
        keep = self.terms.keep
        return {**counted, "pruned": [] if keep is None else prune(self.root, keep, self.run.id)}

    def _mark(self, kind: str, born: State | None) -> None:
        """Say what is live now, and that a history begins with it. born: the tables, None if they are not known"""
        request, restored = self.run.request, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        marker = {
            "id": request["id"],
            "kind": kind,
            "path": request["path"],
            "run": self.run.id,
            "restored": restored,
            "fingerprint": self.facts.get("fingerprint"),
            "transactions": self.facts.get("transactions", {}),
            "safety_copy": self.run.id,
            "restores": with_restore(self._restores(), self.run.id, restored, self._history(), born),
        }
        write_marker(self.instance, marker)

    def _history(self) -> str:
        """That of the source; a run that an earlier version began has not written it down."""
        return str(self.facts.get("history", UNKNOWN))

    def _restores(self) -> Restores:
        """Those before this one."""
        return restores_of(self.facts["marker"])

    def _born(self, found: dict[str, Table]) -> dict[str, Table]:
        """The tables that were found, without what somebody has written to them since the server was started."""
        if self.facts["wanted"] is None:
            return found
        wanted = tables_of(self.facts["wanted"])
        both = {name: (table, wanted[name]) for name, table in found.items() if name in wanted}
        return {name: other if _is_written(table, other) else table for name, (table, other) in both.items()}

    def _wanted_exactly(self) -> State | None:
        """What the tables are to hold, if no row can be there beyond that."""
        return None if self.facts["at_least"] else self.facts["wanted"]

    def _check_version(self, client: Client) -> None:
        """Of the server that was started: what starts one now may be another version than what ran before."""
        check_version(self.run.request["path"], self.facts["source_version"], client.version())

    def _staged(self, place: str) -> State:
        """Where what will be live is, and what it is known by."""
        return {
            "staged": inode(os.path.join(place, DB)),
            "staged_at": self._below(place),
            "staged_marks": transactions(os.path.join(place, DB)),
            "staged_checkpoint": inode(os.path.join(place, CHECKPOINT)),
        }

    def _source(self) -> Source:
        if self.source is None:
            raise OperationError(f"what to restore is not known: name the backup that {self.run.request['path']} was")
        return self.source

    def _loss(self, tables: Mapping[str, Table] | None) -> State:
        """What of these would leave the live database; OperationError unless that is allowed."""
        source = self._source()
        lost, other = loss(tables, source, self.facts["marker"])
        refuse_loss(self.root, source, tables, lost, other, allowed=self.terms.allow_discard)
        return {"rows_discarded": lost, "changed_tables": other}

    def _verified(self, client: Client, db: str, *, at_least: bool) -> dict[str, Table]:
        wait_for_wal(client, self._within(self.terms.start_timeout))
        wanted = self.facts["wanted"]
        return verify(
            client,
            None if wanted is None else tables_of(wanted),
            at_least=at_least,
            columns=self.run.request["columns"],
            remaining=lambda: self.context.remaining(3600.0),
            db=db,
        )

    def _count_safety_copy(self) -> State:
        """Where somebody wrote until the server was stopped, boot the safety copy and count what it holds."""
        if self.facts["exact"] or self.boot is None:
            return {}
        copy = layout.safety(self.root, self.run.id)
        try:
            with self._booted(self.boot, os.path.join(copy, DB), restore=False) as client:
                wait_for_wal(client, self._within(self.terms.start_timeout))
                tables = read_tables(client, os.path.join(copy, DB))
        except (OperationError, OSError):
            return {}
        wanted = self.facts["wanted"]
        restored = {} if wanted is None else tables_of(wanted)
        lost, found = loss_of(tables, restored, self._history(), self._restores())
        other = {*self.facts["changed_tables"], *found} - lost.keys()
        self.facts.update(rows_discarded=lost, changed_tables=sorted(other))
        self._describe(self.run.id, REPLACED, tables, exact=True)
        return {
            "rows_discarded": lost,
            "changed_tables": sorted(other),
            "before": content_of(tables),
            "exact": True,
        }

    def _booted(self, boot: Boot, db: str, *, restore: bool) -> Any:
        make_directory(layout.stage(self.root, self.run.id), self.instance.owner())
        return rehearsed(
            self.instance,
            boot,
            self.client.access,
            db,
            os.path.join(layout.stage(self.root, self.run.id), "boot"),
            restore=restore,
            timeout=self.context.remaining(self.terms.start_timeout),
        )

    def _describe(self, identifier: str, reason: str, tables: Mapping[str, Table] | None, exact: bool) -> None:
        safety = Safety(
            identifier,
            layout.safety(self.root, identifier),
            time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            reason,
            self.run.request["id"],
            self.facts["version"] if reason == REPLACED else self.facts["source_version"],
            None if tables is None else dict(tables),
            self.facts["rows_discarded"] if reason == REPLACED else {},
            exact,
        )
        write_safety(safety, self.instance.owner())

    def _arrange(self, wanted: Mapping[str, int], places: list[str]) -> None:
        for name in wanted:
            parent = os.path.dirname(name)
            if parent.startswith(layout.BOTFLEET):
                make_directory(os.path.join(self.root, parent), self.instance.owner())
        if self.instance.is_held():
            if DB in wanted and inode(self.instance.db) != wanted[DB]:
                raise OperationError(f"a server was started on {self.root} meanwhile: stop it, and run it again")
            arrange(self.root, wanted, places)
            return
        with self.instance.kept_from_starting():
            arrange(self.root, wanted, places)

    def _before(self) -> dict[str, Table] | None:
        before = self.facts["before"]
        return None if before is None else tables_of(before)

    def _places(self) -> list[str]:
        """All that a tree of this run may be called."""
        safety = self._safety_place()
        return [DB, f"{self.facts['staged_at']}/{DB}", f"{safety}/{DB}", f"{safety}.failed/{DB}"]

    def _is_swapped(self) -> bool:
        return inode(self.instance.db) == int(self.facts["staged"])

    def _is_at_rest(self) -> bool:
        """Whether the old tree, which is in place, is what it was when its server was stopped."""
        return not self.instance.is_held() and transactions(self.instance.db) == self.facts["marks"]

    def _check_time(self) -> None:
        """OperationError where the time limit is too near to stop the server, start it, and maybe take that back."""
        needed = self.terms.start_timeout + AHEAD + WAY_BACK
        left = self.context.remaining(needed)
        if left < needed:
            raise OperationError(
                f"{left:.0f} s of the step's time limit are left, and a restore that may have to be taken back is not "
                f"gone on with in less than {needed:g} s: raise the time limit"
            )

    def _keep_time(self) -> None:
        """From here on, that part of the time limit is kept which the way back may take."""
        self._check_time()
        if self.context.deadline is not None:
            self._work_until(self.context.deadline - self.terms.start_timeout - WAY_BACK)

    def _work_until(self, deadline: float | None) -> None:
        self.context = replace(self.context, deadline=deadline)
        self.server = self.server.within(self.context)

    def _needs_trigger(self) -> bool:
        return bool(self.facts["checkpoint"]) and not self.facts.get("rehearsed")

    def _clear(self) -> None:
        """Remove what this run staged. What no journal tells of stays: it might be what was live."""
        place = layout.stage(self.root, self.run.id)
        remove_directory(place)
        with suppress(OSError):
            os.rmdir(os.path.dirname(place))

    def _forget(self, place: str) -> None:
        """Remove the description of a safety copy that is none any more."""
        if not os.path.lexists(os.path.join(place, DB)):
            remove_directory(place)

    def _below(self, path: str) -> str:
        return os.path.relpath(path, self.root)

    def _safety_place(self) -> str:
        return self._below(layout.safety(self.root, self.run.id))

    def _within(self, seconds: float) -> Callable[[], float]:
        limit = time.monotonic() + self.context.remaining(seconds)
        return lambda: limit - time.monotonic()


def _is_written(table: Table, wanted: Table) -> bool:
    """Whether a table has seen more than it came with. What a view holds follows from tables."""
    if table.kind != "table" or table.seq_txn is None or wanted.seq_txn is None:
        return False
    return table.seq_txn > wanted.seq_txn


def tables_of(content: Mapping[str, Any]) -> dict[str, Table]:
    return {name: Table(**table) for name, table in content.items()}


def content_of(tables: Mapping[str, Table]) -> State:
    return {name: asdict(table) for name, table in tables.items()}
