# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The purge of files in a directory, by pattern, into a trash (S2.6, S2.7, S2.9). PRIVATE to the collection."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Any

from .._operation import NotUndone, OperationError, Plan, State
from .matches import Finder, Match, measure
from .moves import held, put_back, take
from .place import mount_points, open_place
from .shown import diff, named
from .trash import Found, Trash

TICK = 0.02
"""Seconds by which a file system's clock may lag behind: it is that of the kernel's last tick."""


@dataclass(frozen=True)
class Scene:
    """The directory as it was looked at. identity: device and inode, None if it is not there."""

    identity: tuple[int, int] | None
    matches: list[Match]
    entries: list[Found]


class Files:
    """Observed: how many entries match, ``files`` and ``bytes`` in them. Change: how many were moved, and where to."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.path: str = options["path"]
        _refuse(options["patterns"])
        self._options = options
        where = options["trash"] or os.path.join(os.path.dirname(self.path), ".botfleet-trash")
        self._how = {name: options[name] for name in ("patterns", "recurse", "hidden")}
        self._trash = Trash(where, self.path, os.path.basename(self.path), self._how)
        self._began: float | None = None
        self._seen: Scene | None = None
        inside = f"{os.path.realpath(where)}/".startswith(f"{os.path.realpath(self.path)}/")
        if inside or f"{os.path.realpath(self.path)}/".startswith(f"{os.path.realpath(where)}/"):
            raise OperationError(f"trash is {where}, which lies in {self.path} or holds it: keep it elsewhere")

    def observe(self) -> State:
        self._began = time.time() - TICK
        self._seen = self._look()
        return self._state(self._seen)

    def plan(self, before: State) -> Plan:
        scene = self._seen or self._look()
        state = self._state(scene)
        actions = []
        if scene.matches and scene.identity is not None:
            if self._trash.device() != scene.identity[0]:
                raise OperationError(
                    f"trash is {self._trash.path}, on another file system than {self.path}: name one that is not"
                )
            actions.append(
                f"move {state['matches']} entries of {self.path} ({state['files']} files, {state['bytes']} B) to "
                f"{self._trash.path}"
            )
        actions += self._trash.actions(state)
        return Plan(actions, [self._diff(scene, state)] if actions else [], {"scene": scene})

    def apply(self, plan: Plan) -> State:
        scene: Scene = plan.data["scene"]
        before = self._state(scene)
        change: State = {"path": self.path, "trash": None, "moved": 0, "files": 0, "bytes": 0}
        if scene.matches or before["interrupted"]:
            change.update(self._take(scene))
        return {**change, "expired": self._trash.remove(before["expired"])}

    def prove(self) -> State:
        """Look again: nothing matches but what was made, or moved there, since the purge began."""
        scene = self._look()
        since = self._began
        if since is None:
            begun = [entry.begun for entry in scene.entries if entry.how == self._how]
            since = max(begun, default=float("inf"))
        left = [match for match in scene.matches if match.changed < since]
        if left:
            listed = named([str(match) for match in left])
            raise OperationError(f"{self.path} still has {len(left)} that match ({listed}): purge it, the bot stopped")
        return {**self._state(scene), "created_since": len(scene.matches)}

    def undo(self, change: State) -> str:
        """Put back all that was moved, but over nothing that is there by now."""
        if not change["trash"]:
            return f"nothing of {self.path} was moved, so nothing is put back"
        opened = open_place(self.path)
        if opened is None:
            raise NotUndone(f"{self.path} is not there any more: what was in it stays in {change['trash']}")
        try:
            with self._trash.kept(change["trash"]) as entry:
                returned = put_back(opened[0], entry)
                if not returned.left:
                    entry.remove()
        finally:
            os.close(opened[0])
        if returned.left:
            left = f"{named(returned.left)}: the others stay in {change['trash']}"
            raise NotUndone(f"{returned.count} are back in {self.path}, but {left}")
        return f"{returned.count} are back in {self.path}"

    def _look(self) -> Scene:
        entries = self._trash.found()
        opened = open_place(self.path)
        if opened is None:  # there is nothing to go on with
            return Scene(None, [], [entry for entry in entries if entry.finished])
        directory, real = opened
        try:
            finder = Finder(**self._how, mounts=mount_points())
            status = os.fstat(directory)
            return Scene((status.st_dev, status.st_ino), finder.find(directory, real), entries)
        finally:
            os.close(directory)

    def _state(self, scene: Scene) -> State:
        files, size = measure(scene.matches)
        return {
            "path": self.path,
            "present": scene.identity is not None,
            "matches": len(scene.matches),
            "files": files,
            "bytes": size,
            **self._trash.state(scene.entries, self._options["trash_max_age"]),
        }

    def _diff(self, scene: Scene, state: State) -> dict[str, str]:
        totals = f"{state['matches']} entries, {state['files']} files, {state['bytes']} B"
        names = map(str, scene.matches)
        return diff(self.path, names, len(scene.matches), (totals, "0 entries, 0 files, 0 B"), state["expired"])

    def _take(self, scene: Scene) -> State:
        opened = open_place(self.path)
        if opened is None:
            raise OperationError(f"{self.path} was removed meanwhile: nothing was moved")
        directory = opened[0]
        try:
            status = os.fstat(directory)
            if scene.identity != (status.st_dev, status.st_ino):
                raise OperationError(f"{self.path} was exchanged meanwhile: nothing was moved, look who did that")
            with self._trash.entry(self._began or time.time()) as entry:
                if os.fstat(entry.files).st_dev != status.st_dev:
                    raise OperationError(
                        f"{self._trash.path} is on another file system than {self.path}: nothing was moved"
                    )
                take(directory, self.path, scene.matches, entry)
                lines = held(entry)
                entry.finish()
        finally:
            os.close(directory)
        sums = {name: sum(line[name] for line in lines) for name in ("files", "bytes")}
        return {"trash": entry.path, "moved": len(lines), **sums}


def _refuse(patterns: list[str]) -> None:
    """Raise OperationError unless each is a pattern of a name: none leads into or out of a directory."""
    if not patterns:
        raise OperationError("patterns is empty: name at least one, or leave it out to purge all")
    for pattern in patterns:
        if not pattern or "/" in pattern or "\0" in pattern or pattern in (".", ".."):
            raise OperationError(f"patterns has {pattern!r}, which is no pattern of a name: write one without /")
