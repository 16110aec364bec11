# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every demo bot does: an order each 100 ms while it may, a log, a status page, a clean stop.

The programs of a kind (trading_node.py, quantum_trader.py) add when an order is permitted. A bot reads its
files again at every tick, so lowering a flag or a key works without a restart, and what cannot be read
permits nothing.
"""

from __future__ import annotations

import json
import os
import signal
import socketserver
import sys
import threading
import time
from types import FrameType, ModuleType
from typing import Any, Callable

TICK = 0.1
TICKS_PER_REPORT = 10

Settings = dict[str, Any]


class NotPermitted(Exception):
    """Why no order may be sent."""


class Config:
    """A YAML file of nested mappings and scalars, read at every use and parsed when it changed."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._text: str | None = None
        self._settings: Settings = {}

    def read(self) -> Settings:
        """The settings; NotPermitted when the file is missing or is anything else."""
        try:
            with open(self.path, encoding="utf-8") as handle:
                text = handle.read()
            if text != self._text:
                self._settings, self._text = parse(text), text
        except (OSError, ValueError) as error:
            raise NotPermitted(f"{self.path} cannot be read ({error})") from error
        return self._settings


def parse(text: str) -> Settings:
    """The part of YAML that these files use, without a library; anything else is a ValueError."""
    settings: Settings = {}
    levels: list[tuple[int, Settings]] = [(-1, settings)]
    for line in text.splitlines():
        content = line.split(" #")[0].strip()
        if not content or content.startswith("#") or content == "---":
            continue
        name, colon, value = content.partition(":")
        if not colon:
            raise ValueError(f"{content!r} is no setting")
        indent = len(line) - len(line.lstrip())
        while levels[-1][0] >= indent:
            levels.pop()
        parent = levels[-1][1]
        if value:
            parent[name] = scalar(value.strip())
        else:
            parent[name] = {}
            levels.append((indent, parent[name]))
    return settings


def scalar(text: str) -> Any:
    """A value as YAML reads it: a boolean, a number or a string."""
    if text in ("true", "false"):
        return text == "true"
    try:
        return float(text)
    except ValueError:
        return text.strip("'\"")


