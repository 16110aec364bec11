# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directory trees, read without following a symlink, and compared. PRIVATE to the collection.

A place is an open directory and a path below it. Every step down is taken with O_NOFOLLOW, so that root can
work in a tree that an unprivileged user may change meanwhile.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from .._files import MOST_SYMLINKS, NO_FOLLOW, lstat_at
from .._operation import OperationError

FILE, DIRECTORY, SYMLINK, OTHER = "file", "directory", "symlink", "other"
KINDS = {stat.S_IFREG: FILE, stat.S_IFDIR: DIRECTORY, stat.S_IFLNK: SYMLINK}
KEPT_BITS = {FILE: 0o777, DIRECTORY: 0o3777, SYMLINK: 0o777, OTHER: 0o777}
"""Mode bits that are recorded and restored: never set-user-ID or set-group-ID on a file."""

GIT = ".git"
MANIFEST = ".botfleet-manifest.json"
ASIDE = re.compile(r"\..+\.(staging|(incoming|replaced)-\d{8}T\d{6}\.\d{6}Z)")
"""Names of what is being put in place, and of what was replaced."""


@dataclass(frozen=True)
class Entry:
    """One path of a tree. content: SHA-256 of a file, target of a symlink, else empty."""

    kind: str
    mode: int
    uid: int
    gid: int
    content: str = ""

    def same(self, other: Entry | None, *, exact: bool = True) -> bool:
        """Equal in kind and content; ``exact``: in mode too, and in owner where this process could set it."""
        if other is None or (self.kind, self.content) != (other.kind, other.content):
            return False
        if not exact or self.kind == SYMLINK:
            return True
        return self.mode == other.mode and (os.geteuid() != 0 or (self.uid, self.gid) == (other.uid, other.gid))


Place = tuple[int, str]
Tree = dict[str, Entry]
"""Entries by path relative to the root, which is the empty path itself; empty when there is no root."""


@dataclass(frozen=True)
class Difference:
    """What leads from one tree to another, as sorted paths."""

    added: list[str]
    changed: list[str]
    removed: list[str]

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)

    def __str__(self) -> str:
        """``~ a.yaml, + b.yaml, - c.yaml and 7 more``."""
        marked = [(path, mark) for mark in ("changed", "added", "removed") for path in getattr(self, mark)]
        signs = {"changed": "~", "added": "+", "removed": "-"}
        listed = ", ".join(f"{signs[mark]} {path or '.'}" for path, mark in marked[:8])
        return listed + (f" and {len(marked) - 8} more" if len(marked) > 8 else "")


def compare(before: Tree, after: Tree, *, exact: bool = True) -> Difference:
    """What must change for ``before`` to become ``after``."""
    common = after.keys() & before.keys()
    return Difference(
        added=sorted(after.keys() - common),
        changed=sorted(path for path in common if not after[path].same(before[path], exact=exact)),
        removed=sorted(before.keys() - common),
    )


def diff(path: str, before: Tree, after: Tree) -> dict[str, str]:
    """An Ansible diff of what differs: paths, modes, owners and the start of each hash, never contents."""
    difference = compare(before, after)
    paths = sorted([*difference.added, *difference.changed, *difference.removed])
    return {
        "before_header": path,
        "after_header": path,
        "before": "".join(_line(place, before[place]) for place in paths if place in before),
        "after": "".join(_line(place, after[place]) for place in paths if place in after),
    }


def _line(path: str, entry: Entry) -> str:
    content = {FILE: f" sha256 {entry.content[:12]}", SYMLINK: f" to {entry.content}"}.get(entry.kind, "")
    return f"{path or '.'} {entry.kind} {entry.mode:04o} {entry.uid}:{entry.gid}{content}\n"


def digest(tree: Tree) -> str | None:
    """One SHA-256 over paths, kinds, modes and contents; None for no tree."""
    if not tree:
        return None
    rows = [[path, entry.kind, entry.mode, entry.content] for path, entry in sorted(tree.items())]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def count_files(tree: Tree) -> int:
    """How many of the entries are not directories."""
    return sum(entry.kind != DIRECTORY for entry in tree.values())


def join(path: str, name: str) -> str:
    """A path below a path; both may be empty."""
    return "/".join(part for part in (path, name) if part)


def below(tree: Tree, root: str) -> Tree:
    """The part of a tree from one of its paths on, as a tree of its own."""
    prefix = f"{root}/" if root else ""
    found = {path[len(prefix) :]: entry for path, entry in tree.items() if path.startswith(prefix)}
    return {"": tree[root], **found} if root in tree else found


