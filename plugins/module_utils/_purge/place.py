# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which directories may be purged (S2.6). PRIVATE to the collection."""

from __future__ import annotations

import os
import pwd
import re
import stat

from .._files import NO_FOLLOW, lstat_at, open_directory
from .._operation import OperationError

MOUNTS = "/proc/self/mountinfo"
GIT = ".git"


def refuse_spelling(option: str, given: str) -> None:
    """Refuse what a path may become once it is normalised: raises OperationError for ``..`` and NUL in it."""
    if ".." in given.split("/") or "\0" in given:
        raise OperationError(f"{option} is {given!r}, and .. in it can lead anywhere: write where it really is")


def open_place(path: str) -> tuple[int, str] | None:
    """A descriptor of the directory and its real path, None if it is not there; OperationError if it must stay."""
    parent, name = os.path.split(path)
    if not name:
        raise OperationError("path is /, which is never purged: name the directory of the cache")
    try:
        above = open_directory(parent)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise OperationError(f"{parent}, which holds {name}, cannot be opened ({error.strerror})") from error
    try:
        present = lstat_at(above, name)
        if present is None:
            return None
        if stat.S_ISLNK(present.st_mode):
            raise OperationError(f"{path} is a symlink to {os.readlink(name, dir_fd=above)}: name the real directory")
        if not stat.S_ISDIR(present.st_mode):
            raise OperationError(f"{path} is not a directory: name the one that holds what is to be purged")
        try:
            directory = os.open(name, os.O_RDONLY | os.O_DIRECTORY | NO_FOLLOW, dir_fd=above)
        except OSError as error:
            raise OperationError(f"{path} cannot be opened ({error.strerror}): mend its mode, or set become") from error
    finally:
        os.close(above)
    try:
        real = os.readlink(f"/proc/self/fd/{directory}")
        _refuse_swappable(path, os.fstat(directory).st_uid)
        _refuse(path, real, directory)
    except BaseException:
        os.close(directory)
        raise
    return directory, real


def mount_points() -> set[str]:
    """The paths of all mounts that this process sees."""
    with open(MOUNTS, "rb") as lines:
        fields = [line.split(b" ")[4] for line in lines]
    return {os.fsdecode(re.sub(rb"\\([0-7]{3})", lambda octal: bytes([int(octal[1], 8)]), field)) for field in fields}


def _refuse(path: str, real: str, directory: int) -> None:
    mend = "name the directory of the cache itself"
    for home, user in _homes():
        if home == real or home.startswith(f"{real}/"):
            raise OperationError(f"{path} is or holds {home}, the home directory of {user}: {mend}")
    if real.count("/") < 2:
        raise OperationError(f"{path} lies directly below /, and is no bot's cache: {mend}")
    if real in mount_points():
        raise OperationError(f"{path} is a mount point, and its trash could not be beside it: name a directory in it")
    if GIT in real.split("/") or lstat_at(directory, GIT) is not None:
        raise OperationError(f"{path} is a git work tree, or part of what git keeps: {mend}")


def _homes() -> list[tuple[str, str]]:
    """Home directories of this host's users, and of the one who asks, with whose they are."""
    homes = [(user.pw_dir, user.pw_name) for user in pwd.getpwall()]
    return [
        (os.path.realpath(home), user) for home, user in [*homes, (os.path.expanduser("~"), "this process")] if home
    ]


def _refuse_swappable(path: str, owner: int) -> None:
    """Refuse symlinks on the way that a third user made. Of root's own way ``open_directory`` sees to that."""
    steps = [part for part in path.split("/") if part]
    for depth in range(1, len(steps)):
        step = "/" + "/".join(steps[:depth])
        if os.path.islink(step) and os.lstat(step).st_uid not in (0, owner, os.geteuid()):
            raise OperationError(
                f"{path} leads through the symlink {step}, which somebody else made: name the real path"
            )
