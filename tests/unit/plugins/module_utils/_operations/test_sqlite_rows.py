# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of a window of time moved out of real SQLite files (S2.6): what is moved, and what is said of it."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import NotUndone, OperationError
from ansible_collections.tradeops.botfleet.tests.unit.plugins.module_utils._operations.market_data import (
    NOW,
    SINCE,
    Market,
    event,
)


@pytest.fixture(name="market", params=["wal", "delete"])
def _market(tmp_path: Path, request: pytest.FixtureRequest) -> Market:
    return Market(tmp_path, request.param)


def test_s2_6_the_last_hour_is_moved_to_a_dated_file_beside_the_database(market: Market) -> None:
    """S2.6: the rows leave the database and are in the side file, each with its rowid, types and bytes."""
    before = market.rows()
    outcome = market.run("moved")
    assert outcome.status == "changed"
    assert outcome.change is not None
    (move,) = outcome.change["moves"]
    side = Path(move["side_file"])
    assert side.parent == market.folder
    assert side.name.startswith("market_data.mbo_events.2")
    assert side.name.endswith("Z.db")
    assert market.rows() == before[:240]
    assert market.rows(side) == before[240:]
    assert market.names() == ["market_data.db", side.name]
    assert (outcome.change["rows"], move["rows"], move["since"], move["until"]) == (60, 60, SINCE, None)


def test_s2_6_before_after_and_proof_say_what_was_read(market: Market) -> None:
    """S2.6: integrity is checked before and after, on the database and on the side file."""
    outcome = market.run("moved")
    assert outcome.before is not None
    assert outcome.proof is not None
    assert (outcome.before["rows"], outcome.before["rows_in_window"], outcome.before["integrity"]) == (300, 60, "ok")
    assert (outcome.proof["rows"], outcome.proof["rows_in_window"], outcome.proof["integrity"]) == (240, 0, "ok")
    assert [side["integrity"] for side in outcome.proof["side_files"]] == ["ok"]
    assert outcome.after == outcome.proof


def test_s2_6_run_again_it_changes_nothing(market: Market) -> None:
    """S2.6: no row in the window means nothing to do, and no further file."""
    market.moved()
    names = market.names()
    again = market.run("moved")
    assert (again.status, again.message, again.change) == ("unchanged", "", None)
    assert market.names() == names
    assert market.run("moved", "prove").status == "unchanged"


def test_s2_6_check_mode_says_how_many_and_creates_no_file(market: Market) -> None:
    """S2.6: not even a -wal or -shm file beside a database in WAL mode; the diff has numbers, no contents."""
    content = market.path.read_bytes()
    outcome = market.run("moved", check_mode=True)
    assert outcome.status == "changed"
    assert "move 60 rows of mbo_events since 2026-01-05T02:15:00Z out of" in outcome.message
    assert outcome.diff[0]["before"] == f"mbo_events: 300 rows, 60 since {SINCE}\n"
    assert outcome.diff[0]["after"] == f"mbo_events: 240 rows, 0 since {SINCE}\n"
    assert outcome.diff[1]["after"] == f"mbo_events: 60 rows since {SINCE}\n"
    assert market.names() == ["market_data.db"]
    assert market.path.read_bytes() == content
    assert "BTC" not in json.dumps([outcome.diff, outcome.message, outcome.before])


def test_s2_6_check_mode_sees_what_a_running_bot_has_not_checkpointed(tmp_path: Path) -> None:
    """S2.6: rows that are only in the -wal file of a bot that runs count, too."""
    market = Market(tmp_path)
    with closing(market.connect(isolation_level=None)) as bot:
        bot.execute("INSERT INTO mbo_events VALUES (?, ?, ?, ?)", event(NOW - 1))
        outcome = market.run("moved", check_mode=True)
        assert outcome.before is not None
        assert outcome.before["rows_in_window"] == 61


def test_s2_6_prove_alone_says_what_is_left(market: Market) -> None:
    """S2.6: asked whether the rows are gone, it counts those that are not."""
    outcome = market.run("moved", "prove")
    assert outcome.status == "failed"
    assert outcome.message == f"{market.path} still has 60 rows of mbo_events since {SINCE}: move them"
    assert outcome.proof is not None
    assert outcome.proof["rows_in_window"] == 60


def test_s2_6_undo_puts_the_rows_back_and_keeps_the_side_file(market: Market) -> None:
    """S2.6: from the change as JSON, in a process that knows nothing else."""
    before = market.rows()
    outcome = market.run("moved")
    change = json.loads(json.dumps(outcome.change))
    assert market.operation("moved").undo(change) == f"60 rows of mbo_events are again in {market.path}"
    assert market.rows() == before
    assert Path(change["moves"][0]["side_file"]).is_file()


