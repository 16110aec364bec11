# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A work tree moved to another version and back, so that a crash is noticed. PRIVATE to the collection."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from .changes import (
    Changes,
    discard,
    find_changes,
    hand_over,
    put_on_top,
    read_status,
    restore,
    save,
    untracked_of,
)
from .memory import ROLLBACK, UNFINISHED, Note, remember, write_note
from .work_tree import Git


def go(git: Git, note: Note, changes: Changes) -> None:
    """Bring the target: HEAD detached at its tag, or its paths alone. ``changes`` are in the way, and saved."""
    if note.paths:
        hand_over(git, changes)
        restore(git, note.target.commit, note.paths, "--staged", "--worktree")
        return
    discard(git, changes)
    git.read("checkout", "-q", "--detach", "--no-overwrite-ignore", f"refs/tags/{note.target.tag}")


def go_back(git: Git, note: Note, unfinished: Note | None = None, keep: Collection[str] | None = None) -> list[str]:
    """Put the origin back with its local changes, and its branch if that has not moved.

    What was edited since stays as it is on disk, so that credentials or flags which were lowered after the checkout
    are not brought back; returns those files. All that would be overwritten is saved as a stash first.

    unfinished: the note of this same way back, when a crash has interrupted it
    keep: the edited files to keep; None: all
    """
    label = f"botfleet: on the way back from {note.target.tag}"
    stashed = [f"{note.stash}^3"] if note.stash and untracked_of(git, note.stash) else []
    changes = find_changes(git, ["HEAD", note.origin.commit, *stashed], paths=note.paths)
    if note.paths:  # what they were restored to is staged, and in the tag
        changes = changes.split([path for path in changes.paths if changes.tracked.get(path, "??")[1] != " "])[0]
    if unfinished:
        save(git, changes, label)
        kept = unfinished.kept
    else:
        chosen, others = changes.split(changes.paths if keep is None else keep)
        kept = save(git, chosen, label)
        save(git, others, label)
        remember(git, {UNFINISHED: write_note(git, replace(note, undo=True, kept=kept))})
    (_paths_back if note.paths else _head_back)(git, note, changes)
    files = put_on_top(git, kept) if kept else []
    if not note.paths:
        _reattach(git, note)
    remember(git, {UNFINISHED: None} if note.paths else {UNFINISHED: None, ROLLBACK: note.earlier})
    return files


def differing(git: Git, commit: str, paths: list[str]) -> list[str]:
    """The files in these paths that are not, on disk and staged, what they are in a commit."""
    staged = git.names("diff-index", "--cached", "-z", "--name-only", "--no-renames", commit, "--", *paths)
    return sorted({*staged, *edited(git, paths)})


def edited(git: Git, paths: list[str]) -> list[str]:
    """The tracked files that differ on disk from what is staged, which is what was brought."""
    return [path for path, letters in read_status(git, paths).tracked.items() if letters[1] != " "]


def _head_back(git: Git, note: Note, changes: Changes) -> None:
    discard(git, changes)
    git.read("checkout", "-q", "--detach", "--no-overwrite-ignore", note.origin.commit)
    if note.stash:
        git.read("stash", "apply", "-q", "--index", note.stash)


def _paths_back(git: Git, note: Note, changes: Changes) -> None:
    hand_over(git, changes)
    restore(git, note.stash or note.origin.commit, note.paths, "--worktree")
    restore(git, f"{note.stash}^2" if note.stash else note.origin.commit, note.paths, "--staged")
    if note.stash:
        restore(git, f"{note.stash}^3", untracked_of(git, note.stash), "--worktree")


def _reattach(git: Git, note: Note) -> None:
    if note.origin.branch:
        branch = f"refs/heads/{note.origin.branch}"
        if git.run("rev-parse", "-q", "--verify", branch).out.strip() == note.origin.commit:
            git.read("symbolic-ref", "-m", "botfleet: back on the branch", "HEAD", branch)
