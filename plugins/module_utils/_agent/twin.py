# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compiles the agent for the Python of a host, which saves most of its start. PRIVATE to the collection.

The twin of ``<digest>.pyz`` is ``<digest>.<cache tag>.<its own digest>.pyz``, so it proves itself, too.
"""

from __future__ import annotations

import glob
import hashlib
import importlib.util
import io
import marshal
import os
import sys
import zipfile

from .._files import write_atomic


def main() -> None:
    """Write the twin of the archive that runs; prints its name if there was none."""
    archive = os.path.abspath(sys.argv[0])
    stem = f"{archive[: -len('.pyz')]}.{sys.implementation.cache_tag}"
    present = glob.glob(f"{glob.escape(stem)}.*.pyz")
    if any(_proves_itself(path) for path in present):
        return
    for path in present:
        os.unlink(path)
    content = compiled(archive)
    path = f"{stem}.{hashlib.sha256(content).hexdigest()}.pyz"
    write_atomic(path, content, mode=0o644)
    sys.stdout.write(f"{os.path.basename(path)}\n")


def compiled(archive: str) -> bytes:
    """The archive with each source replaced by its code for this Python."""
    written = io.BytesIO()
    with zipfile.ZipFile(archive) as sources, zipfile.ZipFile(written, "w") as twin:
        for name in sources.namelist():
            code = compile(sources.read(name), name, "exec", dont_inherit=True)
            header = importlib.util.MAGIC_NUMBER + b"\0" * 12  # flags, time and size of a source, which nobody compares
            twin.writestr(name + "c", header + marshal.dumps(code))
    return written.getvalue()


def _proves_itself(path: str) -> bool:
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest() == path.split(".")[-2]
