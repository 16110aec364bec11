# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The witness itself: it agrees with a true report, and a planted lie makes it count one."""

from __future__ import annotations

import ast
import copy
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.playbooks.conftest import Run

from . import oracle
from .fleet import BAD, GOOD, Controller, Fleet
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


CHECK_OUT = "runuser -u bot -- git -C /srv/bots/trader checkout --quiet --detach"
MAY_TRADE = "is called safe, and may trade"
ON_BAD = f"is said to be on {GOOD}, and is on {BAD}"


@pytest.mark.parametrize(
    ("behind_its_back", "back_again", "denied"),
    [
        (
            "systemctl stop trader",
            "systemctl start trader; sleep 0.5",
            [
                f"is called restored, and has 0 processes, started as {GOOD}",
                "is said to be running, and is stopped",
            ],
        ),
        ("touch /srv/bots/trader/go_live.active", "rm /srv/bots/trader/go_live.active", [MAY_TRADE]),
        (f"{CHECK_OUT} {BAD} --", f"{CHECK_OUT} {GOOD} --", [ON_BAD]),
        (
            "systemctl stop trader; fleet-live",
            "",
            [
                f"is called restored, and has 1 processes, started as {BAD}",
                MAY_TRADE,
                "is said not to trade, and trades",
                ON_BAD,
            ],
        ),
    ],
    ids=["stopped", "flag raised", "checked out", "live again"],
)
def test_a_host_that_changed_since(
    rolled_back: tuple[Fleet, Run], behind_its_back: str, back_again: str, denied: list[str]
) -> None:
    """Somebody acts behind the report: each damage alone is seen, then it is undone."""
    fleet, run = rolled_back
    fleet.hosts[0].run(behind_its_back)
    assert fleet.contradictions(run) == {"host1": denied}
    fleet.hosts[0].run(back_again)


def test_the_witness_knows_nothing_of_the_collection() -> None:
    """It imports what Python brings, and nothing else."""
    tree = ast.walk(ast.parse(Path(oracle.__file__).read_text()))
    names = [
        name
        for node in tree
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in (
            [each.name for each in node.names]
            if isinstance(node, ast.Import)
            else ["." * node.level + str(node.module)]
        )
    ]
    assert names and [name for name in names if name.partition(".")[0] not in sys.stdlib_module_names] == []
