# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two servers on one host, made by the same DDL: whoever names one and asks the other is told so (S1.7, S2.3)."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import Context, OperationError, carry_out
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations.questdb_backup import QuestdbBackup
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations.questdb_restore import QuestdbRestore
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations.questdb_rows import QuestdbRows
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb import checkpoint, info
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.instance import Instance
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.safety import REPLACED, Safety, write_safety
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.serves import check_serves
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.tables import read_tables

from tests.peers.questdb import QuestDB, questdb_serving

HISTORY = "has another history of table fills, so .* is another server"


@pytest.fixture(name="alike", scope="module")
def _alike(_needed: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[QuestDB, QuestDB]]:
    place = tmp_path_factory.mktemp("alike")
    with questdb_serving(place / "one") as one, questdb_serving(place / "other") as other:
        for server in (one, other):
            server.sql("create table orders (v int)")  # without WAL, so that nothing tells its history
            server.sql("insert into orders select x from long_sequence(5)")
        yield one, other


@pytest.fixture(name="with_history")
def _with_history(alike: tuple[QuestDB, QuestDB]) -> Iterator[tuple[QuestDB, QuestDB]]:
    for server in alike:
        server.fill("fills", 10)
    assert len({read_tables(server.client)["fills"].directory for server in alike}) == 1
    yield alike
    for server in alike:
        server.sql("drop table fills")


def test_the_last_transaction_of_a_table_tells_its_server(with_history: tuple[QuestDB, QuestDB]) -> None:
    one, other = with_history
    for server in with_history:
        check_serves(server.client, Instance(str(server.root)))
        server.add("fills", 3, first="2026-03-01")
        check_serves(server.client, Instance(str(server.root)))
    with pytest.raises(OperationError, match=HISTORY):
        check_serves(one.client, Instance(str(other.root)))


def test_a_backup_and_a_restore_refuse_the_other_one(with_history: tuple[QuestDB, QuestDB], tmp_path: Path) -> None:
    one, other = with_history
    backup = {"dest": str(tmp_path), "name": "b", "mode": "checkpoint"}
    refused = carry_out(QuestdbBackup(_options(QuestdbBackup, other, one, **backup), Context()))
    assert refused.status == "failed" and "is another server" in refused.message
    taken = carry_out(QuestdbBackup(_options(QuestdbBackup, other, other, **backup), Context()))
    assert taken.status == "changed", taken.message
    service = {"name": "db", "manager": "process", "chdir": str(other.root), "command": other.command}
    restore = {"backup": str(tmp_path / "b"), "service": service, "allow_discard": True}
    refused = carry_out(QuestdbRestore(_options(QuestdbRestore, other, one, **restore), Context(check_mode=True)))
    assert refused.status == "failed" and "is another server" in refused.message


def test_what_is_read_of_the_other_one_is_not_shown_as_of_this_one(with_history: tuple[QuestDB, QuestDB]) -> None:
    one, other = with_history
    defaults = {name: spec.get("default") for name, spec in info.OPTIONS.items()}
    found = info.read({**defaults, "root": str(other.root), "url": one.access.url}, Context())
    assert found["tables"] is None and re.search(HISTORY, found["problem"])


def test_a_checkpoint_must_be_made_where_the_data_is_whatever_lies_there(alike: tuple[QuestDB, QuestDB]) -> None:
    one, other = alike
    instance = Instance(str(other.root))
    check_serves(one.client, instance)  # which finds nothing to tell them apart
    stale = other.root / ".checkpoint" / "db"
    stale.mkdir(parents=True, exist_ok=True)
    (other.root / "botfleet").mkdir(exist_ok=True)
    try:
        made = checkpoint.checkpoint(one.client, instance, "b", 30.0)
        with pytest.raises(OperationError, match="has made no checkpoint below"), made:
            pytest.fail("the other's old checkpoint was taken for a new one")
        assert checkpoint.open_since(one.client) is None
        with checkpoint.checkpoint(other.client, instance, "b", 30.0):
            assert (stale / "orders").is_dir()
    finally:
        shutil.rmtree(other.root / "botfleet")


def test_no_row_is_written_to_the_other_one(alike: tuple[QuestDB, QuestDB]) -> None:
    one, other = alike
    path = other.root / "botfleet" / "safety" / "copy"
    tables = read_tables(other.client)
    write_safety(
        Safety("copy", str(path), "2026-01-05T03:15:00Z", REPLACED, "b", "9.3.4", tables, {}, True),
        Instance(str(other.root)).owner(),
    )
    shutil.copytree(other.root / "db", path / "db")
    one.sql("truncate table orders")
    before = one.sql("select table_name from tables()")
    options = _options(QuestdbRows, other, one, safety_copy="latest", tables=[])
    refused = carry_out(QuestdbRows(options, Context()))
    assert refused.status == "failed" and f"keeps its data elsewhere than in {other.root}/db" in refused.message
    assert one.sql("select count() from orders") == [[0]]
    assert one.sql("select table_name from tables()") == before


def _options(operation: Any, server: QuestDB, asked: QuestDB, **options: Any) -> dict[str, Any]:
    """Of one server the root, and of another the url."""
    defaults = {name: spec.get("default") for name, spec in operation.OPTIONS.items()}
    return {**defaults, "root": str(server.root), "url": asked.access.url, **options}
