# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is put in the place of the live database: a backup, or a safety copy. PRIVATE to the collection."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._operation import OperationError
from .manifest import AT_LEAST, CHECKPOINT_MODE, Manifest, read_manifest
from .safety import Safety
from .tables import Table, fingerprint

BACKUP, SAFETY = "backup", "safety"
LEFT = "left"
"""What the marker calls a source that a restore which failed has left in place."""


@dataclass(frozen=True)
class Source:
    """kind: ``backup`` (copied) or ``safety`` (moved back); path: its directory, with ``db`` in it

    tables: what it holds, None if no server could tell; at_least: there may be more rows in it than these
    checkpoint: whether the server has to recover it first; version: of the server that wrote it
    """

    kind: str
    id: str
    path: str
    tables: dict[str, Table] | None
    at_least: bool
    checkpoint: bool
    version: str | None
    taken: str
    manifest: Manifest | None = None

    def is_live(self, marker: Mapping[str, Any] | None, live: Mapping[str, Table]) -> bool:
        """Whether it was the last to be restored, and nothing has changed since."""
        if marker is None or (marker["id"], marker.get("kind")) != (self.id, self.kind):
            return False
        return is_as_left(live, marker)


def is_as_left(live: Mapping[str, Table], marker: Mapping[str, Any]) -> bool:
    """Whether a database is what the last restore has left: by counts, bounds and transactions.

    What a view holds follows from tables, and the server adds to it when it thinks fit.
    """
    left = marker.get("transactions") or {}
    moved = [name for name, table in live.items() if table.kind == "table" and table.seq_txn != left.get(name)]
    return not moved and fingerprint(live) == marker.get("fingerprint")


def from_backup(path: str) -> Source:
    """A backup, by its manifest; its files are not read yet."""
    manifest = read_manifest(path)
    if not os.path.isdir(os.path.join(path, "db")):
        raise OperationError(f"{path} has no db, so nothing can be restored from it: name another backup")
    return Source(
        BACKUP,
        manifest.id,
        path,
        manifest.tables,
        manifest.counts == AT_LEAST,
        manifest.mode == CHECKPOINT_MODE,
        manifest.version,
        manifest.taken,
        manifest,
    )


def from_safety(safety: Safety) -> Source:
    """A safety copy."""
    return Source(SAFETY, safety.id, safety.path, safety.tables, not safety.exact, False, safety.version, safety.taken)
