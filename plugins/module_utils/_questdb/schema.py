# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DDL replayed, one statement at a time: it makes what is missing, and never brings a row. PRIVATE to the collection.

What is allowed can be run any number of times: it says IF NOT EXISTS. A transaction would not help, since DDL persists
through a ROLLBACK, and the server would carry out the first of several statements and say nothing of the others.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .._files import read_bytes
from .._operation import OperationError
from .client import Client, shortened, text_of

SKIPPED = re.compile(r"\s+|--[^\n]*|/\*.*?\*/", re.DOTALL)
QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"")
NAME = r"('(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|[\w.$]+)"
CREATE = re.compile(rf"CREATE\s+(?:(MATERIALIZED)\s+)?(TABLE|VIEW)\s+IF\s+NOT\s+EXISTS\s+{NAME}", re.IGNORECASE)
ADD = re.compile(rf"(ALTER\s+TABLE\s+{NAME}\s+ADD\s+COLUMN\s+IF\s+NOT\s+EXISTS\s+){NAME}\s", re.IGNORECASE)
COLUMN = re.compile(rf"\s*(?:IF\s+NOT\s+EXISTS\s+)?({NAME}\s.*)", re.IGNORECASE | re.DOTALL)
SELECTS = re.compile(r"\bAS\s*\(?\s*(?:SELECT|WITH)\b|\(\s*(?:SELECT|WITH)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Statement:
    """line: where it begins; table: what it makes or adds to; column: what it adds, None: it makes the table."""

    line: int
    text: str
    table: str
    column: str | None = None


def statements_of(path: str) -> list[Statement]:
    """The statements of a script. One that could do more than add to the schema is an OperationError."""
    raw = read_bytes(path)
    if raw is None:
        raise OperationError(f"{path} is not there: correct schema_sql, or bring the script to this host")
    try:
        script = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise OperationError(f"{path} is not UTF-8 at byte {error.start}: save it as UTF-8") from error
    found = [_parsed(path, line, one) for line, text in split(script, path) for one in columns_of(text)]
    if not found:
        raise OperationError(f"{path} has no statement: give at least one")
    return found


def split(script: str, path: str) -> list[tuple[int, str]]:
    """Line and text of each statement, without comments; a semicolon in quotes or in a comment ends none."""
    found: list[tuple[int, str]] = []
    text, place, begin = "", 0, 0
    while place < len(script):
        match = SKIPPED.match(script, place) or QUOTED.match(script, place)
        piece = match[0] if match else script[place]
        if piece in ("'", '"') or (piece == "/" and script.startswith("/*", place)):
            line = script.count("\n", 0, place) + 1
            raise OperationError(f"{path} line {line} begins a quote or comment that does not end: end it")
        if piece == ";":
            _keep(found, script, begin, text)
            text = ""
        elif match and SKIPPED.fullmatch(piece):
            text += " " if text else ""
        else:
            begin = begin if text else place
            text += piece
        place += len(piece)
    _keep(found, script, begin, text)
    return found


def columns_of(text: str) -> list[str]:
    """A statement that adds several columns as one for each: the server refuses it all where one of them is there."""
    added = ADD.match(text)
    if not added:
        return [text]
    head = added[1]
    parts, depth, place = [""], 0, len(head)
    while place < len(text):
        match = QUOTED.match(text, place)
        piece = match[0] if match else text[place]
        depth += (piece == "(") - (piece == ")")
        if piece == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += piece
        place += len(piece)
    found = [(COLUMN.fullmatch(part), part) for part in parts]
    return [f"{head}{column[1] if column else part}".rstrip() for column, part in found]


def missing(client: Client, statements: list[Statement]) -> list[Statement]:
    """Those that would change something."""
    columns: dict[str, set[str]] = {}
    needed = []
    present = {str(row["table_name"]).lower() for row in client.query("tables()").dicts()}
    for statement in statements:
        name = statement.table.lower()
        if statement.column is None:
            if name not in present:
                needed.append(statement)
                present.add(name)
                columns[name] = set()
            continue
        if name not in columns:
            if name not in present:
                raise OperationError(f"line {statement.line} adds to {statement.table}, which is not there: create it")
            described = client.query(f"table_columns({text_of(statement.table)})").dicts()
            columns[name] = {str(row["column"]).lower() for row in described}
        if statement.column.lower() not in columns[name]:
            needed.append(statement)
            columns[name].add(statement.column.lower())
    return needed


def _keep(found: list[tuple[int, str]], script: str, begin: int, text: str) -> None:
    if text.strip():
        found.append((script.count("\n", 0, begin) + 1, text.strip()))


def _parsed(path: str, line: int, text: str) -> Statement:
    created, added = CREATE.match(text), ADD.match(text)
    plain = QUOTED.sub("''", text)
    if created and (created[1] or created[2].upper() == "VIEW" or not SELECTS.search(plain)):
        return Statement(line, text, _plain(created[3]))
    if added:
        return Statement(line, text, _plain(added[2]), _plain(added[3]))
    if created:
        raise OperationError(
            f"{path} line {line} makes a table from a query ({shortened(text, 60)!r}), which brings rows: write its "
            "columns instead"
        )
    raise OperationError(
        f"{path} line {line} has {shortened(text, 60)!r}, but only CREATE TABLE, VIEW or MATERIALIZED VIEW IF NOT "
        "EXISTS and ALTER TABLE … ADD COLUMN IF NOT EXISTS can be replayed: take that statement out"
    )


def _plain(name: str) -> str:
    if name[0] in "'\"":
        return name[1:-1].replace(name[0] * 2, name[0])
    return name
