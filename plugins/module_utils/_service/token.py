# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The token that lets a unit start in spite of the marker of a halt. PRIVATE to the collection."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from .._files import parent_directory, remove_file
from .._operation import OperationError


@contextmanager
def start_token(path: str | None) -> Iterator[None]:
    """Have the token there meanwhile, if one is named.

    It is a symlink to this process in /proc. So one that a killed run leaves behind dangles, and to systemd it is
    not there.
    """
    if path is None:
        yield
        return
    try:
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        remove_file(path)
        with parent_directory(path) as (directory, name):
            os.symlink(f"/proc/{os.getpid()}", name, dir_fd=directory)
    except OSError as error:
        raise OperationError(
            f"start_token {path} cannot be created ({error.strerror}), so nothing was started: "
            "set become, or name another place"
        ) from error
    try:
        yield
    finally:
        with suppress(OSError, OperationError):
            remove_file(path)
