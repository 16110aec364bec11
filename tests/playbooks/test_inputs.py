# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inputs that are refused before anything is touched, each with one clear sentence."""

from __future__ import annotations

import re
import textwrap
from typing import Any

import pytest
import yaml

from tests.peers.errors import Case, Told, tell

from .bad_input import GOOD, plain
from .conftest import Fleet, Run, make_fleet

ASSESS = "Before anything is touched"
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("No plan is given", {"plan": None}, "set -e plan to one of emergency, go_live"),
    ("The plan is unknown", {"plan": "emergancy"}, 'plan is "emergancy"'),
    ("No reason is given", {"reason": "  "}, "reason is empty"),
    ("No scope is given", {"scope": None}, "scope is empty"),
    ("The scope matches nothing", {"scope": "nobody*"}, "leaves no bot (in the inventory: 0, "),
    ("The scope is the controller", {"scope": "localhost"}, "names localhost, outside the group bots"),
    ("The scope is a group of others", {"scope": "strangers"}, "names stranger, outside the group bots"),
    ("The scope has others among the bots", {"scope": "all"}, "names stranger, outside the group bots"),
    ("max_unsafe is no count or share", {"max_unsafe": "some"}, 'max_unsafe is "some"'),
    ("batch is no count or share", {"batch": "-1"}, 'batch is "-1"'),
    ("rollback_id is no name", {"rollback_id": "../../etc"}, 'rollback_id is "../../etc"'),
    ("decided_at is no time", {"decided_at": "yesterday"}, 'decided_at is "yesterday"'),
    ("decided_at is a time that there is not", {"decided_at": "2026-13-45T99:99:99Z"}, "set a time such as"),
    ("decided_at is in the future", {"decided_at": "2999-01-01T00:00:00Z"}, "which is in the future"),
    ("mixed_targets is neither true nor false", {"mixed_targets": "maybe"}, 'mixed_targets is "maybe"'),
    ("hand_back is neither true nor false", {"hand_back": "maybe"}, 'hand_back is "maybe"'),
    ("A target for a plan that has its own", {"plan": "go_live", "target": GOOD}, "stays on the version that runs"),
    ("positions is no strategy", {"positions": "handled"}, 'positions is "handled": set natural'),
    ("sliced is neither true nor false", {"sliced": "1 of 3"}, 'sliced is "1 of 3"'),
    ("data_at_risk is neither true nor false", {"data_at_risk": "maybe"}, 'data_at_risk is "maybe"'),
    ("database is neither true nor false", {"database": "maybe"}, 'database is "maybe"'),
    ("No bot in scope has a database", {"database": True}, "no bot in scope declares botfleet_database"),
    ("database_backup is no name", {"database_backup": "../../etc"}, 'database_backup is "../../etc"'),
    ("allow_discard is neither true nor false", {"allow_discard": "maybe"}, 'allow_discard is "maybe"'),
    ("accept_guarded is neither true nor false", {"accept_guarded": "maybe"}, 'accept_guarded is "maybe"'),
    ("confirm_within is no number", {"confirm_within": "soon"}, 'confirm_within is "soon"'),
    ("start_jitter is no number", {"start_jitter": "soon"}, 'start_jitter is "soon"'),
]
LIMIT = Case(ASSESS, "The limit leaves nothing of the scope")
UNKNOWN_TAG = Case(ASSESS, "No bot has the target: found by --check, else in halt")
MISSPELT = [
    (Case(ASSESS, "An input is misspelt: only a warning"), "positons is no input"),
    (Case(ASSESS, "A bot's variable is misspelt: only a warning"), "qt-1: botfleet_healthchecks is no variable"),
]
CASES = {
    LIMIT,
    UNKNOWN_TAG,
    *(case for case, _sentence in MISSPELT),
    *(Case(ASSESS, what) for what, _inputs, _sentence in REFUSED),
}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Any:
    for fleet in make_fleet(tmp_path_factory.mktemp("inputs"), 1):
        fleet.overrides = {"stranger": {"ansible_connection": "local"}}
        yield fleet


def refusal(output: str) -> str:
    """The message of the task that failed."""
    block = re.search(r"^(?:fatal|failed): .*=> *\n((?: {4}.*\n)+)", output, re.MULTILINE)
    assert block, output
    return str(yaml.safe_load(textwrap.dedent(block[1]))["msg"])


@pytest.mark.parametrize(("what", "inputs", "sentence"), REFUSED)
def test_refused(fleet: Fleet, what: str, inputs: dict[str, Any], sentence: str) -> None:
    before = fleet.fingerprint()
    run = fleet.rollback(**inputs)
    assert run.code == 2
    assert sentence in refusal(run.output)
    tell(Case(ASSESS, what), Told(refusal(run.output)))
    assert fleet.fingerprint() == before and not run.record
    assert all((fleet.page(name) or {}).get("trading") for name in fleet.names())


def test_a_limit_outside_the_scope_is_refused(fleet: Fleet) -> None:
    run = fleet.rollback("--limit", "tn-1", scope="qt-1")
    assert run.code == 2 and "in the inventory: 1, of them within the limit: 0" in refusal(run.output)
    tell(LIMIT, Told(refusal(run.output)))


@pytest.fixture(scope="module")
def check(fleet: Fleet) -> Run:
    """A check with an input and a variable misspelt, for a target that no bot has."""
    fleet.overrides["qt-1"] = {"botfleet_healthchecks": []}
    before = fleet.fingerprint()
    run = fleet.rollback("--check", target="deploy-20251201", positons="close")
    assert run.code == 2 and fleet.fingerprint() == before
    return run


def test_a_target_that_no_bot_has_is_found_by_a_check(fleet: Fleet, check: Run) -> None:
    """S1.4: on a good day, and with the tags to choose from."""
    for name in fleet.names():
        assert f"the tag deploy-20251201 is not in {fleet.path(name)}" in check.bot(name)["failure"]
    tell(UNKNOWN_TAG, Told(plain(fleet, check.bot("tn-1")["failure"])))


@pytest.mark.parametrize(("case", "sentence"), MISSPELT)
def test_a_name_that_nobody_reads_is_warned_of(check: Run, case: Case, sentence: str) -> None:
    (line,) = re.findall(rf"{sentence}[^?]*[?]", " ".join(check.output.split()))
    tell(case, Told(line))
