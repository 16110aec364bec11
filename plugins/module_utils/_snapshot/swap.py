# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and directories replaced by rename, and what they replaced kept beside them. PRIVATE to the collection.

``config`` goes through ``.config.staging`` (a copy under way), ``.config.incoming-<time>`` (complete, until it
and ``config`` have changed names) to ``.config.replaced-<time>`` (what was there before). Each step is one
rename, so a kill between any two leaves a state that the next run finishes.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from .._files import lstat_at, parent_directory
from .._operation import NotUndone, OperationError
from . import tree as _tree
from . import tree_copy as _tree_copy
from .tree import DIRECTORY, Place, Tree

RENAME_EXCHANGE = 2
UNSUPPORTED = (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP)


@dataclass(frozen=True)
class Part:
    """A file or directory that shall be what ``wanted`` says, and where a copy of that lies."""

    path: str
    source: str
    wanted: Tree


def put_in_place(parts: list[Part]) -> list[dict[str, Any]]:
    """Finish what was interrupted, then replace what is not as wanted; nothing is replaced until all is staged.

    Returns for each replaced path: ``path``, ``kept`` (where the previous one is now; None if there was none) and
    the digests ``before`` and ``after``, which is what ``put_back`` needs.
    """
    with ExitStack() as opened:
        swaps = [(Swap(*opened.enter_context(parent_directory(part.path))), part) for part in parts]
        for swap, part in swaps:
            swap.recover(part.wanted)
        changing = [(swap, part) for swap, part in swaps if not swap.holds(swap.name, part.wanted)]
        done: list[Swap] = []
        try:
            for swap, part in changing:
                swap.stage(opened.enter_context(parent_directory(part.source)), part.wanted)
            for swap, _part in changing:
                swap.swap()
                done.append(swap)
        except (OSError, OperationError):
            for swap, _part in changing:
                if swap in done:
                    swap.keep()
                    Swap(swap.directory, swap.name).put_back(swap.kept)
                else:
                    swap.discard()
            raise
        for swap, _part in swaps:
            swap.keep()
        return [_record(swap, part) for swap, part in swaps if swap.kept or (swap, part) in changing]


def put_back(replaced: list[dict[str, Any]]) -> None:
    """Undo: what ``put_in_place`` replaced is in place again, unless what replaced it was changed since."""
    with ExitStack() as opened:
        ready = []
        for item in replaced:
            swap = Swap(*opened.enter_context(parent_directory(item["path"])))
            live = swap.digest(swap.name)
            if live == item["before"]:
                continue
            if live not in (None, item["after"]):
                raise NotUndone(f"{item['path']} was changed since and stays; what it replaced is {item['kept']}")
            kept = os.path.basename(item["kept"]) if item["kept"] else None
            if kept and swap.digest(kept) is None:
                raise NotUndone(f"{item['kept']}, which {item['path']} replaced, is gone")
            ready.append((swap, kept))
        for swap, kept in ready:
            swap.put_back(kept)


def interrupted(path: str) -> list[str]:
    """What an interrupted replacement of a path left beside it."""
    try:
        names = os.listdir(os.path.dirname(path))
    except (FileNotFoundError, NotADirectoryError):
        return []
    prefix = f".{os.path.basename(path)}.incoming-"
    return sorted(os.path.join(os.path.dirname(path), name) for name in names if name.startswith(prefix))


class Swap:
    """The replacement of one name in an open directory."""

    def __init__(self, directory: int, name: str) -> None:
        self.directory = directory
        self.name = name
        self._stamp = _now()

    @property
    def _staging(self) -> str:
        return f".{self.name}.staging"

    @property
    def _incoming(self) -> str:
        return f".{self.name}.incoming-{self._stamp}"

    @property
    def _replaced(self) -> str:
        return f".{self.name}.replaced-{self._stamp}"

    @property
    def kept(self) -> str | None:
        """The name of what this replaced, None if there was nothing."""
        return self._replaced if self._exists(self._replaced) else None

    def holds(self, name: str, wanted: Tree) -> bool:
        """Whether a name in the directory is as wanted."""
        return not _tree.compare(_tree.read(self.directory, name), wanted)

    def digest(self, name: str) -> str | None:
        """Tells contents and modes apart; None if the name is not there."""
        return _tree.digest(_tree.read(self.directory, name))

    def recover(self, wanted: Tree) -> None:
        """Finish what an interrupted replacement left: nothing that is not the wanted content is removed."""
        _tree_copy.remove(self.directory, self._staging)
        pattern = re.compile(re.escape(f".{self.name}.incoming-") + "(.+)")
        for left in filter(None, map(pattern.fullmatch, sorted(os.listdir(self.directory)))):
            self._stamp = left[1]
            if not self.holds(left[0], wanted):
                self._rename(left[0], self._replaced)
            elif self._exists(self.name):
                _tree_copy.remove(self.directory, left[0])
            else:
                self._rename(left[0], self.name)

    def stage(self, source: Place, wanted: Tree) -> None:
        """Copy what is wanted beside the name; what belongs to Git in the present one goes along."""
        if self.kept:
            self._stamp = _now()
        try:
            live = _tree.read(self.directory, self.name)
            kept = live.keys() & wanted.keys()
            folders = [path for path in kept if live[path].kind == wanted[path].kind == DIRECTORY]
            carried = _tree.read_git(self.directory, self.name, folders)
            _tree_copy.copy(source, (self.directory, self._staging), wanted, ((self.directory, self.name), carried))
            self._rename(self._staging, self._incoming)
        except BaseException:
            _tree_copy.remove(self.directory, self._staging)
            raise
        os.fsync(self.directory)

    def swap(self) -> None:
        """Put the staged content in place, in one step where the kernel and the file system can."""
        if not self._exists(self.name):
            self._rename(self._incoming, self.name)
        elif not exchange(self.directory, self._incoming, self.name):
            self._rename(self.name, self._replaced)
            try:
                self._rename(self._incoming, self.name)
            except OSError:
                self._rename(self._replaced, self.name)
                raise
        os.fsync(self.directory)

    def discard(self) -> None:
        """Remove what was staged and not put in place."""
        _tree_copy.remove(self.directory, self._incoming)

    def keep(self) -> None:
        """Name what was replaced as such."""
        if self._exists(self._incoming):
            self._rename(self._incoming, self._replaced)
            os.fsync(self.directory)

    def put_back(self, kept: str | None) -> None:
        """What was replaced is in place again; what it had been replaced with is kept instead."""
        if kept is None:
            self._rename(self.name, self._replaced)
        elif not self._exists(self.name):
            self._rename(kept, self.name)
        elif not exchange(self.directory, kept, self.name):
            self._rename(self.name, self._replaced)
            self._rename(kept, self.name)
        os.fsync(self.directory)

    def _exists(self, name: str) -> bool:
        return lstat_at(self.directory, name) is not None

    def _rename(self, old: str, new: str) -> None:
        os.rename(old, new, src_dir_fd=self.directory, dst_dir_fd=self.directory)


def exchange(directory: int, one: str, other: str) -> bool:
    """Let two names change places in one step; False where the system cannot."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    if rename(directory, os.fsencode(one), directory, os.fsencode(other), RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in UNSUPPORTED:
        return False
    raise OSError(code, os.strerror(code), other)


def _record(swap: Swap, part: Part) -> dict[str, Any]:
    folder = os.path.dirname(part.path)
    return {
        "path": part.path,
        "kept": os.path.join(folder, swap.kept) if swap.kept else None,
        "before": swap.digest(swap.kept) if swap.kept else None,
        "after": _tree.digest(part.wanted),
    }


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S.%fZ")
