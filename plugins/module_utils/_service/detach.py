# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start a process that outlives this one. PRIVATE to the collection."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
from collections.abc import Mapping

from .._command import as_user
from .._files import NO_FOLLOW, write_atomic
from .._operation import OperationError

INHERITED = ("PATH", "LANG", "LC_ALL", "TZ", "HOME", "USER", "LOGNAME")


def start_detached(
    argv: list[str],
    *,
    cwd: str,
    user: str | None = None,
    environment: Mapping[str, str] | None = None,
    log: str | None = None,
    pidfile: str | None = None,
    stdin: int | None = None,
) -> int:
    """Start a command in a session of its own, as a child of none of ours; returns its pid.

    It reads from the descriptor ``stdin``, else from nothing. Output is appended to ``log`` (else lost). Log and
    pidfile are written with the rights of ``user``. Of this process's environment only INHERITED goes along: an
    operator's agent sockets and secrets are not the bot's.
    """
    identity = as_user(user)
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    env = {**inherited, **identity.pop("environment", {}), **(environment or {})}
    reader, writer = os.pipe()
    between = os.fork()
    if between == 0:
        answer = "it could not be started"
        try:
            if identity:
                os.setgroups(identity["extra_groups"])
                os.setgid(identity["group"])
                os.setuid(identity["user"])
            answer = str(_start(argv, cwd, env, log, pidfile, stdin))
        except OSError as error:
            answer = f"{error.filename or argv[0]}: {error.strerror}"
        except OperationError as error:
            answer = str(error)
        finally:
            os.write(writer, answer.encode())
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as handle:
        answer = handle.read()
    os.waitpid(between, 0)
    if not answer.isdigit():
        raise OperationError(f"{argv[0]} cannot be started in {cwd} ({answer}): check that it is there and may run")
    return int(answer)


def _start(
    argv: list[str], cwd: str, env: dict[str, str], log: str | None, pidfile: str | None, stdin: int | None
) -> int:
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | NO_FOLLOW
    output = os.open(log, flags, 0o640) if log else os.open(os.devnull, os.O_WRONLY)
    if log and not stat.S_ISREG(os.fstat(output).st_mode):
        raise OperationError(f"log {log} is not a regular file")
    process = subprocess.Popen(  # pylint: disable=ansible-bad-function  # no AnsibleModule here
        argv,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL if stdin is None else stdin,
        stdout=output,
        stderr=output,
        start_new_session=True,
    )
    try:
        if pidfile:
            write_atomic(pidfile, f"{process.pid}\n".encode())
    except BaseException:
        process.kill()
        raise
    return process.pid
