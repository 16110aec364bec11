# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Killed anywhere, sqlite_rows is run again and finishes: no row lost, none twice (S2.6, S2.9)."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.tradeops.botfleet.tests.unit.plugins.module_utils._operations.market_data import (
    NOW,
    SINCE,
    Market,
    Row,
)

RESET = "DELETE FROM mbo_events; INSERT INTO mbo_events VALUES (1, 'reset', 0, x''); CREATE TABLE done (a)"


@pytest.fixture(name="market", params=["wal", "delete"])
def _market(tmp_path: Path, request: pytest.FixtureRequest) -> Market:
    (tmp_path / "bot").mkdir()
    return Market(tmp_path / "bot", request.param)


def in_a_process_killed_at(work: Callable[[], Any], fatal: int) -> bool:
    """Work in a process that gets SIGKILL before its statement, backup or rename number ``fatal``.

    False: it ended before.
    """
    child = os.fork()
    if child == 0:
        count = 0

        def step() -> None:
            nonlocal count
            count += 1
            if count == fatal:
                os.kill(os.getpid(), signal.SIGKILL)

        class Counting(sqlite3.Connection):
            def execute(self, *arguments: Any) -> sqlite3.Cursor:
                step()
                return super().execute(*arguments)

            def backup(self, target: sqlite3.Connection) -> None:  # type: ignore[override]  # no other option is ever given
                step()
                super().backup(target)

        def rename(*arguments: Any, **options: Any) -> None:
            step()
            plain(*arguments, **options)
            step()

        plain = os.rename
        with suppress(BaseException):  # this process must not go on with the tests, and its exit code tells
            sqlite3.connect = partial(sqlite3.connect, factory=Counting)  # type: ignore[assignment]  # it is called alike
            os.rename = rename
            work()
            os._exit(0)
        os._exit(1)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert ended in (0, -signal.SIGKILL)
    return ended != 0


def copies(market: Market, place: Path) -> Iterator[tuple[int, Market]]:
    """As many copies of a bot's data as a test wants, each at the path of the original, one after the other."""
    shutil.copytree(market.folder, place / "original")
    for number in range(1, 1000):
        shutil.rmtree(market.folder)
        shutil.copytree(place / "original", market.folder)
        yield number, market


def side_rows(market: Market) -> list[Row]:
    """The rows of all side files."""
    return [row for path in sorted(market.folder.glob("*.mbo_events.*.db")) for row in market.rows(path)]


def litter(market: Market) -> list[str]:
    """Names that no finished run may leave."""
    return [name for name in market.names() if name.startswith(".") or name.endswith(("-journal", "-wal", "-shm"))]


def test_s2_6_killed_before_any_statement_a_move_is_finished(market: Market, tmp_path: Path) -> None:
    """S2.6: whatever was done, each row is in one file or, just so, in both; then it is in one."""
    before = market.rows()
    points, both, finished = 0, 0, 0
    for number, copy in copies(market, tmp_path):
        if not in_a_process_killed_at(partial(copy.run, "moved"), number):
            break
        points += 1
        shutil.copytree(copy.folder, tmp_path / "seen", dirs_exist_ok=False)
        seen = Market.__new__(Market)
        seen.folder, seen.path = tmp_path / "seen", tmp_path / "seen" / "market_data.db"
        assert {*seen.rows(), *side_rows(seen)} == set(before), number
        both += len(seen.rows()) + len(side_rows(seen)) > 300
        shutil.rmtree(seen.folder)
        outcome = copy.run("moved")
        assert outcome.status in ("changed", "unchanged"), (number, outcome.message)
        finished += "interrupted" in outcome.message
        assert copy.rows() == before[:240], number
        assert side_rows(copy) == before[240:], number
        assert litter(copy) == [], number
        assert copy.run("moved").status == "unchanged"
    assert points > 40
    assert both >= 3
    assert finished >= 3


def test_s2_6_killed_at_any_moment_a_move_is_finished(tmp_path: Path) -> None:
    """S2.6: also inside of statements and commits, with so many rows that each takes a while."""
    killed = 0
    for journal in ("wal", "delete"):
        (tmp_path / journal).mkdir()
        market = Market(tmp_path / journal, journal)
        query = f"SELECT {NOW} - value % 7200, 'x', value, randomblob(40) FROM generate"
        series = "WITH RECURSIVE generate(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM generate LIMIT 20000)"
        market.execute(f"INSERT INTO mbo_events {series} {query}")
        before = market.rows()
        began = time.monotonic()
        assert market.run("moved", "plan").status == "changed"
        longest = max(0.1, (time.monotonic() - began) * 4)
        (tmp_path / f"{journal}.place").mkdir()
        for number, copy in copies(market, tmp_path / f"{journal}.place"):
            if number > 12:
                break
            child = os.fork()
            if child == 0:
                with suppress(BaseException):  # this process must not go on with the tests; what it left is looked at
                    copy.run("moved")
                os._exit(0)
            time.sleep(random.Random(number).uniform(0, longest))
            os.kill(child, signal.SIGKILL)
            killed += os.WIFSIGNALED(os.waitpid(child, 0)[1])
            outcome = copy.run("moved")
            assert outcome.status in ("changed", "unchanged"), (number, outcome.message)
            assert sorted([*copy.rows(), *side_rows(copy)]) == before
            assert copy.run("moved", "prove").status == "unchanged"
            assert litter(copy) == []
    assert killed > 6


