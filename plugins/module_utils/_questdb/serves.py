# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the server that answers is the one that has the instance open. PRIVATE to the collection.

Nothing is changed to find out. Two servers made by the same DDL have directories of the same names, but no transaction
of the same microsecond. What stays open are two that have none yet, and a copy of the other that nobody wrote to since.
"""

from __future__ import annotations

import os
import struct

from .._operation import OperationError
from .client import Client, QuestDBError, text_of
from .instance import Instance

HEADER, RECORD, MOMENT = 76, 28, 20
"""Of a sequencer's ``_txnlog``: how long its start and each transaction is, and where the time of one is in it."""


def check_serves(client: Client, instance: Instance) -> None:
    """OperationError if the server at the client's url has not this instance open, by all that can be read."""
    what = "" if instance.is_held() else "is open in no server"
    tables = client.query("select table_name, directoryName from tables()").rows if not what else []
    for _name, directory in tables:
        if not os.path.isdir(os.path.join(instance.db, directory)):
            what = f"has no {directory}"
    for name, directory in tables if not what else []:
        if not _has_last(client, instance.db, name, directory):
            what = f"has another history of table {name}"
    if what:
        raise OperationError(f"{instance.db} {what}, so {client.access.url} is another server: correct url or root")


def _has_last(client: Client, db: str, name: str, directory: str) -> bool:
    """Whether a log has the last transaction that the server has of a table. True where there is nothing to compare."""
    # The directory is asked for, too, since the server would go on with a dropped table's for a question it knows.
    columns = f"sequencerTxn, cast(timestamp as long), {text_of(directory)}"
    try:
        with open(os.path.join(db, directory, "txn_seq", "_txnlog"), "rb", buffering=0) as log:
            (layout,) = struct.unpack("<i", log.read(4))
            if layout != 0:
                return True  # its transactions are in files of their own
            asked = f"select {columns} from wal_transactions({text_of(name)}) limit -1"  # noqa: S608  # quoted
            for number, moment, _directory in client.query(asked).rows:
                log.seek(HEADER + (number - 1) * RECORD + MOMENT)
                return log.read(8) == struct.pack("<q", moment)
    except (FileNotFoundError, QuestDBError):
        pass  # a table without WAL, or one that was dropped meanwhile
    return True
