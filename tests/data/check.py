# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deploy, trade, deploy badly, restore, find every row (S1.7, S2.15): ``python -m tests.data.check``.

Two bots use one real QuestDB. Their fills are written down apart from it, and compared with it row by row in the end.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.peers.questdb import QuestDB, Writer, questdb_serving
from tests.playbooks.conftest import ROOT, Fleet, Run, make_fleet

from .rows import Counted, compared

TABLE = "fills"
BEFORE, AFTER = 4000, 2000
"""How many fills there are at least when the backup is taken, and how many more before the bad deploy goes back."""


class Traded:
    """A fleet whose bots share a database. The service is that of bot_service's manager ``process``."""

    def __init__(self, fleet: Fleet, server: QuestDB) -> None:
        self.fleet, self.server = fleet, server
        self.users = fleet.names("trading_node")
        for bot in self.users:
            fleet.overrides[bot] = {"botfleet_database": self.database}

    @property
    def database(self) -> dict[str, Any]:
        """``botfleet_database`` of each of them."""
        access = self.server.access
        command = {"chdir": str(self.server.root), "command": self.server.command}
        return {
            "name": TABLE,
            "host": self.users[0],
            "root": str(self.server.root),
            "backups": str(self.server.root.parent / "backups"),
            "url": access.url,
            "health_url": access.health_url,
            "service": {"name": "questdb", "manager": "process", **command},
        }

    def back_up(self, name: str) -> None:
        """As it is done before each deploy (S2.3)."""
        given = {key: self.database[key] for key in ("root", "url", "health_url")}
        self.play("questdb_backup", {**given, "dest": self.database["backups"], "name": name})

    def play(self, module: str, options: dict[str, Any]) -> None:
        """One task with a module, on the host of the database."""
        task = {f"tradeops.botfleet.{module}": options}
        book = self.fleet.work / f"{module}.yml"
        book.write_text(json.dumps([{"hosts": self.users[0], "gather_facts": False, "tasks": [task]}]))
        self._ansible(book)

    def rollback(self, *arguments: str, **inputs: Any) -> Run:
        """Of the bots that use it."""
        return self.fleet.rollback(*arguments, **{"scope": "trading_node:&demo_here", **inputs})

    def return_rows(self, safety_copy: str, table: str = TABLE) -> str:
        """What was written after the backup comes back; what was said."""
        inputs = {"host": self.users[0], "safety_copy": safety_copy, "tables": [table]}
        return self._ansible(ROOT / "playbooks" / "return_rows.yml", "-e", json.dumps(inputs))

    def _ansible(self, book: Path, *arguments: str) -> str:
        """Run another playbook on the same inventory; it must succeed. Returns its output."""
        command = [*self.fleet.argv()[:8], str(book), *arguments]
        done = subprocess.run(command, env=self.fleet.env(), capture_output=True, text=True, timeout=240, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@contextmanager
def trading(directory: Path) -> Iterator[Traded]:
    """Two bots of each kind, live on the bad release, and a database of the trading nodes."""
    (directory / "database").mkdir(parents=True)
    with questdb_serving(directory / "database" / "questdb") as server:
        for fleet in make_fleet(directory, 2):
            yield Traded(fleet, server)


def scenario(directory: Path) -> Counted:
    """All of it. Fails on the way if a rollback does not do what it was asked for."""
    with trading(directory) as traded:
        server = traded.server
        with Writer(server, TABLE, rows=20) as bot:
            bot.wait_for(BEFORE)
            traded.back_up("before-deploy")
            bot.wait_for(bot.acknowledged + AFTER)
        server.wait_for_rows(TABLE, bot.acknowledged)
        server.sql("create table signals (ts timestamp, wrong double) timestamp(ts) partition by day wal")
        server.sql("insert into signals select timestamp_sequence('2026-01-01', 1000000), 0 from long_sequence(500)")
        server.wait_for_rows("signals", 500)
        restored = traded.rollback(database=True, database_backup="before-deploy", allow_discard=True)
        assert restored.code == 0, restored.output
        (row,) = restored.record["databases"]
        assert restored.record["data_loss"] is True and row["rows_discarded"]["signals"] == 500, row
        traded.return_rows(row["safety_copy"])
        return compared(server, bot)


def main() -> None:
    """The command."""
    with tempfile.TemporaryDirectory(prefix="botfleet-data-") as place:
        counted = scenario(Path(place))
    print(counted)
    sys.exit(1 if counted.lost or counted.strange else 0)


if __name__ == "__main__":
    main()
