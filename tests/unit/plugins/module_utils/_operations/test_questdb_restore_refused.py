# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must not be restored is refused with the server up and nothing changed (S1.7)."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import OperationError
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb import layout, preflight, server
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.instance import Instance
from ansible_collections.tradeops.botfleet.tests.unit.plugins.module_utils._operations.restored_questdb import (
    LATER,
    ROWS,
    Place,
    fresh,
)

from tests.peers.missing import skip


@pytest.fixture(name="one", scope="module")
def _one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with fresh(tmp_path_factory) as place:
        yield place


@pytest.fixture(name="place")
def _place(one: Place) -> Iterator[Place]:
    """A running place that must be the same afterwards, with the very same server."""
    pids, names = one.pids(), one.names()
    inode = os.stat(one.root / "db").st_ino
    kept = one.path / "kept"
    shutil.copytree(one.backups, kept)
    try:
        yield one
        assert (one.pids(), one.names()) == (pids, names)
        assert os.stat(one.root / "db").st_ino == inode
        assert one.rows() == ROWS + LATER
        assert one.safety() == []
        assert one.names("botfleet", "stage") == []
    finally:
        shutil.rmtree(one.backups)
        kept.rename(one.backups)


def refused(place: Place, **options: Any) -> str:
    """Why it was, and so in check mode."""
    outcome = place.run(**{"allow_discard": True, **options})
    assert outcome.status == "failed"
    return outcome.message


