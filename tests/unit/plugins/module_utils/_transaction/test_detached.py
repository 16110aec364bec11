# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's side of a detached transaction, and how far a step is. Processes and files are real."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import Operation, Plan, State
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations.go_live_flag import GoLiveFlag
from ansible_collections.tradeops.botfleet.plugins.module_utils._transaction import child, meter
from ansible_collections.tradeops.botfleet.plugins.module_utils._transaction.engine import Transaction
from ansible_collections.tradeops.botfleet.plugins.module_utils._transaction.meter import Meter
from ansible_collections.tradeops.botfleet.plugins.module_utils._transaction.perform import perform
from ansible_collections.tradeops.botfleet.plugins.module_utils._transaction.request import request_from
from ansible_collections.tradeops.botfleet.plugins.module_utils._transaction.spec import OPTIONS

LATE = 60.0


def defaults(options: dict[str, Any]) -> dict[str, Any]:
    return {name: spec.get("default") for name, spec in options.items()}


class Host:
    """A bot whose flag is lowered after a delay."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.flag = root / "flag"
        self.flag.write_text("live")
        self.rollback = root / "state" / "bot-1" / "rb-1"

    def params(self, delay: float = 0.0, **more: Any) -> dict[str, Any]:
        flag = {**defaults(GoLiveFlag.OPTIONS), "path": str(self.flag), "state": "absent"}
        step = {"id": "flag", "name": "Lower the flag", "operation": "go_live_flag", "options": flag}
        stage = {"name": "preserve", "steps": [step], "delay": delay}
        given = {"rollback_id": "rb-1", "bot": "bot-1", "state_dir": str(self.root / "state"), "stages": [stage]}
        return {**defaults(OPTIONS), **given, "detach": True, **more}

    def ask(self, begun: dict[str, Any], **more: Any) -> dict[str, Any]:
        return perform({**self.params(), "stages": [], "follow": begun["following"], **more}, False)

    def followed(self, begun: dict[str, Any]) -> dict[str, Any]:
        deadline = time.monotonic() + LATE
        while not (answer := self.ask(begun)).get("detached"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return answer

    def pid(self) -> int:
        (record,) = self.rollback.glob("detached.*.json")
        return int(json.loads(record.read_text())["pid"])


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_it_begins_at_once_and_ends_by_itself(host: Host) -> None:
    begun = perform(host.params(delay=1.5), False)
    assert begun.keys() == {"changed", "following"} and host.flag.exists()
    assert os.getsid(host.pid()) == host.pid() != os.getsid(0)
    assert {path.stat().st_mode & 0o777 for path in host.rollback.iterdir()} == {0o600}
    going = host.ask(begun)
    assert (going["following"], going["step"], going["progress"]) == (begun["following"], None, None)
    result = host.followed(begun)
    assert result["detached"] and result["changed"] and result["steps"][0]["status"] == "changed"
    assert result["warnings"] == [] and result["diff"] and not host.flag.exists()
    assert sorted(path.name.partition(".")[0] for path in host.rollback.iterdir()) == ["detached", "journal", "results"]


def test_the_same_is_followed_while_it_runs_whatever_differs_from_run_to_run(host: Host) -> None:
    begun = perform(host.params(delay=2), False)
    pid = host.pid()
    assert perform(host.params(delay=3, controller="another", secrets={"key": "other"}), False) == begun
    assert host.pid() == pid
    host.followed(begun)
    assert perform(host.params(), False) == begun
    again = host.followed(begun)
    assert again["steps"][0]["status"] == "resumed" and host.pid() != pid, "nothing runs any more, so it begins anew"


def test_something_else_of_the_same_rollback_waits_for_it(host: Host) -> None:
    begun = perform(host.params(delay=1), False)
    other = perform(host.params(closes=True), False)
    assert other["following"] != begun["following"]
    assert host.followed(other)["closed"] and not host.followed(begun)["closed"]
    assert perform(host.params(closes=True), False)["detached"] is False, "it is closed: there is nothing to run"


def test_one_that_was_killed_is_lost_and_says_so(host: Host) -> None:
    begun = perform(host.params(delay=60), False)
    os.kill(host.pid(), signal.SIGKILL)
    lost = host.followed(begun)
    assert lost["failed"] and lost["msg"] == (
        f"rollback rb-1: its detached process (pid {host.pid()}) ended without a result: "
        "run the same id again, which completes what was cut short"
    )
    shutil.rmtree(host.rollback)
    assert host.ask(begun)["msg"].startswith("rollback rb-1: its detached process ended without a result: ")
    assert "cannot be followed (follow is '../x'" in host.ask(begun, follow="../x")["msg"]


def test_what_the_operating_system_refuses_is_carried_out_where_it_is(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as a Python that cannot be started again."""
    monkeypatch.setattr("sys.executable", "/bin/false")
    result = perform(host.params(), False)
    problem = "carried out while the connection was held, since it cannot run detached: /bin/false did not take "
    assert result["detached"] is False and result["steps"][0]["status"] == "changed"
    assert result["notes"][0].startswith(problem) and result["warnings"][0].startswith(f"bot-1: {problem}")
    assert not list(host.rollback.glob("detached.*"))


