# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which backup is meant where nobody names one (S1.7)."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import OperationError
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.manifest import Manifest, write_manifest
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.newest import resolved
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.tables import fingerprint


@pytest.fixture
def backups(tmp_path: Path) -> Path:
    """One of each day, whose names do not tell, and what is no backup."""
    for name, day in (("b", 1), ("a", 2), ("c", 3)):
        (tmp_path / name).mkdir()
        taken = f"2026-01-0{day}T12:00:00Z"
        write_manifest(
            str(tmp_path / name), Manifest(name, "cold", "9.3.4", "/srv/q", "id", taken, {}, {}, 0, fingerprint({}))
        )
    (tmp_path / ".d.partial").mkdir()
    (tmp_path / "half").mkdir()
    (tmp_path / "link").symlink_to("c")
    return tmp_path


@pytest.mark.parametrize(
    ("before", "name"),
    [
        (None, "c"),
        ("2026-01-03T12:00:00.000001Z", "c"),
        ("2026-01-03T12:00:00Z", "a"),
        ("2026-01-02T13:00:00+02:00", "b"),
        ("2026-01-02 12:00:01", "a"),
    ],
)
def test_the_newest_before_a_time(backups: Path, before: str | None, name: str) -> None:
    assert resolved(str(backups / "latest"), before) == str(backups / name)


def test_what_is_excluded_does_not_count(backups: Path) -> None:
    assert resolved(str(backups / "latest"), None, ["c"]) == str(backups / "a")
    assert resolved(str(backups / "c"), None, ["c"]) == str(backups / "c"), "it was named"


def test_one_that_is_named_is_taken_whatever_its_time(backups: Path) -> None:
    assert resolved(str(backups / "c"), "2026-01-01T00:00:00Z") == str(backups / "c")
    (backups / "latest").symlink_to("b")
    assert resolved(str(backups / "latest"), None) == str(backups / "latest"), "it is refused later, as a symlink"


@pytest.mark.parametrize(
    ("path", "before", "sentence"),
    [
        ("latest", "2025-12-31T00:00:00Z", "has no backup that was taken before 2025-12-31T00:00:00Z: name one"),
        ("latest", "yesterday", "'yesterday' is no time: write one such as"),
        ("nowhere/latest", None, "nowhere cannot be read (No such file or directory)"),
        ("half/latest", None, "half has no backup: name one"),
    ],
)
def test_none_is_an_error(backups: Path, path: str, before: str | None, sentence: str) -> None:
    with pytest.raises(OperationError) as refused:
        resolved(str(backups / path), before)
    assert sentence in str(refused.value)
