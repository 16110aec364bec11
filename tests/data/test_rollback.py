# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases in a rollback: backed up when data is at risk (S1.8), restored when that is asked for (S1.7)."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._process import all_processes
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.backup import SPARE
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.instance import Instance
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.safety import REPLACED, Safety, write_safety
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.tables import read_tables

from tests.peers.missing import skip
from tests.peers.questdb import lacking
from tests.playbooks.conftest import ROOT

from .check import TABLE, Traded, trading

COUNTED = r"rows written (\d+), rows found (\d+), rows lost (\d+)"


@pytest.fixture(scope="module", autouse=True)
def _needed() -> None:
    if reason := lacking():
        skip(reason)


@pytest.fixture(scope="module")
def traded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traded]:
    """With 1000 fills, a backup of these, and 200 more. Each test leaves the bots stopped or restored."""
    with trading(tmp_path_factory.mktemp("data")) as made:
        made.server.fill(TABLE, 1000)
        made.back_up("nightly")
        made.server.add(TABLE, 200, first="2026-01-02")
        yield made


def rows(traded: Traded) -> int:
    counted: int = traded.server.sql(f"select count() from {TABLE}")[0][0]
    return counted


def names(place: Path) -> list[str]:
    """What is in a directory, hidden or not; nothing if it is not there."""
    return sorted(os.listdir(place)) if place.is_dir() else []


def left_alone(traded: Traded) -> dict[str, Any]:
    """What a backup that failed must not have changed: the server and its rows, no checkpoint, the backups."""
    root = str(traded.server.root)
    return {
        "server": [pid for pid, process in all_processes().items() if root in process.command],
        "rows": rows(traded),
        "checkpoint": traded.server.sql("select in_progress from checkpoint_status()"),
        "backups": names(Path(traded.database["backups"])),
    }


