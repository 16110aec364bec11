# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The trash: a directory with an entry for each purge, which undo can bring back until it expires.

PRIVATE to the collection. An entry ``<name>-<UTC time>`` has a journal, named ``unfinished`` until the purge is over
and ``manifest`` then, and a directory ``files``. What has no journal of ours is never touched.
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timezone

from .._files import NO_FOLLOW, lstat_at, open_directory
from .._operation import NotUndone, OperationError, State
from .._snapshot.tree_copy import remove, write_new
from .journal import Journal, Line

MAKER = "tradeops.botfleet.cache_purge"
FORMAT = 1
MANIFEST, UNFINISHED, FILES = "manifest", "unfinished", "files"
PART = ".part-"
"""What the names of entries begin with that are being made or removed, and hold nothing that counts."""
IGNORE = ".gitignore"


@dataclass
class Entry:
    """One purge's entry, open.

    path: where it lies
    files: a descriptor of the directory of what was moved
    """

    path: str
    trash: int
    directory: int
    files: int
    journal: Journal

    @property
    def name(self) -> str:
        return os.path.basename(self.path)

    def finish(self) -> None:
        """Say that the purge is over, unless that was said."""
        if lstat_at(self.directory, UNFINISHED) is not None:
            os.rename(UNFINISHED, MANIFEST, src_dir_fd=self.directory, dst_dir_fd=self.directory)
            os.fsync(self.directory)

    def remove(self) -> None:
        """Remove the entry, once all is back; OperationError if it is not."""
        left = os.listdir(self.files)
        if left:
            raise OperationError(f"{self.path} still holds {len(left)} entries: its journal says where they were")
        _discard(self.trash, self.name)


@dataclass(frozen=True)
class Found:
    """An entry as its header has it. begun: seconds since 1970 by the clock of this host; how: as the trash's."""

    name: str
    begun: float
    how: Line
    finished: bool


