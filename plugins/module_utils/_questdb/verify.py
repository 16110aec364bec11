# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether two states of a database hold the same rows, and which rows would be lost. PRIVATE to the collection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Callable

from .._operation import OperationError
from .client import Client, Unreachable
from .tables import Table, read_tables, touch_columns

Tables = Mapping[str, Table]
MOST_NAMED = 5


def discarded(live: Tables, wanted: Tables, common: Tables | None = None) -> dict[str, int]:
    """Rows of each table that are live and would not be there afterwards, as far as counts tell.

    Partition by partition: rows of a partition that was dropped since make up for none that were written since.
    common: the tables as they were where the two parted, None if that is not known. What was written since is not the
    same rows, however many they are.
    """
    lost = {}
    for name, table in live.items():
        other = wanted.get(name)
        if table.kind != "table":
            continue  # what a view holds follows from tables
        kept: dict[str, int] = dict(other.partitions) if other else {}
        same: dict[str, int] = kept if common is None else _partitions(common.get(name), table)
        count = sum(
            max(0, rows - min(kept.get(partition, 0), same.get(partition, 0))) for partition, rows in table.partitions
        )
        if count:
            lost[name] = count
    return lost


def changed(live: Tables, wanted: Tables, common: Tables) -> list[str]:
    """Tables that saw transactions since, which no count shows, as an UPDATE; and views and tables that would go.

    common: the tables as they were where the two parted
    """
    found = []
    for name, table in live.items():
        other = wanted.get(name)
        if other is None or other.columns != table.columns or _is_newer(table, other, common.get(name)):
            found.append(name)
    return sorted(found)


def _partitions(common: Table | None, table: Table) -> dict[str, int]:
    """Rows by partition; none if the table was made since."""
    return dict(common.partitions) if common and common.directory == table.directory else {}


def _is_newer(table: Table, other: Table, common: Table | None) -> bool:
    """Whether a table may hold what the other does not. Without numbers, an UPDATE in its bounds is not seen."""
    if table.kind != "table":
        return False  # what a view holds follows from tables
    if common is None or {other.directory, common.directory} != {table.directory}:
        return True  # it was dropped and made again, or nobody knows
    if table.seq_txn is None or common.seq_txn is None or {other.wal, common.wal} != {table.wal}:
        return (table.wal, table.first, table.last) != (other.wal, common.first, common.last)
    return table.seq_txn > common.seq_txn


def differences(live: Tables, wanted: Tables, *, at_least: bool) -> list[str]:
    """In what the live tables are not as wanted, as phrases. at_least: more rows than these are fine."""
    wrong = [f"table {name} is missing" for name in sorted(wanted.keys() - live.keys())]
    if not at_least:
        wrong += [f"table {name} does not belong there" for name in sorted(live.keys() - wanted.keys())]
    for name in sorted(wanted.keys() & live.keys()):
        one, other = live[name], wanted[name]
        if one.columns != other.columns:
            wrong.append(f"table {name} has other columns")
        elif one.kind != "table":
            continue
        elif at_least:
            missing = discarded({name: other}, {name: one}).get(name)
            if missing:
                wrong.append(f"table {name} has {one.rows} rows, and lacks {missing} of {other.rows}")
        elif one.rows != other.rows:
            wrong.append(f"table {name} has {one.rows} rows instead of {other.rows}")
        elif (one.first, one.last) != (other.first, other.last):
            wrong.append(f"table {name} reaches from {one.first} to {one.last}, not from {other.first} to {other.last}")
        elif one.partitions != other.partitions:
            wrong.append(f"table {name} has its rows in other partitions")
    return wrong


def verify(
    client: Client,
    wanted: Tables | None,
    *,
    at_least: bool,
    columns: bool,
    remaining: Callable[[], float],
    db: str = "",
) -> dict[str, Table]:
    """Read what the server holds, and raise OperationError unless it is as wanted.

    wanted: None if that is not known; columns: whether each column of each row is read, too
    db: of the server, for the numbers of what has no WAL
    """
    live = read_tables(client, db)
    wrong = [] if wanted is None else differences(live, wanted, at_least=at_least)
    if wrong:
        more = f" and {len(wrong) - MOST_NAMED} more" if len(wrong) > MOST_NAMED else ""
        raise OperationError(
            f"the database is not as it should be ({'; '.join(wrong[:MOST_NAMED])}{more}): keep every writer stopped, "
            "or take another backup"
        )
    for table in live.values() if columns else ():
        try:
            touch_columns(client, table, timeout=max(1.0, remaining()))
        except OperationError as error:
            mend = "the backup holds damaged files"
            if isinstance(error, Unreachable):
                mend = f"look at the server's log; if it ended over them, {mend}"
            raise type(error)(f"the columns of table {table.name} cannot be read ({error}): {mend}") from error
    return live


def counts(tables: Tables) -> dict[str, int]:
    """Rows of each table."""
    return {name: table.rows for name, table in sorted(tables.items()) if table.kind == "table"}


def named(lost: Mapping[str, int]) -> str:
    """For a message: how many rows of which tables."""
    return ", ".join(f"{count} of {name}" for name, count in sorted(lost.items()))
