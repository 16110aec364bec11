# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller dies at a random moment of each stage; another one, elsewhere, completes what it began.

With BOTFLEET_FAULTS=all of every stage, otherwise of two of them. What else ansible-runner does is in tests/playbooks.
"""

from __future__ import annotations

import math
import os
import random
import signal
import threading
import time
from pathlib import Path

import ansible_runner  # type: ignore[import-untyped]  # ships no types
import pytest

from tests.peers.demo import wait_for

from .fleet import Controller, Fleet
from .recovery import assert_restored

LAST_MOMENT = 0.5  # s after a stage was seen to begin
STAGES = ["halt", "preserve", "revert", "resume", "verify"]
if os.environ.get("BOTFLEET_FAULTS") != "all":
    STAGES = random.sample(STAGES, 2)
RUNNER = {"cancel": "canceled", "timeout": "timeout"}


def has_begun(fleet: Fleet, stage: str, rollback_id: str) -> bool:
    """Whether any host has begun a step of the stage."""
    lines = [line for host in fleet.hosts for line in host.journal(rollback_id)]
    return any(line.get("step", "").startswith(f"{stage}/") for line in lines)


@pytest.mark.parametrize("stage", STAGES)
def test_killed(fleet: Fleet, tmp_path: Path, stage: str) -> None:
    """SIGKILL of the whole process group. Runs on hosts end by themselves; the same id waits for them, and goes on."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    dying = Controller(fleet, tmp_path / "dying")
    process = dying.begin(rollback_id="rb-killed")
    wait_for(lambda: has_begun(fleet, stage, "rb-killed"), 60)
    time.sleep(random.Random(seed).uniform(0, LAST_MOMENT))
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    another = Controller(fleet, tmp_path / "another")
    assert_restored(fleet, another.rollback(rollback_id="rb-killed"), "rb-killed")


def test_killed_before_the_record(fleet: Fleet, tmp_path: Path) -> None:
    """Everything is done and nobody has written it down: the same id gives the record, and touches nothing."""
    dying = Controller(fleet, tmp_path / "dying")
    process = dying.begin(rollback_id="rb-killed")
    wait_for(
        lambda: all(any(line["event"] == "closed" for line in host.journal("rb-killed")) for host in fleet.hosts), 90
    )
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (dying.artifacts / "rb-killed" / "record.json").exists()
    run = Controller(fleet, tmp_path / "another").rollback(rollback_id="rb-killed")
    assert_restored(fleet, run, "rb-killed")
    assert all(row["stored"] for row in run.record["bots"])


@pytest.mark.parametrize("how", RUNNER)
def test_ended_by_ansible_runner(fleet: Fleet, tmp_path: Path, how: str) -> None:
    """Its cancel and its timeout kill the process group while the hosts are at work."""
    controller = Controller(fleet, tmp_path / "runner")
    argv, environment = controller.command(rollback_id="rb-runner")
    cancel = threading.Event()
    thread, runner = ansible_runner.run_command_async(
        argv[0],
        argv[1:],
        private_data_dir=str(tmp_path / "job"),
        host_cwd=str(controller.directory),
        envvars=environment,
        timeout=math.ceil(fleet.seconds / 2) if how == "timeout" else None,
        cancel_callback=cancel.is_set,
        quiet=True,
    )
    if how == "cancel":
        wait_for(lambda: has_begun(fleet, "revert", "rb-runner"), 60)
        cancel.set()
    thread.join(timeout=120)
    assert runner.status == RUNNER[how]
    run = Controller(fleet, tmp_path / "another").rollback(rollback_id="rb-runner")
    assert_restored(fleet, run, "rb-runner")
