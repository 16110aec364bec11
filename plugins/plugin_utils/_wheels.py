# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wheels on the controller that are what a requirements file pins. PRIVATE to the collection."""

from __future__ import annotations

import os
import re

from ..module_utils._files import sha256_of

PIN = re.compile(r"^(\S+)==(\S+) --hash=sha256:([0-9a-f]{64})$", re.MULTILINE)


def pinned_wheels(directory: str, requirements: str) -> dict[str, list[str]]:
    """``found``: the paths of the wheels; ``missing``: each that is not in the directory, as ``<name> <version>``."""
    path = os.path.abspath(os.path.expanduser(directory))
    files = [os.path.join(path, name) for name in sorted(os.listdir(path))] if os.path.isdir(path) else []
    wheels = {sha256_of(file): file for file in files if file.endswith(".whl")}
    pins = PIN.findall(requirements)
    return {
        "found": [wheels[digest] for _name, _version, digest in pins if digest in wheels],
        "missing": [f"{name} {version}" for name, version, digest in pins if digest not in wheels],
    }
