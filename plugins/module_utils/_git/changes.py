# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Local changes of a work tree: found, saved as a stash, put back. PRIVATE to the collection.

``git stash push`` cannot save a work tree with conflicts, and takes ignored files all or none. So the stash is
built from objects here. It is an ordinary one: ``git stash list`` shows it, ``git stash apply <id>`` takes it.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Callable

from .._command import run
from .._operation import OperationError
from .work_tree import Git, nul_separated

STATUS = (
    *("status", "--porcelain=v2", "-z", "--branch"),
    *("--untracked-files=no", "--no-renames", "--ignore-submodules=all"),
)
STATUS_FIELDS = {"1": 8, "u": 10}  # before the path, by kind of entry
CONFLICTS = ("DD", "AU", "UD", "UA", "DU", "AA", "UU")
ADD = ("--add", "--replace", "-z", "--stdin")
CLEAN_UP_TIMEOUT = 10.0


@dataclass(frozen=True)
class Changes:
    """Local changes. ``tracked`` maps paths to the two letters of ``git status``; ``untracked`` would be lost."""

    tracked: dict[str, str] = field(default_factory=dict)
    untracked: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.tracked or self.untracked)

    @property
    def paths(self) -> list[str]:
        return sorted({*self.tracked, *self.untracked})

    def split(self, chosen: Collection[str]) -> tuple[Changes, Changes]:
        """The changes of these paths, and the others."""
        return self._having(lambda path: path in chosen), self._having(lambda path: path not in chosen)

    def _having(self, wanted: Callable[[str], bool]) -> Changes:
        tracked = {path: letters for path, letters in self.tracked.items() if wanted(path)}
        return Changes(tracked, list(filter(wanted, self.untracked)))


@dataclass(frozen=True)
class Status:
    """Where HEAD is, and which tracked files differ from it, staged or not, by their status letters.

    commit: None before the first one
    branch: None when HEAD is detached
    """

    commit: str | None
    branch: str | None
    tracked: dict[str, str]


def read_status(git: Git, paths: Iterable[str] = ()) -> Status:
    """Read it, of these paths or of all. Writes nothing.

    Edits of files that git was told to overlook (assume-unchanged, skip-worktree) count.
    """
    limits = list(paths)
    head = {}
    seen = {}
    for entry in git.names(*STATUS, "--", *limits):
        kind = entry[0]
        if kind == "#":
            name, _space, value = entry[len("# branch.") :].partition(" ")
            head[name] = value
        else:
            fields = entry.split(" ", STATUS_FIELDS[kind])
            seen[fields[-1]] = fields[1].replace(".", " ")
    overlooked = [name for name in _overlooked(git, limits) if os.path.isfile(os.path.join(git.path, name))]
    if overlooked:
        staged = [entry.partition("\t") for entry in git.names("ls-files", "-s", "-z", "--", *limits)]
        expected = {name: about.split()[1] for about, _tab, name in staged}
        actual = git.read("hash-object", "--stdin-paths", stdin="".join(f"{name}\n" for name in overlooked))
        changed = (name for name, found in zip(overlooked, actual.splitlines()) if found != expected[name])
        seen.update(dict.fromkeys(changed, " M"))
    commit, branch = head["oid"], head["head"]
    return Status(None if commit == "(initial)" else commit, None if branch == "(detached)" else branch, seen)


def _overlooked(git: Git, paths: Iterable[str]) -> list[str]:
    entries = git.names("ls-files", "-v", "-z", "--", *paths)
    return [entry[2:] for entry in entries if entry[0] == "S" or entry[0].islower()]


def find_changes(
    git: Git,
    commits: Iterable[str],
    *,
    paths: Iterable[str] = (),
    clean_untracked: bool = False,
    tracked: dict[str, str] | None = None,
) -> Changes:
    """What a change of the work tree to these commits would overwrite or remove.

    tracked: what ``read_status`` has just found in these paths
    Untracked files count, ignored ones too, where a file or a directory of the commits takes their place. With
    ``clean_untracked`` all count that are not ignored.
    """
    limits = list(paths)
    files = {name for commit in commits for name in tree_files(git, commit) if within(name, limits)}
    directories = {name[:end] for name in files for end in _slashes(name)}
    untracked = []
    for name in git.names("ls-files", "--others", "-z", "--", *limits) if files else []:
        bare = name.rstrip("/")
        if bare in files or bare in directories or any(bare[:end] in files for end in _slashes(bare)):
            if name.endswith("/"):
                raise OperationError(f"{git.path}/{name} is a repository of its own in the way of the tag: move it")
            untracked.append(name)
    if clean_untracked:
        others = git.names("ls-files", "--others", "--exclude-standard", "-z", "--", *limits)
        untracked += [name for name in others if name not in untracked and not name.endswith("/")]
    return Changes(read_status(git, limits).tracked if tracked is None else tracked, untracked)


