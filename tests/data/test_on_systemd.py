# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups and restores of a QuestDB that systemd starts with its host, and again whenever it ends (S1.7, S2.3)."""

from __future__ import annotations

from pathlib import Path

import pytest

from .host import BACKUPS, DATA, DROP_IN, DatabaseHost, Done

ROWS, LATER = 2000, 300
STOPPED = 11
"""How many lines its journal has when the server is stopped, and nothing is swapped yet."""


@pytest.fixture
def filled(host: DatabaseHost, tmp_path: Path) -> DatabaseHost:
    """With a cold backup, a checkpoint, and rows that came later."""
    host.server.fill("fills", ROWS)
    for mode in ("cold", "checkpoint"):
        done = host.back_up(tmp_path, mode, mode)
        assert done.changed, done.words
    host.server.add("fills", LATER, first="2026-02-01")
    return host


def rows(host: DatabaseHost) -> int:
    counted: int = host.server.sql("select count() from fills")[0][0]
    return counted


@pytest.mark.parametrize("mode", ["cold", "checkpoint"])
def test_s1_7_restored_once_and_taken_back(filled: DatabaseHost, tmp_path: Path, mode: str) -> None:
    """S1.7: refused unless rows may go, shown in check mode, done, done again without effect, and taken back."""
    host, wanted = filled, {"backup": f"{BACKUPS}/{mode}", "allow_discard": True}
    refused = host.restore(tmp_path, backup=wanted["backup"])
    assert not refused.ended_well and str(LATER) in refused.words
    checked = host.module(tmp_path, "questdb_restore", "--check", "--diff", **wanted)
    assert checked.changed and rows(host) == ROWS + LATER, checked.words
    done = host.restore(tmp_path, **wanted)
    assert done.result["change"]["rows_discarded"] == {"fills": LATER} and rows(host) == ROWS, done.words
    again = host.restore(tmp_path, **wanted)
    assert again.ended_well and not again.changed, again.words
    assert host.run(f"find {DATA}/db ! -user questdb") == ""
    back = host.restore(tmp_path, state="reverted", allow_discard=True)
    assert back.changed and rows(host) == ROWS + LATER, back.words


def test_s1_7_exit_code_55_is_no_loop(filled: DatabaseHost, tmp_path: Path) -> None:
    """S1.7: a server that may not remove its trigger ends with 55, and is not left to be started again and again."""
    host = filled
    host.run(f"chown root:questdb {DATA}; chmod 0775 {DATA}; mkdir -p {DROP_IN}")
    host.run(f"printf '[Service]\\nGroup=nogroup\\n' > {DROP_IN}/group.conf; systemctl daemon-reload")
    done = host.restore(tmp_path, backup=f"{BACKUPS}/checkpoint", allow_discard=True)
    assert not done.ended_well and "the database is again what it was before" in done.words
    assert host.run("journalctl --unit questdb | grep --count status=55") in ("1", "2")
    assert rows(host) == ROWS + LATER and host.run("systemctl is-active questdb") == "active"
    assert not host.path(f"{DATA}/_restore").exists()


def test_s1_7_a_server_that_ends_at_every_start_is_named(filled: DatabaseHost, tmp_path: Path) -> None:
    """S1.7: neither tree can be served: it says so, and where the data is; once mended, the same task goes on."""
    host, wanted = filled, {"backup": f"{BACKUPS}/cold", "allow_discard": True}
    host.run(f"cp {DATA}/conf/server.conf /root; echo http.bind.to=0.0.0.0:22 >> {DATA}/conf/server.conf")
    done = host.restore(tmp_path, **wanted)
    assert not done.ended_well and "but its server does not serve it" in done.words
    host.run(f"cp /root/server.conf {DATA}/conf/")
    back = host.restore(tmp_path, **wanted)
    assert not back.ended_well and back.words.endswith("the database is again what it was before"), back.words
    assert rows(host) == ROWS + LATER
    assert host.restore(tmp_path, **wanted).changed and rows(host) == ROWS


def test_s1_7_somebody_starts_it_in_the_middle(filled: DatabaseHost, tmp_path: Path) -> None:
    """S1.7: a colleague's systemctl start between the stop and the swap: nothing is swapped under a live server."""
    host = filled
    host.freeze(STOPPED)
    begun = host.begin(tmp_path, "questdb_restore", backup=f"{BACKUPS}/cold", allow_discard=True)
    host.wait_for_frost()
    host.run("systemctl start questdb")
    host.server.wait_until_up()
    host.thaw()
    done = Done.of(begun)
    assert not done.ended_well and "the database is again what it was before" in done.words
    assert rows(host) == ROWS + LATER
