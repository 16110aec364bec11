# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""sqlite_rows beside processes that read and write the same database (S2.6), and on disks that fail it."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import subprocess
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import OperationError
from ansible_collections.tradeops.botfleet.tests.unit.plugins.module_utils._operations.market_data import (
    NOW,
    Market,
    event,
)

from tests.peers.missing import skip

FORK = multiprocessing.get_context("fork")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a disk or give files to another user")


@pytest.fixture(name="market", params=["wal", "delete"])
def _market(tmp_path: Path, request: pytest.FixtureRequest) -> Market:
    return Market(tmp_path, request.param)


def write_on(path: Path, numbers: Path, stop: str) -> None:
    """A bot that writes row after row into the window, each with a number of its own, and notes what is committed."""
    with (
        closing(sqlite3.connect(str(path), timeout=60, isolation_level=None)) as connection,
        numbers.open("w") as noted,
    ):
        number = 0
        while not os.path.exists(stop):
            number += 1
            connection.execute("INSERT INTO mbo_events VALUES (?, 'written', ?, NULL)", (NOW - 1, number))
            print(number, file=noted, flush=True)
            time.sleep(0.02)  # a lock that is never free for long is had by luck alone


def test_s2_6_what_a_bot_writes_meanwhile_is_never_lost(market: Market) -> None:
    """S2.6: moved while a process writes, each row that it committed is in just one of the files."""
    numbers, stop = market.folder / "numbers", market.folder / "stop"
    writer = FORK.Process(target=write_on, args=(market.path, numbers, str(stop)), daemon=True)
    writer.start()
    moves: list[dict[str, str]] = []
    while len(moves) < 4:
        time.sleep(0.05)
        outcome = market.run("moved")
        assert outcome.status in ("changed", "unchanged"), outcome.message
        moves += (outcome.change or {"moves": []})["moves"]
    stop.touch()
    writer.join()
    assert writer.exitcode == 0
    written = {int(line) for line in numbers.read_text().split()}
    rows = [row for path in [None, *(Path(move["side_file"]) for move in moves)] for row in market.rows(path)]
    found = [row[3][1] for row in rows if row[2][1] == b"written"]
    assert len(written) > 10
    assert sorted(found) == sorted(written)
    assert len(rows) == 300 + len(written)


def test_s2_6_rows_written_after_the_move_stay_and_the_proof_counts_them(market: Market) -> None:
    """S2.6: the window is fixed, and what comes into it later is no failure, but said."""
    operation = market.operation("moved")
    operation.apply(operation.plan(operation.observe()))
    market.execute(f"INSERT INTO mbo_events VALUES ({NOW}, 'late', 1, NULL)")
    assert operation.prove()["rows_in_window"] == 1


def test_s2_6_a_reader_sees_all_of_the_hour_or_nothing_of_it(market: Market) -> None:
    """S2.6: counted over and over in other connections, never a part of it."""
    seen, done = set(), threading.Event()

    def read() -> None:
        with closing(market.connect(isolation_level=None)) as connection:
            while not done.is_set():
                seen.add(
                    connection.execute("SELECT count(*), sum(timestamp >= ?) FROM mbo_events", (NOW - 3600,)).fetchone()
                )

    readers = [threading.Thread(target=read) for _number in range(2)]
    for reader in readers:
        reader.start()
    while not seen:
        time.sleep(0.001)
    side = market.moved()
    assert market.run("restored", side_file=str(side)).status == "changed"
    done.set()
    for reader in readers:
        reader.join()
    assert seen <= {(300, 60), (240, 0)}
    assert (300, 60) in seen


