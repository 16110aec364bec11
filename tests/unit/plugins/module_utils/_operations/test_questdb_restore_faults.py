# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong after the point of no return ends in the old state, with every row in it (S1.7)."""

from __future__ import annotations

import fcntl
import json
import os
import pwd
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils import _process
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb import preflight, server
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.restore import Restoration
from ansible_collections.tradeops.botfleet.tests.unit.plugins.module_utils._operations.restored_questdb import (
    LATER,
    ROWS,
    Place,
    fresh,
)

from tests.peers.questdb import JAR


@pytest.fixture(name="place")
def _place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with fresh(tmp_path_factory) as place:
        yield place


def test_s1_7_a_server_that_was_killed_holds_its_lock_a_moment_longer(place: Place) -> None:
    """S1.7: while the kernel takes its memory back; only who keeps it is another process."""
    service = place.operation()._server()
    place.end()
    lock = (place.root / "db" / "tables.d.lock").open("rb")
    fcntl.flock(lock, fcntl.LOCK_EX)
    threading.Timer(0.5, lock.close).start()
    service.stop()
    assert not service.instance.is_held()


def asked_to_end_at(place: Place, method: str, **options: Any) -> str:
    """What a restore says that gets SIGTERM there, in a process of its own."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        with suppress(BaseException):  # this process must not go on with the tests, and says nothing then
            plain = getattr(Restoration, method)

            def asked(self: Restoration, *given: Any, **more: Any) -> Any:
                os.kill(os.getpid(), signal.SIGTERM)
                return plain(self, *given, **more)

            setattr(Restoration, method, asked)
            os.write(writer, place.run(allow_discard=True, **options).message.encode())
        os._exit(0)
    os.close(writer)
    with open(reader, encoding="utf-8") as said:
        message = said.read()
    os.waitpid(child, 0)
    return message


@pytest.mark.parametrize("step", ["stage", "start"])
def test_s1_7_a_restore_that_is_asked_to_end(place: Place, step: str) -> None:
    """S1.7: SIGTERM leaves time to put things right, and that time is taken."""
    before = place.content()
    message = asked_to_end_at(place, f"_{step}")
    assert message.startswith(f"the restore of {place.root} was ended by SIGTERM at {step}")
    assert message.endswith("the database is again what it was before") is (step == "start")
    assert place.content() == before
    assert place.names("botfleet", "stage") == []
    outcome = place.run(check=True, allow_discard=True)
    assert outcome.before is not None and outcome.before["interrupted"] is None


def test_s1_7_what_is_said_when_it_is_asked_to_end_is_true(place: Place) -> None:
    """S1.7: left where that was asked for, restored where it was verified; a way back is gone to its end."""
    before = place.content()
    left = asked_to_end_at(place, "_verify", on_failure="leave")
    assert "was ended by SIGTERM at verify; it was left so" in left and str(place.safety()[0]) in left
    assert place.rows() == ROWS
    assert place.run(state="reverted", allow_discard=True).status == "changed"
    assert place.content() == before
    late = asked_to_end_at(place, "_commit")
    assert "the database is restored and verified" in late and "was ended by SIGTERM at commit" in late
    assert place.run(state="reverted").status == "changed"
    assert place.content() == before
    place.claim_other_rows()
    failed = asked_to_end_at(place, "_exchange_back")
    assert f"instead of {ROWS + 1}" in failed and failed.endswith("the database is again what it was before")
    assert place.content() == before and len(place.pids()) == 1


def test_s1_7_a_server_that_hangs_when_it_is_to_stop(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """S1.7: without force it is not killed, and nothing was touched; with it, the next run goes on."""
    before = place.content()
    (pid,) = place.pids()
    os.kill(pid, signal.SIGSTOP)
    while any(_state(task) != "T" for task in Path(f"/proc/{pid}/task").iterdir()):
        time.sleep(0.01)  # on a busy machine it answers a moment longer
    monkeypatch.setattr(server, "YOUNG", 0.5)  # s: it would be waited for, as one that is just coming up
    impatient = {**place.service, "timeout": 1}
    failed = place.run(allow_discard=True, service=impatient, start_timeout=1)
    assert failed.status == "failed"
    assert "did not stop within 1 s" in failed.message and "run it again" in failed.message
    assert place.safety() == [] and place.pids() == [pid]
    assert place.run(check=True, allow_discard=True).message.startswith(f"start {place.root} again")
    forced = place.run(allow_discard=True, service={**impatient, "force": True}, start_timeout=20)
    assert forced.status == "changed", forced.message
    assert forced.change is not None and forced.change["rows_discarded"] == {"fills": LATER}
    assert place.content()["fills"] == before["fills"][:ROWS]


def _state(task: Path) -> str:
    return (task / "stat").read_text().rpartition(")")[2].split()[0]


def test_s1_7_rows_that_come_while_it_stops_are_not_discarded_unasked(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S1.7: the plan found nothing to discard, and so nothing is."""
    assert place.run(allow_discard=True).status == "changed"
    shutil.rmtree(place.backups / "cold")
    with suppress(FileNotFoundError):
        os.unlink(place.root / "botfleet" / "restored.json")
    stop = server.Server.stop

    def late(self: server.Server, **options: Any) -> None:
        place.server.sql("insert into fills values ('2026-04-01', 'L', 'buy', 1.0, 1, 'late')")
        stop(self, **options)

    monkeypatch.setattr(server.Server, "stop", late)
    failed = place.run(backup="checkpoint")
    assert failed.status == "failed"
    assert "while its server was being stopped" in failed.message
    assert place.run("prove", backup="checkpoint").status == "failed"
    place.server.wait_for_rows("fills", ROWS + 1)


