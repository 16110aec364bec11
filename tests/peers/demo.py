# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A demo fleet of a test's own: another directory, other ports."""

from __future__ import annotations

import http.client
import json
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

ROOT = Path(__file__).resolve().parents[2]
INVENTORY = ROOT / "inventories" / "demo"


class DemoFleet:
    """Bots and exchanges below ``root``; ``environment`` makes the demo inventory describe them."""

    def __init__(self, root: Path, per_kind: int = 6) -> None:
        self.root = root.resolve()
        self.base_port = free_base_port(2 * per_kind + 20)  # the exchanges are among the first 20
        self.per_kind = per_kind
        self.environment = {
            "BOTFLEET_DEMO_ROOT": str(self.root),
            "BOTFLEET_DEMO_BASE_PORT": str(self.base_port),
        }

    def command(self, name: str) -> subprocess.CompletedProcess[str]:
        """Run ``fleet.py up``, ``down`` or ``status``."""
        return subprocess.run(
            [sys.executable, str(ROOT / "demo" / "fleet.py"), name, "--bots", str(self.per_kind)],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def up(self) -> None:
        """Start it, or bring it back to where it started."""
        done = self.command("up")
        assert done.returncode == 0, done.stderr

    def down(self) -> None:
        """Stop it and remove its files."""
        done = self.command("down")
        assert done.returncode == 0, done.stderr

    def bots(self) -> list[dict[str, Any]]:
        """Name, kind, path and port of each bot."""
        listed: list[dict[str, Any]] = json.loads((self.root / "fleet.json").read_text())
        return listed

    def path(self, bot: str) -> Path:
        """A bot's repository."""
        return self.root / "bots" / bot

    def page(self, bot: str, page: str = "/status") -> dict[str, Any] | None:
        """A page of a bot, None if it does not answer."""
        port = next(entry["port"] for entry in self.bots() if entry["name"] == bot)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        try:
            connection.request("GET", page)
            answer: dict[str, Any] = json.loads(connection.getresponse().read())
            return answer
        except OSError:
            return None
        finally:
            connection.close()

    def exchanges(self) -> dict[str, str]:
        """Where each exchange is, by its name in the bots' configs; its environment comes behind that."""
        return {name: f"http://127.0.0.1:{file['port']}" for name, file in self._exchange_files().items()}

    def books(self, bot: str) -> dict[str, dict[str, Any]]:
        """What each exchange has of a bot's account in production: positions, notional, orders, violations."""
        found = {}
        for name, file in self._exchange_files().items():
            (key,) = (it["key"] for it in file["accounts"] if (it["bot"], it["environment"]) == (bot, "production"))
            connection = http.client.HTTPConnection("127.0.0.1", file["port"], timeout=2)
            connection.request("GET", "/books")
            found[name] = json.loads(connection.getresponse().read())[key]
            connection.close()
        return found

    def _exchange_files(self) -> dict[str, dict[str, Any]]:
        return {file.stem: json.loads(file.read_text()) for file in sorted((self.root / "exchanges").glob("*.json"))}

    def processes(self) -> Iterator[int]:
        """The processes that run in a bot's directory."""
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if Path(os.readlink(entry / "cwd")).parent == self.root / "bots":
                    yield int(entry.name)
            except OSError:
                continue


def free_base_port(count: int) -> int:
    """A port below which so many are free on loopback, all outside the kernel's own range."""
    for _attempt in range(100):
        base = random.randrange(19000, 32000 - count)
        if all(is_free(port) for port in range(base, base + count)):
            return base
    raise AssertionError(f"no {count} free ports in a row")


def is_free(port: int) -> bool:
    """Whether a server could listen there."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def wait_for(condition: Callable[[], object], limit: float = 5.0) -> None:
    """Return as soon as it holds; fails the test after ``limit`` seconds."""
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline, f"did not come true within {limit:g} s"
        time.sleep(0.02)
