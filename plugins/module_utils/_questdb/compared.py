# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rows of a table one server has and another lacks, and how often. PRIVATE to the collection.

Rows are compared by all that is in them, as multisets: a row that is there twice and once is missing once. Whatever
order they are in, and however the server keeps them on disk. Every row is read on both servers, slice by slice, so
that no more of them are held than one slice has. Statements are as plain as can be: QuestDB 9.3 has no multiset
difference (its EXCEPT ALL removes a row however often it is there), and counts wrongly over some nested ones.
"""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from .._operation import OperationError
from .carried import reading
from .client import BODY_LIMIT, Client, QuestDBError, name_of, shortened

SLICE = 50_000
"""Rows that are held at a time."""

Row = tuple[Any, ...]


class _TooMuch(Exception):
    """An answer was cut off."""


class Reader(Client):
    """Reads many rows at once."""

    def text(self, sql: str) -> bytes:
        """The answer as it came. The same rows in the same order give the same."""
        answer = self._ask(f"{self.access.url}/exec?{urlencode({'query': sql, 'nm': 'false'})}", self.timeout)
        if answer.status == 200 and not answer.whole:
            raise _TooMuch
        if answer.status != 200:
            self.query(sql)  # which says why
            raise QuestDBError(f"QuestDB refused {shortened(sql)!r}: look at its log")
        return answer.body

    def rows(self, sql: str, table: str) -> Iterator[Row]:
        """Rows of a query over a table, however many, page by page; smaller pages where an answer would be cut off."""
        page, begin = SLICE, 0
        while True:
            try:
                found = _decoded(self.text(f"{sql} limit {begin}, {begin + page}"), table)
            except _TooMuch as error:
                if page == 1:
                    raise OperationError(
                        f"a row of table {table} has more than {BODY_LIMIT >> 20} MiB: leave it out of tables"
                    ) from error
                page = max(1, page // 8)
                continue
            yield from found
            if len(found) < page:
                return
            begin += page

    def count(self, table: str, where: str) -> int:
        """How many rows."""
        return int(self.query(f"select count() from {name_of(table)}{where}").rows[0][0])  # noqa: S608  # quoted


@dataclass(frozen=True)
class Slice:
    """A part of a table.

    low, high: from when on and before when, in the designated timestamp's unit; None: the table has no such
    part, parts: of what is left, the rows whose checksum has this remainder
    """

    low: int | None
    high: int | None
    part: int = 0
    parts: int = 1


@dataclass(frozen=True)
class Compared:
    """A table on two servers.

    columns: name and type; timestamp: name and type of the designated one
    keys: where in a row the columns are of which the live table has no two rows alike (DEDUP)
    live: None where the table is not there
    """

    name: str
    columns: list[list[str]]
    timestamp: tuple[str, str] | None
    keys: tuple[int, ...]
    copy: Reader
    live: Reader | None

    def slices(self) -> Iterator[Slice]:
        """All slices in which the copy has rows, none of them larger than can be held."""
        if self.timestamp is None:
            count = self._most(Slice(None, None))
            yield from _parts(Slice(None, None), count)
            return
        name = name_of(self.timestamp[0])
        least_and_most = f"cast(min({name}) as long), cast(max({name}) as long)"
        bounds = f"select {least_and_most} from {name_of(self.name)}"  # noqa: S608  # names are quoted
        low, high = self.copy.query(bounds).rows[0]
        waiting = [] if low is None else [Slice(low, high + 1)]
        while waiting:
            slice_ = waiting.pop()
            if not self.copy.count(self.name, self._where(slice_)):
                continue
            count, low, high = self._most(slice_), slice_.low or 0, slice_.high or 0
            if count <= SLICE or high - low == 1:
                yield from _parts(slice_, count)
            else:
                middle = (low + high) // 2
                waiting += [Slice(middle, high), Slice(low, middle)]

    def missing(self, slice_: Slice) -> tuple[list[Row], int]:
        """The rows of a slice that the live table lacks, each as often as it does.

        And how many more it lacks that it has no room for: a row with the same DEDUP key is there, which they would
        replace, or they would replace each other.
        """
        if self.live is not None and slice_.parts == 1 and self._is_same(slice_):
            return [], 0
        lacking: Counter[Row] = Counter()
        for row in self._rows(self.copy, slice_):
            lacking[row] += 1
        taken = set()
        for row in self._rows(self.live, slice_) if self.live is not None else ():
            if self.keys:
                taken.add(self._key(row))
            if row in lacking:
                lacking[row] -= 1
        lacking = +lacking
        return self._with_room(lacking, taken) if self.keys else (list(lacking.elements()), 0)

    def earliest(self, rows: Sequence[Row]) -> int | None:
        """The least designated timestamp of rows."""
        if self.timestamp is None or not rows:
            return None
        at = [name for name, _type in self.columns].index(self.timestamp[0])
        return min(int(row[at]) for row in rows)

    def _with_room(self, lacking: Counter[Row], taken: set[Row]) -> tuple[list[Row], int]:
        by_key: dict[Row, list[Row]] = {}
        for row in lacking:
            by_key.setdefault(self._key(row), []).append(row)
        found = [rows[0] for key, rows in by_key.items() if key not in taken and len(rows) == 1]
        return found, sum(lacking.values()) - len(found)

    def _key(self, row: Row) -> Row:
        return tuple(row[at] for at in self.keys)

    def _most(self, slice_: Slice) -> int:
        counts = [reader.count(self.name, self._where(slice_)) for reader in (self.copy, self.live) if reader]
        return max(counts)

    def _is_same(self, slice_: Slice) -> bool:
        """Whether both have the same rows in the same order, which takes no look into them."""
        sql = self._select(slice_)
        try:
            return self.live is not None and self.copy.text(sql) == self.live.text(sql)
        except _TooMuch:
            return False

    def _rows(self, reader: Reader, slice_: Slice) -> Iterator[Row]:
        for row in reader.rows(self._select(slice_), self.name):
            if slice_.parts == 1 or self._part(row, slice_.parts) == slice_.part:
                yield row

    def _part(self, row: Row, parts: int) -> int:
        return zlib.crc32(repr(self._key(row) if self.keys else row).encode("utf-8", "surrogatepass")) % parts

    def _select(self, slice_: Slice) -> str:
        return f"select {reading(self.columns)} from {name_of(self.name)}{self._where(slice_)}"  # noqa: S608  # quoted

    def _where(self, slice_: Slice) -> str:
        if self.timestamp is None or slice_.low is None:
            return ""
        name, kind = name_of(self.timestamp[0]), self.timestamp[1]
        low, high = f"cast({slice_.low} as {kind})", f"cast({slice_.high} as {kind})"
        return f" where {name} >= {low} and {name} < {high}"


def _decoded(body: bytes, table: str) -> list[Row]:
    try:
        return [tuple(row) for row in json.loads(body.decode(), strict=False)["dataset"]]
    except UnicodeDecodeError as error:
        raise OperationError(
            f"table {table} holds text that is no UTF-8, which cannot be carried: leave it out of tables"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise OperationError(f"the rows of table {table} cannot be read: look at QuestDB's log") from error


def _parts(slice_: Slice, count: int) -> Iterator[Slice]:
    parts = max(1, -(-count // SLICE))
    for part in range(parts):
        yield Slice(slice_.low, slice_.high, part, parts)
