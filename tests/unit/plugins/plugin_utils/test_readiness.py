# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which bots are ready, point by point (S2.3), from what the role arm registers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.plugin_utils._readiness import age_problem, readiness

from tests.schemas import problems

from .results import BAD, GOOD, UNREACHABLE, Bot

REQUIRED = ["armed", "version", "config", "database", "accounts", "plans", "contacts"]
DAY = 86400
SNAPSHOT = f"/backup/config-{GOOD}"
ENVIRONMENT = {"path": "/var/lib/botfleet/venv", "requirements": "r1", "exchange": None, "problem": ""}


def config(status: str, message: str = "", present: bool = True) -> dict[str, Any]:
    before = {"snapshot": SNAPSHOT, "snapshot_present": present}
    step = {"stage": "revert", "id": "config", "name": "config", "operation": "config_snapshot", "status": status}
    more = {"seconds": 0, "before": before, "after": None, "proof": None, "change": None, "message": message}
    return {"steps": [{**step, **more, "diff": [], "touched": False}], "stages": [], "safe": {"read": []}}


def accounts(status: str = "unchanged", message: str = "") -> dict[str, Any]:
    result = config(status, message)
    result["steps"][0]["before"] = {"account": "bybit production"}
    return result


def bot(root: Path, name: str = "mm-1", **changed: Any) -> dict[str, Any]:
    """What is registered of a bot that is ready; ``host`` and ``declared`` change parts of it."""
    made = Bot(root, name)
    return {
        "botfleet_kind": made.kind,
        "arm_reached": {"ping": "pong"},
        "arm_host": {
            "place": "1:2:3:",
            "state": {"path": f"/var/lib/botfleet/{name}", "writable": True},
            "environment": ENVIRONMENT,
            "agents": {"a1": True},
            "unit": None,
            "database_backup": {"path": "/backup/pre.sql", "age_seconds": 3600, "bytes": 10},
            "rehearsal": {"rollback_id": "rb-1", "age_seconds": 30 * DAY},
            **changed.pop("host", {}),
        },
        "arm_version": made.halt(),
        "arm_kept": {"before": {"snapshot": f"/backup/config-{BAD}", "snapshot_present": True}},
        "arm_config": config("changed"),
        "arm_accounts": accounts(),
        "arm_validation": {"results": [{"arm_plan": "emergency", "msg": "", "safe": {"steps": []}}, {"skipped": True}]},
        "arm_declared": {
            "agent": "a1",
            "requirements": "r1",
            "exchange": "",
            "accounts_from": name,
            "conditions": ["ConditionHost=|x"],
            "contacts": [{"name": "On-call Engineer", "reach": "+1-555-0199"}],
            "has_database": True,
            "database_backup": "/backup/pre*.sql",
            "database_backup_max_age": "24h",
            "rehearsal_max_age": "90d",
            **changed.pop("declared", {}),
        },
        **changed,
    }


def judged(variables: dict[str, Any], **options: Any) -> dict[str, tuple[bool, str]]:
    found = readiness(["mm-1"], {"mm-1": variables}, REQUIRED, **options)
    report = json.loads(json.dumps(found["report"]))
    assert problems("readiness", report) == []
    return {point["id"]: (point["ok"], point["says"]) for point in report["bots"][0]["points"]}


def test_a_bot_that_is_ready(tmp_path: Path) -> None:
    """S2.3: each point with what was found."""
    points = judged(bot(tmp_path))
    assert all(ok for ok, _says in points.values()), points
    assert points["version"][1] == f"would go from {BAD} to {GOOD}"
    assert points["config"][1] == f"would be restored from {SNAPSHOT}"
    assert points["accounts"][1] == "bybit production can be read"
    assert points["database"][1] == "/backup/pre.sql is 1 h 00 min old"
    assert points["rehearsed"][1] == "rollback rb-1 is 30 days old"


UNSAFE = {"name": "Flag", "invalid": "mend it"}
LOOP = {
    "msg": "One or more items failed",
    "results": [
        {"failed": False, "msg": "ok"},
        {"failed": True, "msg": "Task failed: Action failed: x is no age"},
        {"failed": True},
        {"skipped": True},
    ],
}
UNIT = {"drop_in": "/etc/x.conf", "ours": ["ConditionHost=|x"], "loaded": True}


