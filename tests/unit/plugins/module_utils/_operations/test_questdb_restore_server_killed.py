# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that is killed at any of the twelve steps of a restore ends it in the old state or the new one (S1.7).

Each test leaves the old state to the next one, in the same place.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import OperationError
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb import verify
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.restore import STEPS, Restoration
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.server import Server
from ansible_collections.tradeops.botfleet.tests.unit.plugins.module_utils._operations.restored_questdb import (
    ROWS,
    Place,
    fresh,
)

AS_BEFORE = "the database is again what it was before"
UNTOUCHED = "questdb had ended by itself and was started again, nothing was replaced: run it again"
NEW = ""

TWELVE = {
    "preflight": UNTOUCHED,
    "diff": UNTOUCHED,
    "stage": UNTOUCHED,
    "rehearse": UNTOUCHED,
    "stop": UNTOUCHED,
    "swap": NEW,
    "trigger": NEW,
    "start": AS_BEFORE,
    "settle": AS_BEFORE,
    "verify": AS_BEFORE,
    "commit": NEW,
    "revert": AS_BEFORE,
}
"""How the message of a restore ends whose server is killed there. NEW: it is done all the same."""

STOPPED = ("swap", "trigger", "start")
"""Steps that find no server that could be killed. The last one starts it, and it is killed then."""


@pytest.fixture(name="one", scope="module")
def _one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with fresh(tmp_path_factory) as place:
        yield place


@pytest.fixture(name="place")
def _place(one: Place) -> Iterator[Place]:
    """A place in the old state, to which a restore that is done is taken back."""
    before, names = one.content(), one.names()
    yield one
    if one.rows() == ROWS:
        assert one.run(state="reverted").status == "changed"
    assert one.content() == before
    assert len(one.pids()) == 1
    assert one.names("botfleet", "stage") == []
    assert one.names() == names and "_restore" not in names


def kill(pids: list[int]) -> None:
    """As the kernel does with what takes too much memory."""
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    while any(os.path.exists(f"/proc/{pid}/exe") for pid in pids):
        time.sleep(0.01)


def killing(place: Place, patch: pytest.MonkeyPatch, where: Any, name: str) -> list[int]:
    """Kill every server when this is called for the first time; which these were is known afterwards."""
    plain = getattr(where, name)
    killed: list[int] = []

    def deadly(*given: Any, **more: Any) -> Any:
        patch.setattr(where, name, plain)
        killed.extend(place.pids())
        kill(killed)
        return plain(*given, **more)

    patch.setattr(where, name, deadly)
    return killed


def failing_to_verify(patch: pytest.MonkeyPatch) -> None:
    def fail(_self: Restoration) -> None:
        raise OperationError("it is not as it should be")

    patch.setattr(Restoration, "_verify", fail)


def test_s1_7_the_twelve_steps_are_those_of_a_restore() -> None:
    """S1.7: one that is added is killed at, too."""
    assert list(TWELVE) == [*STEPS, "revert"] and len(TWELVE) == 12


