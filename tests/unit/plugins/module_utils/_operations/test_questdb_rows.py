# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows come back into a real QuestDB from what a restore replaced: each once, and the same to the bit (S1.7, S2.3)."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import (
    Context,
    NotUndone,
    OperationError,
    Outcome,
    carry_out,
)
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations.questdb_rows import QuestdbRows
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb import client as questdb_client
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb import compared, landing, rows
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.carried import reading
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.client import Unreachable
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.compared import Reader
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.instance import Instance
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.safety import REPLACED, Safety, write_safety
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.tables import read_tables, wait_for_wal
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.tree import hash_tree

from tests.peers.missing import skip
from tests.peers.questdb import QuestDB, lacking, questdb_serving

PASSWORD = "CANARY-questdb-password"
EVERY_TYPE = """
    ts timestamp, bo boolean, by byte, sh short, ch char, i int, l long, d date, t2 timestamp, tn timestamp_ns, f float,
    dd double, s string, sy symbol, l256 long256, g1 geohash(3b), g2 geohash(4c), g3 geohash(31b), g4 geohash(12c),
    b binary, u uuid, ip ipv4, v varchar, a1 double[], a2 double[][], d1 decimal(2,1), d2 decimal(4,1), d3 decimal(9,2),
    d4 decimal(18,3), d5 decimal(38,10), d6 decimal(76,20)
"""
RANDOM = """
    rnd_boolean(), rnd_byte(), rnd_short(), rnd_char(), rnd_int(-1000000000, 1000000000, 2),
    rnd_long(-4000000000000000000, 4000000000000000000, 2), rnd_date(to_date('1960', 'yyyy'), to_date('2040',
    'yyyy'), 2), rnd_timestamp(to_timestamp('1960', 'yyyy'), to_timestamp('2040', 'yyyy'), 2),
    rnd_timestamp_ns(to_timestamp_ns('1970', 'yyyy'), to_timestamp_ns('2040', 'yyyy'), 2), rnd_float(2) * 1e10,
    (rnd_double(2) - 0.5) * power(10.0, rnd_int(-300, 300, 0)), rnd_str(1, 5, 2), rnd_symbol('a', 'b', null, ''),
    rnd_long256(), rnd_geohash(3), rnd_geohash(20), rnd_geohash(31), rnd_geohash(60), rnd_bin(1, 40, 2),
    rnd_uuid4(), rnd_ipv4(), rnd_varchar(1, 30, 2), rnd_double_array(1, 2, 0, 4), rnd_double_array(2, 2, 0, 3, 2),
    rnd_decimal(2, 1, 2), rnd_decimal(4, 1, 2), rnd_decimal(9, 2, 2), rnd_decimal(18, 3, 2), rnd_decimal(38, 10, 2),
    rnd_decimal(76, 20, 2)
"""
ODD_ROWS = [
    "(ts) values ('2026-01-05')",
    "(ts) values ('2026-01-05')",
    "(ts, dd, f, s, v, sy, ch) values ('2026-01-05', 'Infinity', '-Infinity', '', '', '', '')",
    "(ts, dd, f, by, sh) values ('2026-01-05', -0.0, -0.0, -128, -32768)",
    "(ts, dd, l, i) values ('2026-01-05', 4.9E-324, 9223372036854775807, -2147483647)",
    "(ts, dd) values ('2026-01-05', 1.7976931348623157E308)",
    "(ts, s, v, sy, ch) values ('2026-01-05', 'a\"b,c''\n\t\\', ' ä€😀\r\n', '\"', '''')",
    "(ts, s, v, sy) values ('2026-01-05', 'a\0b', 'null', 'NULL')",
    "(ts, b, a1, a2) select '2026-01-05', from_base64(''), '[]'::double[], '[]'::double[][] from long_sequence(1)",
    "(ts, a1, a2) values ('2026-01-05', ARRAY[1.0, null, -0.0, 1e308, -1e-200], ARRAY[[0.49511713945706326], [-1e22]])",
]


