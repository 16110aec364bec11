# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure backups and restores of a real QuestDB: ``make bench-questdb ROWS="1 10 50"``, in millions.

In turns: questdb_backup cold and from a checkpoint, questdb_restore of each, a bare restart of the server, and as the
floor ``cp -a`` and ``rsync -a`` of the same tree. Each is a process of its own; a reader asks the server all the while.
Raw figures go to docs/benchmarks/questdb.json, tables into docs/benchmarks.md.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from statistics import median
from typing import Any

from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import OperationError

from tests.peers.questdb import JAVA, QuestDB, questdb_serving

from .report import DOCS, write_between

BEGIN = "<!-- begin: made by make bench-questdb -->\n"
RAW = DOCS / "benchmarks" / "questdb.json"
MILLION = 1_000_000
EVERY = 500_000  # µs from row to row
ROUNDS = 3
VANISHED = 24  # of rsync
WAYS = ("cp -a", "rsync -a", "backup, cold", "backup, checkpoint", "restart", "restore, cold", "restore, checkpoint")
CARRY_OUT = r"""
import json, re, sys
from importlib import import_module
from ansible_collections.tradeops.botfleet.plugins.module_utils import _registry
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import Context, carry_out
name, given = json.load(sys.stdin)
operation = _registry.OPERATIONS[name]
options = {key: spec.get("default") for key, spec in operation.OPTIONS.items()}
suboptions = operation.OPTIONS.get("service", {}).get("options") or {}
service = {key: spec.get("default") for key, spec in suboptions.items()}
if given.get("service"):
    given["service"] = {**service, **given["service"]}
outcome = carry_out(operation({**options, **given}, Context()))
if outcome.status != "changed":
    sys.exit(outcome.message)
peak = int(re.search(r"VmHWM:\s+(\d+)", open("/proc/self/status").read())[1]) / 1024
print(json.dumps({"change": outcome.change, "peak_mib": round(peak, 1)}))
"""
Row = dict[str, Any]


class Reader:
    """A bot that asks the server for a count all the time. gap: the longest time between two good answers, s."""

    def __init__(self, server: QuestDB) -> None:
        self.server, self.gap = server, 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Reader:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join()

    def _read(self) -> None:
        client = self.server.client
        last = time.monotonic()
        while not self._over.is_set():
            try:
                client.query("select count() from fills", timeout=5.0)
            except OperationError:
                time.sleep(0.01)
                continue
            self.gap, last = max(self.gap, time.monotonic() - last), time.monotonic()
            time.sleep(0.02)


