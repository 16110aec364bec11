# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DDL is replayed one statement at a time, and never called a restore of data (S1.7)."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import NotUndone, OperationError
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.schema import split, statements_of
from ansible_collections.tradeops.botfleet.tests.unit.plugins.module_utils._operations.restored_questdb import (
    LATER,
    ROWS,
    fresh,
)

SCHEMA = """\
-- what the bots write; a semicolon in a comment ends nothing
CREATE TABLE IF NOT EXISTS 'fills' (ts TIMESTAMP) TIMESTAMP(ts) PARTITION BY DAY WAL;
create table if not exists orders (ts timestamp, note varchar /* ; */) timestamp(ts) partition by day wal;
ALTER TABLE orders ADD COLUMN IF NOT EXISTS venue SYMBOL;
alter table "fills" add column if not exists fee double;
CREATE MATERIALIZED VIEW IF NOT EXISTS hourly AS (SELECT ts, count() n FROM fills SAMPLE BY 1h) PARTITION BY DAY
"""


def test_s1_7_a_script_is_split_where_statements_end() -> None:
    """S1.7: the server would carry out the first of several and answer 200."""
    script = "select ';' a -- ;\n from \"b;\"\"c\" /* ; */ ;\n\n;; select 'it''s;' ; select 3"
    assert split(script, "x") == [
        (1, 'select \';\' a   from "b;""c"'),
        (4, "select 'it''s;'"),
        (4, "select 3"),
    ]
    for bad in ("select 'a", 'select 1; select "b', "/* never"):
        with pytest.raises(OperationError, match="does not end: end it"):
            split(bad, "x")


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("insert into fills values (1)", "only CREATE TABLE"),
        ("drop table fills", "only CREATE TABLE"),
        ("truncate table fills", "only CREATE TABLE"),
        ("copy fills from 'x.csv'", "only CREATE TABLE"),
        ("create table fills (ts timestamp)", "only CREATE TABLE"),
        ("alter table fills drop partition where ts > 0", "only CREATE TABLE"),
        ("alter table fills add column fee double", "only CREATE TABLE"),
        ("create table if not exists f2 as (select * from fills)", "makes a table from a query"),
        ("create table if not exists f2 as select * from fills", "makes a table from a query"),
        ("create/**/table if not exists f2 as(with a as (select 1) select * from a)", "makes a table from a query"),
        ("begin", "only CREATE TABLE"),
        ("-- nothing", "no statement"),
    ],
)
def test_s1_7_what_could_bring_or_take_rows_is_refused(tmp_path: Path, statement: str, said: str) -> None:
    path = tmp_path / "schema.sql"
    path.write_text(f"{statement};\n")
    with pytest.raises(OperationError, match=said):
        statements_of(str(path))


def test_s1_7_a_schema_is_replayed_and_no_row_is_said_to_be_restored(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """S1.7: what is there stays, a second run changes nothing, and what fails is named with what was made before."""
    with fresh(tmp_path_factory) as place:
        path = place.path / "schema.sql"
        path.write_text(SCHEMA)
        planned = place.run(schema_sql=str(path), service=None, check=True)
        assert planned.status == "changed" and planned.change is None
        assert planned.diff[0]["after"] == "orders\norders.venue\nfills.fee\nhourly\n"
        done = place.run(schema_sql=str(path), service=None)
        assert done.status == "changed", done.message
        assert "restores no row" in done.message
        assert done.change == {
            "schema": ["orders", "orders.venue", "fills.fee", "hourly"],
            "data_restored": False,
            "rows_discarded": {},
            "data_loss": False,
        }
        assert done.proof is not None and done.proof["data_restored"] is False
        assert place.rows() == ROWS + LATER and place.rows("orders") == 0
        assert place.run(schema_sql=str(path), service=None).status == "unchanged"
        with pytest.raises(NotUndone):
            place.operation(schema_sql=str(path), service=None).undo(done.change)
        path.write_text("create table if not exists a1 (ts timestamp); create table if not exists a2 (ts nonsense);")
        failed = place.run(schema_sql=str(path), service=None)
        assert failed.status == "failed"
        assert "line 1 of" in failed.message and "made before it: a1" in failed.message
