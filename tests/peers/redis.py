# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Redis, of Debian's package, on a socket of its own. It keeps nothing on disk."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module, util
from pathlib import Path
from typing import Any

PROGRAM = "redis-server"
PASSWORD = "CANARY-redis-password"


def lacking() -> str:
    """What is missing to run one and to ask it, as a sentence; empty if nothing is."""
    if not shutil.which(PROGRAM):
        return f"{PROGRAM} is missing: install Debian's {PROGRAM} to purge a real Redis"
    if not util.find_spec("redis"):
        return "redis-py is missing: install the Python package redis to purge a real Redis"
    return ""


@dataclass
class Redis:
    """A server that answers. port: 0 if it has only its socket."""

    socket: str
    port: int
    process: subprocess.Popen[bytes]

    def client(self, db: int = 0, **options: Any) -> Any:
        """A client of redis-py, which gives bytes."""
        return import_module("redis").Redis(unix_socket_path=self.socket, db=db, **options)

    def calls(self, command: str) -> int:
        """How often a command was carried out."""
        found = self.client().info("commandstats").get(f"cmdstat_{command}", {})
        return int(found.get("calls", 0))


@contextmanager
def redis_serving(*options: str, port: int = 0) -> Iterator[Redis]:
    """Start one with options of its command line."""
    directory = tempfile.mkdtemp(prefix="botfleet-redis-")  # a socket's path is short
    socket = str(Path(directory) / "redis.sock")
    command = [PROGRAM, "--port", str(port), "--bind", "127.0.0.1", "--unixsocket", socket, "--dir", directory]
    command += ["--save", "", "--appendonly", "no", "--daemonize", "no", *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        redis = Redis(socket, port, process)
        _wait(redis)
        yield redis
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(directory, ignore_errors=True)


def _wait(redis: Redis) -> None:
    deadline = time.monotonic() + 30
    while True:
        assert redis.process.poll() is None, f"{PROGRAM} ended with code {redis.process.returncode}"
        assert time.monotonic() < deadline, f"{PROGRAM} did not answer within 30 s"
        if Path(redis.socket).exists():
            try:
                redis.client().ping()
            except import_module("redis").RedisError:
                pass
            else:
                return
        time.sleep(0.02)
