# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy of a database booted beside the live server, on loopback, with nothing but HTTP. PRIVATE to the collection."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

from .. import _process
from .._command import PR_SET_PDEATHSIG, as_user
from .._files import NO_FOLLOW, opened_directory
from .._operation import OperationError
from .._process import Process
from .._service.detach import INHERITED
from .client import Access, Client, Unreachable
from .instance import TRIGGER, Instance
from .safety import make_directory, remove_directory

OFF = ("HTTP_MIN", "PG", "LINE_TCP", "LINE_UDP", "LINE_HTTP", "TELEMETRY", "METRICS")
"""What the copy does not need to be asked. Whoever writes could reach none of it."""

STOP_TIME = 60.0
"""Seconds that it gets to end."""

END_TIME = 2.0
"""Seconds for which one that does not answer any more may be about to end."""

LOG_LINES, LOG_SIZE = 5, 1 << 16


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


def boot_from(process: Process) -> Boot:
    """How a server was started, as its process shows it."""
    variables: dict[str, str] = {}
    with suppress(OSError), open(f"/proc/{process.pid}/environ", "rb") as handle:
        words = handle.read().decode("utf-8", "replace").split("\0")
        variables = dict(word.split("=", 1) for word in words if word.startswith("QDB_") and "=" in word)
    return Boot(list(process.command), process.cwd or "/", variables)


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
    log = _prepared(instance, place, restore)
    try:
        port = _free_port()
        process = _start(boot, place, os.path.basename(db) if restore else db, port, owner, log)
        try:
            client = Client(replace(access, url=f"http://127.0.0.1:{port}", health_url=None))
            _wait(client, process, log, timeout)
            with _named_if_it_ends(process, log):
                yield client
        finally:
            _end(process)
    finally:
        os.close(log)
        if not restore:
            remove_directory(place)


@contextmanager
def _named_if_it_ends(process: subprocess.Popen[bytes], log: int) -> Iterator[None]:
    """Of a server that ended, its code and its log are said, and not that an address does not answer."""
    try:
        yield
    except Unreachable:
        with suppress(subprocess.TimeoutExpired):
            process.wait(END_TIME)  # its connections end before it does
        _refuse_ended(process, log, " while it was read, as over damaged files")
        raise
    _refuse_ended(process, log)


def _prepared(instance: Instance, place: str, restore: bool) -> int:
    """Put what a server needs into a directory of its user, who reads no more by that; its log, open."""
    new = os.O_CREAT | os.O_EXCL | NO_FOLLOW
    conf = os.path.join(instance.root, "conf")
    with opened_directory(place) as directory:
        if os.path.isdir(conf):
            os.symlink(conf, "conf", dir_fd=directory)
        if restore:
            os.close(os.open(TRIGGER, os.O_WRONLY | new, 0o600, dir_fd=directory))
            if os.geteuid() == 0:
                os.chown(TRIGGER, *instance.owner(), dir_fd=directory, follow_symlinks=False)
        return os.open("log", os.O_RDWR | os.O_APPEND | new, 0o600, dir_fd=directory)


def _start(boot: Boot, place: str, db: str, port: int, owner: tuple[int, int], log: int) -> subprocess.Popen[bytes]:
    identity = as_user(str(owner[0])) if os.geteuid() == 0 and owner[0] != 0 else {}
    env = {
        **{name: os.environ[name] for name in INHERITED if name in os.environ},
        **identity.pop("environment", {}),
        **boot.variables,
        **{f"QDB_{name}_ENABLED": "false" for name in OFF},
        "QDB_CAIRO_ROOT": db,
        "QDB_HTTP_BIND_TO": f"127.0.0.1:{port}",
        "QDB_HTTP_NET_BIND_TO": f"127.0.0.1:{port}",
    }
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


def _wait(client: Client, process: subprocess.Popen[bytes], log: int, timeout: float) -> None:
    limit = time.monotonic() + timeout
    while not client.is_up():
        _refuse_ended(process, log)
        if time.monotonic() > limit:
            raise OperationError(f"the copy's server did not answer within {timeout:g} s: raise start_timeout")
        time.sleep(0.05)


def _refuse_ended(process: subprocess.Popen[bytes], log: int, when: str = "") -> None:
    if process.poll() is not None:
        raise OperationError(f"the copy's server ended with code {process.returncode}{when}: {_end_of(log)}")


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_TIME)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _end_of(log: int) -> str:
    text = os.pread(log, LOG_SIZE, max(0, os.fstat(log).st_size - LOG_SIZE)).decode("utf-8", "replace")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith(("\t", " "))]
    return _process.mask(" | ".join(lines[-LOG_LINES:]))[-1000:] or "its log is empty"


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
