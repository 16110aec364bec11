# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What two states of a database have in common, after any restores (S1.7)."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.lineage import (
    FIRST,
    KEPT,
    UNKNOWN,
    history_of,
    parted,
    restores_of,
    with_restore,
)
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.source import BACKUP, SAFETY, Source
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.tables import Table


def state(seq_txn: int | None, rows: int = 10, directory: str = "fills~7") -> dict[str, Table]:
    days = [["2026-01-01", rows]]
    return {"fills": Table("fills", directory, "", True, "DAY", "ts", False, rows, "a", "b", [], days, seq_txn)}


def restore(restores: Any, run: str, parent: str, tables: dict[str, Table] | None, at: int = 5) -> Any:
    held = None if tables is None else {name: asdict(table) for name, table in tables.items()}
    return with_restore(restores, run, f"2026-01-05T03:15:0{at}Z", parent, held)


def source(kind: str, name: str, at: int) -> Source:
    return Source(kind, name, f"/{name}", {}, False, False, "9.3.4", f"2026-01-05T03:15:0{at}Z")


def numbers(found: dict[str, Table] | None) -> Any:
    return None if found is None else {name: table.seq_txn for name, table in found.items()}


def test_s1_7_a_source_is_of_the_history_that_was_live_then() -> None:
    """S1.7: a backup by its time, a safety copy by the restore that made it, whatever the clock says."""
    restores = restore(restore([], "r1", FIRST, None, at=3), "r2", FIRST, None, at=6)
    for at, history in ((3, FIRST), (4, "r1"), (6, "r1"), (7, "r2")):
        assert history_of(source(BACKUP, "b", at), restores) == history
    assert history_of(source(BACKUP, "b", 9), []) == FIRST
    assert history_of(source(SAFETY, "r1", 9), restores) == FIRST
    assert history_of(source(SAFETY, "r2", 1), restores) == "r1"
    assert history_of(source(SAFETY, "r2.failed", 9), restores) == "r2.failed"


def test_s1_7_of_a_restore_by_an_earlier_version_nobody_knows_what_is_in_common() -> None:
    """S1.7: it kept no tables. What was taken since is of its own history."""
    marker = {"run": "r1", "restored": "2026-01-05T03:15:03Z", "transactions": {"fills": 3}}
    restores = restores_of(marker)
    before, since = (history_of(source(BACKUP, "b", at), restores) for at in (2, 4))
    assert parted(state(5), state(8), before, restores) is None
    assert numbers(parted(state(5), state(4), since, restores)) == {"fills": 4}
    assert parted(state(5), state(4), UNKNOWN, restores) is None


def test_s1_7_within_one_history_it_is_the_earlier_state() -> None:
    """S1.7: of a table of which one does not know the number, the state that it would go to."""
    assert numbers(parted(state(5), state(3), FIRST, [])) == {"fills": 3}
    assert numbers(parted(state(3), state(5), FIRST, [])) == {"fills": 3}
    assert numbers(parted(state(3), state(None), FIRST, [])) == {"fills": None}
    assert parted(state(5), {}, FIRST, []) == {}
    assert parted(state(5), state(3, directory="fills~9"), FIRST, []) == {}, "it was made again since"


def test_s1_7_a_backup_is_in_what_it_made_way_for() -> None:
    """S1.7: so that a restore can be taken back at once without a word, though not after something was written."""
    restores = restore([], "r1", FIRST, state(3))
    common = parted(state(3), state(5), FIRST, restores)
    assert numbers(common) == {"fills": 3}
    assert numbers(parted(state(4), state(None), FIRST, restores)) == {"fills": 3}


def test_s1_7_two_histories_have_in_common_what_they_began_with() -> None:
    """S1.7: of live rows and of those in a safety copy, which came from one backup, only those of the backup."""
    restores = restore([], "r1", FIRST, state(3, 10))  # the backup, and 5 rows are written; then that is taken back
    restores = restore(restores, "r2", FIRST, state(4, 15))
    common = parted(state(4, 15), state(4, 15), "r1", restores)
    assert numbers(common) == {"fills": 3} and common is not None and common["fills"].rows == 10
    restores = restore(restores, "r3", "r1", state(4, 15))  # and that again
    assert numbers(parted(state(6), state(7), FIRST, restores)) == {"fills": 3}
    assert numbers(parted(state(6), state(7), "r1", restores)) == {"fills": 4}
    assert numbers(parted(state(6), state(7), "r2", restores)) == {"fills": 3}
    assert numbers(parted(state(6), state(5), "r3", restores)) == {"fills": 5}


def test_s1_7_what_is_not_known_is_not_taken_for_common() -> None:
    restores = restore(restore([], "r1", FIRST, None), "r2", "r1.failed", state(3))
    assert parted(state(3), state(3), FIRST, restores) is None, "r2 came from what nobody knows"
    assert parted(state(3), state(3), FIRST, restores[:1]) is None, "what r1 began with was not read"
    assert numbers(parted(state(3), state(2), "r2", restores)) == {"fills": 2}
    circle = restore([], "r1", "r1", state(3))  # as no restore leaves it
    assert numbers(parted(state(4), state(5), "r1", circle)) == {"fills": 4}


def test_s1_7_the_marker_grows_no_more_than_it_must() -> None:
    """S1.7: and a restore that is noted once more after a kill is there once."""
    restores: Any = []
    for number in range(KEPT + 2):
        restores = restore(restores, f"r{number}", FIRST, state(number))
        restores = restore(restores, f"r{number}", FIRST, state(number))
    assert [one["run"] for one in restores] == [f"r{number}" for number in range(KEPT + 2)]
    assert [one["tables"] is None for one in restores] == [True, True] + [False] * KEPT
    assert restores_of({"restores": restores}) == restores


@pytest.mark.parametrize("marker", [None, {"restores": []}])
def test_s1_7_without_a_restore_all_is_one_history(marker: Any) -> None:
    assert restores_of(marker) == []
