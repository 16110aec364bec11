# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the emergency plan on hosts over SSH: ``make bench-fleet HOSTS=20``, or ``python -m tests.benchmark.fleet``.

Four ways to do the same are run in turns, each from cold connections on bots that are live on their bad release:
rollback.yml on armed hosts and on hosts that are not, a task of builtin modules per step (ways/emergency.yml), and a
shell script over parallel-ssh (ways/emergency.sh). The fleet is that of tests/fleet, which this starts. A row for each
run goes to docs/benchmarks/fleet.json, in place of the rows of as many hosts that were there.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ansible.release import __version__ as core

from tests.fleet import fleet

from .hosts import Hosts
from .process import Usage, measured

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
WAYS = ("armed", "unarmed", "builtin", "bash")
GOOD = "deploy-20251201-083000"
SETTLE = 1.0  # s
LIMIT = 1800.0  # s
CALM = 1.0  # s that the machine gets after bots were started
ASIDE = "/var/lib/botfleet-agent-aside"
AGENT = {
    "armed": f"[ ! -d {ASIDE} ] || mv {ASIDE} /var/lib/botfleet/agent",
    "unarmed": f"[ ! -d /var/lib/botfleet/agent ] || mv /var/lib/botfleet/agent {ASIDE}",
}
"""What a host does so that the agent is found, or is not."""

Row = dict[str, Any]


