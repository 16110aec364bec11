# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries of a directory moved into the trash, and back. PRIVATE to the collection."""

from __future__ import annotations

import ctypes
import errno
import os
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice

from .._files import lstat_at
from .._operation import OperationError
from .._snapshot.swap import UNSUPPORTED
from .._snapshot.tree import inside
from .journal import Line
from .matches import Match
from .shown import named, shown
from .trash import Entry

RENAME_NOREPLACE = 1
AT_A_TIME = 500
"""How many entries are written down, with one fsync, before they are moved."""


@dataclass
class Returned:
    """What came back from the trash: how many entries, and why each of the others did not, as phrases."""

    count: int = 0
    left: list[str] = field(default_factory=list)


def take(directory: int, path: str, matches: list[Match], entry: Entry) -> None:
    """Move matches into an entry of the trash. What is gone meanwhile is passed over.

    If one cannot be moved, all that the entry holds is put back, and OperationError raised.
    """
    number = max((line["number"] for line in entry.journal.lines() if "number" in line), default=0)
    remaining = iter(matches)
    try:
        while batch := list(islice(remaining, AT_A_TIME)):
            numbered = list(enumerate(batch, start=number + 1))
            number += len(batch)
            entry.journal.write(
                {"number": index, "path": match.path, "files": match.files, "bytes": match.size}
                for index, match in numbered
            )
            for index, match in numbered:
                _take(directory, match.path, str(index), entry)
            os.fsync(entry.files)
        os.fsync(directory)
    except (OSError, OperationError) as error:
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
        hint = ": name a trash on the same file system" if getattr(error, "errno", 0) == errno.EXDEV else ""
        returned = put_back(directory, entry)
        if returned.left:
            left = f"{named(returned.left)}: what was taken lies in {entry.path}{hint}"
            raise OperationError(f"{path} was purged in part ({reason}), and {left}") from error
        entry.remove()
        raise OperationError(f"{path} cannot be purged ({reason}): all of it is back in its place{hint}") from error


def put_back(directory: int, entry: Entry) -> Returned:
    """Move what an entry of the trash holds to where it was, unless something is there by now."""
    returned = Returned()
    for line in held(entry):  # the others were never moved, or are back already
        name, path = str(line["number"]), str(line["path"])
        if path.startswith("/") or ".." in path.split("/"):
            raise OperationError(f"{entry.path} names {path!r}, which is outside of what was purged: it was left alone")
        try:
            with inside(directory, path) as (parent, target):
                if rename_new(entry.files, name, parent, target):
                    returned.count += 1
                else:
                    returned.left.append(f"{shown(path)} is there again")
        except FileNotFoundError:
            returned.left.append(f"the directory of {shown(path)} is gone")
        except NotADirectoryError:
            returned.left.append(f"the directory of {shown(path)} is none any more")
    os.fsync(directory)
    os.fsync(entry.files)
    return returned


def held(entry: Entry) -> list[Line]:
    """The lines of what an entry of the trash holds."""
    lines = (line for line in entry.journal.lines() if "number" in line)
    return [line for line in lines if lstat_at(entry.files, str(line["number"])) is not None]


def rename_new(source: int, name: str, target: int, new_name: str) -> bool:
    """Move a name between open directories, in one step where the system can; False if the new one is taken."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is not None:
        if rename(source, os.fsencode(name), target, os.fsencode(new_name), RENAME_NOREPLACE) == 0:
            return True
        code = ctypes.get_errno()
        if code == errno.EEXIST:
            return False
        if code not in UNSUPPORTED:
            raise OSError(code, os.strerror(code), new_name)
    if lstat_at(target, new_name) is not None:
        return False
    os.rename(name, new_name, src_dir_fd=source, dst_dir_fd=target)
    return True


def _take(directory: int, path: str, name: str, entry: Entry) -> None:
    with suppress(FileNotFoundError), inside(directory, path) as (parent, target):
        os.rename(target, name, src_dir_fd=parent, dst_dir_fd=entry.files)
        if "/" in path:
            os.fsync(parent)