@pytest.mark.parametrize("step", TWELVE)
def test_s1_7_a_server_that_is_killed_at_each_step(place: Place, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """S1.7: whoever killed it, one server runs afterwards, on the old state or the new one, and the message is true."""
    before, pids, inode, copies = place.content(), place.pids(), os.stat(place.root / "db").st_ino, place.safety()
    killed = killing(place, monkeypatch, Restoration, "_take_back" if step == "revert" else f"_{step}")
    started = killing(place, monkeypatch, Server, "wait_until_up") if step == "start" else []
    if step == "revert":
        failing_to_verify(monkeypatch)
    backup = "checkpoint" if step in ("trigger", "start", "settle") else "cold"
    done = place.run(allow_discard=True, backup=backup, rehearse=step == "rehearse")

    assert len(killed) == (step not in STOPPED)
    assert len(started) == (step == "start")
    assert done.status == ("failed" if TWELVE[step] else "changed"), done.message
    assert not TWELVE[step] or done.message.endswith(TWELVE[step])
    assert len(place.pids()) == 1 and place.pids() not in (pids, killed, started)
    rows = before["fills"][:ROWS] if TWELVE[step] == NEW else before["fills"]
    assert place.content() == {"fills": rows, "quotes": before["quotes"]}
    if TWELVE[step] == UNTOUCHED:
        assert killed == pids
        assert os.stat(place.root / "db").st_ino == inode and place.safety() == copies


def test_s1_7_a_server_that_is_killed_once_it_has_recovered_a_checkpoint(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S1.7: its trigger is gone, and nobody has heard of it yet."""
    before = place.content()
    wait, killed = Server.wait_until_up, []

    def recovered(self: Server) -> None:
        monkeypatch.setattr(Server, "wait_until_up", wait)
        while self.instance.has_trigger():
            time.sleep(0.001)
        killed.extend(place.pids())
        kill(killed)
        wait(self)

    monkeypatch.setattr(Server, "wait_until_up", recovered)
    failed = place.run(allow_discard=True, backup="checkpoint")
    assert len(killed) == 1
    assert failed.status == "failed" and failed.message.endswith(AS_BEFORE), failed.message
    assert "ended while it was starting" in failed.message
    assert place.content() == before


def test_s1_7_a_rehearsal_whose_own_server_is_killed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """S1.7: the live one is not touched, and of the other is said how it ended."""
    pids, copies = place.pids(), place.safety()
    killed: list[int] = []

    def deadly(plain: Any) -> Any:
        def first_kill(*given: Any, **more: Any) -> Any:
            killed.extend(set(place.pids()) - set(pids))
            kill(killed[-1:])
            return plain(*given, **more)

        return first_kill

    for where, name in ((Restoration, "_verified"), (verify, "touch_columns")):
        with monkeypatch.context() as patch:
            patch.setattr(where, name, deadly(getattr(where, name)))
            failed = place.run(allow_discard=True, rehearse=True)
        assert failed.status == "failed"
        assert "the copy's server ended with code -9 while it was read, as over damaged" in failed.message
        assert place.pids() == pids and place.safety() == copies
    assert len(killed) == 2


def test_s1_7_a_server_that_is_killed_while_a_safety_copy_is_put_back(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S1.7: what was restored comes back, and the safety copy is there to be put back."""
    before = place.content()
    assert place.run(allow_discard=True).status == "changed"
    copies = place.safety()
    killed = killing(place, monkeypatch, Restoration, "_verify")
    failed = place.run(state="reverted")
    assert len(killed) == 1
    assert failed.status == "failed" and failed.message.endswith(AS_BEFORE), failed.message
    assert f"is kept in {copies[-1]}" in failed.message and place.safety() == copies
    assert place.content() == {"fills": before["fills"][:ROWS], "quotes": before["quotes"]}
    assert len(place.pids()) == 1


def test_s1_7_an_old_server_that_is_killed_as_it_is_started_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S1.7: the old data is in place, which is said, and the next run starts it."""
    before, inode = place.content(), os.stat(place.root / "db").st_ino
    failing_to_verify(monkeypatch)
    killed: list[list[int]] = []
    back = Restoration._start_as_before

    def deadly(self: Restoration) -> None:
        killed.append(killing(place, monkeypatch, Server, "wait_until_up"))
        back(self)

    monkeypatch.setattr(Restoration, "_start_as_before", deadly)
    failed = place.run(allow_discard=True)
    monkeypatch.undo()
    assert [len(pids) for pids in killed] == [1]
    assert failed.status == "failed" and "ended while it was starting" in failed.message
    assert "the data from before is in place again, but its server does not serve it" in failed.message
    assert os.stat(place.root / "db").st_ino == inode and place.pids() == []
    taken = place.run(state="reverted")
    assert taken.status == "changed", taken.message
    assert place.content() == before
