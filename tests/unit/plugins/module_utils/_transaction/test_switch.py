# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dead man's switch (S1.3, S4.2): real bots, the host's own timer, and nobody who verifies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils import _operation
from ansible_collections.tradeops.botfleet.plugins.module_utils._registry import OPERATIONS
from ansible_collections.tradeops.botfleet.plugins.module_utils._transaction.engine import Transaction
from ansible_collections.tradeops.botfleet.plugins.module_utils._transaction.request import request_from
from ansible_collections.tradeops.botfleet.tests.unit.plugins.module_utils._operations.running_bot import (
    Directory,
    clear,
    wait_for,
)

SOURCES = Path(_operation.__file__).parent
RUN = """\
import json, sys
sys.path.insert(0, sys.argv[1])
from {package}._registry import OPERATIONS
from {package}._transaction.engine import Transaction
from {package}._transaction.request import request_from
print(json.dumps(Transaction(request_from(json.load(sys.stdin)), OPERATIONS).run()))
"""
SOON = 6.0
"""Seconds in which a busy machine has begun what comes next, and after which its timer is due."""
LATE = 60.0
"""Seconds within which a busy machine has done what its timer was due for."""


class Host:
    """One bot with a flag, and its transactions."""

    def __init__(self, root: Path) -> None:
        self.bot = Directory(root / "bots" / "maker-1")
        self.flag = root / "go_live.active"
        self.state = root / "state"

    def service(self, state: str, **keywords: Any) -> dict[str, Any]:
        return step("bot_service", {**self.bot.process(), "state": state}, **keywords)

    def safe(self) -> list[dict[str, Any]]:
        flag = step("go_live_flag", {"path": str(self.flag), "state": "absent"}, name="The flag is down")
        return [flag, self.service("stopped", name="The process is stopped", until_resume=True)]

    def resume(self, seconds: float, **keywords: Any) -> dict[str, Any]:
        steps = [self.service("started", id="start")]
        return {"name": "resume", "requires_safe": True, "confirm_within": seconds, "steps": steps, **keywords}

    def verify(self, *, healthy: bool = True) -> dict[str, Any]:
        steps = [self.service("started", mode="prove")]
        if not healthy:
            checks = [{"name": "status", "command": {"argv": ["false"]}}]
            steps.append(step("health_check", {"checks": checks, "deadline": 60.0}, name="Healthy", id="health"))
        return {"name": "verify", "steps": steps}

    def request(self, *stages: dict[str, Any], **fields: Any) -> dict[str, Any]:
        fields = {"rollback_id": "rb-1", "safe": self.safe(), "state_dir": str(self.state), **fields}
        return {"bot": "maker-1", "controller": "ops@here", "stages": list(stages), **fields}

    def run(self, *stages: dict[str, Any], **fields: Any) -> dict[str, Any]:
        result = Transaction(request_from(self.request(*stages, **fields)), OPERATIONS).run()
        json.dumps(result, allow_nan=False)
        return result

    def events(self, rollback_id: str = "rb-1") -> list[dict[str, Any]]:
        journal = self.state / "maker-1" / rollback_id / "journal.jsonl"
        return [json.loads(line) for line in journal.read_text().splitlines()]

    def event(self, name: str) -> dict[str, Any] | None:
        return next((event for event in self.events() if event["event"] == name), None)

    def kept(self) -> list[Path]:
        """What is left of a switch."""
        return [path for path in self.state.rglob("switch*") if path.is_file()]

    def waiting(self) -> list[int]:
        """The processes that wait for their time, in the directory of a rollback."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    inside = os.readlink(entry / "cwd").startswith(str(self.state))
                except OSError:  # it has gone
                    continue
                found += [int(entry.name)] if inside else []
        return found


def step(operation: str, options: dict[str, Any], **keywords: Any) -> dict[str, Any]:
    """A step as the controller sends it, with the defaults of its operation's options."""
    name = keywords.get("name", operation)
    filled = with_defaults(OPERATIONS[operation].OPTIONS, options)
    return {"id": name, "name": name, "operation": operation, "options": filled, **keywords}


