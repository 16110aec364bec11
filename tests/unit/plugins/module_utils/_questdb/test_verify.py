# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rows a restore would take from the live database (S1.7)."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import OperationError
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.lineage import with_restore
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.loss import loss, refuse_loss
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.source import BACKUP, Source, is_as_left
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.tables import Table, fingerprint
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.verify import changed, differences, discarded

COLUMNS = [["ts", "TIMESTAMP"]]


def table(name: str = "fills", *, kind: str = "table", seq_txn: int | None = 3, **partitions: int) -> Table:
    days = [[day.replace("d", "2026-01-0"), rows] for day, rows in partitions.items()]
    rows = sum(partitions.values())
    return Table(name, name, "", True, "DAY", "ts", False, rows, "a", "b", COLUMNS, days, seq_txn, kind)


def by_name(*tables: Table) -> dict[str, Table]:
    return {one.name: one for one in tables}


def test_s1_7_rows_are_counted_by_partition() -> None:
    """S1.7: what was dropped since makes up for nothing that was written since."""
    backup = by_name(table(d1=10, d2=10))
    assert discarded(by_name(table(d1=10, d2=10)), backup) == {}
    assert discarded(by_name(table(d2=10, d3=10)), backup) == {"fills": 10}
    assert discarded(by_name(table(d1=10, d2=13)), backup) == {"fills": 3}
    assert discarded(by_name(table(d1=1)), backup) == {}
    assert discarded(by_name(table("new", d1=4)), backup) == {"new": 4}
    assert discarded(by_name(table("view", kind="materialized view", d1=4)), backup) == {}


def test_s1_7_what_was_written_since_two_states_parted_is_not_the_same_rows() -> None:
    """S1.7: however many rows the other state has, and whichever partitions it has lost since."""
    common = by_name(table(d1=10))
    assert discarded(by_name(table(d1=15)), by_name(table(d1=15)), common) == {"fills": 5}
    assert discarded(by_name(table(d1=15)), by_name(table(d1=99)), common) == {"fills": 5}
    assert discarded(by_name(table(d1=10)), by_name(table(d1=99)), common) == {}
    assert discarded(by_name(table(d1=15)), by_name(table(d2=99)), common) == {"fills": 15}
    assert discarded(by_name(table(d1=15)), by_name(table(d1=15)), {}) == {"fills": 15}, "both have made it since"
    made_again = replace(table(d1=15), directory="fills~9")
    assert discarded(by_name(made_again), by_name(made_again), common) == {"fills": 15}


def test_s1_7_changes_that_no_count_shows_are_named() -> None:
    def since_it(live: dict[str, Table]) -> list[str]:
        return changed(live, backup, backup)

    backup = by_name(table(d1=10))
    assert since_it(by_name(table(d1=10, seq_txn=4))) == ["fills"]
    assert changed(by_name(table(d1=10, seq_txn=4)), backup, by_name(table(d1=10, seq_txn=4))) == []
    assert since_it(by_name(table(d1=10, seq_txn=2))) == []
    assert since_it(by_name(replace(table(d1=10), columns=[*COLUMNS, ["fee", "DOUBLE"]]))) == ["fills"]
    assert since_it(by_name(table(d1=10), table("orders"))) == ["orders"]
    assert since_it(by_name(replace(table(d1=10), directory="fills~9"))) == ["fills"], "made again"
    assert changed(by_name(table(d1=10)), backup, {}) == ["fills"], "nobody knows what they have in common"
    diverged, common = by_name(table(d1=10, seq_txn=150)), by_name(table(d1=10, seq_txn=100))
    assert changed(by_name(table(d1=10, seq_txn=120)), diverged, common) == ["fills"]
    assert changed(by_name(table(d1=10, seq_txn=100)), diverged, common) == []


