# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SQL scripts run on real SQLite databases that are copied first (S2.9: reset_metrics.sql)."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import NotUndone, OperationError, Outcome
from ansible_collections.tradeops.botfleet.plugins.module_utils._sqlite.database import Database
from ansible_collections.tradeops.botfleet.tests.unit.plugins.module_utils._operations.market_data import Market

RESET = """\
-- reset_metrics.sql; begins; with a comment
DELETE FROM mbo_events WHERE size > 0;
/* BEGIN; */ INSERT INTO totals VALUES ('a;b -- no comment', 0) ON CONFLICT DO NOTHING;
CREATE TRIGGER IF NOT EXISTS counting AFTER INSERT ON mbo_events BEGIN
  UPDATE totals SET n = n + 1; SELECT 1;
END;
UPDATE totals SET n = 0
"""


@pytest.fixture(name="market", params=["wal", "delete"])
def _market(tmp_path: Path, request: pytest.FixtureRequest) -> Market:
    market = Market(tmp_path, request.param)
    market.execute("CREATE TABLE totals (name TEXT PRIMARY KEY, n INTEGER)", "INSERT INTO totals VALUES ('pnl', 7)")
    return market


def scripted(market: Market, script: str = RESET, **options: Any) -> Outcome:
    return market.run("scripted", script=script, **options)


def test_s2_9_the_database_is_copied_and_the_script_runs(market: Market) -> None:
    """S2.9: a copy from before, of which each row is the same, then all statements; again changes nothing."""
    rows, totals = market.rows(), market.rows(table="totals")
    outcome = scripted(market)
    assert outcome.status == "changed", outcome.message
    assert outcome.change is not None
    assert outcome.proof is not None
    copy = Path(outcome.change["backup_file"])
    assert copy.name.startswith("market_data.before-script.2")
    assert (market.rows(copy), market.rows(copy, "totals")) == (rows, totals)
    assert (market.count(), market.count(table="totals")) == (0, 2)
    assert (outcome.change["tables"], outcome.change["schema_changed"]) == (["mbo_events", "totals"], True)
    assert (outcome.proof["integrity"], outcome.proof["backup_integrity"]) == ("ok", "ok")
    assert outcome.proof["tables"] == {"mbo_events": 0, "totals": 2}
    assert market.names() == [copy.name, "market_data.db"]
    assert scripted(market).status == "unchanged"
    assert market.names() == [copy.name, "market_data.db"]


def test_s2_9_check_mode_tries_it_on_a_private_copy(market: Market) -> None:
    """S2.9: the diff has each table's number of rows; the database and its directory stay as they are."""
    content = market.path.read_bytes()
    outcome = scripted(market, check_mode=True)
    assert outcome.status == "changed"
    assert "and run the script, which changes the schema, mbo_events, totals" in outcome.message
    assert "mbo_events: 300 rows, sha256" in outcome.diff[0]["before"]
    assert "mbo_events: 0 rows, sha256" in outcome.diff[0]["after"]
    assert "pnl" not in json.dumps([outcome.diff, outcome.before])
    assert market.names() == ["market_data.db"]
    assert market.path.read_bytes() == content


def test_s2_9_a_script_in_a_file_on_the_host(market: Market) -> None:
    """S2.9: with a byte order mark or without."""
    path = market.folder / "reset_metrics.sql"
    path.write_text(RESET, encoding="utf-8-sig")
    outcome = market.run("scripted", script_path=str(path))
    assert outcome.status == "changed"
    assert f"run {path}, which changes" in outcome.message
    assert market.count() == 0


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("DELETE FROM mbo_events; DELETE FROM nowhere;", "at 'DELETE FROM nowhere;' (no such table: nowhere)"),
        ("DELETE FROM totals; INSERT INTO totals SELECT 'x', 1 UNION ALL SELECT 'x', 2", "UNIQUE constraint failed"),
        (
            "DELETE FROM totals; INSERT OR ROLLBACK INTO totals SELECT 'x', 1 UNION ALL SELECT 'x', 2",
            "UNIQUE constraint",
        ),
        ("DELETE FROM totals WHERE name = :name", "at 'DELETE FROM totals WHERE name = :name'"),
        ("DELETE FRM totals", 'near "FRM": syntax error'),
    ],
)
def test_s2_9_a_script_that_fails_is_found_before_anything_is_touched(
    market: Market, script: str, message: str
) -> None:
    """S2.9: the statement and SQLite's reason; no copy is left, since none is needed."""
    before = market.rows()
    outcome = scripted(market, script)
    assert outcome.status == "failed"
    assert not outcome.applied
    assert message in outcome.message
    assert "nothing was changed: correct it" in outcome.message
    assert market.rows() == before
    assert market.names() == ["market_data.db"]


