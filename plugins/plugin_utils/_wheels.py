# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wheels on the controller that are what a requirements file pins. PRIVATE to the collection."""

from __future__ import annotations

import os
import re

from ..module_utils._files import sha256_of

PIN = re.compile(r"^(\S+)==(\S+)((?:(?: \\\n)? +--hash=sha256:[0-9a-f]{64})+)$", re.MULTILINE)
DIGEST = re.compile(r"[0-9a-f]{64}")


def pinned_wheels(directory: str, requirements: str) -> dict[str, list[str]]:
    """``found``: the paths of the wheels; ``missing``: each that is not in the directory, as ``<name> <version>``.

    Of a package that is pinned with several hashes, one wheel is enough: the directory is for one Python.
    """
    path = os.path.abspath(os.path.expanduser(directory))
    files = [os.path.join(path, name) for name in sorted(os.listdir(path))] if os.path.isdir(path) else []
    wheels = {sha256_of(file): file for file in files if file.endswith(".whl")}
    pins = {f"{name} {version}": DIGEST.findall(hashes) for name, version, hashes in PIN.findall(requirements)}
    return {
        "found": [wheels[digest] for digests in pins.values() for digest in digests if digest in wheels],
        "missing": [name for name, digests in pins.items() if wheels.keys().isdisjoint(digests)],
    }
