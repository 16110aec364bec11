# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bots that run, and that a typo in the inventory hides: none is called stopped because nothing was found."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers.errors import Case, tell

from .bad_input import Fault, Night, spend
from .conftest import make_fleet

HIDDEN = {
    "botfleet_process_pattern": r"tarding\.py --bot",
    "botfleet_pidfile": "{{ botfleet_path }}/run/bto.pid",
    "botfleet_start_trades": True,
}
FAULTS = {
    "tn-1": Fault(
        Case("In halt", "The pattern of its process matches nothing"),
        "exposed",
        {**HIDDEN, "botfleet_stop_command": []},
    ),
    "qt-1": Fault(
        Case("In halt", "Neither the command nor the pattern of its process matches anything"),
        "exposed",
        {**HIDDEN, "botfleet_command": ["python3", "tarding.py"]},
    ),
}
CASES = {fault.case for fault in FAULTS.values()}
KNOWN_TO_ITS_SCRIPT = "tn-10"


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    """The operator runs it in the directory of a bot."""
    for fleet in make_fleet(tmp_path_factory.mktemp("process"), 2):
        fleet.cwd = fleet.path("qt-10")
        fleet.overrides[KNOWN_TO_ITS_SCRIPT] = dict(HIDDEN)
        yield spend(fleet, FAULTS)


@pytest.mark.parametrize("name", FAULTS)
def test_one_sentence_says_what_where_and_how_to_mend_it(night: Night, name: str) -> None:
    """S1.3."""
    told = night.told(name)
    assert told.ends == FAULTS[name].ends, night.run.output
    tell(FAULTS[name].case, told)


@pytest.mark.parametrize("name", FAULTS)
def test_no_code_goes_back_under_a_process_that_runs(night: Night, name: str) -> None:
    assert name in running(night)
    assert (night.unreported(name), night.told(name).changed) == ([], "halt marker")


def test_a_stop_command_ends_what_nothing_else_finds(night: Night) -> None:
    """S1.3: only then its code goes back."""
    stopped = next(step for step in night.run.bot(KNOWN_TO_ITS_SCRIPT)["steps"] if step["id"] == "stop")
    assert (stopped["status"], KNOWN_TO_ITS_SCRIPT in running(night)) == ("changed", False), night.run.output
    assert night.run.states()[KNOWN_TO_ITS_SCRIPT] == "restored"


def test_the_other_is_none_the_worse(night: Night) -> None:
    """ansible-playbook is no suspect, though it works in its directory without a terminal."""
    assert (night.run.code, night.run.states()["qt-10"]) == (2, "restored"), night.run.output


def running(night: Night) -> set[str]:
    """The bots in whose directories a process works."""
    return {Path(f"/proc/{pid}/cwd").resolve().name for pid in night.fleet.processes()}
