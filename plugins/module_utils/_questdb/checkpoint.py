# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A checkpoint: opened, released whatever happens, and told from one of somebody else. PRIVATE to the collection.

While one is open the server keeps what belongs to it, WAL above all, so that one left open fills the disk.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Any

from .._files import read_bytes, remove_file, write_atomic
from .._operation import OperationError
from . import layout
from .client import Client, QuestDBError, Unreachable
from .instance import DB, Instance

PATIENCE = 30.0
"""Seconds for a release to be heard."""


@dataclass(frozen=True)
class Lease:
    """What a backup that is under way has asked of the server. It outlives a backup that was killed.

    started_at: when the server says that the checkpoint began; None: not known yet, or there is none
    stopped: whether the server was stopped for a cold copy
    """

    name: str
    mode: str
    started_at: str | None = None
    stopped: bool = False


def read_lease(root: str) -> Lease | None:
    """That of a backup that was cut short, or is under way; None if there is none or it cannot be read."""
    if not os.path.isdir(layout.home(root)):
        return None
    try:
        return Lease(**json.loads(read_bytes(layout.lease(root)) or b""))
    except (ValueError, TypeError):
        return None


def write_lease(instance: Instance, lease: Lease) -> None:
    """On disk before the server is asked."""
    write_atomic(layout.lease(instance.root), json.dumps(asdict(lease)).encode(), mode=0o600)


def drop_lease(instance: Instance) -> None:
    """Nothing has to be taken back any more."""
    remove_file(layout.lease(instance.root))


def open_since(client: Client) -> tuple[str, int] | None:
    """When the open checkpoint began, and its age in seconds; None if none is open."""
    query = "select in_progress, started_at, datediff('s', started_at, now()) from checkpoint_status()"
    is_open, started_at, age = client.query(query).rows[0]
    return (started_at, age or 0) if is_open else None


def left_open(client: Client, root: str) -> str | None:
    """When the checkpoint began that an interrupted backup has left open; None if none is open.

    One that is not known to be this collection's is an OperationError that names its age: whoever opened it may be
    copying.
    """
    found = open_since(client)
    if found is None:
        return None
    started_at, age = found
    lease = read_lease(root)
    if lease is not None and lease.started_at == started_at:
        return started_at
    whose = f", maybe by the backup {lease.name} that was interrupted" if lease and lease.mode == "checkpoint" else ""
    raise OperationError(
        f"a checkpoint has been open for {age} s, since {started_at}{whose}: let whoever copies it end, or send "
        "CHECKPOINT RELEASE if nobody does"
    )


@contextmanager
def checkpoint(client: Client, instance: Instance, name: str, timeout: float) -> Iterator[str]:
    """Open one, and release it in the end; gives when it began, as the server says it.

    timeout: seconds for the server to open it
    """
    asked_at = str(client.query("select now()").rows[0][0])
    stale = _made(instance)
    write_lease(instance, Lease(name, "checkpoint"))
    found = None
    refused = False
    try:
        try:
            client.query("checkpoint create", timeout=timeout)
        except QuestDBError:
            refused = True
            raise
        found = open_since(client)
        if found is None:
            raise OperationError("the checkpoint was released by somebody else at once: see who else makes backups")
        write_lease(instance, Lease(name, "checkpoint", found[0]))
        if _made(instance) in (None, stale):
            raise OperationError(
                f"the server at {client.access.url} has made no checkpoint below {instance.root}: correct url or root"
            )
        yield found[0]
        if _began(client) != found[0]:
            raise OperationError("the checkpoint was released while it was copied: see who else makes backups")
    finally:
        release(client, instance, asked_at, sure=refused or found is not None)


def _made(instance: Instance) -> tuple[int, int] | None:
    """What tells the checkpoint on disk from an earlier one, which a server replaces; None if there is none."""
    try:
        state = os.lstat(os.path.join(instance.checkpoint, DB))
    except FileNotFoundError:
        return None
    return state.st_ino, state.st_ctime_ns


def _began(client: Client) -> str | None:
    found = open_since(client)
    return found[0] if found else None


def release(client: Client, instance: Instance, since: str, *, sure: bool = True) -> None:
    """Release a checkpoint that began at ``since`` or later, and see that it is released.

    sure: that the server has opened it; otherwise it may yet, so that the lease stays for the next run to name it
    """
    limit = time.monotonic() + PATIENCE
    while True:
        problem: Any = None
        try:
            began = _began(client)
            if began is None or began < since:
                break
            client.query("checkpoint release")
            sure = True
        except (QuestDBError, Unreachable) as error:
            problem = error
        if time.monotonic() > limit:
            raise OperationError(
                f"the checkpoint of this backup may still be open ({problem or 'the server keeps it'}): send "
                "CHECKPOINT RELEASE once QuestDB answers, else its disk fills"
            )
        time.sleep(0.2)
    if sure:
        with suppress(OSError):
            drop_lease(instance)
