# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The go_live plan (S4.1 to S4.6, S4.8), and what it refuses."""

from __future__ import annotations

import os
import signal
import time

from tests.peers.errors import Case, Told, tell

from .conftest import Fleet

NO_STEPS = Case("In halt", "The plan has no steps for the kind")


def test_go_live_is_deactivated_on_the_version_that_runs(fleet: Fleet) -> None:
    """S4.1, S4.5, S4.6, S4.8: flag gone, config off, testnet, restarted, orders skipped."""
    before = {name: fleet.page(name) for name in fleet.names("quantum_trader")}
    run = fleet.rollback(plan="go_live", scope="quantum_trader:&demo_here")
    assert run.code == 0, run.output
    assert run.states() == {"qt-1": "restored", "qt-10": "restored"}
    for name, was in before.items():
        page = fleet.page(name)
        assert was and page
        assert page["version"] == was["version"] and page["pid"] != was["pid"] and page["trading"] is False
        assert fleet.page(name, "/api/risk/ess/status") in (
            {"active": False},
            {"active": True, "reason": "manual_deactivation"},
        )
    assert (fleet.page("tn-1") or {}).get("trading"), "outside the scope nothing changes"


def test_a_kind_without_steps_is_exposed_and_the_others_halt(fleet: Fleet) -> None:
    run = fleet.rollback(plan="go_live", max_unsafe=2)
    assert run.code != 0
    assert run.states() == {"tn-1": "exposed", "tn-10": "exposed", "qt-1": "restored", "qt-10": "restored"}
    assert run.record["outcome"] == "exposed"
    assert not any(step["touched"] for step in run.bot("tn-1")["steps"])
    tell(NO_STEPS, Told(run.bot("tn-1")["failure"], "exposed"))


def test_two_bots_of_one_machine_one_by_force(fleet: Fleet) -> None:
    """S1.3: the neighbour shares tree and user, and its name begins with the other's; it must not notice."""
    frozen = (fleet.page("tn-1") or {})["pid"]
    os.kill(frozen, signal.SIGSTOP)  # it will not see SIGTERM
    was = fleet.page("tn-10")
    run = fleet.rollback(scope="tn-1")
    assert run.states() == {"tn-1": "restored"}, run.output
    page = fleet.page("tn-10")
    assert was and page and page["pid"] == was["pid"] and page["trading"]
    moment = time.time()
    time.sleep(0.5)
    assert fleet.ledger.orders("tn-10", after=moment), "and it goes on trading"
