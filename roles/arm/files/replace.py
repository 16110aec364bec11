# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a host: the new directory takes the place of another, which becomes the old one.

In one step where kernel and file system can exchange two, else in two renames at once.
"""

import ctypes
import os
import sys

HERE, EXCHANGE = -100, 2  # AT_FDCWD, RENAME_EXCHANGE


def exchange(one: str, other: str) -> bool:
    """False if it cannot be done, as when one of them is not there."""
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    return bool(rename and rename(HERE, os.fsencode(one), HERE, os.fsencode(other), EXCHANGE) == 0)


place, new, old = sys.argv[1:]
if exchange(new, place):
    os.rename(new, old)
else:
    if os.path.lexists(place):
        os.rename(place, old)
    os.rename(new, place)
