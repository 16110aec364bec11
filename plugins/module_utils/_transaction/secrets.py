# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets travel apart from the steps, which hold placeholders. PRIVATE to the collection."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from .._operation import OperationError

MASK = "********"
SHORTEST = 4  # masking shorter values would blot out ordinary text
SHORTEST_PART = 8  # lines of a key file, numbers


def placeholder(value: Any) -> str:
    """The name in ``{"secret": name}``, empty for anything else."""
    if isinstance(value, dict) and len(value) == 1 and isinstance(value.get("secret"), str):
        return str(value["secret"])
    return ""


def resolve(value: Any, secrets: dict[str, Any]) -> Any:
    """A copy in which placeholders are replaced; raises OperationError for an unknown name."""
    name = placeholder(value)
    if name:
        if name not in secrets:
            raise OperationError(
                f"secret {name!r} was not given to the transaction: add it to the secrets of the stage"
            )
        return secrets[name]
    if isinstance(value, dict):
        return {key: resolve(item, secrets) for key, item in value.items()}
    if isinstance(value, list):
        return [resolve(item, secrets) for item in value]
    return value


def mask(value: Any, secrets: dict[str, Any]) -> Any:
    """A copy in which no string contains a secret: as it is, as it stands in quotes, or a line of it."""
    hidden = sorted(set(_strings(secrets)), key=len, reverse=True)
    return _masked(value, hidden) if hidden else value


def _masked(value: Any, hidden: Any) -> Any:
    if isinstance(value, str):
        for secret in hidden:
            value = value.replace(secret, MASK)
        return value
    if isinstance(value, dict):
        return {_masked(key, hidden): _masked(item, hidden) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_masked(item, hidden) for item in value]
    return value


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield from (form for form in (value, repr(value)[1:-1], json.dumps(value)[1:-1]) if len(form) >= SHORTEST)
        yield from (line for line in value.splitlines() if len(line) >= SHORTEST_PART)
    elif isinstance(value, int) and len(str(value)) >= SHORTEST_PART:
        yield str(value)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
