# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands as argument lists, never a shell, each with a time limit. PRIVATE to the collection."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from typing import Dict, List, Optional

from ._operation import OperationError

OUTPUT_LIMIT = 64 * 1024


@dataclass(frozen=True)
class Finished:
    """A command that ended: exit code and the last 64 KiB of each output, decoded."""

    code: int
    out: str
    err: str

    def last_lines(self, count: int = 5) -> str:
        """The last lines of standard error, or of standard output when that is empty."""
        return "\n".join((self.err.strip() or self.out.strip()).splitlines()[-count:])


def run(
    argv: List[str],
    *,
    timeout: float,
    cwd: Optional[str] = None,
    user: Optional[str] = None,
    environment: Optional[Dict[str, str]] = None,
    stdin: Optional[bytes] = None,
) -> Finished:
    """Run a command to its end; raises OperationError when it cannot start or runs out of time.

    On a time-out the whole process group is killed. Output goes through files, so a daemon that the
    command leaves behind holds nothing open. ``user`` (name) drops root's rights; anyone else may
    name only themselves. ``environment`` is added to a copy of this process's own.
    """
    identity = as_user(user)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            process = subprocess.Popen(
                argv,
                cwd=cwd,
                env={**os.environ, **identity.pop("environment", {}), **(environment or {})},
                stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
                **identity,
            )
        except OSError as error:
            raise OperationError(f"{argv[0]} cannot be started ({error.strerror}): check that it is there and may run") from error
        try:
            process.communicate(stdin, timeout=timeout)
        except subprocess.TimeoutExpired as error:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise OperationError(f"{' '.join(argv)} did not end within {timeout:g} s and was killed") from error
        return Finished(process.returncode, _tail(out), _tail(err))


def as_user(user: Optional[str]) -> Dict[str, object]:
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


def _tail(handle: "tempfile._TemporaryFileWrapper[bytes]") -> str:
    size = handle.seek(0, os.SEEK_END)
    handle.seek(max(0, size - OUTPUT_LIMIT))
    return handle.read().decode("utf-8", "replace")
