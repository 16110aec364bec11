# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tables a QuestDB has, what is in them, and whether what was written has arrived. PRIVATE to the collection."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Callable, Optional

from .._operation import OperationError
from .client import Client, Rows, name_of, text_of

KINDS = {"T": "table", "M": "materialized view", "V": "view"}
"""``table_type`` of ``tables()``."""

Content = tuple[int, Optional[str], Optional[str], list[list[Any]]]
"""Rows, first, last and partitions of a table."""

UNPARTITIONED = "default"
"""What the server calls the only partition of a table that has no others."""

NAMES = {"YEAR": 4, "MONTH": 7, "WEEK": 8, "DAY": 10, "HOUR": 13}
"""How long a partition's name is. What follows tells the parts of one that was split."""

POLL = 0.1
"""Seconds between two looks at the WAL."""


@dataclass(frozen=True)
class Table:
    """A table or view of a user.

    kind: ``table``, ``materialized view``, or ``view``, which has no rows of its own
    directory: its name in ``db``; rows, first, last and partitions are of one moment
    first, last: the least and the greatest designated timestamp, ISO in UTC; None without rows or without one
    columns: name and type of each; partitions: name and rows of each as it was asked for, however it is split on disk
    seq_txn: the last transaction that its WAL has, or without WAL that it has itself; None if that is not known
    pending: in a copy, how many of these are in the WAL alone, so that the server carries them out when it starts
        on the copy; rows, first, last and partitions are without them
    """

    name: str
    directory: str
    ddl: str
    wal: bool
    partition_by: str
    timestamp: str | None
    dedup: bool
    rows: int
    first: str | None
    last: str | None
    columns: list[list[str]]
    partitions: list[list[Any]]
    seq_txn: int | None
    kind: str = "table"
    pending: int = 0


def read_tables(client: Client, db: str = "") -> dict[str, Table]:
    """All tables and views of users, by name. The server does not list its own.

    db: its directory, where what has no WAL numbers its transactions; the server shows no such number
    """
    transactions = {row["name"]: row["sequencerTxn"] for row in client.query("wal_tables()").dicts()}
    found = client.query("tables()").dicts()
    for row in found if db else ():
        transactions.setdefault(row["table_name"], _number(os.path.join(db, row["directoryName"], "_txn")))
    return {row["table_name"]: _read(client, row, transactions) for row in sorted(found, key=lambda r: r["table_name"])}


def wait_for_wal(client: Client, remaining: Callable[[], float], *, writers: bool = False) -> None:
    """Wait until all that was written is in its table.

    remaining: seconds that are left. A suspended table never arrives and is an OperationError that names it, as is one
    that does not arrive in time. Resuming it is an operator's decision: it may skip transactions.
    writers: others go on writing, so that only what was written by now is waited for
    """
    wanted: dict[str, int] = {}
    while True:
        waiting = {}
        for row in client.query("wal_tables()").dicts():
            if row["suspended"]:
                said = row.get("errorMessage") or row.get("errorTag") or "no reason given"
                raise OperationError(
                    f"table {row['name']} is suspended at transaction {row['writerTxn']} of {row['sequencerTxn']} "
                    f"({said}): look into it, and resume it by hand"
                )
            last = wanted.setdefault(row["name"], row["sequencerTxn"]) if writers else row["sequencerTxn"]
            if row["writerTxn"] < last:
                waiting[row["name"]] = last - row["writerTxn"]
        if not waiting:
            return
        if remaining() <= 0:
            behind = ", ".join(f"{name} by {count}" for name, count in sorted(waiting.items()))
            raise OperationError(
                f"what was written did not arrive in its table in time (transactions behind: {behind}): stop the "
                "writers, or raise drain_timeout"
            )
        time.sleep(POLL)


def touch_columns(client: Client, table: Table, *, timeout: float | None = None) -> None:
    """Read every column of every row once: what is missing or cut off on disk shows here, and in no count."""
    if table.columns and table.kind != "view":
        counted = ", ".join(f"count({name_of(name)})" for name, _type in table.columns)
        client.query(f"select {counted} from {name_of(table.name)}", timeout=timeout)  # noqa: S608  # names are quoted