def test_s1_7_without_wal_the_bounds_are_compared() -> None:
    plain = replace(table(d1=10, seq_txn=None), wal=False)

    def since(live: Table, other: Table, common: Table | None = None) -> list[str]:
        return changed(by_name(live), by_name(other), by_name(common or other))

    assert since(plain, plain) == []
    assert since(replace(plain, last="c"), plain) == ["fills"]
    assert since(plain, table(d1=10)) == ["fills"]
    numbered = replace(plain, seq_txn=4)
    assert since(numbered, plain) == [], "the backup does not know its number"
    assert since(numbered, plain, replace(plain, seq_txn=3)) == ["fills"]
    assert since(numbered, replace(plain, seq_txn=3)) == ["fills"]
    assert since(numbered, table(d1=10)) == ["fills"]


@pytest.mark.parametrize(
    ("live", "is_left"),
    [
        (table(d1=10), True),
        (table(d1=10, seq_txn=4), False),
        (table(d1=11), False),
        (table(d1=10, seq_txn=None), False),
    ],
)
def test_s1_7_what_a_restore_left_is_told_by_counts_and_transactions(live: Table, is_left: bool) -> None:
    marker = {"fingerprint": fingerprint(by_name(table(d1=10))), "transactions": {"fills": 3}}
    assert is_as_left(by_name(live), marker) is is_left


@pytest.mark.parametrize(
    ("live", "said", "at_least"),
    [
        ([table(d1=10)], "", ""),
        ([], "table fills is missing", "table fills is missing"),
        ([table(d1=10), table("more", d1=1)], "table more does not belong there", ""),
        ([table(d1=11)], "table fills has 11 rows instead of 10", ""),
        ([table(d1=9, d2=1)], "table fills has its rows in other partitions", "lacks 1 of 10"),
        ([replace(table(d1=10), last="c")], "table fills reaches from a to c, not from a to b", ""),
        ([replace(table(d1=10), columns=[])], "other columns", "other columns"),
    ],
)
def test_s1_7_a_restored_database_is_compared(live: list[Table], said: str, at_least: str) -> None:
    for wanted, found in (
        (said, differences(by_name(*live), by_name(table(d1=10)), at_least=False)),
        (at_least, differences(by_name(*live), by_name(table(d1=10)), at_least=True)),
    ):
        assert (wanted in "; ".join(found)) if wanted else found == []


def test_s1_7_loss_needs_a_word_and_so_does_not_knowing() -> None:
    source = Source(BACKUP, "b", "/b", by_name(table(d1=10)), False, False, "9.3.4", "2026-01-05T03:15:00Z")

    def refused(live: dict[str, Table] | None, marker: dict[str, Any] | None = None) -> str:
        lost, other = loss(live, source, marker)
        refuse_loss("/q", source, live, lost, other, allowed=True)
        try:
            refuse_loss("/q", source, live, lost, other, allowed=False)
        except OperationError as error:
            return str(error)
        return ""

    def restored(at: str, seq_txn: int) -> dict[str, Any]:
        return {"restores": with_restore([], "r1", at, "", {"fills": asdict(table(d1=10, seq_txn=seq_txn))})}

    assert refused(by_name(table(d1=10))) == ""
    assert "(2 of fills): set allow_discard" in refused(by_name(table(d1=12)))
    assert "no count shows how (fills)" in refused(by_name(table(d1=10, seq_txn=9)))
    assert refused(by_name(table(d1=10, seq_txn=3)), restored("2026-01-05T03:15:00Z", 3)) == ""
    assert refused(by_name(table(d1=10, seq_txn=2)), restored("2026-01-05T03:15:00Z", 2)) == ""
    assert "(fills)" in refused(by_name(table(d1=10, seq_txn=3)), restored("2026-01-05T03:15:00Z", 2))
    came_later = restored("2026-01-04T00:00:00Z", 2)  # the backup, so that its own number counts
    assert refused(by_name(table(d1=10, seq_txn=3)), came_later) == ""
    assert "(fills)" in refused(by_name(table(d1=10, seq_txn=4)), came_later)
    assert "cannot be counted" in refused(None)
