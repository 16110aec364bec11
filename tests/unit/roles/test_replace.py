# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A directory takes the place of another, as the environment of an armed host does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = (Path(__file__).parents[3] / "roles" / "arm" / "files" / "replace.py").read_text()
WITHOUT_EXCHANGE = SCRIPT.replace('"renameat2"', '"none"')


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "venv.new").mkdir()
    (tmp_path / "venv.new" / "new").touch()
    return tmp_path / "venv"


def replace(place: Path, script: str = SCRIPT, old: str = "venv.old") -> bool:
    argv = [place, place.with_name("venv.new"), place.parent / old]
    return subprocess.run([sys.executable, "-I", "-c", script, *argv], check=False).returncode == 0


@pytest.mark.parametrize("script", [SCRIPT, WITHOUT_EXCHANGE])
def test_with_and_without_a_former_one(place: Path, script: str) -> None:
    assert replace(place, script) and [path.name for path in place.parent.iterdir()] == ["venv"]
    place.with_name("venv.new").mkdir()
    assert replace(place, script) and sorted(path.name for path in place.parent.iterdir()) == ["venv", "venv.old"]
    assert list(place.iterdir()) == [] and (place.with_name("venv.old") / "new").exists()


def test_it_is_in_its_place_before_the_former_one_is_moved_away(place: Path) -> None:
    """Cut short there, the host has an environment."""
    place.mkdir()
    assert not replace(place, old="none/old")
    assert (place / "new").exists()
