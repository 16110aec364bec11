# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bot's market data in real SQLite files, for tests. Hours before the rollback lie from -5 to 0."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import Context, Outcome, carry_out
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations.sqlite_rows import SqliteRows

NOW = 1_767_582_900  # 2026-01-05T03:15:00Z
SINCE = "2026-01-05T02:15:00Z"
EVENTS = "CREATE TABLE mbo_events (timestamp INTEGER, symbol TEXT, size REAL, raw BLOB)"
Row = tuple[Any, ...]


class Market:
    """A database with five hours of events, one a minute, of which the last hour is bad: 240 good ones, 60 bad."""

    def __init__(self, folder: Path, journal: str = "wal", schema: str = EVENTS) -> None:
        self.folder = folder
        self.path = folder / "market_data.db"
        self.execute(f"PRAGMA journal_mode = {journal}", schema)
        with closing(self.connect()) as connection:
            columns = len(connection.execute("SELECT * FROM pragma_table_info('mbo_events')").fetchall())
            connection.executemany(
                f"INSERT INTO mbo_events VALUES ({', '.join('?' * columns)})", [event(at)[:columns] for at in minutes()]
            )
            connection.commit()

    def connect(self, path: Path | None = None, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = sqlite3.connect(str(path or self.path), timeout=20, **options)
        return connection

    def execute(self, *statements: str) -> None:
        with closing(self.connect(isolation_level=None)) as connection:
            for statement in statements:
                connection.execute(statement)

    def rows(self, path: Path | None = None, table: str = "mbo_events", key: str = "rowid") -> list[Row]:
        """Every row with its rowid and the type of each value, as SQLite has it."""
        with closing(self.connect(path)) as connection:
            connection.text_factory = bytearray
            return [
                tuple((type(value).__name__, plain(value)) for value in row)
                for row in connection.execute(f"SELECT {key}, * FROM {table} ORDER BY 1, 2")
            ]

    def count(self, path: Path | None = None, table: str = "mbo_events") -> int:
        with closing(self.connect(path)) as connection:
            return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])

    def operation(self, state: str, *, check_mode: bool = False, **options: Any) -> SqliteRows:
        given: dict[str, Any] = {"path": str(self.path), "state": state}
        if state == "moved":
            given.update(table="mbo_events", column="timestamp", unit="s")
            given.update({} if "window" in options else {"since": SINCE})
        defaults = {name: spec.get("default") for name, spec in SqliteRows.OPTIONS.items()}
        return SqliteRows({**defaults, **given, **options}, Context(check_mode=check_mode))

    def run(self, state: str, mode: str = "apply", **options: Any) -> Outcome:
        return carry_out(self.operation(state, **options), mode)

    def moved(self, **options: Any) -> Path:
        """Move the bad hour; returns the side file."""
        outcome = self.run("moved", **options)
        assert outcome.status == "changed", outcome.message
        assert outcome.change is not None
        return Path(outcome.change["moves"][-1]["side_file"])

    def names(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())


def plain(value: Any) -> Any:
    """Text is a bytearray here, and no blob; as bytes it can be sorted and put into a set."""
    return bytes(value) if isinstance(value, bytearray) else value


def minutes() -> range:
    return range(NOW - 5 * 3600, NOW, 60)


def event(at: int) -> Row:
    """Values of each kind, none of which may change: text that is not ASCII, a REAL, a blob with a zero byte."""
    return (at, f"BTC-\N{EURO SIGN}{at % 7}", at / 7, bytes([0, at % 256, 255]))
