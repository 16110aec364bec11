# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real host for the tests: systemd, sshd, sudo."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.peers.missing import skip

from . import maker
from .fleet import CACHE, ROOT, enter, pids
from .fleet import FLEET as CONTAINERS

FLEET = [sys.executable, str(Path(__file__).with_name("fleet.py"))]
ANOTHER_BOOT = """\
cat /proc/sys/kernel/random/uuid > /run/boot_id
mount --bind /run/boot_id /proc/sys/kernel/random/boot_id
"""
"""A container that is started again has the id of its machine's boot, as before."""


class Host:
    """One host of the fleet, reached over SSH, or past it by whoever owns its machine."""

    def __init__(self, name: str, address: str) -> None:
        self.name = name
        self.address = address
        self._environment = {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache" / "collections"),
        }

    def modules(self, *tasks: dict[str, Any]) -> list[dict[str, Any]]:
        """The results of tasks, whether they failed or not, in one run of ansible-playbook."""
        names = [f"result{number}" for number in range(len(tasks))]
        play = {
            "hosts": self.name,
            "gather_facts": False,
            "become": True,
            "tasks": [
                *({**task, "register": name, "ignore_errors": True} for task, name in zip(tasks, names, strict=True)),
                {
                    "ansible.builtin.copy": {
                        "content": f"{{{{ [{', '.join(names)}] | to_json }}}}",
                        "dest": "{{ playbook_dir }}/results.json",
                    },
                    "delegate_to": "localhost",
                    "become": False,
                },
            ],
        }
        with tempfile.TemporaryDirectory() as directory:
            playbook, results = Path(directory, "play.yml"), Path(directory, "results.json")
            playbook.write_text(json.dumps([play]))
            command = [maker.ANSIBLE, "-i", str(CACHE / "hosts.yml"), str(playbook)]
            done = subprocess.run(
                command, env=self._environment, capture_output=True, text=True, check=False, timeout=120
            )
            assert done.returncode == 0, done.stdout + done.stderr
            listed: list[dict[str, Any]] = json.loads(results.read_text())
        assert not [result for result in listed if "module_stderr" in result], listed
        return listed

    def shell(self, script: str) -> str:
        """What a script prints that root runs; its failure is the test's."""
        ssh = ["ssh", "-i", str(CACHE / "id_ed25519"), "-o", f"UserKnownHostsFile={CACHE / 'known_hosts'}"]
        ssh += [
            "-o",
            "StrictHostKeyChecking=accept-new",
            "-o",
            "IdentitiesOnly=yes",
            f"ops@{self.address}",
            "sudo sh -es",
        ]
        done = subprocess.run(ssh, input=script, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def outside(self, script: str) -> str:
        """The same without SSH, for what nobody reaches."""
        command = [*enter(pids()[self.name]), "sh", "-es"]
        done = subprocess.run(command, input=script, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    @contextmanager
    def unplugged(self) -> Iterator[None]:
        """Its link is down: nothing comes in, and nothing goes out."""
        link = ["nsenter", f"--target={pids()[self.name]}", "--net", "ip", "link", "set", "eth0"]
        subprocess.run([*link, "down"], check=True)
        try:
            yield
        finally:
            subprocess.run([*link, "up"], check=True)

    def reboot(self, directory: Path) -> None:
        """As after a power failure. It may get another address, which the README's bot in this directory gets, too."""
        subprocess.run(["podman", "restart", "--time", "0", f"{CONTAINERS}-{self.name}"], check=True)
        done = _fleet("up")
        assert done.returncode == 0, done.stdout + done.stderr
        self.address = done.stdout.splitlines()[-1].split()[1]
        self.outside(ANOTHER_BOOT)
        inventory = json.loads((directory / "bots.yml").read_text())
        inventory["bots"]["hosts"]["maker-1"]["ansible_host"] = self.address
        (directory / "bots.yml").write_text(json.dumps(inventory))


@pytest.fixture(scope="session")
def host() -> Iterator[Host]:
    """Started for the tests, and removed after them unless it was up before."""
    was_up = _fleet("status").returncode == 0
    done = _fleet("up")
    if done.returncode == 3:
        skip(done.stdout.strip())
    assert done.returncode == 0, done.stdout + done.stderr
    name, address = done.stdout.splitlines()[-1].split()
    yield Host(name, address)
    if not was_up:
        done = _fleet("down")
        assert done.returncode == 0, done.stdout + done.stderr
        assert left() == [], "make fleet-down removes all of it"


def left() -> list[str]:
    """What podman has of the fleet: containers, running or not, and networks."""
    containers = ["ps", "--all", "--filter", f"label=botfleet={CONTAINERS}", "--format", "{{.Names}}"]
    networks = ["network", "ls", "--filter", f"name=^{CONTAINERS}$", "--format", "{{.Name}}"]
    return [
        name
        for command in (containers, networks)
        for name in subprocess.run(["podman", *command], capture_output=True, text=True, check=True).stdout.split()
    ]


@pytest.fixture(scope="session")
def arming(host: Host, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The script that arms a deployed bot: it brings back what arm.yml has left there once."""
    directory = tmp_path_factory.mktemp("arming")
    maker.deploy(host, directory)
    code, output, _report = maker.arm(directory)
    assert code == 0, output
    host.shell(maker.KEEP)
    return maker.ARMED


@pytest.fixture
def deployed(host: Host, tmp_path: Path) -> Host:
    """The host, not armed, with the README's bot."""
    maker.deploy(host, tmp_path)
    return host


def _fleet(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*FLEET, command], capture_output=True, text=True, check=False, timeout=600)
