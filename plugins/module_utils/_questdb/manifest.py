# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifest of a backup, written last: without it a backup is none. PRIVATE to the collection."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import Any

from .._files import read_bytes, write_atomic
from .._operation import OperationError
from .layout import check_id
from .tables import Table, fingerprint
from .tree import FileEntry, Progress, unheard, verify_tree

FORMAT = 1
MANIFEST = "manifest.json"
COLD, CHECKPOINT_MODE = "cold", "checkpoint"
EXACT, AT_LEAST = "exact", "at_least"


@dataclass(frozen=True)
class Manifest:
    """What a backup holds.

    mode: ``cold`` or ``checkpoint``; version: of the server; taken: UTC
    files: by path relative to the backup; tables: by name; bytes: that the files take up
    counts: ``exact``, or ``at_least`` where writes were on their way into their tables when the copy was made
    """

    id: str
    mode: str
    version: str
    root: str
    instance_id: str
    taken: str
    files: dict[str, FileEntry]
    tables: dict[str, Table]
    bytes: int
    fingerprint: str
    counts: str = EXACT


def write_manifest(backup: str, manifest: Manifest) -> None:
    """Write it, fsynced and renamed."""
    content = json.dumps({"format": FORMAT, **asdict(manifest)}, indent=1, sort_keys=True).encode()
    write_atomic(os.path.join(backup, MANIFEST), content, mode=0o600)


def read_manifest(backup: str) -> Manifest:
    """What the backup's manifest says; OperationError if there is none, or it cannot be right."""
    if not os.path.isdir(backup):
        raise OperationError(f"{backup} is not a directory, so it is no backup: name one that is")
    content = read_bytes(os.path.join(backup, MANIFEST))
    if content is None:
        raise OperationError(f"{backup} has no manifest, so it may be half: name another backup, or take a new one")
    try:
        data = json.loads(content)
        if data["format"] != FORMAT:
            raise OperationError(f"{backup} has a manifest of format {data['format']!r}: update the collection")
        manifest = _parse(data)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise OperationError(f"the manifest of {backup} cannot be read: name another backup") from error
    check_id("the id in the manifest", manifest.id)
    if manifest.fingerprint != fingerprint(manifest.tables):
        raise OperationError(f"the manifest of {backup} was changed (its fingerprint is another): name another backup")
    return manifest


def verify_backup(backup: str, manifest: Manifest, *, progress: Progress = unheard) -> list[str]:
    """In what the backup differs from its manifest, as phrases; every file is read and hashed."""
    return verify_tree(backup, manifest.files, progress=progress, ignore=("", MANIFEST))


def _parse(data: dict[str, Any]) -> Manifest:
    del data["format"]
    files = {str(path): FileEntry(**entry) for path, entry in data.pop("files").items()}
    tables = {str(name): Table(**table) for name, table in data.pop("tables").items()}
    manifest = Manifest(**data, files=files, tables=tables)
    if manifest.mode not in (COLD, CHECKPOINT_MODE) or manifest.counts not in (EXACT, AT_LEAST):
        raise ValueError(manifest.mode)
    for path, entry in files.items():
        if path.startswith("/") or ".." in path.split("/") or min(entry.uid, entry.gid, entry.size) < 0:
            raise ValueError(path)
    return manifest
