# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of a side file put back by sqlite_rows (S2.6)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import NotUndone
from ansible_collections.tradeops.botfleet.tests.unit.plugins.module_utils._operations.market_data import NOW, Market

KEYED = "CREATE TABLE mbo_events (timestamp INTEGER, symbol TEXT, size REAL, raw BLOB, PRIMARY KEY (symbol, timestamp))"


@pytest.fixture(name="market", params=["wal", "delete"])
def _market(tmp_path: Path, request: pytest.FixtureRequest) -> Market:
    return Market(tmp_path, request.param)


def test_s2_6_restored_puts_back_what_is_not_there_and_is_idempotent(market: Market) -> None:
    """S2.6: rows that came back by themselves are left alone; a second run finds all of them."""
    before = market.rows()
    side = market.moved()
    market.execute(
        f"ATTACH '{side}' AS side", "INSERT INTO mbo_events (rowid, timestamp, symbol, size, raw) "
        "SELECT rowid, timestamp, symbol, size, raw FROM side.mbo_events WHERE rowid % 2"
    )  # fmt: skip
    outcome = market.run("restored", side_file=str(side))
    assert outcome.status == "changed"
    assert outcome.change is not None
    assert outcome.proof is not None
    assert (outcome.change["rows"], outcome.proof["side_rows"], outcome.proof["rows_missing"]) == (30, 60, 0)
    assert market.rows() == before
    again = market.run("restored", side_file=str(side))
    assert (again.status, again.change) == ("unchanged", None)


def test_s2_6_restored_in_check_mode_changes_nothing(market: Market) -> None:
    """S2.6: it says how many rows would go back; no file is created and none is written."""
    side = market.moved()
    names, content = market.names(), market.path.read_bytes()
    outcome = market.run("restored", side_file=str(side), check_mode=True)
    assert outcome.message == f"put 60 rows of mbo_events back from {side} into {market.path}"
    assert outcome.diff[0]["before"] == "mbo_events: 240 rows\n"
    assert outcome.diff[0]["after"] == "mbo_events: 300 rows\n"
    assert market.names() == names
    assert market.path.read_bytes() == content


def test_s2_6_restored_proven_alone_counts_what_is_missing(market: Market) -> None:
    """S2.6: asked whether the rows are back, it says how many are not."""
    side = market.moved()
    outcome = market.run("restored", "prove", side_file=str(side))
    assert outcome.status == "failed"
    assert outcome.message == f"60 of 60 rows in {side} are not in {market.path}: restore them"


@pytest.mark.parametrize("change", ["size = 0", "symbol = lower(symbol)", "raw = CAST(raw AS TEXT)"])
def test_s2_6_a_key_with_other_content_is_a_conflict(market: Market, change: str) -> None:
    """S2.6: another value, case or type under the key of a row is refused by key, and nothing is put back."""
    side = market.moved()
    market.execute(
        f"ATTACH '{side}' AS side", "INSERT INTO mbo_events (rowid, timestamp, symbol, size, raw) "
        "SELECT rowid, timestamp, symbol, size, raw FROM side.mbo_events WHERE rowid IN (250, 260)",
        f"UPDATE main.mbo_events SET {change} WHERE rowid = 250",
    )  # fmt: skip
    before = market.rows()
    outcome = market.run("restored", side_file=str(side))
    assert outcome.status == "failed"
    assert not outcome.applied
    assert (
        f"mbo_events in {market.path} has other rows by now under keys of {side} (rowid 250); nothing"
        in outcome.message
    )
    assert market.rows() == before


