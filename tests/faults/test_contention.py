# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two who want the same bots at once, locks that the dead have left, and a host that reboots under a revert.

What a lock says to whom is shown in tests/unit (test_engine.py) and tests/playbooks (test_bad_input_locks.py).
"""

from __future__ import annotations

import json
from pathlib import Path

from tests.peers.demo import wait_for

from .fleet import HOSTS, Controller, Fleet
from .host import STATE
from .oracle import NOT_RESTORED
from .recovery import applied_twice, assert_restored, starts

DEAD = json.dumps(
    {"rollback_id": "rb-dead", "controller": "nobody", "since": "2026-01-01T00:00:00Z", "pid": 4194000, "start_time": 1}
)


def test_two_controllers_with_ids_of_their_own(fleet: Fleet, tmp_path: Path) -> None:
    """Who halts last takes the bots over and restores them; the other one says which rollback it lost them to."""
    first, second = Controller(fleet, tmp_path / "first"), Controller(fleet, tmp_path / "second")
    overtaken = first.begin(rollback_id="rb-first")
    wait_for(lambda: any(host.journal("rb-first") for host in fleet.hosts), 60)
    last = second.rollback(rollback_id="rb-second")
    lost = first.read(overtaken.wait(timeout=240), "rb-first")
    assert_restored(fleet, last, "rb-second")
    assert lost.code == NOT_RESTORED, lost.output
    for row in lost.record["bots"]:
        assert row["restored"] or "rb-second" in row["failure"], row["failure"]


def test_two_controllers_with_one_id(fleet: Fleet, tmp_path: Path) -> None:
    """One waits for the other: both end well, and nothing was done twice."""
    first, second = Controller(fleet, tmp_path / "first"), Controller(fleet, tmp_path / "second")
    process = first.begin(rollback_id="rb-both")
    run = second.rollback(rollback_id="rb-both")
    other = first.read(process.wait(timeout=240), "rb-both")
    assert_restored(fleet, run, "rb-both")
    assert_restored(fleet, other, "rb-both")


def test_locks_of_the_dead(fleet: Fleet, controller: Controller) -> None:
    """A lock that names a holder who is gone, a request that nobody waits for any more: neither holds a bot."""
    for host in fleet.hosts:
        state = f"{STATE}/{host.name}"
        host.run(f"mkdir -p {state}; echo '{DEAD}' | tee {state}/lock > {state}/preempt")
    (controller.artifacts).mkdir()
    (controller.artifacts / "fleet.lock").write_text(DEAD)
    run = controller.rollback(rollback_id="rb-living")
    assert_restored(fleet, run, "rb-living")
    assert "rb-dead" not in run.output


def test_a_reboot_in_the_middle_of_revert(fleet: Fleet, tmp_path: Path) -> None:
    """The bot stays down, though its unit is enabled; the record names it, and the same id restores it."""
    lost, *_others = fleet.hosts
    first = Controller(fleet, tmp_path / "first")
    process = first.begin(rollback_id="rb-boot")
    wait_for(lambda: any(line.get("step") == "revert/code" for line in lost.journal("rb-boot")), 60)
    lost.reboot()
    run = first.read(process.wait(timeout=120), "rb-boot")
    assert run.code == NOT_RESTORED and not run.bot(lost.name)["restored"], run.output
    failure = run.bot(lost.name)["failure"]
    assert failure.startswith(("unreachable: ", "did not answer: ")), failure
    assert f"{HOSTS - 1} of {HOSTS} bots restored; EXPOSED: {lost.name}" in run.output, run.output
    assert fleet.contradictions(run) == {}
    reading = fleet.readings()[lost.name]
    assert not reading.running and not reading.trading
    again = Controller(fleet, tmp_path / "second").rollback(rollback_id="rb-boot")
    assert again.code == 0 and fleet.contradictions(again) == {}, again.output
    assert list(applied_twice(lost.journal("rb-boot"))) == [] and len(starts(lost)) == 1
