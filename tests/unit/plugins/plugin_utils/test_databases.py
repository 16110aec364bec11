# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases that bots share: who may have them touched, and what a record says of them (S1.7, S1.8)."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.plugin_utils._databases import (
    became_of,
    data_loss,
    database_rows,
    shared_databases,
    waiting_for_data,
)
from jinja2 import StrictUndefined

FILLS = {"name": "fills", "host": "db", "root": "/srv/questdb", "backups": "/backup/questdb"}
DB: dict[str, Any] = {}
"""A host without variables of ours."""


def halt(state: str = "stopped", closed: bool = False) -> dict[str, Any]:
    reading = {"id": "stopped", "name": "The process is stopped", "operation": "bot_service", "until_resume": True}
    ok = state == "stopped"
    read = [{**reading, "ok": ok, "message": "" if ok else "it runs", "observed": {"state": state}}]
    return {"stages": [], "steps": [], "safe": {"read": read}, "closed": closed}


def bot(**variables: Any) -> dict[str, Any]:
    return {"botfleet_database": FILLS, "halt_result": halt(), **variables}


def step(name: str, change: Any = None, status: str = "changed") -> dict[str, Any]:
    return {
        "stage": "data",
        "id": name,
        "name": name,
        "operation": f"questdb_{name}",
        "status": status,
        "seconds": 1.0,
        "before": {},
        "after": None,
        "proof": None,
        "change": change,
        "message": f"{name} it",
        "diff": [],
        "touched": bool(change),
    }


def answered(*steps: dict[str, Any], **result: Any) -> dict[str, Any]:
    return {"stages": [], "steps": list(steps), "safe": {"read": []}, **result}


def found(own: dict[str, dict[str, Any]], scope: list[str], **given: bool) -> dict[str, dict[str, Any]]:
    given = {"restore": True, "sliced": False, "check_mode": False, **given}
    return shared_databases(scope, {**own, "db": DB}, list(own), **given)


def test_a_database_is_touched_once_for_all_that_use_it() -> None:
    own = {
        "a": bot(),
        "b": bot(),
        "c": bot(botfleet_database={**FILLS, "name": "ticks", "root": "/srv/ticks"}),
        "d": bot(botfleet_database={}),
    }
    assert found(own, ["a", "b", "c", "d"]) == {
        "fills": {"bots": ["a", "b"], "leader": "a", "host": "db", "refused": ""},
        "ticks": {"bots": ["c"], "leader": "c", "host": "db", "refused": ""},
    }


@pytest.mark.parametrize(
    ("change", "given", "sentence"),
    [
        ({"halt_result": halt("running")}, {}, "b use the database fills and are not proven stopped"),
        ({"halt_result": None}, {}, "b use the database fills and are not proven stopped"),
        ({}, {"sliced": True}, "this job is a slice and does not see all bots that use the database fills"),
    ],
)
def test_what_somebody_may_be_using_is_not_restored(
    change: dict[str, Any], given: dict[str, bool], sentence: str
) -> None:
    own = {"a": bot(), "b": bot(**change)}
    assert sentence in found(own, ["a", "b"], **given)["fills"]["refused"]
    assert found(own, ["a", "b"], restore=False)["fills"]["refused"] == "", "but it is backed up"


def test_a_user_outside_the_scope_keeps_it_from_being_restored() -> None:
    own = {"a": bot(), "z": bot(halt_result=None)}
    assert "z outside the scope use the database fills: widen the scope" in found(own, ["a"])["fills"]["refused"]
    assert found(own, ["a"], restore=False)["fills"]["refused"] == ""


def test_check_mode_stops_nobody_so_nobody_has_to_be_stopped() -> None:
    own = {"a": bot(halt_result=halt("running"))}
    assert found(own, ["a"], check_mode=True)["fills"]["refused"] == ""


@pytest.mark.parametrize(
    ("database", "sentence"),
    [
        ({"name": "fills", "host": "db"}, "botfleet_database fills has no root, backups"),
        ({**FILLS, "host": "elsewhere"}, "is on elsewhere, which is no host of the inventory"),
        ("fills", "botfleet_database without a name has no name, host, root, backups"),
    ],
)
def test_one_that_is_not_described_is_refused(database: Any, sentence: str) -> None:
    (refused,) = (its["refused"] for its in found({"a": bot(botfleet_database=database)}, ["a"]).values())
    assert sentence in refused