class Trash:
    """The entries of one trash that are ``of`` one thing, which is a directory or the keys of a Redis.

    name: what the names of its entries begin with
    how: what tells purges of the same thing apart, to be kept in a new entry
    """

    def __init__(self, path: str, of: str, name: str, how: Line | None = None) -> None:
        self.path = path
        self._how = how or {}
        self._of = of
        self._name = name

    def device(self) -> int:
        """The file system that it is on, or would be made on; OperationError if it cannot be used."""
        path = self.path
        while not os.path.lexists(path):
            path = os.path.dirname(path)
        if not os.path.isdir(path) or not os.access(path, os.R_OK | os.W_OK | os.X_OK):
            raise OperationError(f"trash is {self.path}, but {path} is no directory that may be written: name another")
        return os.stat(path).st_dev

    def found(self) -> list[Found]:
        """Its entries, oldest first."""
        if not os.path.isdir(self.path):
            return []
        with self._opened() as trash:
            found = [self._look(trash, name) for name in os.listdir(trash) if not name.startswith(".")]
        return sorted(filter(None, found), key=lambda entry: entry.begun)

    def state(self, found: list[Found], max_age: float) -> State:
        """``trash``, its path; ``expired``, the entries that are older than ``max_age`` seconds; ``interrupted``, one
        that a killed run has left, or None."""
        oldest = time.time() - max_age
        unfinished = [os.path.join(self.path, entry.name) for entry in found if not entry.finished]
        return {
            "trash": self.path,
            "expired": [
                os.path.join(self.path, entry.name) for entry in found if entry.finished and entry.begun < oldest
            ],
            "interrupted": unfinished[0] if unfinished else None,
        }

    def actions(self, state: State) -> list[str]:
        """What is to be done with its entries, for people."""
        actions = []
        if state["interrupted"]:
            actions.append(f"finish {state['interrupted']}, which was interrupted")
        if state["expired"]:
            actions.append(f"remove {len(state['expired'])} from {self.path} that have expired")
        return actions

    @contextmanager
    def entry(self, begun: float) -> Iterator[Entry]:
        """The entry that a killed run has left unfinished, else a new one; it is locked meanwhile."""
        unfinished = [found.name for found in self.found() if not found.finished]
        with self._opened(create=True) as trash:
            self._tidy(trash)
            name = unfinished[0] if unfinished else self._make(trash, begun)
            with _opened_entry(trash, os.path.join(self.path, name), UNFINISHED) as entry:
                yield entry

    @contextmanager
    def kept(self, path: str) -> Iterator[Entry]:
        """An entry to take back from, which ``apply`` has named; NotUndone if it is not there any more."""
        folder, name = os.path.split(path)
        if not os.path.isdir(path):
            raise NotUndone(f"{path} is gone: it was taken back, or it had expired")
        with Trash(folder, self._of, self._name)._opened() as trash:
            found = self._look(trash, name)
            if found is None:
                raise NotUndone(f"{path} is not what this purge of {self._of} left: nothing was taken from it")
            with _opened_entry(trash, path, MANIFEST if found.finished else UNFINISHED) as entry:
                yield entry

    def remove(self, paths: list[str]) -> list[str]:
        """Remove entries for good; returns those that are gone. One that cannot be removed stays."""
        removed: list[str] = []
        if not paths:
            return removed
        with self._opened() as trash:
            for path in paths:
                with suppress(OSError):
                    if self._look(trash, os.path.basename(path)) is not None:
                        _discard(trash, os.path.basename(path))
                        removed.append(path)
        return removed

    def _look(self, trash: int, name: str) -> Found | None:
        """An entry that is of the same thing, by its header. None of anything else, as what another user made."""
        with suppress(OSError):
            descriptor = _directory(trash, name)
            try:
                finished = lstat_at(descriptor, MANIFEST) is not None
                journal = Journal.read(descriptor, MANIFEST if finished else UNFINISHED)
                try:
                    header = next(journal.lines(), {})
                    ours = journal.owner == os.fstat(descriptor).st_uid == os.geteuid()
                finally:
                    journal.close()
            finally:
                os.close(descriptor)
            begun, how = header.get("begun"), header.get("how")
            if ours and isinstance(begun, (int, float)) and {**header, "how": self._how} == self._header(begun):
                return Found(name, begun, how if isinstance(how, dict) else {}, finished)
        return None

    def _header(self, begun: float) -> Line:
        return {"by": MAKER, "format": FORMAT, "of": self._of, "begun": begun, "how": self._how}

    def _make(self, trash: int, begun: float) -> str:
        """A new entry, which appears with its header or not at all."""
        stamp = datetime.fromtimestamp(time.time(), timezone.utc).strftime("%Y%m%dT%H%M%S.%fZ")
        name = f"{self._name}-{stamp}"
        os.mkdir(PART + name, 0o700, dir_fd=trash)
        directory = _directory(trash, PART + name)
        try:
            os.mkdir(FILES, 0o700, dir_fd=directory)
            Journal.new(directory, UNFINISHED, self._header(begun)).close()
            os.fsync(directory)
            os.rename(PART + name, name, src_dir_fd=trash, dst_dir_fd=trash)
            os.fsync(trash)
        finally:
            os.close(directory)
        return name

    def _tidy(self, trash: int) -> None:
        """Remove what a kill has left of an entry, and have git overlook the trash."""
        for name in os.listdir(trash):
            if re.fullmatch(re.escape(PART + self._name) + r"-\d{8}T\d{6}\.\d{6}Z", name):
                present = lstat_at(trash, name)
                if present is not None and stat.S_ISDIR(present.st_mode) and present.st_uid == os.geteuid():
                    remove(trash, name)
        if lstat_at(trash, IGNORE) is None:
            write_new(trash, IGNORE, [b"*\n"])

    @contextmanager
    def _opened(self, *, create: bool = False) -> Iterator[int]:
        try:
            trash = open_directory(self.path, create=create)
        except OSError as error:
            raise OperationError(f"trash is {self.path}, which cannot be opened ({error.strerror})") from error
        try:
            yield trash
        finally:
            os.close(trash)


def _discard(trash: int, name: str) -> None:
    """Remove an entry. It is none any more before the first part of it is gone."""
    os.rename(name, PART + name, src_dir_fd=trash, dst_dir_fd=trash)
    os.fsync(trash)
    remove(trash, PART + name)


@contextmanager
def _opened_entry(trash: int, path: str, journal_name: str) -> Iterator[Entry]:
    with ExitStack() as opened:
        directory = _directory(trash, os.path.basename(path))
        opened.callback(os.close, directory)
        files = _directory(directory, FILES)
        opened.callback(os.close, files)
        journal = Journal.resume(directory, journal_name)
        opened.callback(journal.close)
        yield Entry(path, trash, directory, files, journal)


def _directory(parent: int, name: str) -> int:
    return os.open(name, os.O_RDONLY | os.O_DIRECTORY | NO_FOLLOW, dir_fd=parent)