def test_s2_9_a_script_that_fails_only_when_it_is_applied_is_rolled_back(market: Market) -> None:
    """S2.9: rows that came after the plan make it fail; the database has what it had, and the copy is gone again."""
    operation = market.operation("scripted", script="DELETE FROM mbo_events; INSERT INTO totals VALUES ('late', 1)")
    plan = operation.plan(operation.observe())
    market.execute("INSERT INTO totals VALUES ('late', 0)")
    with pytest.raises(OperationError, match=r"UNIQUE constraint failed.*; nothing was changed"):
        operation.apply(plan)
    assert market.count() == 300
    assert market.names() == ["market_data.db"]


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("BEGIN; DELETE FROM totals; COMMIT;", "script line 1 has BEGIN, but all of it runs in one transaction"),
        ("DELETE FROM totals;\n\n  end;", "script line 3 has END, but all of it runs in one transaction"),
        ("-- x\nrollback", "script line 2 has ROLLBACK, but"),
        ("SAVEPOINT a", "script line 1 has SAVEPOINT, but"),
        ("/* a */ /* b\n */ Attach 'x' AS x", "script line 2 has ATTACH, but it runs on one database"),
        ("DELETE FROM totals; VACUUM", "script line 1 has VACUUM, but it cannot run in a transaction"),
        ("PRAGMA journal_mode = OFF", "script line 1 has PRAGMA, but what it sets would not be undone"),
        (";;\n.read other.sql\n", "script line 2 has a command of the sqlite3 program ('.read other.sql'): write SQL"),
        ("DELETE FROM totals WHERE name = 'x", "script line 1 begins a statement that does not end"),
        (" -- nothing\n;", "script has no statement: give at least one"),
        ("", "script has no statement: give at least one"),
    ],
)  # fmt: skip
def test_s2_9_what_would_break_the_transaction_is_refused(market: Market, script: str, message: str) -> None:
    """S2.9: by line and word, before the database is opened."""
    with pytest.raises(OperationError) as caught:
        market.operation("scripted", script=script)
    assert str(caught.value).startswith(message)


def test_s2_9_a_script_file_that_cannot_be_read(market: Market) -> None:
    """S2.9: missing, a symlink, not UTF-8."""
    path = market.folder / "reset.sql"
    with pytest.raises(OperationError, match=r"reset.sql is not there: correct script_path"):
        market.operation("scripted", script_path=str(path))
    path.symlink_to(market.path)
    with pytest.raises(OperationError, match=r"reset.sql is a symlink to "):
        market.operation("scripted", script_path=str(path))
    path.unlink()
    path.write_bytes(b"DELETE FROM t -- \xff")
    with pytest.raises(OperationError, match=r"reset.sql is not UTF-8 at byte 17"):
        market.operation("scripted", script_path=str(path))


def test_s2_9_undo_puts_the_copy_back(market: Market) -> None:
    """S2.9: in place, in the journal mode that it had, with owner and mode; programs that open it later see it."""
    market.path.chmod(0o640)
    before, inode = market.rows(), market.path.stat().st_ino
    with closing(market.connect()) as connection:
        journal = connection.execute("PRAGMA journal_mode").fetchone()
    change = json.loads(json.dumps(scripted(market).change))
    said = market.operation("scripted", script=RESET).undo(change)
    assert said == f"{market.path} is again what it was before the script"
    assert market.rows() == before
    assert (market.path.stat().st_ino, stat.S_IMODE(market.path.stat().st_mode)) == (inode, 0o640)
    with closing(market.connect()) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == journal
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.parametrize("write", ["INSERT INTO totals VALUES ('new', 1)", "CREATE TABLE other (a)"])
def test_s2_9_undo_keeps_what_was_written_since(market: Market, write: str) -> None:
    """S2.9: a row or a table that came after the script is never overwritten; it says where the copy is."""
    change = scripted(market).change
    assert change is not None
    market.execute(write)
    with pytest.raises(NotUndone) as caught:
        market.operation("scripted", script=RESET).undo(change)
    assert str(caught.value) == (
        f"{market.path} was not put back, its copy from before the script is {change['backup_file']}: "
        "somebody wrote the database after the script"
    )
    assert market.count() == 0


