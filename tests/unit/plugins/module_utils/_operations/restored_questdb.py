# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real QuestDB with two backups and rows that came after them, for restores to be tried on."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils import _process
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import Context, Outcome, carry_out
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations.questdb_restore import QuestdbRestore
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.instance import Instance
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.journal import Journal
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.layout import instance_id
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.manifest import (
    Manifest,
    read_manifest,
    write_manifest,
)
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.tables import (
    fingerprint,
    read_tables,
    wait_for_wal,
)
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.tree import hash_tree

from tests.peers.missing import skip
from tests.peers.questdb import QuestDB, lacking

ROWS, LATER = 3000, 700
"""Rows of each table in the backups, and how many came after them."""


SMALL = {
    "cairo_writer_data_append_page_size": "64K",
    "cairo_writer_data_index_value_append_page_size": "64K",
    "cairo_writer_data_index_key_append_page_size": "64K",
    "cairo_wal_writer_data_append_page_size": "64K",
    "cairo_system_writer_data_append_page_size": "64K",
}
"""Else each symbol takes 16 MiB, in each copy of each table."""


Point = tuple[str, str, str]
"""Event, step and whether the line is written: where a run is killed."""


class Place:
    """A root with a server on it, its backups beside it, and a restore's options.

    service: overrides of the suboptions
    """

    def __init__(self, path: Path, *, like: Path | None = None, **settings: Any) -> None:
        self.path = path
        self.root = path / "root"
        self.backups = path / "backups"
        self.server = QuestDB(self.root, **SMALL, **settings)
        if like is not None:
            subprocess.run(["cp", "-a", "--reflink=auto", "--sparse=auto", f"{like}/.", str(path)], check=True)
            self.server.configure()
        self.service: dict[str, Any] = {
            "name": "questdb",
            "manager": "process",
            "command": self.server.command,
            "chdir": str(self.root),
            "log": str(path / "service.log"),
            "environment": {"QDB_LOG_W_STDOUT_LEVEL": "ERROR,CRITICAL"},
            "settle": 0.1,
            "timeout": 20,
        }

    def start(self) -> Place:
        self.server.start()
        return self

    def options(self, **options: Any) -> dict[str, Any]:
        defaults = {name: spec.get("default") for name, spec in QuestdbRestore.OPTIONS.items()}
        url, health = self.server.access.url, self.server.access.health_url
        given = {"root": str(self.root), "url": url, "health_url": health, "service": self.service, **options}
        if not {"state", "schema_sql"} & options.keys():
            given["backup"] = str(self.backups / options.get("backup", "cold"))
        return {**defaults, **given}

    def operation(self, *, check: bool = False, **options: Any) -> QuestdbRestore:
        return QuestdbRestore(self.options(**options), Context(check_mode=check))

    def run(self, mode: str = "apply", *, check: bool = False, **options: Any) -> Outcome:
        """The outcome, whichever it is."""
        return carry_out(self.operation(check=check, **options), mode)

    def rows(self, table: str = "fills") -> int:
        return int(self.server.sql(f"select count() from '{table}'")[0][0])

    def update(self, statement: str) -> None:
        """Carry it out, and wait until it has arrived."""
        self.server.sql(statement)
        limit = time.monotonic() + 30
        wait_for_wal(self.server.client, lambda: limit - time.monotonic())

    def content(self) -> dict[str, Any]:
        """What is in all tables."""
        return {name: self.server.sql(f"select * from '{name}'") for name in ("fills", "quotes")}

    def backup(self, name: str = "cold") -> Path:
        return self.backups / name

    def names(self, *below: str) -> list[str]:
        """The names in a directory of the root."""
        path = self.root.joinpath(*below)
        return sorted(os.listdir(path)) if path.exists() else []

    def safety(self) -> list[Path]:
        """The safety copies, the newest last."""
        return [self.root / "botfleet" / "safety" / name for name in self.names("botfleet", "safety")]

    def pids(self) -> list[int]:
        """The servers that have something below the place as their root."""
        found = _process.all_processes().values()
        return [p.pid for p in found if p.command and "java" in p.command[0] and f"{self.path}/" in " ".join(p.command)]

    def end(self) -> None:
        """Kill every server that works below the place."""
        left = [process for process in map(_process.read, self.pids()) if process]
        for process in left:
            _process.send(process, signal.SIGKILL)
        while any(map(_process.alive, left)):
            time.sleep(0.01)
        if self.server.process is not None:
            self.server.process.kill()
            self.server.process.wait()
            self.server.process = None

    def fill(self) -> None:
        """Backups ``checkpoint`` and ``cold`` of the same rows, then more rows; stopped in the end."""
        self.root.mkdir(parents=True)
        self.start()
        self.server.fill("fills", ROWS)
        self.server.sql("create table quotes (ts timestamp, bid double) timestamp(ts) partition by day bypass wal")
        self.server.sql(
            "insert into quotes select timestamp_sequence('2026-01-01', 1000000L), x from long_sequence(2000)"
        )
        self.take("checkpoint", "checkpoint")
        self.take("cold", "cold")
        self.start()
        self.server.add("fills", LATER, first="2026-02-01")
        self.server.stop()

    def take(self, name: str, mode: str) -> Path:
        """A backup of what is there; the server runs for a checkpoint, and is stopped for a cold one."""
        instance = Instance(str(self.root))
        backup = self.backups / name
        backup.mkdir(parents=True)
        tables = read_tables(self.server.client)
        parts = ["db"]
        if mode == "checkpoint":
            self.server.sql("checkpoint create")
            parts.append(".checkpoint")
        else:
            self.server.stop()
        for part in parts:
            subprocess.run(["cp", "-a", "--sparse=auto", str(self.root / part), str(backup)], check=True)
        if mode == "checkpoint":
            self.server.sql("checkpoint release")
        self.describe(backup, mode, tables, str(instance_id(instance, create=True)))
        return backup

    def redescribe(self, name: str, **others: Any) -> None:
        """Give a backup a manifest of what is in it now, and of what is said otherwise."""
        manifest = read_manifest(str(self.backup(name)))
        self.describe(self.backup(name), manifest.mode, manifest.tables, manifest.instance_id, **others)

    def claim_other_rows(self, more: int = 1) -> None:
        """Let the manifest of the cold backup say that there are more rows than there are."""
        manifest = read_manifest(str(self.backup()))
        fills = manifest.tables["fills"]
        tables = {**manifest.tables, "fills": replace(fills, rows=fills.rows + more)}
        self.describe(self.backup(), manifest.mode, tables, manifest.instance_id)

    def describe(self, backup: Path, mode: str, tables: Any, instance: str, **others: Any) -> None:
        """Write the manifest of what the backup holds now."""
        files = {path: entry for path, entry in hash_tree(str(backup)).items() if path not in ("", "manifest.json")}
        manifest = Manifest(
            backup.name, mode, "9.3.4", str(self.root), instance, "2026-01-05T03:15:00Z", files, tables,
            sum(entry.size for entry in files.values()), fingerprint(tables),
        )  # fmt: skip
        write_manifest(str(backup), replace(manifest, **others))


