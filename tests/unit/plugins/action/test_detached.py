# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Transactions that run detached on the host, and who follows them. Playbooks, processes and files are real."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.peers.slow import make_collections, packed

from .conftest import Controller, Run

SECRET = "CANARY-key-0001"
LATE = 120.0  # s within which a busy machine has done it


class Host:
    """A bot whose step ends when the gate opens."""

    def __init__(self, controller: Controller) -> None:
        self.controller = controller
        self.root = controller.root
        self.rollback = self.root / "state" / "bot-1" / "rb-1"
        self._plays = ThreadPoolExecutor(4)
        self._python = self.root / "python"
        real: Path | str = sys.executable
        if controller.path == "agent":
            self._python = self.root / "state" / "venv" / "bin" / "python"
            real = self._python.rename(self._python.with_name("real"))
        self._python.write_text(f'#!/bin/sh\necho $ASKER >> {self.root}/asked\nexec {real} "$@"\n')
        self._python.chmod(0o755)

    def task(self, **options: Any) -> dict[str, Any]:
        copy = {"path": "{{ root }}/copy", "gate": "{{ root }}/gate", "credentials": {"secret": "keys"}}
        stage = {"name": "preserve", "steps": [{"name": "Back up the database", "id": "backup", "slow_copy": copy}]}
        own = {"rollback_id": "rb-1", "state_dir": "{{ state }}", "stages": [stage], "secrets_from": "secrets"}
        asker = {"ASKER": uuid.uuid4().hex}
        task = {"tradeops.botfleet.transaction": {**own, "detach": True, **options}, "environment": asker}
        return {**task, "register": "done"}

    def play(self, *arguments: str, **options: Any) -> Run:
        return self.controller.play([self.task(**options)], *arguments, **self.variables())

    def variables(self) -> dict[str, Any]:
        more = {} if self.controller.path == "agent" else {"ansible_python_interpreter": str(self._python)}
        return {"secrets": {"keys": {"key": SECRET}}, **more}

    def followers(self) -> int:
        """How many plays have begun to follow: they have asked twice."""
        asked = (self.root / "asked").read_text().split() if (self.root / "asked").exists() else []
        return sum(number > 1 for number in Counter(asked).values())

    def begin(self, **options: Any) -> Callable[[], dict[str, Any]]:
        """Start a play; what it comes to, once that is asked for."""
        playing = self._plays.submit(self.play, **options)

        def result() -> dict[str, Any]:
            run = playing.result()
            assert "done" in run.results, run.output
            assert SECRET not in run.output
            done: dict[str, Any] = run.results["done"]
            return done

        return result

    def open(self) -> None:
        (self.root / "gate").touch()

    def applied(self) -> int:
        log = self.root / "copy.log"
        return len(log.read_text().split()) if log.exists() else 0

    def process(self) -> int:
        """The one that carries it out, once it does."""
        wait_for((self.rollback / "progress.json").exists)
        (record,) = self.rollback.glob("detached.*.json")
        return int(json.loads(record.read_text())["pid"])


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LATE
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def runs(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists() and Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.fixture(scope="module")
def collections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_collections(tmp_path_factory.mktemp("collections"))


@pytest.fixture
def make_host(tmp_path: Path, collections: Path) -> Iterator[Callable[[str], Host]]:
    made: list[Host] = []

    def make(path: str) -> Host:
        made.append(Host(Controller(tmp_path, path, collections, packed(collections))))
        return made[-1]

    yield make
    for host in made:
        host.open()
        pids = [json.loads(record.read_text())["pid"] for record in host.root.rglob("detached.*.json")]
        wait_for(lambda pids=pids: not any(map(runs, pids)))  # type: ignore[misc]  # bound here


@pytest.fixture(params=["module", "agent"])
def host(make_host: Callable[[str], Host], request: pytest.FixtureRequest) -> Host:
    return make_host(request.param)


@pytest.fixture
def one(make_host: Callable[[str], Host]) -> Host:
    """For what does not depend on how it gets to the host."""
    return make_host("agent")


def test_it_comes_to_what_it_would_have_come_to_with_the_connection_held(host: Host) -> None:
    result = host.begin()
    pid = host.process()
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    assert fields[3] == str(pid) and fields[1] == "1", "it leads a session of its own, and belongs to no connection"
    told = [Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ")]
    told += [path.read_bytes() for path in host.rollback.rglob("*") if path.is_file()]
    assert not any(SECRET.encode() in each for each in told)
    assert {path.stat().st_mode & 0o777 for path in host.rollback.iterdir()} == {0o600}
    assert [os.readlink(f"/proc/{pid}/fd/{number}") for number in (0, 1, 2)] == [os.devnull] * 3
    host.open()
    detached = result()
    assert detached["detached"] and detached["changed"] and not detached["failed"], detached
    assert detached["path"] == host.controller.path and "controller_times" in detached
    assert (host.root / "copy").read_text() == SECRET
    assert sorted(path.suffix for path in host.rollback.iterdir()) == [".json", ".json", ".jsonl"], "no code is left"

    again = host.play(rollback_id="rb-2", detach=False).results["done"]
    assert detached.keys() - again.keys() == {"detached"} and again.keys() <= detached.keys()
    assert [step["status"] for step in detached["steps"]] == ["changed"]


def test_it_outlives_its_controller_and_the_same_id_follows_it(host: Host) -> None:
    """S1.6: whoever asks for the same gets the one result, and nothing is done twice."""
    task = [sys.executable, "-m", "ansible", "playbook", "-i", "bot-1,", str(host.root / "left.yml")]
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "ansible_pipelining": True}
    places = {"root": str(host.root), "state": str(host.root / "state")}
    variables = {**local, **places, **host.variables()}
    play = {"hosts": "all", "gather_facts": False, "vars": variables, "tasks": [host.task()]}
    (host.root / "left.yml").write_text(json.dumps([play]))
    with subprocess.Popen(
        task, env=host.controller.environment, cwd=host.root, stdout=-3, stderr=-3, start_new_session=True
    ) as controller:
        try:
            pid = host.process()
            wait_for(lambda: host.followers() == 1)
        finally:
            os.killpg(controller.pid, signal.SIGKILL)
    results = [host.begin(), host.begin()]
    wait_for(lambda: host.followers() == 3)
    assert host.process() == pid and runs(pid)
    host.open()
    followed = [result() for result in results]
    assert [result["detached"] for result in followed] == [True, True]
    assert followed[0]["steps"] == followed[1]["steps"] and followed[0]["steps"][0]["status"] == "changed"
    assert host.applied() == 1


def test_two_that_begin_at_once_follow_one(one: Host) -> None:
    results = [one.begin(), one.begin()]
    wait_for(lambda: one.followers() == 2)
    one.open()
    assert [result()["steps"][0]["status"] for result in results] == ["changed", "changed"]
    assert one.applied() == 1


def test_a_process_that_was_killed_is_named(host: Host) -> None:
    result = host.begin()
    pid = host.process()
    os.kill(pid, signal.SIGKILL)
    lost = result()
    assert lost["failed"] and not lost["changed"] and "steps" not in lost
    assert lost["msg"] == (
        f"rollback rb-1: its detached process (pid {pid}) ended in step preserve/backup without a result: "
        "run the same id again, which completes what was cut short"
    )
    host.open()
    again = host.begin()()
    assert again["detached"] and again["steps"][0]["status"] == "changed" and host.applied() == 2


def test_a_halt_that_preempts_it_is_named(one: Host) -> None:
    result = one.begin()
    one.process()
    copy = {"path": "{{ root }}/halt", "gate": "{{ root }}", "credentials": {"secret": "keys"}}
    wait = {"path": "{{ root }}/halt2", "gate": "{{ root }}/gate"}
    halt = {"name": "halt", "on_failure": "continue", "steps": [{"slow_copy": copy}, {"slow_copy": wait}]}
    halting = one.begin(rollback_id="rb-2", stages=[halt], preempt=True, preempt_after=0.5, detach=True)
    lost = result()
    one.open()
    assert ", and rollback rb-2 of " in lost["msg"] and " has taken the bot: run the same id again" in lost["msg"]
    halted = halting()
    assert not halted["failed"] and "which was killed" in halted["notes"][0], halted


def test_a_time_limit_of_the_task_ends_the_waiting_and_not_the_work(one: Host) -> None:
    task = {**one.task(), "timeout": 5}
    run = one.controller.play([task], **one.variables())
    assert run.results["done"]["failed"] and "steps" not in run.results["done"], run.output
    assert one.followers() == 1
    result = one.begin()
    wait_for(lambda: one.followers() == 2)
    one.open()
    assert result()["steps"][0]["status"] == "changed" and one.applied() == 1


def test_check_mode_and_a_closed_rollback_detach_nothing(host: Host) -> None:
    planned = host.play("--check").results["done"]
    assert planned["changed"] and "detached" not in planned and not host.rollback.exists()
    host.open()
    closed = host.play(closes=True).results["done"]
    assert closed["closed"] and closed["detached"]
    stored = host.play(closes=True).results["done"]
    assert stored["stored"] and not stored["changed"] and stored["detached"] is False


def test_what_cannot_run_detached_is_carried_out_all_the_same(one: Host) -> None:
    """A halt whose state directory cannot be used goes on; its connection is held."""
    one.open()
    (one.root / "state" / "bot-1").write_text("in the way")
    copy = {"path": "{{ root }}/copy", "gate": "{{ root }}/gate"}
    halt = {"name": "halt", "on_failure": "continue", "steps": [{"slow_copy": copy}]}
    result = one.play(stages=[halt]).results["done"]
    assert result["detached"] is False and result["steps"][0]["status"] == "changed"
    assert "carried out while the connection was held, since it cannot run detached: " in result["notes"][-1]
