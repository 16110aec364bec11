# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the files of a real QuestDB are what its tables refer to, for every type and whatever was done to a table."""

from __future__ import annotations

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.copied import as_copied
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.intact import wrong_partitions
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.tables import Table, read_tables
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.tree import FileEntry, hash_tree

from tests.peers.questdb import QuestDB, questdb_serving

TYPES = (
    "boolean, byte, short, char, int, long, date, timestamp, timestamp_ns, float, double, string, symbol, long256, "
    "geohash(1c), geohash(3c), geohash(6c), geohash(12c), binary, uuid, long128, ipv4, varchar, double[], "
    "decimal(18, 3)"
)


@pytest.fixture(name="altered", scope="module")
def _altered(_needed: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[QuestDB, dict[str, Table]]:
    """Stopped, with tables to which much was done."""
    root = tmp_path_factory.mktemp("altered") / "root"
    kinds = TYPES.replace("(18, 3)", "(18;3)").split(", ")
    columns = ", ".join(f"c{number} {kind.replace(';', ',')}" for number, kind in enumerate(kinds))
    with questdb_serving(root) as server:
        server.sql(f"create table types (ts timestamp, {columns}) timestamp(ts) partition by day wal")
        server.sql(
            "insert into types (ts, c4) select timestamp_sequence('2026-01-01', 3600000000), 1 from long_sequence(50)"
        )
        server.wait_for_rows("types", 50)
        server.fill("grown", 3000)
        server.sql("alter table grown add column fee double")
        server.add("grown", 3000, first="2026-01-03T02:00")
        server.sql(
            "alter table grown drop column note",
            "alter table grown alter column amount type double",
            "update grown set price = price + 1 where ts < '2026-01-02'",
            "alter table grown rename column side to way",
        )
        server.sql(
            "insert into grown select timestamp_sequence('2026-01-02T12:00:30', 60000000), 'BTC', 'buy', 1, 2, 3 "
            "from long_sequence(100)"
        )
        server.wait_for_rows("grown", 6100)
        server.sql("alter table grown convert partition to parquet where ts in '2026-01-01'")
        server.sql("create table single (a int, b varchar)", "insert into single values (1, 'x')")
        server.wait_for_wal()
        tables = read_tables(server.client, str(server.root / "db"))
        server.stop()
    return server, tables


def files_of(server: QuestDB) -> dict[str, FileEntry]:
    return {f"db/{path}": entry for path, entry in hash_tree(str(server.root / "db")).items()}


def test_what_is_whole_is_called_so(altered: tuple[QuestDB, dict[str, Table]]) -> None:
    server, tables = altered
    assert as_copied(tables, str(server.root), "cold") == tables
    assert wrong_partitions(tables, files_of(server), str(server.root), "cold") == []


def test_each_file_of_a_column_is_missed(altered: tuple[QuestDB, dict[str, Table]]) -> None:
    """Of each partition that counts: without it, or with one byte less than its rows need."""
    server, tables = altered
    files = files_of(server)
    needed = 0
    for name, table in tables.items():
        for path in sorted(files):
            parts = path.split("/")
            if len(parts) != 4 or parts[1] != table.directory or parts[2].startswith(("wal", "txn_seq")):
                continue
            without = {other: entry for other, entry in files.items() if other != path}
            wrong = wrong_partitions({name: table}, without, str(server.root), "cold")
            if wrong:
                assert wrong == [f"{parts[2]}/{parts[3]} is missing in {name}"]
                needed += 1
    assert needed > 100


def test_a_partition_that_is_gone_is_missed(altered: tuple[QuestDB, dict[str, Table]]) -> None:
    server, tables = altered
    gone = {path: entry for path, entry in files_of(server).items() if "/2026-01-02" not in path}
    wrong = wrong_partitions(tables, gone, str(server.root), "cold")
    assert [phrase.split()[-1] for phrase in wrong] == ["grown", "types"]
    assert all("partition 2026-01-02" in phrase for phrase in wrong)
