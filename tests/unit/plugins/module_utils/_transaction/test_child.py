# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A step's own process: what it leaves behind when it is cut short. Processes are real."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import Operation
from ansible_collections.tradeops.botfleet.plugins.module_utils._transaction import child
from ansible_collections.tradeops.botfleet.plugins.module_utils._transaction.request import Step
from ansible_collections.tradeops.botfleet.plugins.module_utils._transaction.runner import Runner

NOBODY = 65534


def running(marker: str) -> list[int]:
    """The processes that have the marker among their arguments."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and marker in (entry / "cmdline").read_bytes().decode().split("\0"):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def left_over(marker: str) -> list[int]:
    """Those that are still there after a while: what was killed takes a moment to go."""
    deadline = time.monotonic() + 5
    while running(marker) and time.monotonic() < deadline:
        time.sleep(0.02)
    return running(marker)


def test_a_step_that_starts_the_next_thing_after_each_failure_is_ended_with_all_of_it() -> None:
    """Killed one by one, a parent goes on with what comes after the child that failed, and that one gets away."""
    marker = f"300.{os.getpid()}"

    def stubborn(_tell: child.Tell) -> dict[str, Any]:
        while True:
            subprocess.call(["sleep", marker], start_new_session=True)

    for _attempt in range(3):
        with pytest.raises(child.TimedOut):
            child.call(stubborn, 0.2)
        assert left_over(marker) == []


def test_a_daemon_that_left_its_parents_is_found_on_a_time_out() -> None:
    marker = f"301.{os.getpid()}"

    def daemonise(_tell: child.Tell) -> dict[str, Any]:
        if os.fork() == 0:
            subprocess.Popen(["sleep", marker], start_new_session=True)
            os._exit(0)
        os.wait()
        time.sleep(60)
        return {}

    with pytest.raises(child.TimedOut):
        child.call(daemonise, 0.5)
    assert left_over(marker) == []


def test_a_process_that_is_killed_gives_no_answer() -> None:
    def suicide(_tell: child.Tell) -> dict[str, Any]:
        os.kill(os.getpid(), signal.SIGKILL)
        return {}

    with pytest.raises(child.Died):
        child.call(suicide, 10)


def test_what_cannot_be_killed_is_not_waited_for() -> None:
    """A process in a dead mount ignores SIGKILL; the other steps of a halt must not wait for it."""
    pid = os.fork()
    if pid == 0:
        time.sleep(60)
        os._exit(0)
    started = time.monotonic()
    child._reap(pid)
    assert time.monotonic() - started < 30
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def test_a_host_without_a_process_left_fails_the_step_and_nothing_else() -> None:
    """The limit binds nobody who is root, so the test gives up root for it."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            if os.geteuid() == 0:
                os.setuid(NOBODY)
            resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
            runner = Runner({"a": Operation}, {}, False)  # type: ignore[type-abstract]  # never made: no fork
            outcome = runner.run(Step("a", "a", "a"), "apply")
            os.write(writer, json.dumps(outcome).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        outcome = json.loads(answer.read())
    os.waitpid(pid, 0)
    assert outcome["status"] == "failed" and "temporarily unavailable" in outcome["message"]
