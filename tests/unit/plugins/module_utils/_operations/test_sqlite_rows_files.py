# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that sqlite_rows reads and makes: damaged, linked, of another owner (S2.6, S2.9)."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils import _files
from ansible_collections.tradeops.botfleet.tests.unit.plugins.module_utils._operations.market_data import Market

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")
STATES: list[tuple[str, dict[str, Any]]] = [("moved", {}), ("scripted", {"script": "DELETE FROM mbo_events"})]


@pytest.fixture(name="market")
def _market(tmp_path: Path) -> Market:
    return Market(tmp_path)


@pytest.mark.parametrize(("state", "options"), STATES)
@pytest.mark.parametrize("integrity", ["full", "quick"])
def test_s2_6_a_damaged_database_is_refused_before_anything_is_touched(
    market: Market, state: str, options: dict[str, Any], integrity: str
) -> None:
    """S2.6: pages of the table are overwritten; state and sentence say what SQLite's check found."""
    raw = bytearray(market.path.read_bytes())
    raw[4096 + 8 : 4096 + 2000] = b"\x77" * 1992
    market.path.write_bytes(raw)
    outcome = market.run(state, integrity=integrity, **options)
    assert outcome.status == "failed"
    assert not outcome.applied
    assert f"{market.path} is damaged (" in outcome.message
    assert "and was left alone: put a good copy in its place first" in outcome.message
    assert outcome.before is not None
    assert outcome.before["integrity"] != "ok"
    assert market.path.read_bytes() == bytes(raw)
    assert market.names() == ["market_data.db"]


def test_s2_6_only_the_full_check_compares_indexes(market: Market) -> None:
    """S2.6: what quick leaves out, full finds; both are SQLite's own."""
    market.execute("CREATE INDEX sizes ON mbo_events (size)", "PRAGMA journal_mode = delete")
    market.execute(
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_master SET sql = 'CREATE INDEX sizes ON mbo_events (raw)' WHERE name = 'sizes'",
    )
    assert market.run("moved", "plan", integrity="quick").status == "changed"
    outcome = market.run("moved", integrity="full")
    assert outcome.status == "failed"
    assert "sizes" in outcome.message


def _garbage(path: Path) -> None:
    path.write_bytes(b"timestamp,symbol\n" * 100)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1000])


def _directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _link(path: Path) -> None:
    path.rename(path.with_name("real.db"))
    path.symlink_to("real.db")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_garbage, "is not an SQLite database, or an encrypted one: name another"),
        (_cut, "is damaged ("),
        (_directory, "is not a regular file: name the database itself"),
        (_pipe, "is not a regular file: name the database itself"),
        (_empty, "has no table 'mbo_events': set table to one of its tables (there is none)"),
        (_link, "is a symlink to real.db: name the database itself"),
    ],
)
def test_s2_6_what_is_no_sound_database_is_refused(market: Market, damage: Any, message: str) -> None:
    """S2.6: one sentence, and no file is made beside it."""
    damage(market.path)
    names = market.names()
    for mode in ("apply", "prove"):
        outcome = market.run("moved", mode)
        assert outcome.status == "failed"
        assert f"{market.path} {message}" in outcome.message
    assert market.names() == names


@pytest.mark.parametrize("name", ["side_file", "backup_file"])
def test_s2_6_nothing_is_written_through_a_symlink(market: Market, name: str) -> None:
    """S2.6: neither side file nor copy, and what the link leads to is left alone."""
    target = market.folder / "elsewhere.db"
    (market.folder / "link.db").symlink_to(target)
    state, options = STATES[name == "backup_file"]
    outcome = market.run(state, **{name: str(market.folder / "link.db")}, **options)
    assert outcome.status == "failed"
    assert "link.db" in outcome.message
    assert not target.exists()
    assert market.count() == 300


@needs_root
def test_s2_6_root_follows_no_symlink_that_its_owner_did_not_make(tmp_path: Path) -> None:
    """S2.6: a user who may write beside the data cannot point root at another bot's database."""
    (tmp_path / "real").mkdir(mode=0o755)
    market = Market(tmp_path / "real")
    (tmp_path / "way").symlink_to(market.folder)
    os.chown(tmp_path / "way", 65534, 65534, follow_symlinks=False)
    outcome = market.run("moved", path=str(tmp_path / "way" / "market_data.db"))
    assert outcome.status == "failed"
    assert "leads through a symlink that its owner did not make" in outcome.message
    assert market.count() == 300


