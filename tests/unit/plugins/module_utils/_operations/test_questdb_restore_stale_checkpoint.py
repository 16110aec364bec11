# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A checkpoint of another moment is recovered by no restore, wherever it comes from (S1.7)."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.restore import Restoration
from ansible_collections.tradeops.botfleet.tests.unit.plugins.module_utils._operations.restored_questdb import (
    LATER,
    ROWS,
    Place,
    fresh,
)


@pytest.fixture(name="place")
def _place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with fresh(tmp_path_factory) as place:
        yield place


def has_checkpoint(place: Place, *below: str) -> bool:
    """Whether there is one with tables in it."""
    return any(name.startswith("fills") for name in place.names(*below, ".checkpoint", "db"))


def test_s1_7_a_checkpoint_that_somebody_left_open_is_kept_and_never_recovered(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S1.7: opened after the look for one, and stale once its server has stopped. The backup's own one is another."""
    before = place.content()
    restored = {"fills": before["fills"][:ROWS], "quotes": before["quotes"]}
    stage = Restoration._stage

    def opening(self: Restoration) -> Any:
        place.server.sql("checkpoint create")
        return stage(self)

    with monkeypatch.context() as patch:
        patch.setattr(Restoration, "_stage", opening)
        done = place.run(allow_discard=True)
    assert done.status == "changed", done.message
    assert place.content() == restored
    (copy,) = place.safety()
    assert has_checkpoint(place, "botfleet", "safety", copy.name) and not has_checkpoint(place)

    back = place.run(state="reverted")
    assert back.status == "changed", back.message
    assert place.content() == before and has_checkpoint(place)

    place.server.add("fills", 5, first="2026-03-01")
    again = place.run(allow_discard=True, backup="checkpoint")
    assert again.status == "changed" and again.change is not None, again.message
    assert again.change["rows_discarded"] == {"fills": LATER + 5}
    assert place.content() == restored and not has_checkpoint(place)


def test_s1_7_a_backup_whose_checkpoint_is_older_than_it_claims(place: Place) -> None:
    """S1.7: its files are what the manifest says, and yet the server recovers fewer rows; a rehearsal finds it, too."""
    late = place.take("late", "checkpoint")
    shutil.rmtree(late / ".checkpoint")
    shutil.copytree(place.backup("checkpoint") / ".checkpoint", late / ".checkpoint")
    place.redescribe("late")
    place.update("update fills set note = 'later'")
    before, pids = place.content(), place.pids()
    said = f"table fills has {ROWS} rows instead of {ROWS + LATER}"
    rehearsed = place.run(backup="late", allow_discard=True, rehearse=True)
    assert rehearsed.status == "failed" and said in rehearsed.message, rehearsed.message
    assert place.pids() == pids and place.safety() == []
    failed = place.run(backup="late", allow_discard=True)
    assert failed.status == "failed" and said in failed.message
    assert failed.message.endswith("the database is again what it was before")
    assert place.content() == before and len(place.pids()) == 1
    assert "_restore" not in place.names()