class Site:
    """A live server, and safety copies of what it held."""

    def __init__(self, server: QuestDB) -> None:
        self.server = server
        self.root = server.root
        self.taken = 0

    def arrive(self) -> None:
        limit = time.monotonic() + 60
        wait_for_wal(self.server.client, lambda: limit - time.monotonic())

    def sql(self, *statements: str) -> list[list[Any]]:
        """Carry them out, and wait until what they wrote has arrived."""
        found: list[list[Any]] = []
        for statement in statements:
            found = self.server.sql(statement)
            self.arrive()
        return found

    def rows(self, table: str) -> Counter[tuple[Any, ...]]:
        """All rows, as they can be told apart."""
        columns = read_tables(self.server.client)[table].columns
        reader = Reader(self.server.client.access)
        return Counter(reader.rows(f"select {reading(columns)} from '{table}'", table))

    def keep(self) -> Path:
        """A safety copy of what is there now."""
        self.taken += 1
        path = self.root / "botfleet" / "safety" / f"copy{self.taken}"
        tables = read_tables(self.server.client)
        safety = Safety(
            path.name, str(path), f"2026-01-05T03:15:{self.taken:02}Z", REPLACED, "b", "9.3.4", tables, {}, True
        )
        write_safety(safety, Instance(str(self.root)).owner())
        copy = ["cp", "-a", "--sparse=always", str(self.root / "db"), str(path)]
        for _attempt in range(10):
            if subprocess.run(copy, check=False).returncode == 0:
                return path
            shutil.rmtree(path / "db")  # the server was removing a table that was dropped
        raise AssertionError("the tree never stood still")

    def options(self, **options: Any) -> dict[str, Any]:
        defaults = {name: spec.get("default") for name, spec in QuestdbRows.OPTIONS.items()}
        access = self.server.access
        here = {"root": str(self.root), "url": access.url, "health_url": access.health_url, "safety_copy": "latest"}
        return {**defaults, **here, **options}

    def run(self, *tables: str, mode: str = "apply", check: bool = False, **options: Any) -> Outcome:
        """The outcome, whichever it is."""
        options = self.options(tables=list(tables), **options)
        return carry_out(QuestdbRows(options, Context(check_mode=check)), mode)

    def returned(self, *tables: str, **options: Any) -> dict[str, Any]:
        """What came back, which something did."""
        outcome = self.run(*tables, **options)
        assert outcome.status == "changed", outcome.message
        assert outcome.change is not None and outcome.proof is not None
        assert outcome.proof["missing"] == 0
        assert not (self.root / "botfleet" / "stage").exists()
        assert not self.left_over()
        return outcome.change

    def left_over(self) -> list[str]:
        """Tables in which an interrupted run left rows on their way."""
        return [name for name in self.tables() if landing.is_landing(name)]

    def tables(self) -> set[str]:
        return {str(row[0]) for row in self.server.sql("select table_name from tables()")}


@pytest.fixture(name="site", scope="module")
def _site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    if reason := lacking():
        skip(reason)
    with questdb_serving(tmp_path_factory.mktemp("questdb") / "root") as server:
        yield Site(server)


@pytest.fixture(autouse=True)
def _no_copies_of_others(site: Site) -> Iterator[None]:
    yield
    shutil.rmtree(site.root / "botfleet" / "safety", ignore_errors=True)
    for name, kind in site.server.sql("select table_name, table_type from tables()"):
        site.server.sql(f"drop {'view' if kind == 'V' else 'table'} '{name}'")


def test_s1_7_rows_of_every_type_come_back_the_same_to_the_bit(site: Site) -> None:
    """Columns on disk hold the same bytes afterwards, symbols apart, which are numbered as they arrive."""
    site.sql(
        f"create table types ({EVERY_TYPE}) timestamp(ts) partition by month wal",
        f"insert into types select timestamp_sequence('2026-01-01', 1000000L), {RANDOM} from long_sequence(3000)",
        *[f"insert into types {row}" for row in ODD_ROWS],
    )
    before, raw = site.rows("types"), _columns(site, "types")
    assert sum(before.values()) == 3000 + len(ODD_ROWS)
    site.keep()
    site.sql("truncate table types")
    change = site.returned("types")
    assert change["rows"] == 3000 + len(ODD_ROWS) and change["exact"] is True
    assert site.rows("types") == before
    assert {name: data == raw[name] for name, data in _columns(site, "types").items()} == dict.fromkeys(raw, True)
    assert site.run("types").status == "unchanged"


