# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files read whole and replaced whole. PRIVATE to the collection."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ._operation import OperationError

NO_FOLLOW = os.O_NOFOLLOW | os.O_CLOEXEC
MOST_SYMLINKS = 40


def read_bytes(path: str) -> bytes | None:
    """The content of a regular file, None if there is none. A symlink or a device is an error."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | NO_FOLLOW)
    except FileNotFoundError:
        return None
    except OSError as error:
        if os.path.islink(path):
            raise OperationError(f"{path} is a symlink to {os.readlink(path)}: name the file itself") from error
        raise OperationError(f"{path} cannot be read ({error.strerror}): mend its owner or mode") from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):  # asked first: a directory cannot even be made a file object
            raise OperationError(f"{path} is not a regular file: name the file itself")
        with open(descriptor, "rb", closefd=False) as handle:
            return handle.read()
    finally:
        os.close(descriptor)


def write_atomic(
    path: str,
    content: bytes,
    *,
    mode: int | None = None,
    owner: tuple[int, int] | None = None,
    durable: bool = True,
) -> None:
    """Replace a file by rename, fsynced; a reader sees the old or the new content, never half of it.

    durable: False leaves out the fsync, for what is worth nothing after a crash
    Mode and owner are those of the file that is replaced, else ``mode`` (0644) and ``owner`` (uid, gid;
    the owner of the directory when root writes). Given ones win. A symlink in place of the file is refused.
    """
    with parent_directory(path) as (directory, name):
        present = lstat_at(directory, name)
        if present is not None and not stat.S_ISREG(present.st_mode):
            raise OperationError(f"{path} is not a regular file: it was left alone, name the file itself")
        if mode is None:
            mode = stat.S_IMODE(present.st_mode) if present else 0o644
        if owner is None and os.geteuid() == 0:
            model = present or os.fstat(directory)
            owner = (model.st_uid, model.st_gid)
        temporary = f".{name}.{secrets.token_hex(6)}"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_FOLLOW, 0o600, dir_fd=directory)
        try:
            with os.fdopen(descriptor, "wb") as handle:
                handle.write(content)
                handle.flush()
                if owner is not None and os.geteuid() == 0:
                    os.fchown(descriptor, *owner)
                os.fchmod(descriptor, mode)
                if durable:
                    os.fsync(descriptor)
            os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
        except BaseException:
            os.unlink(temporary, dir_fd=directory)
            raise
        if durable:
            os.fsync(directory)


def remove_file(path: str) -> None:
    """Remove a file durably; a missing one is fine.

    Any symlink on the way is followed: a go-live flag comes down whoever made the link to its directory.
    """
    with parent_directory(path, trusted=False) as (directory, name):
        try:
            os.unlink(name, dir_fd=directory)
        except FileNotFoundError:
            return
        os.fsync(directory)


@contextmanager
def parent_directory(path: str, *, trusted: bool = True) -> Iterator[tuple[int, str]]:
    """An open descriptor of the file's directory, and the file's name in it; see ``open_directory``."""
    parent, name = os.path.split(path)
    try:
        directory = open_directory(parent, trusted=trusted)
    except OSError as error:
        raise OperationError(f"{parent}, the directory of {name}, cannot be opened ({error.strerror})") from error
    try:
        yield directory, name
    finally:
        os.close(directory)


@contextmanager
def opened_directory(path: str) -> Iterator[int]:
    """An open descriptor of a directory; see ``open_directory``."""
    directory = open_directory(path)
    try:
        yield directory
    finally:
        os.close(directory)


def open_directory(path: str, *, create: bool = False, trusted: bool = True) -> int:
    """A descriptor of a directory; ``create`` makes what is missing, mode 0700.

    trusted: root follows a symlink on the way only if root or the owner of the directory that it leads to made
    it; otherwise an unprivileged user could point root at somebody else's files
    """
    current = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    parts = [part for part in reversed(path.split("/")) if part not in ("", ".")]
    makers = set()
    hops = 0
    try:
        while parts:
            part = parts.pop()
            present = lstat_at(current, part)
            if present is not None and stat.S_ISLNK(present.st_mode):
                hops += 1
                if hops > MOST_SYMLINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
                makers.add(present.st_uid)
                target = os.readlink(part, dir_fd=current)
                parts += [step for step in reversed(target.split("/")) if step not in ("", ".")]
                part = "/" if target.startswith("/") else "."
            elif present is None and create:
                os.mkdir(part, 0o700, dir_fd=current)
            below = os.open(part, os.O_PATH | os.O_DIRECTORY | NO_FOLLOW, dir_fd=current)
            os.close(current)
            current = below
        owner = os.fstat(current).st_uid
        if trusted and os.geteuid() == 0 and makers - {0, owner}:
            raise OperationError(f"{path} leads through a symlink that its owner did not make: name the real directory")
        return os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=current)
    finally:
        os.close(current)


def sync_directory(path: str, directory: int | None = None) -> None:
    """Have on disk which names a directory has. directory: an open one that the path is relative to"""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | NO_FOLLOW, dir_fd=directory)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def lstat_at(directory: int, name: str) -> os.stat_result | None:
    """The state of a name in an open directory, None if it is not there."""
    try:
        return os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return None


def whole_lines(descriptor: int) -> Iterator[tuple[dict[str, Any], int]]:
    """The JSON objects of an open journal, a line each, and the bytes of that, up to one that a kill cut short."""
    with open(os.dup(descriptor), "rb") as handle:
        handle.seek(0)
        for text in handle:
            try:
                line = json.loads(text) if text.endswith(b"\n") else None
            except ValueError:
                line = None
            if not isinstance(line, dict):
                return
            yield line, len(text)


def sha256_of(path: str) -> str:
    """The hex digest of a file's content."""
    digest = hashlib.sha256()
    with open(path, "rb") as handle:
        for block in iter(lambda: handle.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()