def fingerprint(tables: Mapping[str, Table]) -> str:
    """SHA-256 over what each table holds: name, columns, rows, bounds and partitions. Not over the order of writes.

    Of a view only over what it is: its rows follow from tables, and the server fills it when it thinks fit.
    """
    seen = []
    for _name, table in sorted(tables.items()):
        content = [table.rows, table.first, table.last, table.partitions] if table.kind == "table" else []
        seen.append([table.name, table.kind, table.columns, *content])
    return hashlib.sha256(json.dumps(seen).encode()).hexdigest()


def partition_of(partition_by: str, moment: str) -> str:
    """The name of the partition that an ISO time in UTC belongs to, however finely it is split on disk."""
    if partition_by == "WEEK":
        year, week, _day = _date(moment).isocalendar()
        return f"{year}-W{week:02}"
    return moment[: NAMES[partition_by]] if partition_by in NAMES else UNPARTITIONED


def _date(moment: str) -> dt.date:
    return dt.date(int(moment[:4]), int(moment[5:7]), int(moment[8:10]))


def _read(client: Client, row: dict[str, Any], transactions: Mapping[str, int | None]) -> Table:
    name, kind = row["table_name"], KINDS.get(row.get("table_type") or "", "table")
    if row.get("matView"):
        kind = "materialized view"
    partition_by, timestamp = row["partitionBy"] or "NONE", row["designatedTimestamp"]
    described = client.query(f"table_columns({text_of(name)})").dicts()
    content: Content = (0, None, None, [])
    if kind != "view":
        content = _content(client, name, partition_by, timestamp)
    rows, first, last, partitions = content
    return Table(
        name=name,
        directory=row["directoryName"],
        ddl=str(client.query(f"show create {kind} {name_of(name)}").rows[0][0]),
        wal=bool(row["walEnabled"]),
        partition_by=partition_by,
        timestamp=timestamp,
        dedup=bool(row["dedup"]),
        rows=rows,
        first=first,
        last=last,
        columns=[[column["column"], column["type"]] for column in described],
        partitions=partitions,
        seq_txn=transactions.get(name),
        kind=kind,
    )


def _number(path: str) -> int | None:
    try:
        with open(path, "rb") as handle:
            return int(struct.unpack("<q", handle.read(8))[0])
    except (OSError, struct.error):
        return None  # a view has none, and what was dropped meanwhile


def _content(client: Client, name: str, partition_by: str, timestamp: str | None) -> Content:
    """Rows, first, last and partitions. Of a partitioned table from one query, so that they fit while others write."""
    if partition_by == "NONE":
        bounds = f", min({name_of(timestamp)}), max({name_of(timestamp)})" if timestamp else ", null, null"
        rows, first, last = client.query(f"select count(){bounds} from {name_of(name)}").rows[0]  # noqa: S608  # quoted
        return rows, first, last, [[UNPARTITIONED, rows]] if rows else []
    listed = [part for part in _partitions(client, name).dicts() if part["attached"] and part["numRows"]]
    partitions: dict[str, int] = {}
    for part in listed:
        whole = str(part["name"])[: NAMES[partition_by]]
        partitions[whole] = partitions.get(whole, 0) + part["numRows"]
    there = [part for part in listed if part["minTimestamp"]]  # null of Parquet, and of one whose directory is gone
    first = min((part["minTimestamp"] for part in there), default=None)
    last = max((part["maxTimestamp"] for part in there), default=None)
    if any(part.get("isParquet") and not part["minTimestamp"] for part in listed):
        query = f"select min({name_of(str(timestamp))}), max({name_of(str(timestamp))}) from {name_of(name)}"  # noqa: S608  # quoted
        first, last = client.query(query).rows[0]
    return sum(partitions.values()), first, last, [[place, rows] for place, rows in sorted(partitions.items())]


def _partitions(client: Client, name: str) -> Rows:
    return client.query(f"table_partitions({text_of(name)})")
