# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A QuestDB, copied with a manifest of its files and its tables (S1.7, S2.3)."""

from __future__ import annotations

import errno
import os
from datetime import datetime, timezone
from typing import Any

from .._files import open_directory
from .._operation import Context, NotUndone, Operation, OperationError, Plan, State
from .._questdb import checkpoint as _checkpoint
from .._questdb import client as _client
from .._questdb import layout
from .._questdb.backup import Taking, take_cold, take_from_running
from .._questdb.instance import Instance
from .._questdb.journal import unfinished
from .._questdb.manifest import (
    AT_LEAST,
    CHECKPOINT_MODE,
    COLD,
    EXACT,
    Manifest,
    read_manifest,
    verify_backup,
    write_manifest,
)
from .._questdb.restore import EARLY
from .._questdb.server import SERVICE, Server
from .._questdb.serves import check_serves
from .._questdb.signals import ending_tidily
from .._questdb.space import check_space, size, wanted_free
from .._questdb.tables import Table, fingerprint
from .._questdb.tree import data_in
from .._snapshot import tree_copy


class QuestdbBackup(Operation):
    """``dest/name`` is a whole backup of the instance at ``root``. One that is there is read again, never replaced."""

    OPTIONS = {
        "root": {"type": "path", "required": True},
        "dest": {"type": "path", "required": True},
        "name": {"type": "str", "required": True},
        "mode": {"type": "str", "default": CHECKPOINT_MODE, "choices": [CHECKPOINT_MODE, COLD]},
        **_client.OPTIONS,
        "service": {"type": "dict", "options": SERVICE},
        "drain_timeout": {"type": "float", "default": 60},
        "start_timeout": {"type": "float", "default": 120},
        "min_free": {"type": "str", "default": "5%"},
    }
    CONSTRAINTS = {"required_if": [("mode", COLD, ("service",))]}
    PROOF_IS_STATE = True

    def __init__(self, options: dict[str, Any], context: Context) -> None:
        super().__init__(options, context)
        self.name = layout.check_id("name", options["name"])
        self.root, self.dest, self.mode = options["root"], options["dest"], options["mode"]
        self.path = os.path.join(self.dest, self.name)
        self.client = _client.Client(_client.access_from(options), timeout=options["timeout"])
        self._read: Manifest | None = None  # and verified, by this run
        wanted_free(options["min_free"], 0)
        for option in ("timeout", "drain_timeout", "start_timeout"):
            if options[option] < 0:
                raise OperationError(f"{option} is {options[option]:g}: set seconds, 0 or more")

    def observe(self) -> State:
        """``path``, ``present`` and, of a backup, ``whole``, ``wrong`` and what its manifest says."""
        if not os.path.lexists(self.path):
            return {"path": self.path, "present": False}
        try:
            manifest = read_manifest(self.path)
            wrong = verify_backup(self.path, manifest, progress=self._progress)
        except OperationError as error:
            return {"path": self.path, "present": True, "whole": False, "wrong": [str(error)]}
        if not wrong:
            self._read = manifest
        return _state(self.path, manifest, wrong)

    def plan(self, before: State) -> Plan:
        instance = Instance(self.root)
        if before["present"]:
            self._check_present(before, instance)
            return Plan()
        self._check_place(instance)
        process = layout.holder(self.root)
        if process is not None:
            raise OperationError(layout.busy(self.root, process))
        restore = unfinished(self.root)
        if restore and restore.step not in EARLY:
            raise OperationError(
                f"the restore of {restore.request['path']} into {self.root} was interrupted at {restore.step}: run it "
                "again, which finishes it, or questdb_restore with state reverted, which takes it back"
            )
        actions = self._repairs(instance)
        needed = check_space(instance.db, self.dest, self.options["min_free"])
        how = "which is stopped meanwhile" if self.mode == COLD else "which runs on"
        actions.append(f"copy {size(needed)} of QuestDB at {self.root}, {how}, to {self.path}")
        headers = {"before_header": self.path, "after_header": self.path}
        return Plan(actions, [{"before": "absent\n", "after": f"{self.mode} backup, {size(needed)}\n", **headers}])

    def apply(self, plan: Plan) -> State:
        instance = Instance(self.root)
        place = os.path.join(self.dest, f".{self.name}.partial")
        with ending_tidily(f"the backup {self.name}"), layout.locked(instance):
            taking = Taking(instance, self.client, self.context, self.name, place, self.options["drain_timeout"])
            self._repair(instance)
            check_serves(self.client, instance)
            version = self.client.version()
            try:
                taken = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
                if self.mode == COLD:
                    tables, files = take_cold(taking, self._server(instance))
                else:
                    tables, files = take_from_running(taking)
                manifest = Manifest(
                    id=self.name,
                    mode=self.mode,
                    version=version,
                    root=self.root,
                    instance_id=layout.instance_id(instance, create=True) or "",
                    taken=taken,
                    files=files,
                    tables=tables,
                    bytes=data_in(place),
                    fingerprint=fingerprint(tables),
                    counts=AT_LEAST if any(table.pending for table in tables.values()) else EXACT,
                )
                write_manifest(place, manifest)
                self._finish(place)
            except BaseException as error:
                _remove(place)
                if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise OperationError(
                        f"{self.dest} was filled up while the copy was made, and nothing of it is left: make room"
                    ) from error
                raise
        self._read = manifest
        return {**_facts(self.path, manifest), "seconds": taking.seconds}

    def prove(self) -> State:
        """Read the manifest again, and hash every file that this run has not read back yet."""
        manifest = read_manifest(self.path)
        if manifest != self._read:
            wrong = verify_backup(self.path, manifest, progress=self._progress)
            if wrong:
                raise OperationError(_damaged(self.path, wrong), _state(self.path, manifest, wrong))
        return _state(self.path, manifest, [])

    def undo(self, change: State) -> str:
        raise NotUndone(f"the backup {change['path']} stays: it harms nothing")

    def _progress(self, done: int, total: int) -> None:
        self.context.progress({"doing": f"verify {self.path}", "done": done, "total": total})

    def _server(self, instance: Instance) -> Server:
        return Server(self.options, self.context, instance, self.client)

    def _check_present(self, before: State, instance: Instance) -> None:
        if not before["whole"]:
            raise OperationError(_damaged(self.path, before["wrong"]), before)
        mine = layout.instance_id(instance, create=False)
        if self._read is None or self._read.instance_id != mine:
            raise OperationError(f"{self.path} is a backup of another instance than {self.root}: give another name")
        if self._read.mode != self.mode:
            raise OperationError(f"{self.path} is a {self._read.mode} backup, not a {self.mode} one: give another name")

    def _check_place(self, instance: Instance) -> None:
        links = instance.symlinks()
        if links:
            raise OperationError(
                f"{instance.db} has the symlink {links[0]}{f' and {len(links) - 1} more' if len(links) > 1 else ''}, "
                "whose data no copy of it would hold: attach it as real files"
            )
        if instance.has_trigger():
            raise OperationError(
                f"{instance.trigger} asks for a restore at the next start: start QuestDB, or remove it"
            )
        real = os.path.realpath(self.dest) + "/"
        for path in (instance.db, instance.checkpoint):
            if real.startswith(os.path.realpath(path) + "/"):
                raise OperationError(f"dest is {self.dest}, which is in {path}: keep backups elsewhere")

    def _repairs(self, instance: Instance) -> list[str]:
        """What an interrupted backup has left on the server, as actions; OperationError for what nobody may repair."""
        lease = _checkpoint.read_lease(self.root)
        if lease is not None and lease.stopped and not instance.is_held():
            if self.options["service"] is None:
                raise OperationError(f"QuestDB is down since the backup {lease.name} was interrupted: start it")
            return [f"start QuestDB, which the backup {lease.name} has left stopped when it was interrupted"]
        check_serves(self.client, instance)
        started_at = _checkpoint.left_open(self.client, self.root)
        if started_at is None:
            return []
        return [f"release the checkpoint of {started_at}, which an interrupted backup has left open"]

    def _repair(self, instance: Instance) -> None:
        lease = _checkpoint.read_lease(self.root)
        if lease is not None and lease.stopped and not instance.is_held():
            self._server(instance).start()
        started_at = _checkpoint.left_open(self.client, self.root)
        if started_at is not None:
            _checkpoint.release(self.client, instance, started_at)
        _checkpoint.drop_lease(instance)

    def _finish(self, place: str) -> None:
        directory = open_directory(self.dest)
        try:
            if os.path.lexists(self.path):
                raise OperationError(f"{self.path} appeared meanwhile and was left alone: give another name")
            os.rename(place, self.path)
            os.fsync(directory)
        finally:
            os.close(directory)


def _remove(place: str) -> None:
    directory = open_directory(os.path.dirname(place))
    try:
        tree_copy.remove(directory, os.path.basename(place))
    finally:
        os.close(directory)


def _damaged(path: str, wrong: list[str]) -> str:
    more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
    return f"{path} is no whole backup ({'; '.join(wrong[:3])}{more}): give another name, or remove it"


def _facts(path: str, manifest: Manifest) -> State:
    return {
        "path": path,
        "mode": manifest.mode,
        "version": manifest.version,
        "bytes": manifest.bytes,
        "counts": manifest.counts,
        "fingerprint": manifest.fingerprint,
        "tables": {name: _shown(table) for name, table in manifest.tables.items()},
    }


def _shown(table: Table) -> State:
    return {"rows": table.rows, "first": table.first, "last": table.last, "pending": table.pending}


def _state(path: str, manifest: Manifest, wrong: list[str]) -> State:
    return {**_facts(path, manifest), "present": True, "whole": not wrong, "wrong": wrong[:20], "taken": manifest.taken}
