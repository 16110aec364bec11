# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a config holds the testnet switch and the credentials of each exchange. PRIVATE to the collection."""

from __future__ import annotations

import re
from typing import Any

from .._config.file import ConfigFile, dotted_key, parse_key
from .._config.node import Key
from .._operation import OperationError


class ExchangeKeys:
    """Key templates filled in. In env files a name is one key, and exchange and field are written in it in capitals.

    switch, credential: templates with ``{exchange}`` and ``{field}``, or ``{EXCHANGE}`` and ``{FIELD}``
    """

    def __init__(self, format_name: str, options: dict[str, Any]) -> None:
        self._env = format_name == "env"
        if self._env:
            self._option = "env_name"
            self._switch: Key = (options["env_name"],)
            self._credential: Key = (options["env_credentials_name"],)
        else:
            self._option = "key"
            self._switch = parse_key(options["key"])
            self._credential = parse_key(options["credentials_key"])

    def switch(self, exchange: str) -> Key:
        """The key of an exchange's testnet switch."""
        return self._filled(self._switch, exchange=exchange)

    def credential(self, exchange: str, field: str) -> Key:
        """The key of one credential."""
        return self._filled(self._credential, exchange=exchange, field=field)

    def exchanges_in(self, config: ConfigFile) -> list[str]:
        """The exchanges that a config names, in its order. None is an error.

        One that lacks its switch counts: it is not on testnet, and must not be passed over.
        """
        found: list[str] = []
        for depth, part in enumerate(self._switch):
            pattern = re.escape(part).replace(r"\{exchange\}", "(.+)").replace(r"\{EXCHANGE\}", "(.+)")
            if pattern == re.escape(part):
                continue
            parent = config.find(self._switch[:depth])
            for name, node in ((parent.children or {}) if parent else {}).items():
                match = re.fullmatch(pattern, name)
                if match and (node.children is not None or depth == len(self._switch) - 1):
                    found.append(match.group(1).lower() if self._env else match.group(1))
            break
        if not found:
            raise OperationError(
                f"{config.path} names no exchange at {dotted_key(self._switch)}: "
                f"mend {self._option}, or name them in exchanges"
            )
        return found

    def _filled(self, template: Key, **values: str) -> Key:
        if self._env:
            values = {name: re.sub(r"\W", "_", value).upper() for name, value in values.items()}
        return tuple(_fill(part, values) for part in template)


def _fill(part: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        part = part.replace(f"{{{name}}}", value).replace(f"{{{name.upper()}}}", value.upper())
    return part
