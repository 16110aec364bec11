# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of a real QuestDB (S1.7, S2.3), each proven by a server that starts on a copy of it."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import Context, NotUndone, OperationError
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations.questdb_backup import QuestdbBackup
from ansible_collections.tradeops.botfleet.plugins.module_utils._process import all_processes
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb import checkpoint
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.copied import as_copied
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.tables import (
    fingerprint,
    read_tables,
    wait_for_wal,
)

from tests.peers.missing import skip
from tests.peers.questdb import QuestDB, Writer, boot_backup, lacking, questdb_serving
from tests.unit.plugins.module_utils._operations.backed_up_questdb import Backups, Service, rows_of, tree_of

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a file system that is soon full")


@pytest.fixture(scope="module", autouse=True)
def _needed() -> None:
    if reason := lacking():
        skip(reason)


@pytest.fixture(name="shared", scope="module")
def _shared(_needed: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuestDB]:
    with questdb_serving(tmp_path_factory.mktemp("questdb") / "root") as server:
        server.fill("fills", 3000)
        server.fill("late", 100, more="dedup upsert keys(ts, symbol)")
        server.add("late", 100, first="2025-12-30T12:00:00")
        server.sql("create table plain (a int, b string)", "insert into plain values (1, 'x')")
        yield server


@pytest.fixture(name="backups")
def _backups(shared: QuestDB, tmp_path: Path) -> Iterator[Backups]:
    backups = Backups(shared, tmp_path / "backups")
    yield backups
    assert not backups.open_checkpoint()


@pytest.fixture(name="own")
def _own(tmp_path: Path) -> Iterator[Backups]:
    """Of a server that a test may stop and break."""
    with questdb_serving(tmp_path / "root") as server:
        server.fill("fills", 3000)
        yield Backups(server, tmp_path / "backups")


@pytest.fixture(name="service")
def _service(tmp_path: Path) -> Iterator[Service]:
    service = Service(QuestDB(tmp_path / "root"))
    service.bring("started")
    try:
        service.server.fill("fills", 3000)
        yield service
    finally:
        service.bring("stopped")


def test_s2_3_a_checkpoint_backup_starts_elsewhere_with_just_its_rows(backups: Backups, tmp_path: Path) -> None:
    """S1.7, S2.3: the copy alone, of a server that ran on."""
    told: list[dict[str, Any]] = []
    before = rows_of(backups.server, "fills", "late", "plain")
    outcome = backups.made(context=Context(progress=told.append))
    assert outcome.change is not None and outcome.after is not None
    assert {name: table["rows"] for name, table in outcome.change["tables"].items()} == {
        "fills": 3000,
        "late": 200,
        "plain": 1,
    }
    assert outcome.change["tables"]["late"]["first"] == "2025-12-30T12:00:00.000000Z"
    assert (outcome.change["counts"], outcome.change["version"]) == ("exact", "9.3.4")
    assert set(outcome.change["seconds"]) == {"drain", "copy", "hash"}
    assert outcome.after["whole"] and outcome.after["present"]
    assert {state["doing"] for state in told} == {"copy .checkpoint", "copy db", "hash the copy"}
    assert told[-1]["done"] == told[-1]["total"] > outcome.change["bytes"]
    used = subprocess.run(["du", "-s", "-B1", backups.dest / "one" / "db"], capture_output=True, check=True).stdout
    assert int(used.split()[0]) < 1.5 * outcome.change["bytes"]
    assert outcome.change["fingerprint"] == fingerprint(read_tables(backups.server.client))
    assert backups.names() == ["one"] and (backups.dest / "one").stat().st_mode & 0o777 == 0o700
    booted = backups.boot("one", tmp_path / "booted")
    try:
        assert rows_of(booted, "fills", "late", "plain") == before
        assert fingerprint(read_tables(booted.client)) == outcome.change["fingerprint"]
    finally:
        booted.kill()