def damage(place: Place, how: str, *, column: str = "price.d") -> None:
    """Do something to a column of a backup that the server itself would not notice."""
    path = next((place.backup() / "db").glob(f"fills~*/2026-01-01/{column}"))
    if how == "missing":
        path.unlink()
    elif how == "cut off":
        os.truncate(path, path.stat().st_size // 2)
    else:
        content = bytearray(path.read_bytes())
        content[100] ^= 1
        path.write_bytes(bytes(content))


@pytest.mark.parametrize(
    ("how", "said"), [("missing", "missing"), ("cut off", "cut off"), ("flipped", "another content")]
)
def test_s1_7_a_damaged_backup(place: Place, how: str, said: str) -> None:
    """S1.7: truncated, flipped and missing column files, which the server would serve with a healthy 200."""
    damage(place, how)
    message = refused(place)
    assert "is damaged" in message and "price.d" in message and said in message
    assert "is damaged" in place.run(check=True, allow_discard=True).message


def test_s1_7_a_column_that_was_cut_off_before_the_backup_was_taken(place: Place) -> None:
    """S1.7: the manifest describes it as it is, and a query on it would end the server."""
    damage(place, "cut off")
    place.redescribe("cold")
    message = refused(place)
    assert "is damaged" in message and "price.d" in message and "cut off" in message


def test_s1_7_a_backup_without_its_manifest_or_its_checkpoint(place: Place) -> None:
    (place.backup() / "manifest.json").unlink()
    assert "no manifest" in refused(place)
    shutil.rmtree(place.backup("checkpoint") / ".checkpoint" / "db")
    place.redescribe("checkpoint")
    assert "taken of a checkpoint and has none" in refused(place, backup="checkpoint")


def test_s1_7_another_version_or_instance(place: Place) -> None:
    place.redescribe("cold", version="8.9.9")
    assert "of QuestDB 8.9.9, and 9.3.4 runs here" in refused(place)
    place.redescribe("checkpoint", instance_id="0" * 32)
    assert "a backup of another instance" in refused(place, backup="checkpoint")


def test_s1_7_what_somebody_else_is_about_to_restore(place: Place) -> None:
    """S1.7: a ``_restore`` that is not ours, and a backup that is under way."""
    trigger = place.root / "_restore"
    trigger.touch()
    assert "no restore of this collection left it" in refused(place)
    trigger.unlink()
    place.server.sql("checkpoint create")
    try:
        assert "a checkpoint is open since 20" in refused(place)
    finally:
        place.server.sql("checkpoint release")


def test_s1_7_symlinked_partitions(place: Place) -> None:
    elsewhere = place.path / "volume"
    elsewhere.mkdir()
    link = next((place.root / "db").glob("fills~*")) / "2027-01-01.attachable"
    link.symlink_to(elsewhere)
    try:
        assert "has symlinks (fills~" in refused(place)
    finally:
        link.unlink()


def test_s1_7_a_suspended_table(place: Place) -> None:
    """S1.7: found before the server is stopped; resuming it may lose transactions and is nobody's automatism."""
    place.server.sql("alter table fills suspend wal")
    try:
        message = refused(place)
        assert "table fills is suspended at transaction" in message
        assert place.server.client.query("wal_tables()").dicts()[0]["suspended"] is True
    finally:
        place.server.sql("alter table fills resume wal")


def test_s1_7_the_wrong_server_or_service(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """S1.7: the counts of one database say nothing of another."""
    monkeypatch.setattr(server, "RELEASE_TIME", 0.3)  # for which it might be one that was just killed
    other = {**place.service, "command": ["sleep", "1000"]}
    assert "which is not questdb (unproven): name in service" in refused(place, service=other)
    assert "has no -d" in refused(place, rehearse=True, command=["java", "-jar", "questdb.jar"])
    assert "QuestDB's HTTP server alone" in wrong(place, url="http://127.0.0.1:9000/exec")
    for options, said in (
        ({"keep_safety": 0}, "keep_safety is 0"),
        ({"timeout": 0}, "timeout is 0: make it 1 or more"),
        ({"service": None}, "service is missing"),
        ({"service": {"name": "x", "manager": "process"}}, "service.chdir is missing"),
        ({"state": "reverted", "backup": "/backup"}, "makes nothing of backup"),
    ):
        assert said in wrong(place, **options)


def wrong(place: Place, **options: Any) -> str:
    with pytest.raises(OperationError) as caught:
        place.operation(**options).observe()
    return str(caught.value)


def test_s1_7_too_little_space(place: Place) -> None:
    shown = os.statvfs(place.root)
    place.redescribe("cold", bytes=shown.f_bavail * shown.f_frsize)
    assert "make room" in refused(place)


def test_s1_7_a_disk_that_gets_full_while_staging(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S1.7: somebody else filled it after the look at its space; what was staged until then is gone again."""
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(tmp_path)], check=False)
    if mounted.returncode:
        skip("no small file system can be mounted here: it takes root")
    try:
        with fresh(tmp_path_factory, running=False, base=tmp_path) as place:
            inode = os.stat(place.root / "db").st_ino
            with (place.path / "ballast").open("wb") as ballast, suppress(OSError):
                while True:
                    ballast.write(bytes(1 << 16))
                    ballast.flush()
            os.truncate(place.path / "ballast", (place.path / "ballast").stat().st_size - (1 << 18))
            monkeypatch.setattr(preflight, "check_space", lambda *_: None)
            assert os.strerror(errno.ENOSPC) in refused(place)
            assert os.stat(place.root / "db").st_ino == inode
            assert place.safety() == [] and place.names("botfleet", "stage") == []
            (place.path / "ballast").unlink()
            assert place.run(allow_discard=True).status == "changed"
            assert place.rows() == ROWS
    finally:
        subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def test_s1_7_wal_that_does_not_drain(tmp_path_factory: pytest.TempPathFactory) -> None:
    """S1.7: what is on its way into a table would be in no count."""
    with fresh(tmp_path_factory, cairo_wal_apply_enabled="false") as place:
        pids = place.pids()
        place.server.sql("insert into fills values ('2026-03-01', 'BTC', 'buy', 1.0, 1, 'x')")
        message = refused(place, drain_timeout=0.3)
        assert "transactions behind: fills by 1" in message
        assert place.pids() == pids and place.rows() == ROWS + LATER
        assert place.names("botfleet", "stage") == [] and place.safety() == []


def test_s1_7_another_restore_of_the_root(place: Place) -> None:
    """S1.7: two at once would each take the other's half for their own."""
    with layout.locked(Instance(str(place.root))):
        assert f"is at work (process {os.getpid()})" in refused(place)
