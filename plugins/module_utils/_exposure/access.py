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
from .._config.node import Key
from .._exchange.kept_credentials import KeptCredentials
from .._operation import OperationError

if TYPE_CHECKING:  # never run: Ansible packs what it sees imported
    from . import binanceusdm, bybit, okx  # noqa: F401  # named for Ansible

VENUES = {"binanceusdm": "BinanceUsdm", "bybit": "Bybit", "okx": "Okx"}
FIELDS = {"api_key": "apiKey", "api_secret": "secret", "api_passphrase": "password"}
"""Of credentials, as the collection and as ccxt names them."""
PLACEHOLDER = "{environment}"
KEY = "exchanges.{exchange}.{field}"

ACCOUNT: dict[str, Any] = {
    "exchange": {"type": "str", "required": True, "choices": list(VENUES)},
    "environment": {"type": "str", "required": True, "choices": ["production", "testnet", "demo"]},
    "credentials": {"type": "dict", "no_log": True},
    "credentials_env": {"type": "dict", "no_log": False},
    "credentials_path": {"type": "path"},
    "credentials_key": {"type": "str", "no_log": False},
    "replaced_path": {"type": "path"},
    "base_url": {"type": "str"},
    "markets": {"type": "list", "elements": "str", "default": []},
    "symbols": {"type": "list", "elements": "str", "default": []},
    "deadline": {"type": "float", "default": 60},
}
"""Options that say which account is meant and how it is opened, for each operation that reads one."""
ONE_PLACE: dict[str, Any] = {
    "required_one_of": [("credentials", "credentials_env", "credentials_path")],
    "mutually_exclusive": [("credentials", "credentials_env", "credentials_path")],
}
"""Constraints of the same."""


class NoCredentials(OperationError):
    """They are not where they should be."""


def venue_class(exchange: str) -> Any:
    """The Venue of an exchange; where ccxt is missing that is said in one sentence."""
    from .library import IS_THERE  # noqa: PLC0415  # it takes 0.3 s to import, which only those pay who need it

    if not IS_THERE:
        raise OperationError(
            "ccxt is not installed for this Python: install it there (from 4.5.80, which needs Python 3.10)"
        )
    return getattr(import_module(f"{__package__}.{exchange}"), VENUES[exchange])


def environment_of_testnet(exchange: str) -> str:
    """The one that a bot on testnet reaches, as its exchange has it: testnet, else demo."""
    _production, *without_money = venue_class(exchange).ENVIRONMENTS
    return str(without_money[0])


def has_all_environments(exchange: str, base_url: str | None) -> bool:
    """Whether each environment of an exchange can be asked, since the base URL does not lead to one of them alone."""
    return base_url is None or PLACEHOLDER in base_url or bool(venue_class(exchange).TOLD_BY_HEADER)


def fields_of(exchange: str) -> list[str]:
    """What credentials of an exchange consist of."""
    return [field for field in FIELDS if field != "api_passphrase" or exchange == "okx"]


def credentials(options: Mapping[str, Any]) -> dict[str, str]:
    """From the option, from the environment or from a file of the bot, by field; raises NoCredentials."""
    if options["credentials"]:
        given: Mapping[str, Any] = options["credentials"]
        of_this = given.get(options["exchange"])
        found, place = dict(of_this if isinstance(of_this, Mapping) else given), "credentials"
    elif options["credentials_env"]:
        names: Mapping[str, str] = options["credentials_env"]
        found = {field: os.environ[name] for field, name in names.items() if os.environ.get(name)}
        place = f"the environment ({', '.join(sorted(names.values()))})"
    else:
        place, keys = options["credentials_path"], _keys(options)
        found = _in_config(options, keys)
        absent = [dotted_key(key) for field, key in keys.items() if field not in found]
        if absent:
            raise NoCredentials(f"{place} has no text at {' and none at '.join(absent)}: mend credentials_key")
    exchange = options["exchange"]
    missing = [field for field in fields_of(exchange) if not found.get(field)]
    if missing:
        raise NoCredentials(f"{place} has no {' and no '.join(missing)} of {exchange}: give what it was issued with")
    return {field: str(found[field]) for field in fields_of(exchange)}


def replaced_credentials(options: Mapping[str, Any]) -> dict[str, str]:
    """Those of production that exchange_testnet last replaced in the file of the bot; empty where it did not.

    A field that it did not have to replace is the present one.
    """
    if not options["credentials_path"] or not options["replaced_path"]:
        return {}
    kept, keys = KeptCredentials(options["replaced_path"]), _keys(options)
    replaced = {field: kept.of_production(dotted_key(key)) for field, key in keys.items()}
    if not any(replaced.values()):
        return {}
    found = {**_in_config(options, keys), **{field: value for field, value in replaced.items() if value}}
    return found if all(found.get(field) for field in keys) else {}


def on_testnet(options: Mapping[str, Any]) -> bool | None:
    """The switch beside the credentials in the file of the bot, as exchange_testnet sets it; None: there is none."""
    path = options["credentials_path"]
    node = ConfigFile.read(path, _format(path)).find(_key(options, "testnet")) if path else None
    return None if node is None or node.truth is None else node.holds(True)


def open_client(exchange: str, environment: str, base_url: str | None, keys: Mapping[str, str]) -> Any:
    """A ccxt client of one environment, which has sent nothing yet."""
    from .library import ccxt  # noqa: PLC0415  # as above
    from .session import Punctual  # noqa: PLC0415  # as above

    kind = venue_class(exchange)
    client = getattr(ccxt, kind.ID)({FIELDS[field]: value for field, value in keys.items()})
    client.session = Punctual()
    client.session.trust_env = client.requests_trust_env
    client.enableRateLimit = True
    kind.point(client, environment, at(base_url or kind.ENVIRONMENTS[environment], environment))
    return client


def at(base_url: str, environment: str) -> str:
    """The base URL of one environment."""
    return base_url.replace(PLACEHOLDER, environment).rstrip("/")


def _format(path: str) -> str:
    found = format_of(path)
    if found is None:
        raise OperationError(f"the name of {path} does not tell its format: name a yaml, json or env file")
    return found


def _keys(options: Mapping[str, Any]) -> dict[str, Key]:
    """Where ``credentials_path`` holds each field."""
    return {field: _key(options, field) for field in fields_of(options["exchange"])}


def _key(options: Mapping[str, Any], field: str) -> Key:
    env = _format(options["credentials_path"]) == "env"
    filled = options["credentials_key"] or ("{EXCHANGE}_{FIELD}" if env else KEY)
    for name, value in (("exchange", options["exchange"]), ("field", field)):
        filled = filled.replace(f"{{{name}}}", value).replace(f"{{{name.upper()}}}", value.upper())
    return (filled,) if env else parse_key(filled)


def _in_config(options: Mapping[str, Any], keys: Mapping[str, Key]) -> dict[str, str]:
    """The fields that are text in ``credentials_path``."""
    path = options["credentials_path"]
    config = ConfigFile.read(path, _format(path))
    nodes = {field: config.find(key) for field, key in keys.items()}
    return {field: node.value for field, node in nodes.items() if node and isinstance(node.value, str)}