def test_s1_7_a_writer_that_goes_on_is_in_the_copy_up_to_one_commit(backups: Backups, tmp_path: Path) -> None:
    """S1.7: what was acknowledged before the backup is in it, and what is in it is what its manifest says."""
    with Writer(backups.server, "written", rows=20) as writer:
        writer.wait_for(200)
        acknowledged = writer.acknowledged
        outcome = backups.made()
        writer.wait_for(writer.acknowledged + 100)
        assert outcome.change is not None
    backups.server.sql("drop table written")
    table = outcome.change["tables"]["written"]
    assert acknowledged <= table["rows"] < writer.acknowledged
    booted = backups.boot("one", tmp_path / "booted")
    try:
        wait_for_wal(booted.client, lambda: 10)
        ((least, most, rows, distinct),) = booted.sql(
            "select min(number), max(number), count(), count_distinct(number) from written"
        )
        assert (least, most) == (1, rows) and distinct == rows
        assert rows == table["rows"] if outcome.change["counts"] == "exact" else rows >= table["rows"]
    finally:
        booted.kill()


def test_s2_3_a_cold_backup_stops_the_server_and_starts_it_again(service: Service, tmp_path: Path) -> None:
    """S2.3: exact to the last transaction file."""
    backups = Backups(service.server, tmp_path / "backups")
    before = rows_of(service.server, "fills")
    outcome = backups.made(mode="cold", service=service.options)
    assert outcome.change is not None
    assert (outcome.change["mode"], outcome.change["counts"]) == ("cold", "exact")
    assert set(outcome.change["seconds"]) == {"drain", "stop", "copy", "down", "start", "hash"}
    assert service.server.client.is_up()
    assert not (backups.dest / "one" / ".checkpoint").exists()
    again = backups.run(mode="cold", service=service.options)
    assert (again.status, again.change) == ("unchanged", None)
    service.server.add("fills", 5, first="2026-02-01")
    booted = backups.boot("one", tmp_path / "booted")
    try:
        assert rows_of(booted, "fills") == before
        assert fingerprint(read_tables(booted.client)) == outcome.change["fingerprint"]
    finally:
        booted.kill()


def test_again_is_unchanged_and_check_mode_changes_nothing(backups: Backups) -> None:
    before = tree_of(backups.server.root / "botfleet") if (backups.server.root / "botfleet").exists() else {}
    checked = backups.run(context=Context(check_mode=True))
    assert checked.status == "changed" and checked.change is None
    assert checked.message.endswith(f"of QuestDB at {backups.server.root}, which runs on, to {backups.dest}/one")
    assert checked.diff[0]["before"] == "absent\n"
    assert backups.names() == []
    assert before == (tree_of(backups.server.root / "botfleet") if before else {})
    backups.made()
    made = tree_of(backups.dest)
    again = backups.run()
    assert (again.status, again.change, again.diff) == ("unchanged", None, [])
    assert backups.run(context=Context(check_mode=True)).status == "unchanged"
    assert tree_of(backups.dest) == made


@pytest.mark.parametrize("damage", ["flipped", "cut off", "missing", "added", "manifest"])
def test_what_is_damaged_is_found_and_left(backups: Backups, damage: str) -> None:
    """The server itself would start on each of these and say that it is well."""
    backups.made()
    place = backups.dest / "one"
    column = next(path for path in sorted(place.glob("db/fills~*/2026-01-01*/price.d")))
    name = column.relative_to(place)
    content = bytearray(column.read_bytes())
    if damage == "flipped":
        content[800] ^= 4
        column.write_bytes(content)
    elif damage == "cut off":
        column.write_bytes(content[:8000])
    elif damage == "missing":
        column.unlink()
    elif damage == "added":
        (place / "db" / "more").touch()
    else:
        (place / "manifest.json").unlink()
    outcome = backups.run()
    assert outcome.status == "failed" and not outcome.applied
    wanted = {
        "flipped": f"{name} has another content",
        "cut off": f"{name} is cut off (8000 of {len(content)} bytes)",
        "missing": f"{name} is missing",
        "added": "db/more does not belong there",
        "manifest": f"{place} has no manifest",
    }[damage]
    assert wanted in outcome.message
    assert "give another name, or remove it" in outcome.message


def test_an_open_checkpoint_is_somebody_elses(backups: Backups) -> None:
    backups.server.sql("checkpoint create")
    try:
        assert re.match(r"a checkpoint has been open for \d+ s, since 20", backups.refused())
        assert backups.open_checkpoint()
    finally:
        backups.server.sql("checkpoint release")
    backups.made()


