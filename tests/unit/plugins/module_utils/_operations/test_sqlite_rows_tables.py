# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of each kind moved and put back by sqlite_rows (S2.6), and those that are refused."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from ansible_collections.tradeops.botfleet.tests.unit.plugins.module_utils._operations.market_data import (
    EVENTS,
    NOW,
    SINCE,
    Market,
)

COLUMNS = "timestamp INTEGER, symbol TEXT, size REAL, raw BLOB"
KINDS = {
    "hidden rowid": EVENTS,
    "integer primary key": "CREATE TABLE mbo_events (timestamp INTEGER PRIMARY KEY, symbol TEXT, size REAL, raw BLOB)",
    "autoincrement": f"CREATE TABLE mbo_events ({COLUMNS}, id INTEGER PRIMARY KEY AUTOINCREMENT)",
    "composite key": f"CREATE TABLE mbo_events ({COLUMNS}, PRIMARY KEY (symbol, timestamp))",
    "without rowid": f"CREATE TABLE mbo_events ({COLUMNS}, PRIMARY KEY (symbol, timestamp)) WITHOUT ROWID",
    "text key": f"CREATE TABLE mbo_events ({COLUMNS}, PRIMARY KEY (timestamp DESC))",
    "a column rowid": "CREATE TABLE mbo_events (timestamp INTEGER, rowid TEXT, size REAL, raw BLOB)",
    "odd names": 'CREATE TABLE mbo_events (timestamp INTEGER, "a ""b"" c" TEXT, [or; not] REAL, `select` BLOB)',
    "collations": "CREATE TABLE mbo_events (timestamp INTEGER, symbol TEXT COLLATE NOCASE, size NUMERIC, raw)",
    "generated columns": f"CREATE TABLE mbo_events ({COLUMNS}, day AS (timestamp / 86400), hour AS (1) STORED)",
    "checks": "CREATE TABLE mbo_events (timestamp INTEGER NOT NULL CHECK (timestamp > 0), symbol TEXT UNIQUE)",
    "strict": "CREATE TABLE mbo_events (timestamp INTEGER, symbol TEXT, size REAL, raw ANY) STRICT",
}
STRICT = pytest.mark.skipif(sqlite3.sqlite_version_info < (3, 37), reason="this SQLite has no STRICT tables")


def market_of(folder: Path, kind: str) -> Market:
    """Five hours of events in a table of one kind; only what the table can hold."""
    market = Market(folder)
    with closing(market.connect(isolation_level=None)) as connection:
        connection.execute("ALTER TABLE mbo_events RENAME TO old")
        connection.execute(KINDS[kind])
        info = connection.execute("SELECT name FROM pragma_table_info('mbo_events') WHERE name <> 'id'").fetchall()
        names = ", ".join('"' + name.replace('"', '""') + '"' for (name,) in info)
        values = ["timestamp", "symbol || timestamp" if kind == "checks" else "symbol", "size", "raw"][: len(info)]
        connection.execute(f"INSERT INTO mbo_events ({names}) SELECT {', '.join(values)} FROM old ORDER BY 1")
        connection.execute("DROP TABLE old")
    return market


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=[STRICT] if kind == "strict" else []) for kind in KINDS])
def test_s2_6_tables_of_each_kind_go_out_and_come_back(tmp_path: Path, kind: str) -> None:
    """S2.6: with keys, types, collations, generated columns and bytes as they were; the side file has that table."""
    market = market_of(tmp_path, kind)
    key = {"without rowid": "timestamp", "a column rowid": "_rowid_"}.get(kind, "rowid")
    before = market.rows(key=key)
    side = market.moved()
    left, moved = market.rows(key=key), market.rows(side, key=key)
    assert (len(left), len(moved)) == (240, 60)
    assert sorted([*left, *moved], key=str) == sorted(before, key=str)
    assert all(row[1][1] >= NOW - 3600 for row in moved)
    with closing(market.connect(side)) as connection:
        query = "SELECT sql FROM sqlite_master WHERE name = 'mbo_events'"
        assert connection.execute(query).fetchone() == (KINDS[kind],)
    outcome = market.run("restored", side_file=str(side))
    assert outcome.status == "changed", outcome.message
    assert market.rows(key=key) == before
    assert market.run("restored", side_file=str(side)).status == "unchanged"


def test_s2_6_values_stay_exactly_what_they_are(tmp_path: Path) -> None:
    """S2.6: each storage class in a column without a type, text that is not UTF-8, and an empty blob beside NULL."""
    market = Market(tmp_path, schema="CREATE TABLE mbo_events (timestamp INTEGER, value)")
    odd = [
        "1",
        "1.0",
        "'1'",
        "x'31'",
        "x''",
        "NULL",
        "''",
        "CAST(x'ff00fe' AS TEXT)",
        "9223372036854775807",
        "-0.0",
        "1e308",
    ]
    market.execute("DELETE FROM mbo_events", *(f"INSERT INTO mbo_events VALUES ({NOW}, {value})" for value in odd))
    before = market.rows()
    side = market.moved()
    assert market.rows(side) == before
    market.run("restored", side_file=str(side))
    assert market.rows() == before


