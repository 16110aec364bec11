# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that somebody starts while a restore is under way or interrupted: no row that it took is lost (S1.7)."""

from __future__ import annotations

import errno
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import Context, OperationError, carry_out
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations.questdb_backup import QuestdbBackup
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations.questdb_restore import QuestdbRestore
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb import restore
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.client import Client
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.instance import Instance
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.restore import Restoration
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.safety import read_marker, write_marker
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.server import Server
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.steps import WAY_BACK
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.tables import wait_for_wal
from ansible_collections.tradeops.botfleet.tests.unit.plugins.module_utils._operations.restored_questdb import (
    LATER,
    ROWS,
    Place,
    fresh,
    killed_at,
)

AS_BEFORE = "the database is again what it was before"
WRITTEN = 5
DAY = "2026-03-01"


@pytest.fixture(name="place")
def _place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with fresh(tmp_path_factory) as place:
        yield place


def write(place: Place) -> None:
    """Rows that the server takes, on a day of their own."""
    place.server.add("fills", WRITTEN, first=DAY)


def with_rows(place: Place) -> list[str]:
    """Trees that have these rows, as paths below the root."""
    found = [*place.root.glob(f"db/fills~*/{DAY}*"), *place.root.glob(f"botfleet/s*/*/db/fills~*/{DAY}*")]
    return [str(path.parent.parent.relative_to(place.root)) for path in found]


def failing_to_verify(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_self: Restoration) -> None:
        raise OperationError("it is not as it should be")

    monkeypatch.setattr(Restoration, "_verify", fail)


@pytest.mark.parametrize("step", ["swap", "trigger"])
def test_s1_7_rows_of_a_server_that_came_up_by_itself_are_kept_when_it_is_taken_back(place: Place, step: str) -> None:
    """S1.7: nobody told it to start, so that no line of the journal tells that it did."""
    before = place.content()
    assert killed_at(place, ("done", step, "after"))
    place.start()  # as a host does that comes up again
    write(place)
    taken = place.run(state="reverted")
    assert taken.status == "changed" and taken.change is not None, taken.message
    assert place.content() == before
    (kept,) = place.safety()
    assert kept.name.endswith(".failed") and with_rows(place) == [f"botfleet/safety/{kept.name}/db"]
    told = {name: taken.change[name] for name in ("safety_copy", "exact", "data_loss")}
    assert told == {"safety_copy": str(kept), "exact": False, "data_loss": True}
    again = place.run(allow_discard=True, keep_safety=1)
    assert again.status == "changed" and again.change is not None, again.message
    assert again.change["pruned"] == [] and kept in place.safety()


def test_s1_7_the_way_back_with_a_full_disk_is_found_again(place: Place) -> None:
    """S1.7: the line that it is gone was not written, and then it is killed."""
    before = place.content()
    assert killed_at(place, ("done", "swap", "after"))
    place.start()
    write(place)
    assert killed_at(place, ("done", "revert", "before"), lost=("begin", "revert"), state="reverted")
    again = place.run(allow_discard=True)
    assert again.status == "failed" and again.message.endswith(AS_BEFORE)
    (kept,) = place.safety()
    assert f"is kept in {kept}" in again.message
    assert with_rows(place) == [f"botfleet/safety/{kept.name}/db"]
    assert place.content() == before


def test_s1_7_rows_on_the_new_tree_end_a_restore_that_begins_anew(place: Place) -> None:
    """S1.7: its checkpoint can be recovered no more without losing them."""
    before = place.content()
    assert killed_at(place, ("done", "swap", "after"), backup="checkpoint")
    place.start()
    write(place)
    told = place.run(backup="checkpoint", allow_discard=True)
    assert told.status == "failed" and "rows may have been written to it" in told.message
    assert place.content() == before and len(with_rows(place)) == 1
    assert place.run(backup="checkpoint", allow_discard=True).status == "changed"
    assert len(with_rows(place)) == 1


