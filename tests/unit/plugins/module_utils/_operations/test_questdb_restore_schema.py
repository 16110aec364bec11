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


def test_s1_7_a_statement_of_several_columns_is_one_for_each(tmp_path: Path) -> None:
    """S1.7: each is looked at alone; a comma within a type or a name begins none."""
    path = tmp_path / "schema.sql"
    add = "ALTER TABLE 'a,(b' ADD COLUMN IF NOT EXISTS "
    path.write_text(f'{add}fee DECIMAL(18, 3), if not exists "x, y" symbol capacity 8 ,\n  z int;\n')
    found = statements_of(str(path))
    assert [statement.column for statement in found] == ["fee", "x, y", "z"]
    assert {(statement.line, statement.table) for statement in found} == {(1, "a,(b")}
    assert [statement.text for statement in found] == [
        f"{add}fee DECIMAL(18, 3)",
        f'{add}"x, y" symbol capacity 8',
        f"{add}z int",
    ]


def test_s1_7_each_column_of_a_statement_is_added_if_it_is_missing(tmp_path_factory: pytest.TempPathFactory) -> None:
    """S1.7: also where the first one or the last one is there, for which the server refuses the statement as it is."""
    with fresh(tmp_path_factory) as place:
        path = place.path / "schema.sql"
        path.write_text("alter table fills add column if not exists price double, fee double, note varchar, tax double")
        assert place.run("prove", schema_sql=str(path), service=None).status == "failed"
        done = place.run(schema_sql=str(path), service=None)
        assert done.status == "changed" and done.change is not None, done.message
        assert done.change["schema"] == ["fills.fee", "fills.tax"]
        columns = [row[0] for row in place.server.sql("table_columns('fills')")]
        assert columns == ["ts", "symbol", "side", "price", "amount", "note", "fee", "tax"]
        assert place.run(schema_sql=str(path), service=None).status == "unchanged"


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
        ("alter table fills add column if not exists fee double, ", "only CREATE TABLE"),
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
