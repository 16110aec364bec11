# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of a real QuestDB, read."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import OperationError
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.copied import as_copied
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.intact import wrong_partitions
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.tables import (
    fingerprint,
    partition_of,
    read_tables,
    touch_columns,
    wait_for_wal,
)
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.tree import hash_tree

from tests.peers.questdb import QuestDB, questdb_serving


def test_each_kind_of_table_is_read(shared: QuestDB) -> None:
    shared.fill("read one", 3000, more="dedup upsert keys(ts, symbol)")
    shared.sql(
        "create table plain (a int, b string)",
        "insert into plain values (1, 'x')",
        "create table weekly (ts timestamp, a int) timestamp(ts) partition by week bypass wal",
        "insert into weekly values ('2025-12-31', 1), ('2026-01-02', 2), ('2026-01-09', 3)",
        "create table fine (ts timestamp_ns, a int) timestamp(ts) partition by hour wal",
        "insert into fine values ('2026-01-02T03:04:05.123456789Z', 1)",
        "create materialized view hourly as (select ts, count() n from 'read one' sample by 1h) partition by month",
        "create view seen as (select * from plain)",
    )
    shared.wait_for_rows("fine", 1)
    shared.wait_for_rows("hourly", 50)
    tables = read_tables(shared.client)
    one = tables["read one"]
    assert (one.rows, one.wal, one.dedup, one.timestamp, one.partition_by) == (3000, True, True, "ts", "DAY")
    assert (one.first, one.last) == ("2026-01-01T00:00:00.000000Z", "2026-01-03T01:59:00.000000Z")
    assert one.partitions == [["2026-01-01", 1440], ["2026-01-02", 1440], ["2026-01-03", 120]]
    assert one.columns[:2] == [["ts", "TIMESTAMP"], ["symbol", "SYMBOL"]]
    assert one.ddl.startswith("CREATE TABLE") and "DEDUP" in one.ddl
    assert (shared.root / "db" / one.directory).is_dir()
    plain, weekly, fine = tables["plain"], tables["weekly"], tables["fine"]
    assert (plain.rows, plain.first, plain.wal, plain.seq_txn, plain.partitions) == (
        1,
        None,
        False,
        None,
        [["default", 1]],
    )
    assert weekly.partitions == [["2026-W01", 2], ["2026-W02", 1]]
    assert (fine.rows, fine.first) == (1, "2026-01-02T03:04:05.123456789Z")
    assert fine.partitions == [["2026-01-02T03", 1]]
    assert (tables["hourly"].kind, tables["hourly"].rows) == ("materialized view", 50)
    assert (tables["seen"].kind, tables["seen"].rows) == ("view", 0)
    for table in tables.values():
        touch_columns(shared.client, table)
    before = fingerprint(tables)
    shared.sql("insert into plain values (2, 'y')")
    assert before == fingerprint(tables) != fingerprint(read_tables(shared.client))


def test_a_table_that_keeps_its_wal_back_is_named(shared: QuestDB) -> None:
    shared.fill("kept back", 10)
    wait_for_wal(shared.client, lambda: 0)
    shared.sql("alter table 'kept back' suspend wal")
    with pytest.raises(OperationError, match=r"table kept back is suspended at transaction 1 of 1 .*resume it by hand"):
        wait_for_wal(shared.client, lambda: 0)
    shared.sql("alter table 'kept back' resume wal")
    started = time.monotonic()
    wait_for_wal(shared.client, lambda: 20 - (time.monotonic() - started))


@pytest.mark.usefixtures("_needed")
def test_a_partition_that_is_split_on_disk_is_one(tmp_path: Path) -> None:
    with questdb_serving(tmp_path / "root", cairo_o3_partition_split_min_size="1024") as server:
        server.fill("split", 3000)
        server.add("split", 10, first="2026-01-03T01:50:30")
        split = [row[2] for row in server.sql("table_partitions('split')")]
        assert len([name for name in split if name.startswith("2026-01-03")]) > 1
        table = read_tables(server.client)["split"]
        assert table.partitions == [["2026-01-01", 1440], ["2026-01-02", 1440], ["2026-01-03", 130]]
        server.stop()
        copied = as_copied({"split": table}, str(server.root), "cold")
        assert copied == {"split": table}
        files = {f"db/{path}": entry for path, entry in hash_tree(str(server.root / "db")).items()}
        assert wrong_partitions(copied, files, str(server.root), "cold") == []


@pytest.mark.parametrize(
    ("partition_by", "name"),
    [
        ("YEAR", "2024"),
        ("MONTH", "2024-12"),
        ("WEEK", "2025-W01"),
        ("DAY", "2024-12-30"),
        ("HOUR", "2024-12-30T23"),
        ("NONE", "default"),
    ],
)
def test_a_partition_is_named_as_it_was_asked_for(partition_by: str, name: str) -> None:
    assert partition_of(partition_by, "2024-12-30T23:59:59.000000Z") == name
