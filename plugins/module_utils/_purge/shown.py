# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people get to see of a purge. PRIVATE to the collection."""

from __future__ import annotations

import os
from collections.abc import Iterable

LISTED = 20
"""The most names that a diff lists."""
NAMED = 5
"""The most that a sentence does."""


def shown(name: str | bytes) -> str:
    """A name of a file or of a key that can be printed, whatever its bytes are."""
    return os.fsencode(name).decode("utf-8", "backslashreplace").replace("\n", "\\n")


def named(phrases: list[str]) -> str:
    """The first of them, and how many more there are."""
    more = len(phrases) - NAMED
    return ", ".join(phrases[:NAMED]) + (f" and {more} more" if more > 0 else "")


def diff(of: str, names: Iterable[str], count: int, totals: tuple[str, str], expired: list[str]) -> dict[str, str]:
    """An Ansible diff. names: of what goes, as many as are known; count: of all of it; totals: before and after."""
    lines = list(names)[:LISTED]
    if count > len(lines):
        lines.append(f"and {count - len(lines)} more")
    lines.append(totals[0])
    lines += [f"expired {path}" for path in expired[:LISTED]]
    before = "".join(f"{line}\n" for line in lines)
    return {"before": before, "after": f"{totals[1]}\n", "before_header": of, "after_header": of}