@contextmanager
def inside(directory: int, path: str) -> Iterator[tuple[int, str]]:
    """The directory that holds the last name of ``path``, opened without following a symlink, and that name."""
    *parents, name = path.split("/")
    current = os.dup(directory)
    try:
        for parent in parents:
            lower = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | NO_FOLLOW, dir_fd=current)
            os.close(current)
            current = lower
        yield current, name
    finally:
        os.close(current)


def read(directory: int, path: str) -> Tree:
    """The tree at a place, hashed. Git's own files, and what was set aside here, are no part of it."""
    tree: Tree = {}
    with ExitStack() as opened:
        try:
            parent, name = opened.enter_context(inside(directory, path))
        except FileNotFoundError:
            return tree
        if lstat_at(parent, name) is not None:
            _read(parent, name, "", tree)
    return tree


def read_entry(directory: int, path: str) -> Entry:
    """The entry at a place, without what is below it."""
    with inside(directory, path) as (parent, name):
        return _entry(parent, name)


def read_git(directory: int, path: str, folders: Iterable[str]) -> Tree:
    """What belongs to Git in folders of a tree, by path relative to the tree's root."""
    found: Tree = {}
    for folder in folders:
        root = join(folder, GIT)
        found.update({join(root, place): entry for place, entry in read(directory, join(path, root)).items()})
    return found


def open_file(parent: int, name: str) -> int:
    """A descriptor of a regular file, to read."""
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK | NO_FOLLOW, dir_fd=parent)
    except PermissionError as error:
        raise OperationError(f"{name} may not be read: mend its owner or mode, or set become") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OperationError(f"{name} became something else than a file while it was read: try again")
    return descriptor


def unfit(tree: Tree) -> list[str]:
    """Why a tree cannot be taken, as phrases: symlinks that lead out of it, sockets, devices and pipes."""
    phrases = []
    for path, entry in sorted(tree.items()):
        if entry.kind == OTHER:
            phrases.append(f"{path} is neither a file, a directory nor a symlink")
        elif entry.kind == SYMLINK and not _stays_inside(tree, path):
            phrases.append(f"{path} is a symlink that leads out, to {entry.content}")
    return phrases


def owned_like(tree: Tree, live: Tree, owner: tuple[int, int]) -> Tree:
    """A tree with the modes and owners of a live one; what is not live keeps its mode and belongs to ``owner``."""
    result = {}
    for path, entry in tree.items():
        model = live.get(path)
        if model is not None and model.kind == entry.kind:
            result[path] = replace(entry, mode=model.mode, uid=model.uid, gid=model.gid)
        else:
            result[path] = replace(entry, uid=owner[0], gid=owner[1])
    return result


def _read(parent: int, name: str, path: str, tree: Tree) -> None:
    entry = tree[path] = _entry(parent, name)
    if entry.kind == DIRECTORY:
        descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | NO_FOLLOW, dir_fd=parent)
        try:
            for child in sorted(os.listdir(descriptor)):
                if child not in (GIT, MANIFEST) and not ASIDE.fullmatch(child):
                    _read(descriptor, child, join(path, child), tree)
        finally:
            os.close(descriptor)


def _entry(parent: int, name: str) -> Entry:
    state = os.stat(name, dir_fd=parent, follow_symlinks=False)
    kind = KINDS.get(stat.S_IFMT(state.st_mode), OTHER)
    content = ""
    if kind == SYMLINK:
        content = os.readlink(name, dir_fd=parent)
    elif kind == FILE:
        content = _hash(parent, name)
    return Entry(kind, stat.S_IMODE(state.st_mode) & KEPT_BITS[kind], state.st_uid, state.st_gid, content)


def blocks(parent: int, name: str, content: Any) -> Iterator[bytes]:
    """A file's content, hashed on the way."""
    with os.fdopen(open_file(parent, name), "rb") as handle:
        for block in iter(lambda: handle.read(1 << 20), b""):
            content.update(block)
            yield block


def _hash(parent: int, name: str) -> str:
    content = hashlib.sha256()
    for _block in blocks(parent, name, content):
        pass
    return content.hexdigest()


def _stays_inside(tree: Tree, path: str) -> bool:
    """Follow a symlink as the kernel would, on the tree's entries alone."""
    here = path.split("/")[:-1]
    ahead = tree[path].content.split("/")
    hops = 0
    if tree[path].content.startswith("/"):
        return False
    while ahead:
        part = ahead.pop(0)
        if part in ("", "."):
            continue
        if part == "..":
            if not here:
                return False
            here.pop()
            continue
        entry = tree.get("/".join([*here, part]))
        if entry is None or entry.kind != SYMLINK:
            here.append(part)
            continue
        hops += 1
        if hops > MOST_SYMLINKS or entry.content.startswith("/"):
            return False
        ahead = entry.content.split("/") + ahead
    return True