def test_s2_6_a_database_in_utf_16(tmp_path: Path) -> None:
    """S2.6: the side file has the same encoding."""
    market = Market(tmp_path)
    market.path.unlink()
    market.execute("PRAGMA encoding = 'UTF-16le'", EVENTS, f"INSERT INTO mbo_events VALUES ({NOW}, 'Ω', 1, NULL)")
    before = market.rows()
    side = market.moved()
    assert market.rows(side) == before
    market.run("restored", side_file=str(side))
    assert market.rows() == before


@pytest.mark.parametrize(
    ("schema", "table", "message"),
    [
        ("CREATE VIEW recent AS SELECT * FROM mbo_events", "recent", "recent in {} is a view, a virtual table or"),
        ("CREATE VIRTUAL TABLE texts USING fts4(timestamp)", "texts", "texts in {} is a view, a virtual table or"),
        ("CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT)", "sqlite_sequence", "SQLite's own: name an ordinary"),
        (
            "CREATE TABLE odd (timestamp, rowid, oid, _rowid_)",
            "odd",
            "odd in {} has columns named rowid, _rowid_, oid, so rows cannot be told apart",
        ),
    ],
)
def test_s2_6_what_is_no_ordinary_table_is_refused(tmp_path: Path, schema: str, table: str, message: str) -> None:
    """S2.6: nothing is moved out of it."""
    market = Market(tmp_path)
    market.execute(schema)
    outcome = market.run("moved", table=table)
    assert outcome.status == "failed"
    assert message.format(market.path) in outcome.message
    assert market.names() == ["market_data.db"]


@pytest.mark.parametrize(
    ("trigger", "refused"),
    [
        ("AFTER DELETE ON mbo_events BEGIN INSERT INTO log VALUES (old.timestamp); END", "moved"),
        ("BEFORE INSERT ON mbo_events BEGIN INSERT INTO log VALUES (new.timestamp); END", "restored"),
        ("AFTER UPDATE OF size ON mbo_events BEGIN INSERT INTO log VALUES (1); END", ""),
    ],
)
def test_s2_6_no_trigger_fires(tmp_path: Path, trigger: str, refused: str) -> None:
    """S2.6: one that the move or its way back would fire is refused, others do not matter."""
    market = Market(tmp_path)
    market.execute("CREATE TABLE log (at)", f'CREATE TRIGGER "on delete" {trigger}')
    outcome = market.run("moved")
    if refused == "moved":
        assert outcome.status == "failed"
        assert f"mbo_events in {market.path} has triggers (on delete), and DELETE fires one: drop it" in outcome.message
        assert market.names() == ["market_data.db"]
    else:
        assert outcome.change is not None
        again = market.run("restored", side_file=outcome.change["moves"][0]["side_file"])
        assert again.status == ("failed" if refused else "changed")
        assert ("and INSERT fires one" in again.message) is bool(refused)
    assert market.count(table="log") == 0


CHILD = "CREATE TABLE fills (at INTEGER REFERENCES mbo_events {} ON DELETE CASCADE)"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            f"({NOW - 60}), ({NOW - 120}), ({NOW - 4 * 3600})",
            f'2 rows of fills in {{}} refer to rows of mbo_events since {SINCE} ("at", ON',
        ),
        (f"({NOW - 4 * 3600})", ""),
    ],
)
@pytest.mark.parametrize("target", ["", "(timestamp)"])
def test_s2_6_rows_that_others_refer_to_are_refused(tmp_path: Path, rows: str, message: str, target: str) -> None:
    """S2.6: nothing cascades, and no reference is left that leads nowhere; rows that nobody refers to may go."""
    market = market_of(tmp_path, "integer primary key")
    market.execute(CHILD.format(target), f"INSERT INTO fills VALUES {rows}")
    before, children = market.count(), market.count(table="fills")
    outcome = market.run("moved")
    assert market.count(table="fills") == children
    if message:
        assert outcome.status == "failed"
        assert message.format(market.path) in outcome.message
        assert market.count() == before
    else:
        assert outcome.status == "changed"
        assert market.count() == 240


def test_s2_6_references_within_the_window_go_along(tmp_path: Path) -> None:
    """S2.6: a table that refers to itself is refused only where a row that stays refers to one that goes."""
    schema = "CREATE TABLE mbo_events (timestamp INTEGER PRIMARY KEY, before INTEGER REFERENCES mbo_events)"
    market = Market(tmp_path, schema=schema)
    market.execute(
        "UPDATE mbo_events SET before = NULL",
        f"UPDATE mbo_events SET before = {NOW - 120} WHERE timestamp = {NOW - 60}",
    )
    assert market.run("moved", "plan").status == "changed"
    market.execute(f"UPDATE mbo_events SET before = {NOW - 120} WHERE timestamp = {NOW - 18000}")
    outcome = market.run("moved")
    assert outcome.status == "failed"
    assert "1 rows of mbo_events in" in outcome.message
