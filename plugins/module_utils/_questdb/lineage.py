# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which state of a database comes from which, and where two of them part. PRIVATE to the collection.

Each restore begins a history: what is written from then on. Within one, a table's number of transactions tells which of
two states is the earlier, and the later one holds all that the other does. Numbers of two histories say nothing about
each other: what these have in common is what they had where they parted. So the marker keeps of each restore from which
history its source came, and what its tables held when it was done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._operation import State
from .source import SAFETY, Source
from .tables import Table

FIRST = ""
"""The history before the first restore. The others are called like the run that began them."""

UNKNOWN = "unknown"
"""The history of a source where nobody knows it: no restore began it."""

KEPT = 20
"""Restores of which it is kept what their tables held. Where an older one matters, nobody knows what is in common."""

Tables = Mapping[str, Table]
Restores = Sequence[Mapping[str, Any]]


def restores_of(marker: Mapping[str, Any] | None) -> Restores:
    """All restores that the marker knows, the latest last: ``run``, ``restored``, ``parent`` and ``tables``.

    parent: the history that its source came from; tables: as they were in the end, None if that is not known
    """
    if marker is None:
        return []
    if "restores" not in marker:  # an earlier version kept no tables, so nobody knows what is in common
        return [{"run": marker["run"], "restored": marker["restored"], "parent": FIRST, "tables": None}]
    found: Restores = marker["restores"]
    return found


def history_of(source: Source, restores: Restores) -> str:
    """The history that a source is a state of.

    A safety copy is of the one that its restore ended, whatever the clock says. One of which no restore is known has a
    history of its own, that nothing is known of.
    """
    histories = [FIRST, *(restore["run"] for restore in restores)]
    if source.kind == SAFETY:
        return str(histories[histories.index(source.id) - 1]) if source.id in histories else source.id
    earlier = sum(1 for restore in restores if restore["restored"] < source.taken)
    return str(histories[earlier])


def with_restore(restores: Restores, run: str, restored: str, parent: str, tables: State | None) -> list[State]:
    """The restores with one more, which may be there already."""
    found = [dict(restore) for restore in restores if restore["run"] != run]
    found.append({"run": run, "restored": restored, "parent": parent, "tables": tables})
    for restore in found[:-KEPT]:
        restore["tables"] = None
    return found


def parted(live: Tables, wanted: Tables, history: str, restores: Restores) -> dict[str, Table] | None:
    """What the live tables and those of a state of ``history`` have in common: each as it was where the two part.

    Without the tables that were made since. None: nobody knows.
    """
    root, mine = _line(str(restores[-1]["run"]) if restores else FIRST, restores)
    other_root, others = _line(history, restores)
    if root != other_root:
        return None
    shared = 0
    while shared < min(len(mine), len(others)) and mine[shared]["run"] == others[shared]["run"]:
        shared += 1
    forked = len(mine) > shared
    one = _born(mine[shared]) if forked else live
    two = _born(others[shared]) if len(others) > shared else wanted
    if one is None or two is None:
        return None
    both = {name: (table, two[name]) for name, table in one.items() if name in two}
    return {
        name: _earlier(table, other, forked)
        for name, (table, other) in both.items()
        if table.directory == other.directory
    }


def _line(history: str, restores: Restores) -> tuple[str, list[Mapping[str, Any]]]:
    """The restores that led to a history, the first one first, and the history that they began with."""
    known = {restore["run"]: restore for restore in restores}
    found: list[Mapping[str, Any]] = []
    while history in known:
        found.insert(0, known.pop(history))
        history = found[0]["parent"]
    return history, found


def _born(restore: Mapping[str, Any]) -> dict[str, Table] | None:
    tables = restore["tables"]
    return None if tables is None else {name: Table(**table) for name, table in tables.items()}


def _earlier(one: Table, two: Table, forked: bool) -> Table:
    """Of two states of a table in one history. A backup may not know the number of a table without WAL."""
    if one.seq_txn is None or two.seq_txn is None:
        return one if forked else two
    return two if two.seq_txn < one.seq_txn else one
