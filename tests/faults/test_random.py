# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A sample of the random faults of run.py, as many as fit into their time."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from dataclasses import asdict

import pytest

from tests.playbooks.conftest import ROOT

from .fleet import Fleet
from .run import Result, Struck, conclude, judge, kept, strike

TIME = 45.0  # s


def test_what_is_reported_is_what_the_hosts_say(hosts: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    """No bot's state is unknown after a random fault and one recovery run; seeds are shown as they begin.

    Then one bot of the last report is given a version that it is not on: one unknown state.
    """
    end = time.monotonic() + TIME
    first = random.randrange(1 << 32)
    results: list[Result] = []
    while not results or time.monotonic() + max(result.seconds for result in results) < end:
        with capsys.disabled():
            struck = strike(hosts, first + len(results))
        results.append(judge(hosts, struck))
    assert [str(result) for result in results if result.unknown] == []
    assert counted_of_a_lie(hosts, struck, capsys) == "seeds run 1, unknown states 1"


def counted_of_a_lie(hosts: Fleet, struck: Struck, capsys: pytest.CaptureFixture[str]) -> str:
    """What is said of a seed whose report lies; the exit code must be 1."""
    struck.recovery.record["bots"][3]["to"] = "deploy-20200101-000000"
    capsys.readouterr()
    assert conclude([judge(hosts, struck)]) == 1
    return capsys.readouterr().out.strip()


def test_fleets_that_fail_are_named_and_leave_no_old_figures() -> None:
    """As those whose names are none: the exit code is 1, and what an earlier run left is not taken for this one's."""
    name = "no_name"
    kept(f"{name}-1").write_text(json.dumps([asdict(Result(1, "none", "host1", 0.0, 0, {"restored": 6}, {}, [], 1.0))]))
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.run", "--seeds", "3", "--fleets", "2"],
        cwd=ROOT,
        env={**os.environ, "BOTFLEET_FLEET": name, "PYTHONPATH": str(ROOT / ".cache" / "collections")},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout.splitlines()[-3:] == [
        f"fleet {name}-1 failed with exit code 3 after 0 of its 2 seeds",
        f"fleet {name}-2 failed with exit code 3 after 0 of its 1 seeds",
        "seeds run 0, unknown states 0",
    ]
    assert not kept(f"{name}-1").exists()
