# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The transaction engine, on operations that change real files and start real processes."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import (
    NotUndone,
    Operation,
    OperationError,
    Plan,
    State,
)
from ansible_collections.tradeops.botfleet.plugins.module_utils._transaction.engine import Transaction
from ansible_collections.tradeops.botfleet.plugins.module_utils._transaction.request import request_from


class Content(Operation):
    """A file's content; can be told to misbehave."""

    def observe(self) -> State:
        path, told = Path(self.options["path"]), self.options.get("told")
        state = {"content": path.read_text() if path.exists() else None}
        return {**state, "told": Path(told).read_text()} if told else state

    def plan(self, before: State) -> Plan:
        wanted = self.options["content"]
        return Plan([f"write {wanted}"] if before["content"] != wanted else [], data={"before": before["content"]})

    def apply(self, plan: Plan) -> State:
        with open(self.options["path"] + ".log", "a") as log:
            log.write(self.options["content"] + "\n")
        if self.options.get("fail"):
            raise OperationError("told to fail")
        if self.options.get("crash"):
            raise RuntimeError(f"told to crash with {self.options['content']}")
        if self.options.get("child"):
            child = subprocess.Popen(["sleep", "300"], start_new_session=True)
            Path(self.options["child"]).write_text(str(child.pid))
        time.sleep(self.options.get("sleep", 0))
        Path(self.options["path"]).write_text(self.options["content"])
        return {"was": plan.data["before"]}

    def prove(self) -> State:
        state = self.observe()
        if state["content"] != self.options["content"]:
            raise OperationError(f"content is {state['content']!r}")
        return state

    def undo(self, change: State) -> str:
        if change["was"] is None:
            raise NotUndone("there was nothing before")
        Path(self.options["path"]).write_text(change["was"])
        return f"back to {change['was']}"


