# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which QuestDB serves a database, or would, and whether it may serve a source. PRIVATE to the collection."""

from __future__ import annotations

import os
import re
import zipfile
import zlib

from .._operation import OperationError
from .rehearse import Boot

MANIFEST = "META-INF/MANIFEST.MF"
TITLE = re.compile(r"^Implementation-Title: QuestDB\s*$", re.MULTILINE)
VERSION = re.compile(r"^Implementation-Version: ([0-9][\w.+-]*)\s*$", re.MULTILINE)
LONGEST = 1 << 16
"""Bytes of a jar's manifest that are read."""


def version_of(boot: Boot | None) -> str | None:
    """The version of the jar that a server is started from, as the jar says; None if its command names none."""
    if boot is None:
        return None
    paths = [path for word in boot.command for path in re.split("[:=,]", word) if path.endswith(".jar")]
    found = {version for version in (_in_jar(os.path.join(boot.cwd, path)) for path in paths) if version}
    return found.pop() if len(found) == 1 else None


def check_version(path: str, wanted: str | None, version: str | None) -> None:
    """OperationError where a server of ``version`` is not one for what ``wanted`` has written at ``path``.

    None: that one is not known, which is no reason
    """
    if version and wanted and wanted.split(".")[0] != version.split(".")[0]:
        raise OperationError(
            f"{path} is of QuestDB {wanted}, and {version} runs here: a restore across major versions is not "
            "supported, run the version of the backup"
        )


def _in_jar(path: str) -> str | None:
    try:
        with zipfile.ZipFile(path) as jar, jar.open(MANIFEST) as manifest:
            text = manifest.read(LONGEST).decode("utf-8", "replace")
    except (OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError):
        return None
    version = VERSION.search(text) if TITLE.search(text) else None
    return version[1] if version else None
