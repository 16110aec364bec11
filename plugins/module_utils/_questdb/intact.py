# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a copy has all that its tables refer to: partitions, and the files of their columns. PRIVATE."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping

from .columns import Versions, read_columns, wrong_columns
from .copied import Part, is_fine, moment_of, read_transaction, transaction_path
from .manifest import CHECKPOINT_MODE
from .tables import Table, partition_of
from .tree import FileEntry

Folder = dict[str, FileEntry]
"""The files of a partition, by name."""


def wrong_partitions(tables: Mapping[str, Table], files: Mapping[str, FileEntry], backup: str, mode: str) -> list[str]:
    """Partitions and columns that the tables have and the copy lacks, as phrases. The server would not notice."""
    places = _by_partition(files)
    wrong = []
    for name, table in sorted(tables.items()):
        if table.kind != "view":
            found = _wrong_in(table, places.get(table.directory, {}), transaction_path(table, backup, mode))
            wrong += [f"{phrase} in {name}" for phrase in found]
    return wrong


def lost(vanished: list[str], tables: Mapping[str, Table], backup: str) -> list[str]:
    """Which of the paths below db that vanished during the copy of a checkpoint it cannot do without.

    Versions of a partition that nobody reads any more go at any time. What the checkpoint refers to should not, but
    releases up to 9.3.4 remove some of it nevertheless.
    """
    by_directory = {table.directory: table for table in tables.values() if table.kind != "view"}
    return [f"{path} vanished" for path in vanished if _is_needed(path.split("/"), by_directory, backup)]


def _wrong_in(table: Table, folders: Mapping[str, Folder], transaction: str) -> list[str]:
    place = os.path.dirname(transaction)
    columns, versions = read_columns(os.path.join(place, "_meta")), Versions(os.path.join(place, "_cv"))
    wrong = []
    for part in read_transaction(transaction).parts:
        if not part.rows:
            continue
        moment = moment_of(part.start, is_fine(table))
        name = partition_of(table.partition_by, moment)
        folder = _folder(part, name, moment, folders)
        if folder is None:
            wrong.append(f"partition {part.directory(name)} is missing")
        elif part.parquet is not None:
            file = folders[folder].get("data.parquet")
            if file is None or file.size < part.parquet:
                wrong.append(f"{folder}/data.parquet is {'missing' if file is None else 'cut off'}")
        else:
            found = wrong_columns(columns, versions, part.start, part.rows, folders[folder])
            wrong += [f"{folder}/{phrase}" for phrase in found]
    return wrong


def _folder(part: Part, name: str, moment: str, folders: Collection[str]) -> str | None:
    """The directory of a partition. The later parts of one that was split have all of their time in its name."""
    found = [folder for folder in folders if part.is_in(folder, name)]
    split = [folder for folder in found if _digits(folder.partition(".")[0]) == _digits(moment)]
    whole = [folder for folder in found if folder in (name, part.directory(name))]
    return next(iter(split or whole or found), None)


def _digits(text: str) -> str:
    return re.sub(r"[^0-9]", "", text)


def _by_partition(files: Mapping[str, FileEntry]) -> dict[str, dict[str, Folder]]:
    """Files of a backup by directory of the table, directory of the partition, and name."""
    found: dict[str, dict[str, Folder]] = {}
    for path, entry in files.items():
        parts = path.split("/")
        if len(parts) >= 3 and parts[0] == "db":
            folder = found.setdefault(parts[1], {}).setdefault(parts[2], {})
            if len(parts) == 4:
                folder[parts[3]] = entry
    return found


def _is_needed(path: list[str], tables: Mapping[str, Table], backup: str) -> bool:
    table = tables.get(path[0])
    if table is None or len(path) == 1:
        return table is not None
    if path[1].startswith("wal") or path[1] == "txn_seq":
        return True
    for part in read_transaction(transaction_path(table, backup, CHECKPOINT_MODE)).parts:
        if part.is_in(path[1], partition_of(table.partition_by, moment_of(part.start, is_fine(table)))):
            return True
    return len(path) == 2 and path[1].endswith((".c", ".o", ".k", ".v", ".d"))
