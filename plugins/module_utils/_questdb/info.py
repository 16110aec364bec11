# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All that can be read of a QuestDB without changing it, and of its backups and safety copies (S1.8). PRIVATE.

A server that is down or does not answer is not a failure: what lies on disk is read all the same.
"""

from __future__ import annotations

import os
from typing import Any

from .._operation import Context, OperationError, State, absolute_path
from . import checkpoint as _checkpoint
from . import client as _client
from . import journal, layout, safety
from .instance import Instance
from .manifest import read_manifest, verify_backup
from .serves import check_serves
from .tables import Table, read_tables

OPTIONS: dict[str, Any] = {
    "root": {"type": "path", "required": True},
    "backups": {"type": "path"},
    "verify_backups": {"type": "bool", "default": False},
    **_client.OPTIONS,
}


def read(options: dict[str, Any], context: Context) -> State:
    """Everything that questdb_info returns. OperationError where root is no QuestDB's."""
    root = absolute_path("root", options["root"])
    instance = Instance(root)
    identity = layout.instance_id(instance, create=False)
    state: State = {
        "root": root,
        "instance": identity,
        "is_running": instance.is_held(),
        **_answers(_client.Client(_client.access_from(options), timeout=options["timeout"]), instance),
        "trigger": instance.has_trigger(),
        "checkpoint_files": instance.has_checkpoint(),
        "marker": _marker(root),
        "safety_copies": [copy.shown() for copy in safety.list_safety(root)],
        "interrupted": _interrupted(root),
        "backups": None,
    }
    if options["backups"] is not None:
        place = absolute_path("backups", options["backups"])
        state["backups"] = list_backups(place, identity, context, verify=options["verify_backups"])
    return state


def list_backups(place: str, identity: str | None, context: Context, *, verify: bool) -> list[State]:
    """The backups in a directory, the newest first, then what is no backup. One that is being made is not listed.

    identity: of the instance, to tell its own from others; verify: hash their files
    """
    names = sorted(os.listdir(place)) if os.path.isdir(place) else []
    found = [os.path.join(place, name) for name in names if layout.ID.fullmatch(name)]
    listed = [_backup(path, identity, context, verify) for path in found if os.path.isdir(path)]
    return sorted(listed, key=lambda backup: str(backup["taken"] or ""), reverse=True)


def _answers(client: _client.Client, instance: Instance) -> State:
    """What the server says of itself; null where it says nothing, and why."""
    state: State = {"version": None, "tables": None, "wal": None, "checkpoint": None, "problem": None}
    if not instance.is_held():
        return {**state, "problem": f"no server has {instance.root} open"}
    try:
        check_serves(client, instance)
        state["version"] = client.version()
        state["tables"] = {name: _shown(table) for name, table in read_tables(client).items()}
        state["wal"] = [
            {
                "table": row["name"],
                "suspended": row["suspended"],
                "behind": row["sequencerTxn"] - row["writerTxn"],
                "error": row.get("errorMessage") or row.get("errorTag") or None,
            }
            for row in client.query("wal_tables()").dicts()
        ]
        opened = _checkpoint.open_since(client)
        state["checkpoint"] = {"open": opened is not None, "since": opened and opened[0], "age": opened and opened[1]}
    except OperationError as error:
        state["problem"] = str(error)
    return state


def _marker(root: str) -> State | None:
    """Without what the tables held after each restore, which is nobody's but the next one's."""
    marker = safety.read_marker(root)
    return marker and {name: value for name, value in marker.items() if name != "restores"}


def _shown(table: Table) -> State:
    return {
        "kind": table.kind,
        "rows": table.rows,
        "first": table.first,
        "last": table.last,
        "wal": table.wal,
        "dedup": table.dedup,
        "partition_by": table.partition_by,
        "partitions": len(table.partitions),
        "directory": table.directory,
    }


def _interrupted(root: str) -> State:
    """What was begun and has not ended; what is under way just now, too."""
    run, lease = journal.unfinished(root), _checkpoint.read_lease(root)
    return {
        "restore": run and {"id": run.id, "step": run.step, "done": run.is_done},
        "backup": lease and {"id": lease.name, "mode": lease.mode, "stopped": lease.stopped},
        "process": layout.holder(root),
    }


def _backup(path: str, identity: str | None, context: Context, verify: bool) -> State:
    state: State = {"path": path, "id": os.path.basename(path), "whole": None, "wrong": []}
    unknown = ("taken", "mode", "version", "bytes", "counts", "fingerprint", "own", "tables")
    try:
        manifest = read_manifest(path)
    except OperationError as error:
        return {**state, **dict.fromkeys(unknown), "whole": False, "wrong": [str(error)]}
    state.update(
        taken=manifest.taken,
        mode=manifest.mode,
        version=manifest.version,
        bytes=manifest.bytes,
        counts=manifest.counts,
        fingerprint=manifest.fingerprint,
        own=manifest.instance_id == identity,
        tables={name: table.rows for name, table in manifest.tables.items()},
    )
    if verify:

        def progress(done: int, total: int) -> None:
            context.progress({"doing": f"verify {path}", "done": done, "total": total})

        wrong = verify_backup(path, manifest, progress=progress)
        state.update(whole=not wrong, wrong=wrong[:20])
    return state
