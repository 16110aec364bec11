# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Python that is too old, for machines that have none."""

from __future__ import annotations

import sys
from pathlib import Path

VERSION = "3.6.15"


def make_old_python(directory: Path) -> str:
    """The path of this Python under a name of its own: it takes itself for VERSION, and so does what it runs."""
    numbers = tuple(map(int, VERSION.split(".")))
    (directory / "sitecustomize.py").write_text(
        f"import sys\nsys.version, sys.version_info = '{VERSION} (default)', {(*numbers, 'final', 0)}\n"
    )
    python = directory / "old-python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={directory} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return str(python)
