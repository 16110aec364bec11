# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real sshd on loopback, and a proxy before it or another host that can be cut, stalled or slow."""

from __future__ import annotations

import contextlib
import getpass
import os
import queue
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


class SshServer:
    """sshd as the user who runs the tests, with keys of its own. ``port`` is on loopback."""

    def __init__(self, directory: Path) -> None:
        assert SSHD, "sshd is missing"
        self.directory = directory
        self.port = free_port()
        for name in ("host_key", "user_key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory / name], check=True)
        shutil.copy(directory / "user_key.pub", directory / "authorized_keys")
        config = directory / "sshd_config"
        config.write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {directory}/host_key\n"
            f"AuthorizedKeysFile {directory}/authorized_keys\nStrictModes no\nUsePAM no\n"
            f"PasswordAuthentication no\nPermitRootLogin yes\nPidFile none\nMaxStartups 100\nMaxSessions 100\n"
        )
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        self._process = subprocess.Popen([SSHD, "-D", "-e", "-f", config], stderr=(directory / "log").open("wb"))
        self._wait()

    def _wait(self) -> None:
        for _attempt in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            time.sleep(0.05)
        raise AssertionError((self.directory / "log").read_text())

    def variables(self, port: int) -> dict[str, Any]:
        """Inventory variables of a host that is reached through ``port``."""
        return {
            "ansible_connection": "ssh",
            "ansible_host": "127.0.0.1",
            "ansible_port": port,
            "ansible_user": getpass.getuser(),
            "ansible_ssh_private_key_file": str(self.directory / "user_key"),
            "ansible_ssh_common_args": (
                "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o IdentitiesOnly=yes"
            ),
        }

    def stop(self) -> None:
        """End the server and what it serves."""
        self._process.terminate()
        self._process.wait()


class Proxy:
    """Forwards loopback connections to ``target``, a port of loopback or an address, until it is told to misbehave.

    delay: s that each direction takes: 0.15 is a round trip of 300 ms. Bytes are under way together, as on a long
    line; making a connection takes one round trip.
    """

    def __init__(self, target: int | tuple[str, int], delay: float = 0.0) -> None:
        self.delay = delay
        self._target = ("127.0.0.1", target) if isinstance(target, int) else target
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._flowing = threading.Event()
        self._flowing.set()
        self.port = 0
        self._listen()

    def cut(self) -> None:
        """Close every connection and take no new one."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for pair in list(self._pairs):
            _shut(*pair)

    def mend(self) -> None:
        """Take connections again after a cut, on the same port."""
        self._listen()

    def stall(self) -> None:
        """Keep every connection open, take new ones, and forward nothing any more."""
        self._flowing.clear()

    def resume(self) -> None:
        """Forward again after a stall, what came meanwhile first."""
        self._flowing.set()

    def _listen(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        _start(self._accept, self._listener)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _address = listener.accept()
            except OSError:
                return
            _start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        time.sleep(2 * self.delay)
        with contextlib.suppress(OSError), client, socket.create_connection(self._target) as server:
            self._pairs.add((client, server))
            if self._listener.fileno() < 0:
                return  # cut while it was being made
            for thread in [_start(self._deliver, *ends) for ends in ((client, server), (server, client))]:
                thread.join()
            self._pairs.discard((client, server))

    def _deliver(self, source: socket.socket, sink: socket.socket) -> None:
        """Pass on what comes, each piece in its time; the end of one direction leaves the other open."""
        line: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
        _start(self._read, source, line)
        try:
            while True:
                due, data = line.get()
                time.sleep(max(0.0, due - time.monotonic()))
                self._flowing.wait()
                if not data:
                    sink.shutdown(socket.SHUT_WR)
                    return
                sink.sendall(data)
        except OSError:
            _shut(source, sink)

    def _read(self, source: socket.socket, line: queue.SimpleQueue[tuple[float, bytes]]) -> None:
        data = b"unread"
        while data:
            try:
                data = source.recv(1 << 16)
            except OSError:
                data = b""
            line.put((time.monotonic() + self.delay, data))


def _start(target: Callable[..., None], *arguments: object) -> threading.Thread:
    thread = threading.Thread(target=target, args=arguments, daemon=True)
    thread.start()
    return thread


def _shut(*ends: socket.socket) -> None:
    for end in ends:
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def free_port() -> int:
    """A port on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
