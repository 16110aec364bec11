# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A safety copy read by a server of its own, beside the live one, and left as it is. PRIVATE to the collection.

A server that is read-only writes to no table of a user, but to its own tables and its registry. So these are copied,
and of the rest there are symlinks. What the safety copy holds in its WAL alone would be missing then; in such a case
all of it is copied, and its server carries that out.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Callable

from .. import _process
from .._files import NO_FOLLOW, lstat_at, opened_directory
from . import layout
from .client import Access, Client
from .instance import DB, Instance, is_own
from .rehearse import Boot, boot_from, rehearsed
from .safety import Safety, make_directory, remove_directory
from .space import check_space
from .tables import wait_for_wal
from .tree import Progress
from .tree_copy import copy_into, copy_tree, give

MIN_FREE = "5%"
"""What is left free by a copy."""


@contextmanager
def opened_beside(
    instance: Instance,
    safety: Safety,
    boot: Boot,
    access: Access,
    *,
    timeout: float,
    remaining: Callable[[], float],
    progress: Progress,
) -> Iterator[Client]:
    """A client of a server that holds what the safety copy holds; it ends when this is left, and nothing stays.

    timeout: seconds until it answers; remaining: seconds that are left for its WAL
    progress: hears of a copy, where one has to be made
    """
    stage = layout.stage(instance.root, "rows")
    run, view = os.path.join(stage, "run"), os.path.join(stage, DB)
    owner = instance.owner()
    remove_directory(stage)
    make_directory(stage, owner)
    still = replace(boot, variables={**boot.variables, "QDB_READONLY": "true"})
    try:
        _make_view(safety.db, view, owner)
        with rehearsed(instance, still, access, view, run, restore=False, timeout=timeout) as client:
            if not _is_behind(client):
                yield client
                return
        remove_directory(view)
        check_space(safety.db, stage, MIN_FREE)
        copy_tree(safety.db, view, progress=progress)
        with rehearsed(instance, boot, access, view, run, restore=False, timeout=timeout) as client:
            wait_for_wal(client, remaining)
            yield client
    finally:
        remove_directory(stage)
        with suppress(OSError):
            os.rmdir(os.path.dirname(stage))


def boot_of(root: str) -> Boot | None:
    """How the server on a root was started, as its process shows; None if none is seen."""
    for process in _process.all_processes().values():
        words = process.command
        if "-d" not in words[:-1]:
            continue
        named = os.path.join(process.cwd or "/", words[words.index("-d") + 1])
        if os.path.realpath(named) == os.path.realpath(root):
            return boot_from(process)
    return None


def _make_view(source: str, target: str, owner: tuple[int, int]) -> None:
    make_directory(target, owner)
    with opened_directory(source) as there, opened_directory(target) as view:
        for name in sorted(os.listdir(there)):
            if _is_table(there, name):
                _link_content(os.path.join(source, name), name, view)
            else:
                copy_into(there, name, view)
    give(target, owner)


def _is_table(directory: int, name: str) -> bool:
    state = lstat_at(directory, name)
    return state is not None and stat.S_ISDIR(state.st_mode) and not is_own(name)


def _link_content(source: str, name: str, view: int) -> None:
    """A directory that is itself a symlink would be a table in a volume, which is another thing to the server."""
    os.mkdir(name, 0o700, dir_fd=view)
    directory = os.open(name, os.O_RDONLY | os.O_DIRECTORY | NO_FOLLOW, dir_fd=view)
    try:
        for child in os.listdir(source):
            os.symlink(os.path.join(source, child), child, dir_fd=directory)
    finally:
        os.close(directory)


def _is_behind(client: Client) -> bool:
    return any(row["writerTxn"] < row["sequencerTxn"] for row in client.query("wal_tables()").dicts())