def test_s1_7_deploy_trade_deploy_badly_restore_and_find_every_row(tmp_path: Path) -> None:
    """S1.7, S2.15: no row is lost, though the restore put them aside first; ``make data-check`` says so at its end."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.data.check"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / ".cache" / "collections"), "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.fullmatch(COUNTED, done.stdout.splitlines()[-1])
    assert found, done.stdout
    written, there, lost = map(int, found.groups())
    assert written > 6000 and there == written and lost == 0, done.stdout
    assert names(tmp_path) == [], "it leaves nothing"


def test_s1_7_nothing_is_restored_unless_it_is_asked_for(traded: Traded) -> None:
    traded.fleet.up()
    run = traded.rollback()
    assert run.code == 0, run.output
    assert run.record["databases"] == [] and run.record["data_loss"] is None and rows(traded) == 1200


def test_s1_8_a_database_at_risk_is_backed_up_once_for_its_bots(traded: Traded) -> None:
    traded.fleet.up()
    run = traded.rollback(data_at_risk=True)
    assert run.code == 0, run.output
    (row,) = run.record["databases"]
    assert row["bots"] == traded.users and row["backup"].endswith(run.record["rollback_id"])
    manifest = json.loads((Path(row["backup"]) / "manifest.json").read_text())
    assert manifest["tables"][TABLE]["rows"] == 1200
    assert run.record["data_loss"] is None and rows(traded) == 1200


def test_s1_8_a_backup_that_does_not_fit_into_the_budget(traded: Traded) -> None:
    """S1.8: its bots stay stopped and safe, nothing half is left, and the same id with more time goes on from there."""
    traded.fleet.up()
    before = left_alone(traded)
    late = traded.rollback(data_at_risk=True, data_budget=SPARE)  # which it keeps to tidy up: nothing fits
    assert late.code == 2 and set(late.states().values()) == {"safe"}, late.output
    assert left_alone(traded) == before
    (row,) = late.record["databases"]
    said = "Back the database up as it is, within data_budget: copy .checkpoint did not fit into the step's time limit"
    assert row["failure"] == f"{said}: raise it" and row["backup"] is None
    for bot in late.record["bots"]:
        assert bot["failure"] == f"its database {TABLE} is not as it should be: {row['failure']}"
        assert bot["process"] == "stopped" and traded.fleet.page(bot["name"]) is None
    done = traded.rollback(data_at_risk=True, rollback_id=late.record["rollback_id"])
    assert done.code == 0 and set(done.states().values()) == {"restored"}, done.output
    (row,) = done.record["databases"]
    assert names(Path(traded.database["backups"])) == sorted([*before["backups"], late.record["rollback_id"]])
    assert json.loads((Path(row["backup"]) / "manifest.json").read_text())["tables"][TABLE]["rows"] == before["rows"]


def test_s1_7_a_restore_is_not_begun_without_time_for_its_way_back(traded: Traded) -> None:
    """S1.7: the database is not even stopped."""
    traded.fleet.up()
    before = left_alone(traded)
    run = traded.rollback(database=True, database_backup="nightly", allow_discard=True, data_budget=60)
    assert run.code == 2 and set(run.states().values()) == {"safe"}, run.output
    (row,) = run.record["databases"]
    assert row["failure"].startswith("Restore the database, within data_budget: ")
    assert "is not gone on with in less than 180 s: raise the time limit" in row["failure"]
    assert left_alone(traded) == before and row["restored"] is None


def test_s1_8_room_is_asked_for_before_a_backup_is_begun(traded: Traded, monkeypatch: pytest.MonkeyPatch) -> None:
    """S1.8: what is free, what the copy takes and what must be left are named, and nothing was touched for it."""
    for bot in traded.users:
        monkeypatch.setitem(traded.fleet.overrides[bot], "botfleet_database", {**traded.database, "min_free": "900T"})
    traded.fleet.up()
    before = left_alone(traded), names(traded.server.root / "botfleet")
    run = traded.rollback(data_at_risk=True)
    assert run.code == 2 and set(run.states().values()) == {"safe"}, run.output
    (row,) = run.record["databases"]
    figures = r"has [\d.]+ [GT]iB free, a copy of \S+ takes [\d.]+ [KM]iB, and 900\.0 TiB must be left"
    assert re.search(f"{figures}: make room, or lower min_free$", row["failure"]), row["failure"]
    assert (left_alone(traded), names(traded.server.root / "botfleet")) == before and row["backup"] is None


def test_s1_7_rows_that_the_backup_has_not_are_not_discarded_unasked(traded: Traded) -> None:
    """The bots stay stopped; the same id with the permission goes on from there."""
    traded.fleet.up()
    refused = traded.rollback(database=True, database_backup="nightly")
    assert refused.code == 2, refused.output
    assert set(refused.states().values()) == {"safe"}
    failures = {bot["failure"] for bot in refused.record["bots"]}
    assert all("its database fills is not as it should be" in failure and "200" in failure for failure in failures)
    assert rows(traded) == 1200
    done = traded.rollback(
        database=True, database_backup="nightly", allow_discard=True, rollback_id=refused.record["rollback_id"]
    )
    assert done.code == 0, done.output
    (row,) = done.record["databases"]
    assert (row["rows_discarded"], row["data_loss"], rows(traded)) == ({TABLE: 200}, True, 1000)
    assert Path(row["safety_copy"], "db").is_dir() and row["safety_copy"] in done.output
    traded.return_rows(row["safety_copy"])
    assert rows(traded) == 1200


def test_s1_7_the_latest_backup_is_never_its_own_of_the_bad_state(traded: Traded) -> None:
    """Run again, the same id decides later than its first run has taken that one."""
    traded.fleet.up()
    for backup in Path(traded.database["backups"]).iterdir():
        if backup.name != "nightly":
            shutil.rmtree(backup)
    first = traded.rollback(database=True, data_at_risk=True)
    (row,) = first.record["databases"]
    assert first.code == 2 and Path(row["backup"]).is_dir() and "200" in row["failure"], first.output
    again = traded.rollback(database=True, data_at_risk=True, rollback_id=first.record["rollback_id"])
    (same,) = again.record["databases"]
    assert again.code == 2 and "200" in same["failure"] and same["restored"] is None, again.output
    assert same["backup"] == row["backup"] and rows(traded) == 1200


def test_s1_7_rows_whose_keys_are_taken_are_not_said_to_be_there(traded: Traded) -> None:
    server, path = traded.server, traded.server.root / "botfleet" / "safety" / "by-hand"
    server.fill("book", 3, more="dedup upsert keys(ts)")
    tables, owner = read_tables(server.client), Instance(str(server.root)).owner()
    write_safety(Safety(path.name, str(path), "2026-01-05T03:15:00Z", REPLACED, "b", None, tables, {}, True), owner)
    subprocess.run(["cp", "-a", "--sparse=always", str(server.root / "db"), str(path)], check=True)
    server.sql("update book set amount = -1")
    server.wait_for_wal()
    said = " ".join(traded.return_rows(str(path), "book").split())
    shutil.rmtree(path)
    server.sql("drop table book")
    assert "no row was missing; rows that stay out, since others have their DEDUP keys: 3" in said


def test_s1_7_a_database_that_somebody_may_use_is_left_alone(traded: Traded) -> None:
    traded.fleet.up()
    run = traded.rollback(scope=traded.users[0], database=True, database_backup="nightly", allow_discard=True)
    assert run.code == 2 and run.states() == {traded.users[0]: "safe"}, run.output
    assert f"{traded.users[1]} outside the scope use the database {TABLE}" in run.bot(traded.users[0])["failure"]
    assert rows(traded) == 1200


def test_check_mode_says_what_would_leave_the_database(traded: Traded) -> None:
    traded.fleet.up()
    before = traded.fleet.fingerprint()
    run = traded.rollback("--check", "--diff", database=True, database_backup="nightly", allow_discard=True)
    assert run.code == 0, run.output
    (row,) = run.record["databases"]
    assert row["restored"] is None and row["failure"] is None and "200" in json.dumps(row["steps"])
    assert rows(traded) == 1200 and traded.fleet.fingerprint() == before
