# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet lock advises. Whatever it meets, it must not keep a fleet from being halted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._transaction.child import start_time

from .conftest import Controller, Run


def lock(name: str, state: str = "held", path: str = "", **keywords: Any) -> dict[str, Any]:
    options = {"path": path or "{{ root }}/" + name, "rollback_id": "rb-mine", "scope": "bots", "state": state}
    return {"name": name, "tradeops.botfleet.fleet_lock": options, "register": name, **keywords}


def write(path: Path, pid: int, started: Any, rollback_id: str = "rb-other") -> None:
    holder = {"rollback_id": rollback_id, "scope": "makers", "since": "2026-01-05T03:15:00Z"}
    path.write_text(json.dumps({**holder, "pid": pid, "start_time": started}))


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Path]:
    """One playbook that meets locks of every kind, in files of their own."""
    controller = Controller(tmp_path_factory.mktemp("lock"))
    root = controller.root
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for name in ("living", "not_mine"):
        write(root / name, os.getpid(), start_time(os.getpid()))
    write(root / "ended", dead.pid, 1)
    write(root / "reused_pid", os.getpid(), 1)
    write(root / "same_id", os.getpid(), start_time(os.getpid()), "rb-mine")
    for name, text in (("garbage", "{"), ("number", "7"), ("list", "[]"), ("partial", '{"pid": 1}')):
        (root / name).write_text(text)
    (root / "link").symlink_to(root / "elsewhere")
    (root / "mine").write_text("{}")
    run = controller.play(
        [
            *(
                lock(name)
                for name in ("living", "ended", "reused_pid", "same_id", "garbage", "number", "list", "partial")
            ),
            lock("deep", path="{{ root }}/a/b/deep"),
            lock("relative", path="artifacts/fleet.lock"),
            lock("nowhere", path="{{ root }}/garbage/below/a/file"),
            lock("link"),
            lock("checked", check_mode=True),
            lock("mine", state="free"),
            lock("not_mine", state="free"),
            lock("absent", state="free"),
            lock("wrong", state="taken"),
        ]
    )
    return run, root


@pytest.mark.parametrize("name", ["ended", "reused_pid", "same_id", "garbage", "number", "list", "partial", "deep"])
def test_a_lock_that_nobody_living_holds_is_taken(locked: tuple[Run, Path], name: str) -> None:
    run, root = locked
    assert not run.results[name].get("failed") and run.results[name]["holder"] is None, run.output
    held = json.loads((root / ("a/b/deep" if name == "deep" else name)).read_text())
    assert (held["rollback_id"], held["scope"]) == ("rb-mine", "bots")
    assert start_time(held["pid"]) != held["start_time"], "it dies with the playbook"


def test_a_relative_path_is_below_the_directory_of_the_playbook_run(locked: tuple[Run, Path]) -> None:
    run, root = locked
    assert not run.results["relative"].get("failed") and not run.results["relative"].get("warnings"), run.output
    assert len(list(root.rglob("artifacts/fleet.lock"))) == 1


def test_another_rollback_is_named_and_stops_nothing(locked: tuple[Run, Path]) -> None:
    run, root = locked
    result = run.results["living"]
    assert not result.get("failed") and result["holder"]["rollback_id"] == "rb-other"
    assert "rb-other of scope 'makers' is under way here since 2026-01-05" in result["warnings"][0]
    assert json.loads((root / "living").read_text())["rollback_id"] == "rb-other"


@pytest.mark.parametrize("name", ["nowhere", "link"])
def test_a_lock_that_cannot_be_written_is_a_warning(locked: tuple[Run, Path], name: str) -> None:
    run, root = locked
    assert not run.results[name].get("failed") and "goes on without it" in run.results[name]["warnings"][0]
    assert not (root / "elsewhere").exists()


def test_only_its_own_lock_is_freed(locked: tuple[Run, Path]) -> None:
    run, root = locked
    assert not (root / "mine").exists() and (root / "not_mine").exists()
    assert not run.results["absent"].get("failed") and not run.results["not_mine"].get("warnings")


def test_check_mode_takes_none(locked: tuple[Run, Path]) -> None:
    run, root = locked
    assert run.results["checked"]["holder"] is None and not (root / "checked").exists()


def test_wrong_arguments_are_an_error(locked: tuple[Run, Path]) -> None:
    assert "held, free" in locked[0].results["wrong"]["msg"]
