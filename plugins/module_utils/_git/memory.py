# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host remembers about rollbacks of a work tree, as refs in its repository. PRIVATE to the collection.

Refs need no file, lock or rights of their own, change atomically, and keep what they name from being pruned.

- ``refs/worktree/botfleet/rollback``: from where to where this work tree was rolled back
- ``refs/worktree/botfleet/unfinished``: a change of this work tree that is under way, build included
- ``refs/botfleet/bad/<tag>``: a tag that was marked as bad, for every work tree of the repository

The first two point to commits whose message is a JSON object, so ``git log -1 <ref>`` shows them.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from .work_tree import Git

ROLLBACK = "refs/worktree/botfleet/rollback"
UNFINISHED = "refs/worktree/botfleet/unfinished"
BAD = "refs/botfleet/bad/"
OBJECT_ID = re.compile(r"[0-9a-f]{40,64}")


@dataclass(frozen=True)
class Version:
    """Where a work tree is, or was. ``tag``: the one that runs; ``branch``: None when HEAD is detached."""

    commit: str
    tag: str | None = None
    branch: str | None = None

    def __str__(self) -> str:
        return f"{self.tag or 'no tag'} ({self.commit[:12]})"


@dataclass(frozen=True)
class Note:
    """A change of a work tree.

    origin, target: from where to where
    stash: object id of the stash that holds the local changes of ``origin``
    earlier: object id of the rollback that was remembered before
    paths: restored from the target while HEAD stays; empty when HEAD moves
    undo: whether it is being put back; then ``kept`` is the stash of what stays as it is on disk
    """

    origin: Version
    target: Version
    stash: str | None = None
    earlier: str | None = None
    paths: list[str] = field(default_factory=list)
    undo: bool = False
    kept: str | None = None

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Note:
        """The note that ``asdict`` made this object of; ValueError when it is none."""
        try:
            note = cls(**{**raw, "origin": Version(**raw["origin"]), "target": Version(**raw["target"])})
        except (TypeError, KeyError) as error:
            raise ValueError("no note") from error
        ids = (note.origin.commit, note.target.commit, note.stash, note.earlier, note.kept)
        if not all(value is None or OBJECT_ID.fullmatch(value) for value in ids):
            raise ValueError("not an object id")
        return note

    def is_about(self, commit: str) -> bool:
        return commit in (self.origin.commit, self.target.commit)


@dataclass(frozen=True)
class Memory:
    """All that is remembered. ``bad`` maps tags to commits; ``rollback_id`` is the object of ``rollback``."""

    bad: dict[str, str]
    rollback: Note | None = None
    rollback_id: str | None = None
    unfinished: Note | None = None


def read_memory(git: Git) -> Memory:
    """Read it; what a person left there unreadable counts as nothing."""
    memory = Memory(bad={})
    listed = git.read("for-each-ref", "--format=%(refname) %(objectname) %(subject)", BAD, ROLLBACK, UNFINISHED)
    for line in listed.splitlines():
        ref, object_id, subject = [*line.split(" ", 2), ""][:3]
        if ref.startswith(BAD):
            memory.bad[ref[len(BAD) :]] = object_id
        elif ref == ROLLBACK:
            memory = replace(memory, rollback=_parse(subject), rollback_id=object_id)
        elif ref == UNFINISHED:
            memory = replace(memory, unfinished=_parse(subject))
    return memory


def remember(git: Git, updates: dict[str, str | None]) -> None:
    """Point refs to objects, or delete them (None), all or none."""
    lines = [f"update {ref} {value}\n" if value else f"delete {ref}\n" for ref, value in updates.items()]
    git.read("update-ref", "--stdin", "-m", "botfleet", stdin="".join(lines))


def write_note(git: Git, note: Note) -> str:
    """Store a note as a commit that keeps its origin and its stash; returns the object id."""
    parents = [part for kept in (note.origin.commit, note.stash, note.kept) if kept for part in ("-p", kept)]
    message = json.dumps(asdict(note), sort_keys=True)
    return git.read("commit-tree", *parents, "-m", message, f"{note.origin.commit}^{{tree}}")


def _parse(text: str) -> Note | None:
    try:
        return Note.from_json(json.loads(text))
    except ValueError:
        return None
