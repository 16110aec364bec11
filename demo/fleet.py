# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet of trading bots on this machine: real processes, each with its own git repository, and their exchanges.

usage: python3 demo/fleet.py up | down | status [--root DIR] [--base-port PORT] [--bots N] [--database]

``up`` starts the fleet live on its bad release, from nothing or from whatever the last run left.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import database
import exchanges
import pages
import snapshots
from releases import BAD, GOOD, Releases

ROOT = Path(__file__).resolve().parents[1] / ".cache" / "demo"
KINDS = {"tn": "trading_node", "qt": "quantum_trader"}
ALWAYS_ON = "tn-14"
START_LIMIT = 30.0
STOP_LIMIT = 3.0


class FleetError(Exception):
    """What is in the way, and the mend."""


@dataclass(frozen=True)
class Bot:
    """One bot: ``path`` is its repository, ``port`` that of its status page."""

    name: str
    kind: str
    path: str
    port: int

    @property
    def command(self) -> list[str]:
        """What runs it."""
        return [sys.executable, "-B", f"{self.kind}.py", "--bot", self.name, "--port", str(self.port)]

    @property
    def trades_on_exchanges(self) -> bool:
        """Whether it has accounts there."""
        return self.kind == "quantum_trader"

    @property
    def pidfile(self) -> Path:
        """Where its process id is kept."""
        return Path(self.path, "run", f"{self.kind}.pid")

    def status(self) -> dict[str, Any] | None:
        """Its status page, None if nothing of that name answers."""
        page = pages.read(self.port, "/status")
        return page if page and page.get("bot") == self.name else None


def bots(root: Path, per_kind: int, base_port: int) -> list[Bot]:
    """The bots, numbered 1, 10, 11, …, so that one's name and path begin like those of its neighbours."""
    numbers = [1, *range(10, 9 + per_kind)]
    return [
        Bot(f"{prefix}-{number}", kind, str(root / "bots" / f"{prefix}-{number}"), base_port + 2 * number + offset)
        for offset, (prefix, kind) in enumerate(KINDS.items())
        for number in numbers
    ]


def up(root: Path, per_kind: int, base_port: int, *, with_database: bool) -> None:
    """Bring the fleet to its initial state: live, on the bad release. Without its database where that cannot be had."""
    down(root)
    fleet = bots(root, per_kind, base_port)
    check_ports(fleet, base_port)
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FleetError(f"{root} cannot be made ({error.strerror}): name another --root") from error
    marker(root).write_text(json.dumps([asdict(bot) for bot in fleet], indent=1))
    exchanges.open_all(root, [bot.name for bot in fleet if bot.trades_on_exchanges], base_port)
    if with_database:
        database.open_it(root, base_port)
    make(root, fleet)
    start(fleet)
    wait_until_live(root, fleet)
    if with_database and not database.fill(root, base_port, START_LIMIT):
        print(f"the fleet has no database: it did not answer after {START_LIMIT:g} s; see {root / 'questdb.log'}")


def down(root: Path) -> None:
    """Stop the fleet's processes and remove all that it left."""
    if root.exists() and not marker(root).exists() and any(root.iterdir()):
        raise FleetError(f"{root} holds something that is no demo fleet: it was left alone, name another --root")
    stop(root)
    shutil.rmtree(root, ignore_errors=True)


def marker(root: Path) -> Path:
    """The list of the bots; where it is, the directory is a fleet's."""
    return root / "fleet.json"


def make(root: Path, fleet: list[Bot]) -> None:
    """Write repositories, settings and snapshots."""
    releases = {
        "quantum_trader": Releases(root, "quantum_trader", ["quantum_trader"]),
        "trading_node": Releases(root, "trading_node", ["trading_node"]),
        "always_on": Releases(root, "always_on", ["trading_node", "always_on"]),
    }
    (root / "ledger").mkdir()
    for position, bot in enumerate(fleet):
        path = Path(bot.path)
        releases["always_on" if bot.name == ALWAYS_ON else bot.kind].clone(path, fetched=position % 2 == 1)
        (path / "logs").mkdir()
        (path / "run").mkdir()
        if bot.kind == "trading_node":
            (path / ".env").write_text(f"BOT_PORT={bot.port}\nBOT_PYTHON={shlex.quote(sys.executable)}\n")
            keep = snapshots.copy
        else:
            (path / "config" / "exchange.yaml").write_text(exchanges.config(bot.name))
            (path / "go_live.active").write_text("activated 2025-12-04T14:30:00Z by operator-1\n")
            keep = snapshots.copy_with_manifest
        for tag, leverage in ((GOOD[-2], 2), (GOOD[-1], 2), (BAD, 10)):
            (path / "config" / "local.yaml").write_text(f"# Set on this host, not in git\nleverage: {leverage}\n")
            keep(path / "config", root / "backups" / bot.name / f"config-{tag[7:]}")
    for release in releases.values():
        release.close()


