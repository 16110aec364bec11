# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories change places, wherever a kill left them (S1.7)."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import OperationError
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb import swap
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.swap import arrange, inode

PLACES = ["db", "stage/db", "safety/db"]


def made(root: Path, where: dict[str, str]) -> dict[str, int]:
    """Directories by what is in them; their inodes."""
    for place in PLACES:
        (root / place).parent.mkdir(parents=True, exist_ok=True)
    for what, place in where.items():
        (root / place).mkdir()
        (root / place / what).touch()
    return {what: os.stat(root / place).st_ino for what, place in where.items()}


@pytest.mark.parametrize("exchanged", [True, False])
@pytest.mark.parametrize(("live", "staged"), list(itertools.permutations(PLACES, 2)))
def test_s1_7_from_wherever_they_are(
    tmp_path: Path, live: str, staged: str, exchanged: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S1.7: forward and backward end the same from every state that there can be in between."""
    if not exchanged:
        monkeypatch.setattr(swap, "exchange", lambda *_: False)
    known = made(tmp_path, {"live": live, "staged": staged})
    for db, other, first in (("staged", "live", "safety/db"), ("live", "staged", "stage/db")):
        for _again in range(2):
            arrange(str(tmp_path), {"db": known[db], first: known[other]}, PLACES)
            assert os.listdir(tmp_path / "db") == [db]
            assert os.listdir(tmp_path / first) == [other]
            assert inode(str(tmp_path / "db")) == known[db]


def test_s1_7_what_is_nowhere_is_named(tmp_path: Path) -> None:
    known = made(tmp_path, {"live": "db"})
    with pytest.raises(OperationError, match="somebody moved it, look for inode 1"):
        arrange(str(tmp_path), {"db": 1}, PLACES)
    assert inode(str(tmp_path / "db")) == known["live"]
    assert inode(str(tmp_path / "never")) is None
