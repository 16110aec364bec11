# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo on a machine that has no Java: it says so, and goes on without a database."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers.demo import DemoFleet

from .conftest import ROOT

NEEDED = ("ansible.cfg", ".cache", "demo", "inventories", "playbooks", "tools")
"""What ``make demo`` uses of a checkout. Its record goes beside them."""


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[DemoFleet]:
    """The directory and the ports of a demo that is not up yet."""
    made = DemoFleet(tmp_path / "fleet")
    yield made
    made.down()


def path_without(program: str, place: Path) -> str:
    """This PATH, where directories that have a program are replaced by others that have all but that one."""
    path = []
    for number, directory in enumerate(os.get_exec_path()):
        if not os.path.lexists(os.path.join(directory, program)):
            path.append(directory)
            continue
        rest = place / str(number)
        rest.mkdir(parents=True)
        for name in set(os.listdir(directory)) - {program}:
            (rest / name).symlink_to(Path(directory, name))
        path.append(str(rest))
    return os.pathsep.join(path)


def test_without_java_the_demo_goes_on_without_a_database(fleet: DemoFleet, tmp_path: Path) -> None:
    """Data that is at risk is asked for, as always, and there is none."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for name in NEEDED:
        (checkout / name).symlink_to(ROOT / name)
    done = subprocess.run(
        [checkout / "tools" / "demo.sh"],
        env={**os.environ, **fleet.environment, "PATH": path_without("java", tmp_path / "bin")},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    said = "the fleet has no database: there is no Java: install Debian's default-jre-headless and maven for one"
    assert done.returncode == 0 and said in done.stdout.splitlines(), done.stdout + done.stderr
    record = json.loads((checkout / "artifacts" / "latest" / "record.json").read_text())
    assert record["outcome"] == "restored" and len(record["bots"]) == 2 * fleet.per_kind
    assert record["inputs"]["data_at_risk"] and record["databases"] == [] and record["data_loss"] is None
