# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read of a real QuestDB and of its backups (S1.8)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import Context
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.info import OPTIONS, read

from tests.peers.questdb import QuestDB
from tests.unit.plugins.module_utils._operations.backed_up_questdb import Backups


def info(server: QuestDB, **given: Any) -> dict[str, Any]:
    options = {name: spec.get("default") for name, spec in OPTIONS.items()}
    return read({**options, "root": str(server.root), "url": server.access.url, **given}, Context())


def test_s1_8_a_server_its_tables_and_its_backups_are_read(shared: QuestDB, tmp_path: Path) -> None:
    shared.fill("told", 100, more="dedup upsert keys(ts)")
    backups = Backups(shared, tmp_path / "backups")
    backups.made("first")
    backups.made("second")
    (backups.dest / "half").mkdir()
    column = next((backups.dest / "second").glob("db/told~*/2026-01-01*/price.d"))
    column.write_bytes(b"x" + column.read_bytes()[1:])
    found = info(shared, backups=str(backups.dest), verify_backups=True)
    assert (found["is_running"], found["version"], found["problem"]) == (True, "9.3.4", None)
    told = found["tables"]["told"]
    assert (told["rows"], told["kind"], told["dedup"], told["partitions"]) == (100, "table", True, 1)
    assert {"table": "told", "suspended": False, "behind": 0, "error": None} in found["wal"]
    assert found["checkpoint"] == {"open": False, "since": None, "age": None}
    assert (found["trigger"], found["marker"], found["safety_copies"]) == (False, None, [])
    assert found["interrupted"] == {"restore": None, "backup": None, "process": None}
    by_id = {backup["id"]: backup for backup in found["backups"]}
    assert list(by_id) == ["second", "first", "half"] or list(by_id) == ["first", "second", "half"]
    assert (by_id["first"]["whole"], by_id["first"]["own"], by_id["first"]["tables"]["told"]) == (True, True, 100)
    assert (by_id["second"]["whole"], by_id["half"]["whole"]) == (False, False)
    assert by_id["second"]["wrong"] == [f"{column.relative_to(backups.dest / 'second')} has another content"]
    unverified = info(shared, backups=str(backups.dest))
    assert sorted(str(backup["whole"]) for backup in unverified["backups"]) == ["False", "None", "None"]


def test_an_open_checkpoint_and_a_suspended_table_are_told(shared: QuestDB) -> None:
    shared.fill("halted", 10)
    shared.sql("alter table halted suspend wal", "checkpoint create")
    try:
        found = info(shared)
    finally:
        shared.sql("alter table halted resume wal", "checkpoint release")
    assert found["checkpoint"]["open"] and found["checkpoint"]["age"] >= 0
    assert [entry["table"] for entry in found["wal"] if entry["suspended"]] == ["halted"]
    assert found["checkpoint_files"] and found["backups"] is None


def test_of_a_server_that_is_down_the_disk_is_read(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "db").mkdir(parents=True)
    (root / "_restore").touch()
    found = info(QuestDB(root), backups=str(tmp_path / "none"))
    assert (found["is_running"], found["tables"], found["trigger"], found["backups"]) == (False, None, True, [])
    assert found["problem"] == f"no server has {root} open"


def test_a_server_that_refuses_is_told(shared: QuestDB) -> None:
    found = info(shared, url="http://127.0.0.1:9", password="CANARY", username="admin")
    assert found["is_running"] and found["version"] is None
    assert "cannot be reached" in found["problem"] and "CANARY" not in repr(found)
