# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A test host with a QuestDB as a unit of systemd, which is enabled and started again whenever it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.client import Access

from tests.faults.host import ORDERS, Host, bury
from tests.peers.questdb import Server

ROOT = Path(__file__).resolve().parents[2]
NAME = os.environ.setdefault("BOTFLEET_FLEET", "data")
CACHE = ROOT / ".cache" / f"fleet-{NAME}"
DATA, BACKUPS = "/srv/questdb", "/srv/backups/questdb"
SERVICE = {"name": "questdb", "manager": "systemd"}
TASK = "-u root python3"
"""What pkill takes to find a module on the host: Ansible's pipelining gives its process no other name."""
DROP_IN = "/run/systemd/system/questdb.service.d"
MISSING = 3
"""The exit code of fleet.py when this machine lacks something."""


class Cannot(Exception):
    """What this machine lacks for test hosts, as one sentence."""


class Served(Server):
    """What a host's QuestDB is to those who write and ask, wherever the host is now."""

    def __init__(self, host: Host) -> None:
        self._host = host

    @property
    def access(self) -> Access:
        address = self._host.address
        return Access(f"http://{address}:9000", f"http://{address}:9003/status")


class DatabaseHost(Host):
    """Reached over SSH by ansible; ``server`` is its QuestDB."""

    def __init__(self, name: str, address: str) -> None:
        super().__init__(name, f"botfleet-{NAME}-{name}", address)
        self.server = Served(self)

    def fresh(self) -> None:
        """Mend what was done to it, and have its server run without a table."""
        self.heal()
        self.forget_orders()
        self.run(f"pkill -KILL {TASK} || :; rm -rf {DROP_IN}; fleet-database")
        self.server.wait_until_up()

    def names(self, path: str) -> list[str]:
        """What a directory holds, sorted; nothing if it is not there."""
        place = self.path(path)
        return sorted(entry.name for entry in place.iterdir()) if place.is_dir() else []

    def restores(self) -> list[dict[str, Any]]:
        """The journal of its restores."""
        try:
            text = self.path(f"{DATA}/botfleet/restore.jsonl").read_text()
        except OSError:
            return []
        return [json.loads(line) for line in text.splitlines()]

    def freeze(self, line: int) -> None:
        """Have the next restore stand still as soon as its journal has so many lines."""
        self.order("kill", f"{line} frozen restore.jsonl")

    def wait_for_frost(self) -> None:
        """Until it stands still."""
        wait_for("a restore that stands still", lambda: not self.path(f"{ORDERS}/kill").exists())

    def thaw(self) -> None:
        """It goes on."""
        self.run(f"pkill -CONT {TASK}")

    # What is done to it over SSH

    def back_up(self, work: Path, name: str, mode: str) -> Done:
        return self.module(work, "questdb_backup", dest=BACKUPS, name=name, mode=mode)

    def restore(self, work: Path, **options: Any) -> Done:
        return self.module(work, "questdb_restore", **options)

    def return_rows(self, work: Path, safety_copy: str) -> Done:
        return self.module(work, "questdb_rows", safety_copy=safety_copy)

    def module(self, work: Path, module: str, *arguments: str, **options: Any) -> Done:
        """One of the modules for this QuestDB, to its end."""
        return Done.of(self.begin(work, module, *arguments, **options))

    def begin(self, work: Path, module: str, *arguments: str, **options: Any) -> Begun:
        """Start it, and wait for nothing."""
        if module in ("questdb_backup", "questdb_restore"):
            options = {"service": SERVICE, **options}
        if module in ("questdb_backup", "questdb_restore", "questdb_rows"):
            options = {"root": DATA, **options}
        task = {f"tradeops.botfleet.{module}": options, "become": True, "register": "result"}
        keep = {
            "ansible.builtin.copy": {"content": "{{ result | to_json }}", "dest": str(work / "result.json")},
            "become": False,
        }
        tasks = [{**task, "ignore_errors": True}, {**keep, "delegate_to": "localhost", "check_mode": False}]
        work.mkdir(parents=True, exist_ok=True)
        (work / "result.json").unlink(missing_ok=True)
        book = work / "module.yml"
        book.write_text(json.dumps([{"hosts": self.name, "gather_facts": False, "tasks": tasks}]))
        return Begun(playbook(work, self, book, *arguments), work)