def start(fleet: list[Bot]) -> None:
    """Start every bot the way its kind is started."""
    scripts = []
    for bot in fleet:
        if bot.kind == "trading_node":
            scripts.append(subprocess.Popen(["scripts/start.sh"], cwd=bot.path, stdout=subprocess.DEVNULL))
            continue
        with open(Path(bot.path, "logs", "console.log"), "ab") as log:
            process = subprocess.Popen(
                bot.command, cwd=bot.path, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        bot.pidfile.write_text(f"{process.pid}\n")
    codes = [script.wait() for script in scripts]
    if any(codes):
        raise FleetError("a start script failed: its message stands above")


def wait_until_live(root: Path, fleet: list[Bot]) -> None:
    """Return once every exchange answers and every bot trades."""
    deadline = time.monotonic() + START_LIMIT
    silent, waiting = ["all"], fleet
    while (silent or waiting) and time.monotonic() < deadline:
        silent = [name for name, books in exchanges.books(root).items() if books is None] if silent else []
        waiting = [bot for bot in waiting if not (bot.status() or {}).get("trading")]
        time.sleep(0.05 if silent or waiting else 0)
    if silent:
        log = exchanges.home(root) / f"{silent[0]}.log"
        raise FleetError(f"no answer after {START_LIMIT:g} s from the exchanges {', '.join(silent)}; see {log}")
    if waiting:
        names = ", ".join(bot.name for bot in waiting)
        raise FleetError(f"not live after {START_LIMIT:g} s: {names}; see logs/console.log in {waiting[0].path}")


def check_ports(fleet: list[Bot], base_port: int) -> None:
    """FleetError unless every port is free."""
    wanted = [(bot.name, bot.port) for bot in fleet]
    wanted += [(exchange.name, base_port + exchange.offset) for exchange in exchanges.EXCHANGES]
    wanted += [("the database", base_port + database.OFFSET + offset) for offset in (0, 1)]
    for name, port in wanted:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except (OSError, OverflowError) as error:
                raise FleetError(f"port {port} of {name} cannot be had ({error}): give another --base-port") from error


def owned(root: Path) -> list[int]:
    """This fleet's processes: bots, in a bot's directory and called by its name, its exchanges and its database."""
    found = []
    for entry in os.listdir("/proc"):
        try:
            directory = Path(os.readlink(f"/proc/{entry}/cwd").replace(" (deleted)", ""))
            arguments = Path(f"/proc/{entry}/cmdline").read_bytes().decode("utf-8", "replace").split("\0")
        except OSError:
            continue
        called = ["--bot", directory.name] in map(list, zip(arguments, arguments[1:]))
        serves = exchanges.runs_one(arguments, root) or database.runs_it(arguments, root)
        if (directory.parent == root / "bots" and called) or serves:
            found.append(int(entry))
    return found


def stop(root: Path) -> None:
    """End the fleet's processes: SIGTERM, then SIGKILL."""
    for number, limit in ((signal.SIGTERM, STOP_LIMIT), (signal.SIGKILL, STOP_LIMIT)):
        for pid in owned(root):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = time.monotonic() + limit
        while owned(root) and time.monotonic() < deadline:
            time.sleep(0.05)
    if owned(root):
        raise FleetError(f"processes that do not end: {owned(root)}")


def table(root: Path) -> str:
    """How each bot is, for people."""
    if not marker(root).exists():
        raise FleetError(f"there is no demo fleet in {root}: start one with up")
    rows = [["BOT", "PORT", "PID", "RELEASE", "TRADING", "ORDERS", "BAD", "EXPOSURE", ""]]
    books = exchanges.books(root)
    for bot in (Bot(**entry) for entry in json.loads(marker(root).read_text())):
        page = bot.status() or {"trading": None}
        trading = {True: "on", False: "off", None: "stopped"}[page["trading"]]
        pid, release, orders, bad = (page.get(key, "-") for key in ("pid", "version", "orders", "bad_orders"))
        exposure = held(bot, books) if bot.trades_on_exchanges else "-"
        cells = [bot.name, bot.port, pid, release, trading, orders, bad, exposure, page.get("reason") or ""]
        rows.append([str(cell) for cell in cells])
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


def held(bot: Bot, books: dict[str, dict[str, Any] | None]) -> str:
    """What a bot has at the exchanges, as they have it."""
    silent = [name for name, of_it in books.items() if of_it is None]
    if silent:
        return f"unknown: {', '.join(silent)}"
    accounts = [of_it[bot.name] for of_it in books.values() if of_it]
    if not any(account["positions"] or account["orders"] for account in accounts):
        return "flat"
    notional, orders = (sum(float(it["notional"]) for it in accounts), sum(len(it["orders"]) for it in accounts))
    return f"{notional:,.0f} USDT, {orders} orders"


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("command", choices=["up", "down", "status"])
    parser.add_argument("--root", type=Path, default=Path(os.environ.get("BOTFLEET_DEMO_ROOT") or ROOT))
    parser.add_argument("--base-port", type=int, default=int(os.environ.get("BOTFLEET_DEMO_BASE_PORT") or 18100))
    parser.add_argument("--bots", type=int, default=6, help="bots of each kind, up to 200")
    parser.add_argument("--database", action="store_true", help="with a QuestDB, where Java and its jar are there")
    options = parser.parse_args()
    root = options.root.resolve()
    try:
        if options.command == "down":
            down(root)
            return
        if options.command == "up":
            lacks = database.missing() if options.database else ""
            if lacks:
                print(f"the fleet has no database: {lacks}")
            up(root, options.bots, options.base_port, with_database=options.database and not lacks)
        print(table(root))
    except FleetError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