def test_a_stale_checkpoint_is_in_nobodys_way(own: Backups, tmp_path: Path) -> None:
    """After a crash its files remain, and the server holds none to be open."""
    own.server.sql("checkpoint create")
    own.server.kill()
    own.server.start()
    assert (own.server.root / ".checkpoint" / "db").exists()
    own.server.add("fills", 10, first="2026-02-01")
    outcome = own.made()
    assert outcome.change is not None and outcome.change["tables"]["fills"]["rows"] == 3010
    assert not (own.server.root / ".checkpoint" / "db").exists()
    booted = own.boot("one", tmp_path / "booted")
    try:
        assert booted.sql("select count() from fills") == [[3010]]
    finally:
        booted.kill()


def test_a_suspended_table_is_named(backups: Backups) -> None:
    backups.server.sql("alter table late suspend wal")
    try:
        message = backups.refused()
    finally:
        backups.server.sql("alter table late resume wal")
    assert "table late is suspended" in message and "resume it by hand" in message


def test_wal_that_does_not_drain_is_named_and_what_waits_in_a_copy_is_counted(tmp_path: Path) -> None:
    with questdb_serving(tmp_path / "root", cairo_wal_apply_enabled="false") as server:
        backups = Backups(server, tmp_path / "backups")
        server.sql("create table fills (ts timestamp, a int) timestamp(ts) partition by day wal")
        server.sql("insert into fills values ('2026-01-01', 1)", "insert into fills values ('2026-01-02', 2)")
        message = backups.refused(drain_timeout=0.3)
        assert "did not arrive in its table in time (transactions behind: fills by 2)" in message
        server.sql("checkpoint create")
        place = tmp_path / "place"
        for part in ("db", ".checkpoint"):
            shutil.copytree(server.root / part, place / part)
        copied = as_copied(read_tables(server.client), str(place), "checkpoint")["fills"]
        assert (copied.rows, copied.pending, copied.seq_txn, copied.first) == (0, 2, 2, None)
        server.sql("checkpoint release")
    booted = boot_backup(place, tmp_path / "booted").start()
    try:
        booted.wait_for_rows("fills", 2)
        assert read_tables(booted.client)["fills"].seq_txn == copied.seq_txn
    finally:
        booted.kill()


@needs_root
def test_a_full_disk_leaves_nothing_half(backups: Backups) -> None:
    """Found beforehand, and when others fill it meanwhile."""
    backups.dest.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", backups.dest], check=True)
    try:
        assert "make room, or lower min_free" in backups.refused(min_free="63.9M")

        def fill(state: dict[str, Any]) -> None:
            if state["doing"] == "copy db" and not (backups.dest / "filler").exists():
                left = shutil.disk_usage(backups.dest).free
                (backups.dest / "filler").write_bytes(b"x" * (left - (64 << 10)))

        message = backups.refused(context=Context(progress=fill))
        assert message == f"{backups.dest} was filled up while the copy was made, and nothing of it is left: make room"
        assert backups.names() == ["filler"]
        assert not backups.open_checkpoint()
        (backups.dest / "filler").unlink()
        backups.made()
    finally:
        subprocess.run(["umount", backups.dest], check=True)