def test_s2_9_undo_waits_for_no_writer_to_be_overwritten(market: Market) -> None:
    """S2.9: with a transaction open elsewhere, nothing is put back, and the sentence says why."""
    change = scripted(market).change
    assert change is not None
    with closing(market.connect(isolation_level=None)) as bot:
        bot.execute("BEGIN IMMEDIATE")
        bot.execute("INSERT INTO totals VALUES ('new', 1)")
        with pytest.raises(NotUndone, match=r"stayed locked.* for 0.1 s"):
            market.operation("scripted", script=RESET, busy_timeout=0.1).undo(change)
        bot.execute("COMMIT")
    assert market.count(table="totals") == 3


def test_s2_9_nobody_writes_between_looking_and_putting_back(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    """S2.9: once undo has seen that nobody wrote, nobody can until the copy is back."""
    change = scripted(market).change
    assert change is not None
    refused = []
    connection = Database.connection

    def with_a_writer(database: Database, mode: str = "mode=rw") -> Any:
        if mode == "mode=ro":  # the copy, right before it is put back
            with closing(sqlite3.connect(str(market.path), timeout=0.1, isolation_level=None)) as bot:
                try:
                    bot.execute("INSERT INTO totals VALUES ('lost', 1)")
                except sqlite3.OperationalError as error:
                    refused.append(str(error))
        return connection(database, mode)

    operation = market.operation("scripted", script=RESET)
    monkeypatch.setattr(Database, "connection", with_a_writer)
    monkeypatch.setattr(Database, "read", lambda database, work: work(market.connect(Path(database.path))))
    operation.undo(change)
    assert refused == ["database is locked"]
    assert market.count() == 300


def test_s2_9_undo_does_not_trust_a_copy_that_was_changed(market: Market) -> None:
    """S2.9: what is put back must be what was copied."""
    change = scripted(market).change
    assert change is not None
    with closing(market.connect(Path(change["backup_file"]))) as copy:
        copy.execute("DELETE FROM totals")
        copy.commit()
    with pytest.raises(NotUndone, match="that is not what it was"):
        market.operation("scripted", script=RESET).undo(change)
    os.unlink(change["backup_file"])
    with pytest.raises(NotUndone, match="that is not what it was"):
        market.operation("scripted", script=RESET).undo(change)


def test_s2_9_a_named_copy_is_never_overwritten(market: Market) -> None:
    """S2.9: one of another content is refused; the same content, which a killed run has left, is taken."""
    copy = market.folder / "copy.db"
    assert scripted(market, backup_file=str(copy)).status == "changed"
    kept = copy.read_bytes()
    market.execute("INSERT INTO mbo_events VALUES (1, 'x', 1, NULL)")
    outcome = scripted(market, backup_file=str(copy))
    assert outcome.status == "failed"
    assert outcome.message == (
        f"{copy} holds another content than {market.path} and is never overwritten: give another backup_file"
    )
    assert copy.read_bytes() == kept
    copy.unlink()
    with closing(market.connect()) as source, closing(market.connect(copy)) as target:
        source.backup(target)
    assert scripted(market, backup_file=str(copy)).status == "changed"


def test_s2_9_a_script_that_changes_something_each_time_says_so(market: Market) -> None:
    """S2.9: proven alone it names what would change; run, it is proven by the checks."""
    script = "UPDATE totals SET n = n + 1"
    assert [scripted(market, script).status for _run in range(2)] == ["changed", "changed"]
    outcome = market.run("scripted", "prove", script=script)
    assert outcome.status == "failed"
    assert outcome.message == f"the script would still change totals in {market.path}: run it"
    assert market.run("scripted", "prove", script="DELETE FROM totals WHERE n < 0").status == "unchanged"