class Bench:
    """A server with so many million rows, and a place for what is made of it."""

    def __init__(self, server: QuestDB, work: Path, millions: int) -> None:
        self.server, self.work, self.millions = server, work, millions
        self.number = 0

    def run(self, way: str) -> Row:
        """One run of one way, from the start of its process to its end."""
        what, _comma, mode = way.partition(", ")
        with Reader(self.server) as reader:
            before = used(self.work)
            began = time.monotonic()
            told: Row = {}
            if what in ("cp -a", "rsync -a"):
                self._copy(what)
            elif what == "restart":
                told = self._carry_out("bot_service", {**self._service(), "state": "restarted", "timeout": 60})
            elif what == "backup":
                self.number += 1
                told = self._carry_out("questdb_backup", {**self._backup(mode), "name": f"{mode}-{self.number}"})
            else:
                told = self._restored(mode)
            seconds = time.monotonic() - began
            disk = used(self.work) - before
            while not self.server.client.is_up():  # bot_service does not know what a server is for
                time.sleep(0.02)
            time.sleep(1)  # the reader hears that it is back
        self._clear()
        return {
            "way": way,
            "million_rows": self.millions,
            "seconds": round(seconds, 3),
            "gap_seconds": round(reader.gap, 3),
            "peak_mib": told.get("peak_mib"),
            "disk_mib": round(disk / 2**20, 1),
        }

    def _access(self) -> Row:
        access = self.server.access
        return {"root": str(self.server.root), "url": access.url, "health_url": access.health_url}

    def _service(self) -> Row:
        settled = {"settle": 0.2, "stop_signal": "TERM"}
        command = {"chdir": str(self.server.root), "command": self.server.command}
        return {"name": "questdb", "manager": "process", **command, **settled}

    def _backup(self, mode: str) -> Row:
        return {**self._access(), "dest": str(self.work / "backups"), "mode": mode, "service": self._service()}

    def _restored(self, mode: str) -> Row:
        """Of a backup that was taken before, with rows that are newer than that, so that there is something to do."""
        backup = self.work / "kept" / mode
        self.server.add("fills", 10, first="2031-01-01")
        given = {"backup": str(backup), "state": "restored", "allow_discard": True, "service": self._service()}
        return self._carry_out("questdb_restore", {**self._access(), **given})

    def keep(self, mode: str) -> None:
        """The backup that restores are of."""
        given = {**self._backup(mode), "dest": str(self.work / "kept"), "name": mode}
        self._carry_out("questdb_backup", given)

    def _copy(self, what: str) -> None:
        target = self.work / "plain"
        code = subprocess.run([*what.split(), f"{self.server.root / 'db'}/", f"{target}/"], check=False).returncode
        if code not in (0, VANISHED):  # what the server is done with goes while it is copied
            sys.exit(f"{what} ended with code {code}")

    def _carry_out(self, name: str, options: Row) -> Row:
        done = subprocess.run(
            [sys.executable, "-c", CARRY_OUT],
            input=json.dumps([name, options]),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            sys.exit(f"{name}: {done.stdout}{done.stderr}")
        told: Row = json.loads(done.stdout)
        return told

    def _clear(self) -> None:
        for place in (self.work / "plain", self.work / "backups", self.server.root / "botfleet" / "safety"):
            shutil.rmtree(place, ignore_errors=True)
        os.sync()  # so that none pays for another


def used(place: Path) -> int:
    """Bytes that are taken on its file system."""
    free = os.statvfs(place)
    return (free.f_blocks - free.f_bfree) * free.f_frsize


@contextmanager
def filled(work: Path, millions: int) -> Iterator[Bench]:
    """Fills of a year at most, 48 bytes each and a symbol."""
    with questdb_serving(work / "questdb", flags=[]) as server:
        server.fill("fills", MILLION, every=EVERY)
        for number in range(1, millions):
            first = datetime(2026, 1, 1, tzinfo=timezone.utc) + timedelta(microseconds=number * MILLION * EVERY)
            server.add("fills", MILLION, first=f"{first:%Y-%m-%dT%H:%M:%S}", every=EVERY)
        bench = Bench(server, work, millions)
        for mode in ("cold", "checkpoint"):
            bench.keep(mode)
        yield bench


def tables(rows: list[Row]) -> str:
    """Medians."""
    headings = ("million rows", "way", "start to end, s", "longest gap for a reader, s", "of a bare restart's")
    lines = [
        f"| {' | '.join((*headings, 'peak memory, MiB', 'extra disk, MiB'))} |",
        "|--:|---|--:|--:|--:|--:|--:|",
    ]
    for millions in sorted({row["million_rows"] for row in rows}):
        of_it = [row for row in rows if row["million_rows"] == millions]
        restart = median(row["gap_seconds"] for row in of_it if row["way"] == "restart")
        for way in WAYS:
            runs = [row for row in of_it if row["way"] == way]
            whole, gap, disk = (median(row[name] for row in runs) for name in ("seconds", "gap_seconds", "disk_mib"))
            peak = median(row["peak_mib"] or 0 for row in runs)
            ratio = f"{gap / restart:.2f}" if way.startswith("restore") or way == "restart" else ""
            cells = (
                str(millions),
                way,
                f"{whole:.2f}",
                f"{gap:.2f}",
                ratio,
                f"{peak:.0f}" if peak else "",
                f"{disk:.0f}",
            )
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def main() -> None:
    rows: list[Row] = []
    version = ""
    for millions in [int(number) for number in sys.argv[1:]] or [1, 10, 50]:
        with tempfile.TemporaryDirectory(prefix="botfleet-questdb-") as place, filled(Path(place), millions) as bench:
            for number in range(ROUNDS):
                for way in WAYS:
                    rows.append(bench.run(way))
                    print(number + 1, rows[-1], flush=True)
            version = bench.server.client.version()
    about = {"python": platform.python_version(), "questdb": version, "java": JAVA, "rounds": ROUNDS}
    RAW.write_text(json.dumps({**about, "runs": rows}, indent=1) + "\n")
    write_between(BEGIN, tables(rows))


if __name__ == "__main__":
    main()
