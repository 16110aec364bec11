# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Killed before and after each line of its journal, a restore is finished or taken back by the next (S1.7).

One restore is killed again and again, each time a line later: whoever goes on finds what the last one left.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb import swap
from ansible_collections.tradeops.botfleet.tests.unit.plugins.module_utils._operations.restored_questdb import (
    LATER,
    ROWS,
    Place,
    Point,
    fresh,
    killed_at,
)


@pytest.fixture(name="place")
def _place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with fresh(tmp_path_factory) as place:
        yield place


def points(*steps: str) -> list[Point]:
    """Before and after each line of these steps."""
    return [(event, step, when) for step in steps for event in ("begin", "done") for when in ("before", "after")]


ENDS = [("end", "", "before"), ("end", "", "after")]


def check(place: Place) -> None:
    """The database is the old one or the new one, whole, and what is not live is in a safety copy or a backup."""
    live = len(list((place.root / "db").glob("fills~*/2026-02-01*")))
    kept = list((place.root / "botfleet").glob("s*/*/db/fills~*/2026-02-01*"))
    assert live + len(kept) == 1
    if place.server.client.is_up():
        assert place.rows() == ROWS + (LATER if live else 0)
        assert place.rows("quotes") == 2000
    assert len(place.pids()) <= 1


def kill_at_each(place: Place, fatal: list[Point], **options: Any) -> None:
    for point in fatal:
        assert killed_at(place, point, **options), point
        check(place)


def test_s1_7_killed_at_each_step(place: Place) -> None:
    """S1.7: from the first line to the last of a cold restore."""
    before = place.content()
    assert killed_at(place, ("start", "", "before"))
    assert killed_at(place, ("start", "", "after"))
    kill_at_each(place, points("preflight", "diff", "stage", "rehearse"))
    assert place.content() == before
    interrupted = place.run(check=True, allow_discard=True)
    assert interrupted.before is not None and interrupted.before["interrupted"]["step"] == "rehearse"
    kill_at_each(place, points("stop", "swap")[:-1])
    checked = place.run(check=True)
    assert checked.status == "changed" and "interrupted at swap" in checked.message
    other = place.run(backup="checkpoint", allow_discard=True)
    assert other.status == "failed" and "was interrupted at swap: run that again" in other.message
    assert place.pids() == []
    kill_at_each(place, points("swap", "trigger", "start", "settle", "verify", "commit")[3:])
    kill_at_each(place, ENDS)
    assert place.run().status == "unchanged"
    assert place.run("prove").status == "unchanged"
    assert place.content()["fills"] == before["fills"][:ROWS]
    assert len(place.safety()) == 1
    assert place.names("botfleet") == ["instance", "lock", "restore.jsonl", "restored.json", "safety"]
    assert place.run(state="reverted").status == "changed"
    assert place.content() == before


def test_s1_7_killed_while_a_checkpoint_is_recovered(place: Place) -> None:
    """S1.7: the server must never come up on a tree that it should have recovered first, and was not told to."""
    before = place.content()
    assert killed_at(place, ("done", "swap", "after"), backup="checkpoint")
    check(place)
    place.start()  # as a host does that comes up again
    kill_at_each(place, points("trigger"), backup="checkpoint")
    kill_at_each(place, points("start")[:2], backup="checkpoint")
    assert (place.root / "_restore").exists()
    kill_at_each(place, points("start")[2:], backup="checkpoint")
    assert place.run(backup="checkpoint").status == "changed"
    assert place.run(backup="checkpoint").status == "unchanged"
    assert place.content()["fills"] == before["fills"][:ROWS]
    assert not (place.root / "_restore").exists()
    assert len(place.safety()) == 1


def test_s1_7_killed_while_it_is_taken_back(place: Place) -> None:
    """S1.7: a restore that fails, and is killed at each line of its way back."""
    before = place.content()
    place.claim_other_rows()
    assert killed_at(place, ("begin", "revert", "before"))
    kill_at_each(place, [*points("revert")[1:], ENDS[0]])
    failed = place.run(allow_discard=True)
    assert failed.status == "failed"
    assert f"fills has {ROWS} rows instead of {ROWS + 1}" in failed.message
    assert failed.message.endswith("the database is again what it was before")
    assert f"is kept in {place.safety()[0]}" in failed.message
    assert place.content() == before
    assert [path.name.endswith(".failed") for path in place.safety()] == [True]
    assert place.run(check=True, backup="checkpoint", allow_discard=True).status == "changed"


@pytest.mark.parametrize("step", ["swap", "verify"])
def test_s1_7_killed_and_then_taken_back_on_request(place: Place, step: str) -> None:
    """S1.7: ``reverted`` without a name takes back what was interrupted."""
    before = place.content()
    assert killed_at(place, ("begin", step, "after"))
    taken = place.run(state="reverted")
    assert taken.status == "changed", taken.message
    assert place.content() == before
    assert "no safety copy" in place.run(state="reverted").message


def test_s1_7_where_names_cannot_be_exchanged(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """S1.7: two renames leave a moment without a database; a kill there is mended."""
    before = place.content()
    monkeypatch.setattr(swap, "exchange", lambda *_: False)
    rename = os.rename

    def fatal(old: str, new: str, **options: Any) -> None:
        rename(old, new, **options)
        if old == "db":
            os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if child == 0:
        with suppress(BaseException):  # this process must not go on with the tests, and its exit code tells
            monkeypatch.setattr(os, "rename", fatal)
            place.run(allow_discard=True)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert not (place.root / "db").exists()
    assert "interrupted at swap" in place.run(check=True).message
    done = place.run()
    assert done.status == "changed", done.message
    assert place.content()["fills"] == before["fills"][:ROWS]
    assert place.run(state="reverted").status == "changed"
    assert place.content() == before