def test_s1_7_a_server_that_comes_up_before_the_swap_keeps_its_tree(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S1.7: found before anything is moved, or when the server has its lock already; it is left running."""
    before = place.content()
    for method in ("_swap", "_describe"):
        plain = getattr(Restoration, method)

        def starting(self: Restoration, *given: Any, _plain: Any = plain, **more: Any) -> Any:
            if not self.instance.is_held():
                place.start()
            return _plain(self, *given, **more)

        with monkeypatch.context() as patch:
            patch.setattr(Restoration, method, starting)
            failed = place.run(allow_discard=True)
        assert failed.status == "failed" and failed.message.endswith(AS_BEFORE)
        assert "a server was started on" in failed.message
        assert place.server.process is not None and place.pids() == [place.server.process.pid]
        assert place.content() == before and place.safety() == []
        place.server.stop()
        place.start()


def test_s1_7_a_server_that_was_down_and_is_started_while_a_copy_is_staged(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S1.7: nobody counted what is in it."""
    with fresh(tmp_path_factory, running=False) as place:
        stage = Restoration._stage

        def starting(self: Restoration) -> Any:
            place.start()
            return stage(self)

        monkeypatch.setattr(Restoration, "_stage", starting)
        failed = place.run(allow_discard=True)
        assert failed.status == "failed" and "a server was started on" in failed.message
        assert place.rows() == ROWS + LATER and place.safety() == []
        assert place.names("botfleet", "stage") == []


def test_s1_7_a_server_that_comes_up_again_while_it_is_taken_back(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S1.7: it is stopped once more, and what it took is kept."""
    before = place.content()
    failing_to_verify(monkeypatch)
    stop, stopped = Server.stop, []

    def reviving(self: Server, *, force: bool = False) -> None:
        stop(self, force=force)
        stopped.append(force)
        if stopped == [False, True]:
            place.start()
            write(place)

    monkeypatch.setattr(Server, "stop", reviving)
    failed = place.run(allow_discard=True)
    assert failed.status == "failed" and failed.message.endswith(AS_BEFORE), failed.message
    assert stopped == [False, True, True]
    assert place.content() == before and len(place.pids()) == 1
    assert with_rows(place) == [f"botfleet/safety/{place.safety()[0].name}/db"]


def test_s1_7_a_writer_and_a_full_disk_do_not_keep_the_old_state_from_coming_back(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S1.7: more rows than before are a writer's. A marker that cannot be written claims nothing."""
    assert place.run(backup="checkpoint", allow_discard=True).status == "changed"
    assert read_marker(str(place.root)) is not None
    failing_to_verify(monkeypatch)
    wait, mark = wait_for_wal, write_marker

    def written(*given: Any) -> None:
        write(place)
        wait(*given)

    def full(instance: Instance, marker: Any) -> None:
        if marker is not None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        mark(instance, marker)

    monkeypatch.setattr(restore, "wait_for_wal", written)
    monkeypatch.setattr(restore, "write_marker", full)
    failed = place.run()
    assert failed.status == "failed" and failed.message.endswith(AS_BEFORE), failed.message
    assert place.rows() == ROWS + WRITTEN
    assert read_marker(str(place.root)) is None
    monkeypatch.undo()
    assert "would be discarded" in place.run().message  # and not of a restore that was interrupted


def test_s1_7_a_checkpoint_is_not_recovered_over_rows_that_came_before_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S1.7: a server came up by itself after the swap, and was stopped again."""
    before = place.content()
    trigger = Restoration._trigger

    def late(self: Restoration) -> None:
        place.start()
        write(place)
        place.server.stop()
        trigger(self)

    monkeypatch.setattr(Restoration, "_trigger", late)
    failed = place.run(backup="checkpoint", allow_discard=True)
    assert failed.status == "failed" and "before its checkpoint was recovered" in failed.message
    assert failed.message.endswith(AS_BEFORE) and place.content() == before
    (kept,) = place.safety()
    assert f"is kept in {kept}" in failed.message and with_rows(place) == [f"botfleet/safety/{kept.name}/db"]


@pytest.mark.parametrize("up", [True, False])
def test_s1_7_rows_that_came_between_stop_and_swap_are_counted_anew(place: Place, up: bool) -> None:
    """S1.7: the old tree took rows after its server was stopped, and may have been stopped again."""
    assert killed_at(place, ("begin", "swap", "after"))
    place.start()
    write(place)
    if not up:
        place.server.stop()
    refused = place.run()
    assert refused.status == "failed" and f"{LATER + WRITTEN} of fills" in refused.message
    done = place.run(allow_discard=True)
    assert done.status == "changed" and done.change is not None, done.message
    assert done.change["rows_discarded"] == {"fills": LATER + WRITTEN} and done.change["data_loss"] is True
    assert with_rows(place) == [f"botfleet/safety/{place.safety()[0].name}/db"]


def test_s1_7_a_db_that_somebody_made_is_not_taken_for_the_old_one(place: Place) -> None:
    """S1.7: where a server starts between two renames it makes an empty one."""
    before = place.content()
    assert killed_at(place, ("begin", "swap", "after"))
    (run,) = place.names("botfleet", "stage")
    away = place.root / "botfleet" / "safety" / run
    away.mkdir(parents=True)
    (place.root / "db").rename(away / "db")
    (place.root / "db").mkdir()
    for options in ({"allow_discard": True}, {"state": "reverted"}):
        failed = place.run(**options)
        assert failed.status == "failed" and "somebody made it since" in failed.message, failed.message
    (place.root / "db").rmdir()
    assert place.run(state="reverted").status == "changed"
    assert place.content() == before


def test_s1_7_time_is_kept_for_the_way_back(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """S1.7: a step's process is killed when its time is over, and a stopped server would stay so."""
    before, pids = place.content(), place.pids()
    deadline = time.monotonic() + 50
    options = place.options(allow_discard=True, start_timeout=20)
    refused = carry_out(QuestdbRestore(options, Context(deadline=deadline)))
    assert refused.status == "failed" and "raise the time limit" in refused.message
    assert place.pids() == pids
    known: list[float | None] = []

    def fail(self: Restoration) -> None:
        known.append(self.context.deadline)
        raise OperationError("it is not as it should be")

    monkeypatch.setattr(Restoration, "_verify", fail)
    deadline = time.monotonic() + 500
    failed = carry_out(QuestdbRestore(options, Context(deadline=deadline)))
    assert failed.message.endswith(AS_BEFORE)
    assert known == [pytest.approx(deadline - 20 - WAY_BACK)]
    assert place.content() == before


def test_s1_7_a_server_that_stops_too_late_is_started_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """S1.7: it still answers when nobody waits for its end any more."""
    before, (pid,) = place.content(), place.pids()

    def late(_self: Server, **_: Any) -> None:
        threading.Timer(1.0, os.kill, (pid, signal.SIGTERM)).start()
        raise OperationError("it did not stop in time")

    monkeypatch.setattr(Server, "stop", late)
    failed = place.run(allow_discard=True)
    assert failed.status == "failed" and failed.message == "it did not stop in time"
    assert place.content() == before and len(place.pids()) == 1 and place.pids() != [pid]


def test_s1_7_left_on_failure_is_only_what_needs_no_recovery(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """S1.7: with ``_restore`` in place each next start would roll back what was written by then."""
    before = place.content()
    start = Server.start

    def fail(_self: Server) -> None:
        monkeypatch.setattr(Server, "start", start)
        raise OperationError("it ended while it was starting")

    monkeypatch.setattr(Server, "start", fail)
    failed = place.run(backup="checkpoint", allow_discard=True, on_failure="leave")
    assert failed.status == "failed" and failed.message.endswith(AS_BEFORE)
    assert not (place.root / "_restore").exists()
    assert place.content() == before


def test_s1_7_a_safety_copy_that_was_live_can_be_put_back_once_more(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S1.7: what its description counts is the least of what it holds by then."""
    assert place.run(allow_discard=True).status == "changed"
    (copy,) = place.safety()

    def fail(_self: Restoration) -> None:
        write(place)
        raise OperationError("it is not as it should be")

    with monkeypatch.context() as patch:
        patch.setattr(Restoration, "_verify", fail)
        failed = place.run(state="reverted")
        assert failed.status == "failed" and f"is kept in {copy}" in failed.message
    assert place.rows() == ROWS
    assert json.loads((copy / "safety.json").read_text())["exact"] is False
    back = place.run(state="reverted", safety_copy=f"{copy}/")
    assert back.status == "changed", back.message
    assert place.rows() == ROWS + LATER + WRITTEN


def test_s1_7_what_is_proven_is_what_was_done(place: Place) -> None:
    """S1.7: the newest safety copy is another one after the revert, and a restore that was killed leaves nothing."""
    before = place.content()
    assert place.run(allow_discard=True).status == "changed"
    (copy,) = place.safety()
    assert killed_at(place, ("begin", "stage", "after"), backup="checkpoint")
    planned = place.run(check=True, state="reverted")
    assert planned.message.startswith("take back the restore of") and planned.message.endswith("interrupted at stage")
    cleared = place.run()
    assert cleared.status == "changed" and cleared.message.startswith("clear away"), cleared.message
    assert place.run().status == "unchanged"
    assert place.names("botfleet", "stage") == []
    back = place.run(state="reverted", safety_copy="latest")
    assert back.status == "changed", back.message
    assert place.content() == before
    assert place.run(state="reverted", safety_copy="latest").status == "unchanged"
    assert place.run("prove", state="reverted", safety_copy="latest").status == "unchanged"
    write(place)
    pids = place.pids()
    again = place.run(state="reverted", safety_copy=str(copy), allow_discard=True)
    assert again.status == "failed" and "it is live since" in again.message
    assert place.pids() == pids


def test_s1_7_no_backup_is_taken_of_a_restore_that_was_interrupted(place: Place) -> None:
    """S1.7: what is live is neither the old state nor the new one, as long as nobody verified it."""
    assert killed_at(place, ("begin", "verify", "after"))
    defaults = {name: spec.get("default") for name, spec in QuestdbBackup.OPTIONS.items()}
    given = {"root": str(place.root), "dest": str(place.backups), "name": "late", "url": place.server.access.url}
    outcome = carry_out(QuestdbBackup({**defaults, **given}, Context()))
    assert outcome.status == "failed" and "was interrupted at verify" in outcome.message
    assert "state reverted" in outcome.message
    assert not Path(place.backups, "late").exists()


def test_s1_7_a_server_that_starts_is_not_asked_for_its_lock(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """S1.7: whoever asks has the lock for that moment, and a server that finds it taken ends."""
    server = place.operation(start_timeout=2)._server()
    answers = [False, False, True]
    monkeypatch.setattr(Client, "is_up", lambda _self: answers.pop(0))
    monkeypatch.setattr(Instance, "is_held", lambda _self: not answers)
    server.wait_until_up()
    assert answers == []
