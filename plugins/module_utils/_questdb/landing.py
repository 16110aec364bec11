# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows written to a live table so that each value is the same to the bit. PRIVATE to the collection.

A batch goes to a table of its own as text, is read back from there as the types that it shall have, and only if it is
what was sent is it put into its table, in one transaction. An INSERT with values would be compiled row by row, which
takes a hundred times as long.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Callable
from urllib.parse import urlencode

from .._health.http import fetch, place
from .._operation import OperationError
from .carried import lines_of, read_again, taking
from .client import Unreachable, name_of, shortened
from .compared import Reader, Row

LANDING = "botfleet_rows_that_come_back"
"""How the table's name begins that a batch goes to. Each has one of its own: an INSERT of a run that was killed may be
carried out late, and must find no other batch. One that is found was left by such a run: nothing is lost with it."""

POLL = 0.1


def land(live: Reader, db: str, table: str, columns: Sequence[Sequence[str]], rows: Sequence[Row]) -> None:
    """Put rows into a table: all of them or, with an OperationError, none of them as far as anybody knows."""
    with _landing(live, db, len(columns)) as landing:
        _import(live, landing, table, lines_of(columns, rows))
        _check(live, landing, table, columns, rows)
        names = ", ".join(name_of(name) for name, _type in columns)
        values = ", ".join(taking(columns))
        sql = f"insert atomic into {name_of(table)} ({names}) select {values} from {landing}"  # noqa: S608  # quoted
        lost = ""
        try:
            live.query(sql)
        except Unreachable as error:
            lost = str(error)
        if lost:
            raise OperationError(
                f"the answer to {len(rows)} rows for table {table} was lost ({lost}): run it again, which finds out "
                "whether they arrived"
            )


def prove_writes(live: Reader, db: str) -> None:
    """OperationError unless what this server writes comes to be in ``db``."""
    with _landing(live, db, 1):
        pass


def is_landing(table: str) -> bool:
    """Whether a batch goes to that table, or went there in a run that was interrupted."""
    return table.startswith(LANDING)


def clear(live: Reader) -> None:
    """Remove what interrupted runs left."""
    for (name,) in live.query("select table_name from tables()").rows:
        if is_landing(name):
            live.query(f"drop table if exists {name_of(name)}")


@contextmanager
def _landing(live: Reader, db: str, columns: int) -> Iterator[str]:
    """A table for a batch, whose name no other server knows: so its directory shows where this one keeps its data."""
    name = f"{LANDING}_{secrets.token_hex(8)}"
    live.query(f"create table {name} ({', '.join(f'c{index} varchar' for index in range(columns))})")
    try:
        if not any(directory.startswith(name) for directory in os.listdir(db)):
            raise OperationError(
                f"the server at {live.access.url} keeps its data elsewhere than in {db}: correct url or root"
            )
        yield name
    finally:
        with suppress(OperationError):  # the next run removes it
            live.query(f"drop table if exists {name}")


def settle(live: Reader, remaining: Callable[[], float]) -> None:
    """Wait for what a run that was killed has sent, and the server may still be carrying out."""
    while any(LANDING in str(row[0]) for row in live.query("select query from query_activity()").rows):
        if remaining() <= 0:
            raise OperationError("a batch of an interrupted run is still being written: wait, or raise drain_timeout")
        time.sleep(POLL)


def _import(live: Reader, landing: str, table: str, lines: bytes) -> None:
    boundary = secrets.token_hex(16)
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="data"; filename="rows.csv"\r\n\r\n'
    asked = {"name": landing, "fmt": "json", "forceHeader": "true", "atomicity": "abort", "delimiter": ","}
    url = f"{live.access.url}/imp?{urlencode(asked)}"
    headers = {**live.access.headers, "Content-Type": f"multipart/form-data; boundary={boundary}"}
    body = head.encode() + lines + f"\r\n--{boundary}--\r\n".encode()
    try:
        answer = fetch(url, timeout=live.timeout, method="POST", headers=headers, body=body)
    except OperationError as error:
        raise Unreachable(f"QuestDB at {place(url)} {error}: start it, or raise timeout") from error
    try:
        said = json.loads(answer.body)
        reason = "" if answer.status == 200 and said["status"] == "OK" else str(said["status"])
    except (ValueError, KeyError, TypeError):
        reason = f"status {answer.status}, {shortened(answer.text)}"
    if reason:
        raise OperationError(
            f"rows of table {table} cannot be carried ({reason}), and none of this batch was written: leave it out of "
            "tables"
        )


def _check(live: Reader, landing: str, table: str, columns: Sequence[Sequence[str]], rows: Sequence[Row]) -> None:
    """What will be written must be what was sent."""
    values = ", ".join(f"{value} v{index}" for index, value in enumerate(taking(columns)))
    sql = f"select {read_again(columns)} from (select {values} from {landing})"  # noqa: S608  # made above
    found = list(live.rows(sql, table))
    if found == list(rows):
        return
    what = f"{len(found)} of {len(rows)} rows arrived"
    for row, other in zip(rows, found):
        wrong = [index for index in range(len(columns)) if row[index] != other[index]]
        if wrong:
            what = "{} {}".format(*columns[wrong[0]])
            break
    raise OperationError(
        f"rows of table {table} would not come back as they are ({what}), and none of this batch was written: leave it "
        "out of tables"
    )