def test_s1_7_each_row_comes_back_as_often_as_it_was_there(site: Site) -> None:
    site.sql(
        "create table fills (ts timestamp, symbol symbol, price double) timestamp(ts) partition by day wal",
        "insert into fills select '2026-01-01', 'BTC', 1.5 from long_sequence(5)",
        "insert into fills select '2026-01-02', null, null from long_sequence(3)",
        "insert into fills select '2026-01-03', 'ETH', x from long_sequence(10)",
    )
    before = site.rows("fills")
    path = site.keep()
    site.sql(
        "truncate table fills",
        "insert into fills select '2026-01-01', 'BTC', 1.5 from long_sequence(2)",
        "insert into fills select '2026-01-02', null, null from long_sequence(4)",
        "insert into fills select '2026-01-04', 'new', 7 from long_sequence(2)",
    )
    planned = site.run("fills", check=True)
    assert planned.status == "changed" and planned.change is None
    assert planned.before is not None
    assert planned.before["tables"] == {"fills": {"exists": True, "missing": 13, "taken": 0}}
    assert planned.before["safety_copy"] == str(path)
    assert "bring 13 rows back into table fills" in planned.message
    assert planned.diff[0]["before"] == "fills: 13 rows missing\n"
    assert sum(site.rows("fills").values()) == 8
    tree = _tree(path)

    change = site.returned("fills", safety_copy=str(path))
    assert change["tables"]["fills"] == {"missing": 13, "returned": 13, "taken": 0, "created": False, "exact": True}
    nothing = (1767312000000000, None, None)
    assert site.rows("fills") == before | Counter({nothing: 4, (1767484800000000, "new", "7.0"): 2})
    assert _tree(path) == tree, "the safety copy is left as it is"

    again = site.run("fills")
    assert again.status == "unchanged" and again.change is None
    assert site.run("fills", mode="prove").status == "unchanged"
    with pytest.raises(NotUndone, match="13 rows"):
        QuestdbRows(site.options(), Context()).undo(change)


def test_s1_7_tables_of_each_kind_come_back_and_those_that_were_dropped_are_made_again(site: Site) -> None:
    site.sql(
        "create table plain (k int, note varchar)",
        "create table quotes (ts timestamp, bid double) timestamp(ts) partition by day bypass wal",
        "create table fine (ts timestamp_ns, bid double) timestamp(ts) partition by hour wal",
        'create table "some name" (ts timestamp, "a b" int) timestamp(ts) partition by none',
        "create table gone (ts timestamp, s symbol index, v double) timestamp(ts) partition by week wal "
        "dedup upsert keys(ts, s)",
        "create table empty (ts timestamp) timestamp(ts) partition by day wal",
        "create view looked as (select * from plain)",
        "insert into plain select x % 3, case when x % 2 = 0 then 'even' end from long_sequence(100)",
        "insert into quotes select timestamp_sequence('2026-01-01', 60000000L), x from long_sequence(3000)",
        "insert into fine select timestamp_sequence_ns('2026-01-01', 60000000001L), x from long_sequence(3000)",
        "insert into \"some name\" select timestamp_sequence('2026-01-01', 1), x from long_sequence(7)",
        "insert into gone select timestamp_sequence('2026-01-01', 1000000L), 's' || (x % 7), x from long_sequence(500)",
    )
    names = ["plain", "quotes", "fine", "some name", "gone", "empty"]
    before = {name: site.rows(name) for name in names}
    site.keep()
    site.sql(
        "truncate table plain",
        "insert into plain select 1, null from long_sequence(4)",
        "alter table quotes drop partition list '2026-01-02'",
        "alter table fine drop partition where ts < '2026-01-01T20'",
        'truncate table "some name"',
        "drop table gone",
        "drop table empty",
    )
    change = site.returned()
    assert {name: done["returned"] for name, done in change["tables"].items()} == {
        "plain": 96,
        "quotes": 1440,
        "fine": 1200,
        "some name": 7,
        "gone": 500,
        "empty": 0,
    }
    assert [name for name in names if change["tables"][name]["created"]] == ["gone", "empty"]
    assert change["exact"] is True
    assert {name: site.rows(name) for name in before} == before
    made = read_tables(site.server.client)["gone"]
    assert made.dedup and made.wal and made.partition_by == "WEEK"
    assert site.run().status == "unchanged"


