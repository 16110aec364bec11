# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a bot that we know nothing of says of itself, by expressions that a user gives. PRIVATE to the collection."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .._health import web
from .._health.http import Answer
from .._health.observed import Failed, Hopeless, shown
from .._operation import OperationError
from .interface import Reading, Unanswered

EXPRESSIONS: dict[str, Any] = {name: {"type": "str"} for name in ("count", "paused", "stopped")}
"""JMESPath. Without any, the answer is the count itself, and no JMESPath is needed."""


def validate(described: Mapping[str, Any]) -> None:
    """Raises OperationError for an expression that can never work."""
    for name in EXPRESSIONS:
        if described[name] is not None:
            try:
                web.validate({"url": "http://localhost/", "query": described[name]})
            except OperationError as error:
                raise OperationError(f"status.{name}: {error}") from error


def read(answer: Answer, described: Mapping[str, Any], where: str, secrets: Mapping[str, Any]) -> Reading:
    """What the expressions find; Unanswered where it is not of the kind that they are for."""
    asked = {name: described[name] for name in EXPRESSIONS if described[name] is not None}
    if not asked:
        return Reading(count=_count(_number(answer.text), "the answer", where, answer.text, secrets))
    found = {name: _look_up(answer, query, where, secrets) for name, query in asked.items()}
    for name in ("paused", "stopped"):
        if name in found and not isinstance(found[name], bool):
            seen = shown(found[name], secrets.values())
            raise Unanswered(f"status.{name} finds {seen} at {where}, neither true nor false: mend it")
    count = found.get("count")
    if "count" in found:
        count = _count(count, "status.count", where, count, secrets)
    stopped = found.get("stopped")
    return Reading(True if stopped else found.get("paused"), count, stopped)


def _look_up(answer: Answer, query: str, where: str, secrets: Mapping[str, Any]) -> Any:
    try:
        return web.look_up(answer, {"query": query, "headers": secrets}, where)
    except Hopeless:
        raise
    except Failed as error:
        raise Unanswered(str(error)) from error


def _number(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _count(value: Any, what: str, where: str, seen: Any, secrets: Mapping[str, Any]) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        text = shown(seen, secrets.values()) or "nothing"
        raise Unanswered(f"{what} is {text} at {where}, which is no number of open positions: mend status")
    return value
