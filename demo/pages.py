# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the demo's processes say of themselves on loopback."""

from __future__ import annotations

import http.client
import json
from typing import Any


def read(port: int, path: str) -> dict[str, Any] | None:
    """A page in JSON, None if nothing that has one answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        page = json.loads(connection.getresponse().read())
        return page if isinstance(page, dict) else None
    except (OSError, ValueError, http.client.HTTPException):
        return None
    finally:
        connection.close()
