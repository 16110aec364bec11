# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three rollbacks that want the same bot, each from a controller of its own."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.peers.demo import wait_for
from tests.peers.errors import Case, tell

from .bad_input import Night
from .conftest import Fleet, make_fleet

OVERTAKEN = Case("In revert", "Another rollback took the bot over since halt")
PREEMPTED = Case("In revert", "Another rollback halts the bot meanwhile")
CASES = {OVERTAKEN, PREEMPTED}
TIME_LIMIT = 120


class Gate:
    """A build that says that it has begun, and ends when it may."""

    def __init__(self, directory: Path, name: str) -> None:
        self.begun, self.open = directory / f"{name}-begun", directory / f"{name}-open"
        script = 'touch "$0"; until [ -e "$1" ]; do sleep 0.05; done'
        self.command = ["sh", "-c", script, str(self.begun), str(self.open)]


def start(fleet: Fleet, name: str, scope: str, build: list[str], **inputs: Any) -> subprocess.Popen[bytes]:
    with (fleet.work / f"{name}.log").open("wb") as log:
        command = fleet.argv(rollback_id=name, scope=scope, botfleet_build=build, **inputs)
        return subprocess.Popen(command, env=fleet.env(), cwd=fleet.work, stdout=log, stderr=log)


def night(fleet: Fleet, name: str, process: subprocess.Popen[bytes]) -> Night:
    process.wait(TIME_LIMIT)
    run = fleet.read(process.returncode, (fleet.work / f"{name}.log").read_text(), name)
    return Night(fleet, run, {}, {})


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The second takes over what the first has halted; the third halts it while the second reverts it."""
    for fleet in make_fleet(tmp_path_factory.mktemp("locks"), 1):
        first, second = Gate(fleet.work, "first"), Gate(fleet.work, "second")
        processes = {"rb-first": start(fleet, "rb-first", "qt-1:tn-1", first.command, batch=1)}
        wait_for(first.begun.exists, TIME_LIMIT)
        processes["rb-second"] = start(fleet, "rb-second", "tn-1", second.command)
        wait_for(second.begun.exists, TIME_LIMIT)
        first.open.touch()
        processes["rb-first"].wait(TIME_LIMIT)
        processes["rb-third"] = start(fleet, "rb-third", "tn-1", ["true"])
        wait_for((fleet.root / "state" / "tn-1" / "preempt").exists, TIME_LIMIT)
        second.open.touch()
        yield {name: night(fleet, name, process) for name, process in processes.items()}


def test_a_bot_that_another_took_over_is_refused(nights: dict[str, Night]) -> None:
    """The first had made it safe. By now the second has checked out code whose config key is on, which counts."""
    first = nights["rb-first"]
    assert first.run.code == 2 and first.run.states() == {"qt-1": "restored", "tn-1": "exposed"}, first.run.output
    tell(OVERTAKEN, first.told("tn-1"))


def test_a_holder_that_is_preempted_says_by_whom(nights: dict[str, Night]) -> None:
    """It touches nothing more: to lower the config key again is for the third."""
    second = nights["rb-second"]
    assert second.run.code == 2 and second.run.states() == {"tn-1": "exposed"}, second.run.output
    tell(PREEMPTED, second.told("tn-1"))


def test_who_halted_last_goes_on(nights: dict[str, Night]) -> None:
    third = nights["rb-third"]
    assert third.run.code == 0 and third.run.states() == {"tn-1": "restored"}, third.run.output
    assert "took the lock from rollback rb-second of" in " ".join(third.run.output.split())
