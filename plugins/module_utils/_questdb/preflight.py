# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold before a restore touches anything. PRIVATE to the collection."""

from __future__ import annotations

import os
import stat

from .._operation import OperationError
from . import layout
from .client import Client
from .instance import CHECKPOINT, Instance
from .intact import wrong_partitions
from .manifest import verify_backup
from .source import Source
from .tree import Progress
from .versions import check_version

MOST_NAMED = 3
SPARE = 0.05
"""Room beyond the staged copy, as a part of it: the server writes when it starts."""


def check_root(instance: Instance) -> None:
    """The root can be worked in: by this user, by rename, and nothing in it leads elsewhere."""
    owner, _group = instance.owner()
    if os.geteuid() not in (0, owner):
        raise OperationError(f"{instance.db} belongs to uid {owner}, not to this user: set become")
    if os.path.ismount(instance.db) or _device(instance.db) != _device(instance.root):
        raise OperationError(
            f"{instance.db} is on a file system of its own, so that no rename can put another in its place: mount "
            f"{instance.root} instead"
        )
    layout.check_places(instance)
    links = instance.symlinks()
    if links:
        raise OperationError(
            f"{instance.db} has symlinks ({', '.join(links[:MOST_NAMED])}), and what they lead to would not be kept: "
            "attach it as real directories first"
        )


def check_trigger(instance: Instance) -> None:
    """Nobody else is about to restore something here."""
    if instance.has_trigger():
        raise OperationError(
            f"{instance.trigger} is there, and no restore of this collection left it: find out who means to restore "
            "what, then remove it"
        )


def check_checkpoint(client: Client) -> None:
    """No checkpoint is open: a backup is being taken."""
    row = client.query("checkpoint_status()").rows[0]
    if row[0]:
        raise OperationError(
            f"a checkpoint is open since {row[1]}, so a backup is being taken: wait for it, or release it with "
            "CHECKPOINT RELEASE"
        )


def check_source(instance: Instance, source: Source, version: str | None, *, rehearse: bool) -> None:
    """The source is of this instance, for this server, and can be recovered here."""
    check_version(source.path, source.version, version)
    if not os.path.isdir(os.path.join(source.path, "db")):
        raise OperationError(
            f"{source.path} has no db any more: it is live since, with all that was written to it; name another one"
        )
    if source.checkpoint and not os.path.isdir(os.path.join(source.path, CHECKPOINT, "db")):
        raise OperationError(f"{source.path} was taken of a checkpoint and has none in it: name another backup")
    known = layout.instance_id(instance, create=False)
    if source.manifest and known and source.manifest.instance_id != known:
        raise OperationError(
            f"{source.path} is a backup of another instance ({source.manifest.root}), not of {instance.root}: name one "
            "of this instance"
        )
    if source.checkpoint and not rehearse and not _may_write(instance):
        raise OperationError(
            f"{instance.root} cannot be written by the owner of {instance.db}, so the server could not remove its "
            f"trigger and would end at every start: give {instance.root} to that user, or set rehearse"
        )


def check_files(source: Source, progress: Progress) -> None:
    """Every file of a backup is what its manifest says, and its tables lack none, even if it was taken so."""
    manifest = source.manifest
    if manifest is None:
        return
    wrong = verify_backup(source.path, manifest, progress=progress)
    wrong = wrong or wrong_partitions(manifest.tables, manifest.files, source.path, manifest.mode)
    if wrong:
        more = f" and {len(wrong) - MOST_NAMED} more" if len(wrong) > MOST_NAMED else ""
        raise OperationError(
            f"backup {source.path} is damaged ({'; '.join(wrong[:MOST_NAMED])}{more}): name another backup"
        )


def check_space(instance: Instance, source: Source) -> None:
    """The staged copy fits. A safety copy is moved, and takes no space."""
    if source.manifest is None:
        return
    state = os.statvfs(instance.root)
    free = state.f_bavail * state.f_frsize
    needed = source.manifest.bytes + int(SPARE * source.manifest.bytes)
    if free < needed:
        raise OperationError(
            f"{instance.root} has {free >> 20} MiB free, and staging {source.path} takes {needed >> 20} MiB: make room"
        )


def parts(source: Source) -> list[str]:
    """The directories of a source that are staged."""
    return ["db", CHECKPOINT] if source.checkpoint else ["db"]


def _may_write(instance: Instance) -> bool:
    """Whether the server's user may remove a file from the root."""
    uid, gid = instance.owner()
    state = os.stat(instance.root)
    if uid in (0, state.st_uid):
        return uid == 0 or bool(state.st_mode & stat.S_IWUSR)
    return bool(state.st_mode & (stat.S_IWGRP if gid == state.st_gid else stat.S_IWOTH))


def _device(path: str) -> int:
    return os.stat(path, follow_symlinks=False).st_dev
