# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What in a directory matches patterns, read without following a symlink. PRIVATE to the collection."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase

from .._files import NO_FOLLOW, lstat_at
from .._operation import OperationError
from .._snapshot.tree import DIRECTORY, KINDS, OTHER, join
from .place import GIT
from .shown import shown

DEEPEST = 200


@dataclass(frozen=True)
class Match:
    """An entry that goes as a whole.

    path: relative to the directory
    files: how many entries that are no directories go with it
    size: their bytes
    changed: time of its last change, in seconds since 1970 by the clock of its file system
    """

    path: str
    kind: str
    files: int
    size: int
    changed: float

    def __str__(self) -> str:
        name = shown(self.path)
        return f"{name}/ ({self.files} files, {self.size} B)" if self.kind == DIRECTORY else f"{name} ({self.size} B)"


class Finder:
    """Finds entries by name, as a shell does: ``*`` stands for no leading dot unless ``hidden``.

    patterns: of names; a directory that matches goes with all that is in it
    recurse: look into the directories that do not match, too
    mounts: paths of mount points, none of which may go along
    """

    def __init__(self, patterns: Iterable[str], *, recurse: bool, hidden: bool, mounts: set[str]) -> None:
        self._patterns = list(patterns)
        self._recurse = recurse
        self._hidden = hidden
        self._mounts = mounts

    def find(self, directory: int, path: str) -> list[Match]:
        """The matches below an open directory, sorted by path. Raises OperationError if one must not be moved."""
        return sorted(self._find(directory, path, "", os.fstat(directory).st_dev), key=lambda match: match.path)

    def _find(self, directory: int, path: str, below: str, device: int) -> list[Match]:
        found: list[Match] = []
        for name in os.listdir(directory):
            present = lstat_at(directory, name)
            if present is None:  # removed meanwhile, by a bot that runs
                continue
            place = os.path.join(path, name)
            is_directory = stat.S_ISDIR(present.st_mode)
            if self._matches(name):
                files, size = self._measure(directory, name, place, device)
                kind = KINDS.get(stat.S_IFMT(present.st_mode), OTHER)
                found.append(Match(join(below, name), kind, files, size, present.st_ctime))
            elif self._recurse and is_directory and (self._hidden or not name.startswith(".")):
                self._refuse(place, present, device)
                with _entered(directory, name, place) as lower:
                    if lower is not None:
                        found += self._find(lower, place, join(below, name), device)
        return found

    def _matches(self, name: str) -> bool:
        return any(
            fnmatchcase(name, pattern)
            for pattern in self._patterns
            if self._hidden or not name.startswith(".") or pattern.startswith(".")
        )

    def _measure(self, directory: int, name: str, place: str, device: int) -> tuple[int, int]:
        """How many files are at a place and their bytes."""
        present = lstat_at(directory, name)
        if present is None:
            return 0, 0
        self._refuse(place, present, device)
        if not stat.S_ISDIR(present.st_mode):
            return 1, present.st_size
        files = size = 0
        with _entered(directory, name, place) as lower:
            if lower is None:
                return 0, 0
            for child in os.listdir(lower):
                more_files, more_size = self._measure(lower, child, os.path.join(place, child), device)
                files, size = files + more_files, size + more_size
        return files, size

    def _refuse(self, place: str, present: os.stat_result, device: int) -> None:
        if present.st_dev != device or place in self._mounts:
            raise OperationError(f"{shown(place)} is on another file system, and is not moved along: narrow patterns")
        if os.path.basename(place) == GIT:
            raise OperationError(
                f"{shown(os.path.dirname(place))} is a git work tree, which is no cache: narrow patterns"
            )
        if place.count("/") > DEEPEST:
            raise OperationError(f"{shown(place)[:200]} lies deeper than {DEEPEST} directories: narrow patterns")


@contextmanager
def _entered(directory: int, name: str, place: str) -> Iterator[int | None]:
    """A descriptor of a directory in an open one, None if it was removed meanwhile."""
    try:
        lower = os.open(name, os.O_RDONLY | os.O_DIRECTORY | NO_FOLLOW, dir_fd=directory)
    except FileNotFoundError:
        yield None
        return
    except OSError as error:
        raise OperationError(f"{shown(place)} cannot be looked into ({error.strerror}): set become") from error
    try:
        yield lower
    finally:
        os.close(lower)


def measure(matches: Iterable[Match]) -> tuple[int, int]:
    """How many files the matches hold, and their bytes."""
    listed = list(matches)
    return sum(match.files for match in listed), sum(match.size for match in listed)
