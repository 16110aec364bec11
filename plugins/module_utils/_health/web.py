# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of what is said over HTTP: status, body, a value in it (S0.8, S1.6, S4.6). PRIVATE to the collection."""

from __future__ import annotations

import json
from typing import Any

from .._operation import Context, OperationError
from .http import Answer, Tls, fetch, place, split
from .observed import BOUNDS, Failed, Hopeless, shown, unmet

REQUEST: dict[str, Any] = {
    "headers": {"type": "dict", "no_log": True},
    "query": {"type": "str"},
    "timeout": {"type": "float", "default": 5.0},
    "validate_certs": {"type": "bool", "default": True},
    "ca_path": {"type": "path"},
}
HTTP: dict[str, Any] = {
    "type": "dict",
    "options": {
        "url": {"type": "str", "required": True},
        "method": {"type": "str", "default": "GET", "choices": ["GET", "HEAD"]},
        "status": {"type": "list", "elements": "int", "default": [200]},
        "contains": {"type": "str"},
        **REQUEST,
        **BOUNDS,
    },
    "required_by": {name: ["query"] for name in BOUNDS},
}


def validate(options: dict[str, Any]) -> None:
    """Raises OperationError for a URL or an expression that can never work."""
    split(options["url"])
    if options["query"] is not None:
        try:
            jmespath = _jmespath()
        except Hopeless:
            return  # this check fails, the others run
        try:
            jmespath.compile(options["query"])
        except jmespath.exceptions.JMESPathError as error:
            raise OperationError(f"query is no JMESPath expression ({shown(str(error))}): correct it") from error


def http(options: dict[str, Any], context: Context) -> str:
    """Ask, and compare status, body and the value of an expression."""
    where = place(options["url"])
    answer = ask(options, context, method=options["method"], final=options["status"])
    secrets = (options["headers"] or {}).values()
    body = shown(answer.text, secrets)
    if answer.status not in options["status"]:
        wanted = " or ".join(map(str, options["status"]))
        raise Failed(f"{where} answered {answer.status}, expected {wanted}" + (f": {body}" if body else ""))
    if options["contains"] is not None and options["contains"] not in answer.text:
        raise Failed(f"{where} does not contain {shown(options['contains'])!r}: {body}")
    if options["query"] is None:
        return f"{answer.status}"
    value = look_up(answer, options, where)
    seen = f"{options['query']} is {shown(value, secrets)}"
    missed = unmet(value, options)
    if missed:
        raise Failed(f"{seen} at {where}, expected {' and '.join(missed)}")
    return f"{answer.status}, {seen}"


def ask(options: dict[str, Any], context: Context, **request: Any) -> Answer:
    """The answer to a request; Failed without one."""
    tls = Tls(options["validate_certs"], options["ca_path"])
    timeout = max(0.1, context.remaining(options["timeout"]))
    try:
        return fetch(options["url"], timeout=timeout, headers=options["headers"], tls=tls, **request)
    except OperationError as error:
        raise Failed(f"{place(options['url'])} {error}") from error


def look_up(answer: Answer, options: dict[str, Any], where: str) -> Any:
    """The value of ``query`` in a JSON body."""
    jmespath = _jmespath()
    try:
        body = json.loads(answer.body)
    except (ValueError, RecursionError) as error:
        problem = "is longer than 1 MiB" if not answer.whole else "is no JSON"
        seen = shown(answer.text, (options["headers"] or {}).values())
        raise Failed(f"the answer of {where} {problem}: {seen or 'it is empty'}") from error
    try:
        return jmespath.search(options["query"], body)
    except jmespath.exceptions.JMESPathError as error:
        raise Failed(f"query cannot be asked of the answer of {where}: {shown(str(error))}") from error


def _jmespath() -> Any:
    try:
        import jmespath  # noqa: PLC0415  # a host without it can still do the other checks  # only checks with a query need it
        import jmespath.exceptions  # noqa: PLC0415  # a host without it can still do the other checks
    except ImportError as error:
        raise Hopeless("query needs the Python package jmespath on this host: install it there") from error
    return jmespath
