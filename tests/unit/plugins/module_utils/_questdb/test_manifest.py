# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manifests written and read, and those that are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import OperationError
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.manifest import (
    Manifest,
    read_manifest,
    verify_backup,
    write_manifest,
)
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.tables import Table, fingerprint
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.tree import hash_tree

TABLE = Table("t", "t~1", "CREATE …", True, "DAY", "ts", False, 1, "a", "a", [["ts", "TIMESTAMP"]], [["a", 1]], 1)


@pytest.fixture(name="backup")
def _backup(tmp_path: Path) -> Path:
    (tmp_path / "db" / "t~1").mkdir(parents=True)
    (tmp_path / "db" / "t~1" / "_meta").write_bytes(b"meta")
    files = {f"db/{path}".rstrip("/"): entry for path, entry in hash_tree(str(tmp_path / "db")).items()}
    tables = {"t": TABLE}
    said = ("before", "cold", "9.3.4", "/srv/questdb", "0" * 32, "2026-01-05T03:15:00Z")
    write_manifest(str(tmp_path), Manifest(*said, files, tables, 4, fingerprint(tables)))
    return tmp_path


def test_a_manifest_is_read_as_it_was_written(backup: Path) -> None:
    manifest = read_manifest(str(backup))
    assert manifest.tables == {"t": TABLE}
    assert (manifest.id, manifest.mode, manifest.counts) == ("before", "cold", "exact")
    assert verify_backup(str(backup), manifest) == []
    (backup / "db" / "t~1" / "_meta").write_bytes(b"mfta")
    assert verify_backup(str(backup), manifest) == ["db/t~1/_meta has another content"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"format": 2}, "format 2: update the collection"),
        ({"mode": "warm"}, "cannot be read"),
        ({"more": 1}, "cannot be read"),
        ({"files": {"../x": {"kind": "file", "size": 1, "mode": 1, "uid": 0, "gid": 0}}}, "cannot be read"),
        ({"tables": {}}, "was changed"),
        ({"id": "../x"}, "write letters"),
    ],
)
def test_a_manifest_that_cannot_be_right_is_refused(backup: Path, change: dict[str, Any], sentence: str) -> None:
    path = backup / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(OperationError, match=sentence):
        read_manifest(str(backup))


def test_without_a_manifest_it_is_no_backup(backup: Path) -> None:
    (backup / "manifest.json").unlink()
    with pytest.raises(OperationError, match="has no manifest, so it may be half"):
        read_manifest(str(backup))