def test_s2_6_undo_says_why_rows_cannot_go_back(market: Market) -> None:
    """S2.6: a bot that wrote since has given a moved row's rowid to another; that one is not overwritten."""
    outcome = market.run("moved")
    market.execute("INSERT INTO mbo_events VALUES (1, 'new', 1, x'')")
    assert outcome.change is not None
    with pytest.raises(NotUndone, match=r"were not put back: .*rowid 241\); nothing was put back"):
        market.operation("moved").undo(outcome.change)
    assert market.count() == 241


UNITS: list[tuple[str, str, Any]] = [
    ("s", "timestamp INTEGER", lambda at: at),
    ("s", "timestamp REAL", lambda at: at + 0.5),
    ("ms", "timestamp INTEGER", lambda at: at * 1000 + 999),
    ("us", "timestamp INTEGER", lambda at: at * 10**6),
    ("ns", "timestamp INTEGER", lambda at: at * 10**9 + 1),
    ("iso", "timestamp TEXT", "strftime('%Y-%m-%dT%H:%M:%SZ', {}, 'unixepoch')"),
    ("iso", "timestamp DATETIME", "strftime('%Y-%m-%d %H:%M:%S', {}, 'unixepoch')"),
    ("iso", "timestamp TEXT", "strftime('%Y-%m-%dT%H:%M:%f', {}, 'unixepoch')"),
    ("iso", "timestamp TEXT", "strftime('%Y-%m-%dT%H:%M:%S+02:00', {} + 7200, 'unixepoch')"),
]


@pytest.mark.parametrize(("unit", "declared", "value"), UNITS)
def test_s2_6_each_unit_of_the_column(tmp_path: Path, unit: str, declared: str, value: Any) -> None:
    """S2.6: the runbook compares text, and so takes a whole day of T-separated times; here it is the hour alone."""
    market = Market(tmp_path, schema=f"CREATE TABLE mbo_events ({declared}, symbol TEXT)")
    with closing(market.connect()) as connection:
        if isinstance(value, str):
            connection.execute(f"UPDATE mbo_events SET timestamp = {value.format('CAST(timestamp AS INTEGER)')}")
        else:
            rows = connection.execute("SELECT timestamp, rowid FROM mbo_events").fetchall()
            connection.executemany(
                "UPDATE mbo_events SET timestamp = ? WHERE rowid = ?", [(value(a), i) for a, i in rows]
            )
        connection.commit()
    before = market.rows()
    side = market.moved(unit=unit)
    assert market.rows(side) == before[240:]
    assert market.rows() == before[:240]


def test_s2_6_a_window_is_half_open_and_ends_at_until(market: Market) -> None:
    """S2.6: a row at since is moved, a row at until stays; a window counts back from until."""
    side = market.moved(window="10m", until="2026-01-05T03:00:00+00:00")
    times = [row[1][1] for row in market.rows(side)]
    assert times == list(range(NOW - 25 * 60, NOW - 15 * 60, 60))
    outcome = market.run("moved", since="2026-01-05T03:04:30+01:00", until="2026-01-05T03:06:00+01:00", window=None)
    assert outcome.change is not None
    assert outcome.change["rows"] == 1


def test_s2_6_a_window_without_end_takes_what_is_stamped_ahead_of_this_clock(tmp_path: Path) -> None:
    """S2.6: as in the runbook, the last hour has no end, since exchanges' clocks run ahead."""
    market = Market(tmp_path)
    market.execute("INSERT INTO mbo_events SELECT CAST(strftime('%s', 'now') AS INTEGER) + 90, 'ahead', 1, NULL")
    side = market.moved(window="1h")
    assert market.count(side) == 1
    assert market.count() == 300


def test_s2_6_rows_without_a_time_stay_and_are_counted(market: Market) -> None:
    """S2.6: nobody can say that they belong to the window."""
    market.execute(
        "INSERT INTO mbo_events (timestamp) VALUES (NULL)", "INSERT INTO mbo_events (timestamp) VALUES ('soon')"
    )
    outcome = market.run("moved")
    assert outcome.proof is not None
    assert (outcome.proof["rows"], outcome.proof["rows_without_time"]) == (242, 2)


@pytest.mark.parametrize(
    ("unit", "message"),
    [
        ("ms", "holds no time as ms since 1970 (it has 1767564900): set unit to s"),
        ("ns", "holds no time as ns since 1970 (it has 1767564900): set unit to s"),
        ("iso", "holds no time as ISO text (it has 1767564900): set unit to s"),
    ],
)
def test_s2_6_a_wrong_unit_is_refused_and_the_right_one_named(market: Market, unit: str, message: str) -> None:
    """S2.6: in milliseconds no row would be in the window, and corrupt rows would stay without a word."""
    outcome = market.run("moved", unit=unit)
    assert outcome.status == "failed"
    assert outcome.message == f"mbo_events.timestamp in {market.path} {message}"
    assert market.names() == ["market_data.db"]


