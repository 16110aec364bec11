# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup taken, of a server that runs or of one that is stopped meanwhile (S1.7, S2.3). PRIVATE to the collection.

Of one that runs: a checkpoint is opened, ``.checkpoint`` and ``db`` are copied, and it is released. Writers go on.
Cold: the server is stopped, ``db`` is copied, and the server is started again, whatever came of the copy.
What the copy holds is then read from the copy, for a table may have had more or less when it was asked.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from .._files import open_directory
from .._operation import Context, OperationError
from .._snapshot import tree_copy
from . import checkpoint as _checkpoint
from .client import Client
from .copied import as_copied
from .instance import CHECKPOINT, DB, Instance
from .intact import lost, wrong_partitions
from .manifest import CHECKPOINT_MODE, COLD
from .server import Server
from .tables import Table, read_tables, wait_for_wal
from .tree import FileEntry, Progress, hash_tree
from .tree_copy import copy_tree, sync_tree

ATTEMPTS = 3
"""How often a checkpoint is opened to find one at which no transaction is on its way into its table."""

CREATE_TIMEOUT = 120.0
"""Seconds for the server to open a checkpoint, for which it asks the kernel to write out all file systems."""

SPARE, COLD_SPARE = 5.0, 30.0
"""Seconds of a step's time limit that are kept to tidy up, and to start a server again."""


@dataclass
class Taking:
    """A backup that is being taken. place: where it grows; seconds: of each phase."""

    instance: Instance
    client: Client
    context: Context
    name: str
    place: str
    drain_timeout: float
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Add what is done within to the seconds of a phase."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self.seconds[phase] = round(self.seconds.get(phase, 0.0) + time.monotonic() - begun, 3)

    def hears(self, doing: str, spare: float = SPARE) -> Progress:
        """A progress that is passed on, and that ends what it tells of before the step's time is over."""

        def progress(done: int, total: int) -> None:
            self.context.progress({"doing": doing, "done": done, "total": total})
            self.check_time(doing, spare)

        return progress

    def check_time(self, doing: str, spare: float = SPARE) -> None:
        """OperationError where too little of the step's time is left to go on, and to tidy up after it."""
        if self.context.remaining(spare) < spare:
            raise OperationError(f"{doing} did not fit into the step's time limit: raise it")

    def drain(self) -> None:
        """Wait until all that was written by now has arrived in its table."""
        limit = time.monotonic() + self.context.remaining(self.drain_timeout)
        with self.timed("drain"):
            wait_for_wal(self.client, lambda: limit - time.monotonic(), writers=True)

    def clear(self) -> None:
        """Remove what was copied."""
        parent, name = os.path.split(self.place)
        directory = open_directory(parent, create=True)
        try:
            tree_copy.remove(directory, name)
            os.mkdir(name, 0o700, dir_fd=directory)
        finally:
            os.close(directory)

    def hashed(self, copied: Mapping[str, FileEntry]) -> dict[str, FileEntry]:
        """All files of the copy, read back; they must be as long as they were when they were copied."""
        with self.timed("hash"):
            files = hash_tree(self.place, progress=self.hears("hash the copy"))
            sync_tree(self.place, files)  # now, so that neither a checkpoint nor a stopped server waits for the disk
        del files[""]
        wrong = sorted(path for path in {*files, *copied} if _length(files, path) != _length(copied, path))
        if wrong:
            raise OperationError(f"{self.place} is not what was copied ({wrong[0]}): see to its file system")
        return files


def take_from_running(taking: Taking) -> tuple[dict[str, Table], dict[str, FileEntry]]:
    """Copy a checkpoint. Returns the tables as they are in it, and the files."""
    for attempt in range(1, ATTEMPTS + 1):
        taking.clear()
        taking.drain()
        before = read_tables(taking.client)
        taking.check_time(f"copy {CHECKPOINT}")
        timeout = max(1.0, taking.context.remaining(CREATE_TIMEOUT))
        with _checkpoint.checkpoint(taking.client, taking.instance, taking.name, timeout):
            with taking.timed("copy"):
                copied = _copy(taking, CHECKPOINT)
            tables = _in_checkpoint(taking, before)
            arriving = tables is None or any(table.pending for table in tables.values())
            if arriving and attempt < ATTEMPTS:
                continue
            if tables is None:
                raise OperationError("tables are altered all the time, so no checkpoint can be described: stop that")
            vanished: list[str] = []
            with taking.timed("copy"):
                copied.update(_copy(taking, DB, vanished))
        wrong = lost(vanished, tables, taking.place) + wrong_partitions(tables, copied, taking.place, CHECKPOINT_MODE)
        if wrong:
            raise OperationError(
                f"the copy is not whole ({'; '.join(wrong[:5])}): run it again, for releases up to 9.3.4 remove files "
                "from under a checkpoint; if it stays so, the database itself is damaged"
            )
        return tables, taking.hashed(copied)
    raise AssertionError  # the last attempt has returned or raised


