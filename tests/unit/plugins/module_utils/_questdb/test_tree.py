# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trees copied, hashed and compared."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import OperationError
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.tree import (
    data_in,
    hash_tree,
    verify_tree,
)
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.tree_copy import copy_tree

MIB = 1 << 20


@pytest.fixture(name="source")
def _source(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    (source / "t~1" / "2026-01-01").mkdir(parents=True)
    (source / "t~1" / "_meta").write_bytes(b"meta")
    column = source / "t~1" / "2026-01-01" / "price.d"
    with column.open("wb") as handle:  # data, a hole, data, and what the server allocates ahead
        handle.write(os.urandom(3 * MIB + 7))
        handle.seek(32 * MIB)
        handle.write(b"late")
        handle.truncate(64 * MIB)
    (source / "empty").touch()
    (source / "t~1").chmod(0o750)
    column.chmod(0o640)
    return source


def test_a_copy_holds_the_same_and_its_holes(source: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    target = tmp_path / "target"
    entries = copy_tree(str(source), str(target), progress=lambda *state: told.append(state), digests=True)
    column = target / "t~1" / "2026-01-01" / "price.d"
    assert column.read_bytes() == (source / "t~1" / "2026-01-01" / "price.d").read_bytes()
    assert column.stat().st_ino != (source / "t~1" / "2026-01-01" / "price.d").stat().st_ino
    assert data_in(str(target)) < 4 * MIB
    assert entries == hash_tree(str(target)) == hash_tree(str(source))
    found = entries["t~1/2026-01-01/price.d"]
    assert (found.size, found.mode) == (64 * MIB, 0o640)
    assert found.sha256 == hashlib.sha256(column.read_bytes().rstrip(b"\0")).hexdigest()
    assert entries["t~1"].mode == 0o750
    assert told[-1] == (64 * MIB + 4, 64 * MIB + 4)
    assert verify_tree(str(target), entries) == []


def test_each_difference_is_named(source: Path) -> None:
    entries = hash_tree(str(source))
    column = source / "t~1" / "2026-01-01" / "price.d"
    with column.open("r+b") as handle:
        handle.seek(MIB)
        byte = handle.read(1)
        handle.seek(MIB)
        handle.write(bytes([byte[0] ^ 1]))
    (source / "t~1" / "_meta").write_bytes(b"met")
    (source / "empty").unlink()
    (source / "more").touch()
    assert verify_tree(str(source), entries) == [
        "empty is missing",
        "t~1/2026-01-01/price.d has another content",
        "t~1/_meta is cut off (3 of 4 bytes)",
        "more does not belong there",
    ]


def test_a_symlink_is_refused(source: Path, tmp_path: Path) -> None:
    (source / "t~1" / "2026-01-02").symlink_to("/nowhere")
    with pytest.raises(OperationError, match="2026-01-02 is a symlink"):
        copy_tree(str(source), str(tmp_path / "target"))
