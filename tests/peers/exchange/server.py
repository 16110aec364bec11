# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An exchange on a loopback port: one venue with its environments, what it was asked, and what goes wrong with it.

Its base URLs are ``http://127.0.0.1:<port>/<environment>``; for a venue whose environments share their hosts, without
the environment.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol
from urllib.parse import urlsplit

from .books import Account
from .faults import Fault, Faults
from .wallet import Wallet
from .wire import Answer, Request

HANGS_AT_MOST = 30  # s, so that a test whose event never comes ends


@dataclass(frozen=True)
class Key:
    """What a client signs with, and what it opens in which environment: an account of positions and a wallet of coins.

    password: OKX's passphrase
    from_here: whether the exchange takes it from this machine's address
    """

    id: str
    secret: str
    environment: str
    account: Account = field(default_factory=lambda: Account({}))
    password: str = ""
    wallet: Wallet = field(default_factory=lambda: Wallet({}))
    from_here: bool = True


@dataclass
class Exchange:
    """What all venues share.

    skew: seconds that the exchange's clock is ahead of this machine's
    limit: requests in any ``window`` seconds before it refuses; None: as many as come
    asked: every request, in order, with the time it came (monotonic)
    """

    venue: Venue
    keys: dict[str, Key] = field(default_factory=dict)
    skew: float = 0.0
    limit: int | None = None
    window: float = 60.0
    faults: Faults = field(default_factory=Faults)
    asked: list[tuple[float, Request]] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def add_key(self, key: Key) -> Key:
        self.keys[key.id] = key
        return key

    def fault(self, on: str, **of: object) -> Fault:
        """Script one; see Fault."""
        fault = Fault(on, **of)  # type: ignore[arg-type]  # Fault itself says which types
        self.faults.add(fault)
        return fault

    def now(self) -> int:
        """The exchange's clock, in milliseconds since 1970."""
        return int((time.time() + self.skew) * 1000)

    def used(self) -> int:
        """Requests in the last window."""
        since = time.monotonic() - self.window
        return sum(1 for at, _request in reversed(self.asked) if at >= since)

    def answer(self, request: Request) -> Answer | None:
        """What the client gets; None: nothing, the connection ends."""
        with self.lock:
            self.asked.append((time.monotonic(), request))
            over = self.limit is not None and self.used() > self.limit
        met = self.faults.strike(request)
        first = next((fault for fault in met if fault.answer), None)
        met = [fault for fault in met if fault is first or not fault.answer]  # what one answers, no other does
        answer = first.answer if first else None
        if any(fault.drop for fault in met):
            return None
        for fault in met:
            if fault.hangs:
                fault.hangs.wait(HANGS_AT_MOST)
        with self.lock:
            for fault in met:
                if fault.before:
                    fault.before()
            if over:
                answer = self.venue.too_many(self, request)
            answer = answer or self.venue.answer(self, request)
            for fault in met:
                if fault.after:
                    fault.after()
        time.sleep(sum(fault.slow for fault in met))
        answer = replace(answer, trickles=sum(fault.trickles for fault in met))
        return None if any(fault.lose for fault in met) else answer


class Venue(Protocol):
    """How one exchange speaks. ``places``: the environments that a base URL names; none where a header does."""

    places: tuple[str, ...]

    def answer(self, exchange: Exchange, request: Request) -> Answer:
        """Check signature, time and key, then do what is asked; errors are answers, too."""

    def too_many(self, exchange: Exchange, request: Request) -> Answer:
        """What it says to one request too many."""


@contextmanager
def serving(
    exchange: Exchange,
    port: int = 0,
    pages: Mapping[str, Callable[[], object]] | None = None,
    address: str = "127.0.0.1",
) -> Iterator[str]:
    """Serve it; yields ``http://<address>:<port>``. ``pages`` are no exchange's: each gives JSON at its path."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # or each answer, sent as head and body, waits 40 ms for an acknowledgement

        def _handle(self) -> None:
            target = urlsplit(self.path)
            if target.path in (pages or {}):
                self._send(Answer((pages or {})[target.path]()))
                return
            place, path = "", target.path
            first = path.split("/")[1]
            if first in exchange.venue.places:
                place, path = first, path[len(first) + 1 :]
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = exchange.answer(Request(self.command, place, path, target.query, headers, body))
            if answer is None:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self._send(answer)

        def _send(self, answer: Answer) -> None:
            content = answer.body()
            self.send_response(answer.status)
            for name, value in {"content-type": "application/json", **answer.headers}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            pieces = [bytes([byte]) for byte in content] if answer.trickles else [content]
            for piece in pieces:
                self.wfile.write(piece)
                time.sleep(answer.trickles)

        do_GET = do_POST = do_PUT = do_DELETE = _handle  # noqa: N815  # their names there

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  # its name there
            """Nothing: ``asked`` has it."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128  # a fleet comes at once, and who finds no place waits a second

        def handle_error(self, request: object, client_address: object) -> None:
            """A client that went away is no news."""

    with Server((address, port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield f"http://{address}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