class Begun:
    """A playbook that runs, and where it will leave the result of its module."""

    def __init__(self, process: subprocess.Popen[bytes], work: Path) -> None:
        self.process, self.work = process, work


class Done:
    """What a module came to. result: empty if it was killed or nobody reached the host"""

    def __init__(self, code: int, result: dict[str, Any], output: str) -> None:
        self.code, self.result, self.output = code, result, output

    @classmethod
    def of(cls, begun: Begun, limit: float = 300) -> Done:
        """Once it has ended, or was killed for taking too long, with what it left here. limit: s"""
        try:
            code = begun.process.wait(limit)
        except subprocess.TimeoutExpired:
            begun.process.kill()
            code = begun.process.wait()
        bury(str(begun.work / "here.yml"))
        kept = begun.work / "result.json"
        result = json.loads(kept.read_text()) if kept.exists() else {}
        return cls(code, result, (begun.work / "output").read_text(errors="replace"))

    @property
    def ended_well(self) -> bool:
        return self.result.get("failed") is False

    @property
    def changed(self) -> bool:
        """It ended well, and something was to be done."""
        return self.ended_well and bool(self.result["changed"])

    @property
    def words(self) -> str:
        """What it said, for a message."""
        return str(self.result.get("msg") or self.output[-2000:])


def playbook(work: Path, hosts: DatabaseHost | Sequence[DatabaseHost], book: Path, *arguments: str,
             variables: dict[str, Any] | None = None) -> subprocess.Popen[bytes]:  # fmt: skip
    """Start a playbook on hosts that may have variables of their own; its output goes to a file."""
    listed = [hosts] if isinstance(hosts, DatabaseHost) else hosts
    everyone = {host.name: {"ansible_host": host.address, **(variables or {})} for host in listed}
    here = work / "here.yml"
    here.write_text(
        json.dumps({"all": {"hosts": everyone, "vars": {"botfleet_artifacts_dir": str(work / "artifacts")}}})
    )
    command = [sys.executable, "-m", "ansible", "playbook", "-i", str(CACHE / "hosts.yml"), "-i", str(here)]
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache" / "collections"),
        "ANSIBLE_HOME": str(work / "ansible"),
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_SSH_ARGS": "-o ControlMaster=no -o ServerAliveInterval=2 -o ServerAliveCountMax=3",
        "LC_ALL": "C.UTF-8",
    }
    with (work / "output").open("wb") as output:
        return subprocess.Popen(
            [*command, str(book), *arguments],
            cwd=work,
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def bring_up(count: int) -> list[DatabaseHost]:
    """So many hosts, as fleet.py starts them; Cannot if this machine lacks something."""
    done = fleet("up", "--database", "--hosts", str(count))
    if done.returncode == MISSING:
        raise Cannot(done.stdout.strip())
    assert done.returncode == 0, done.stdout + done.stderr
    listed = [line.split() for line in done.stdout.splitlines() if line.startswith("host")]
    return [DatabaseHost(name, address) for name, address in listed]


def are_up(count: int) -> bool:
    """Whether they were started before."""
    return fleet("status", "--hosts", str(count)).returncode == 0


def fleet(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run tests/fleet/fleet.py."""
    command = [sys.executable, str(ROOT / "tests" / "fleet" / "fleet.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)


def wait_for(what: str, holds: Any, limit: float = 60) -> None:
    """Until it holds."""
    deadline = time.monotonic() + limit
    while not holds():
        assert time.monotonic() < deadline, f"{what}: not within {limit:g} s"
        time.sleep(0.05)
