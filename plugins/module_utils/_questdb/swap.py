# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories that change places by rename. PRIVATE to the collection.

Each is known by its inode, which a rename keeps. So after a kill between any two renames it can be seen which of them
were done, and the same call does the rest, or takes them back.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress

from .._files import lstat_at, open_directory, sync_directory
from .._operation import OperationError
from .._snapshot.swap import exchange


def inode(path: str) -> int | None:
    """What a directory is known by; None if it is not there."""
    try:
        return os.stat(path, follow_symlinks=False).st_ino
    except (FileNotFoundError, NotADirectoryError):
        return None


def arrange(root: str, wanted: Mapping[str, int], places: Sequence[str]) -> None:
    """Put directories under the names that they shall have, one after the other.

    root: what all names are relative to, on one file system
    wanted: inode by name; the first changes places with what is there in one step where the system can
    places: all names that one of them may have now; their parents are there
    """
    directory = open_directory(root)
    try:
        for name, number in wanted.items():
            present = next((place for place in places if _inode_at(directory, place) == number), None)
            if present is None:
                raise OperationError(
                    f"the directory that is to be {os.path.join(root, name)} is at none of {', '.join(places)} in "
                    f"{root}: somebody moved it, look for inode {number}"
                )
            if present == name:
                continue
            if _inode_at(directory, name) is None:
                _rename(directory, present, name)
            elif not exchange(directory, present, name):
                _rename(directory, name, _aside(directory, name, wanted, places))
                _rename(directory, present, name)
        for parent in {os.path.dirname(place) or "." for place in places}:
            _sync(directory, parent)
    finally:
        os.close(directory)


def _aside(directory: int, name: str, wanted: Mapping[str, int], places: Sequence[str]) -> str:
    """Where what has the name goes meanwhile: where it shall be, or else any place that is free."""
    number = _inode_at(directory, name)
    last = [place for place, wanted_number in wanted.items() if wanted_number == number and place != name]
    for place in [*last, *places]:
        if _inode_at(directory, place) is None and _inode_at(directory, os.path.dirname(place) or ".") is not None:
            return place
    raise OperationError(f"{name} cannot be moved aside, none of {', '.join(places)} is free: move one of them away")


def _rename(directory: int, old: str, new: str) -> None:
    os.rename(old, new, src_dir_fd=directory, dst_dir_fd=directory)
    for parent in sorted({os.path.dirname(old) or ".", os.path.dirname(new) or "."}):
        _sync(directory, parent)


def _sync(directory: int, name: str) -> None:
    with suppress(FileNotFoundError):
        sync_directory(name, directory)


def _inode_at(directory: int, name: str) -> int | None:
    state = lstat_at(directory, name)
    return state.st_ino if state else None