@pytest.mark.parametrize(
    ("changed", "point", "says"),
    [
        (
            {"arm_failure": {"msg": "unit mm has a condition\nof its own"}},
            "armed",
            "unit mm has a condition of its own",
        ),
        ({"host": {"agents": {"a0": True}}}, "armed", "the agent of this version is not there"),
        ({"host": {"agents": {}}}, "armed", "the agent of this version is not there"),
        ({"declared": {"requirements": "r2"}}, "armed", "/var/lib/botfleet/venv is of another version"),
        ({"declared": {"exchange": "e1"}}, "armed", "venv has no ccxt, which botfleet_exposure needs"),
        (
            {"declared": {"exchange": "e1"}, "host": {"environment": {**ENVIRONMENT, "exchange": "e0"}}},
            "armed",
            "/var/lib/botfleet/venv is of another version",
        ),
        (
            {"host": {"state": {"path": "/x", "writable": False}}},
            "armed",
            "/x is not there, or not this user's to write",
        ),
        ({"host": {"unit": {**UNIT, "loaded": False}}}, "armed", "/etc/x.conf is not in effect"),
        ({"host": {"unit": {**UNIT, "ours": None}}}, "armed", "/etc/x.conf is not in effect"),
        ({"arm_version": {"failed": True, "msg": "no Python"}}, "version", "did not answer: no Python"),
        ({"arm_version": None}, "version", "was not reached: the task did not run"),
        ({"arm_config": config("failed", "its manifest is damaged")}, "config", "its manifest is damaged"),
        ({"arm_config": {"skipped": True}}, "config", "there is no version to go back to"),
        ({"host": {"database_backup": None}}, "database", "no backup is at /backup/pre*.sql"),
        ({"declared": {"database_backup": ""}}, "database", "botfleet_has_database to false"),
        (
            {"host": {"database_backup": {"path": "/b", "age_seconds": 3 * DAY, "bytes": 9}}},
            "database",
            "/b is 3 days old, more than 24h",
        ),
        ({"host": {"database_backup": {"path": "/b", "age_seconds": 9, "bytes": 0}}}, "database", "/b is empty"),
        ({"host": {"database_backup": {"path": "/b", "age_seconds": -900, "bytes": 9}}}, "database", "the future"),
        ({"host": {"rehearsal": None}}, "rehearsed", "no rollback of it was ever proven to its end"),
        ({"declared": {"rehearsal_max_age": "1w"}}, "rehearsed", "rollback rb-1 is 30 days old, more than 1w"),
        ({"declared": {"contacts": []}}, "contacts", "botfleet_contacts is empty"),
        ({"declared": {"contacts": "ops"}}, "contacts", "botfleet_contacts is no list of who is called"),
        ({"declared": {"contacts": ["ops"]}}, "contacts", "botfleet_contacts is no list of who is called"),
        ({"host": {"rehearsal": {"age": 1}}}, "rehearsed", "cannot be judged (KeyError('rollback_id'))"),
        ({"declared": {"contacts": [{"name": "CTO", "reach": " "}]}}, "contacts", "1 without a name or a way to reach"),
        (
            {"arm_validation": {"results": [{"arm_plan": "emergency", "msg": "step 'x': set it"}]}},
            "plans",
            "emergency: step 'x': set it",
        ),
        (
            {"arm_validation": {"results": [{"arm_plan": "go_live", "msg": "", "safe": {"steps": [UNSAFE]}}]}},
            "plans",
            "go_live: step 'Flag' of safe: mend it",
        ),
        ({"arm_accounts": accounts("skipped")}, "accounts", "declare its accounts in botfleet_exposure"),
        ({"arm_accounts": accounts("failed", "no such key")}, "accounts", "no such key"),
        ({"arm_accounts": {"failed": True, "msg": "no Python"}}, "accounts", "did not answer: no Python"),
        ({"arm_validation": {"results": [{"skipped": True}]}}, "plans", "no plan has steps for botfleet_kind"),
    ],
)
def test_what_a_bot_may_lack(tmp_path: Path, changed: dict[str, Any], point: str, says: str) -> None:
    """S2.3: that point alone is not as it should be, and the sentence says why."""
    points = judged(bot(tmp_path, **changed))
    assert [name for name, (ok, _says) in points.items() if not ok] == [point]
    assert says in points[point][1]


def test_a_bot_that_never_holds_a_position_has_no_accounts_to_read(tmp_path: Path) -> None:
    points = judged(bot(tmp_path, arm_accounts={"skipped": True}, declared={"accounts_from": ""}))
    assert points["accounts"] == (True, "declared to hold no position")


def test_an_account_that_bots_share_is_read_by_one_of_them(tmp_path: Path) -> None:
    variables = {
        "mm-1": bot(tmp_path, arm_accounts=accounts("failed", "no such key")),
        "mm-2": bot(tmp_path, "mm-2", arm_accounts={"skipped": True}, declared={"accounts_from": "mm-1"}),
    }
    assert "mm-1 and mm-2: accounts: no such key" in readiness(list(variables), variables, REQUIRED)["lines"]


def test_bots_that_say_different_things_of_their_account_are_not_ready(tmp_path: Path) -> None:
    """S4.7: a rollback would refuse to close anything of it."""
    shared: dict[str, Any] = {"botfleet_account": "desk", "botfleet_exposure": [{"exchange": "bybit"}]}
    variables = {
        "mm-1": {**bot(tmp_path), **shared},
        "mm-2": {**bot(tmp_path, "mm-2", declared={"accounts_from": "mm-1"}), **shared},
    }
    assert readiness(list(variables), variables, REQUIRED)["ready"]
    variables["mm-2"]["botfleet_exposure"] = [{"exchange": "bybit", "symbols": ["ETH/USDT:USDT"]}]
    found = readiness(list(variables), variables, REQUIRED)
    assert not found["ready"]
    said = "accounts: mm-1 and mm-2 say different things of the account desk (botfleet_exposure): write it once, for a"
    assert any(line.startswith(f"mm-1 and mm-2: {said}") for line in found["lines"]), found["lines"]