def test_s2_6_a_reader_with_an_open_transaction_keeps_its_view(tmp_path: Path) -> None:
    """S2.6: in WAL mode it does not even delay the move."""
    market = Market(tmp_path)
    with closing(market.connect(isolation_level=None)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM mbo_events").fetchone() == (300,)
        market.moved()
        assert reader.execute("SELECT count(*) FROM mbo_events").fetchone() == (300,)
        reader.execute("COMMIT")
        assert reader.execute("SELECT count(*) FROM mbo_events").fetchone() == (240,)


HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
connection.execute("INSERT INTO mbo_events VALUES (?, 'held', 1, NULL)", (int(sys.argv[2]),))
print("holding", flush=True)
sys.stdin.readline()
connection.execute("COMMIT")
"""


def holder(market: Market) -> subprocess.Popen[str]:
    """A process in the middle of a transaction, until it is told to commit."""
    command = ["python3", "-c", HOLD, str(market.path), str(NOW - 1)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "holding\n"
    return process


def test_s2_6_a_writer_is_waited_for(market: Market) -> None:
    """S2.6: what it commits meanwhile is moved along, since it is in the window by then."""
    process = holder(market)
    release = threading.Timer(0.5, lambda: process.communicate("go\n"))
    release.start()
    outcome = market.run("moved", busy_timeout=30.0)
    release.join()
    assert outcome.status == "changed", outcome.message
    assert outcome.change is not None
    assert outcome.change["rows"] == 61
    assert market.count() == 240


@pytest.mark.parametrize("state", ["moved", "scripted"])
def test_s2_6_a_writer_that_does_not_end_is_named(market: Market, state: str) -> None:
    """S2.6: one sentence after busy_timeout, with the process where the kernel tells it; nothing is changed."""
    process = holder(market)
    options = {"script": "DELETE FROM mbo_events"} if state == "scripted" else {}
    outcome = market.run(state, busy_timeout=0.3, **options)
    process.communicate("go\n")
    assert outcome.status == "failed"
    assert outcome.message.startswith(f"{market.path} stayed locked")
    assert outcome.message.endswith(" for 0.3 s: stop what has it open, or raise busy_timeout")
    assert f"by process {process.pid} (python3" in outcome.message
    assert market.names() == ["market_data.db"]
    assert market.count() == 301


def test_s2_6_a_reader_that_does_not_end_keeps_a_rollback_journal_from_committing(tmp_path: Path) -> None:
    """S2.6: without WAL the commit waits for readers; in the end the side file is gone again, nothing is changed."""
    market = Market(tmp_path, "delete")
    with closing(market.connect(isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM mbo_events").fetchone()
        outcome = market.run("moved", busy_timeout=0.2)
        assert outcome.status == "failed"
        assert "stayed locked" in outcome.message
        assert market.names() == ["market_data.db"]
        reader.execute("COMMIT")
    assert market.count() == 300
    assert market.run("moved").status == "changed"


def test_s2_6_no_wait_is_longer_than_the_step_may_take(market: Market) -> None:
    """S2.6: a step's time limit would kill it; so busy_timeout ends before that."""
    process = holder(market)
    operation = market.operation("moved", busy_timeout=60.0)
    context = type(operation.context)(deadline=time.monotonic() + 0.5)
    operation._task.database._context = context
    began = time.monotonic()
    with pytest.raises(OperationError, match="stayed locked"):
        operation.apply(operation.plan(operation.observe()))
    assert time.monotonic() - began < 10
    process.communicate("go\n")


def test_s2_6_a_transaction_that_a_killed_bot_left_is_rolled_back_first(tmp_path: Path) -> None:
    """S2.6: halt kills bots; check mode leaves the hot journal alone and says so, a run recovers the database."""
    market = Market(tmp_path, "delete")
    before = market.rows()
    child = os.fork()
    if child == 0:
        connection = market.connect(isolation_level=None)
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("PRAGMA cache_spill = 1")
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO mbo_events VALUES (?, ?, ?, ?)", [event(NOW - 1) for _row in range(5000)])
        os.kill(os.getpid(), 9)
    os.waitpid(child, 0)
    assert (market.folder / "market_data.db-journal").stat().st_size > 0
    content = market.path.read_bytes()
    checked = market.run("moved", check_mode=True)
    assert checked.status == "failed"
    assert "was left in the middle of a transaction, and check mode leaves it so" in checked.message
    assert market.path.read_bytes() == content
    side = market.moved()
    assert market.rows() == before[:240]
    assert market.rows(side) == before[240:]


@needs_root
def test_s2_6_a_full_disk_leaves_the_database_as_it_was(market: Market, tmp_path: Path) -> None:
    """S2.6: the side file does not fit where it should go; S2.9: neither does a copy."""
    market.execute(f"UPDATE mbo_events SET raw = randomblob(20000) WHERE timestamp >= {NOW - 3600}")
    before = market.rows()
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(small)], check=False).returncode:
        skip("this root may not mount a tmpfs")
    try:
        for state, options in (
            ("moved", {"side_file": str(small / "side.db")}),
            ("scripted", {"script": "DELETE FROM mbo_events", "backup_file": str(small / "copy.db")}),
        ):
            outcome = market.run(state, **options)
            assert outcome.status == "failed"
            assert "cannot be written (" in outcome.message
            assert f"{market.path} was left as it was" in outcome.message
            assert list(small.iterdir()) == []
            assert market.rows() == before
    finally:
        subprocess.run(["umount", str(small)], check=True)