def save(git: Git, changes: Changes, message: str) -> str | None:
    """Store changes as a stash, touching nothing in the work tree; returns its object id, None without changes."""
    if not changes:
        return None
    index = os.path.join(git.git_dir, "botfleet.index")
    gone = [path for path, letters in changes.tracked.items() if letters[1] == "D" or letters == "D "]
    gone = [path for path in gone if changes.tracked[path] not in CONFLICTS]
    there = [path for path in changes.tracked if path not in gone]
    git.read("read-tree", "HEAD", index=index)
    git.read("update-index", "-z", "--force-remove", "--stdin", stdin=nul_separated(gone), index=index)
    git.read("update-index", "--remove", *ADD, stdin=nul_separated(there), index=index)
    work = git.read("write-tree", index=index)
    staged = git.run("write-tree")  # fails on conflicts, which a stash cannot hold
    index_tree = work if staged.code else staged.out.strip()
    parents = ["HEAD", git.read("commit-tree", "-p", "HEAD", "-m", f"index: {message}", index_tree)]
    if changes.untracked:
        git.read("read-tree", "--empty", index=index)
        git.read("update-index", *ADD, stdin=nul_separated(changes.untracked), index=index)
        tree = git.read("write-tree", index=index)
        parents.append(git.read("commit-tree", "-m", f"untracked files: {message}", tree))
    stash = git.read("commit-tree", *(part for one in parents for part in ("-p", one)), "-m", message, work)
    git.read("stash", "store", "-q", "-m", message, stash)
    run(["rm", "-f", "--", index], timeout=CLEAN_UP_TIMEOUT, user=git.user)
    return stash


def discard(git: Git, changes: Changes) -> None:
    """Make the work tree HEAD, without the changes, which must be saved."""
    if changes:
        hand_over(git, changes)
        git.read("reset", "-q", "--hard", "HEAD")


def hand_over(git: Git, changes: Changes) -> None:
    """Let git see all changes, which must be saved, so that it removes or replaces them itself, as their owner."""
    overlooked = nul_separated([name for name in _overlooked(git, []) if name in changes.tracked])
    if overlooked:
        git.read("update-index", "--no-skip-worktree", "-z", "--stdin", stdin=overlooked)
    if changes.untracked:
        git.read("update-index", *ADD, stdin=nul_separated(changes.untracked))


def put_on_top(git: Git, stash: str) -> list[str]:
    """Make the files that a stash changed what they are in it, on disk; the index stays. Returns their names."""
    differ = git.names("diff-tree", "-r", "-z", "--name-only", "--no-renames", f"{stash}^1", stash)
    untracked = untracked_of(git, stash)
    restore(git, stash, differ, "--worktree")
    restore(git, f"{stash}^3", untracked, "--worktree")
    return sorted({*differ, *untracked})


def restore(git: Git, source: str, paths: list[str], *where: str) -> None:
    """Make paths exactly what they are in a commit, in the index (--staged), on disk (--worktree) or both.

    A path that is neither in the commit nor tracked is left alone.
    """
    known = {*tree_files(git, source), *git.names("ls-files", "-z")} if paths else set()
    known |= {name[:end] for name in known for end in _slashes(name)}
    found = [path for path in paths if path == "." or path in known]
    if found:
        names = nul_separated(found)
        git.read("restore", f"--source={source}", *where, "--pathspec-from-file=-", "--pathspec-file-nul", stdin=names)


def untracked_of(git: Git, stash: str) -> list[str]:
    """The untracked files that a stash holds."""
    return tree_files(git, f"{stash}^3") if git.run("rev-parse", "-q", "--verify", f"{stash}^3").code == 0 else []


def tree_files(git: Git, commit: str) -> list[str]:
    """The files of a commit. A submodule is none: git leaves what is in its place."""
    entries = (entry.partition("\t") for entry in git.names("ls-tree", "-r", "-z", "--full-tree", commit))
    return [name for about, _tab, name in entries if " commit " not in about]


def within(name: str, paths: list[str]) -> bool:
    """Whether a file is one of these paths or below; no paths: every file."""
    return not paths or any(path == "." or name == path or name.startswith(f"{path}/") for path in paths)


def _slashes(name: str) -> list[int]:
    return [position for position, character in enumerate(name) if character == "/"]
