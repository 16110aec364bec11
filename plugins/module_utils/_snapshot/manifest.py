# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A snapshot on disk: a plain copy of a tree, and in its root a manifest of it. PRIVATE to the collection."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from .._files import lstat_at, parent_directory
from .._operation import OperationError
from . import tree as _tree
from . import tree_copy as _tree_copy
from .tree import DIRECTORY, FILE, MANIFEST, SYMLINK, Entry, Place, Tree

FORMAT = 1


@dataclass(frozen=True)
class Snapshot:
    """A snapshot that was read and verified.

    tree: what it holds, with modes and owners as recorded; as found on disk if there is no manifest
    source: the real path of the directory that it was taken of; None: it has no manifest
    whole: whether it holds all of that directory
    taken: UTC time
    """

    path: str
    tree: Tree
    source: str | None = None
    whole: bool = True
    taken: str | None = None


def read_snapshot(directory: int, path: str, *, manifest_required: bool) -> Snapshot | None:
    """The snapshot at ``path``, whose parent is open as ``directory``; None if there is none.

    Every file is hashed; OperationError unless all is as the manifest says. A directory without manifest is
    what a team's own script copied: without ``manifest_required`` it is taken as it is.
    """
    name = os.path.basename(path)
    present = lstat_at(directory, name)
    if present is None:
        return None
    found = _tree.read(directory, name)
    if found[""].kind != DIRECTORY:
        raise OperationError(f"{path} is no directory, so it is no snapshot: name one that is")
    manifest = _read_manifest(directory, name)
    if manifest is None:
        if manifest_required:
            raise OperationError(
                f"{path} has no manifest, so it may be half: name another snapshot, or set manifest to optional"
            )
        _refuse(path, _tree.unfit(found))
        return Snapshot(path, found)
    content, writer = manifest
    snapshot = _parse(content, path)
    recorded = snapshot.tree
    if not snapshot.whole:
        del found[""]
    wrong = _tree.compare(recorded, found, exact=False)
    if wrong:
        raise OperationError(f"{path} is not what its manifest says ({wrong}): name another snapshot")
    _refuse(path, _tree.unfit(recorded))
    _refuse_gifts(path, recorded, writer)
    return snapshot


def write_snapshot(directory: int, source: Place, snapshot: Snapshot) -> None:
    """Copy a snapshot's tree to where it belongs, whose parent is open as ``directory``.

    It is staged, the manifest last, and renamed into place as a whole.
    """
    path = snapshot.path
    name = os.path.basename(path)
    staging = f".{name}.staging"
    root = snapshot.tree.get("") or Entry(DIRECTORY, 0o700, os.geteuid(), os.getegid())
    _tree_copy.remove(directory, staging)
    try:
        with _tree_copy.new_directory(directory, staging, root) as copy:
            _tree_copy.fill(copy, source, snapshot.tree)
            _tree_copy.write_new(copy, MANIFEST, [json.dumps(_as_data(snapshot), indent=1, sort_keys=True).encode()])
        if lstat_at(directory, name) is not None:
            raise OperationError(f"{path} appeared meanwhile and was left alone: give the snapshot another name")
        os.rename(staging, name, src_dir_fd=directory, dst_dir_fd=directory)
    except BaseException:
        _tree_copy.remove(directory, staging)
        raise
    os.fsync(directory)


def _as_data(snapshot: Snapshot) -> dict[str, Any]:
    entries: dict[str, dict[str, Any]] = {}
    for path, entry in snapshot.tree.items():
        entries[path] = {"kind": entry.kind, "mode": f"{entry.mode:04o}", "uid": entry.uid, "gid": entry.gid}
        if entry.kind == FILE:
            entries[path]["sha256"] = entry.content
        elif entry.kind == SYMLINK:
            entries[path]["target"] = entry.content
    taken = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"format": FORMAT, "source": snapshot.source, "whole": snapshot.whole, "taken": taken, "entries": entries}


def _read_manifest(directory: int, name: str) -> tuple[bytes, int] | None:
    """The manifest and the uid of its owner."""
    with _tree.inside(directory, f"{name}/{MANIFEST}") as (parent, manifest):
        if lstat_at(parent, manifest) is None:
            return None
        with os.fdopen(_tree.open_file(parent, manifest), "rb") as handle:
            return handle.read(), os.fstat(handle.fileno()).st_uid


def _parse(manifest: bytes, path: str) -> Snapshot:
    try:
        data = json.loads(manifest)
        if data["format"] != FORMAT:
            raise OperationError(f"{path} has a manifest of format {data['format']!r}: update the collection")
        entries = {place: _parse_entry(entry) for place, entry in data["entries"].items()}
        return Snapshot(path, entries, str(data["source"]), bool(data["whole"]), str(data["taken"]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise OperationError(f"the manifest of {path} cannot be read: name another snapshot") from error


def _parse_entry(data: dict[str, Any]) -> Entry:
    kind = str(data["kind"])
    content = {FILE: "sha256", SYMLINK: "target"}.get(kind)
    owner = int(data["uid"]), int(data["gid"])
    if min(owner) < 0:
        raise ValueError(owner)
    mode = int(data["mode"], 8) & _tree.KEPT_BITS[kind]
    return Entry(kind, mode, owner[0], owner[1], str(data[content]) if content else "")


def _refuse(path: str, phrases: list[str]) -> None:
    if phrases:
        raise OperationError(f"{path} was refused: {'; '.join(phrases[:5])}: remove what cannot be restored safely")


def _refuse_gifts(path: str, recorded: Tree, writer: int) -> None:
    """A manifest that an unprivileged user wrote must not make root give files to anyone else."""
    foreign = sorted(place for place, entry in recorded.items() if entry.uid != writer)
    if os.geteuid() == 0 and writer != 0 and foreign:
        raise OperationError(
            f"the manifest of {path} belongs to uid {writer} and gives {foreign[0] or 'the directory'} to uid "
            f"{recorded[foreign[0]].uid}: take the snapshot as root"
        )


def is_of_one_file(path: str, target: str) -> bool:
    """Whether the snapshot at ``path`` was taken of the single file ``target``, which need not be there."""
    if not os.path.isdir(path):
        return False
    with parent_directory(path) as (directory, name):
        manifest = _read_manifest(directory, name)
    if manifest is None:
        return False
    snapshot = _parse(manifest[0], path)
    folder, file = os.path.split(target)
    return (snapshot.source, list(snapshot.tree)) == (os.path.realpath(folder), [file])