@contextmanager
def fresh(
    factory: pytest.TempPathFactory, *, running: bool = True, base: Path | None = None, **settings: Any
) -> Iterator[Place]:
    """A place of its own, with two backups of the same rows and rows that came after them. It ends with all in it.

    base: where it is made, if not among pytest's directories; settings: of the server
    """
    needed()
    path = factory.mktemp("questdb") if base is None else Path(tempfile.mkdtemp(dir=base))
    place = Place(path, like=_golden(factory), **settings)
    try:
        if running:
            place.start()
        yield place
    finally:
        place.end()
        shutil.rmtree(path, ignore_errors=True)


def needed() -> None:
    """Skip where no QuestDB can be run; in CI that is a failure."""
    if reason := lacking():
        skip(reason)


def _golden(factory: pytest.TempPathFactory) -> Path:
    """What all places are copied from, stopped; made once, also for several workers."""
    shared = factory.getbasetemp()
    shared = shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared
    path = shared / "questdb-golden"
    with (shared / "questdb-golden.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            made = Place(shared / f"questdb-golden-{os.getpid()}")
            try:
                made.fill()
            finally:
                made.end()
            made.path.rename(path)
    return path


def killed_at(place: Place, point: Point, *, lost: tuple[str, str] | None = None, **options: Any) -> bool:
    """Run a restore in a process that gets SIGKILL there. False: it ended before.

    lost: event and step of a line that a full disk keeps from being written
    """
    child = os.fork()
    if child == 0:
        write = Journal._write  # nothing else knows the moment

        def fatal(journal: Journal, line: dict[str, Any]) -> None:
            here = (line["event"], line.get("step", ""))
            if here == lost:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if here == point[:2] and point[2] == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            write(journal, line)
            if here == point[:2]:
                os.kill(os.getpid(), signal.SIGKILL)

        with suppress(BaseException):  # this process must not go on with the tests, and its exit code tells
            Journal._write = fatal  # type: ignore[assignment,method-assign]  # likewise
            place.run(**{"allow_discard": True, **options})
            os._exit(0)
        os._exit(1)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert ended in (0, -signal.SIGKILL), ended
    return ended != 0
