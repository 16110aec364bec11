# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Safety copies: what a restore replaced, as it was, and the marker of what was restored. PRIVATE to the collection."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import Any

from .._files import parent_directory, read_bytes, write_atomic
from .._operation import OperationError, State
from .._snapshot import tree_copy
from . import layout
from .instance import DB, Instance
from .tables import Table
from .tree import used_by

DESCRIPTION = "safety.json"
REPLACED, FAILED, UNREADABLE = "replaced", "failed", "unreadable"


@dataclass(frozen=True)
class Safety:
    """One safety copy.

    taken: UTC; reason: ``replaced`` (what was live before a restore), ``failed`` (what a restore that failed left) or
    ``unreadable`` (its description is damaged, so that nothing else is known of it)
    backup: what it made way for; tables: what it holds, None if no server could tell
    rows_discarded: rows by table that left the live database with it; exact: whether these are all, or at least these
    """

    id: str
    path: str
    taken: str
    reason: str
    backup: str
    version: str | None
    tables: dict[str, Table] | None
    rows_discarded: dict[str, int]
    exact: bool

    @property
    def db(self) -> str:
        return os.path.join(self.path, DB)

    def shown(self) -> State:
        """For people: sizes in bytes on disk, tables as their number of rows."""
        rows = None if self.tables is None else {name: table.rows for name, table in sorted(self.tables.items())}
        return {
            "id": self.id,
            "path": self.path,
            "taken": self.taken,
            "reason": self.reason,
            "backup": self.backup,
            "bytes": used_by(self.db),
            "tables": rows,
            "rows_discarded": self.rows_discarded,
            "exact": self.exact,
        }


def write_safety(safety: Safety, owner: tuple[int, int]) -> None:
    """Describe a safety copy, beside its ``db``, which may still have to come."""
    make_directory(safety.path, owner)
    content = {name: value for name, value in asdict(safety).items() if name != "path"}
    path = os.path.join(safety.path, DESCRIPTION)
    write_atomic(path, json.dumps(content, indent=1, sort_keys=True).encode(), mode=0o600, owner=owner)


def read_safety(root: str, identifier: str) -> Safety | None:
    """The safety copy of that name; None if there is none that is whole."""
    path = layout.safety(root, identifier)
    if not os.path.isdir(os.path.join(path, DB)):
        return None
    try:
        content = read_bytes(os.path.join(path, DESCRIPTION))
        if content is None:
            return None
        data = json.loads(content)
        tables = data.pop("tables")
        known = None if tables is None else {name: Table(**table) for name, table in tables.items()}
        return Safety(**{**data, "id": identifier, "path": path, "tables": known})
    except (ValueError, KeyError, TypeError, AttributeError, OperationError):
        return Safety(identifier, path, "", UNREADABLE, "", None, None, {}, exact=False)


def list_safety(root: str) -> list[Safety]:
    """All safety copies, the newest first."""
    try:
        names = os.listdir(os.path.dirname(layout.safety(root, "x")))
    except FileNotFoundError:
        return []
    found = [safety for safety in (read_safety(root, name) for name in names if layout.ID.fullmatch(name)) if safety]
    return sorted(found, key=lambda safety: (safety.taken, safety.id), reverse=True)


def find_safety(root: str, wanted: str) -> Safety:
    """The safety copy of a name or path, or the newest one that a restore replaced (``latest``)."""
    copies = list_safety(root)
    for safety in copies:
        if safety.reason == UNREADABLE and wanted in (safety.id, safety.path):
            raise OperationError(f"{safety.path}/{DESCRIPTION} cannot be read: put the safety copy back by hand")
        if wanted in (safety.id, safety.path) or (wanted == "latest" and safety.reason == REPLACED):
            return safety
    there = ", ".join(safety.id for safety in copies) or "there is none"
    raise OperationError(f"{root} has no safety copy {wanted!r} ({there}): name one that is there")


def prune(root: str, keep: int, spare: str) -> list[str]:
    """Remove all but the newest safety copies and the one to be spared; returns the paths of what went.

    Those of restores that failed are no part of it, since nobody counted what was written to them, nor one that cannot
    be read.
    """
    replaced = [safety for safety in list_safety(root) if safety.reason == REPLACED]
    gone = [safety for safety in replaced[keep:] if safety.id != spare]
    for safety in gone:
        remove_directory(safety.path)
    return [safety.path for safety in gone]


def read_marker(root: str) -> State | None:
    """What was last restored: ``id``, ``kind`` (``backup`` or ``safety``), ``fingerprint``, …; None: nothing."""
    content = read_bytes(layout.marker(root)) if os.path.isdir(layout.home(root)) else None
    if content is None:
        return None
    try:
        marker: Any = json.loads(content)
        return marker if isinstance(marker, dict) and isinstance(marker["id"], str) else None
    except (ValueError, KeyError):
        return None


def write_marker(instance: Instance, marker: State | None) -> None:
    """Set the marker, or take it away."""
    path = layout.marker(instance.root)
    if marker is None:
        if os.path.lexists(path):
            os.unlink(path)
        return
    write_atomic(path, json.dumps(marker, indent=1, sort_keys=True).encode(), mode=0o600, owner=instance.owner())


def make_directory(path: str, owner: tuple[int, int]) -> None:
    """Make a directory of ours below the root, 0700, with those on the way to it."""
    if not os.path.isdir(path):
        make_directory(os.path.dirname(path), owner)
        with parent_directory(path) as (directory, name):
            os.mkdir(name, 0o700, dir_fd=directory)
            if os.geteuid() == 0:
                os.chown(name, *owner, dir_fd=directory, follow_symlinks=False)


def remove_directory(path: str) -> None:
    """Remove a directory of ours with all that is in it."""
    if os.path.isdir(path) and not os.path.islink(path):
        with parent_directory(path) as (directory, name):
            tree_copy.remove(directory, name)
