# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows brought back into a live database from a safety copy. PRIVATE to the collection.

What is brought back is a difference, taken anew each time. So a run that was killed at any point is run again: rows
that arrived are in the difference no more, and no row is written twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Callable

from .._operation import OperationError, State
from .carried import LONGEST_BINARY, kind_of
from .client import name_of
from .compared import Compared, Reader, Row, Slice
from .landing import is_landing, land
from .tables import Table, wait_for_wal

BATCH = 20_000
"""Rows that are written at a time, in one transaction of the server."""

BATCH_SIZE = 8 << 20
"""Characters that they have at most, or one row."""

MOST_NAMED = 3
HOURS = {"HOUR": 1, "DAY": 24, "WEEK": 7 * 24, "MONTH": 28 * 24, "YEAR": 365 * 24}
"""At least so many are in a unit of a TTL."""

PER_HOUR = {"TIMESTAMP": 3600 * 10**6, "TIMESTAMP_NS": 3600 * 10**9}


@dataclass
class Found:
    """What a table lacks. missing: rows to bring back; taken: rows whose DEDUP key another one has in the live table"""

    exists: bool
    missing: int = 0
    taken: int = 0
    slices: list[Slice] = field(default_factory=list)

    def shown(self) -> State:
        return {"exists": self.exists, "missing": self.missing, "taken": self.taken}