def test_s2_6_a_relative_window_is_finished_as_it_began(market: Market) -> None:
    """S2.6: the window of the run that was killed is kept in its side file, since an hour ago is later by now."""
    before = market.rows()

    def move() -> None:
        market.run("moved", window="1h", until="2026-01-05T03:15:00Z", side_file=None)

    points = 0
    while not list(market.folder.glob("*.mbo_events.*.db")):
        points += 1
        assert in_a_process_killed_at(move, points)
    outcome = market.run("moved", since="2026-01-05T02:45:00Z")
    assert outcome.status == "changed"
    assert f"finish the move of rows since {SINCE} until 2026-01-05T03:15:00Z to " in outcome.message
    assert (market.rows(), side_rows(market)) == (before[:240], before[240:])


def test_s2_6_a_named_side_file_is_finished_too(market: Market, tmp_path: Path) -> None:
    """S2.6: the file that a killed run has left under the name that is given is no obstacle."""
    before = market.rows()
    side = market.folder / "bad.db"
    for number, copy in copies(market, tmp_path):
        if not in_a_process_killed_at(partial(copy.run, "moved", side_file=str(side)), 3 * number):
            break
        outcome = copy.run("moved", side_file=str(side))
        assert outcome.status in ("changed", "unchanged"), (number, outcome.message)
        assert (copy.rows(), copy.rows(side)) == (before[:240], before[240:])
        assert litter(copy) == []


def test_s2_6_check_mode_and_proof_see_what_was_interrupted(market: Market) -> None:
    """S2.6: a side file whose rows may be in the database, too, is named until it is settled."""
    points = 0
    while not list(market.folder.glob("*.mbo_events.*.db")):
        points += 1
        assert in_a_process_killed_at(lambda: market.run("moved"), points)
    (side,) = market.folder.glob("*.mbo_events.*.db")
    outcome = market.run("moved", check_mode=True)
    assert outcome.before is not None
    assert outcome.before["interrupted"] == [str(side)]
    assert "finish the move" in outcome.message
    assert f"and {side} of a move that was interrupted: move them" in market.run("moved", "prove").message


def test_s2_6_killed_anywhere_rows_are_put_back(market: Market, tmp_path: Path) -> None:
    """S2.6: putting back, under new rowids where others have theirs, may be cut short, too."""
    moved = [row[1:] for row in market.rows()[240:]]
    side = market.moved()
    market.execute(f"INSERT INTO mbo_events VALUES ({NOW}, 'new', 1, NULL)")
    new = market.rows()[240:]
    for number, copy in copies(market, tmp_path):
        options = {"side_file": str(side), "taken_rowids": "renumber"}
        killed = in_a_process_killed_at(partial(copy.run, "restored", **options), 2 * number)
        assert copy.run("restored", **options).status in ("changed", "unchanged")
        assert sorted(row[1:] for row in copy.rows()[240:] if row not in new) == sorted(moved)
        assert copy.count() == 301
        assert litter(copy) == []
        if not killed:
            assert number > 15
            break


def test_s2_9_killed_anywhere_a_script_has_run_once_or_not_at_all(market: Market, tmp_path: Path) -> None:
    """S2.9: the copy is from before, whole, or is not there; run again, the script has run."""
    before = market.rows()
    for number, copy in copies(market, tmp_path):
        killed = in_a_process_killed_at(partial(copy.run, "scripted", script=RESET), number)
        shutil.copytree(copy.folder, tmp_path / "seen")
        seen = Market.__new__(Market)
        seen.folder, seen.path = tmp_path / "seen", tmp_path / "seen" / "market_data.db"
        assert seen.rows() == before or (seen.count(), seen.count(table="done")) == (1, 0)
        shutil.rmtree(seen.folder)
        for backup in copy.folder.glob("*.before-script.*.db"):
            assert copy.rows(backup) == before
        done = copy.count() == 1
        outcome = copy.run("scripted", script=RESET)
        assert outcome.status == ("failed" if done else "changed"), (number, outcome.message)  # it creates a table
        assert (copy.count(), litter(copy)) == (1, [])
        if not killed:
            assert number > 40
            break


def test_s2_9_killed_anywhere_an_undo_has_happened_or_not(market: Market, tmp_path: Path) -> None:
    """S2.9: the database is what the script made of it or what it was, and undo can be run again until it is."""
    before = market.rows()
    change = market.run("scripted", script=RESET).change
    assert change is not None
    after = market.rows()
    for number, copy in copies(market, tmp_path):
        undo = copy.operation("scripted", script=RESET).undo
        killed = in_a_process_killed_at(partial(undo, change), number)
        if killed and copy.rows() == after:
            copy.operation("scripted", script=RESET).undo(change)
        assert copy.rows() == before
        if not killed:
            assert litter(copy) == []
            assert number > 10
            break
