# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The marker that keeps a halted bot down (S1.3)."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import (
    Context,
    NotUndone,
    OperationError,
    Outcome,
    carry_out,
)
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations.halt_marker import HaltMarker


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """Where the marker goes, on a host without a state directory."""
    return tmp_path / "state" / "mm-01" / "halted"


def operation(path: Path, state: str = "present", *, check: bool = False, **options: Any) -> HaltMarker:
    return HaltMarker({"path": str(path), "state": state, "by": None, **options}, Context(check_mode=check))


def run(path: Path, state: str = "present", mode: str = "apply", **options: Any) -> Outcome:
    return carry_out(operation(path, state, **options), mode)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_is_written_with_its_directory_and_says_who_and_when(marker: Path) -> None:
    """S1.3: the directory has the mode that the engine gives it; the state directory above stays traversable."""
    was = os.umask(0o022)
    try:
        outcome = run(marker, by="rollback rb-1")
    finally:
        os.umask(was)
    assert outcome.status == "changed", outcome.message
    place = {"path": str(marker)}
    assert outcome.before == {**place, "state": "absent"}
    assert outcome.after == outcome.proof == {**place, "state": "present"}
    assert (outcome.message, outcome.change) == (f"create {marker}", {"state": "present"})
    assert [(part["before"], part["after"]) for part in outcome.diff] == [("absent\n", "present\n")]
    assert (mode_of(marker), mode_of(marker.parent), mode_of(marker.parent.parent)) == (0o600, 0o700, 0o755)
    assert marker.read_text().count("\n") == 1
    written = json.loads(marker.read_text())
    assert written["by"] == "rollback rb-1" and written["since"].endswith("Z")


def test_one_that_is_there_stays_as_it_is(marker: Path) -> None:
    """Who halted first is what it says."""
    run(marker, by="first")
    was = marker.lstat()
    outcome = run(marker, by="second")
    assert (outcome.status, outcome.change, marker.lstat()) == ("unchanged", None, was)


def test_removed_once(marker: Path) -> None:
    assert run(marker, "absent").status == "unchanged", "on a host that was never halted"
    run(marker)
    assert (run(marker, "absent").status, marker.exists()) == ("changed", False)
    assert run(marker, "absent").status == "unchanged"


@pytest.mark.parametrize("state", ["present", "absent"])
def test_check_mode_changes_nothing(marker: Path, state: str) -> None:
    if state == "absent":
        run(marker)
    outcome = run(marker, state, check=True)
    assert (outcome.status, outcome.change) == ("changed", None)
    assert marker.exists() is (state == "absent") and marker.parent.exists() is (state == "absent")


@pytest.mark.parametrize("state", ["present", "absent"])
@pytest.mark.parametrize("target", ["elsewhere", "nowhere"])
def test_a_symlink_is_no_marker_and_is_not_followed(marker: Path, tmp_path: Path, state: str, target: str) -> None:
    """A dangling one would keep nothing down, whatever it leads to is somebody else's."""
    (tmp_path / "elsewhere").write_text("theirs")
    marker.parent.mkdir(parents=True)
    marker.symlink_to(tmp_path / target)
    outcome = run(marker, state)
    assert (outcome.status, outcome.before) == ("changed", {"path": str(marker), "state": "symlink"})
    assert not marker.is_symlink() and marker.exists() is (state == "present")
    assert (tmp_path / "elsewhere").read_text() == "theirs" and not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("state", ["present", "absent"])
def test_a_directory_in_its_place_is_an_error(marker: Path, state: str) -> None:
    marker.mkdir(parents=True)
    outcome = run(marker, state)
    assert (outcome.status, outcome.applied) == ("failed", False)
    assert outcome.message == (f"{marker} is not a regular file: remove it, it stands where the marker of a halt goes")


def test_one_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file, no directory")
    outcome = run(tmp_path / "state" / "halted")
    assert outcome.status == "failed"
    assert outcome.message == (
        f"{tmp_path}/state/halted cannot be written (File exists), so nothing keeps the bot down: "
        "mend it, start nothing"
    )


@pytest.mark.parametrize(("state", "other"), [("present", "absent"), ("absent", "present")])
def test_prove_alone_fails(marker: Path, state: str, other: str) -> None:
    run(marker, other)
    outcome = run(marker, state, mode="prove")
    assert (outcome.status, outcome.message) == ("failed", f"{marker} is {other}, it should be {state}")


def test_undo_never_lets_a_bot_start(marker: Path) -> None:
    """What was written stays; what was removed comes back."""
    change = json.loads(json.dumps(run(marker).change))
    with pytest.raises(NotUndone, match="never removed by an undo"):
        operation(marker).undo(change)
    assert marker.exists()
    change = json.loads(json.dumps(run(marker, "absent").change))
    assert operation(marker, "absent").undo(change) == f"{marker} was written again"
    assert marker.exists()


def test_a_relative_path_is_an_error() -> None:
    with pytest.raises(OperationError, match="path is 'halted', which is not an absolute path"):
        operation(Path("halted"))
