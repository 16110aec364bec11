# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proxy of the tests is late, silent or gone when it is told to be, and else passes everything on."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.peers.ssh import Proxy


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that sends back what it gets, and its own end of file after the client's."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer(client: socket.socket) -> None:
        with client:
            while data := client.recv(1 << 16):
                client.sendall(data)

    def serve() -> None:
        while True:
            try:
                client, _address = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(client,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def connect(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=5)


def ask(client: socket.socket, data: bytes = b"hello") -> float:
    """How long the answer took, s."""
    began = time.monotonic()
    client.sendall(data)
    answer = b""
    while len(answer) < len(data):
        answer += client.recv(1 << 16)
    assert answer == data
    return time.monotonic() - began


def test_a_slow_line_takes_a_round_trip_and_is_as_wide_as_before(echo: int) -> None:
    with connect(Proxy(("127.0.0.1", echo), delay=0.1)) as client:
        ask(client)  # the connection's own round trip is over
        assert 0.2 <= ask(client) < 0.4
        assert 0.2 <= ask(client, b"x" * (1 << 20)) < 1.0


def test_an_end_of_file_passes_and_the_answers_before_it_come(echo: int) -> None:
    with connect(Proxy(echo, delay=0.05)) as client:
        client.sendall(b"last words")
        client.shutdown(socket.SHUT_WR)
        assert client.recv(100) == b"last words"
        assert client.recv(100) == b""


def test_a_stalled_line_says_nothing_and_loses_nothing(echo: int) -> None:
    proxy = Proxy(echo)
    with connect(proxy) as client:
        ask(client)
        proxy.stall()
        client.sendall(b"held")
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.recv(100)
        proxy.resume()
        client.settimeout(5)
        assert client.recv(100) == b"held"


def test_a_cut_line_ends_connections_and_takes_none_until_it_is_mended(echo: int) -> None:
    proxy = Proxy(echo)
    with connect(proxy) as client:
        ask(client)
        proxy.cut()
        assert client.recv(100) == b""
    with pytest.raises(ConnectionRefusedError):
        connect(proxy)
    proxy.mend()
    with connect(proxy) as client:
        ask(client)
