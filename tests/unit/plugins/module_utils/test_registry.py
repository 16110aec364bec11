# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations as a bare host has them."""

from __future__ import annotations

import os
import subprocess
import sys

from ansible_collections.tradeops.botfleet.plugins.module_utils import _registry

BARE = """
import sys
for missing in ("ansible", "ruamel", "ruamel.yaml", "jmespath", "redis"):
    sys.modules[missing] = None
from {module} import OPERATIONS
print(*sorted(operation.__name__ for operation in OPERATIONS.values()))
"""


def test_operations_import_neither_ansible_nor_what_a_bare_host_lacks() -> None:
    """S4.2, S1.3, S1.4: flag file, stop and code need the standard library alone."""
    done = subprocess.run(
        [sys.executable, "-c", BARE.format(module=_registry.__name__)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == sorted(_registry.CLASSES.values())