@pytest.mark.parametrize("doing", ["copy .checkpoint", "copy db", "hash the copy"])
def test_killed_it_is_taken_up_by_the_next_run(backups: Backups, doing: str) -> None:
    code, _printed = backups.killed("one", doing, signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert backups.names() == [".one.partial"]
    assert backups.open_checkpoint() == doing.startswith("copy")
    outcome = backups.made()
    assert ("which an interrupted backup has left open" in outcome.message) == doing.startswith("copy")
    assert backups.names() == ["one"]
    assert backups.run().status == "unchanged"


def test_killed_at_any_moment_no_half_backup_is_taken_for_whole(backups: Backups) -> None:
    """Wherever the kill falls, the next run with the same name ends with a whole one, or names what is open."""
    chance = random.Random(4)
    for _round in range(4):
        running = backups.launch("one")
        try:
            running.wait(chance.uniform(0.2, 1.5))
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
        assert set(backups.names()) <= {".one.partial", "one"}
        whole = backups.names() == ["one"]
        outcome = backups.run()
        if outcome.status == "failed":  # killed between the server's answer and the note of it
            assert "maybe by the backup one that was interrupted" in outcome.message
            backups.server.sql("checkpoint release")
            outcome = backups.run()
        assert outcome.status == ("unchanged" if whole else "changed"), outcome.message
        shutil.rmtree(backups.dest)


@pytest.mark.parametrize("doing", ["copy .checkpoint", "copy db", "hash the copy"])
def test_terminated_it_tidies_up(backups: Backups, doing: str) -> None:
    code, printed = backups.killed("one", doing, signal.SIGTERM)
    assert code == 0
    status, message = json.loads(printed)
    assert status == "failed"
    assert message == "the backup one was ended by SIGTERM, and nothing of it is left: run it again"
    assert backups.names() == []
    assert not backups.open_checkpoint()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_cold_backup_that_is_ended_has_its_server_started_again(
    service: Service, tmp_path: Path, number: int
) -> None:
    """At once, or, where nobody could, by the next run."""
    backups = Backups(service.server, tmp_path / "backups")
    code, _printed = backups.killed("one", "copy db", number, mode="cold", service=service.options)
    assert code == (0 if number == signal.SIGTERM else -number)
    assert service.server.client.is_up() == (number == signal.SIGTERM)
    if number == signal.SIGKILL:
        assert "QuestDB is down since the backup one was interrupted: start it" in backups.refused("two")
    outcome = backups.made(mode="cold", service=service.options)
    assert (number == signal.SIGKILL) == outcome.message.startswith("start QuestDB, which the backup one has left")
    assert service.server.client.is_up() and backups.names() == ["one"]


@pytest.mark.parametrize("mode", ["cold", "checkpoint"])
def test_without_time_to_tidy_up_neither_server_nor_checkpoint_is_touched(
    service: Service, tmp_path: Path, mode: str
) -> None:
    """A cold backup keeps 30 s of the step's time to start the server again, one of a checkpoint 5 s to release it."""
    backups = Backups(service.server, tmp_path / "backups")
    before = running_at(service.server.root)
    late = Context(deadline=time.monotonic() + {"cold": 20, "checkpoint": 4}[mode])
    message = backups.refused(context=late, mode=mode, service=service.options)
    assert message.endswith("did not fit into the step's time limit: raise it")
    assert running_at(service.server.root) == before and not backups.open_checkpoint()
    assert checkpoint.read_lease(str(service.server.root)) is None


def running_at(root: Path) -> list[int]:
    return [pid for pid, process in all_processes().items() if str(root) in process.command]


def test_partitions_that_are_symlinks_are_refused(own: Backups, tmp_path: Path) -> None:
    partition = next((own.server.root / "db").glob("fills~*/2026-01-01*"))
    shutil.move(partition, tmp_path / "elsewhere")
    partition.symlink_to(tmp_path / "elsewhere")
    table = partition.parent.name
    assert f"db has the symlink {table}/{partition.name}, whose data no copy" in own.refused()


@pytest.mark.parametrize(
    ("damage", "phrase"),
    [
        ("partition", r"partition 2026-01-01 is missing in fills"),
        ("missing", r"2026-01-01/price\.d is missing in fills"),
        ("cut off", r"2026-01-01/price\.d is cut off \(11512 of 11520 bytes\) in fills"),
        ("offsets", r"2026-01-01/note\.i is cut off \(23032 of 23040 bytes\) in fills"),
    ],
)
def test_what_the_server_does_not_notice_of_itself_is_no_backup(own: Backups, damage: str, phrase: str) -> None:
    """It counts these rows, and a query on such a column would end it."""
    partition = next((own.server.root / "db").glob("fills~*/2026-01-01"))
    if damage == "partition":
        shutil.rmtree(partition)
    elif damage == "missing":
        (partition / "price.d").unlink()
    else:
        file = partition / ("price.d" if damage == "cut off" else "note.i")
        os.truncate(file, file.stat().st_size - 8)
    assert own.server.sql("select count() from fills") == [[3000]]
    message = own.refused()
    assert re.search(phrase, message), message
    assert not own.open_checkpoint()


def test_credentials_right_wrong_and_missing_and_never_shown(tmp_path: Path) -> None:
    secret = "CANARY-questdb-password"
    with questdb_serving(tmp_path / "root", http_user="admin", http_password=secret) as server:
        backups = Backups(server, tmp_path / "backups")
        assert "answered 401 and wants credentials: give username and password, or token" in backups.refused()
        message = backups.refused(username="admin", password="CANARY-wrong")
        assert "answered 401 and refuses these credentials: mend them" in message
        assert "CANARY" not in message
        outcome = backups.made(username="admin", password=secret)
        assert "CANARY" not in repr(outcome) and "CANARY" not in (backups.dest / "one" / "manifest.json").read_text()
        assert backups.run(username="admin", password=secret).status == "unchanged"


def test_a_server_that_hangs_is_given_up(own: Backups, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is begun, and while its checkpoint is open: that is named, for nobody can release it."""
    assert own.server.process is not None
    process = own.server.process
    monkeypatch.setattr(checkpoint, "PATIENCE", 0.5)
    process.send_signal(signal.SIGSTOP)
    message = own.refused(timeout=0.5)
    assert "gave no whole answer within 0.5 s" in message
    process.send_signal(signal.SIGCONT)

    def hang(_state: dict[str, Any]) -> None:
        process.send_signal(signal.SIGSTOP)

    message = own.refused(context=Context(progress=hang), timeout=0.5)
    process.send_signal(signal.SIGCONT)
    assert "the checkpoint of this backup may still be open" in message
    assert "send CHECKPOINT RELEASE once QuestDB answers" in message
    outcome = own.made()
    assert "which an interrupted backup has left open" in outcome.message
    assert not own.open_checkpoint()


def test_two_at_once_are_refused(backups: Backups) -> None:
    said: list[str] = []

    def another(_state: dict[str, Any]) -> None:
        if not said:
            said.append(backups.run("two").message)

    backups.made(context=Context(progress=another))
    assert said == [
        f"another backup or restore of {backups.server.root} is at work (process {os.getpid()}): wait for it"
    ]


def test_what_is_there_is_never_taken_for_another(backups: Backups, own: Backups) -> None:
    backups.made()
    mine = own.run(dest=str(backups.dest))
    assert (mine.status, mine.applied) == ("failed", False)
    assert mine.message == (
        f"{backups.dest}/one is a backup of another instance than {own.server.root}: give another name"
    )
    service = Service(backups.server).options
    cold = backups.run(mode="cold", service=service)
    assert cold.message == f"{backups.dest}/one is a checkpoint backup, not a cold one: give another name"
    crossed = backups.refused("two", url=own.server.access.url)
    assert "correct url or root" in crossed
    assert not own.open_checkpoint()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"name": "../one"}, "write letters, digits"),
        ({"name": ".one"}, "write letters, digits"),
        ({"min_free": "lots"}, "write a share as 5%"),
        ({"min_free": "101%"}, "write a share as 5%"),
        ({"drain_timeout": -1.0}, "drain_timeout is -1: set seconds"),
        ({"url": "http://admin:CANARY@127.0.0.1:9000"}, "url holds credentials"),
        ({"root": "/nowhere"}, "/nowhere is not there"),
    ],
)
def test_options_that_cannot_work_are_refused(backups: Backups, given: dict[str, Any], sentence: str) -> None:
    try:
        message = backups.run(**given).message
    except OperationError as error:  # so early that a module would not even look at the host
        message = str(error)
    assert sentence in message and "CANARY" not in message


def test_places_that_cannot_work_are_refused(backups: Backups) -> None:
    db = backups.server.root / "db"
    assert f"dest is {db}/x, which is in {db}: keep backups elsewhere" in backups.refused(dest=f"{db}/x")
    trigger = backups.server.root / "_restore"
    trigger.touch()
    try:
        assert "asks for a restore at the next start" in backups.refused()
    finally:
        trigger.unlink()


def test_an_undo_leaves_it(backups: Backups) -> None:
    outcome = backups.made()
    with pytest.raises(NotUndone, match="stays: it harms nothing"):
        QuestdbBackup(backups.options(), Context()).undo(outcome.change or {})
    assert backups.names() == ["one"]