def test_a_row_whose_key_is_taken_replaces_nothing(site: Site) -> None:
    site.sql(
        "create table book (ts timestamp, s symbol, v double) timestamp(ts) partition by day wal "
        "dedup upsert keys(ts, s)",
        "insert into book select timestamp_sequence('2026-01-01', 1000000L), 'a', x from long_sequence(10)",
    )
    site.keep()
    site.sql(
        "truncate table book",
        "insert into book select timestamp_sequence('2026-01-01', 1000000L), 'a', -x from long_sequence(4)",
    )
    kept = site.rows("book")
    change = site.returned("book")
    assert change["tables"]["book"] == {"missing": 6, "returned": 6, "taken": 4, "created": False, "exact": True}
    after = site.rows("book")
    assert sum(after.values()) == 10 and not kept - after
    again = site.run("book")
    assert again.status == "unchanged" and again.proof is not None
    assert again.proof["tables"]["book"] == {"exists": True, "missing": 0, "taken": 4}


def test_many_rows_are_compared_in_slices_and_written_in_batches(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where thousands of rows have one timestamp, or a table has none; and answers that are cut off."""
    site.sql(
        "create table dense (ts timestamp, v long, note varchar) timestamp(ts) partition by day wal",
        "insert into dense select '2026-01-01', x / 2, rnd_varchar(200, 300, 0) from long_sequence(1500)",
        "insert into dense select timestamp_sequence('2026-01-02', 700000000L), x, 'n' from long_sequence(1500)",
        "create table timeless (v long)",
        "insert into timeless select x / 3 from long_sequence(2000)",
    )
    before = {name: site.rows(name) for name in ("dense", "timeless")}
    site.keep()
    monkeypatch.setattr(compared, "SLICE", 400)
    monkeypatch.setattr(rows, "BATCH", 150)
    monkeypatch.setattr(questdb_client, "BODY_LIMIT", 100_000)
    site.sql(
        "alter table dense drop partition list '2026-01-01', '2026-01-05'",
        "truncate table timeless",
        "insert into timeless select x from long_sequence(300)",
    )
    change = site.returned("dense", "timeless")
    assert change["tables"]["timeless"]["returned"] == 1700 and change["tables"]["dense"]["returned"] > 1500
    assert change["exact"] is True
    monkeypatch.undo()
    assert {name: site.rows(name) for name in before} == before


def test_what_cannot_come_back_is_refused_by_name_before_anything_is_written(site: Site) -> None:
    site.sql(
        "create table columns_differ (ts timestamp, a int, b int) timestamp(ts) partition by day wal",
        "create table clock_differs (ts timestamp, u timestamp) timestamp(ts) partition by day wal",
        "create table large (b binary)",
        "create table short_lived (ts timestamp) timestamp(ts) partition by hour ttl 1 day wal",
        "create table fine (v int)",
        "insert into fine values (1)",
        "insert into large select rnd_bin(1100000, 1100000, 0) from long_sequence(1)",
        "insert into short_lived select timestamp_sequence('2026-01-01', 3600000000L) from long_sequence(20)",
    )
    site.keep()
    site.sql(
        "alter table columns_differ drop column b",
        "alter table columns_differ add column c varchar",
        "alter table columns_differ alter column a type long",
        "drop table clock_differs",
        "create table clock_differs (ts timestamp, u timestamp) timestamp(u) partition by day wal",
        "truncate table fine",
        "truncate table short_lived",
        "insert into short_lived values ('2026-02-01')",
    )
    before = site.tables()
    refused = site.run()
    assert refused.status == "failed" and not refused.applied
    assert "a is LONG in the live database, and INT in the copy" in refused.message
    assert "b is not there in the live database, and INT in the copy" in refused.message
    assert "c is VARCHAR in the live database, and not there in the copy" in refused.message
    assert "table clock_differs has u as designated timestamp in the live database, and ts" in refused.message
    assert "table large has a value of more than 1 MiB in column b" in refused.message
    lived = site.run("short_lived", "fine")
    assert lived.status == "failed" and "older than its TTL of 1 DAY" in lived.message
    unknown = site.run("nothing")
    assert unknown.status == "failed" and "has no table 'nothing'" in unknown.message
    assert site.tables() == before and not site.rows("fine")
    assert site.returned("fine")["rows"] == 1


def test_a_type_that_would_not_come_back_the_same_is_found_out_before_it_is_written(site: Site) -> None:
    """Out of an array, QuestDB 9.3 takes numbers that are too small to be normal as null."""
    site.sql("create table tiny (a double[])", "insert into tiny values (ARRAY[1.0E-320])")
    site.keep()
    site.sql("truncate table tiny")
    failed = site.run("tiny")
    assert failed.status == "failed"
    assert "rows of table tiny would not come back as they are (a DOUBLE[])" in failed.message
    assert site.tables() == {"tiny"} and not site.rows("tiny")


def test_s1_7_a_killed_run_is_run_again_and_no_row_is_lost_or_doubled(site: Site) -> None:
    site.server.fill("fills", 4000, every=20_000_000)
    site.sql("insert into fills select * from fills limit 500")
    before = site.rows("fills")
    site.keep()
    site.sql("alter table fills drop partition where ts < '2026-01-01T20'", "truncate table fills")
    seen, left = [], []
    for batches in (1, 6):
        _kill_after(site, batches)
        site.arrive()
        there = site.rows("fills")
        assert not there - before
        seen.append(sum(there.values()))
        left += site.left_over()
    assert seen == [200, 1400]
    assert len(set(left)) == 2, "each run removed what the one before left, and had a table of its own"
    change = site.returned("fills")
    assert change["tables"]["fills"]["returned"] == 4500 - 1400
    assert site.rows("fills") == before
    with pytest.raises(OperationError, match="does not exist"):  # so that an INSERT of a killed run is void by now
        site.server.sql(f"insert into fills select * from {left[-1]}")
    site.server.sql(f"create table {landing.LANDING} (c0 varchar)")
    cleared = site.run("fills")
    assert cleared.status == "changed" and "left rows on their way" in cleared.message
    assert not site.left_over()
    assert site.run("fills").status == "unchanged"


def test_a_lost_answer_is_not_asked_for_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.server.fill("fills", 300)
    before = site.rows("fills")
    site.keep()
    site.sql("truncate table fills")
    query = Reader.query

    def lose(self: Reader, sql: str, *, timeout: float | None = None) -> Any:
        answer = query(self, sql, timeout=timeout)
        if sql.startswith("insert atomic"):
            raise Unreachable("gave no whole answer")
        return answer

    with monkeypatch.context() as patched:
        patched.setattr(Reader, "query", lose)
        failed = site.run("fills")
    assert failed.status == "failed" and failed.applied
    assert "the answer to 300 rows for table fills was lost" in failed.message
    site.arrive()
    again = site.run("fills")
    assert again.status == "unchanged"
    assert site.rows("fills") == before


def test_a_writer_goes_on_and_the_result_says_so(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "BATCH", 500)
    site.server.fill("fills", 3000)
    before = site.rows("fills")
    site.keep()
    site.sql("alter table fills drop partition list '2026-01-01', '2026-01-02'")
    over = threading.Event()
    written: list[int] = []

    def write() -> None:
        while not over.is_set():
            row = len(written)
            site.server.sql(f"insert into fills values ({1769904000000000 + row}, 'NEW', 'buy', 1.0, {row}, null)")
            written.append(row)
            time.sleep(0.02)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        change = site.returned("fills")
    finally:
        over.set()
        writer.join()
    assert change["exact"] is False and change["tables"]["fills"]["returned"] == 2880
    site.arrive()
    after = site.rows("fills")
    assert not before - after and sum(after.values()) == 3000 + len(written)


def test_what_the_safety_copy_holds_in_its_wal_alone_comes_back_too(site: Site) -> None:
    """A server that was killed may not have carried out its last transactions."""
    site.server.fill("fills", 100)
    site.server.sql(
        "alter table fills suspend wal",
        "insert into fills select timestamp_sequence('2026-02-01', 1000000L), 'LATE', 'buy', x, x, null "
        "from long_sequence(50)",
    )
    path = site.keep()
    tree = _tree(path)
    site.server.sql("drop table fills")
    change = site.returned("fills")
    assert change["tables"]["fills"]["returned"] == 150
    assert sum(site.rows("fills").values()) == 150
    assert _tree(path) == tree


def test_nothing_is_done_where_it_is_not_clear_what_to_read(site: Site, tmp_path: Path) -> None:
    site.sql("create table fine (v int)")
    nothing = site.run("fine")
    assert nothing.status == "failed" and "has no safety copy 'latest'" in nothing.message
    site.keep()
    other = tmp_path / "root"
    (other / "db").mkdir(parents=True)
    shutil.copytree(site.root / "botfleet", other / "botfleet")
    wrong = site.run("fine", root=str(other))
    assert wrong.status == "failed" and "is another server" in wrong.message
    bad = site.run("fine", command=["/no/such/java", "-d", str(site.root)])
    assert bad.status == "failed" and "cannot be started" in bad.message
    with pytest.raises(OperationError, match="start_timeout is 0"):
        site.run("fine", start_timeout=0.0)
    (site.root / "botfleet" / "restore.jsonl").write_text(
        '{"run": "r1", "event": "start", "request": {"path": "/b", "kind": "backup", "id": "b"}}\n'
    )
    interrupted = site.run("fine")
    (site.root / "botfleet" / "restore.jsonl").unlink()
    assert interrupted.status == "failed" and "finish it with questdb_restore" in interrupted.message
    assert not (site.root / "botfleet" / "stage").exists()


def test_it_reads_and_writes_with_credentials_which_are_seen_nowhere(tmp_path: Path, site: Site) -> None:
    del site  # which says whether there is a server to test with
    with questdb_serving(tmp_path / "root", http_user="ops", http_password=PASSWORD) as server:
        place = Site(server)
        access = questdb_client.Access(server.access.url, None, "ops", PASSWORD)
        client = questdb_client.Client(access)
        client.query("create table fills (v int)")
        client.query("insert into fills select x from long_sequence(10)")
        place.server.__class__ = type("Asked", (QuestDB,), {"client": property(lambda _self: client)})
        path = place.keep()
        client.query("truncate table fills")
        refused = place.run("fills", health_url=None)
        assert refused.status == "failed" and "wants credentials" in refused.message
        seen: list[str] = []
        over = threading.Event()
        watcher = threading.Thread(target=_watch, args=(place, over, seen))
        watcher.start()
        try:
            change = place.returned("fills", health_url=None, username="ops", password=PASSWORD)
        finally:
            over.set()
            watcher.join()
        assert change["rows"] == 10
        assert PASSWORD not in f"{change}{seen}"
        assert any("botfleet/stage/rows/run" in line for line in seen), "the copy's server was among them"
        assert PASSWORD not in (path / "safety.json").read_text()


def _watch(site: Site, over: threading.Event, seen: list[str]) -> None:
    """Take down every command line meanwhile."""
    del site
    while not over.wait(0.05):
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    seen.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
                except OSError:
                    continue


def _columns(site: Site, table: str) -> dict[str, bytes]:
    """What is in the files of all columns but symbols, without the zeros at their end."""
    found: dict[str, bytes] = {}
    directory = site.root / "db" / read_tables(site.server.client)[table].directory
    partitions = [path for path in directory.iterdir() if path.name[:4].isdigit()]
    newest = max(partitions, key=lambda path: int(path.name.partition(".")[2] or 0))
    for path in newest.iterdir():
        if path.suffix == ".d" and path.name != "sy.d":
            found[path.name] = path.read_bytes().rstrip(b"\0")
    return found


def _tree(path: Path) -> dict[str, Any]:
    """All that is in it, with digests."""
    return hash_tree(str(path))


def _kill_after(site: Site, batches: int) -> None:
    """Run the operation in a process of its own, and kill it when so many batches have been sent."""
    script = f"""
import os, signal
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import Context, carry_out
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations.questdb_rows import QuestdbRows
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb import rows
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.compared import Reader

rows.BATCH = 200
query, sent = Reader.query, []

def counted(self, sql, *, timeout=None):
    if sql.startswith("insert atomic"):
        if len(sent) == {batches}:
            os.kill(os.getpid(), signal.SIGKILL)
        sent.append(sql)
    return query(self, sql, timeout=timeout)

Reader.query = counted
print(carry_out(QuestdbRows({site.options(tables=["fills"])!r}, Context())))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=_environment(), check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stdout + done.stderr


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