def test_bots_that_describe_it_differently_are_named() -> None:
    own = {"a": bot(), "b": bot(botfleet_database={**FILLS, "root": "/elsewhere"})}
    assert "a and b say different things of the database fills (root)" in found(own, ["a", "b"])["fills"]["refused"]


class Untemplatable(dict[str, Any]):
    """Variables of a bot, of which one cannot be templated: at once, or only when it is read through."""

    def __init__(self, deep: bool = False) -> None:
        super().__init__(bot())
        self.deep = deep

    def get(self, name: str, default: Any = None) -> Any:
        if name != "botfleet_database":
            return super().get(name, default)
        if self.deep:
            return {**FILLS, "service": Lazy()}
        raise ValueError("'questdb_root' is undefined")


class Lazy(dict[str, Any]):
    def items(self) -> Any:
        raise ValueError("'questdb_unit' is undefined")


@pytest.mark.parametrize(
    "stranger",
    [
        *(Untemplatable(deep) for deep in (False, True)),
        bot(botfleet_database="{{ questdb }}"),
        bot(botfleet_database=StrictUndefined(name="questdb")),
        bot(botfleet_database={**FILLS, "root": StrictUndefined(name="questdb_root")}),
    ],
)
def test_a_stranger_whose_database_cannot_be_templated_may_be_using_it(stranger: dict[str, Any]) -> None:
    own = {"a": bot(), "z": stranger}
    refused = found(own, ["a"])["fills"]["refused"]
    assert refused.startswith("botfleet_database of z cannot be templated, so nobody knows whether it is fills: mend")
    assert found(own, ["a"], restore=False)["fills"]["refused"] == "", "but it is backed up"


def test_a_bot_whose_database_cannot_be_templated_waits_and_is_named() -> None:
    own: dict[str, Any] = {"a": Untemplatable()}
    databases = found(own, ["a"])
    (refused,) = (its["refused"] for its in databases.values())
    assert refused == "botfleet_database of a cannot be templated: mend it in the inventory"
    own["a"].update(data_databases=databases, data_result={"failed": True, "msg": "a conditional could not be read"})
    assert waiting_for_data(["a"], own)["a"].endswith(refused)


def test_one_database_under_two_names_is_refused() -> None:
    own = {"a": bot(), "b": bot(botfleet_database={**FILLS, "name": "ticks", "root": "/srv//questdb/"})}
    sentence = "are the same database, /srv"
    for scope in (["a", "b"], ["a"], ["b"]):
        for its in found(own, scope, restore=False).values():
            assert sentence in its["refused"] and "fills" in its["refused"] and "ticks" in its["refused"]


def test_nothing_is_touched_when_the_rollback_of_each_bot_is_over() -> None:
    over = {"halt_result": halt(closed=True)}  # as it was stored when it was stopped
    assert found({"a": bot(**over)}, ["a"]) == {}
    own = {"a": bot(**over), "b": bot()}
    assert "a use the database fills and may run again" in found(own, ["a", "b"])["fills"]["refused"]
    assert found(own, ["a", "b"], restore=False)["fills"]["refused"] == "", "but it is backed up"


def after(result: Any, **given: bool) -> dict[str, dict[str, Any]]:
    own = {"a": bot(), "b": bot()}
    databases = found(own, ["a", "b"], **given)
    own["a"]["data_result"] = result
    return {name: {**variables, "data_databases": databases} for name, variables in own.items()}


RESTORED: dict[str, Any] = {
    "backup": "/backup/questdb/nightly",
    "rows_discarded": {"fills": 12, "orders": 0},
    "data_loss": True,
    "safety_copy": "/srv/questdb/botfleet/safety/rb-1",
    "downtime": 2.34,
}


def test_a_record_says_what_was_lost_and_where_it_is() -> None:
    own = after(
        answered(step("backup", {"path": "/backup/questdb/rb-1", "bytes": 2_500_000}), step("restore", RESTORED))
    )
    (row,) = database_rows(["a", "b"], own, {}, 0.0)
    assert data_loss([row]) is True
    assert (row["bots"], row["failure"]) == (["a", "b"], None)
    kept, restored = became_of(row)
    assert kept == "backed up as it was to /backup/questdb/rb-1 (2.5 MB)"
    assert restored.startswith("restored from /backup/questdb/nightly, down for 2.3 s: rows left it (12 of fills), ")
    assert restored.endswith(f"in its safety copy {RESTORED['safety_copy']}")
    assert waiting_for_data(["a", "b"], own) == {}


