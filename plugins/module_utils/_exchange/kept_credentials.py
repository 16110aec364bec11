# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file that keeps replaced production credentials until re-activation. PRIVATE to the collection."""

from __future__ import annotations

import json
import os
import time
from typing import Any

from .._files import open_directory, read_bytes, write_atomic
from .._operation import OperationError

ABOUT = "Credentials that were replaced by testnet credentials, oldest first. They are needed for re-activation."


class KeptCredentials:
    """A JSON file, mode 0600: ``replaced`` maps a key to a list of ``value``, ``testnet`` (the flag then), ``time``.

    Values are only ever added, so a later run never costs an earlier production credential. One that comes again, after
    another, is added again: the last one counts.
    """

    def __init__(self, path: str) -> None:
        """Read what is kept. Raises OperationError for a file that is something else."""
        self.path = path
        self._replaced: dict[str, list[dict[str, Any]]] = {}
        content = read_bytes(path)
        if content is None:
            return
        try:
            self._replaced = json.loads(content)["replaced"]
            for entries in self._replaced.values():
                for entry in entries:
                    entry["value"]
        except (ValueError, TypeError, KeyError, AttributeError):
            raise OperationError(f"{path} does not hold kept credentials: move it away, or name another") from None

    def add(self, key: str, value: str, testnet: bool) -> None:
        """Keep one value, unless it is the last one that was kept of its side of the switch."""
        entries = self._replaced.setdefault(key, [])
        if value not in [entry["value"] for entry in entries if entry.get("testnet") is testnet][-1:]:
            now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            entries.append({"value": value, "testnet": testnet, "time": now})

    def of_production(self, key: str) -> str | None:
        """The value that was replaced last while the switch was not on testnet."""
        values = [entry["value"] for entry in self._replaced.get(key, []) if entry.get("testnet") is False]
        return values[-1] if values else None

    def write(self, like: os.stat_result | None) -> None:
        """Write it durably, for the same owner as the config. A directory that is missing is made, mode 0700."""
        os.close(open_directory(os.path.dirname(self.path), create=True))
        content = json.dumps({"about": ABOUT, "replaced": self._replaced}, indent=2) + "\n"
        owner = (like.st_uid, like.st_gid) if like else None
        write_atomic(self.path, content.encode(), mode=0o600, owner=owner)
