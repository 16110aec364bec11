# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of a real QuestDB, for tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import Context, Outcome, carry_out
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations.bot_service import BotService
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations.questdb_backup import QuestdbBackup

from tests.peers.questdb import QuestDB, boot_backup

KILLED = """
import json, os, sys
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import Context, carry_out
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations.questdb_backup import QuestdbBackup
options, doing, number = json.loads(sys.argv[1]), sys.argv[2], int(sys.argv[3])
def progress(state):
    if state["doing"].startswith(doing):
        os.kill(os.getpid(), number)
outcome = carry_out(QuestdbBackup(options, Context(progress=progress)))
print(json.dumps([outcome.status, outcome.message]))
"""


class Backups:
    """Backups of one server in one directory."""

    def __init__(self, server: QuestDB, dest: Path) -> None:
        self.server = server
        self.dest = dest

    def options(self, name: str = "one", **given: Any) -> dict[str, Any]:
        options = {option: spec.get("default") for option, spec in QuestdbBackup.OPTIONS.items()}
        access = self.server.access
        options.update(root=str(self.server.root), dest=str(self.dest), name=name, min_free="0", timeout=20.0)
        return {**options, "url": access.url, "health_url": access.health_url, **given}

    def run(self, name: str = "one", context: Context | None = None, **given: Any) -> Outcome:
        return carry_out(QuestdbBackup(self.options(name, **given), context or Context()))

    def made(self, name: str = "one", context: Context | None = None, **given: Any) -> Outcome:
        outcome = self.run(name, context, **given)
        assert outcome.status == "changed", outcome.message
        return outcome

    def refused(self, name: str = "one", context: Context | None = None, **given: Any) -> str:
        """Why it fails. Nothing of it is left then."""
        outcome = self.run(name, context, **given)
        assert outcome.status == "failed", outcome
        assert self.names() == [] or name not in self.names()
        return outcome.message

    def names(self) -> list[str]:
        return sorted(os.listdir(self.dest)) if self.dest.exists() else []

    def killed(self, name: str, doing: str, number: int, **given: Any) -> tuple[int, str]:
        """Run in a process of its own that sends itself a signal while it does that; its code and what it printed."""
        running = self.launch(name, doing, number, **given)
        printed, errors = running.communicate()
        assert "Traceback" not in errors, errors
        return running.returncode, printed

    def launch(self, name: str, doing: str = "nothing", number: int = 0, **given: Any) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", KILLED, json.dumps(self.options(name, **given)), doing, str(int(number))]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def open_checkpoint(self) -> bool:
        return bool(self.server.sql("checkpoint_status()")[0][0])

    def boot(self, name: str, root: Path) -> QuestDB:
        """A server on a copy of the backup, with the same credentials."""
        server = boot_backup(self.dest / name, root)
        server.settings.update({key: value for key, value in self.server.settings.items() if "bind" not in key})
        return server.start()


class Service:
    """A QuestDB that is stopped and started as a process of its own, whoever stops and starts it."""

    def __init__(self, server: QuestDB) -> None:
        self.server = server
        server.configure()
        names = {option: spec.get("default") for option, spec in BotService.OPTIONS.items() if option != "state"}
        self.options = {
            **names,
            "name": "questdb",
            "manager": "process",
            "command": server.command,
            "chdir": str(server.root),
            "log": str(server.log),
            "settle": 0.2,
        }

    def bring(self, state: str) -> None:
        outcome = carry_out(BotService({**self.options, "state": state}, Context()))
        assert outcome.status != "failed", outcome.message
        if state == "started":
            self.server.wait()


def rows_of(server: QuestDB, *tables: str) -> dict[str, list[list[Any]]]:
    """Every row of tables."""
    return {table: server.sql(f"select * from '{table}'") for table in tables}


def tree_of(root: Path) -> dict[str, int]:
    """Every path below a directory, with the size of each file."""
    return {str(path.relative_to(root)): path.stat().st_size for path in root.rglob("*") if path.is_file()}
