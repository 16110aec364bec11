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
from pathlib import Path
from typing import Any

import pytest

from .fleet import CACHE, ROOT

__all__ = ["ANSIBLE", "CACHE", "ROOT", "Host", "host"]

ANSIBLE = str(Path(sys.executable).with_name("ansible-playbook"))
FLEET = [sys.executable, str(Path(__file__).with_name("fleet.py"))]


class Host:
    """One host of the fleet, reached only over SSH."""

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
            command = [ANSIBLE, "-i", str(CACHE / "hosts.yml"), str(playbook)]
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


@pytest.fixture(scope="session")
def host() -> Iterator[Host]:
    """Started for the tests, and removed after them unless it was up before."""
    was_up = _fleet("status").returncode == 0
    done = _fleet("up")
    if done.returncode == 3:
        if os.environ.get("CI") == "true":
            pytest.fail(done.stdout.strip())
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stdout + done.stderr
    name, address = done.stdout.splitlines()[-1].split()
    yield Host(name, address)
    if not was_up:
        _fleet("down")


def _fleet(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*FLEET, command], capture_output=True, text=True, check=False, timeout=600)
