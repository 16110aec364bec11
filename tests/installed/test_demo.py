# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection as users have it: nothing but the tarball, in an empty place, rolls back its demo fleet.

BOTFLEET_TARBALL: the tarball
BOTFLEET_PROGRAMS: the directory with ansible-playbook, ansible-galaxy and their python
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers.demo import free_base_port

if "BOTFLEET_TARBALL" not in os.environ:
    pytest.skip("BOTFLEET_TARBALL names no tarball: nox --session installed builds one", allow_module_level=True)

TARBALL, PROGRAMS = Path(os.environ["BOTFLEET_TARBALL"]), Path(os.environ["BOTFLEET_PROGRAMS"])
GOOD = "deploy-20251201-083000"
BOTS = ["tn-1", "tn-10", "qt-1", "qt-10"]


class Place:
    """A user's directory, with an environment in which nothing else is to be found."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.collection = root / "collections" / "ansible_collections" / "tradeops" / "botfleet"
        self.environment = {
            "ANSIBLE_COLLECTIONS_PATH": str(root / "collections"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_STDOUT_CALLBACK": "tradeops.botfleet.timeline",
            "BOTFLEET_DEMO_BASE_PORT": str(free_base_port(40)),
            "BOTFLEET_DEMO_ROOT": str(root / "fleet"),
            "HOME": str(root / "home"),
            "LC_ALL": "C.UTF-8",
            "PATH": os.pathsep.join([str(PROGRAMS), os.defpath]),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def run(self, *command: str) -> str:
        """What a command prints, which must succeed."""
        done = subprocess.run(
            command, cwd=self.root, env=self.environment, capture_output=True, text=True, timeout=240, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def fingerprint(self) -> dict[str, str]:
        """A hash of each installed file."""
        files = (path for path in self.collection.rglob("*") if path.is_file())
        return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """The tarball is installed and the fleet is live."""
    place = Place(tmp_path)
    fleet = ("python", str(place.collection / "demo" / "fleet.py"))
    place.run("ansible-galaxy", "collection", "install", "--offline", "-p", "collections", str(TARBALL))
    try:
        place.run(*fleet, "up", "--bots", "2")
        yield place
    finally:
        place.run(*fleet, "down")


def test_the_installed_demo_is_rolled_back(place: Place) -> None:
    installed = place.fingerprint()
    inventory = place.collection / "inventories" / "demo"
    inputs = {"plan": "emergency", "scope": ",".join(BOTS), "reason": "a bad release", "positions": "handled"}
    seen = place.run(
        *("ansible-playbook", "tradeops.botfleet.rollback", "-i", str(inventory), "-f", "4", "-e", json.dumps(inputs))
    )
    record = json.loads((place.root / "artifacts" / "latest" / "record.json").read_text())
    assert record["outcome"] == "restored"
    assert [bot["name"] for bot in record["bots"] if bot["restored"] and bot["to"] == GOOD] == BOTS
    assert all(bot in seen for bot in BOTS), "the callback names each bot"
    assert (place.root / "artifacts" / "latest" / "report.html").stat().st_size > 10_000
    assert "verified" in place.run("python", str(place.collection / "scripts" / "history.py"), "verify", "artifacts")
    assert place.fingerprint() == installed, "what is installed is only read"
