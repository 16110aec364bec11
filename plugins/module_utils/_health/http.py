# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One HTTP request with one time limit for all of it. PRIVATE to the collection.

The standard library alone, and never a proxy: what is asked is near.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import SplitResult, urljoin, urlsplit

from .._operation import OperationError

BODY_LIMIT = 1 << 20
MOST_REDIRECTS = 5
REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True)
class Tls:
    """How a server's certificate is verified; ca_path: a file of certificates, None: the host's own."""

    verify: bool = True
    ca_path: str | None = None

    def context(self) -> ssl.SSLContext:
        """Raises OperationError if the certificates cannot be read."""
        try:
            context = ssl.create_default_context(cafile=self.ca_path)
        except OSError as error:
            raise OperationError(f"certificates cannot be read from {self.ca_path}: correct ca_path") from error
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


@dataclass(frozen=True)
class Answer:
    """Status and the first MiB of the body, or as much of it as was asked for."""

    status: int
    body: bytes
    whole: bool

    @property
    def text(self) -> str:
        """The body, decoded."""
        return self.body.decode("utf-8", "replace")


def place(url: str) -> str:
    """A URL without what may be secret in it: credentials, query and fragment."""
    parts = split(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"


def split(url: str) -> SplitResult:
    """The parts of a URL; OperationError unless it is one that can be asked."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise OperationError("url cannot be read: write it as http://host:port/path") from error
    labels = (parts.hostname or "").rstrip(".").split(".")
    if parts.scheme not in ("http", "https") or port == 0 or not all(0 < len(label) < 64 for label in labels):
        raise OperationError("url is no http or https address: write it as http://host:port/path")
    if "@" in parts.netloc:
        raise OperationError("url holds credentials: give them in headers, as Authorization")
    if not url.isascii() or any(character <= " " or character == "\x7f" for character in url):
        raise OperationError("url holds characters that must be percent-encoded: encode them")
    return parts


def fetch(
    url: str,
    *,
    timeout: float,
    method: str = "GET",
    headers: Mapping[str, object] | None = None,
    tls: Tls | None = None,
    final: Collection[int] = (),
    body: bytes | None = None,
    limit: int = BODY_LIMIT,
) -> Answer:
    """Ask once, within ``timeout`` s for all of it; raises OperationError without an answer.

    A redirect is followed to the same scheme, host and port only, and without the body, unless its status is in
    ``final``. limit: bytes of the answer's body that are read
    """
    deadline = time.monotonic() + timeout
    origin = split(url)[:2]
    for _hop in range(MOST_REDIRECTS + 1):
        seconds = max(0.01, deadline - time.monotonic())
        answer, location = _request(url, method, headers or {}, tls or Tls(), seconds, body, limit)
        if answer.status not in REDIRECTS or answer.status in final or not location:
            return answer
        body = None
        try:
            url = urljoin(url, location)
            target = split(url)[:2]
        except (OperationError, ValueError) as error:
            raise OperationError("redirects to an address that cannot be asked") from error
        if target != origin:
            raise OperationError(f"redirects to {target[0]}://{target[1]}, which is not followed: ask there")
    raise OperationError(f"redirects more than {MOST_REDIRECTS} times")


def _request(
    url: str, method: str, headers: Mapping[str, object], tls: Tls, timeout: float, body: bytes | None, limit: int
) -> tuple[Answer, str]:
    parts = split(url)
    secure = tls.context() if parts.scheme == "https" else None
    address = str(parts.hostname), parts.port or (443 if secure else 80)
    started = time.monotonic()
    over = threading.Event()
    try:
        with ExitStack() as opened:
            line = opened.enter_context(socket.create_connection(address, timeout))
            opened.enter_context(_hung_up(line, timeout - (time.monotonic() - started), over))
            if secure:
                line = opened.enter_context(secure.wrap_socket(line, server_hostname=address[0]))
            answer = _converse(line, parts, method, headers, body, limit)
    except (OSError, http.client.HTTPException) as error:
        raise OperationError(_late(timeout) if over.is_set() else _reason(error, timeout)) from error
    except ValueError as error:  # its message would show the header
        raise OperationError("cannot be asked with these headers: a name or value holds what none may hold") from error
    if over.is_set():
        raise OperationError(_late(timeout))
    return answer


@contextmanager
def _hung_up(line: socket.socket, seconds: float, over: threading.Event) -> Iterator[None]:
    """Hang up after so many seconds: a server that sends a byte now and then meets no other limit."""
    with line.dup() as same_line:

        def hang_up() -> None:
            over.set()
            with suppress(OSError):
                same_line.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(max(0.0, seconds), hang_up)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()


def _converse(
    stream: socket.socket,
    parts: SplitResult,
    method: str,
    headers: Mapping[str, object],
    sent: bytes | None,
    limit: int,
) -> tuple[Answer, str]:
    connection = http.client.HTTPConnection(str(parts.hostname))
    connection.sock = stream
    given = {str(name).title(): str(value) for name, value in headers.items()}
    usual = {"Host": parts.netloc, "User-Agent": "tradeops.botfleet", "Accept": "*/*", "Connection": "close"}
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection.request(method, target, sent, {**usual, **given})
    with connection.getresponse() as response:
        body = response.read(limit + 1)
        whole = len(body) <= limit
        if whole and response.length:
            raise http.client.IncompleteRead(body, response.length)
        return Answer(response.status, body[:limit], whole), response.getheader("Location") or ""


def _late(timeout: float) -> str:
    return f"gave no whole answer within {timeout:.3g} s"


def _reason(error: Exception, timeout: float) -> str:
    if isinstance(error, socket.timeout):
        return _late(timeout)
    if isinstance(error, ssl.SSLError):
        return f"cannot be trusted or speaks no TLS ({getattr(error, 'verify_message', '') or error.reason})"
    if isinstance(error, http.client.IncompleteRead):
        return "closed the connection before its answer was whole"
    if isinstance(error, http.client.RemoteDisconnected):
        return "closed the connection without an answer"
    if isinstance(error, (http.client.HTTPException, ConnectionResetError, BrokenPipeError)):
        return f"gave no valid HTTP answer ({type(error).__name__})"
    return f"cannot be reached ({getattr(error, 'strerror', None) or type(error).__name__})"
