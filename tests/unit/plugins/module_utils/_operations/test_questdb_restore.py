# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real QuestDB goes back to a backup, and forth again (S1.7, S2.3)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import NotUndone
from ansible_collections.tradeops.botfleet.tests.unit.plugins.module_utils._operations.restored_questdb import (
    LATER,
    ROWS,
    Place,
    fresh,
)

PASSWORD = "CANARY-questdb-password"


@pytest.fixture(name="place")
def _place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with fresh(tmp_path_factory) as place:
        yield place


def test_s1_7_a_cold_backup_is_restored_and_taken_back_row_by_row(place: Place) -> None:
    """S1.7, S2.3: rows that came later leave only when allowed, are counted, and are all there after a revert."""
    before = place.content()
    inodes = os.stat(place.root / "db").st_ino
    refused = place.run()
    assert refused.status == "failed"
    assert f"({LATER} of fills)" in refused.message and "allow_discard" in refused.message
    planned = place.run(check=True, allow_discard=True)
    assert planned.status == "changed" and planned.change is None
    assert f"fills: {ROWS + LATER} rows" in planned.diff[0]["before"]
    assert f"fills: {ROWS} rows" in planned.diff[0]["after"]
    assert os.stat(place.root / "db").st_ino == inodes and place.names("botfleet") == ["instance"]
    assert place.rows() == ROWS + LATER

    stale = place.root / ".checkpoint" / "db" / "stale"
    stale.mkdir(parents=True)  # of a server that was restarted under a checkpoint
    done = place.run(allow_discard=True)
    assert done.status == "changed", done.message
    assert done.change is not None and done.proof is not None
    assert done.change["rows_discarded"] == {"fills": LATER}
    assert done.change["data_loss"] is True and done.change["exact"] is True
    assert done.change["safety_copy"] == str(place.safety()[0])
    assert 0 < done.change["downtime"] < 60
    assert set(done.change["seconds"]) >= {"stage", "stop", "swap", "start", "verify"}
    assert place.content() == {"fills": before["fills"][:ROWS], "quotes": before["quotes"]}
    assert place.names() == ["botfleet", "conf", "db", "hello.txt", "import", "public"]
    assert place.names("botfleet") == ["instance", "lock", "restore.jsonl", "restored.json", "safety"]
    described = json.loads((place.safety()[0] / "safety.json").read_text())
    assert described["rows_discarded"] == {"fills": LATER}
    assert described["tables"]["fills"]["rows"] == ROWS + LATER
    assert os.stat(place.safety()[0] / "db").st_ino == inodes
    assert (place.safety()[0] / ".checkpoint" / "db" / "stale").is_dir()
    for path in (place.root / "botfleet", *place.safety()):
        assert path.stat().st_mode & 0o777 == 0o700

    assert place.run().status == "unchanged"
    assert place.run("prove").status == "unchanged"
    assert len(place.pids()) == 1

    back = place.run(state="reverted")
    assert back.status == "changed", back.message
    assert back.change is not None and back.change["data_loss"] is False
    assert place.content() == before
    assert os.stat(place.root / "db").st_ino == inodes
    assert stale.is_dir()
    assert place.run(state="reverted").status == "unchanged"


def test_s1_7_what_was_restored_is_undone_unless_rows_came_in(place: Place) -> None:
    """S1.7: undo brings the rows back that were replaced, and never takes those away that came since."""
    before = place.content()
    first = place.run(allow_discard=True)
    assert first.change is not None, first.message
    place.server.add("fills", 5, first="2026-03-01")
    with pytest.raises(NotUndone, match="was changed since"):
        place.operation(allow_discard=True).undo(first.change)
    assert place.rows() == ROWS + 5
    again = place.run(allow_discard=True, keep_safety=1)
    assert again.change is not None, again.message
    assert again.change["rows_discarded"] == {"fills": 5}
    assert again.change["pruned"] == [first.change["safety_copy"]]
    assert [str(path) for path in place.safety()] == [again.change["safety_copy"]]
    place.server.sql("truncate table quotes")
    with pytest.raises(NotUndone):
        place.operation().undo(again.change)
    quotes = place.run(allow_discard=True)
    assert quotes.change is not None, quotes.message
    assert "is again what it was" in place.operation().undo(quotes.change)
    assert place.rows("quotes") == 0
    assert place.content()["fills"] == before["fills"][:ROWS]


