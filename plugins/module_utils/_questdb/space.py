# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Room for a copy, asked before it is begun. PRIVATE to the collection."""

from __future__ import annotations

import os
import re

from .._operation import OperationError
from .tree import data_in

UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def wanted_free(text: str, size: int) -> int:
    """Bytes that ``min_free`` means on a file system of ``size`` bytes: ``5%``, ``20G`` or a number of bytes."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)(%|[KMGT]?)", str(text).strip())
    if not found or (found[2] == "%" and float(found[1]) > 100):
        raise OperationError(f"min_free is {text!r}: write a share as 5%, or bytes as 20G or 1000000")
    number, unit = float(found[1]), found[2]
    return int(size * number / 100) if unit == "%" else int(number * UNITS[unit])


def check_space(source: str, dest: str, min_free: str) -> int:
    """Bytes that a copy of ``source`` takes; OperationError unless ``dest`` has them and ``min_free`` beside."""
    needed = data_in(source)
    while not os.path.isdir(dest):
        dest = os.path.dirname(dest)
    state = os.statvfs(dest)
    free, wanted = state.f_bavail * state.f_frsize, wanted_free(min_free, state.f_blocks * state.f_frsize)
    if free - needed < wanted:
        raise OperationError(
            f"{dest} has {size(free)} free, a copy of {source} takes {size(needed)}, and {size(wanted)} must be left: "
            "make room, or lower min_free"
        )
    return needed


def size(count: int) -> str:
    """Bytes for people: ``1.5 GiB``."""
    number = float(count)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if number < 1024:
            return f"{number:.0f} {unit}" if unit == "bytes" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} TiB"
