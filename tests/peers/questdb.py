# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real QuestDB, started from the jar that tools/questdb.py brings, with ports of its own on loopback."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import OperationError
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.client import Access, Client
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.tables import wait_for_wal

from tests.peers.ssh import free_port

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
import questdb as tool  # found through the path above

JAR, JAVA = tool.JAR, tool.JAVA
START_TIME = 60.0
"""Seconds; a machine that runs other tests needs about five."""


def lacking() -> str:
    """What is missing to run one, as a sentence; empty if nothing is."""
    if not shutil.which("java"):
        return "java is missing: install Debian's default-jre-headless to test with a real QuestDB"
    if not Path(JAR).exists():
        return f"{JAR} is missing: python3 tools/questdb.py brings it"
    return ""


class Server:
    """One that answers, wherever it runs."""

    @property
    def access(self) -> Access:
        """How it is reached without credentials."""
        raise NotImplementedError

    @property
    def client(self) -> Client:
        """One without credentials."""
        return Client(self.access)

    def wait_until_up(self, limit: float = START_TIME) -> None:
        """Wait until its health answers, which it does without credentials, too. limit: s"""
        deadline = time.monotonic() + limit
        while not self.client.is_up():
            ended = self.has_ended()
            assert not ended, ended
            assert time.monotonic() < deadline, f"QuestDB did not answer within {limit:g} s"
            time.sleep(0.05)

    def has_ended(self) -> str:
        """Why there is nothing to wait for; empty as long as there is."""
        return ""

    def sql(self, *statements: str) -> list[list[Any]]:
        """Carry out statements; the rows of the last."""
        rows: list[list[Any]] = []
        for statement in statements:
            rows = self.client.query(statement).rows
        return rows

    def wait_for_rows(self, table: str, rows: int) -> None:
        """Wait until a table has so many."""
        deadline = time.monotonic() + START_TIME
        while (found := self.sql(f"select count() from '{table}'")[0][0]) != rows:
            assert time.monotonic() < deadline, f"{table} has {found} rows, not {rows}"
            time.sleep(0.05)

    def wait_for_wal(self) -> None:
        """Wait until all that was written is in its table."""
        started = time.monotonic()
        wait_for_wal(self.client, lambda: START_TIME - (time.monotonic() - started))

    def fill(self, table: str, rows: int, *, first: str = "2026-01-01", every: int = 60_000_000, **kept: str) -> None:
        """Make a table of fills as a bot writes them, partitioned by day, and wait until all rows are in it.

        every: µs between two rows; kept: ``more``, what follows ``partition by day wal`` in its definition
        """
        self.sql(
            f"create table '{table}' "
            "(ts timestamp, symbol symbol, side symbol, price double, amount long, note varchar) "
            f"timestamp(ts) partition by day wal {kept.get('more', '')}"
        )
        self.add(table, rows, first=first, every=every)

    def add(self, table: str, rows: int, *, first: str, every: int = 60_000_000) -> None:
        """Write rows more, and wait until they are in the table."""
        before = self.sql(f"select count() from '{table}'")[0][0]
        self.sql(
            f"insert into '{table}' (ts, symbol, side, price, amount, note) "
            f"select timestamp_sequence('{first}', {every}), rnd_symbol('BTC', 'ETH', 'SOL'), "
            f"rnd_symbol('buy', 'sell'), rnd_double() * 1e5, rnd_long(1, 1000, 0), rnd_varchar(3, 9, 1) "
            f"from long_sequence({rows})"
        )
        self.wait_for_rows(table, before + rows)


