# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real QuestDB goes between states that come from one and hold as many rows, but not the same (S1.7, S2.3)."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import NotUndone
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.restore import Restoration
from ansible_collections.tradeops.botfleet.tests.unit.plugins.module_utils._operations.restored_questdb import (
    LATER,
    ROWS,
    Place,
    fresh,
    killed_at,
)

MORE = 10
"""Rows that are written to a table without WAL."""


@pytest.fixture(name="place")
def _place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with fresh(tmp_path_factory) as place:
        yield place


def other_fills(place: Place) -> None:
    """As many rows as those that came after the backup, at the same times, in as many transactions."""
    place.server.add("fills", LATER, first="2026-02-01")


def refused(place: Place, **options: Any) -> str:
    """Why it was, and so in check mode."""
    outcome = place.run(**options)
    assert outcome.status == "failed"
    assert place.run(check=True, **options).message == outcome.message
    return outcome.message


def changed(place: Place, **options: Any) -> dict[str, Any]:
    outcome = place.run(**options)
    assert outcome.status == "changed" and outcome.change is not None, outcome.message
    return outcome.change


def backed_up_now(place: Place, name: str) -> None:
    """A backup of what is live, later than the last restore."""
    marker = json.loads((place.root / "botfleet" / "restored.json").read_text())
    while (now := time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())) <= marker["restored"]:
        time.sleep(0.05)
    place.take(name, "checkpoint")
    place.redescribe(name, taken=now)


def test_s1_7_two_states_that_part_from_one_and_hold_as_many_rows(place: Place) -> None:
    """S1.7, S2.3: rows that are only in what is left need allow_discard, are counted, and are in the safety copy."""
    first = place.content()
    changed(place, allow_discard=True)
    other_fills(place)
    place.server.sql(
        f"insert into quotes select timestamp_sequence('2026-02-01', 1000000L), x from long_sequence({MORE})"
    )
    place.server.wait_for_rows("quotes", 2000 + MORE)
    second = place.content()
    backed_up_now(place, "second")
    assert first["fills"][ROWS:] != second["fills"][ROWS:] and len(first["fills"]) == len(second["fills"])

    assert f"({LATER} of fills, {MORE} of quotes): set allow_discard" in refused(place, state="reverted")
    back = changed(place, state="reverted", allow_discard=True)
    assert back["rows_discarded"] == {"fills": LATER, "quotes": MORE} and back["exact"] is True
    assert place.content() == first
    name = place.safety()[-1].name

    for source in ({"state": "reverted", "safety_copy": name}, {"backup": "second"}):
        assert f"({LATER} of fills): set allow_discard" in refused(place, **source)
    again = changed(place, state="reverted", safety_copy=name, allow_discard=True)
    assert again["rows_discarded"] == {"fills": LATER} and again["data_loss"] is True
    assert place.content() == second
    assert changed(place, backup="second")["rows_discarded"] == {}, "it is what is live"

    name = next(path.name for path in place.safety() if str(path) == again["safety_copy"])
    assert json.loads((place.safety()[0].parent / name / "safety.json").read_text())["rows_discarded"] == {
        "fills": LATER
    }
    assert f"({LATER} of fills, {MORE} of quotes)" in refused(place, state="reverted", safety_copy=name)


def test_s1_7_a_restore_that_was_killed_is_taken_back_without_a_word(place: Place) -> None:
    """S1.7: what it put in place is part of what it replaced, whoever finished it; what is written then is not."""
    before = place.content()
    assert killed_at(place, ("begin", "commit", "after"))
    changed(place, allow_discard=True)
    assert changed(place, state="reverted")["data_loss"] is False
    assert place.content() == before
    changed(place, allow_discard=True)
    assert killed_at(place, ("done", "swap", "after"), state="reverted", backup=None)
    changed(place, state="reverted")
    assert place.content() == before
    changed(place, allow_discard=True)
    other_fills(place)
    assert f"({LATER} of fills)" in refused(place, state="reverted")


def test_s1_7_rows_that_come_between_start_and_verify_are_not_of_the_backup(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S1.7: a tree that was rehearsed may have more than its manifest says, and these rows are a writer's."""
    settle = Restoration._settle

    def late(self: Restoration) -> None:
        place.server.add("fills", 5, first="2026-02-01")
        place.server.sql("insert into quotes values ('2026-02-01', 1)")
        settle(self)

    with monkeypatch.context() as patch:
        patch.setattr(Restoration, "_settle", late)
        done = changed(place, allow_discard=True, rehearse=True)
    assert place.rows() == ROWS + 5
    assert "(5 of fills, 1 of quotes): set allow_discard" in refused(place)
    assert "(5 of fills, 1 of quotes): set allow_discard" in refused(place, state="reverted")
    with pytest.raises(NotUndone, match="was changed since"):
        place.operation().undo(done)


def test_s1_7_what_a_failed_restore_left_is_known_as_well(place: Place) -> None:
    """S1.7: it can be put back at once, and once something was written, only if that may be discarded."""
    before = place.content()
    place.claim_other_rows()
    for rows in (0, 5):
        left = place.run(allow_discard=True, on_failure="leave")
        assert left.status == "failed" and left.message.endswith("put it back with reverted")
        assert place.rows() == ROWS
        if rows:
            place.server.add("fills", rows, first="2026-02-01")
            assert f"({rows} of fills)" in refused(place, state="reverted")
        back = changed(place, state="reverted", allow_discard=bool(rows))
        assert back["rows_discarded"] == ({"fills": rows} if rows else {})
        assert place.content() == before
