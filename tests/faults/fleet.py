# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Six hosts with a live bot each, and controllers that roll them back."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ansible_collections.tradeops.botfleet.plugins.plugin_utils._agent import packed

from tests.playbooks.conftest import ROOT, Run

from . import oracle
from .host import STATE, Host, bury

NAME = os.environ.setdefault("BOTFLEET_FLEET", "faults")
CACHE = ROOT / ".cache" / f"fleet-{NAME}"
INVENTORY = str(CACHE / "hosts.yml")
COMMAND = [sys.executable, str(ROOT / "tests" / "fleet" / "fleet.py")]
ROLLBACK, ARM = (ROOT / "playbooks" / name for name in ("rollback.yml", "arm.yml"))
BAD, GOOD = "deploy-20251204-142200", "deploy-20251201-083000"
HOSTS = 6
MISSING = 3
"""The exit code of fleet.py when this machine lacks something."""

QUICK = {
    "plan": "emergency",
    "scope": "bots",
    "batch": "100%",
    "botfleet_settle": 0.5,
    "botfleet_stop_timeout": 3,
    "botfleet_health_deadline": 5,
    "botfleet_fetch_timeout": 5,
}
"""Inputs that let a fault show soon."""


class Cannot(Exception):
    """What this machine lacks for test hosts, as one sentence."""


class Fleet:
    """All of it, armed.

    variables: what a test changes about its hosts, by name; ``fresh`` forgets them
    seconds, lines: how long a rollback takes that nothing disturbs, and how many lines each of its journals has
    """

    def __init__(self) -> None:
        self._was_up = fleet("status", "--hosts", str(HOSTS)).returncode == 0
        done = fleet("up", "--bots", "--hosts", str(HOSTS))
        if done.returncode == MISSING:
            raise Cannot(done.stdout.strip())
        assert done.returncode == 0, done.stdout + done.stderr
        listed = [line.split() for line in done.stdout.splitlines() if line.startswith("host")]
        self.hosts = [Host(name, f"botfleet-{NAME}-{name}", address) for name, address in listed]
        self.variables: dict[str, dict[str, Any]] = {}
        self._arm()
        self._measure()

    def _arm(self) -> None:
        """Unless they are armed with this version."""
        agent = f"test -e {STATE}/agent/{packed().digest}.pyz && echo armed || echo bare"
        if any(host.run(agent) == "bare" for host in self.hosts):
            said = Controller(self, scratch()).run(ARM, "-e", "scope=bots").said()
            assert all(host.run(agent) == "armed" for host in self.hosts), said

    def _measure(self) -> None:
        self.fresh()
        began = time.monotonic()
        run = Controller(self, scratch()).rollback(rollback_id="rb-undisturbed")
        self.seconds = time.monotonic() - began
        assert run.code == 0 and not self.contradictions(run), run.output
        (self.lines,) = {len(host.journal("rb-undisturbed")) for host in self.hosts}

    @property
    def limits(self) -> dict[str, int]:
        """Time limits that a host that nothing disturbs keeps well, s; short, since every lost host costs them."""
        limit = math.ceil(max(8.0, 1.5 * self.seconds))
        return {"halt_time_limit": limit, "revert_time_limit": limit}

    def down(self) -> None:
        """Remove the hosts, unless they were there before."""
        bury(INVENTORY)
        at_once(Host.heal, self.hosts)
        if not self._was_up:
            fleet("down")

    def fresh(self) -> None:
        """Every bot is live on its bad release, and nothing is wrong with its host."""
        self.variables = {}
        bury(INVENTORY)
        at_once(Host.live, self.hosts)

    def readings(self) -> dict[str, oracle.Reading]:
        """What the hosts say of their bots."""
        return oracle.read([host.bot for host in self.hosts])

    def contradictions(self, run: Run, readings: dict[str, oracle.Reading] | None = None) -> oracle.Contradictions:
        """What a run's record and exit code claim and the hosts deny, now or when they were read."""
        readings = readings or self.readings()
        late = oracle.late_orders(run.record, readings) if run.record else {}
        return {**late, **oracle.contradictions(run.record, run.code, readings)}


