# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether each column of each partition is on disk, and long enough for its rows. PRIVATE to the collection.

The server does not look: it starts, says that it is well and counts its rows, and a query on a column that was cut off
ends the whole server. So this is asked of the files. What a column holds is not looked at.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from .._files import read_bytes
from .._operation import OperationError
from .tree import FileEntry

NAMES_AT, NAMES_EACH = 128, 32
"""Where the columns begin in ``_meta``, and how much each takes up before their names."""

AREA = {0: 8, 1: 24}
"""Where place and size of the records stand in ``_cv``, by the parity of its version."""

EVERYWHERE = -(1 << 63)
"""In place of a partition: what holds where nothing else is said of it."""

WIDTHS = {
    1: 1,  # boolean
    2: 1,  # byte
    3: 2,  # short
    4: 2,  # char
    5: 4,  # int
    6: 8,  # long
    7: 8,  # date
    8: 8,  # timestamp
    9: 4,  # float
    10: 8,  # double
    12: 4,  # symbol
    13: 32,  # long256
    14: 1,  # geohashes
    15: 2,
    16: 4,
    17: 8,
    19: 16,  # uuid
    24: 16,  # long128
    25: 4,  # ipv4
}
"""Bytes of each value, by type. Of others the lengths vary: they have a second file, which says where each begins."""

AUXILIARY = {11: 8, 18: 8, 26: 16}
"""Bytes of each entry in that second file: string, binary, varchar."""


@dataclass(frozen=True)
class Column:
    """A column as ``_meta`` has it. index: its number among all that there ever were; type: without its parameters"""

    index: int
    name: str
    type: int

    def least(self, rows: int) -> dict[str, int]:
        """The files that so many rows need, as endings, and how long they are at least."""
        if self.type in WIDTHS:
            return {".d": rows * WIDTHS[self.type]}
        if self.type in AUXILIARY:
            more = 0 if self.type == 26 else 1  # where the last one ends
            return {".d": 0, ".i": (rows + more) * AUXILIARY[self.type]}
        return {".d": 0}


class Versions:
    """What ``_cv`` says: since when a partition has a column, and how its files are called."""

    def __init__(self, path: str) -> None:
        content = read_bytes(path) or b""
        try:
            (version,) = struct.unpack_from("<q", content, 0)
            place, size = struct.unpack_from("<2q", content, AREA[version & 1])
            records = struct.iter_unpack("<4q", content[place : place + size])
            self._records = {(part, column): (name, top) for part, column, name, top in records}
        except struct.error as error:
            raise OperationError(f"{path} is not what this collection knows: it cannot be verified") from error

    def of(self, part: int, column: int) -> tuple[int, int] | None:
        """The version in the names of the column's files, and how many rows are older than the column; None: all."""
        found = self._records.get((part, column))
        if found is not None:
            return found
        version, since = self._records.get((EVERYWHERE, column), (-1, EVERYWHERE))
        return (version, 0) if since <= part else None


def read_columns(path: str) -> list[Column]:
    """The columns that a ``_meta`` has, without those that were dropped."""
    content = read_bytes(path) or b""
    columns = []
    try:
        (count,) = struct.unpack_from("<i", content, 0)
        at = NAMES_AT + count * NAMES_EACH
        for index in range(count):
            (kind,) = struct.unpack_from("<i", content, NAMES_AT + index * NAMES_EACH)
            (length,) = struct.unpack_from("<i", content, at)
            name = content[at + 4 : at + 4 + 2 * length].decode("utf-16-le")
            at += 4 + 2 * length
            if kind > 0:
                columns.append(Column(index, name, kind & 0xFF))
    except (struct.error, ValueError) as error:
        raise OperationError(f"{path} is not what this collection knows: it cannot be verified") from error
    return columns


def wrong_columns(
    columns: list[Column], versions: Versions, start: int, rows: int, files: Mapping[str, FileEntry]
) -> list[str]:
    """What is missing or cut off in a partition, as phrases.

    start: of the partition, in the table's unit of time; files: in its directory, by name
    """
    wrong = []
    for column in columns:
        found = versions.of(start, column.index)
        if found is None or rows <= max(0, found[1]):
            continue
        version, top = found
        for ending, least in column.least(rows - max(0, top)).items():
            name = f"{column.name}{ending}" + (f".{version}" if version >= 0 else "")
            entry = files.get(name)
            if entry is None:
                wrong.append(f"{name} is missing")
            elif entry.size < least:
                wrong.append(f"{name} is cut off ({entry.size} of {least} bytes)")
    return wrong