def test_s2_6_a_column_that_ignores_case_hides_no_conflict(tmp_path: Path) -> None:
    """S2.6: for SQLite the two are equal, and yet they are not the same."""
    market = Market(
        tmp_path, schema="CREATE TABLE mbo_events (timestamp INTEGER PRIMARY KEY, symbol TEXT COLLATE NOCASE)"
    )
    side = market.moved()
    market.execute(
        f"ATTACH '{side}' AS side",
        "INSERT INTO mbo_events SELECT timestamp, lower(symbol) FROM side.mbo_events LIMIT 1",
    )
    outcome = market.run("restored", side_file=str(side))
    assert outcome.status == "failed"
    assert f'("timestamp" {NOW - 3600})' in outcome.message


def test_s2_6_conflicts_are_named_by_the_whole_key(tmp_path: Path) -> None:
    """S2.6: of a composite key each column, of many keys the first three."""
    market = Market(tmp_path, schema=KEYED)
    side = market.moved()
    rows = ", ".join(
        f"({NOW - 60 * (at + 1)}, 'BTC-\N{EURO SIGN}{(NOW - 60 * (at + 1)) % 7}', -1, x'')" for at in range(4)
    )
    market.execute(f"INSERT INTO mbo_events VALUES {rows}")
    outcome = market.run("restored", side_file=str(side), taken_rowids="renumber")
    assert outcome.status == "failed"
    assert outcome.message.count('"symbol" \'BTC-\N{EURO SIGN}') == 3
    assert " and more); nothing was put back: decide which of the two to keep" in outcome.message


def test_s2_6_rowids_that_the_bot_has_given_away_are_renumbered_when_asked(market: Market) -> None:
    """S2.6: without AUTOINCREMENT a bot that writes on gives the moved rowids to new rows; none of either is lost."""
    moved = [row[1:] for row in market.rows()[240:]]
    side = market.moved()
    market.execute(*(f"INSERT INTO mbo_events VALUES ({NOW + at}, 'new', 1, NULL)" for at in range(5)))
    new = market.rows()[240:]
    assert [row[0][1] for row in new] == [241, 242, 243, 244, 245]
    refused = market.run("restored", side_file=str(side))
    assert refused.status == "failed"
    assert "set taken_rowids to renumber, or decide which to keep" in refused.message
    planned = market.run("restored", side_file=str(side), taken_rowids="renumber", check_mode=True)
    assert "put 60 rows of mbo_events back" in planned.message
    assert "5 of them under new rowids" in planned.message
    outcome = market.run("restored", side_file=str(side), taken_rowids="renumber")
    assert outcome.status == "changed"
    after = market.rows()[240:]
    assert [row for row in after if row in new] == new
    assert sorted((row[1:] for row in after if row not in new), key=str) == sorted(moved, key=str)
    assert market.run("restored", side_file=str(side), taken_rowids="renumber").status == "unchanged"
    assert market.count() == 305


def test_s2_6_a_primary_key_is_what_counts_and_not_its_rowid(tmp_path: Path) -> None:
    """S2.6: a row that the bot wrote again under another rowid is there; another one's rowid can be had anew."""
    market = Market(tmp_path, schema=KEYED)
    before = market.rows()
    side = market.moved()
    market.execute(
        f"ATTACH '{side}' AS side",
        "INSERT INTO main.mbo_events SELECT * FROM side.mbo_events WHERE rowid = 300",
    )
    assert market.rows()[-1][0] == ("int", 241)
    assert "rowid 241); nothing was put back: set taken_rowids" in market.run("restored", side_file=str(side)).message
    assert market.run("restored", side_file=str(side), taken_rowids="renumber").status == "changed"
    assert sorted(row[1:] for row in market.rows()) == sorted(row[1:] for row in before)


def test_s2_6_a_null_in_a_primary_key_makes_no_two_rows_one(tmp_path: Path) -> None:
    """S2.6: SQLite lets such rows be there twice, and so they come back twice."""
    market = Market(tmp_path, schema=KEYED)
    market.execute(f"INSERT INTO mbo_events VALUES ({NOW}, NULL, 1, NULL), ({NOW}, NULL, 1, NULL)")
    before = market.rows()
    side = market.moved()
    assert market.count(side) == 62
    market.execute(f"ATTACH '{side}' AS side", "INSERT INTO mbo_events SELECT * FROM side.mbo_events WHERE rowid = 301")
    market.execute("UPDATE mbo_events SET rowid = 301 WHERE symbol IS NULL")
    assert market.run("restored", side_file=str(side)).status == "changed"
    assert market.rows() == before
    assert market.run("restored", side_file=str(side)).status == "unchanged"


