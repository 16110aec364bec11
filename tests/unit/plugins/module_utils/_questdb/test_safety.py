# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Safety copies, one of which has a description that nobody can read (S1.7, S2.3)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import OperationError
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.safety import (
    DESCRIPTION,
    REPLACED,
    UNREADABLE,
    Safety,
    find_safety,
    list_safety,
    prune,
    write_safety,
)


def test_s1_7_one_that_cannot_be_read_is_listed_and_stands_in_no_way(tmp_path: Path) -> None:
    """S1.7: nobody knows what it holds, so it is neither taken nor removed; the others can be."""
    root, owner = str(tmp_path), (os.geteuid(), os.getegid())
    for name in ("a", "b", "c", "d"):
        path = tmp_path / "botfleet" / "safety" / name
        safety = Safety(name, str(path), f"2026-01-05T0{name}", REPLACED, "backup", "9.3.4", None, {}, exact=True)
        write_safety(safety, owner)
        (path / "db").mkdir()
    (tmp_path / "botfleet" / "safety" / "c" / DESCRIPTION).write_text('{"taken": "2026')
    (tmp_path / "botfleet" / "safety" / "d" / DESCRIPTION).write_text("[]")
    assert [(safety.id, safety.reason) for safety in list_safety(root)] == [
        ("b", REPLACED),
        ("a", REPLACED),
        ("d", UNREADABLE),
        ("c", UNREADABLE),
    ]
    assert list_safety(root)[2].shown()["tables"] is None
    assert find_safety(root, "latest").id == "b"
    with pytest.raises(OperationError, match=r"c/safety\.json cannot be read: put the safety copy back by hand"):
        find_safety(root, "c")
    assert prune(root, 1, "none") == [str(tmp_path / "botfleet" / "safety" / "a")]
    assert [safety.id for safety in list_safety(root)] == ["b", "d", "c"]