def take_cold(taking: Taking, server: Server) -> tuple[dict[str, Table], dict[str, FileEntry]]:
    """Copy db of a server that is stopped meanwhile. Returns the tables as they are in the copy, and the files."""
    taking.clear()
    taking.drain()
    before = read_tables(taking.client)
    server.check()
    taking.check_time(f"copy {DB}", COLD_SPARE)
    _checkpoint.write_lease(taking.instance, _checkpoint.Lease(taking.name, COLD, stopped=True))
    try:
        with taking.timed("down"):
            with taking.timed("stop"):
                server.stop()
            if taking.client.is_up():
                raise OperationError(
                    f"{server.name} is stopped, and {taking.client.access.url} still answers: correct url"
                )
            with taking.instance.kept_from_starting(), taking.timed("copy"):
                copied = _copy(taking, DB, spare=COLD_SPARE)
    except BaseException as error:
        _bring_back(taking, server, error)
        raise
    with taking.timed("down"), taking.timed("start"):
        server.start()
    _checkpoint.drop_lease(taking.instance)
    if _definitions(before) != _definitions(read_tables(taking.client)):
        raise OperationError("tables were made, altered or dropped during the backup: stop that, and run it again")
    tables = as_copied(before, taking.place, COLD)
    wrong = wrong_partitions(tables, copied, taking.place, COLD)
    if wrong:
        raise OperationError(f"{taking.instance.db} is damaged ({'; '.join(wrong[:5])}): restore a backup from before")
    return tables, taking.hashed(copied)


def _bring_back(taking: Taking, server: Server, error: BaseException) -> None:
    """Start it after all, once it is down; one that does not get down is left as it is and named."""
    limit = time.monotonic() + taking.context.remaining(server.start_timeout)
    reason = str(error) or "the backup was ended"
    while server.is_running():
        if time.monotonic() > limit:
            raise OperationError(f"{reason}; {server.name} was asked to stop and may yet do so: see that it runs")
        time.sleep(0.1)
    try:
        server.start()
    except OperationError as worse:
        raise OperationError(f"{reason}; and {worse}") from error


def _copy(taking: Taking, part: str, vanished: list[str] | None = None, spare: float = SPARE) -> dict[str, FileEntry]:
    """Copy a directory of the instance; returns the files by path in the backup."""
    source, target = os.path.join(taking.instance.root, part), os.path.join(taking.place, part)
    files = copy_tree(source, target, progress=taking.hears(f"copy {part}", spare), vanished=vanished, sync=False)
    return {f"{part}/{path}".rstrip("/"): entry for path, entry in files.items()}


def _in_checkpoint(taking: Taking, before: Mapping[str, Table]) -> dict[str, Table] | None:
    """The tables that the checkpoint holds. None: they were altered meanwhile, so that nobody knows which it has."""
    after = read_tables(taking.client)
    directories = set(os.listdir(os.path.join(taking.place, CHECKPOINT, DB)))
    was, is_now = _definitions(before), _definitions(after)
    if any(was[name] != is_now[name] for name in was.keys() & is_now.keys()):
        return None
    tables = {name: table for name, table in {**before, **after}.items() if table.directory in directories}
    if any(table.directory not in directories and table.kind != "view" for table in before.values()):
        return None
    return as_copied(tables, taking.place, CHECKPOINT_MODE)


def _definitions(tables: Mapping[str, Table]) -> dict[str, tuple[str, str]]:
    return {name: (table.directory, table.ddl) for name, table in tables.items()}


def _length(files: Mapping[str, FileEntry], path: str) -> int:
    return files[path].size if path in files else -1
