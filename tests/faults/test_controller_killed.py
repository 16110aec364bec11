# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller dies at a random moment of each stage; another one, elsewhere, completes what it began.

With BOTFLEET_FAULTS=all in each way at each stage, otherwise in each way at one of them. What else ansible-runner does
is in tests/playbooks.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import threading
import time
from collections.abc import Iterable
from pathlib import Path

import ansible_runner  # type: ignore[import-untyped]  # ships no types
import pytest

from tests.peers.demo import wait_for

from .fleet import INVENTORY, Controller, Fleet
from .host import bury
from .recovery import assert_restored

LAST_MOMENT = 0.5  # s after a stage was seen to begin
STAGES = ["halt", "preserve", "revert", "resume", "verify"]
RUNNER = {"cancel": "canceled", "timeout": "timeout"}


def at_stages(ways: Iterable[str]) -> list[tuple[str, str]]:
    """Each way at each stage, or each at a stage of its own."""
    if os.environ.get("BOTFLEET_FAULTS") == "all":
        return list(itertools.product(ways, STAGES))
    return list(zip(ways, random.sample(STAGES, len(STAGES)), strict=False))


def wait_in(fleet: Fleet, stage: str, rollback_id: str) -> None:
    """Until a random moment after any host has begun the stage."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    wait_for(lambda: has_begun(fleet, stage, rollback_id), 60)
    time.sleep(random.Random(seed).uniform(0, LAST_MOMENT))


def has_begun(fleet: Fleet, stage: str, rollback_id: str) -> bool:
    """Whether any host has begun a step of the stage."""
    lines = [line for host in fleet.hosts for line in host.journal(rollback_id)]
    return any(line.get("step", "").startswith(f"{stage}/") for line in lines)


@pytest.mark.parametrize(("who", "stage"), at_stages(["its group", "it and its workers"]))
def test_killed(fleet: Fleet, tmp_path: Path, who: str, stage: str) -> None:
    """SIGKILL of the controller's process group, which its workers have left and outlive, or of these, too.

    Runs on hosts end by themselves; the same id waits for them, and goes on.
    """
    dying = Controller(fleet, tmp_path / "dying")
    process = dying.begin(rollback_id="rb-killed")
    wait_in(fleet, stage, "rb-killed")
    if who == "its group":
        os.killpg(process.pid, signal.SIGKILL)
    else:
        bury(INVENTORY)
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


@pytest.mark.parametrize(("how", "stage"), at_stages(RUNNER))
def test_ended_by_ansible_runner(fleet: Fleet, tmp_path: Path, how: str, stage: str) -> None:
    """Its cancel and its timeout kill the process group while the hosts are at work."""
    controller = Controller(fleet, tmp_path / "runner")
    argv, environment = controller.command(rollback_id="rb-runner")
    settings = tmp_path / "job" / "env" / "settings"
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps({"pexpect_timeout": 0.1}))  # s, after which it looks again whether it is to end it
    cancel = threading.Event()
    thread, runner = ansible_runner.run_command_async(
        argv[0],
        argv[1:],
        private_data_dir=str(tmp_path / "job"),
        host_cwd=str(controller.directory),
        envvars=environment,
        cancel_callback=cancel.is_set,
        quiet=True,
    )
    wait_in(fleet, stage, "rb-runner")
    if how == "cancel":
        cancel.set()
    else:
        runner.config.job_timeout = 1  # s since it began; nobody could have told before when the stage would begin
    thread.join(timeout=120)
    assert runner.status == RUNNER[how]
    run = Controller(fleet, tmp_path / "another").rollback(rollback_id="rb-runner")
    assert_restored(fleet, run, "rb-runner")
