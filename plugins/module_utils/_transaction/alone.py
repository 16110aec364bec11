# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a detached transaction runs in: a process that belongs to no connection. PRIVATE to the collection.

It starts in the directory of its rollback, and gets its request, which may hold secrets, on standard input.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from typing import Any

from .detached import READY, forget_code, sign
from .perform import carried_out


def main() -> None:
    """Take the request, say so, carry it out, and leave the result in the directory."""
    asked = json.loads(sys.stdin.buffer.read())
    directory, name = os.getcwd(), asked["name"]
    sys.path += [entry for entry in asked["path"] if entry not in sys.path]
    os.environ.clear()
    os.environ.update(asked["environment"])
    with suppress(OSError):
        os.chdir(asked["cwd"])
    sign(directory, name)
    os.write(0, READY)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    sign(directory, name, _result(asked["params"]))
    forget_code(directory, name)


def _result(params: dict[str, Any]) -> dict[str, Any]:
    try:
        return carried_out(params, check_mode=False)
    except Exception as error:  # noqa: BLE001  # nobody sees it here, and whoever follows must hear of it
        return {"changed": False, "failed": True, "msg": f"unexpected {type(error).__name__}: {error}"}
