# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bot's configuration, copied with a manifest, and put back exactly (S1.5, S2.3)."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Any, NoReturn

from .._files import open_directory, parent_directory
from .._operation import Context, NotUndone, Operation, OperationError, Plan, Skip, State
from .._snapshot import tree as _tree
from .._snapshot import tree_copy as _tree_copy
from .._snapshot.manifest import Snapshot, is_of_one_file, read_snapshot, write_snapshot
from .._snapshot.swap import Part, interrupted, put_back, put_in_place
from .._snapshot.tree import DIRECTORY, FILE, Difference, Tree


class ConfigSnapshot(Operation):
    """``present``: ``path`` is copied to ``dest/name``. ``restored``: ``path`` is what ``dest/name`` holds.

    A single file is handled as its directory with that one file in ``files``.
    """

    OPTIONS = {
        "path": {"type": "path", "required": True},
        "files": {"type": "list", "elements": "str"},
        "dest": {"type": "path", "required": True},
        "name": {"type": "str", "required": True},
        "tag": {"type": "str"},
        "tag_pattern": {"type": "str", "default": "deploy-*"},
        "state": {"type": "str", "required": True, "choices": ["present", "restored"]},
        "missing": {"type": "str", "default": "fail", "choices": ["fail", "ok"]},
        "manifest": {"type": "str", "default": "required", "choices": ["required", "optional"]},
    }

    def __init__(self, options: dict[str, Any], context: Context) -> None:
        super().__init__(options, context)
        self.path: str = options["path"]
        self.root = self.path
        self.snapshot_path = os.path.join(options["dest"], snapshot_name(options))
        self.files: list[str] | None = None
        if options["files"] is not None:
            self.files = relative_files(options["files"])
        elif self._is_one_file():
            self.root, name = os.path.split(self.path)
            self.files = [name]
        self._refuse_overlap()

    def observe(self) -> State:
        """What is live, and whether the snapshot is there; it is not verified yet."""
        live = self._live()
        return {
            "path": self.path,
            "present": bool(live),
            "files": _tree.count_files(live),
            "digest": _tree.digest(live),
            "snapshot": self.snapshot_path,
            "snapshot_present": os.path.lexists(self.snapshot_path),
            "interrupted": [name for node in self.files or [""] for name in interrupted(_path(self.root, node))],
        }

    def plan(self, before: State) -> Plan:
        return self._plan_copy() if self.options["state"] == "present" else self._plan_restore(before)

    def apply(self, plan: Plan) -> State:
        return self._copy(plan.data["live"]) if self.options["state"] == "present" else self._restore(**plan.data)

    def prove(self) -> State:
        """Hash again: the snapshot, and where it is to be restored also what is live."""
        snapshot = self._snapshot()
        proven = snapshot.tree
        if self.options["state"] == "restored":
            proven = self._live()
            wrong = _tree.compare(proven, self._wanted(snapshot, proven))
            if wrong:
                raise OperationError(f"{self.path} is not what {self.snapshot_path} holds ({wrong}): restore it")
        return {
            "path": self.path,
            "snapshot": self.snapshot_path,
            "manifest": "none" if snapshot.source is None else "verified",
            "taken": snapshot.taken,
            "files": _tree.count_files(proven),
            "digest": _tree.digest(proven),
        }

    def undo(self, change: State) -> str:
        """Put back what was replaced, unless what replaced it was changed since.

        That change may be a flag that was lowered or credentials that were taken away: undo brings neither back.
        """
        if self.options["state"] == "present":
            raise NotUndone(f"the snapshot {change['snapshot']} stays: it harms nothing")
        put_back(change["replaced"])
        return f"{self.path} is again what it was before {change['snapshot']} was restored"

    def _plan_copy(self) -> Plan:
        live = self._live()
        if not live:
            self._miss(self.path)
        for path in self.files or []:
            if path not in live or live[path].kind != FILE:
                raise OperationError(f"{os.path.join(self.root, path)} is not a file that is there: correct files")
        live.update(self._folders())
        unfit = _tree.unfit(live)
        if unfit:
            raise OperationError(f"{self.root} cannot be copied: {'; '.join(unfit[:5])}: move that elsewhere")
        present = self._read_snapshot(manifest_required=True)
        if present is None:
            action = f"copy {_tree.count_files(live)} files of {self.path} to {self.snapshot_path}"
            return Plan([action], [_tree.diff(self.snapshot_path, {}, live)], {"live": live})
        differing = _tree.compare(present.tree, live)
        if differing:
            raise OperationError(
                f"{self.snapshot_path} holds another content than {self.path} ({differing}) and is never overwritten: "
                "give the snapshot another name"
            )
        return Plan()

    def _copy(self, live: Tree) -> State:
        snapshot = Snapshot(self.snapshot_path, live, os.path.realpath(self.root), whole=self.files is None)
        dest = open_directory(self.options["dest"], create=True)
        try:
            with parent_directory(self.root) as source:
                write_snapshot(dest, source, snapshot)
        finally:
            os.close(dest)
        return {"path": self.path, "snapshot": self.snapshot_path, "files": _tree.count_files(live)}

    def _plan_restore(self, before: State) -> Plan:
        snapshot = self._snapshot()
        live = self._live()
        wanted = self._wanted(snapshot, live)
        difference = _tree.compare(live, wanted)
        needed = os.path.dirname(self.root) if self.files is None else self.root
        if not os.path.isdir(needed):
            raise OperationError(f"{needed}, which is to hold {self.path}, is not there: deploy the bot first")
        if self.files is None and os.path.ismount(self.root):
            raise OperationError(f"{self.root} is a mount point, which no rename can replace: name its files in files")
        if not difference and not before["interrupted"]:
            return Plan()
        action = f"restore {self.path} from {self.snapshot_path} ({difference or 'finish what was interrupted'})"
        if snapshot.source is None:
            action += "; it has no manifest, so every file in it is taken"
        return Plan(
            [action],
            [_tree.diff(self.path, live, wanted)] if difference else [],
            {"snapshot": snapshot, "wanted": wanted, "difference": difference},
        )

    def _restore(self, snapshot: Snapshot, wanted: Tree, difference: Difference) -> State:
        with parent_directory(self.root) as (directory, name):
            for folder in _parents(self.files or []):
                _tree_copy.make_folder(directory, _tree.join(name, folder), self._owned(snapshot, {})[folder])
        parts = [
            Part(_path(self.root, node), _path(snapshot.path, node), _tree.below(wanted, node))
            for node in self.files or [""]
        ]
        return {
            "path": self.path,
            "snapshot": snapshot.path,
            "manifest": snapshot.source is not None,
            **{name: [path or "." for path in paths] for name, paths in asdict(difference).items()},
            "replaced": put_in_place(parts),
        }

    def _is_one_file(self) -> bool:
        if os.path.lexists(self.path):
            return os.path.isfile(self.path)
        return is_of_one_file(self.snapshot_path, self.path)

    def _live(self) -> Tree:
        if os.path.islink(self.path):
            raise OperationError(f"{self.path} is a symlink to {os.readlink(self.path)}: name what it leads to")
        if not os.path.isdir(os.path.dirname(self.root)):
            return {}
        with parent_directory(self.root) as (directory, name):
            if self.files is None:
                live = _tree.read(directory, name)
            else:
                found = {path: _tree.read(directory, _tree.join(name, path)) for path in self.files}
                live = {path: tree[""] for path, tree in found.items() if tree}
        if self.files is None and live and live[""].kind != DIRECTORY:
            raise OperationError(f"{self.path} is neither a file nor a directory: correct path")
        return live

    def _folders(self) -> Tree:
        with parent_directory(self.root) as (directory, name):
            return {path: _tree.read_entry(directory, _tree.join(name, path)) for path in _parents(self.files or [])}

    def _read_snapshot(self, *, manifest_required: bool) -> Snapshot | None:
        if not os.path.isdir(self.options["dest"]):
            return None
        with parent_directory(self.snapshot_path) as (directory, _name):
            return read_snapshot(directory, self.snapshot_path, manifest_required=manifest_required)

    def _snapshot(self) -> Snapshot:
        """The snapshot, verified, and of this very path."""
        snapshot = self._read_snapshot(manifest_required=self.options["manifest"] == "required")
        if snapshot is None:
            self._miss(self.snapshot_path)
        source = os.path.realpath(self.root)
        if snapshot.source not in (None, source):
            raise OperationError(f"{snapshot.path} is a snapshot of {snapshot.source}, not of {source}: name another")
        if self.files is None and not snapshot.whole:
            held = ", ".join(sorted(path for path, entry in snapshot.tree.items() if entry.kind == FILE))
            raise OperationError(f"{snapshot.path} holds only {held}: name in files which of them to restore")
        for path in self.files or []:
            if path not in snapshot.tree or snapshot.tree[path].kind != FILE:
                raise OperationError(f"{snapshot.path} holds no file {path}: correct files, or name another snapshot")
        return snapshot

    def _wanted(self, snapshot: Snapshot, live: Tree) -> Tree:
        owned = self._owned(snapshot, live)
        return owned if self.files is None else {path: owned[path] for path in self.files}

    def _owned(self, snapshot: Snapshot, live: Tree) -> Tree:
        """The snapshot's tree with the modes and owners that are wanted. Those of a plain copy say nothing."""
        if snapshot.source is not None:
            return snapshot.tree
        model = os.stat(self.root if os.path.isdir(self.root) else os.path.dirname(self.root))
        return _tree.owned_like(snapshot.tree, live, (model.st_uid, model.st_gid))

    def _refuse_overlap(self) -> None:
        root, snapshot = os.path.realpath(self.root) + "/", os.path.realpath(self.snapshot_path) + "/"
        if root.startswith(snapshot) or (self.files is None and snapshot.startswith(root)):
            raise OperationError(f"{self.snapshot_path} and {self.root} lie in each other: keep snapshots elsewhere")

    def _miss(self, path: str) -> NoReturn:
        if self.options["missing"] == "ok":
            raise Skip(f"{path} is not there, which is allowed here: nothing to do")
        raise OperationError(f"{path} is not there: correct the path, or set missing to ok where that is expected")


