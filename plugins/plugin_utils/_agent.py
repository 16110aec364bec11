# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent: the operations as one file that lies ready on an armed host. PRIVATE to the collection.

``<state_dir>/agent/<digest>.pyz``  the agent, named by its SHA-256
``<state_dir>/venv``                the Python that runs it, with what operations import
"""

from __future__ import annotations

import hashlib
import io
import json
import posixpath
import secrets
import shlex
import zipfile
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

SOURCES = Path(__file__).resolve().parents[1] / "module_utils"
LEFT_OUT = {"_module.py"}  # it needs Ansible
LONG_AGO = (1980, 1, 1, 0, 0, 0)  # so that the same sources are the same archive
MAIN = "from botfleet._agent.twin import main\n\nmain()\n"

# On the host: takes only what its name proves and nobody else may have written, the compiled twin first
START = """import hashlib, os, sys
place, digest = sys.argv[1:]
def ours(path):
    status = os.lstat(path)
    return status.st_uid in (0, os.geteuid()) and not status.st_mode & 0o22
for name in sorted(os.listdir(place), key=len, reverse=True):
    parts = name.split(".")
    path = os.path.join(place, name)
    if parts[0] == digest and parts[1:-2] in ([], [sys.implementation.cache_tag]) and ours(place) and ours(path):
        with open(path, "rb") as file:
            if hashlib.sha256(file.read()).hexdigest() == parts[-2]:
                sys.path.insert(0, path)
                from botfleet._agent.run import main
                main()
                break
"""


class Agent(NamedTuple):
    """``digest``: SHA-256 of ``content``, in hexadecimal."""

    digest: str
    content: bytes


class Broken(Exception):
    """The agent began and did not end, as one sentence."""


@cache
def packed() -> Agent:
    """The agent of this version of the collection; the same sources give the same bytes anywhere."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_STORED) as archive:  # not deflated: what that gives depends on zlib
        _add(archive, "__main__.py", MAIN.encode())
        _add(archive, "botfleet/__init__.py", b"")
        for path in sorted(SOURCES.rglob("*.py")):
            if path.name not in LEFT_OUT:
                _add(archive, f"botfleet/{path.relative_to(SOURCES).as_posix()}", path.read_bytes())
    content = written.getvalue()
    return Agent(hashlib.sha256(content).hexdigest(), content)


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, LONG_AGO)
    entry.create_system = 3  # Unix, wherever it is packed
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, content)


class Exchange:
    """One transaction through the agent of a host, in one command."""

    def __init__(self, params: dict[str, Any], *, check_mode: bool) -> None:
        self._mark = secrets.token_hex(16)
        state_dir = str(params["state_dir"])
        python = posixpath.join(state_dir, "venv", "bin", "python")
        place = posixpath.join(state_dir, "agent")
        self.command = shlex.join([python, "-I", "-c", START, place, packed().digest])
        self.data = json.dumps({"mark": self._mark, "params": params, "check_mode": check_mode}).encode()

    def result(self, done: dict[str, Any]) -> dict[str, Any] | None:
        """What the transaction came to; None if nothing began: the host is not armed, or not with this version.

        Raises Broken when it began and brought no result.
        """
        _before, begun, rest = str(done["stdout"]).partition(f"begin {self._mark}")
        if not begun:
            return None
        answer, ended, _after = rest.partition(f"end {self._mark}")
        if not ended:
            last = (str(done["stderr"]).strip().splitlines() or ["it said nothing"])[-1]
            raise Broken(f"the agent ended before its transaction did, with code {done['rc']}: {last}")
        result: dict[str, Any] = json.loads(answer)
        return result