def test_a_drop_in_that_is_in_effect(tmp_path: Path) -> None:
    assert judged(bot(tmp_path, host={"unit": UNIT}))["armed"][0]


def test_what_flattens_accounts_matters_to_bots_that_need_it(tmp_path: Path) -> None:
    """Bots that share a machine share the environment, which one of them may need to have more."""
    host = {"environment": {**ENVIRONMENT, "exchange": "e1"}}
    assert judged(bot(tmp_path, host=host, declared={"exchange": "e1"}))["armed"][0]
    assert judged(bot(tmp_path, host=host))["armed"][0]


def test_a_config_that_may_be_missing_needs_the_one_that_runs_kept(tmp_path: Path) -> None:
    """S2.3, S1.5: without a backup the config stays as the checkout leaves it, which the next rollback needs not."""
    assert judged(bot(tmp_path, arm_config=config("skipped")))["config"][0]
    there, not_there = ({"snapshot": SNAPSHOT, "snapshot_present": present} for present in (True, False))
    assert judged(bot(tmp_path, arm_config=config("skipped"), arm_kept={"before": not_there, "after": there}))[
        "config"
    ][0]
    kept = {"before": not_there, "after": None}
    assert not judged(bot(tmp_path, arm_config=config("skipped"), arm_kept=kept))["config"][0]


def test_a_bot_without_database_needs_no_backup(tmp_path: Path) -> None:
    changed: dict[str, Any] = {
        "declared": {"has_database": False, "database_backup": ""},
        "host": {"database_backup": None},
    }
    assert judged(bot(tmp_path, **changed))["database"] == (True, "it has none")


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"arm_reached": UNREACHABLE, "arm_host": None, "arm_declared": None}, "unreachable: "),
        ({"arm_host": {"failed": True, "msg": "Python is too old"}}, "Python is too old"),
        ({"arm_host": None, "arm_failure": {"msg": "botfleet_kind is not set"}}, "botfleet_kind is not set"),
        ({"arm_declared": None, "arm_failure": LOOP}, "x is no age; no reason was given"),
    ],
)
def test_what_was_not_read_is_not_ready(tmp_path: Path, changed: dict[str, Any], says: str) -> None:
    points = judged({**bot(tmp_path), **changed})
    assert not any(ok for ok, _says in points.values())
    assert says in points["armed"][1] and points["database"][1] == "not read"


def test_what_only_warns_keeps_nobody_from_being_ready(tmp_path: Path) -> None:
    variables = {"mm-1": bot(tmp_path, host={"rehearsal": None})}
    assert readiness(["mm-1"], variables, REQUIRED)["ready"]
    strict = readiness(["mm-1"], variables, [*REQUIRED, "rehearsed"])
    assert not strict["ready"] and strict["verdict"] == "0 of 1 bots are ready; not ready: mm-1 (rehearsed)"


def test_the_table_has_who_is_not_ready_first_and_each_sentence_once(tmp_path: Path) -> None:
    """S2.3: at a glance, for people."""
    stale = {"database_backup": None}
    variables = {name: bot(tmp_path, name) for name in ("a-1", "a-2")}
    variables |= {name: bot(tmp_path, name, host=stale) for name in ("z-1", "z-2")}
    found = readiness(list(variables), variables, REQUIRED, check_mode=True)
    assert found["lines"] == [
        "CHECK MODE: nothing was changed, this is what was found",
        "bot  kind          ready  armed  version  config  database  accounts  plans  contacts  rehearsed",
        "z-1  trading_node  NO     ok     ok       ok      NO        ok        ok     ok        ok",
        "z-2  trading_node  NO     ok     ok       ok      NO        ok        ok     ok        ok",
        "a-1  trading_node  yes    ok     ok       ok      ok        ok        ok     ok        ok",
        "a-2  trading_node  yes    ok     ok       ok      ok        ok        ok     ok        ok",
        "z-1 and z-2: database: no backup is at /backup/pre*.sql",
    ]


def test_of_a_large_fleet_the_ready_bots_are_counted(tmp_path: Path) -> None:
    variables = {f"mm-{number}": bot(tmp_path, f"mm-{number}") for number in range(30)}
    variables["mm-7"]["arm_declared"]["contacts"] = []
    lines = readiness(list(variables), variables, REQUIRED)["lines"]
    assert lines[1].startswith("mm-7 ") and lines[2] == "29 more bots are ready" and len(lines) == 4


@pytest.mark.parametrize(("text", "is_age"), [("24h", True), (60, True), ("2 days", False), ("", False)])
def test_what_an_age_looks_like(text: Any, is_age: bool) -> None:
    assert (age_problem(text) == "") == is_age
