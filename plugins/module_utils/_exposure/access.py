# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens an account: credentials, environment, and proof that they belong together. PRIVATE to the collection."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .._config.file import ConfigFile, dotted_key, format_of, parse_key
from .._operation import OperationError

if TYPE_CHECKING:  # never run: Ansible packs what it sees imported
    from . import binanceusdm, bybit, okx  # noqa: F401  # named for Ansible

VENUES = {"binanceusdm": "BinanceUsdm", "bybit": "Bybit", "okx": "Okx"}
FIELDS = {"api_key": "apiKey", "api_secret": "secret", "api_passphrase": "password"}
"""Of credentials, as the collection and as ccxt names them."""
PLACEHOLDER = "{environment}"
KEY = "exchanges.{exchange}.{field}"


def venue_class(exchange: str) -> Any:
    """The Venue of an exchange; where ccxt is missing that is said in one sentence."""
    from .library import IS_THERE  # noqa: PLC0415  # it takes 0.3 s to import, which only those pay who need it

    if not IS_THERE:
        raise OperationError(
            "ccxt is not installed for this Python: install it there (from 4.5.80, which needs Python 3.10)"
        )
    return getattr(import_module(f"{__package__}.{exchange}"), VENUES[exchange])


def credentials(options: Mapping[str, Any]) -> dict[str, str]:
    """From the option, from the environment or from a file of the bot, by field; what is missing is an error."""
    exchange = options["exchange"]
    wanted = [field for field in FIELDS if field != "api_passphrase" or exchange == "okx"]
    if options["credentials"]:
        found, place = dict(options["credentials"]), "credentials"
    elif options["credentials_env"]:
        names: Mapping[str, str] = options["credentials_env"]
        found = {field: os.environ[name] for field, name in names.items() if os.environ.get(name)}
        place = f"the environment ({', '.join(sorted(names.values()))})"
    else:
        found, place = _from_file(options, wanted), options["credentials_path"]
    missing = [field for field in wanted if not found.get(field)]
    if missing:
        raise OperationError(f"{place} has no {' and no '.join(missing)} of {exchange}: give what it was issued with")
    return {field: str(found[field]) for field in wanted}


def open_client(exchange: str, environment: str, base_url: str | None, keys: Mapping[str, str]) -> Any:
    """A ccxt client of one environment, which has sent nothing yet."""
    from .library import ccxt  # noqa: PLC0415  # as above

    kind = venue_class(exchange)
    client = getattr(ccxt, kind.ID)({FIELDS[field]: value for field, value in keys.items()})
    client.enableRateLimit = True
    kind.point(client, environment, at(base_url or kind.ENVIRONMENTS[environment], environment))
    return client


def at(base_url: str, environment: str) -> str:
    """The base URL of one environment."""
    return base_url.replace(PLACEHOLDER, environment).rstrip("/")


def _from_file(options: Mapping[str, Any], wanted: list[str]) -> dict[str, str]:
    path = options["credentials_path"]
    format_name = format_of(path)
    if format_name is None:
        raise OperationError(f"the name of {path} does not tell its format: name a yaml, json or env file")
    config = ConfigFile.read(path, format_name)
    template = options["credentials_key"] or ("{EXCHANGE}_{FIELD}" if format_name == "env" else KEY)
    found = {}
    for field in wanted:
        filled = template
        for name, value in (("exchange", options["exchange"]), ("field", field)):
            filled = filled.replace(f"{{{name}}}", value).replace(f"{{{name.upper()}}}", value.upper())
        key = (filled,) if format_name == "env" else parse_key(filled)
        node = config.find(key)
        if node is None or not isinstance(node.value, str):
            raise OperationError(f"{path} has no text at {dotted_key(key)}: mend credentials_key")
        found[field] = node.value
    return found
