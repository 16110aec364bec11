# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host of tests/fleet shows from outside, read past SSH and past the collection."""

from __future__ import annotations

import json
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tests.fleet.fleet import AT_ONCE, enter, pids

CHECK = """cd /srv/bots/trader && systemctl is-active trader && python3 -B scripts/health_check.py 8000 &&
python3 -B scripts/preflight_check.py --expect disabled && cat RELEASE"""


class Counters(NamedTuple):
    """Bytes that came to a host and that went from it, CPU seconds of all that ran there."""

    received: int
    sent: int
    cpu: float

    def since(self, earlier: Counters) -> Counters:
        """What was added."""
        return Counters(self.received - earlier.received, self.sent - earlier.sent, self.cpu - earlier.cpu)


class Hosts:
    """Those of the fleet that is up."""

    def __init__(self) -> None:
        self._pids = pids()

    def counters(self) -> dict[str, Counters]:
        """Of each host, since it booted."""
        return {name: _counters(Path("/proc", str(pid))) for name, pid in self._pids.items()}

    def last_order(self) -> float:
        """When any bot ordered last, s since 1970, by its own ledger."""
        ledgers = [Path(f"/proc/{pid}/root/srv/ledger/trader.jsonl") for pid in self._pids.values()]
        return max(float(json.loads(ledger.read_text().splitlines()[-1])["t"]) for ledger in ledgers)

    def wrong(self, release: str) -> dict[str, str]:
        """What hosts say whose bot does not run this release with trading off, on testnet."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            said = dict(zip(self._pids, pool.map(_say, self._pids.values()), strict=True))
        return {
            name: text for name, text in said.items() if not text.endswith(f"\n{release}\n") or "production" in text
        }

    def run(self, script: str) -> None:
        """Have each host's root run a script."""
        for pid in self._pids.values():
            subprocess.run([*enter(pid), "sh", "-ec", script], check=True)


def _say(pid: int) -> str:
    done = subprocess.run([*enter(pid), "sh", "-c", CHECK], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def _counters(process: Path) -> Counters:
    (line,) = (line for line in Path(process, "net/dev").read_text().splitlines() if "eth0:" in line)
    fields = line.partition(":")[2].split()
    return Counters(int(fields[0]), int(fields[8]), _cpu(Path(process, "cgroup").read_text()))


def _cpu(cgroups: str) -> float:
    """The CPU seconds of the container, on either version of cgroups."""
    for line in cgroups.splitlines():
        _number, controllers, path = line.split(":", 2)
        container = re.match(r"(.*?/libpod-[0-9a-f]{64}(\.scope)?)", path)
        if container and "cpuacct" in controllers:
            return int(Path(f"/sys/fs/cgroup/cpuacct{container[1]}/cpuacct.usage").read_text()) / 1e9
        stat = Path(f"/sys/fs/cgroup{container[1]}/cpu.stat") if container else Path()
        if container and not controllers and stat.exists():
            return int(dict(map(str.split, stat.read_text().splitlines()))["usage_usec"]) / 1e6
    raise AssertionError(f"no CPU time in {cgroups}")