class Comparison:
    """The tables of a safety copy, and of the live database.

    wanted: tables by name; none: all that the safety copy has
    told: hears the table, and how many of how many of its rows were compared
    """

    def __init__(
        self,
        copy: tuple[Reader, Mapping[str, Table]],
        live: tuple[Reader, Mapping[str, Table]],
        wanted: Sequence[str],
        told: Callable[[str, int, int], None],
    ) -> None:
        self._copy, self._copied = copy
        self._live, self._there = live
        self._told = told
        unknown = sorted(set(wanted) - self._copied.keys())
        if unknown:
            there = ", ".join(sorted(self._copied)) or "none"
            raise OperationError(f"the safety copy has no table {unknown[0]!r} (it has {there}): correct tables")
        self.names = [
            name
            for name, table in sorted(self._copied.items())
            if (name in wanted if wanted else table.kind == "table") and not is_landing(name)
        ]

    def refusals(self) -> list[str]:
        """Of each table whose rows cannot be brought back, why so, as phrases."""
        found = []
        for name in self.names:
            reason = self._refusal(self._copied[name], self._there.get(name))
            if reason:
                found.append(f"table {name} {reason}")
        return found

    def find(self) -> dict[str, Found]:
        """What each table lacks. Reads all rows of both."""
        return {name: self._find(name) for name in self.names}

    def bring_back(self, name: str, slices: Sequence[Slice], db: str) -> tuple[int, int]:
        """Write what the live table lacks now in these slices; returns how many rows and batches that took.

        db: where the live database must have its data, which is proven with each batch
        """
        compared = self._compared(name)
        rows, batches = 0, 0
        for batch in _batches(row for slice_ in slices for row in compared.missing(slice_)[0]):
            land(self._live, db, name, compared.columns, batch)
            rows, batches = rows + len(batch), batches + 1
        return rows, batches

    def create(self, name: str) -> None:
        """Make a table that the live database lacks."""
        self._live.query(self._copied[name].ddl)

    def _find(self, name: str) -> Found:
        compared = self._compared(name)
        found = Found(name in self._there)
        total = self._copied[name].rows
        earliest: int | None = None
        for number, slice_ in enumerate(compared.slices()):
            self._told(name, min(total, number * BATCH), total)
            missing, taken = compared.missing(slice_)
            found.missing += len(missing)
            found.taken += taken
            if missing:
                found.slices.append(slice_)
                first = compared.earliest(missing)
                earliest = first if earliest is None or first is None else min(earliest, first)
        self._told(name, total, total)
        if earliest is not None and compared.live is not None:
            self._check_ttl(compared, earliest)
        return found

    def _compared(self, name: str) -> Compared:
        table = self._copied[name]
        kinds = dict(table.columns)
        timestamp = (table.timestamp, kinds[table.timestamp]) if table.timestamp else None
        live = self._live if name in self._there else None
        return Compared(name, table.columns, timestamp, self._keys(table), self._copy, live)

    def _keys(self, table: Table) -> tuple[int, ...]:
        """Where the columns are that the table's DEDUP goes by: in the live database, or in what will be made."""
        if not (self._there.get(table.name) or table).dedup:
            return ()
        reader = self._live if table.name in self._there else self._copy
        described = reader.query(f"table_columns('{table.name.replace(chr(39), chr(39) * 2)}')").dicts()
        keys = {row["column"] for row in described if row["upsertKey"]}
        return tuple(index for index, (column, _kind) in enumerate(table.columns) if column in keys)

    def _refusal(self, table: Table, live: Table | None) -> str:
        if table.kind != "table":
            return f"is a {table.kind}, whose rows follow from tables"
        for column, kind in table.columns:
            if kind_of(kind) is None:
                return f"has column {column} of type {kind}, which cannot be carried"
            if kind == "BINARY" and self._longest(table.name, column) > LONGEST_BINARY:
                return f"has a value of more than {LONGEST_BINARY >> 20} MiB in column {column}"
        if live is None:
            return ""
        if live.kind != "table":
            return f"is a {live.kind} in the live database"
        if live.timestamp != table.timestamp:
            return (
                f"has {live.timestamp} as designated timestamp in the live database, and {table.timestamp} in the copy"
            )
        here, there = dict(live.columns), dict(table.columns)
        none = "not there"
        differing = [
            f"{column} is {here.get(column, none)} in the live database, and {there.get(column, none)} in the copy"
            for column in {**there, **here}
            if here.get(column) != there.get(column)
        ]
        return f"has other columns ({'; '.join(differing[:MOST_NAMED])})" if differing else ""

    def _longest(self, name: str, column: str) -> int:
        longest = f"select max(length({name_of(column)})) from {name_of(name)}"  # noqa: S608  # names are quoted
        return self._copy.query(longest).rows[0][0] or 0

    def _check_ttl(self, compared: Compared, earliest: int) -> None:
        """Rows that are older than the table's TTL would be dropped as soon as they are written."""
        described = [row for row in self._live.query("tables()").dicts() if row["table_name"] == compared.name]
        value, unit = described[0].get("ttlValue") or 0, described[0].get("ttlUnit")
        if not value or compared.timestamp is None:
            return
        name, kind = compared.timestamp
        newest = f"select cast(max({name_of(name)}) as long) from {name_of(compared.name)}"  # noqa: S608  # quoted
        last = max(reader.query(newest).rows[0][0] or 0 for reader in (self._copy, self._live))
        if earliest < last - value * HOURS[str(unit).upper()] * PER_HOUR[kind]:
            raise OperationError(
                f"rows of table {compared.name} are older than its TTL of {value} {unit}, so QuestDB would drop them "
                f"again: lift it with ALTER TABLE {name_of(compared.name)} SET TTL 0, or leave the table out of tables"
            )


def arrived(live: Reader, remaining: Callable[[], float]) -> dict[str, int | None]:
    """Wait until what was written by now is in its table; the last transaction of each table with a WAL."""
    wait_for_wal(live, remaining, writers=True)
    return {row["name"]: row["sequencerTxn"] for row in live.query("wal_tables()").dicts()}


def _batches(rows: Iterator[Row]) -> Iterator[list[Row]]:
    batch: list[Row] = []
    size = 0
    for row in rows:
        length = len(repr(row))
        if batch and (len(batch) == BATCH or size + length > BATCH_SIZE):
            yield batch
            batch, size = [], 0
        batch.append(row)
        size += length
    if batch:
        yield batch
