# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""This code for a process that outlives what it came in. PRIVATE to the collection."""

from __future__ import annotations

import os
import sys

from .._files import read_bytes, write_atomic

LAUNCH = (
    "import os, sys; sys.path.insert(0, os.path.abspath(sys.argv[1])); "
    "__import__(sys.argv[2], fromlist=['main']).main(*sys.argv[3:])"
)


def keep(directory: str, name: str, module: str) -> tuple[str, str]:
    """Copy the archive that this code is imported from: a module's is gone soon. Returns it and the module to run.

    Code that lies in a plain directory is used where it is.
    """
    package = str(__package__)
    archive = _archive()
    if archive is None:
        root = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
        return root, ".".join([*package.split(".")[-2:], module])
    write_atomic(os.path.join(directory, name), read_bytes(os.path.abspath(archive)) or b"", mode=0o600)
    return name, f"{package}.{module}"


def paths() -> list[str]:
    """Where this Python looks for modules, but for the archive: once it is gone, anybody might put one in its place."""
    return [entry for entry in sys.path if os.path.isabs(entry) and entry != _archive()]


def command(code: tuple[str, str], *arguments: str) -> list[str]:
    """What runs it in the directory that it is kept in, with this Python."""
    return [sys.executable, "-I", "-c", LAUNCH, *code, *arguments]


def _archive() -> str | None:
    archive: str | None = getattr(getattr(sys.modules[__name__].__spec__, "loader", None), "archive", None)
    return archive
