# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the emergency plan on demo fleets: ``make bench``, or ``python -m tests.benchmark.bench --help``.

Three ways to do the same are run in turns, so that what else the machine does meets all of them: two transactions
(rollback.yml), the same operations as one task each, and builtin modules. Raw figures go to docs/benchmarks.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml
from ansible.release import __version__ as core

from tests.peers.demo import INVENTORY, DemoFleet
from tests.peers.ssh import Proxy, SshServer

from . import tasks
from .process import Usage, measured

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
WAYS = ("transactions", "one_task_each", "builtin")
GOOD = "deploy-20251201-083000"
STALLED = 5
ALWAYS_ON = "tn-14"  # ends stopped
LIMIT = 3600.0
Figures = dict[str, Any]


class Bench:
    """One fleet of a size; each run starts it anew."""

    def __init__(self, work: Path, bots: int) -> None:
        self.work, self.count = work, bots
        work.mkdir()
        self.fleet = DemoFleet(work / "fleet", bots // 2)
        self._exchanges, self._moments = work / "exchanges.jsonl", work / "moments.json"
        (work / "one_task_each.yml").write_text(yaml.safe_dump(tasks.plays("demo_here"), sort_keys=False))

    def run(self, way: str, stalled: dict[str, Any] | None = None) -> Figures:
        """Start the fleet live on its bad release, roll it back in one way, stop it."""
        self.fleet.up()
        try:
            names = [bot["name"] for bot in self.fleet.bots()]
            held = names[:: len(names) // STALLED][:STALLED] if stalled else []
            self._inventory(names, dict.fromkeys(held, stalled or {}))
            self._exchanges.write_bytes(b"")
            self._moments.write_text("{}")
            usage = measured(self._argv(way), self._environment(), self.work, self.work / f"{way}.log", LIMIT)
            return self._figures(way, usage, [name for name in names if name not in held], bool(stalled))
        finally:
            self.fleet.down()
            shutil.rmtree(self.work / "ansible", ignore_errors=True)

    def _argv(self, way: str) -> list[str]:
        playbook = {
            "transactions": ROOT / "playbooks" / "rollback.yml",
            "one_task_each": self.work / "one_task_each.yml",
            "builtin": HERE / "builtin.yml",
        }[way]
        inputs = {"plan": "emergency", "scope": "demo_here", "reason": "benchmark"}
        if way != "transactions":
            inputs = {}
        extra = {
            **inputs,
            "batch": "100%",
            "max_unsafe": STALLED,
            "demo_root": str(self.fleet.root),
            "botfleet_holds_positions": False,  # the ways are compared by what each of them does
        }
        return [
            *(sys.executable, "-m", "ansible", "playbook", "-i", str(INVENTORY), "-i", str(self.work / "here.yml")),
            *("-f", str(self.count), "-e", json.dumps(extra), str(playbook)),
        ]

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            **self.fleet.environment,
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache" / "collections"),
            "ANSIBLE_HOME": str(self.work / "ansible"),
            "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "plugins" / "callback"),
            "ANSIBLE_CONNECTION_PLUGINS": str(HERE / "plugins" / "connection"),
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "BOTFLEET_BENCHMARK_EXCHANGES": str(self._exchanges),
            "BOTFLEET_BENCHMARK_MOMENTS": str(self._moments),
        }

    def _inventory(self, names: list[str], stalled: dict[str, Any]) -> None:
        """The bots that run here; the demo's own inventory names the first twelve only."""
        hosts = {name: stalled.get(name, {"ansible_connection": "counted"}) for name in names}
        kinds: dict[str, dict[str, Any]] = {
            group: {"hosts": {name: {} for name in names if name.startswith(prefix) and name != ALWAYS_ON}}
            for group, prefix in (("trading_node_switched", "tn-"), ("quantum_trader", "qt-"))
        }
        everyone = {
            "vars": {"botfleet_artifacts_dir": str(self.work / "artifacts")},
            "children": {"demo_here": {"hosts": hosts}, "bots": {"children": kinds}},
        }
        (self.work / "here.yml").write_text(json.dumps({"all": everyone}))

    def _figures(self, way: str, usage: Usage, names: list[str], stalled: bool) -> Figures:
        moments = json.loads(self._moments.read_text())
        exchanges = [json.loads(line) for line in self._exchanges.read_text().splitlines()]
        if not stalled:
            self._check(way, usage)
        halted = [moments.get("Halt", {}).get(name) for name in names]
        on_hosts = sum(exchange["cpu"] for exchange in exchanges)
        return {
            "bots": self.count,
            "way": way,
            "safe_seconds": None if None in halted else round(max(halted) - usage.started, 2),
            "last_order_seconds": round(self._last_order(names) - usage.started, 2),
            "wall_seconds": round(usage.wall, 2),
            "controller_cpu_seconds": round(usage.cpu - on_hosts, 2),
            "hosts_cpu_seconds": round(on_hosts, 2),
            "controller_memory_mib": round(usage.memory),
            "exchanges_per_bot": round(len(exchanges) / len(names), 1),
            "sent_bytes_per_bot": round(sum(exchange["sent"] for exchange in exchanges) / len(names)),
            "received_bytes_per_bot": round(sum(exchange["received"] for exchange in exchanges) / len(names)),
        }

    def _check(self, way: str, usage: Usage) -> None:
        """A run that did not do its work has no figures."""
        pages = {bot["name"]: self.fleet.page(bot["name"]) for bot in self.fleet.bots()}
        wrong = {
            name: page
            for name, page in pages.items()
            if (page is not None if name == ALWAYS_ON else page is None or page["version"] != GOOD or page["trading"])
        }
        if usage.code or wrong:
            tail = (self.work / f"{way}.log").read_text()[-3000:]
            sys.exit(f"{way} with {self.count} bots ended with code {usage.code}, {wrong}\n{tail}")

    def _last_order(self, names: list[str]) -> float:
        ledgers = [self.fleet.root / "ledger" / f"{name}.jsonl" for name in names]
        return max(float(json.loads(path.read_text().splitlines()[-1])["t"]) for path in ledgers)


def stalled_runs(work: Path, bots: int, rounds: int) -> list[Figures]:
    """Runs in which every tenth bot's SSH takes connections and says nothing, figures of the others."""
    keys = work / "ssh"
    keys.mkdir()
    server = SshServer(keys)
    proxy = Proxy(server.port)
    proxy.stall()
    bench = Bench(work / "stalled", bots)
    figures = []
    try:
        for _round in range(rounds):
            for way in WAYS:
                figures.append(show({**bench.run(way, server.variables(proxy.port)), "stalled": STALLED}))
    finally:
        server.stop()
    return figures


def show(figures: Figures) -> Figures:
    print(json.dumps(figures), flush=True)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--bots", type=int, nargs="*", default=[12, 48, 200], help="even, 12 or more, up to 200")
    parser.add_argument("--rounds", type=int, nargs="*", default=[5, 3, 1], help="how often, for each of --bots")
    parser.add_argument("--stalled-bots", type=int, default=50, help="0 for none")
    parser.add_argument("--stalled-rounds", type=int, default=1)
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "benchmarks.json")
    options = parser.parse_args()
    runs: list[Figures] = []
    with tempfile.TemporaryDirectory(prefix="botfleet-bench-") as directory:
        work = Path(directory).resolve()
        for bots, rounds in zip(options.bots, options.rounds):
            bench = Bench(work / str(bots), bots)
            for _round in range(rounds):
                runs += [show(bench.run(way)) for way in WAYS]
        if options.stalled_bots:
            runs += stalled_runs(work, options.stalled_bots, options.stalled_rounds)
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "ansible_core": core}
    options.output.write_text(json.dumps({"machine": machine, "runs": runs}, indent=1) + "\n")


if __name__ == "__main__":
    main()
