# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks that are full or read-only, under what the bot has and under what the collection keeps there."""

from __future__ import annotations

import pytest

from .host import STATE, TREE
from .night import Fault, Outcome

FULL, READ_ONLY = "(No space left on device|Out of diskspace)", "Read-only file system"
NO_STATE = f"went no further: state directory {STATE}/host\\d cannot be (written|used) "
NO_CONFIG = 'no proof of "The config permits no trading": '


def full(path: str, ends: str, says: str) -> Fault:
    """No room left where that path is."""
    return Fault(ends, lambda host: host.fill(path), says=f"{says}.*{FULL}")


def read_only(path: str, ends: str, says: str) -> Fault:
    """Nothing can be written there."""
    return Fault(ends, lambda host: host.forbid_writing(path), says=f"{says}.*{READ_ONLY}")


FAULTS = {
    "state directory full": full(STATE, "safe", NO_STATE),
    "state directory read-only": read_only(STATE, "safe", NO_STATE),
    "config full": full(f"{TREE}/config", "exposed", NO_CONFIG),
    "config read-only": read_only(f"{TREE}/config", "exposed", NO_CONFIG),
    "repository full": full(f"{TREE}/.git", "safe", "Check out the version to go back to: "),
    "repository read-only": read_only(f"{TREE}/.git", "safe", "Check out the version to go back to: "),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_it_ends_as_it_is_said(night: dict[str, Outcome], fault: str) -> None:
    """By the record, the exit code and the host; mended, the same id restores it."""
    night[fault].check()
