# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The virtual environment that ``arm`` makes on a host. PRIVATE to the collection."""

from __future__ import annotations

import os
import sys


def use_environment(state_dir: str) -> None:
    """Let imports find what is installed there for this Python; a host that is not armed has none."""
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    packages = os.path.join(state_dir, "venv", "lib", version, "site-packages")
    if packages not in sys.path and trusted(state_dir) and os.path.isdir(packages):
        sys.path.append(packages)


def trusted(path: str) -> bool:
    """Whether nobody but root and this user may write there."""
    try:
        status = os.stat(path)
    except OSError:
        return False
    return status.st_uid in (0, os.geteuid()) and not status.st_mode & 0o022