class Controller:
    """One that rolls the fleet back from a directory of its own, where its artifacts are, too."""

    def __init__(self, fleet: Fleet, directory: Path) -> None:
        self.fleet = fleet
        self.directory = directory
        self.artifacts = directory / "artifacts"
        directory.mkdir(parents=True, exist_ok=True)

    def begin(self, *arguments: str, rollback_id: str, **inputs: Any) -> subprocess.Popen[bytes]:
        """Start rollback.yml as the leader of its process group; its output goes to a file."""
        return self._start(*self.command(*arguments, rollback_id=rollback_id, **inputs))

    def command(self, *arguments: str, rollback_id: str, **inputs: Any) -> tuple[list[str], dict[str, str]]:
        """What runs rollback.yml, and its environment."""
        given = {**QUICK, "reason": "test", "rollback_id": rollback_id, **inputs}
        return self._playbook(ROLLBACK, "-e", json.dumps(given), *arguments)

    def run(self, playbook: Path, *arguments: str) -> Controller:
        """Run any other playbook to its end."""
        command, environment = self._playbook(playbook, *arguments)
        patient = {"ANSIBLE_TIMEOUT": "60"}  # s: hosts that have just booted share two cores
        self._start(command, environment | patient).wait(timeout=600)
        return self

    def _start(self, command: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
        with self._output.open("wb") as output:
            return subprocess.Popen(
                command, cwd=self.directory, env=environment, stdout=output, stderr=output, start_new_session=True
            )

    def _playbook(self, playbook: Path, *arguments: str) -> tuple[list[str], dict[str, str]]:
        hosts = {
            host.name: {"ansible_host": host.address, **self.fleet.variables.get(host.name, {})}
            for host in self.fleet.hosts
        }
        everyone = {"vars": {"botfleet_artifacts_dir": str(self.artifacts)}, "hosts": hosts}
        inventory = self.directory / "here.yml"
        inventory.write_text(json.dumps({"all": everyone}))
        command = [sys.executable, "-m", "ansible", "playbook", "-i", INVENTORY, "-i", str(inventory)]
        command += ["-f", str(2 * HOSTS), str(playbook), *arguments]
        return command, {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache" / "collections"),
            "ANSIBLE_HOME": str(CACHE / "ansible"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml",
            "ANSIBLE_SSH_ARGS": "-C -o ControlMaster=auto -o ControlPersist=600s",  # none ends as it is taken up again
            "LC_ALL": "C.UTF-8",
        }

    def rollback(self, *arguments: str, rollback_id: str, **inputs: Any) -> Run:
        """Run rollback.yml to its end."""
        process = self.begin(*arguments, rollback_id=rollback_id, **inputs)
        return self.read(process.wait(timeout=240), rollback_id)

    def read(self, code: int, rollback_id: str) -> Run:
        """What a run came to; its record is empty when there is none."""
        record = self.artifacts / rollback_id / "record.json"
        return Run(code, self.said(), self.artifacts, json.loads(record.read_text()) if record.exists() else {})

    def said(self) -> str:
        """What the last run has printed so far."""
        return self._output.read_text(errors="replace")

    @property
    def _output(self) -> Path:
        return self.directory / "output"


def fleet(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run tests/fleet/fleet.py."""
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False, timeout=900)


def at_once(work: Callable[[Host], object], hosts: Iterable[Host]) -> None:
    """Do it to several hosts at the same time; the first that fails is the test's failure."""
    with ThreadPoolExecutor(HOSTS) as pool:
        list(pool.map(work, hosts))


def scratch() -> Path:
    """A new directory for a controller."""
    return Path(tempfile.mkdtemp(prefix="botfleet-faults-"))
