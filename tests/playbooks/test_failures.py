# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that are down, cut off or stalled, controllers that die, batches that go badly. SSH is real."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.peers.demo import wait_for
from tests.peers.ssh import SSHD, Proxy, SshServer, free_port

from .conftest import Fleet

needs_sshd = pytest.mark.skipif(
    SSHD is None and "CI" not in os.environ, reason="sshd is missing: install openssh-server to try real SSH"
)


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    server = SshServer(tmp_path_factory.mktemp("sshd"))
    yield server
    server.stop()


def unreachable() -> dict[str, Any]:
    """Nobody listens there."""
    return {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": free_port()}


def when(condition: Callable[[], object], action: Callable[[], None]) -> threading.Thread:
    """Do something as soon as a condition holds."""

    def watch() -> None:
        wait_for(condition, 60)
        action()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


def test_every_host_down_is_recorded(fleet: Fleet) -> None:
    for name in fleet.names():
        fleet.overrides[name] = unreachable()
    run = fleet.rollback()
    assert run.code != 0
    assert set(run.states().values()) == {"exposed"} and run.record["outcome"] == "exposed"
    assert run.record["time_to_safe_seconds"] is None
    assert all("unreachable" in bot["failure"] and bot["trading"] == "on" for bot in run.record["bots"])


def test_one_host_down_holds_everybody_at_the_barrier(fleet: Fleet) -> None:
    fleet.overrides["tn-1"] = unreachable()
    run = fleet.rollback()
    assert run.code != 0
    assert run.states() == {"tn-1": "exposed", "tn-10": "safe", "qt-1": "safe", "qt-10": "safe"}
    assert "max_unsafe is 0" in run.bot("qt-1")["failure"]


def test_max_unsafe_lets_the_others_go_back(fleet: Fleet) -> None:
    fleet.overrides["tn-1"] = unreachable()
    run = fleet.rollback(max_unsafe="25%")
    assert run.code != 0, "one bot is still exposed"
    assert run.states() == {"tn-1": "exposed", "tn-10": "restored", "qt-1": "restored", "qt-10": "restored"}


def test_a_limit_limits(fleet: Fleet) -> None:
    run = fleet.rollback("--limit", "tn-10", plan="emergency")
    assert run.code == 0, run.output
    assert run.states() == {"tn-10": "restored"}
    assert (fleet.page("tn-1") or {}).get("trading")


def test_a_bad_batch_stops_the_roll(fleet: Fleet) -> None:
    """The bots come in the order of the scope; the second one's build fails.

    When its host does not answer the next time, what the first one came to still stands.
    """
    fleet.overrides["tn-10"] = {"botfleet_build": ["false"]}
    bots: dict[str, Any] = {"batch": 1, "scope": "tn-1:tn-10:qt-1", "rollback_id": "rb-batch"}
    run = fleet.rollback(**bots)
    assert run.code != 0
    assert sorted(run.states().values()) == ["restored", "safe", "safe"], run.output
    assert "an earlier batch failed" in run.bot("qt-1")["failure"]
    failed = run.bot("tn-10")
    assert failed["from"] == failed["to"], "its checkout was undone"
    assert fleet.page("tn-10") is None, "and it stays stopped"

    fleet.overrides["tn-10"] = unreachable()
    again = fleet.rollback(**bots)
    assert again.code == 2 and again.states() == {"tn-1": "restored", "tn-10": "exposed", "qt-1": "safe"}, again.output
    assert again.bot("tn-1") == {**run.bot("tn-1"), "stored": True}


def test_different_targets_in_one_group_wait_for_a_word(fleet: Fleet) -> None:
    """f500/project_deploy#16: the same release on the whole group, or somebody says otherwise."""
    fleet.overrides["tn-10"] = {"botfleet_known_bad": ["deploy-20251201-083000"]}
    run = fleet.rollback(scope="trading_node:&demo_here")
    assert run.code != 0 and set(run.states().values()) == {"safe"}
    assert "mixed_targets=true" in run.bot("tn-1")["failure"]
    run = fleet.rollback(scope="trading_node:&demo_here", mixed_targets=True)
    assert run.code == 0, run.output
    assert run.bot("tn-1")["to"] > run.bot("tn-10")["to"]


def test_an_invalid_step_after_halt_refuses_its_bot_only(fleet: Fleet) -> None:
    fleet.overrides["qt-1"] = {"botfleet_health_checks": [{"name": "typo", "htpp": {"url": "http://127.0.0.1/"}}]}
    run = fleet.rollback()
    assert run.code != 0
    assert run.states() == {"qt-1": "safe", "qt-10": "restored", "tn-1": "restored", "tn-10": "restored"}
    assert "htpp" in run.bot("qt-1")["failure"]
    assert not [step for step in run.bot("qt-1")["steps"] if step["stage"] == "revert"]


def test_a_bot_that_fails_verification_is_stopped_on_the_reverted_code(fleet: Fleet) -> None:
    fleet.overrides["tn-1"] = {
        "botfleet_health_deadline": 0,
        "botfleet_health_checks": [{"name": "never", "tcp": {"port": free_port()}}],
    }
    run = fleet.rollback(scope="tn-1")
    assert run.code != 0 and run.states() == {"tn-1": "safe"}, run.output
    assert run.bot("tn-1")["to"] == "deploy-20251201-083000"
    assert fleet.page("tn-1") is None


@needs_sshd
def test_a_host_that_goes_away_after_halt_is_named_and_stops_the_roll(fleet: Fleet, sshd: SshServer) -> None:
    proxy = Proxy(sshd.port)
    fleet.overrides["tn-1"] = sshd.variables(proxy.port)
    results = fleet.root / "state" / "tn-1" / "rb-cut" / "results.json"
    watcher = when(results.exists, proxy.cut)
    run = fleet.rollback(rollback_id="rb-cut", scope="tn-1:tn-10", batch=1)
    watcher.join()
    assert run.code != 0
    assert run.states()["tn-10"] == "safe", run.output
    assert run.bot("tn-1")["failure"] and not run.bot("tn-1")["restored"]


@needs_sshd
def test_a_stalled_connection_does_not_hold_the_barrier(fleet: Fleet, sshd: SshServer) -> None:
    proxy = Proxy(sshd.port)
    proxy.stall()
    fleet.overrides["tn-1"] = {**sshd.variables(proxy.port), "ansible_ssh_timeout": 300}
    started = time.monotonic()
    run = fleet.rollback(scope="tn-1:tn-10", max_unsafe=1, halt_time_limit=25)
    assert run.states() == {"tn-1": "exposed", "tn-10": "restored"}, run.output
    assert run.code != 0 and time.monotonic() - started < 120
    safe_after = run.bot("tn-10")["safe_after_seconds"]
    assert safe_after < 25, "a bot waits for no neighbour to be made safe"


@needs_sshd
def test_over_ssh_all_is_as_it_is_locally(fleet: Fleet, sshd: SshServer) -> None:
    fleet.overrides["tn-1"] = sshd.variables(sshd.port)
    fleet.overrides["qt-1"] = sshd.variables(sshd.port)
    run = fleet.rollback()
    assert run.code == 0 and set(run.states().values()) == {"restored"}, run.output


@pytest.mark.parametrize(("kill", "stage"), [(os.kill, "revert"), (os.killpg, "resume")])
def test_a_killed_controller_and_the_same_id_again(fleet: Fleet, stage: str, kill: Callable[[int, int], None]) -> None:
    """SIGKILL of the controller, and of the host's side with it: the same id completes what is left.

    No step is applied twice.
    """
    rollback_id = f"rb-killed-{stage}"
    process = subprocess.Popen(
        fleet.argv(rollback_id=rollback_id, batch="100%"),
        env=fleet.env(),
        cwd=fleet.work,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )

    def begun() -> bool:
        return any(
            line["event"] == "begin" and line["step"].startswith(stage + "/")
            for name in fleet.names()
            for line in fleet.journal(name, rollback_id)
        )

    wait_for(begun, 60)
    kill(process.pid, signal.SIGKILL)
    process.wait()
    try:
        run = fleet.rollback(rollback_id=rollback_id, batch="100%")
    finally:  # a killed controller's workers wait for it for ever
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert run.code == 0 and set(run.states().values()) == {"restored"}, run.output
    for name in fleet.names():
        applied = [
            line["step"]
            for line in fleet.journal(name, rollback_id)
            if line["event"] == "end" and (line["outcome"].get("change") is not None)
        ]
        assert len(applied) == len(set(applied)), applied
        page = fleet.page(name)
        assert page and page["version"] == "deploy-20251201-083000" and page["trading"] is False
    assert run.record["time_to_restored_seconds"] > run.record["time_to_safe_seconds"]