def test_s1_7_after_an_update_it_is_neither_unchanged_nor_undone(place: Place) -> None:
    """S1.7: no count shows it, and it would be gone."""
    done = place.run(allow_discard=True)
    assert done.change is not None, done.message
    assert place.run().status == "unchanged"
    place.update("update quotes set bid = 1 where bid = 2")  # which has no WAL
    again = place.run()
    assert again.status == "failed" and "no count shows how (quotes)" in again.message
    with pytest.raises(NotUndone, match="was changed since"):
        place.operation().undo(done.change)
    place.update("update fills set price = 1 where symbol = 'BTC'")
    again = place.run()
    assert again.status == "failed" and "no count shows how (fills, quotes)" in again.message
    with pytest.raises(NotUndone, match="was changed since"):
        place.operation().undo(done.change)


def test_s1_7_a_checkpoint_is_recovered_by_the_server_and_leaves_no_trigger(place: Place) -> None:
    """S1.7: an update, which no count shows, is named and kept, too."""
    place.update("update fills set price = 1 where symbol = 'BTC'")
    changed = place.content()
    done = place.run(backup="checkpoint", allow_discard=True)
    assert done.status == "changed", done.message
    assert place.rows() == ROWS
    assert not (place.root / "_restore").exists()
    assert place.run(backup="checkpoint").status == "unchanged"
    place.update("update fills set price = 2 where symbol = 'ETH'")
    noticed = place.run(backup="cold")
    assert noticed.status == "failed" and "no count shows how (fills)" in noticed.message
    assert done.change is not None
    name = os.path.basename(done.change["safety_copy"])
    refused = place.run(state="reverted", safety_copy="nothing")
    assert name in refused.message and "no safety copy 'nothing'" in refused.message
    back = place.run(state="reverted", safety_copy=name, allow_discard=True)
    assert back.status == "changed", back.message
    assert place.content() == changed
    assert place.run(state="reverted", safety_copy=name).status == "unchanged"


def test_s1_7_a_copy_is_rehearsed_before_any_downtime_and_no_secret_is_written(
    tmp_path_factory: pytest.TempPathFactory, capfd: pytest.CaptureFixture[str]
) -> None:
    """S1.7: with the credentials of the live server; what was recovered then is what goes live."""
    with fresh(tmp_path_factory, http_user="admin", http_password=PASSWORD) as place:
        unknown = place.run(backup="checkpoint")
        assert unknown.status == "failed" and "wants credentials" in unknown.message
        wrong = place.run(backup="checkpoint", username="admin", password="wrong")
        assert wrong.status == "failed" and "refuses these credentials" in wrong.message
        given: Any = {"username": "admin", "password": PASSWORD, "backup": "checkpoint"}
        done = place.run(allow_discard=True, rehearse=True, **given)
        assert done.status == "changed", done.message
        assert done.change is not None and done.change["rehearsed"] is True
        assert done.change["rows_discarded"] == {"fills": LATER}
        assert place.names("botfleet") == ["instance", "lock", "restore.jsonl", "restored.json", "safety"]
        assert place.run(**given).status == "unchanged"
        assert len(place.pids()) == 1
        written = [str(done), *capfd.readouterr()]
        written += [path.read_text(errors="replace") for path in (place.root / "botfleet").rglob("*.json*")]
        for pid in place.pids():
            written += [Path(f"/proc/{pid}/{name}").read_text() for name in ("cmdline", "environ")]
        assert not [text for text in written if PASSWORD in text]


def test_s1_7_a_server_that_is_down_is_restored_and_its_rows_are_kept_and_counted(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """S1.7: nobody can say what is in it, so that takes allow_discard; the safety copy tells afterwards."""
    with fresh(tmp_path_factory, running=False) as place:
        refused = place.run()
        assert refused.status == "failed" and "cannot be counted" in refused.message
        done = place.run(allow_discard=True)
        assert done.status == "changed", done.message
        assert done.change is not None
        assert done.change["was_running"] is False and done.change["downtime"] is None
        assert done.change["rows_discarded"] == {"fills": LATER} and done.change["exact"] is True
        assert place.rows() == ROWS
        place.operation().undo(done.change)
        assert place.pids() == []
        place.start()
        assert place.rows() == ROWS + LATER


def test_s1_7_an_update_is_seen_in_what_is_counted_afterwards(tmp_path_factory: pytest.TempPathFactory) -> None:
    """S1.7: of a server that was down, only the safety copy tells; there is no row more in it, and yet a loss."""
    with fresh(tmp_path_factory, running=False) as place:
        assert place.run(allow_discard=True, command=place.server.command).status == "changed"
        place.update("update fills set note = 'mended'")
        place.end()
        done = place.run(allow_discard=True, command=place.server.command)
        assert done.status == "changed" and done.change is not None, done.message
        assert (done.change["rows_discarded"], done.change["changed_tables"]) == ({}, ["fills"])
        assert done.change["exact"] is True and done.change["data_loss"] is True