def test_what_nobody_expected_is_a_result_too(host: Host) -> None:
    bad = host.params()
    bad["stages"] = [{**bad["stages"][0], "delay": "soon"}]
    result = host.followed(perform(bad, False))
    assert result["failed"] and result["msg"].startswith("unexpected TypeError: ")


class Copy(Operation):
    """Tells these things in turn, then waits for a file, if one is named."""

    def observe(self) -> State:
        return {}

    def plan(self, before: State) -> Plan:
        return Plan(["copy"])

    def apply(self, plan: Plan) -> State:
        for told in self.options["told"]:
            self.context.progress({"done": object()} if told == "no JSON" else told)
        while self.options.get("gate") and not Path(self.options["gate"]).exists():
            time.sleep(0.02)
        return {}

    def prove(self) -> State:
        self.context.progress({"doing": "reading it again", "done": 1, "total": 1})
        return {}


def copy(host: Host, told: list[Any], **more: Any) -> Callable[[], dict[str, Any]]:
    step = {"id": "copy", "name": "Copy it", "operation": "copy", "options": {"told": told, **more}}
    params = host.params(secrets={"key": "CANARY-0001"}, stages=[{"name": "preserve", "steps": [step]}], safe=[])
    return lambda: Transaction(request_from(params), {"copy": Copy}).run()


def wait_for(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + LATE
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def test_how_far_a_step_is_can_be_read_while_it_runs(host: Host) -> None:
    gate = host.root / "gate"
    told = [{"doing": f"part {number}", "done": number, "total": 100} for number in range(50)]
    told.append({"doing": "the last, CANARY-0001", "done": 50, "total": 100})
    runs = threading.Thread(target=copy(host, told, gate=str(gate)))
    runs.start()
    try:
        said = wait_for(
            lambda: (said := meter.read(str(host.rollback))) and said["doing"].startswith("the last") and said
        )
        assert (host.rollback / "progress.json").stat().st_mode & 0o777 == 0o600
    finally:
        gate.touch()
        runs.join()
    assert said.pop("at") < LATE
    last = {"step": "preserve/copy", "doing": "the last, ********", "done": 50, "total": 100}
    assert said == {**last, "rate": None, "left": None}
    assert not (host.rollback / "progress.json").exists()


@pytest.mark.parametrize("told", ["no JSON", "text", {"doing": "x" * 5000}, {"done": float("nan"), "total": "all"}])
def test_what_an_operation_tells_never_fails_it(host: Host, told: Any) -> None:
    assert copy(host, [told])()["steps"][0]["status"] == "changed"


def test_what_is_told_is_heard_twice_a_second_at_most_and_the_newest_in_the_end() -> None:
    heard: list[int] = []

    def tells(tell: child.Tell) -> dict[str, Any]:
        for number in range(1000):
            tell({"number": number})
            time.sleep(0.001)  # or a busy machine hears of the last one first
        time.sleep(1.2)
        return {"long": "x" * 300_000}

    began = time.monotonic()
    assert len(child.call(tells, 60, lambda news: heard.append(news["number"]))["long"]) == 300_000
    assert heard[-1] == 999 and 2 <= len(heard) <= 2 * (time.monotonic() - began) + 2


def test_a_thread_that_goes_on_telling_spoils_no_answer() -> None:
    def tells(tell: child.Tell) -> dict[str, Any]:
        def on_and_on() -> None:
            while True:
                tell({"more": "x" * 1000})

        threading.Thread(target=on_and_on, daemon=True).start()
        time.sleep(0.1)
        return {"long": "x" * 3_000_000}

    assert len(child.call(tells, 60)["long"]) == 3_000_000


def test_the_rate_is_that_of_the_last_seconds_of_one_thing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    made = Meter(str(tmp_path), began=100.0)

    def hear(seconds: float, done: Any, doing: str = "a", total: Any = 1000) -> list[Any]:
        now[0] += seconds
        made.hear("preserve/copy", {"doing": doing, "done": done, "total": total})
        said = meter.read(str(tmp_path)) or {}
        return [said["at"], said["rate"], said["left"]]

    assert hear(1, 0) == [1, None, None]
    assert hear(1, 50) == [2, 50, 19.0]
    for second in range(3, 30):
        last = hear(1, 50 + 10 * (second - 2))
    assert last == [29, 10, 68.0], "what was faster before is forgotten"
    assert hear(1, 0, "b") == [30, None, None]
    assert hear(1, 0, "b") == [31, 0, None], "it stands still"
    assert hear(1, 20, "b", None) == [32, 10, None]
    assert hear(1, 10, "b") == [33, None, None], "begun anew"
    assert hear(1, None, "c") == [34, None, None]
    Meter(None).hear("nobody", {"done": 1})
    made.forget()
    assert meter.read(str(tmp_path)) is None
