# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The witness itself: it agrees with a true report, and a planted lie makes it count one."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.playbooks.conftest import Run

from .fleet import BAD, Controller, Fleet
from .oracle import contradictions


@pytest.fixture(scope="module")
def rolled_back(hosts: Fleet, tmp_path_factory: pytest.TempPathFactory) -> tuple[Fleet, Run]:
    """A fleet after a rollback that nothing disturbed."""
    hosts.fresh()
    assert all(reading.trading and reading.permitted and reading.tag == BAD for reading in hosts.readings().values())
    return hosts, Controller(hosts, tmp_path_factory.mktemp("controller")).rollback(rollback_id="rb-true")


def test_a_true_report(rolled_back: tuple[Fleet, Run]) -> None:
    fleet, run = rolled_back
    assert run.code == 0 and fleet.contradictions(run) == {}, run.output


@pytest.mark.parametrize(
    ("claim", "denied"),
    [
        ({"restored": False, "process": "stopped", "failure": "lost"}, "called safe, and runs"),
        ({"to": BAD}, f"said to be on {BAD}"),
        ({"process": "stopped"}, "said to be stopped, and is running"),
        ({"trading": "on"}, "called restored, and said to trade"),
        ({"restored": False, "safe": False, "failure": None}, "nothing says why"),
    ],
)
def test_a_record_that_lies(rolled_back: tuple[Fleet, Run], claim: dict[str, Any], denied: str) -> None:
    """Of one bot: one is counted, and it is that one."""
    fleet, run = rolled_back
    record = copy.deepcopy(run.record)
    record["bots"][2].update(claim)
    code = 0 if record["bots"][2]["restored"] else 2
    found = contradictions(record, code, fleet.readings())
    assert list(found) == [record["bots"][2]["name"]] and denied in " ".join(*found.values())


def test_a_bot_that_is_left_out(rolled_back: tuple[Fleet, Run]) -> None:
    fleet, run = rolled_back
    record = {**run.record, "bots": run.record["bots"][1:]}
    assert contradictions(record, 2, fleet.readings()) == {"host1": ["is not in the record"]}


def test_an_exit_code_that_lies(rolled_back: tuple[Fleet, Run]) -> None:
    fleet, run = rolled_back
    assert list(contradictions(run.record, 2, fleet.readings())) == ["exit code"]


@pytest.mark.parametrize(
    ("behind_its_back", "denied"),
    [
        ("systemctl stop trader", "0 processes"),
        ("touch /srv/bots/trader/go_live.active", "may trade"),
        (f"runuser -u bot -- git -C /srv/bots/trader checkout --quiet --detach {BAD} --", f"is on {BAD}"),
        ("systemctl stop trader; fleet-live", "trades"),
    ],
)
def test_a_host_that_changed_since(rolled_back: tuple[Fleet, Run], behind_its_back: str, denied: str) -> None:
    """Somebody acts behind the report."""
    fleet, run = rolled_back
    fleet.hosts[0].run(behind_its_back)
    found = fleet.contradictions(run)
    assert list(found) == ["host1"] and denied in " ".join(found["host1"])
