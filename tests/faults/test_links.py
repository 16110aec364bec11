# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that cannot be reached: the others are made safe, no next batch starts, and the record names who is exposed.

What the controller makes of each kind of failed connection, tests/playbooks/test_failures.py shows on one machine.
"""

from __future__ import annotations

from functools import partial

from tests.peers.demo import wait_for
from tests.playbooks.conftest import Run

from .fleet import GOOD, Controller, Fleet
from .host import Host
from .oracle import NOT_RESTORED
from .recovery import assert_restored


def lose_once_begun(cut: Host, paused: Host, stage: str) -> None:
    """As soon as its journal says that a step of the stage has begun."""
    for host, lose in ((cut, Host.cut), (paused, Host.pause)):
        wait_for(partial(has_begun, host, stage), 60)
        lose(host)


def has_begun(host: Host, stage: str) -> bool:
    return any(line.get("step", "").startswith(stage) for line in host.journal("rb-link"))


def assert_named(run: Run, lost: list[Host]) -> None:
    """The record says of those hosts that nobody knows."""
    assert run.code == NOT_RESTORED, run.output
    for host in lost:
        row = run.bot(host.name)
        assert not row["safe"] and not row["restored"] and row["process"] == "unknown" and row["trading"] == "on"
        assert row["failure"].startswith(("unreachable: ", "did not answer: ")), row["failure"]
    assert run.record["outcome"] == "exposed" and run.record["time_to_safe_seconds"] is None


def assert_safe(run: Run, hosts: list[Host], why: str) -> None:
    """Those hosts are safe, not reverted, and told why."""
    for host in hosts:
        row = run.bot(host.name)
        assert row["safe"] and not row["restored"] and row["process"] == "stopped", row["failure"]
        assert why in row["failure"]
        assert not [step for step in row["steps"] if step["stage"] == "revert" and step["touched"]]


def assert_mended(fleet: Fleet, controller: Controller, run: Run) -> None:
    """Once they are back, no host denies what the run said, and the same id restores them all."""
    for host in fleet.hosts:
        host.heal()
    assert fleet.contradictions(run) == {}
    assert_restored(fleet, controller.rollback(rollback_id="rb-link"), "rb-link")


def test_lost_before(fleet: Fleet, controller: Controller) -> None:
    """One link cut and one host paused before the first task: four bots are safe, and wait."""
    cut, paused, *others = fleet.hosts
    cut.cut()
    paused.pause()
    run = controller.rollback(rollback_id="rb-link", **fleet.limits)
    assert_named(run, [cut, paused])
    assert_safe(run, others, "2 of 6 bots are not safe (host1, host2), max_unsafe is 0")
    cut.heal()
    paused.heal()
    readings = fleet.readings()
    assert readings[cut.name].trading and readings[paused.name].trading, "nobody told them to stop"
    assert_mended(fleet, controller, run)


def test_lost_during_halt(fleet: Fleet, controller: Controller) -> None:
    """Hosts that are lost once their halt has begun hold the barrier no longer than the time limit."""
    cut, paused, *others = fleet.hosts
    process = controller.begin(rollback_id="rb-link", **fleet.limits)
    lose_once_begun(cut, paused, "halt/")
    run = controller.read(process.wait(timeout=120), "rb-link")
    assert_named(run, [cut, paused])
    assert_safe(run, others, "2 of 6 bots are not safe (host1, host2), max_unsafe is 0")
    assert_mended(fleet, controller, run)


def test_lost_during_revert(fleet: Fleet, controller: Controller) -> None:
    """In the first of two batches: its third bot goes on to be restored, the batch after it does not start."""
    cut, paused, neighbour, *others = fleet.hosts
    process = controller.begin(rollback_id="rb-link", batch=3, **fleet.limits)
    lose_once_begun(cut, paused, "revert/")
    run = controller.read(process.wait(timeout=120), "rb-link")
    assert_named(run, [cut, paused])
    assert run.bot(neighbour.name)["restored"] and run.bot(neighbour.name)["to"] == GOOD
    assert_safe(run, others, "an earlier batch failed")
    assert not [line for host in others for line in host.journal("rb-link") if "revert/" in line.get("step", "")]
    assert_mended(fleet, controller, run)