class Fleet:
    """Builds requests for one bot and runs them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.state = root / "state"

    def step(self, name: str, content: str = "off", **keywords: Any) -> dict[str, Any]:
        options = {"path": str(self.root / name), "content": content, **keywords.pop("options", {})}
        return {"id": name, "name": f"write {name}", "operation": "content", "options": options, **keywords}

    def request(self, stages: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
        defaults = {"rollback_id": "rb-1", "bot": "bot-1", "state_dir": str(self.state), "controller": "ops@here"}
        return {**defaults, "stages": stages, "safe": [], **fields}

    def run(self, stages: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
        result = Transaction(request_from(self.request(stages, **fields)), {"content": Content}).run()
        json.dumps(result)
        return result

    def read(self, name: str) -> str:
        return (self.root / name).read_text()

    def applied(self, name: str) -> list[str]:
        log = self.root / f"{name}.log"
        return log.read_text().split() if log.exists() else []

    def events(self, rollback_id: str = "rb-1") -> list[dict[str, Any]]:
        journal = self.state / "bot-1" / rollback_id / "journal.jsonl"
        return [json.loads(line) for line in journal.read_text().splitlines()]


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path)


def statuses(result: dict[str, Any]) -> dict[str, str]:
    return {f"{step['stage']}/{step['id']}": step["status"] for step in result["steps"]}


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


def halt(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"name": "halt", "on_failure": "continue", "steps": list(steps)}


def test_changes_and_reads_back(fleet: Fleet) -> None:
    result = fleet.run([halt(fleet.step("flag"))], safe=[fleet.step("flag")])
    assert statuses(result) == {"halt/flag": "changed"}
    assert result["changed"] and not result["failed"]
    step = result["steps"][0]
    assert (step["before"], step["after"], step["proof"]) == ({"content": None}, {"content": "off"}, {"content": "off"})
    assert result["safe"]["is_safe"] and result["safe"]["read"][0]["observed"] == {"content": "off"}
    assert [event["event"] for event in fleet.events()] == ["open", "begin", "end"]


def test_the_state_is_private(fleet: Fleet) -> None:
    fleet.run([halt(fleet.step("flag"))])
    modes = {path.name: path.stat().st_mode & 0o777 for path in [fleet.state / "bot-1", *fleet.state.rglob("*.json*")]}
    assert modes == {"bot-1": 0o700, "journal.jsonl": 0o600, "results.json": 0o600}


def test_halt_does_what_can_be_done(fleet: Fleet) -> None:
    steps = [
        fleet.step("a", options={"fail": True}),
        fleet.step("b", invalid="'path' is undefined"),
        fleet.step("c", options={"crash": True}),
        fleet.step("d"),
    ]
    result = fleet.run([halt(*steps)], safe=[fleet.step("a"), fleet.step("d")])
    assert statuses(result) == {"halt/a": "failed", "halt/b": "failed", "halt/c": "failed", "halt/d": "changed"}
    assert result["failed"] and not result["safe"]["is_safe"]
    assert [reading["ok"] for reading in result["safe"]["read"]] == [False, True]


def test_a_bad_step_after_halt_refuses_the_bot_before_anything_is_touched(fleet: Fleet) -> None:
    stages = [
        {"name": "revert", "on_failure": "undo", "steps": [fleet.step("code")]},
        {"name": "verify", "steps": [fleet.step("x", invalid="no such option")]},
    ]
    result = fleet.run(stages)
    assert result["failed"] and "no such option" in result["msg"]
    assert statuses(result) == {"revert/code": "skipped", "verify/x": "failed"}
    assert fleet.applied("code") == []


def test_undo_in_reverse_and_what_cannot_be_put_back(fleet: Fleet) -> None:
    for name in ("code", "config"):
        (fleet.root / name).write_text("bad")
    steps = [fleet.step("code"), fleet.step("config"), fleet.step("new"), fleet.step("last", options={"fail": True})]
    result = fleet.run([{"name": "revert", "on_failure": "undo", "steps": steps}])
    assert statuses(result) == {
        "revert/code": "undone",
        "revert/config": "undone",
        "revert/new": "not_undone",
        "revert/last": "failed",
    }
    assert (fleet.read("code"), fleet.read("config")) == ("bad", "bad")
    assert [event["step"] for event in fleet.events() if event["event"] == "undo_end"] == [
        "revert/new",
        "revert/config",
        "revert/code",
    ]


def test_what_undo_brings_back_is_made_safe_again(fleet: Fleet) -> None:
    """A config that was live before the revert is live again after undo: the flag goes down once more."""
    (fleet.root / "config").write_text("live")
    steps = [fleet.step("config", "testnet"), fleet.step("last", options={"fail": True})]
    result = fleet.run([{"name": "revert", "on_failure": "undo", "steps": steps}], safe=[fleet.step("config", "off")])
    assert fleet.read("config") == "off"
    assert result["safe"]["is_safe"]
    assert statuses(result)["revert/safe/config"] == "changed"


def test_an_unsafe_bot_is_not_touched(fleet: Fleet) -> None:
    (fleet.root / "flag").write_text("live")
    stages = [{"name": "revert", "requires_safe": True, "on_failure": "stop", "steps": [fleet.step("code")]}]
    result = fleet.run(stages, safe=[fleet.step("flag")])
    assert fleet.applied("code") == []
    assert "not proven safe" in result["msg"] and "content is 'live'" in result["msg"]
    assert fleet.read("flag") == "off", "and is made safe"


def test_nothing_declared_is_not_safe(fleet: Fleet) -> None:
    assert not fleet.run([halt(fleet.step("flag"))])["safe"]["is_safe"]


def test_a_stage_without_steps_is_a_failure(fleet: Fleet) -> None:
    assert fleet.run([halt()])["failed"]


@pytest.mark.parametrize(
    ("flag", "process", "trading", "safe"),
    [("off", "off", "off", True), ("off", "on", "on", False), ("on", "off", "off", False), ("on", "on", "on", False)],
)
def test_trading_and_safe(fleet: Fleet, flag: str, process: str, trading: str, safe: bool) -> None:
    (fleet.root / "flag").write_text(flag)
    (fleet.root / "process").write_text(process)
    readings = [fleet.step("flag"), fleet.step("process", until_resume=True)]
    result = fleet.run([halt(fleet.step("other"))], safe=readings)["safe"]
    assert (result["trading"], result["is_safe"]) == (trading, safe)


def test_trading_is_off_in_a_bot_that_was_started_with_its_switch_off(fleet: Fleet) -> None:
    """One that ran before may have read its config while that was live."""
    readings = [fleet.step("flag"), fleet.step("process", until_resume=True)]
    fleet.run([halt(fleet.step("flag"), fleet.step("process"))], safe=readings)
    result = fleet.run([{"name": "resume", "steps": [fleet.step("process", "on")]}], safe=readings)
    assert (result["safe"]["trading"], result["safe"]["is_safe"]) == ("off", False)


def test_time_limit_kills_the_step_and_its_children(fleet: Fleet) -> None:
    child = fleet.root / "child"
    started = time.monotonic()
    slow = fleet.step("slow", timeout=0.3, options={"sleep": 60, "child": str(child)})
    result = fleet.run([halt(slow, fleet.step("flag"))])
    assert time.monotonic() - started < 10
    assert statuses(result) == {"halt/slow": "failed", "halt/flag": "changed"}
    assert "time limit of 0.3 s" in result["steps"][0]["message"]
    assert not alive(int(child.read_text()))


def test_what_a_step_leaves_running_lives_on(fleet: Fleet) -> None:
    child = fleet.root / "child"
    fleet.run([halt(fleet.step("start", options={"child": str(child)}))])
    os.kill(int(child.read_text()), signal.SIGKILL)


def test_budget_is_reported_never_cut(fleet: Fleet) -> None:
    stage = {**halt(fleet.step("a", options={"sleep": 0.2})), "budget": 0.1}
    result = fleet.run([stage])
    assert result["stages"][0]["over_budget"] and not result["failed"]


def test_the_same_id_returns_the_stored_result(fleet: Fleet) -> None:
    stages = [{"name": "revert", "steps": [fleet.step("code")]}]
    first = fleet.run(stages, closes=True)
    (fleet.root / "code").write_text("changed by hand")
    again = fleet.run(stages, closes=True)
    assert first["closed"] and again["stored"] and not again["changed"]
    assert again["steps"] == first["steps"]
    assert fleet.read("code") == "changed by hand"


def test_a_failed_one_stays_open_and_is_retried(fleet: Fleet) -> None:
    stages = [{"name": "revert", "steps": [fleet.step("a"), fleet.step("b", options={"fail": True})]}]
    assert not fleet.run(stages, closes=True)["closed"]
    stages = [{"name": "revert", "steps": [fleet.step("a"), fleet.step("b")]}]
    result = fleet.run(stages, closes=True)
    assert result["closed"]
    assert statuses(result) == {"revert/a": "resumed", "revert/b": "changed"}
    assert fleet.applied("a") == ["off"]


def test_a_later_id_supersedes(fleet: Fleet) -> None:
    fleet.run([halt(fleet.step("a"))])
    fleet.run([halt(fleet.step("a"))], rollback_id="rb-2")
    result = fleet.run([halt(fleet.step("a"))])
    assert result["failed"] and "superseded by rb-2" in result["msg"]


def test_drift_is_reported_and_only_halt_reasserts(fleet: Fleet) -> None:
    stages = [halt(fleet.step("flag")), {"name": "revert", "steps": [fleet.step("code")]}]
    fleet.run(stages)
    for name in ("flag", "code"):
        (fleet.root / name).write_text("live")
    result = fleet.run(stages)
    assert statuses(result) == {"halt/flag": "changed", "revert/code": "resumed"}
    assert fleet.read("flag") == "off"
    assert "differs now" in result["steps"][1]["message"]


def test_what_is_resumed_is_told_as_it_is_now(fleet: Fleet) -> None:
    """S4.7: as a position that is left to its stops, where an earlier run proved that there was none."""
    told = fleet.root / "told"
    told.write_text("no position")
    stages = [halt(fleet.step("flag", options={"told": str(told)}))]
    (first,) = fleet.run(stages)["steps"]
    told.write_text("one position")
    (again,) = fleet.run(stages)["steps"]
    assert (first["proof"]["told"], again["proof"]["told"]) == ("no position", "one position")
    assert (again["status"], again["change"]) == ("resumed", first["change"])


def test_what_cannot_be_read_any_more_once_resume_has_begun_is_told_so(fleet: Fleet) -> None:
    """A step that had to be killed as it looked again is no end of the transaction: its proof is that of before."""
    told = fleet.root / "told"
    told.write_text("no position")
    stages = [halt(fleet.step("flag", timeout=1, options={"told": str(told)}))]
    (first,) = fleet.run(stages)["steps"]
    fleet.run([{"name": "resume", "steps": [fleet.step("process", "started")]}])
    told.unlink()
    os.mkfifo(told)  # nobody writes to it
    (again,) = fleet.run(stages)["steps"]
    assert (again["status"], again["proof"]) == ("resumed", first["proof"])
    assert "differs now: " in again["message"] and "time limit of 1 s" in again["message"]


def test_halt_is_not_applied_again_once_resume_has_begun(fleet: Fleet) -> None:
    stages = [halt(fleet.step("process", "stopped"))]
    fleet.run(stages)
    fleet.run([{"name": "resume", "steps": [fleet.step("process", "started")]}])
    result = fleet.run(stages)
    assert result["resume_begun"] and statuses(result) == {"halt/process": "resumed"}
    assert fleet.read("process") == "started"


def test_check_mode_writes_nothing(fleet: Fleet) -> None:
    stages = [halt(fleet.step("flag")), {"name": "resume", "steps": [fleet.step("start", mode="prove")]}]
    result = fleet.run(stages, check_mode=True)
    assert statuses(result) == {"halt/flag": "changed", "resume/start": "skipped"}
    assert not result["failed"] and list(fleet.root.iterdir()) == []


def test_plan_and_prove_never_apply(fleet: Fleet) -> None:
    result = fleet.run([halt(fleet.step("a", mode="plan"), fleet.step("b", mode="prove"))])
    assert statuses(result) == {"halt/a": "unchanged", "halt/b": "failed"}
    assert fleet.applied("a") == fleet.applied("b") == []


def test_unwritable_state_stops_a_revert_but_no_halt(fleet: Fleet) -> None:
    fleet.state.write_text("a file where the directory should be")
    result = fleet.run([halt(fleet.step("flag"))], safe=[fleet.step("flag")])
    assert result["safe"]["is_safe"] and "not journaled" in result["msg"]
    result = fleet.run([{"name": "revert", "steps": [fleet.step("code")]}])
    assert result["failed"] and "set botfleet_state_dir" in result["msg"]
    assert fleet.applied("code") == []


@pytest.mark.parametrize("bot", ["../bot", "a/b", "", ".hidden"])
def test_names_that_would_leave_the_state_directory(fleet: Fleet, bot: str) -> None:
    result = fleet.run([halt(fleet.step("flag"))], bot=bot)
    assert result["failed"] and "use letters" in result["msg"]


def test_a_torn_journal_line_is_passed_over(fleet: Fleet) -> None:
    fleet.run([halt(fleet.step("flag"))])
    journal = fleet.state / "bot-1" / "rb-1" / "journal.jsonl"
    with open(journal, "a") as handle:
        handle.write('{"event": "begin", "st')
    assert statuses(fleet.run([halt(fleet.step("flag"))])) == {"halt/flag": "resumed"}
    torn, opened = journal.read_text().splitlines()[-2:]
    assert torn == '{"event": "begin", "st' and json.loads(opened)["event"] == "open"


SECRET = "CANARY-secret-1f2e3d"


def test_no_secret_in_result_or_journal(fleet: Fleet) -> None:
    step = fleet.step("a", options={"content": {"secret": "key"}, "crash": True})
    shown = fleet.step("b", options={"content": {"secret": "key"}})
    result = fleet.run([halt(step, shown)], secrets={"key": SECRET})
    assert fleet.read("b") == SECRET
    written = "".join(path.read_text() for path in fleet.state.rglob("*") if path.is_file())
    assert SECRET not in json.dumps(result) and SECRET not in written
    assert "told to crash with ********" in result["steps"][0]["message"]


def test_an_unknown_secret_fails_its_step_only(fleet: Fleet) -> None:
    result = fleet.run([halt(fleet.step("a", options={"content": {"secret": "none"}}), fleet.step("b"))])
    assert statuses(result) == {"halt/a": "failed", "halt/b": "changed"}


HOLDER = """
import json, sys
sys.path.insert(0, {tests!r})
from {module} import Content, Transaction, request_from
Transaction(request_from(json.loads({request!r})), {{"content": Content}}).run()
"""


def hold(fleet: Fleet, stages: list[dict[str, Any]], **fields: Any) -> subprocess.Popen[bytes]:
    """Another process that runs a transaction; returns once it holds the lock."""
    here = Path(__file__)
    code = HOLDER.format(tests=str(here.parent), module=here.stem, request=json.dumps(fleet.request(stages, **fields)))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment)
    first = Path(stages[0]["steps"][0]["options"]["path"] + ".log")
    for _attempt in range(200):
        if first.exists():
            return process
        time.sleep(0.05)
    process.kill()
    raise AssertionError("the holder never began")


def slow_revert(fleet: Fleet, seconds: float) -> list[dict[str, Any]]:
    steps = [fleet.step("one", options={"sleep": seconds}), fleet.step("two")]
    return [{"name": "revert", "on_failure": "stop", "steps": steps}]


def test_another_id_is_refused_and_the_holder_named(fleet: Fleet) -> None:
    holder = hold(fleet, slow_revert(fleet, 20), rollback_id="rb-other")
    try:
        result = fleet.run([{"name": "revert", "steps": [fleet.step("code")]}])
    finally:
        holder.kill()
        holder.wait()
    assert result["failed"] and fleet.applied("code") == []
    assert re.match(r"locked by rollback rb-other of ops@here since \d{4}-.*Z \(\d s\): wait for it, ", result["msg"])


def test_a_holder_that_is_signing_just_now_is_named(fleet: Fleet) -> None:
    """For a moment, a lock that was taken says nothing of who took it."""
    fleet.run([halt(fleet.step("flag"))])
    with (fleet.state / "bot-1" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        holder = {"rollback_id": "rb-other", "controller": "ops@here", "since": "2026-01-01T00:00:00Z"}
        threading.Timer(0.08, print, [json.dumps(holder)], {"file": lock, "flush": True}).start()
        result = fleet.run([{"name": "revert", "steps": [fleet.step("code")]}])
    assert result["msg"].startswith("locked by rollback rb-other of ops@here since 2026-01-01T00:00:00Z")


def test_the_same_id_waits_then_resumes(fleet: Fleet) -> None:
    stages = slow_revert(fleet, 1)
    holder = hold(fleet, stages, closes=True)
    result = fleet.run(stages, closes=True, lock_wait=20)
    assert holder.wait() == 0
    assert result["stored"] and result["closed"] and fleet.applied("one") == ["off"]


def test_halt_preempts_after_the_step(fleet: Fleet) -> None:
    holder = hold(fleet, slow_revert(fleet, 1), rollback_id="rb-other")
    result = fleet.run([halt(fleet.step("flag"))], preempt=True, preempt_after=20)
    assert holder.wait() == 0
    assert result["notes"] == ["took the lock from rollback rb-other of ops@here, which was stopped after its step"]
    assert fleet.applied("two") == [] and fleet.read("flag") == "off"
    assert fleet.events()[1]["event"] == "preempted"


def test_halt_kills_a_holder_that_does_not_stop(fleet: Fleet) -> None:
    child = fleet.root / "child"
    stages = [{"name": "revert", "steps": [fleet.step("one", options={"sleep": 60, "child": str(child)})]}]
    holder = hold(fleet, stages, rollback_id="rb-other")
    result = fleet.run([halt(fleet.step("flag"))], preempt=True, preempt_after=0.5)
    assert holder.wait() == -signal.SIGKILL
    assert "which was killed" in result["msg"] and fleet.read("flag") == "off"
    assert not alive(int(child.read_text()))


def test_a_dead_holder_frees_the_lock_and_its_step_is_tried_again(fleet: Fleet) -> None:
    stages = slow_revert(fleet, 60)
    holder = hold(fleet, stages)
    holder.kill()
    holder.wait()
    quick = [{"name": "revert", "steps": [fleet.step("one"), fleet.step("two")]}]
    result = fleet.run(quick, lock_wait=10)
    assert statuses(result) == {"revert/one": "changed", "revert/two": "changed"}


def hand_edit(fleet: Fleet, name: str, content: str) -> None:
    (fleet.root / name).write_text(content)


def test_what_was_proven_before_proves_nothing_now(fleet: Fleet) -> None:
    """A flag that was raised after its proof, before the same id ran again, is no verified bot."""
    hand_edit(fleet, "flag", "off")
    verify = {
        "name": "verify",
        "steps": [fleet.step("flag", mode="prove"), fleet.step("health", options={"fail": True})],
    }
    assert fleet.run([verify], closes=True)["failed"]
    hand_edit(fleet, "flag", "live")
    hand_edit(fleet, "health", "off")
    again = {"name": "verify", "steps": [fleet.step("flag", mode="prove"), fleet.step("health")]}
    result = fleet.run([again], closes=True)
    assert statuses(result)["verify/flag"] == "failed" and not result["closed"]


def resume_and_verify(fleet: Fleet, *, healthy: bool) -> list[dict[str, Any]]:
    return [
        {"name": "revert", "on_failure": "undo", "requires_safe": True, "steps": [fleet.step("code")]},
        {"name": "resume", "requires_safe": True, "steps": [fleet.step("process", "started")]},
        {"name": "verify", "steps": [fleet.step("health", mode="apply" if healthy else "prove")]},
    ]


def test_a_bot_that_was_stopped_again_can_be_started_by_the_same_id(fleet: Fleet) -> None:
    """Failed verification stops the bot; once mended, the same id starts it and closes."""
    stopped = fleet.step("process", "stopped", until_resume=True)
    fleet.run([halt(fleet.step("process", "stopped"))], safe=[stopped])
    result = fleet.run(resume_and_verify(fleet, healthy=False), safe=[stopped], closes=True)
    assert result["failed"] and fleet.read("process") == "stopped" and not result["resume_begun"]
    result = fleet.run(resume_and_verify(fleet, healthy=True), safe=[stopped], closes=True)
    assert result["closed"], result["msg"]
    assert statuses(result) == {"revert/code": "resumed", "resume/process": "changed", "verify/health": "changed"}
    assert fleet.read("process") == "started"


@pytest.mark.parametrize("mode", ["prove", "apply"])
def test_halt_stops_again_what_a_failed_resume_left_to_others(fleet: Fleet, mode: str) -> None:
    """Neither a proof in resume nor a start that was taken back counts as begun: halt asserts itself again."""
    stopped = fleet.step("process", "stopped", until_resume=True)
    stages = [halt(fleet.step("process", "stopped"))]
    fleet.run(stages, safe=[stopped])
    steps = [fleet.step("environment", mode=mode), fleet.step("process", "started", options={"fail": True})]
    assert fleet.run([{"name": "resume", "requires_safe": True, "steps": steps}], safe=[stopped])["failed"]
    hand_edit(fleet, "process", "started")
    result = fleet.run(stages, safe=[stopped])
    assert fleet.read("process") == "stopped" and result["safe"]["is_safe"] and not result["resume_begun"]


def test_a_target_once_read_stays_the_target(fleet: Fleet) -> None:
    """The same id goes back to the version that it chose first, and tells the version that it came from."""
    hand_edit(fleet, "code", "bad release")
    stages = [halt(fleet.step("code", "good release", mode="plan"))]
    fleet.run(stages)
    hand_edit(fleet, "code", "newer release")
    result = fleet.run(stages)
    assert statuses(result) == {"halt/code": "resumed"}
    assert result["steps"][0]["before"] == {"content": "bad release"}


def test_a_preempted_revert_undoes_nothing(fleet: Fleet) -> None:
    """Undo would bring the live config back just when halt wants it gone, and would make halt wait."""
    hand_edit(fleet, "one", "live")
    stages = [{**slow_revert(fleet, 1)[0], "on_failure": "undo"}]
    holder = hold(fleet, stages, rollback_id="rb-other")
    result = fleet.run([halt(fleet.step("flag"))], preempt=True, preempt_after=20)
    assert holder.wait() == 0 and "stopped after its step" in result["msg"]
    assert fleet.read("one") == "off"
    assert not [event for event in fleet.events("rb-other") if event["event"].startswith("undo")]


FULL_DISK = """
import json, resource, sys
sys.path.insert(0, {tests!r})
from {module} import Content, Transaction, request_from
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
print(json.dumps(Transaction(request_from(json.loads({request!r})), {{"remove": Remove, "content": Content}}).run()))
"""


class Remove(Content):
    """Lowers a flag file, which needs no room on the disk."""

    def observe(self) -> State:
        return {"content": "live" if os.path.exists(self.options["path"]) else None}

    def plan(self, before: State) -> Plan:
        return Plan(["remove"] if before["content"] else [])

    def apply(self, plan: Plan) -> State:
        os.unlink(self.options["path"])
        return {"removed": True}

    def prove(self) -> State:
        if os.path.exists(self.options["path"]):
            raise OperationError("it is there")
        return {"content": None}


def run_on_full_disk(fleet: Fleet, stages: list[dict[str, Any]], limit: int = 0, **fields: Any) -> dict[str, Any]:
    """Run where no file can grow past ``limit`` bytes."""
    here = Path(__file__)
    code = FULL_DISK.replace("import Content", "import Content, Remove").format(
        tests=str(here.parent), module=here.stem, limit=limit, request=json.dumps(fleet.request(stages, **fields))
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.mark.parametrize("limit", [0, 100, 400, 700])
def test_halt_needs_no_room_on_the_disk(fleet: Fleet, limit: int) -> None:
    """A full disk, from the first byte of state or in the middle of the journal, keeps no flag up."""
    for name in ("flag", "other"):
        hand_edit(fleet, name, "live")
    steps = [{**fleet.step(name), "operation": "remove"} for name in ("flag", "other")]
    result = run_on_full_disk(fleet, [halt(*steps)], limit, safe=steps)
    assert result["safe"]["is_safe"] and "not journaled" in result["msg"]
    assert not (fleet.root / "flag").exists() and not (fleet.root / "other").exists()


def test_a_revert_without_room_for_its_journal_goes_no_further_and_is_made_safe(fleet: Fleet) -> None:
    """What cannot be written ahead is not done, and what was begun ends stopped."""
    hand_edit(fleet, "flag", "live")
    flag = {**fleet.step("flag"), "operation": "remove"}
    result = run_on_full_disk(fleet, [{"name": "revert", "steps": [fleet.step("code")]}], 0, safe=[flag])
    assert result["failed"] and fleet.applied("code") == [] and (fleet.root / "flag").exists(), "nothing was begun"
    steps = [fleet.step(name) for name in ("one", "two", "three")]
    result = run_on_full_disk(fleet, [{"name": "revert", "steps": steps}], 700, safe=[flag])
    place = f"went no further: state directory {fleet.state}/bot-1 cannot be used (No space left on device): mend it"
    assert result["failed"] and place in result["msg"], result["msg"]
    assert fleet.applied("one") == ["off"] and fleet.applied("three") == []
    assert result["safe"]["is_safe"] and not (fleet.root / "flag").exists()


def test_halt_goes_on_past_damaged_results(fleet: Fleet) -> None:
    fleet.run([halt(fleet.step("flag"))])
    (fleet.state / "bot-1" / "rb-1" / "results.json").write_text("{")
    hand_edit(fleet, "flag", "live")
    result = fleet.run([halt(fleet.step("flag"))], safe=[fleet.step("flag")])
    assert result["safe"]["is_safe"] and "not journaled" in result["msg"]


def test_halt_goes_on_without_a_lock_that_nobody_lets_go_of(fleet: Fleet) -> None:
    """Its holder never signed it, so that it cannot be killed."""
    fleet.run([halt(fleet.step("other"))])
    holder = os.open(fleet.state / "bot-1" / "lock", os.O_RDWR)
    fcntl.flock(holder, fcntl.LOCK_EX)
    os.ftruncate(holder, 0)
    try:
        stages = [halt(fleet.step("flag"))]
        result = fleet.run(stages, safe=[fleet.step("flag")], rollback_id="rb-2", preempt=True, preempt_after=0.2)
    finally:
        os.close(holder)
    assert result["safe"]["is_safe"] and "cannot be killed" in result["msg"] and fleet.read("flag") == "off"


def test_check_mode_finds_a_bot_whose_state_cannot_be_kept(fleet: Fleet) -> None:
    assert "use letters" in fleet.run([halt(fleet.step("flag"))], bot="a bot", check_mode=True)["msg"]
    assert "absolute" in fleet.run([halt(fleet.step("flag"))], state_dir="state", check_mode=True)["msg"]


def test_halt_does_not_wait_for_a_staggered_start(fleet: Fleet) -> None:
    delayed = {"name": "resume", "delay": 60, "steps": [fleet.step("start")]}
    holder = hold(fleet, [{"name": "revert", "steps": [fleet.step("one")]}, delayed], rollback_id="rb-other")
    started = time.monotonic()
    result = fleet.run([halt(fleet.step("flag"))], preempt=True, preempt_after=30)
    assert holder.wait() == 0 and time.monotonic() - started < 20
    assert "stopped after its step" in result["msg"] and fleet.applied("start") == []


def test_nothing_is_reverted_below_a_running_bot(fleet: Fleet) -> None:
    """The controller died after the start; the same id, with other inputs, has something left to revert."""
    stopped = fleet.step("process", "stopped", until_resume=True)
    fleet.run([halt(fleet.step("process", "stopped"))], safe=[stopped])
    resume = {"name": "resume", "requires_safe": True, "steps": [fleet.step("process", "started")]}
    fleet.run([resume], safe=[stopped])
    revert = {"name": "revert", "requires_safe": True, "on_failure": "undo", "steps": [fleet.step("testnet", "on")]}
    result = fleet.run([revert, resume], safe=[stopped], closes=True)
    assert "not proven safe" in result["msg"] and fleet.applied("testnet") == []
    assert fleet.read("process") == "stopped" and result["safe"]["is_safe"]
    assert fleet.run([revert, resume], safe=[stopped], closes=True)["closed"], "and the next run completes"


def test_a_link_in_place_of_a_state_directory_is_not_followed(fleet: Fleet) -> None:
    """Whoever owns the directory above could point root at somebody else's directory."""
    elsewhere = fleet.root / "elsewhere"
    elsewhere.mkdir(mode=0o755)
    fleet.state.mkdir()
    (fleet.state / "bot-1").symlink_to(elsewhere)
    result = fleet.run([{"name": "revert", "steps": [fleet.step("code")]}])
    assert result["failed"] and fleet.applied("code") == []
    assert elsewhere.stat().st_mode & 0o777 == 0o755 and list(elsewhere.iterdir()) == []


class Registry(dict[str, Any]):
    """One operation needs a module that this host's Python lacks."""

    def __getitem__(self, name: str) -> Any:
        return __import__("no_such_module") if name == "unloadable" else super().__getitem__(name)


def test_an_operation_that_cannot_be_loaded_fails_its_step_only(fleet: Fleet) -> None:
    steps = [
        {**fleet.step("a"), "operation": "unloadable"},
        {**fleet.step("b"), "operation": "unknown"},
        fleet.step("flag"),
    ]
    request = request_from(fleet.request([halt(*steps)], safe=[fleet.step("flag")]))
    result = Transaction(request, Registry(content=Content)).run()
    assert statuses(result) == {"halt/a": "failed", "halt/b": "failed", "halt/flag": "changed"}
    assert "no_such_module" in result["steps"][0]["message"] and result["safe"]["is_safe"]