def test_s2_6_a_unique_value_that_is_taken_is_refused(tmp_path: Path) -> None:
    """S2.6: another row with the same unique value stands against it; nothing is put back."""
    market = Market(tmp_path, schema="CREATE TABLE mbo_events (timestamp INTEGER UNIQUE, symbol TEXT)")
    side = market.moved()
    market.execute(f"INSERT INTO mbo_events (rowid, timestamp) VALUES (999, {NOW - 60})")
    outcome = market.run("restored", side_file=str(side))
    assert outcome.status == "failed"
    assert "UNIQUE constraint failed: mbo_events.timestamp); nothing was put back" in outcome.message
    assert market.count() == 241


def test_s2_6_columns_that_came_since_are_named(market: Market) -> None:
    """S2.6: rows without them are not put into the altered table."""
    side = market.moved()
    market.execute("ALTER TABLE mbo_events ADD COLUMN venue TEXT")
    outcome = market.run("restored", side_file=str(side))
    assert outcome.status == "failed"
    assert outcome.message == f"mbo_events has other columns in {market.path} than in {side} (venue): alter it first"


def test_s2_6_another_bots_side_file_is_refused(market: Market, tmp_path: Path) -> None:
    """S2.6: several bots share a machine; the events of one are not those of another."""
    (tmp_path / "other").mkdir()
    other = Market(tmp_path / "other")
    side = other.moved()
    outcome = market.run("restored", side_file=str(side))
    assert outcome.status == "failed"
    assert outcome.message == f"{side} holds rows of {other.path}, not of {market.path}: name another side_file"
    refused = other.run("restored", side_file=str(side), table="trades")
    assert f"{side} holds rows of mbo_events, and table is 'trades': leave it out" in refused.message


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (Path.exists, "is not there: name the side file that a move has made"),
        (lambda path: path.write_bytes(b"no database at all, but long enough"), "is not an SQLite database"),
        (lambda path: path.write_bytes(b""), "is no side file of this collection"),
        (lambda path: path.mkdir(), "is not a regular file"),
    ],
)
def test_s2_6_what_is_no_side_file_is_refused(market: Market, make: Callable[[Path], object], message: str) -> None:
    """S2.6: missing, empty, a directory, another format."""
    path = market.folder / "side.db"
    make(path)
    outcome = market.run("restored", side_file=str(path))
    assert outcome.status == "failed"
    assert message in outcome.message
    assert market.run("restored", side_file=str(market.path)).message.startswith(f"{market.path} is no side file")


def test_s2_6_a_damaged_side_file_is_refused(market: Market) -> None:
    """S2.6: it is checked before a row of it is put back."""
    side = market.moved()
    raw = bytearray(side.read_bytes())
    raw[4096 + 200 : 4096 + 3900] = b"\x99" * 3700
    side.write_bytes(raw)
    outcome = market.run("restored", side_file=str(side))
    assert outcome.status == "failed"
    assert f"{side} is damaged" in outcome.message
    assert market.count() == 240


def test_s2_6_undo_of_restored_leaves_the_rows(market: Market) -> None:
    """S2.6: they are in both files then, and a move takes them out again."""
    outcome = market.run("restored", side_file=str(market.moved()))
    change = json.loads(json.dumps(outcome.change))
    with pytest.raises(NotUndone, match="60 rows of mbo_events stay"):
        market.operation("restored", side_file=change["side_file"]).undo(change)
    assert market.count() == 300
