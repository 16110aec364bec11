# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host loses its power at each line of a restore's journal, and starts its QuestDB by itself when it is up again.

With BOTFLEET_FAULTS=all that is one run for each line and mode; otherwise a few of them.
"""

from __future__ import annotations

import os
from pathlib import Path

from .host import BACKUPS, DATA, DatabaseHost

ROWS, LATER = 2000, 300
MODES = ("cold", "checkpoint")
LINES = 24
"""Of the journal of one restore."""
PLACES = [("cold", 13), ("cold", 21), ("checkpoint", 13), ("checkpoint", 17)]
"""The trees changed places; everything is verified; nobody has told the server to recover; it was just started."""
AS_BEFORE = "the database is again what it was before"


def test_s1_7_the_host_dies_at_each_line(host: DatabaseHost, tmp_path: Path) -> None:
    """S1.7: the same task, once or twice more, restores it; until then the old data is live, or the new."""
    host.server.fill("fills", ROWS)
    for mode in MODES:
        assert host.back_up(tmp_path, mode, mode).ended_well
    host.server.add("fills", LATER, first="2026-02-01")
    places = PLACES
    if os.environ.get("BOTFLEET_FAULTS") == "all":
        places = [(mode, line) for mode in MODES for line in range(1, LINES + 1)]
    for mode, line in places:
        kill_at(host, tmp_path, mode, line)


def kill_at(host: DatabaseHost, work: Path, mode: str, line: int) -> None:
    """One restore that stands still there until the power fails, what completes it, and the way back."""
    print(f"{mode}, line {line}", flush=True)
    host.run(f"rm -f {DATA}/botfleet/restore.jsonl")
    wanted = {"backup": f"{BACKUPS}/{mode}", "allow_discard": True, "keep_safety": 1}
    host.freeze(line)
    begun = host.begin(work / "dying", "questdb_restore", **wanted)
    host.wait_for_frost()
    assert len(host.restores()) == line
    host.reboot()
    begun.process.wait(60)
    done = host.restore(work, **wanted)
    if not done.ended_well:
        assert done.words.endswith(AS_BEFORE) and rows(host) == ROWS + LATER, done.words
        done = host.restore(work, **wanted)
    assert done.ended_well and rows(host) == ROWS, done.words
    back = host.restore(work, state="reverted", allow_discard=True, keep_safety=1)
    assert back.ended_well and rows(host) == ROWS + LATER, back.words


def rows(host: DatabaseHost) -> int:
    counted: int = host.server.sql("select count() from fills")[0][0]
    return counted
