# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection as users have it: nothing but the tarball, in an empty place, arms and rolls back its demo fleet.

BOTFLEET_TARBALL: the tarball
BOTFLEET_PROGRAMS: the directory with ansible-playbook, ansible-galaxy and their python
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers.demo import free_base_port

if "BOTFLEET_TARBALL" not in os.environ:
    pytest.skip("BOTFLEET_TARBALL names no tarball: nox --session installed builds one", allow_module_level=True)

TARBALL, PROGRAMS = Path(os.environ["BOTFLEET_TARBALL"]), Path(os.environ["BOTFLEET_PROGRAMS"])
GOOD = "deploy-20251201-083000"
BOTS = ["tn-1", "qt-1"]
INDEX_OPTIONS = ("--no-deps", "--require-hashes", "--only-binary=:all:", "--quiet", "--disable-pip-version-check")
NIGHT = """\
- name: Roll back
  ansible.builtin.import_playbook: tradeops.botfleet.rollback
- name: Look how it was done
  hosts: "{{ scope }}"
  gather_facts: false
  tasks:
    - name: Every transaction went through the agent
      ansible.builtin.assert:
        that: [halt_result.path == 'agent', revert_result.path == 'agent']
"""


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
        place.run(*fleet, "up", "--bots", "1")
        yield place
    finally:
        place.run(*fleet, "down")


def download(place: Place, wheels: Path, *lists: str, fitting: tuple[str, ...] = ()) -> None:
    """Fetch what lists of the role arm pin."""
    pins = (f"--requirement={place.collection / 'roles' / 'arm' / 'files' / name}.txt" for name in lists)
    options = (*INDEX_OPTIONS, f"--dest={wheels}", *fitting, *pins)
    subprocess.run([sys.executable, "-m", "pip", "download", *options], check=True)


def test_the_installed_demo_is_armed_and_rolled_back(place: Place) -> None:
    """S2.3, S1.3: one bot is armed, and the other shares its machine. That the agent is used hangs on Ansible's own."""
    installed = place.fingerprint()
    inventory = place.collection / "inventories" / "demo"
    wheels = place.root / "wheels"  # as where no index can be reached: not every controller's Python has pip
    abi = place.run("python", "-c", "import sysconfig; print(sysconfig.get_config_var('SOABI'))").strip()
    _cpython, version, machine, *_rest = abi.split("-")
    fitting = ("--implementation=cp", f"--python-version={version}", f"--platform=manylinux2014_{machine}")
    download(place, wheels, "requirements", "pip")
    download(place, wheels / abi, "exchange", fitting=fitting)
    playbook = ("ansible-playbook", "-i", str(inventory), "-f", "4")
    arming = {"scope": "qt-1", "arm_wheels": str(wheels)}
    place.run(*playbook, "tradeops.botfleet.arm", "-e", json.dumps(arming))
    assert json.loads((place.root / "artifacts" / "readiness.json").read_text())["ready"]

    (place.root / "night.yml").write_text(NIGHT)
    inputs = {"plan": "emergency", "scope": ",".join(BOTS), "reason": "a bad release"}
    seen = place.run(*playbook, "night.yml", "-e", json.dumps(inputs))
    record = json.loads((place.root / "artifacts" / "latest" / "record.json").read_text())
    assert record["outcome"] == "restored"
    assert [bot["name"] for bot in record["bots"] if bot["restored"] and bot["to"] == GOOD] == BOTS
    assert [bot["exposure"]["state"] for bot in record["bots"]] == ["none", "flat"]
    status = place.run("python", str(place.collection / "demo" / "fleet.py"), "status").splitlines()
    assert [line.split()[7] for line in status[1:]] == ["-", "flat"], "and the exchanges say so, too"
    assert all(bot in seen for bot in BOTS), "the callback names each bot"
    assert (place.root / "artifacts" / "latest" / "report.html").stat().st_size > 10_000
    assert "verified" in place.run("python", str(place.collection / "scripts" / "history.py"), "verify", "artifacts")
    assert place.fingerprint() == installed, "what is installed is only read"