def test_s2_6_a_column_without_times_is_refused(market: Market) -> None:
    """S2.6: sizes are no times in any unit."""
    outcome = market.run("moved", column="symbol")
    assert outcome.status == "failed"
    assert "symbol in" in outcome.message
    assert "name a column that holds times" in outcome.message


def test_s2_6_the_side_file_may_be_named_and_is_never_overwritten(market: Market) -> None:
    """S2.6: rows that come into the window later need another file."""
    side = market.folder / "bad hour?.db"
    assert market.moved(side_file=str(side)) == side
    kept = side.read_bytes()
    market.execute(f"INSERT INTO mbo_events VALUES ({NOW}, 'late', 1, NULL)")
    outcome = market.run("moved", side_file=str(side))
    assert outcome.status == "failed"
    assert outcome.message == f"{side} is there already and is never overwritten: give another side_file"
    assert side.read_bytes() == kept
    assert market.count() == 241


def test_s2_6_two_moves_in_one_second_have_two_files(market: Market) -> None:
    """S2.6: the second gets a number."""
    first = market.moved(since="2026-01-05T03:00:00Z")
    second = market.moved()
    assert first != second
    assert (market.count(first), market.count(second), market.count()) == (15, 45, 240)


def test_s2_6_journal_mode_stays(market: Market) -> None:
    """S2.6: a database keeps the journal mode that its bot gave it."""
    with closing(market.connect()) as connection:
        before = connection.execute("PRAGMA journal_mode").fetchone()
    market.moved()
    with closing(market.connect()) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"since": "yesterday"}, "since is 'yesterday': set a time such as 2026-01-05T03:15:00Z, with its zone"),
        ({"since": "2026-01-05T03:15:00"}, "since is '2026-01-05T03:15:00': set a time"),
        ({"until": "2026-13-05T03:15:00Z"}, "until is '2026-13-05T03:15:00Z': set a time"),
        ({"window": "one hour"}, "window is 'one hour': set a span such as 1h, 90s, 15m or 2d"),
        ({"window": "0h"}, "window is '0h': set a span"),
        ({"window": "999999d"}, "window is '999999d', which begins before 1970: set a span"),
        ({"since": "0001-01-01T00:00:00+14:00"}, "since is '0001-01-01T00:00:00+14:00': set a time from 1970 to 2261"),
        ({"until": "2262-05-01T00:00:00Z"}, "until is '2262-05-01T00:00:00Z': set a time from 1970 to 2261"),
        ({"until": SINCE}, f"since is {SINCE} and until {SINCE}: let the window begin before it ends"),
        ({"busy_timeout": -1.0}, "busy_timeout is -1: set seconds, 0 or more"),
        ({"script": "DELETE"}, "script is 'DELETE', which state moved makes nothing of: leave it out"),
        ({"path": "market.db"}, "path is 'market.db', which is not an absolute path: write it from the root"),
    ],
)
def test_s2_6_bad_options_get_one_sentence(market: Market, options: dict[str, Any], message: str) -> None:
    """S2.6: value, place and mend, before the database is opened."""
    with pytest.raises(OperationError) as caught:
        market.operation("moved", **options)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"table": "events"}, "has no table 'events': set table to one of its tables (mbo_events)"),
        ({"table": 'mbo_events"; DROP TABLE mbo_events; --'}, "has no table 'mbo_events\"; DROP TABLE"),
        ({"column": "time"}, "has no column 'time': set column to one of timestamp, symbol, size, raw"),
        ({"column": "rowid"}, "has no column 'rowid'"),
        ({"side_file": "/no/such/place/side.db"}, "/no/such/place, which is to hold side.db, is not there: make it"),
    ],
)
def test_s2_6_what_is_not_there_is_named(market: Market, options: dict[str, Any], message: str) -> None:
    """S2.6: names are looked up in the schema, and never pasted into SQL."""
    before = market.rows()
    outcome = market.run("moved", **options)
    assert outcome.status == "failed"
    assert message in outcome.message
    assert not outcome.applied
    assert market.rows() == before
    assert market.names() == ["market_data.db"]


def test_s2_6_names_are_taken_whatever_their_case(market: Market) -> None:
    """S2.6: as SQLite does, and the schema's own spelling is what the result says."""
    outcome = market.run("moved", table="MBO_Events", column="TIMESTAMP")
    assert outcome.change is not None
    assert outcome.change["table"] == "mbo_events"


def test_s2_6_a_database_that_is_not_there(market: Market) -> None:
    """S2.6: a host that was never deployed fails with a sentence, or is skipped where that is expected."""
    shutil.rmtree(market.folder)
    for mode in ("apply", "prove"):
        assert "is not there: correct the path" in market.run("moved", mode).message
        assert market.run("moved", mode, missing="ok").status == "skipped"