class Bench:
    """One fleet; each run brings its bots live again."""

    def __init__(self, work: Path, names: list[str]) -> None:
        self.work, self.names = work, names
        self.hosts = Hosts()
        self._collection = work / "collections" / "ansible_collections" / "tradeops" / "botfleet"
        for part in ("meta", "playbooks", "plugins", "roles"):  # as they are now, whatever happens to the checkout
            shutil.copytree(ROOT / part, self._collection / part)
        shutil.copy(ROOT / "galaxy.yml", self._collection)
        self._moments, self._artifacts = work / "moments.json", work / "artifacts"

    def arm(self) -> None:
        """Arm every host."""
        self._ansible_home.mkdir(exist_ok=True)
        command = self._playbook(self._collection / "playbooks" / "arm.yml", {"scope": "bots"})
        done = subprocess.run(
            command, env=self._environment(), cwd=self.work, capture_output=True, text=True, check=False
        )
        if done.returncode:
            sys.exit(f"arm.yml ended with code {done.returncode}\n{done.stdout[-3000:]}")

    def run(self, way: str, number: int) -> Row:
        """Bring all bots live, roll them back in one way, check that, and say what it took."""
        fleet.live(self.names)
        if way in AGENT:
            self.hosts.run(AGENT[way])
        time.sleep(CALM)
        self._moments.write_text("{}")
        log = self.work / f"{way}.log"
        before = self.hosts.counters()
        with tempfile.TemporaryDirectory(dir=self.work, prefix="ssh") as connections:
            environment = self._environment() | {"ANSIBLE_SSH_CONTROL_PATH_DIR": connections}
            usage = measured(self._argv(way), environment, self.work, log, LIMIT, everything=True)
        after = self.hosts.counters()
        self._check(way, usage, log)
        taken = [after[name].since(before[name]) for name in self.names]
        return {
            "way": way,
            "hosts": len(self.names),
            "round": number,
            "time_to_safe_seconds": round(self._safe_at(way, log) - usage.started, 2),
            "decision_to_safe_seconds": self._from_decision(way),
            "last_order_seconds": round(self.hosts.last_order() - usage.started, 2),
            "wall_seconds": round(usage.wall, 2),
            "controller_cpu_seconds": round(usage.cpu, 2),
            "controller_peak_mb": round(usage.memory * 1.048576, 1),
            "hosts_cpu_seconds": round(sum(host.cpu for host in taken), 2),
            "bytes_per_host": round(sum(host.received for host in taken) / len(taken)),
            "bytes_back_per_host": round(sum(host.sent for host in taken) / len(taken)),
            "cores": os.cpu_count(),
            "ansible_core": core,
        }

    def _argv(self, way: str) -> list[str]:
        if way == "bash":
            addresses = fleet.hosts()
            return [
                sys.executable,
                str(HERE / "ways" / "parallel.py"),
                str(fleet.KEY),
                str(SETTLE),
                *addresses.values(),
            ]
        if way == "builtin":
            return self._playbook(HERE / "ways" / "emergency.yml", {})
        inputs = {"plan": "emergency", "scope": "bots", "reason": "benchmark", "batch": "100%"}
        return self._playbook(self._collection / "playbooks" / "rollback.yml", inputs)

    def _playbook(self, playbook: Path, inputs: dict[str, str]) -> list[str]:
        extra = {**inputs, "botfleet_artifacts_dir": str(self._artifacts), "botfleet_settle": SETTLE}
        return [
            *(sys.executable, "-m", "ansible", "playbook", "-i", str(fleet.INVENTORY)),
            *("-f", str(len(self.names)), "-e", json.dumps(extra), str(playbook)),
        ]

    @property
    def _ansible_home(self) -> Path:
        return self.work / "ansible"

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "tests" / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(self.work / "collections"),
            "ANSIBLE_HOME": str(self._ansible_home),
            "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "plugins" / "callback"),
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "BOTFLEET_BENCHMARK_MOMENTS": str(self._moments),
        }

    def _safe_at(self, way: str, log: Path) -> float:
        """When the controller knew of the last bot that its trading is off and its process gone."""
        if way == "bash":
            lines = [line.split() for line in log.read_text().splitlines()]
            return max(float(at) for at, _host, word, *_rest in lines if word == "HALTED")
        halted = json.loads(self._moments.read_text())["Halt"]
        return float(max(halted[name] for name in self.names))

    def _from_decision(self, way: str) -> float | None:
        if way not in AGENT:
            return None
        record = json.loads((self._artifacts / "latest" / "record.json").read_text())
        return float(record["time_to_safe_seconds"])

    def _check(self, way: str, usage: Usage, log: Path) -> None:
        """A run that did not do its work, or not in its way, has no figures."""
        wrong: dict[str, Any] = dict(self.hosts.wrong(GOOD))
        if way in AGENT:
            path = "agent" if way == "armed" else "module"
            paths = json.loads(self._moments.read_text())["paths"]
            wrong |= {name: paths.get(name) for name in self.names if set(paths.get(name, ())) != {path}}
        if usage.code or wrong:
            sys.exit(
                f"{way} on {len(self.names)} hosts ended with code {usage.code}, {wrong}\n{log.read_text()[-3000:]}"
            )


def show(row: Row) -> Row:
    print(json.dumps(row), flush=True)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--hosts", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--builtin-rounds", type=int, help="of builtin modules, by far the slowest (default: as many)")
    parser.add_argument("--ways", nargs="*", choices=WAYS, default=WAYS)
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "benchmarks" / "fleet.json")
    options = parser.parse_args()
    turns = dict.fromkeys(options.ways, options.rounds)
    turns |= {"builtin": options.builtin_rounds} if options.builtin_rounds and "builtin" in turns else {}
    up = [sys.executable, str(Path(fleet.__file__)), "up", "--bots", "--hosts", str(options.hosts)]
    subprocess.run(up, check=True)
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        bench = Bench(Path(directory).resolve(), list(fleet.hosts()))
        if "armed" in options.ways:
            bench.arm()
        numbers = range(1, options.rounds + 1)
        rows = [show(bench.run(way, number)) for number in numbers for way in turns if number <= turns[way]]
    known = json.loads(options.output.read_text()) if options.output.exists() else []
    rows = sorted([row for row in known if row["hosts"] != options.hosts] + rows, key=lambda row: int(row["hosts"]))
    options.output.parent.mkdir(exist_ok=True)
    options.output.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")


if __name__ == "__main__":
    main()
