# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollback over SSH of a bot and of the QuestDB beside it, both units of systemd (S1.7, S1.8)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.playbooks.conftest import Run

from .host import BACKUPS, DATA, ROOT, SERVICE, DatabaseHost, playbook, wait_for

ROWS, LATER = 2000, 300
DATABASE = {"name": "fills", "host": "host1", "root": DATA, "backups": BACKUPS, "service": SERVICE}
STAGED = 7
"""How many lines the journal of a restore has when its copy is staged, and the server is yet to be stopped."""


@pytest.fixture
def trading(host: DatabaseHost, tmp_path: Path) -> DatabaseHost:
    """With a live bot on its bad release, a backup from before, and rows that came later."""
    host.run("fleet-live bare")
    host.server.fill("fills", ROWS)
    done = host.back_up(tmp_path, "before-deploy", "checkpoint")
    assert done.changed, done.words
    host.server.add("fills", LATER, first="2026-02-01")
    return host


def begin(host: DatabaseHost, work: Path, **inputs: Any) -> subprocess.Popen[bytes]:
    given = {"plan": "emergency", "scope": "bots", "reason": "test", "botfleet_settle": 0.5, **inputs}
    variables = {"botfleet_database": DATABASE}
    book = ROOT / "playbooks" / "rollback.yml"
    work.mkdir(exist_ok=True)
    return playbook(work, host, book, "-e", json.dumps(given), variables=variables)


def rollback(host: DatabaseHost, work: Path, **inputs: Any) -> Run:
    code = begin(host, work, **inputs).wait(240)
    record = work / "artifacts" / "latest" / "record.json"
    said = (work / "output").read_text()
    return Run(code, said, work / "artifacts", json.loads(record.read_text()) if record.exists() else {})


def rows(host: DatabaseHost) -> int:
    counted: int = host.server.sql("select count() from fills")[0][0]
    return counted


def test_s1_7_bot_and_database_go_back_together(trading: DatabaseHost, tmp_path: Path) -> None:
    """S1.7, S1.8: the bad state is backed up, the one from before restored, and what left it is brought back."""
    run = rollback(trading, tmp_path, data_at_risk=True, database=True, database_backup="before-deploy",
                   allow_discard=True)  # fmt: skip
    assert run.code == 0 and set(run.states().values()) == {"restored"}, run.output
    (row,) = run.record["databases"]
    assert (row["rows_discarded"], row["data_loss"]) == ({"fills": LATER}, True) and rows(trading) == ROWS
    assert trading.names(BACKUPS) == sorted(["before-deploy", run.record["rollback_id"]])
    done = trading.return_rows(tmp_path, row["safety_copy"])
    assert done.changed and rows(trading) == ROWS + LATER, done.words


def test_s1_7_controller_and_host_die_in_the_middle(trading: DatabaseHost, tmp_path: Path) -> None:
    """S1.7: the same id, from elsewhere, finds both as they are, and ends what was begun."""
    wanted = {"database": True, "database_backup": "before-deploy", "allow_discard": True, "rollback_id": "rb-power"}
    first = begin(trading, tmp_path / "first", **wanted)
    wait_for("a staged copy", lambda: len(trading.restores()) >= STAGED)
    os.killpg(first.pid, signal.SIGKILL)
    trading.reboot()
    first.wait()
    trading.server.wait_until_up()
    run = rollback(trading, tmp_path / "second", **wanted)
    assert run.code == 0 and set(run.states().values()) == {"restored"}, run.output
    (row,) = run.record["databases"]
    assert row["restored"] and rows(trading) == ROWS
    assert len(trading.names(f"{DATA}/botfleet/safety")) == 1 and trading.names(f"{DATA}/botfleet/stage") == []