def test_no_loss_is_said_only_where_rows_were_counted() -> None:
    own = after(answered(step("restore", {**RESTORED, "rows_discarded": {"fills": 0}, "data_loss": False})))
    rows = database_rows(["a", "b"], own, {}, 0.0)
    assert data_loss(rows) is False
    assert "no row was lost" in became_of(rows[0])[0]
    own = after(answered(step("backup", {"path": "/b", "bytes": 1})))
    assert data_loss(database_rows(["a", "b"], own, {}, 0.0)) is None
    assert data_loss([]) is None


def test_what_left_and_was_not_counted_is_not_called_nothing() -> None:
    uncounted = {**RESTORED, "rows_discarded": {}, "changed_tables": ["fills"]}
    (row,) = database_rows(["a", "b"], after(answered(step("restore", uncounted))), {}, 0.0)
    assert became_of(row)[0].endswith(
        f"what left it no count shows; it is in its safety copy {RESTORED['safety_copy']}"
    )


def test_a_run_that_found_all_done_does_not_forget_what_an_earlier_one_did() -> None:
    made = {"path": "/backup/questdb/rb-1", "bytes": 2_500_000}
    first = database_rows(["a", "b"], after(answered(step("backup", made), step("restore", RESTORED))), {}, 0.0)
    again = after(answered(step("restore", None, "unchanged")))
    (row,) = database_rows(["a", "b"], again, {row["name"]: row for row in first}, 0.0)
    assert {**row, "steps": None} == {**first[0], "steps": None}
    assert data_loss([row]) is True


@pytest.mark.parametrize(
    ("result", "sentence"),
    [
        (
            answered(step("restore", None, "failed"), failed=True, msg="restore it: 12 rows are newer"),
            "12 rows are newer",
        ),
        ({"unreachable": True, "msg": "no route"}, "unreachable: no route"),
        (None, "was not reached"),
    ],
)
def test_the_bots_of_a_database_that_failed_wait(result: Any, sentence: str) -> None:
    own = after(result)
    waiting = waiting_for_data(["a", "b"], own)
    assert set(waiting) == {"a", "b"} and sentence in waiting["b"]
    (row,) = database_rows(["a", "b"], own, {}, 0.0)
    assert sentence in row["failure"] and row["data_loss"] is None and row["restored"] is None


def test_rows_that_left_are_named_also_where_the_restore_was_not_proven() -> None:
    """S1.7: the restore was carried out, and what it discarded is in its safety copy."""
    own = after(answered(step("restore", RESTORED, "failed"), failed=True, msg="restore it: it does not answer"))
    (row,) = database_rows(["a"], own, {}, 0.0)
    assert row["safety_copy"] == RESTORED["safety_copy"] and data_loss([row]) is True
    assert row["rows_discarded"] == {"fills": 12, "orders": 0} and "does not answer" in row["failure"]


def test_check_mode_says_what_would_be_done() -> None:
    (row,) = database_rows(["a"], after(answered(step("restore")), check_mode=True), {}, 0.0)
    assert became_of(row) == ["would restore it"]


def test_an_earlier_run_is_remembered() -> None:
    (row,) = database_rows(["a"], after(answered(step("restore", RESTORED))), {}, 0.0)
    assert database_rows(["a"], {"a": bot()}, {"fills": row}, 0.0) == [row]


def test_a_record_says_when_a_database_was_worked_on() -> None:
    stage = {"name": "data", "status": "ok", "seconds": 40.0, "budget": 120.0, "over_budget": False, "message": ""}
    result = answered(
        step("restore", RESTORED),
        stages=[{**stage, "began": 1.0}],
        seconds=42.0,
        controller_times={"sent": 105.0, "received": 150.0},
    )
    (row,) = database_rows(["a", "b"], after(result), {}, 100.0)
    assert row["transactions"] == [{"stages": ["data"], "sent_after_seconds": 5.0, "received_after_seconds": 50.0}]
    assert row["stages"] == [{**stage, "started_after_seconds": 9.0}]
    (stored,) = database_rows(["a", "b"], after({**result, "stored": True}), {"fills": row}, 100.0)
    assert (stored["transactions"], stored["stages"]) == (row["transactions"], row["stages"])
