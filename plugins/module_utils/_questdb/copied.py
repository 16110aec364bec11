# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a copied db holds, read from the very files that a server would read on it. PRIVATE to the collection.

A query tells what the live tables hold, which may be more a moment later. A table's ``_txn`` says which partitions
and how many rows of each the table has; the rest of a partition's files does not count. Of a checkpoint it is the one
in ``.checkpoint``, which the server puts in the place of the other when it restores.
"""

from __future__ import annotations

import datetime as dt
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace

from .._files import read_bytes
from .._operation import OperationError
from .manifest import CHECKPOINT_MODE
from .tables import UNPARTITIONED, Table, partition_of

AREA = {0: 8, 1: 32}
"""Where the place and the sizes of the record stand, by the parity of the version: it is written to and fro."""

RECORD, SYMBOLS, PARTITION = "<7q", 132, 4 * 8
"""The start of the record, where its counts of symbols begin, and the size of one partition in its list."""

SEQ_TXN, SIZE_BITS, PARQUET = 80, (1 << 44) - 1, 1 << 61
EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001  # the server knows UTC alone


@dataclass(frozen=True)
class Part:
    """A partition.

    start: where it begins, in the table's unit of time; version: how its directory's name ends
    parquet: the length of the one file that it then is; None: it has a file or two for each column
    """

    start: int
    rows: int
    version: int
    parquet: int | None = None

    def directory(self, name: str) -> str:
        """What it is called on disk, unless it was split."""
        return name if self.version < 0 else f"{name}.{self.version}"

    def is_in(self, directory: str, name: str) -> bool:
        """Whether a directory may be this partition, of this name. One that was split has more of its time in it."""
        start, _dot, version = directory.partition(".")
        if name == UNPARTITIONED:
            return start == name  # its version is not always kept
        return start.startswith(name) and version == ("" if self.version < 0 else str(self.version))


@dataclass(frozen=True)
class Transaction:
    """The state of a table after a transaction; first and last in the table's unit of time.

    number: of its own; seq_txn: of its WAL
    """

    number: int
    rows: int
    first: int
    last: int
    seq_txn: int
    parts: list[Part]


def read_transaction(path: str) -> Transaction:
    """What a ``_txn`` says; OperationError for a file that cannot be one."""
    content = read_bytes(path)
    try:
        if content is None:
            raise ValueError(path)
        (version,) = struct.unpack_from("<q", content, 0)
        base, symbols, _partitions = struct.unpack_from("<3i", content, AREA[version & 1])
        txn, transient, fixed, first, last, _structure, _data = struct.unpack_from(RECORD, content, base)
        (seq_txn,) = struct.unpack_from("<q", content, base + SEQ_TXN)
        place = base + SYMBOLS + symbols
        (size,) = struct.unpack_from("<i", content, place)
        found = struct.unpack_from(f"<{size // 8}q", content, place + 4)
        parts = [
            Part(
                found[at], found[at + 1] & SIZE_BITS, found[at + 2], found[at + 3] if found[at + 1] & PARQUET else None
            )
            for at in range(0, len(found), 4)
        ]
        if txn != version or size % PARTITION or min(size, transient, fixed) < 0:
            raise ValueError(path)
    except (struct.error, ValueError) as error:
        raise OperationError(f"{path} is not what this collection knows: take the backup of another version") from error
    if parts:
        parts[-1] = replace(parts[-1], rows=transient)
        if sum(part.rows for part in parts) != transient + fixed:
            raise OperationError(f"{path} does not fit together: see whether QuestDB itself can read that table")
    return Transaction(txn, transient + fixed, first, last, seq_txn, parts)


def last_transaction(path: str) -> int:
    """The last transaction that a sequencer's ``_txnlog`` has."""
    content = read_bytes(path)
    if content is None or len(content) < 12:
        raise OperationError(f"{path} is missing or cut off: see whether QuestDB itself can read that table")
    return int(struct.unpack_from("<q", content, 4)[0])


def as_copied(tables: Mapping[str, Table], backup: str, mode: str) -> dict[str, Table]:
    """The tables as a server would have them on the backup at ``backup``, in the manner of ``mode``."""
    return {name: _as_copied(table, backup, mode) for name, table in tables.items()}


def moment_of(value: int, fine: bool) -> str:
    """A time as the server writes it. fine: it is in ns, not in µs"""
    seconds, rest = divmod(value, 10**9 if fine else 10**6)
    moment = (EPOCH + dt.timedelta(seconds=seconds)).isoformat()
    return f"{moment}.{rest:0{9 if fine else 6}}Z"


def transaction_path(table: Table, backup: str, mode: str) -> str:
    """The ``_txn`` of a table that counts in a backup."""
    db = os.path.join(".checkpoint", "db") if mode == CHECKPOINT_MODE else "db"
    return os.path.join(backup, db, table.directory, "_txn")


def is_fine(table: Table) -> bool:
    """Whether its unit of time is ns."""
    return [table.timestamp, "TIMESTAMP_NS"] in table.columns


def _as_copied(table: Table, backup: str, mode: str) -> Table:
    if table.kind == "view":
        return table
    path = transaction_path(table, backup, mode)
    state = read_transaction(path)
    last = None
    if table.wal:
        sequencer = os.path.join(os.path.dirname(path), "txn_seq")
        if mode == CHECKPOINT_MODE:
            content = read_bytes(os.path.join(sequencer, "_txn")) or b""
            last = struct.unpack("<q", content[:8])[0] if len(content) >= 8 else None
        else:
            last = last_transaction(os.path.join(sequencer, "_txnlog"))
        if last is None:
            raise OperationError(f"{sequencer} lacks _txn: take the backup in cold mode")
    partitions: dict[str, int] = {}
    for part in state.parts:
        if part.rows:
            name = partition_of(table.partition_by, moment_of(part.start, is_fine(table)))
            partitions[name] = partitions.get(name, 0) + part.rows
    bounds = [
        moment_of(value, is_fine(table)) if table.timestamp and state.rows else None
        for value in (state.first, state.last)
    ]
    return replace(
        table,
        rows=state.rows,
        first=bounds[0],
        last=bounds[1],
        partitions=[[name, rows] for name, rows in sorted(partitions.items())],
        seq_txn=state.number if last is None else last,
        pending=0 if last is None else max(0, last - state.seq_txn),
    )