class QuestDB(Server):
    """A server on a root directory, which may be stopped and started again. It keeps its ports.

    flags: of Java, beside those of the tool; settings: of conf/server.conf, over those of a small server
    """

    def __init__(self, root: Path, *, flags: Sequence[str] | None = None, **settings: Any) -> None:
        self.root = root
        self.flags = tool.kept_classes() if flags is None else flags
        self.port, self.health_port = free_port(), free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.log = root.parent / f"{root.name}.log"
        self.settings = {
            "http.bind.to": f"127.0.0.1:{self.port}",
            "http.min.net.bind.to": f"127.0.0.1:{self.health_port}",
            "pg.enabled": "false",
            "line.tcp.enabled": "false",
            "line.udp.enabled": "false",
            "telemetry.enabled": "false",
            "shared.worker.count": "1",
            "dev.mode.enabled": "true",  # lets a test suspend a table
            **{name.replace("_", "."): value for name, value in settings.items()},
        }

    @property
    def access(self) -> Access:
        """How it is reached without credentials."""
        return Access(f"http://127.0.0.1:{self.port}", f"http://127.0.0.1:{self.health_port}/status")

    @property
    def command(self) -> list[str]:
        """What starts it."""
        return tool.command(str(self.root), *self.flags)

    def configure(self) -> None:
        """Write its settings."""
        conf = self.root / "conf"
        conf.mkdir(parents=True, exist_ok=True)
        lines = [f"{name}={value}\n" for name, value in self.settings.items()]
        (conf / "server.conf").write_text("".join(lines))

    def launch(self) -> None:
        """Start it, and wait for nothing."""
        self.configure()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=self.root,
                stdout=log,
                stderr=log,
                env={**os.environ, "QDB_LOG_W_STDOUT_LEVEL": "ERROR,CRITICAL"},
            )

    def start(self) -> QuestDB:
        """Start it, and wait until its health answers."""
        self.launch()
        return self.wait()

    def wait(self) -> QuestDB:
        """Wait until its health answers."""
        self.wait_until_up()
        return self

    def has_ended(self) -> str:
        code = self.process.poll() if self.process else None
        return "" if code is None else f"QuestDB ended with {code}: {self.tail()}"

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it; returns its code."""
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(START_TIME)
        self.process = None
        return code

    def kill(self) -> int:
        """End it without warning."""
        return self.stop(signal.SIGKILL)

    def tail(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-2000:]


@contextmanager
def questdb_serving(root: Path, **settings: Any) -> Iterator[QuestDB]:
    """Start one, and kill it in the end."""
    server = QuestDB(root, **settings)
    try:
        yield server.start()
    finally:
        if server.process is not None:
            server.kill()
        end_all(root)


def end_all(root: Path) -> None:
    """Kill whatever serves this root, as a restore that started it anew."""
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            arguments = (entry / "cmdline").read_bytes().split(b"\0")
            if ["-d", str(root)] in (
                [first.decode(), second.decode()] for first, second in zip(arguments, arguments[1:])
            ):
                os.kill(int(entry.name), signal.SIGKILL)


class Writer:
    """A bot that writes on: numbered fills, one commit each, and keeps its own log of what was acknowledged.

    patient: it goes on after an outage, with new numbers; else the first error is its last
    uncertain: numbers that it sent and was told nothing of
    """

    def __init__(self, server: Server, table: str, rows: int = 1, pause: float = 0.0, *, patient: bool = False) -> None:
        self.server, self.table, self.rows, self.pause, self.patient = server, table, rows, pause, patient
        self.numbers: list[int] = []
        self.uncertain: set[int] = set()
        self.failed = ""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._write, daemon=True)

    @property
    def acknowledged(self) -> int:
        """How many rows were."""
        return len(self.numbers)

    def __enter__(self) -> Writer:
        self.server.sql(
            f"create table '{self.table}' (ts timestamp, number long, symbol symbol, note varchar) "
            "timestamp(ts) partition by hour wal"
        )
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.end()

    def end(self) -> None:
        """It writes no more."""
        self._over.set()
        self._thread.join()

    def wait_for(self, number: int) -> None:
        """Wait until it has written so many rows."""
        deadline = time.monotonic() + START_TIME
        while self.acknowledged < number:
            assert time.monotonic() < deadline and not self.failed, self.failed or "the writer is too slow"
            time.sleep(0.01)

    def _write(self) -> None:
        last = 0
        while not self._over.is_set():
            client = Client(self.server.access, timeout=5.0) if self.patient else self.server.client
            numbers = range(last + 1, last + self.rows + 1)
            last = numbers[-1]
            values = ", ".join(f"('{self._moment(n)}', {n}, 'S{n % 50}', 'fill {n}')" for n in numbers)
            try:
                client.query(f"insert into '{self.table}' values {values}")
            except OperationError as error:
                self.uncertain.update(numbers)
                if not self.patient:
                    self.failed = str(error)
                    return
                self._over.wait(0.2)
                continue
            self.numbers += numbers
            time.sleep(self.pause)

    def written(self) -> list[tuple[int, str, str, str]]:
        """Of each row that was acknowledged its number, moment, symbol and note."""
        return [self.row(number) for number in self.numbers]

    def row(self, number: int) -> tuple[int, str, str, str]:
        """What it writes under a number."""
        return number, self._moment(number), f"S{number % 50}", f"fill {number}"

    def _moment(self, number: int) -> str:
        """Ten rows to a minute, every seventh an hour late."""
        late = 3600 if number % 7 == 0 else 0
        moment = dt.datetime(2026, 1, 1, 6, tzinfo=dt.timezone.utc) + dt.timedelta(seconds=6 * number - late)
        return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def boot_backup(backup: Path, root: Path) -> QuestDB:
    """A server that is yet to be started, on a copy of a backup, as its operator would restore it by hand."""
    root.mkdir()
    for part in ("db", ".checkpoint"):
        if (backup / part).exists():
            shutil.copytree(backup / part, root / part)
    if (backup / ".checkpoint").exists():
        (root / "_restore").touch()
    return QuestDB(root)
