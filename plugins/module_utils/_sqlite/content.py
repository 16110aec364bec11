# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a whole database holds, to tell whether two hold the same. PRIVATE to the collection."""

# ruff: noqa: S608  # names come from the schema and are quoted, values are bound

from __future__ import annotations

import hashlib
import sqlite3

from .database import lenient, quoted

Content = dict[str, "tuple[int, str]"]
"""By table its rows and a SHA-256 of them; the schema is under an empty name."""


def content(connection: sqlite3.Connection) -> Content:
    """Each value with its type and each rowid, whatever pages they lie on. Virtual tables are their shadow tables."""
    connection.text_factory = bytearray  # text that is not UTF-8 stays what it is, and differs from a blob
    try:
        columns = "type, name, tbl_name, sql"
        schema = connection.execute(
            f"SELECT {columns} FROM main.sqlite_master ORDER BY type, name, tbl_name"
        ).fetchall()
        found = {"": (len(schema), hashlib.sha256(repr(schema).encode()).hexdigest())}
        for kind, name, _table, sql in schema:
            if kind == b"table" and not (sql or b"").upper().startswith(b"CREATE VIRTUAL"):
                found[lenient(name)] = _rows(connection, lenient(name))
        return found
    finally:
        connection.text_factory = lenient


def digest_of(found: Content) -> str:
    """One SHA-256 of it all."""
    return hashlib.sha256(repr(sorted(found.items())).encode()).hexdigest()


def differing(before: Content, after: Content) -> list[str]:
    """The tables that differ, by name; an empty name is the schema."""
    return sorted(name for name in {**before, **after} if before.get(name) != after.get(name))


def _rows(connection: sqlite3.Connection, table: str) -> tuple[int, str]:
    digest = hashlib.sha256()
    number = 0
    try:
        rows = connection.execute(f"SELECT rowid, * FROM main.{quoted(table)} ORDER BY 1")
    except sqlite3.OperationalError:  # WITHOUT ROWID
        primary = connection.execute("SELECT name FROM pragma_table_info(?) WHERE pk ORDER BY pk", (table,)).fetchall()
        order = ", ".join(quoted(lenient(row[0])) for row in primary)
        rows = connection.execute(f"SELECT * FROM main.{quoted(table)} ORDER BY {order}")
    for row in rows:
        digest.update(repr(row).encode())
        number += 1
    return number, digest.hexdigest()
