# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real host for the tests: systemd, sshd, sudo."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "fleet"
ANSIBLE = str(Path(sys.executable).with_name("ansible"))
FLEET = [sys.executable, str(Path(__file__).with_name("fleet.py"))]


class Host:
    """One host of the fleet, reached only over SSH."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._environment = {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache" / "collections"),
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
            "ANSIBLE_NOCOLOR": "1",
        }

    def module(self, name: str, options: dict[str, Any], *, check: bool = False, become: bool = True) -> dict[str, Any]:
        """The result of a module, whether it failed or not."""
        command = [ANSIBLE, self.name, "-i", str(CACHE / "hosts.yml"), "-m", name, "-a", json.dumps(options)]
        command += ["--become"] * become + ["--check"] * check
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False, timeout=120)
        head, separator, body = done.stdout.partition("=> ")
        assert separator, done.stdout + done.stderr
        result: dict[str, Any] = {**json.loads(body), "failed": "FAILED" in head}
        assert "module_stderr" not in result, result
        return result

    def shell(self, script: str) -> str:
        """What a script prints that root runs; its failure is the test's."""
        address = next(
            line.split()[1] for line in _fleet("status").stdout.splitlines() if line.startswith(f"{self.name} ")
        )
        ssh = ["ssh", "-i", str(CACHE / "id_ed25519"), "-o", f"UserKnownHostsFile={CACHE / 'known_hosts'}"]
        ssh += ["-o", "StrictHostKeyChecking=accept-new", "-o", "IdentitiesOnly=yes", f"ops@{address}", "sudo sh -es"]
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
    yield Host("host1")
    if not was_up:
        _fleet("down")


def _fleet(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*FLEET, command], capture_output=True, text=True, check=False, timeout=600)
