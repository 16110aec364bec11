# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands as argument lists, never a shell, each with a time limit. PRIVATE to the collection."""

from __future__ import annotations

import ctypes
import os
import pwd
import select
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any

from ._operation import OperationError

OUTPUT_LIMIT = 64 * 1024
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Finished:
    """A command that ended: exit code and the last ``output_limit`` bytes of each output, decoded."""

    code: int
    out: str
    err: str

    def last_lines(self, count: int = 5) -> str:
        """The last lines of standard error, or of standard output when that is empty."""
        return "\n".join((self.err.strip() or self.out.strip()).splitlines()[-count:])


class TimedOut(OperationError):
    """A command was killed at its time limit. ``finished`` holds what it had written until then."""

    def __init__(self, message: str, finished: Finished) -> None:
        super().__init__(message)
        self.finished = finished


def run(
    argv: list[str],
    *,
    timeout: float,
    cwd: str | None = None,
    user: str | None = None,
    environment: Mapping[str, str | None] | None = None,
    stdin: bytes | None = None,
    output_limit: int = OUTPUT_LIMIT,
    die_with_caller: bool = False,
) -> Finished:
    """Run a command to its end; raises OperationError when it cannot start, TimedOut when it runs out of time.

    On a time-out, or when this process is interrupted, the whole process group is killed. Output goes through
    files, so a daemon that the command leaves behind holds nothing open. ``user`` (name or uid) drops root's
    rights; anyone else may name only themselves. ``environment`` is added to a copy of this process's own; a
    variable that is None there is removed. ``die_with_caller``: the kernel kills it when this process is killed;
    what it has left running by then lives on.
    """
    identity = as_user(user)
    merged = {**os.environ, **identity.pop("environment", {}), **(environment or {})}
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(stdin or b"")
        given.seek(0)
        try:
            process = subprocess.Popen(  # pylint: disable=ansible-bad-function  # no AnsibleModule here
                argv,
                cwd=cwd,
                env={name: value for name, value in merged.items() if value is not None},
                stdin=given if stdin else subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
                preexec_fn=_die_with_parent if die_with_caller else None,  # noqa: PLW1509  # no threads here
                **identity,
            )
        except OSError as error:
            raise OperationError(
                f"{argv[0]} cannot be started ({error.strerror}): check that it is there and may run"
            ) from error
        try:
            _wait(process, timeout)
        except BaseException as error:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            finished = Finished(process.returncode, _tail(out, output_limit), _tail(err, output_limit))
            raise TimedOut(f"{' '.join(argv)} did not end within {timeout:g} s and was killed", finished) from error
        return Finished(process.returncode, _tail(out, output_limit), _tail(err, output_limit))


def _wait(process: subprocess.Popen[bytes], timeout: float) -> None:
    """Until it ends, and no longer: ``Popen.wait`` with a time limit asks at growing intervals of up to 50 ms."""
    try:
        watched = os.pidfd_open(process.pid)
    except (AttributeError, OSError):  # a Python or a kernel (before 5.3) without
        process.wait(timeout)
        return
    try:
        ended = select.poll()
        ended.register(watched, select.POLLIN)
        ended.poll(timeout * 1000)
    finally:
        os.close(watched)
    process.wait(0)


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def as_user(user: str | None) -> dict[str, Any]:
    """Arguments for subprocess.Popen, and ``environment``, that run a command as a user."""
    if user is None:
        return {}
    try:
        entry = pwd.getpwuid(int(user)) if user.isdigit() else pwd.getpwnam(user)
    except KeyError as error:
        raise OperationError(f"user {user!r} does not exist on this host: name one that does") from error
    if entry.pw_uid == os.geteuid():
        return {}
    if os.geteuid() != 0:
        raise OperationError(f"running as user {user!r} takes root: set become, or leave the user out")
    return {
        "user": entry.pw_uid,
        "group": entry.pw_gid,
        "extra_groups": os.getgrouplist(entry.pw_name, entry.pw_gid),
        "environment": {"HOME": entry.pw_dir, "USER": entry.pw_name, "LOGNAME": entry.pw_name},
    }


def _tail(handle: IO[bytes], limit: int) -> str:
    size = handle.seek(0, os.SEEK_END)
    handle.seek(max(0, size - limit))
    return handle.read().decode("utf-8", "replace")