def snapshot_name(options: dict[str, Any]) -> str:
    """The snapshot's name, ``{stamp}`` filled in: ``config-{stamp}`` for ``deploy-20260101-120000`` (S1.5)."""
    name: str = options["name"]
    if "{stamp}" in name:
        name = name.replace("{stamp}", _stamp(options["tag"], options["tag_pattern"]))
    if not name or name.startswith(".") or set(name) & set("/{}\0"):
        raise OperationError(f"name is {options['name']!r}, which cannot be a snapshot's name: give another")
    return name


def _stamp(tag: str | None, pattern: str) -> str:
    prefix, star, suffix = pattern.partition("*")
    if not star or "*" in suffix:
        raise OperationError(f"tag_pattern is {pattern!r}: write exactly one * in it, for the stamp")
    if not tag:
        raise OperationError("name contains {stamp}, and there is no tag to take it from: give tag")
    stamp = tag[len(prefix) : len(tag) - len(suffix)]
    if not stamp or tag != prefix + stamp + suffix:
        raise OperationError(f"tag {tag!r} does not match tag_pattern {pattern!r}: correct one of them")
    return stamp


def relative_files(files: list[str]) -> list[str]:
    """The paths, normalised; each must stay in the directory."""
    paths = [os.path.normpath(path) for path in files]
    for path, given in zip(paths, files):
        if not given or path.startswith(("/", "..")) or path == "." or ".git" in path.split("/"):
            raise OperationError(f"files has {given!r}, which is not a file below path: write it relative to path")
    if not paths:
        raise OperationError("files is empty: name at least one, or leave files out to take all of path")
    return sorted(set(paths))


def _parents(files: list[str]) -> list[str]:
    """The folders between the root and the files, outermost first."""
    parts = [path.split("/")[:-1] for path in files]
    return sorted({"/".join(folders[:depth]) for folders in parts for depth in range(1, len(folders) + 1)})


def _path(root: str, node: str) -> str:
    return os.path.join(root, node) if node else root