@pytest.mark.parametrize(("state", "options"), STATES)
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
def test_s2_6_what_is_made_has_the_databases_mode(
    market: Market, state: str, options: dict[str, Any], mode: int
) -> None:
    """S2.6: a side file or a copy can be read by whom the database can be read by, and the database keeps its own."""
    market.path.chmod(mode)
    assert market.run(state, **options).status == "changed"
    assert len(market.names()) == 2
    assert {stat.S_IMODE(path.stat().st_mode) for path in market.folder.iterdir()} == {mode}


@needs_root
@pytest.mark.parametrize(("state", "options"), STATES)
@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_s2_6_another_owners_database_stays_his(
    tmp_path: Path, state: str, options: dict[str, Any], journal: str
) -> None:
    """S2.6: root moves rows; database, side file, copy and what SQLite keeps beside them belong to the bot's user."""
    user = pwd.getpwnam("nobody")
    market = Market(tmp_path, journal)
    for path in (tmp_path, market.path):
        os.chown(path, user.pw_uid, user.pw_gid)
    reader = market.connect()  # so that -wal and -shm stay
    try:
        assert reader.execute("SELECT count(*) FROM mbo_events").fetchone() == (300,)
        for path in market.folder.iterdir():
            os.chown(path, user.pw_uid, user.pw_gid)
        assert market.run(state, **options).status == "changed"
        assert {(path.stat().st_uid, path.stat().st_gid) for path in market.folder.iterdir()} == {
            (user.pw_uid, user.pw_gid)
        }
    finally:
        reader.close()


@needs_root
def test_s2_6_an_unprivileged_user_is_told_what_he_may_not() -> None:
    """S2.6: a database that he may not read or write gets one sentence, and the directory stays as it was."""
    folder = Path("/tmp") / f"botfleet-{os.getpid()}"
    folder.mkdir(mode=0o755)
    try:
        market = Market(folder, "delete")
        for mode, message in (
            (0o600, "cannot be read (Permission denied): mend its owner or mode"),
            (0o644, "cannot be"),
        ):
            market.path.chmod(mode)
            reading, writing = os.pipe()
            child = os.fork()
            if child == 0:
                os.setgid(65534)
                os.setuid(65534)
                os.write(writing, market.run("moved").message.encode())
                os._exit(0)
            os.close(writing)
            os.waitpid(child, 0)
            with open(reading, encoding="utf-8") as said:
                assert message in said.read()
        assert market.names() == ["market_data.db"]
        assert market.count() == 300
    finally:
        shutil.rmtree(folder)


def test_s2_6_a_database_that_is_exchanged_while_it_is_opened_is_refused(
    market: Market, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """S2.6: what SQLite has opened by name must be the file that was looked at."""
    other = tmp_path / "other"
    other.mkdir()
    victim = Market(other)
    operation = market.operation("moved")
    plan = operation.plan(operation.observe())
    look = _files.lstat_at

    def exchanged(directory: int, name: str) -> os.stat_result | None:
        found = look(directory, name)
        if name == "market_data.db" and not market.path.is_symlink():
            market.path.unlink()
            market.path.symlink_to(victim.path)
        return found

    monkeypatch.setattr(
        "ansible_collections.tradeops.botfleet.plugins.module_utils._sqlite.database.lstat_at", exchanged
    )
    with pytest.raises(Exception, match="was exchanged while it was opened: somebody tampers with it"):
        operation.apply(plan)
    assert victim.count() == 300


def test_s2_6_names_that_mean_something_in_a_uri(tmp_path: Path) -> None:
    """S2.6: a question mark, a hash and a percent sign in a path are part of it."""
    (tmp_path / "a?b#c%41 d").mkdir()
    market = Market(tmp_path / "a?b#c%41 d")
    before = market.rows()
    side = market.moved()
    assert market.run("restored", side_file=str(side)).status == "changed"
    assert market.rows() == before


def test_s2_6_another_program_can_use_what_was_made(market: Market) -> None:
    """S2.6: the sqlite3 program, where there is one, reads the side file and puts rows back by hand."""
    program = shutil.which("sqlite3")
    if program is None:
        pytest.skip("the sqlite3 program is not installed")
    side = market.moved()
    query = f"ATTACH '{side}' AS s; INSERT INTO mbo_events SELECT * FROM s.mbo_events; SELECT count(*) FROM mbo_events"
    done = subprocess.run([program, str(market.path), query], capture_output=True, text=True, check=True)
    assert done.stdout == "300\n"