def with_defaults(spec: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """What Ansible makes of options, as far as these tests have them."""
    filled = {**{name: option.get("default") for name, option in spec.items()}, **given}
    for name, option in spec.items():
        inner, value = option.get("options"), filled[name]
        if inner and isinstance(value, list):
            filled[name] = [with_defaults(inner, item) for item in value]
        elif inner and value is not None:
            filled[name] = with_defaults(inner, value)
    return filled


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    host = Host(tmp_path)
    yield host
    clear(tmp_path)


def test_a_bot_that_nobody_verifies_is_made_safe(host: Host) -> None:
    """S1.3, S4.2: the controller is gone after the start; what somebody raised since is lowered, too."""
    result = host.run(host.resume(SOON))
    assert not result["failed"] and 0 < result["confirm_left"] <= SOON, result["msg"]
    assert host.bot.running()
    host.flag.write_text("raised by somebody")
    began = time.monotonic()
    wait_for(lambda: not host.bot.running() and not host.flag.exists(), LATE)
    assert time.monotonic() - began > 0.5, "not before its time"
    wait_for(lambda: host.kept() == [host.state / "maker-1" / "switch_fired"], LATE)
    events = [event["event"] for event in host.events()]
    assert events == ["open", "switch_armed", "begin", "end", "switch_fired", "made_safe", "made_safe"]
    assert [event["outcome"]["status"] for event in host.events()[-2:]] == ["changed", "changed"]
    assert host.bot.notes() == ["began", "left by SIGTERM"]


def test_the_next_transaction_tells_it_once_and_can_complete(host: Host) -> None:
    """S1.6: whichever id comes next says that it fired; the same id starts the bot again and verifies it."""
    host.run(host.resume(1))
    wait_for(lambda: host.event("made_safe") and not host.waiting(), LATE)
    asked = host.run(host.verify(), check_mode=True)
    again = host.run(host.resume(30), host.verify(), closes=True)
    for result in (asked, again):
        (note,) = result["notes"]
        assert note.startswith("the dead man's switch of rollback rb-1 fired at 2"), note
        assert "was not verified within 1 s of its start: it was made safe, and read back: The flag is down, " in note
    assert again["closed"] and host.bot.running(), again["msg"]
    assert [stage["status"] for stage in again["stages"]] == ["ok", "ok"]
    assert [item["status"] for item in again["steps"]] == ["changed", "unchanged"], "it was started anew"
    assert host.run(host.resume(30), host.verify(), closes=True)["notes"] == []
    assert host.run(host.verify(), rollback_id="rb-2")["notes"] == []


def test_another_rollback_is_told_too(host: Host) -> None:
    host.run(host.resume(1))
    wait_for(lambda: host.event("made_safe") and not host.waiting(), LATE)
    halted = {"name": "halt", "on_failure": "continue", "steps": host.safe()}
    assert "switch of rollback rb-1 fired" in host.run(halted, rollback_id="rb-2")["msg"]


def test_a_verified_bot_runs_on(host: Host) -> None:
    """S1.6: nothing is left that could stop it."""
    host.run(host.resume(SOON))
    began = time.monotonic()
    result = host.run(host.verify(), closes=True)
    assert result["closed"] and result["confirm_left"] is None and host.kept() == []
    wait_for(lambda: not host.waiting(), LATE)
    assert time.monotonic() - began < SOON + 10
    time.sleep(max(0.0, began + SOON + 0.5 - time.monotonic()))
    assert host.bot.running() and host.event("switch_confirmed") and not host.event("switch_fired")


def test_resume_and_verify_in_one_transaction(host: Host) -> None:
    assert host.run(host.resume(30), host.verify(), closes=True)["closed"]
    events = [event["event"] for event in host.events()]
    assert events.index("switch_armed") < events.index("begin") < events.index("switch_confirmed"), events
    assert host.kept() == [] and host.bot.running()


def test_a_failed_verification_makes_safe_at_once(host: Host) -> None:
    """S1.6: and nothing fires later."""
    host.run(host.resume(60))
    stage = host.verify()
    stage["steps"][0]["options"]["pattern"] = "no such program"
    stage["steps"].append(step("go_live_flag", {"path": str(host.flag), "state": "present"}, mode="prove"))
    result = host.run(stage)
    assert result["failed"] and result["safe"]["is_safe"] and not host.bot.running()
    assert host.kept() == [] and not host.event("switch_fired")


def test_a_verification_that_takes_too_long_is_ended_by_the_transaction(host: Host) -> None:
    """S1.6: its result says why, and the bot was read back as safe by then."""
    began = time.monotonic()
    result = host.run(host.resume(3), host.verify(healthy=False), closes=True)
    assert time.monotonic() - began < LATE
    assert "not verified within 3 s of its start (confirm_within); Healthy: " in result["msg"]
    assert result["notes"][0].startswith("confirm_within is 3 s, but start and health checks may take 60.1 s: ")
    assert result["safe"]["is_safe"] and not result["closed"] and not host.bot.running()
    fired = host.event("switch_fired")
    assert fired and fired["by"] == "transaction"
    wait_for(lambda: not host.waiting(), LATE)
    assert [event["event"] for event in host.events()].count("switch_fired") == 1
    assert "was not verified within 3 s" in host.run(host.verify())["notes"][0], "in case nobody read that result"


def test_a_transaction_that_hangs_is_ended_by_the_timer(host: Host) -> None:
    """S1.3: stopped in the middle of its verification, it holds the lock and knows no time."""
    process = subprocess.Popen(
        [sys.executable, "-c", RUN.format(package="module_utils"), str(SOURCES.parent)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin
    process.stdin.write(json.dumps(host.request(host.resume(4), host.verify(healthy=False))))
    process.stdin.close()
    wait_for(lambda: host.state.exists() and host.kept() and host.bot.running(), LATE)
    os.kill(process.pid, signal.SIGSTOP)
    wait_for(lambda: host.event("switch_fired"), 60)
    wait_for(lambda: not host.bot.running() and not host.waiting(), LATE)
    assert process.wait() == -signal.SIGKILL
    fired = host.event("switch_fired")
    assert fired and fired["by"] == "timer"


def test_a_rollback_that_has_taken_over_goes_before_it(host: Host) -> None:
    """The newer one has started the bot, on its own responsibility."""
    host.run(host.resume(8))
    halted = {"name": "halt", "on_failure": "continue", "steps": host.safe()}
    host.run(halted, rollback_id="rb-2", preempt=True)
    assert host.run(host.resume(0), host.verify(), rollback_id="rb-2", closes=True)["closed"]
    wait_for(lambda: host.event("switch_fired"), LATE)
    wait_for(lambda: not host.waiting(), LATE)
    fired = host.event("switch_fired")
    assert fired and fired["outcome"] == "nothing was done: rollback rb-2 has taken over"
    assert host.bot.running() and host.kept() == []


def test_a_rollback_that_holds_the_bot_goes_before_it(host: Host) -> None:
    host.run(host.resume(SOON))
    slow = {"name": "halt", "on_failure": "continue", "steps": [host.service("stopped")], "delay": SOON + 2}
    result = host.run(slow, rollback_id="rb-2", preempt=True)
    assert not result["failed"] and not host.bot.running(), result["msg"]
    fired = host.event("switch_fired")
    assert fired and fired["outcome"] in (
        "nothing was done: rollback rb-2 holds the bot",
        "nothing was done: rollback rb-2 has taken over",
    )


def test_it_holds_no_lock_while_it_waits(host: Host) -> None:
    host.run(host.resume(30))
    result = host.run({"name": "revert", "steps": [host.service("stopped")]}, rollback_id="rb-2")
    assert not result["failed"], result["msg"]


def test_starting_again_arms_anew(host: Host) -> None:
    """A start that was under way when its transaction was killed; the earlier timer means nothing any more."""
    host.run(host.resume(SOON))
    journal = host.state / "maker-1" / "rb-1" / "journal.jsonl"
    journal.write_text("".join(line + "\n" for line in journal.read_text().splitlines() if '"end"' not in line))
    assert not host.run(host.resume(60))["failed"]
    time.sleep(SOON + 0.5)
    assert host.bot.running() and not host.event("switch_fired")
    assert len(host.kept()) == 1, "code that lies in a directory is not copied"


def test_a_timer_that_was_lost_is_made_up_for_by_the_next_run(host: Host) -> None:
    """S1.3: somebody killed what waited; the same id makes the bot safe first, then starts and verifies it."""
    left = host.run(host.resume(4))["confirm_left"]
    for pid in host.waiting():
        os.kill(pid, signal.SIGKILL)
    time.sleep(left)
    assert host.bot.running() and not host.event("switch_fired")
    result = host.run(host.resume(30), host.verify(), closes=True)
    assert result["closed"] and "switch of rollback rb-1 fired" in result["notes"][0], result["msg"]
    assert host.bot.notes() == ["began", "left by SIGTERM", "began"]
    assert [step["id"] for step in result["steps"]] == ["safe/The process is stopped", "start", "bot_service"]


def test_a_bot_that_is_not_started_arms_nothing(host: Host) -> None:
    """One that trades as soon as it runs, one that was proven running before, and check mode."""
    stays = {**host.resume(30), "steps": [host.service("started", id="start", when=False)]}
    assert host.run(stays)["confirm_left"] is None and host.kept() == []
    assert host.run(host.resume(30), check_mode=True)["confirm_left"] is None and host.kept() == []
    host.run(host.resume(30), host.verify())
    assert host.run(host.resume(30))["confirm_left"] is None and host.kept() == []


@pytest.mark.parametrize("reachable", [True, False])
def test_what_cannot_be_carried_out_later_keeps_the_bot_down(host: Host, reachable: bool) -> None:
    """S4.3: each step is rehearsed before the start, by what would fire; here the config is no config."""
    config = host.flag.parent / "go_live.json"
    config.write_text('{"activation_enabled": false}' if reachable else "{")
    options = {"config_path": str(config), "config_key": "activation_enabled", "state": "absent"}
    safe = [*host.safe(), step("go_live_flag", options, name="The config permits no trading")]
    result = host.run({**host.resume(30), "requires_safe": False}, safe=safe)
    assert result["failed"] is not reachable, result["msg"]
    if not reachable:
        assert "was not started, since its dead man's switch cannot be armed: The config permits no" in result["msg"]
        assert host.kept() == [] and host.bot.notes() == []


SECRET = "CANARY-secret-1f2e3d"


@pytest.mark.parametrize("value", [{"token": {"secret": "token"}}, {"token": SECRET}])
def test_a_step_that_holds_a_secret_arms_nothing(host: Host, value: dict[str, Any]) -> None:
    """S4.4: refused before anything is touched; check mode says it on a good day."""
    safe = host.safe()
    safe[1]["options"]["command"] = [*host.bot.command, json.dumps(value)] if value["token"] == SECRET else value
    for check_mode in (True, False):
        result = host.run(host.resume(30), safe=safe, secrets={"token": SECRET}, check_mode=check_mode)
        assert "'The process is stopped' holds a secret, which is never kept on a host" in result["msg"], result["msg"]
    assert host.kept() == [] and host.bot.notes() == []


def test_no_value_of_the_environment_is_kept(host: Host) -> None:
    """S4.4: nobody has to declare what stands there; the process is found and stopped without it."""
    safe = host.safe()
    safe[1]["options"]["environment"] = {"API_KEY": SECRET, "TOKEN": {"secret": "token"}}
    result = host.run(host.resume(SOON), safe=safe, secrets={"token": SECRET})
    assert not result["failed"], result["msg"]
    (kept,) = host.kept()
    assert SECRET not in kept.read_text() and kept.stat().st_mode & 0o777 == 0o600
    for pid in host.waiting():
        assert SECRET not in Path(f"/proc/{pid}/cmdline").read_text()
        assert "maker-1" not in Path(f"/proc/{pid}/cmdline").read_text(), "a pattern of the bot could match"
    wait_for(lambda: not host.bot.running(), LATE)


@pytest.mark.parametrize(
    ("stage", "seconds", "sentence"),
    [
        ("resume", 0.1, "0.1 s, but the started process alone is watched for 0.1 s: raise it"),
        (
            "resume",
            -1,
            "-1 s in stage resume: give it to stage resume, as seconds, or 0 for no switch",
        ),
        (
            "verify",
            30,
            "30 s in stage verify: give it to stage resume, as seconds, or 0 for no switch",
        ),
    ],
)
def test_a_time_that_cannot_be_meant(host: Host, stage: str, seconds: float, sentence: str) -> None:
    result = host.run(host.resume(seconds, name=stage))
    assert result["msg"] == f"refused before anything was touched: confirm_within is {sentence}"
    assert host.bot.notes() == []


def test_nothing_to_make_it_safe_with(host: Host) -> None:
    result = host.run({**host.resume(30), "requires_safe": False}, safe=[])
    assert "nothing is declared that makes the bot safe: declare it, or set 0" in result["msg"]


def test_a_state_directory_that_cannot_be_used_keeps_no_step_from_being_tried(host: Host) -> None:
    host.run(host.resume(SOON))
    lock = host.state / "maker-1" / "lock"
    lock.unlink()
    lock.mkdir()
    wait_for(lambda: not host.bot.running(), LATE)


def test_it_outlives_the_code_that_armed_it(host: Host, tmp_path: Path) -> None:
    """A module's archive is removed when it ends; what fires is a copy, and says the same."""
    archive = tmp_path / "agent.pyz"
    with zipfile.ZipFile(archive, "w") as packed:
        for path in [*SOURCES.glob("_*.py"), *SOURCES.glob("_*/**/*.py")]:
            packed.write(path, f"packed/{path.relative_to(SOURCES)}")
        packed.writestr("packed/__init__.py", "")
    done = subprocess.run(
        [sys.executable, "-I", "-c", RUN.format(package="packed"), str(archive)],
        input=json.dumps(host.request(host.resume(SOON))),
        capture_output=True,
        text=True,
        check=True,
    )
    archive.unlink()
    assert not json.loads(done.stdout)["failed"], done.stdout
    assert {path.stat().st_mode & 0o777 for path in host.kept()} == {0o600} and len(host.kept()) == 2
    wait_for(lambda: not host.bot.running(), LATE)
    wait_for(lambda: host.kept() == [host.state / "maker-1" / "switch_fired"], LATE)
    assert host.event("switch_fired")
