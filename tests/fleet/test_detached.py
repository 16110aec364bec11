# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Detached transactions on a real host: all that sshd began is killed, the link is down, nobody is root."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from . import maker
from .conftest import Host
from .fleet import CACHE

STATE = "/home/ops/detached"
FLAG = f"{STATE}/flag"
SECONDS = 40
"""That it takes: a busy machine has followed it again by then."""
ALONE = {"ansible_ssh_args": "-o ControlMaster=no -o ControlPath=none"}


def lowered(**more: Any) -> dict[str, Any]:
    """A task that lowers the flag after a while."""
    step = {"name": "Lower the flag", "go_live_flag": {"path": FLAG, "state": "absent"}}
    stage = {"name": "preserve", "delay": SECONDS, "steps": [step]}
    own = {"rollback_id": "rb-1", "bot": "bot-1", "state_dir": f"{STATE}/state", "stages": [stage], "detach": True}
    return {"tradeops.botfleet.transaction": {**own, "lock_wait": 60}, **more}


def wait_for(condition: Callable[[], Any], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.2)


def process(host: Host) -> str:
    """The one that carries it out, empty if none does."""
    return host.outside(
        f"for record in {STATE}/state/bot-1/rb-1/detached.*.json; do [ -e $record ] || continue\n"
        "pid=$(sed -E 's/.*\"pid\": ([0-9]+).*/\\1/' $record); [ -e /proc/$pid ] && echo $pid; done; :"
    )


@pytest.fixture
def flagged(host: Host) -> Host:
    host.shell(f"rm -rf {STATE}; install -d -o ops {STATE}; sudo -u ops touch {FLAG}")
    return host


def test_it_outlives_the_controller_and_the_login_that_brought_it(flagged: Host, tmp_path: Path) -> None:
    play = {"hosts": flagged.name, "gather_facts": False, "become": True, "tasks": [lowered()]}
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    command = [maker.ANSIBLE, "-i", str(CACHE / "hosts.yml"), str(tmp_path / "play.yml")]
    with subprocess.Popen(command, env=maker.ENVIRONMENT, stdout=-3, stderr=-3, start_new_session=True) as controller:
        try:
            wait_for(lambda: process(flagged))
            pid = process(flagged)
            time.sleep(1)
        finally:
            os.killpg(controller.pid, signal.SIGKILL)
    flagged.outside("systemctl kill --signal=KILL ssh; systemctl reset-failed ssh; systemctl restart ssh")
    scope = flagged.outside(f"cat /proc/{pid}/cgroup; ps -o ppid=,tty= -p {pid}").split()
    assert scope[0].endswith(".scope") and "/system.slice/" in scope[0] and scope[-2:] == ["1", "?"]
    assert flagged.outside(f"ls {FLAG}") == FLAG
    (result,) = flagged.modules(lowered())
    assert result["detached"] and result["steps"][0]["status"] == "changed", result
    assert flagged.outside(f"ls {FLAG} 2>&1 || :").endswith("No such file or directory")
    wait_for(lambda: not flagged.outside("systemctl list-units --no-legend --plain 'run-*.scope' | cut -d' ' -f1"))


def test_its_follower_waits_while_the_link_is_down(flagged: Host) -> None:
    with ThreadPoolExecutor(1) as playing:
        following = playing.submit(flagged.modules, lowered(vars=ALONE))
        wait_for(lambda: process(flagged))
        time.sleep(2)
        with flagged.unplugged():
            time.sleep(10)
        (result,) = following.result()
    assert result["detached"] and result["steps"][0]["status"] == "changed", result


def test_without_root_it_outlives_the_connection(flagged: Host) -> None:
    """As a process of its own, which sshd does not end."""
    task = lowered(become=False, vars=ALONE)
    ended, result = flagged.modules({**task, "timeout": 6}, task)
    assert ended["failed"] and "steps" not in ended
    assert result["detached"] and result["steps"][0]["status"] == "changed", result


def test_a_bot_that_it_starts_outlives_it(flagged: Host) -> None:
    """Its scope ends with the last of its processes."""
    service = {"name": "own", "manager": "process", "chdir": STATE, "command": ["sleep", "600"], "settle": 0.5}
    resume = {"name": "resume", "steps": [{"name": "Start it", "bot_service": {**service, "state": "started"}}]}
    own = {"rollback_id": "rb-1", "bot": "own", "state_dir": f"{STATE}/state", "stages": [resume], "detach": True}
    (started,) = flagged.modules({"tradeops.botfleet.transaction": own})
    assert started["detached"] and started["steps"][0]["status"] == "changed", started
    time.sleep(2)
    (still, stopped) = flagged.modules(
        {"tradeops.botfleet.bot_service": {**service, "state": "started"}, "check_mode": True},
        {"tradeops.botfleet.bot_service": {**service, "state": "stopped"}},
    )
    assert not still["changed"] and stopped["changed"], still