needs_user = pytest.mark.skipif(os.geteuid() != 0, reason="only root may run the server as another user")


@needs_user
def test_s1_7_wrong_owners_and_a_trigger_that_cannot_be_removed(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S1.7: exit code 55 at every start, after which the unit is stopped, and the old state put back."""
    nobody = pwd.getpwnam("nobody")
    base = Path("/var/tmp")  # pytest's own directories let nobody in
    with fresh(tmp_path_factory, running=False, base=base) as place:
        place.path.chmod(0o755)
        for directory, folders, files in os.walk(place.root):
            for name in [*folders, *files, "."]:
                os.chown(os.path.join(directory, name), nobody.pw_uid, nobody.pw_gid)
        jar = shutil.copy(JAR, place.path)
        command = [jar if word == JAR else word for word in place.server.command]
        place.service.update(user="nobody", log=str(place.root / "service.log"), command=command)
        done = place.run(allow_discard=True)
        assert done.status == "changed", done.message
        owners = {path.stat().st_uid for path in [*(place.root / "db").rglob("*"), *place.safety()]}
        assert owners == {nobody.pw_uid}
        uids = {process.uid for process in map(_process.read, place.pids()) if process}
        assert uids == {nobody.pw_uid}
        assert place.rows() == ROWS

        before = place.content()
        os.chown(place.root, 0, 0)
        place.root.chmod(0o755)
        refused = place.run(backup="checkpoint")
        assert refused.status == "failed" and "could not remove its trigger" in refused.message
        monkeypatch.setattr(preflight, "_may_write", lambda *_: True)
        failed = place.run(backup="checkpoint")
        assert failed.status == "failed"
        assert "ended while it was starting" in failed.message
        assert failed.message.endswith("the database is again what it was before")
        assert not (place.root / "_restore").exists()
        assert place.content() == before
        assert len(place.pids()) == 1
        failed_copy = place.safety()[-1]
        assert failed_copy.name.endswith(".failed")
        assert json.loads((failed_copy / "safety.json").read_text())["reason"] == "failed"
