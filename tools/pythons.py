# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the Pythons of this machine. Runs on Python 3.9 with its standard library alone."""

from __future__ import annotations

import glob
import os
import subprocess

PROBE = "import sqlite3, ssl, sys, venv; print('%d.%d' % sys.version_info[:2], sys.prefix == sys.base_prefix)"


def find_python(minor: str) -> str | None:
    """The path of a Python of a minor version ("3.13") on PATH or under pyenv, or None.

    Each is tried, because a shim may stand there for a Python that is not installed. Those of
    virtual environments do not count.
    """
    pyenv = os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
    places = os.environ.get("PATH", os.defpath).split(os.pathsep)
    places += sorted(glob.glob(os.path.join(pyenv, "versions", minor + ".*", "bin")), reverse=True)
    for place in places:
        path = os.path.join(place, "python" + minor)
        if os.access(path, os.X_OK):
            probe = [path, "-c", PROBE]
            tried = subprocess.run(probe, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
            if tried.stdout.split() == [minor, "True"]:
                return path
    return None