class Bot:
    """One bot.

    kind: what it is
    permission: returns the environment (``production`` or ``testnet``) of the next order, given how many
        there were, or raises NotPermitted
    strategy: the module whose releases differ: ``size(order_size)`` and ``profit(orders)``
    """

    def __init__(
        self, kind: str, log: str, permission: Callable[[int], str], sizes: Config, strategy: ModuleType
    ) -> None:
        options = dict(zip(sys.argv[1::2], sys.argv[2::2]))
        os.chdir(os.path.dirname(os.path.abspath(sys.argv[0])))
        self.kind, self.name, self.port = kind, options["--bot"], int(options["--port"])
        self.permission, self.sizes, self.strategy = permission, sizes, strategy
        self.local = Config("config/local.yaml")
        self.version, self.commit = release(), commit()
        self.started = time.monotonic()
        self.reason: str | None = "starting"
        self.orders = self.bad_orders = 0
        self._log = appended(log)
        self._ledger = appended(f"../../ledger/{self.name}.jsonl")
        self.pages: dict[str, Callable[[], dict[str, Any]]] = {"/status": self.status}

    @property
    def trading(self) -> bool:
        """Whether the last tick sent an order."""
        return self.reason is None

    def run(self) -> None:
        """Serve and trade until SIGTERM or SIGINT."""
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        signal.signal(signal.SIGHUP, lambda _number, _frame: self.log("INFO reloaded"))
        serve(self.port, self.pages)
        self.log(f"INFO started version={self.version} commit={self.commit[:12]} pid={os.getpid()}")
        tick, due = 0, time.monotonic()
        while True:
            self.tick(tick)
            tick, due = tick + 1, max(due + TICK, time.monotonic())
            time.sleep(max(0.0, due - time.monotonic()))

    def tick(self, number: int) -> None:
        """Send an order if that is permitted; report each second, and at once when permission changes."""
        before = self.reason
        try:
            settings = self.sizes.read()
            self._order(self.permission(self.orders), settings["order_size"], settings["max_order_size"])
            self.reason = None
        except NotPermitted as reason:
            self.reason = str(reason)
        except (KeyError, TypeError, AttributeError) as error:
            self.reason = f"a setting is missing or is no such value ({error})"
        if number % TICKS_PER_REPORT == 0 or (before is None) != self.trading:
            self._report()

    def _order(self, environment: str, order_size: float, max_order_size: float) -> None:
        quantity = self.strategy.size(order_size)
        bad = quantity > max_order_size
        order = {
            "t": time.time(),
            "mono": time.monotonic(),
            "bot": self.name,
            "version": self.version,
            "env": environment,
            "side": "sell" if self.orders % 2 else "buy",
            "qty": quantity,
            "bad": bad,
        }
        os.write(self._ledger, (json.dumps(order) + "\n").encode())
        self.orders += 1
        self.bad_orders += bad

    def _report(self) -> None:
        state = f"version={self.version} orders={self.orders} pnl={self.strategy.profit(self.orders):.2f}"
        self.log(f"INFO trading {state}" if self.trading else f"INFO ORDER_SKIPPED {state}: {self.reason}")
        if self.trading and self.bad_orders:
            self.log(f"ERROR P&L anomaly: {self.bad_orders} orders above max_order_size {state}")

    def log(self, text: str) -> None:
        """Append a line with its time in UTC."""
        os.write(self._log, f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {text}\n".encode())

    def status(self) -> dict[str, Any]:
        """The status page."""
        try:
            leverage = self.local.read().get("leverage")
        except NotPermitted:
            leverage = None
        return {
            "bot": self.name,
            "kind": self.kind,
            "version": self.version,
            "commit": self.commit,
            "trading": self.trading,
            "reason": self.reason,
            "leverage": leverage,
            "orders": self.orders,
            "bad_orders": self.bad_orders,
            "pnl": round(self.strategy.profit(self.orders), 2),
            "pid": os.getpid(),
            "uptime": round(time.monotonic() - self.started, 1),
        }

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        self.log(f"INFO stopped by {signal.Signals(number).name}")
        sys.exit(0)


def release() -> str:
    """The deploy tag that this code was released as."""
    with open("RELEASE", encoding="utf-8") as handle:
        return handle.read().strip()


def commit() -> str:
    """The commit that is checked out, as git's own files say it: a bot starts no other program."""
    try:
        with open(".git/HEAD", encoding="utf-8") as handle:
            head = handle.read().strip()
        if not head.startswith("ref: "):
            return head
        with open(f".git/{head[5:]}", encoding="utf-8") as handle:
            return handle.read().strip()
    except OSError:
        return "unknown"


def appended(path: str) -> int:
    """A descriptor to which each write appends a whole line."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)


class Page(socketserver.StreamRequestHandler):
    """One GET, answered in JSON."""

    timeout = 2.0

    def handle(self) -> None:
        """Answer the request."""
        path = self.rfile.readline(4096).decode("ascii", "replace").split(" ")[1:2]
        while self.rfile.readline(4096).strip():
            pass
        page = self.server.pages.get("".join(path).split("?", maxsplit=1)[0])  # type: ignore[attr-defined]  # set below
        body = json.dumps(page() if page else {"error": "no such page"}) + "\n"
        head = f"HTTP/1.0 {'200 OK' if page else '404 Not Found'}\r\nContent-Type: application/json\r\n"
        self.wfile.write(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())


class Server(socketserver.TCPServer):
    """The status pages on loopback; a client that breaks off is its own affair."""

    allow_reuse_address = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing."""


def serve(port: int, pages: dict[str, Callable[[], dict[str, Any]]]) -> None:
    """Serve the pages from a thread of its own."""
    server = Server(("127.0.0.1", port), Page)
    server.pages = pages  # type: ignore[attr-defined]  # the handler knows its server alone
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 60}, daemon=True).start()
