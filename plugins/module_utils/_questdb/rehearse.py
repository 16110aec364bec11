# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy of a database booted beside the live server, on loopback, with nothing but HTTP. PRIVATE to the collection."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from .._command import PR_SET_PDEATHSIG, as_user
from .._files import NO_FOLLOW
from .._operation import OperationError
from .client import Access, Client
from .instance import TRIGGER, Instance
from .safety import make_directory, remove_directory

OFF = ("HTTP_MIN", "PG", "LINE_TCP", "LINE_UDP", "LINE_HTTP", "TELEMETRY", "METRICS")
"""What the copy does not need to be asked. Whoever writes could reach none of it."""

STOP_TIME = 60.0
"""Seconds that it gets to end."""

LOG_LINES = 5


@dataclass(frozen=True)
class Boot:
    """How a server is started. command: with ``-d ROOT``; variables: ``QDB_…`` that the live one has."""

    command: list[str]
    cwd: str = "/"
    variables: dict[str, str] = field(default_factory=dict)

    def of(self, place: str) -> list[str]:
        """The command with another root."""
        if "-d" not in self.command[:-1]:
            raise OperationError("command has no -d with the root after it: write it as QuestDB is started")
        index = self.command.index("-d") + 1
        return [*self.command[:index], place, *self.command[index + 1 :]]


@contextmanager
def rehearsed(
    instance: Instance, boot: Boot, access: Access, db: str, place: str, *, restore: bool, timeout: float
) -> Iterator[Client]:
    """A client of a server on ``db``; the server has ended when this is left, whatever happened.

    place: a directory for what it writes beside db, removed in the end
    restore: whether it first recovers the checkpoint that lies beside db, which is looked for in its root; what it
    writes beside db stays there then; timeout: seconds until it answers
    """
    owner = instance.owner()
    remove_directory(place)
    if restore:
        place = os.path.dirname(db)
    make_directory(place, owner)
    conf = os.path.join(instance.root, "conf")
    if os.path.isdir(conf):
        shutil.copytree(conf, os.path.join(place, "conf"), symlinks=True)
    if restore:
        os.close(os.open(os.path.join(place, TRIGGER), os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_FOLLOW, 0o600))
    for name in ("conf", TRIGGER):
        _give(os.path.join(place, name), owner)
    port = _free_port()
    process = _start(boot, place, os.path.basename(db) if restore else db, port, owner)
    try:
        client = Client(replace(access, url=f"http://127.0.0.1:{port}", health_url=None))
        _wait(client, process, place, timeout)
        yield client
        if process.poll() is not None:
            raise OperationError(f"the copy's server ended with code {process.returncode}: {_log(place)}")
    finally:
        _end(process)
        if not restore:
            remove_directory(place)


def _start(boot: Boot, place: str, db: str, port: int, owner: tuple[int, int]) -> subprocess.Popen[bytes]:
    identity = as_user(str(owner[0])) if os.geteuid() == 0 and owner[0] != 0 else {}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("QDB_")}
    env = {
        **kept,
        **identity.pop("environment", {}),
        **boot.variables,
        **{f"QDB_{name}_ENABLED": "false" for name in OFF},
        "QDB_CAIRO_ROOT": db,
        "QDB_HTTP_BIND_TO": f"127.0.0.1:{port}",
        "QDB_HTTP_NET_BIND_TO": f"127.0.0.1:{port}",
    }
    with open(os.path.join(place, "log"), "ab") as log:
        try:
            return subprocess.Popen(  # pylint: disable=ansible-bad-function  # no AnsibleModule here
                boot.of(place),
                cwd=boot.cwd if os.path.isdir(boot.cwd) else "/",
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509  # no threads here
                **identity,
            )
        except OSError as error:
            raise OperationError(
                f"{boot.command[0]} cannot be started ({error.strerror}): give command as the server is started"
            ) from error


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _wait(client: Client, process: subprocess.Popen[bytes], place: str, timeout: float) -> None:
    limit = time.monotonic() + timeout
    while not client.is_up():
        if process.poll() is not None:
            raise OperationError(f"the copy's server ended with code {process.returncode}: {_log(place)}")
        if time.monotonic() > limit:
            raise OperationError(f"the copy's server did not answer within {timeout:g} s: raise start_timeout")
        time.sleep(0.05)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_TIME)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _log(place: str) -> str:
    with open(os.path.join(place, "log"), encoding="utf-8", errors="replace") as handle:
        lines = [line.strip() for line in handle if line.strip() and not line.startswith(("\t", " "))]
    return " | ".join(lines[-LOG_LINES:])[-1000:] or "its log is empty"


def _give(top: str, owner: tuple[int, int]) -> None:
    if os.geteuid() == 0 and os.path.lexists(top):
        os.chown(top, *owner, follow_symlinks=False)
        for directory, folders, files in os.walk(top):
            for name in [*folders, *files]:
                os.chown(os.path.join(directory, name), *owner, follow_symlinks=False)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
