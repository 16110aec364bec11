# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restore finds out about the database that it has put in place, by counts and by columns (S1.7)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import OperationError
from ansible_collections.tradeops.botfleet.tests.unit.plugins.module_utils._operations.restored_questdb import (
    ROWS,
    Place,
    fresh,
)

AS_BEFORE = "the database is again what it was before"


@pytest.fixture(name="place")
def _place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with fresh(tmp_path_factory) as place:
        yield place


def damaged_before_it_was_taken(place: Place) -> None:
    """A backup whose manifest is right, of a database in which it was garbage already where some texts are."""
    column = next((place.backup() / "db").glob("fills~*/2026-01-01/note.i"))
    column.write_bytes(b"\xfe" * column.stat().st_size)
    place.redescribe("cold")


def test_s1_7_damage_that_only_a_look_at_each_column_finds(place: Place) -> None:
    """S1.7: counts are right and the health is 200; reading the column fails, or crashes the server."""
    damaged_before_it_was_taken(place)
    before = place.content()
    left = place.run(allow_discard=True, on_failure="leave")
    assert left.status == "failed"
    assert "columns of table fills cannot be read" in left.message and "was left so" in left.message
    assert left.message.endswith("put it back with reverted")
    if not place.pids():
        place.start()
    assert place.rows() == ROWS
    back = place.run(state="reverted", allow_discard=True)
    assert back.status == "changed", back.message
    assert place.content() == before
    failed = place.run(allow_discard=True, rehearse=True)
    assert failed.status == "failed" and "columns of table fills" in failed.message
    assert "again what it was" not in failed.message  # there was no downtime at all
    failed = place.run(allow_discard=True)
    assert failed.status == "failed" and "columns of table fills" in failed.message
    assert failed.message.endswith(AS_BEFORE)
    assert place.content() == before
    assert place.run("prove").status == "failed"


def test_s1_7_damage_that_no_count_shows_passes_where_only_counts_were_asked_for(place: Place) -> None:
    """S1.7: ``verify: counts`` is quicker, and says nothing of what is in the columns."""
    damaged_before_it_was_taken(place)
    by_columns = place.run(allow_discard=True, rehearse=True)
    assert by_columns.status == "failed" and "columns of table fills" in by_columns.message, by_columns.message
    by_counts = place.run(allow_discard=True, verify="counts")
    assert by_counts.status == "changed", by_counts.message
    assert place.rows() == ROWS and place.rows("quotes") == 2000
    with pytest.raises(OperationError):
        place.server.sql("select count(note) from fills")


def test_s1_7_wrong_counts_are_found_where_only_counts_were_asked_for(place: Place) -> None:
    """S1.7: as ever, and the old state comes back."""
    before = place.content()
    place.claim_other_rows()
    failed = place.run(allow_discard=True, verify="counts")
    assert failed.status == "failed" and f"fills has {ROWS} rows instead of {ROWS + 1}" in failed.message
    assert failed.message.endswith(AS_BEFORE)
    assert place.content() == before and len(place.pids()) == 1
