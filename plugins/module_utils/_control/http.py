# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bot's own HTTP API, as a user describes it. PRIVATE to the collection."""

from __future__ import annotations

from typing import Any

from .._health.http import place
from .._operation import Context
from . import readout
from .api import Api, check_url
from .interface import EXIT, PAUSE, STOP, Interface, Reading

HEADERS = {"type": "dict", "no_log": True}
EXPECTED = {"type": "list", "elements": "int", "default": [200]}
REQUEST: dict[str, Any] = {
    "type": "dict",
    "options": {
        "url": {"type": "str", "required": True},
        "method": {"type": "str", "default": "POST", "choices": ["POST", "PUT", "PATCH", "DELETE"]},
        "body": {"type": "raw"},
        "headers": HEADERS,
        "expected": EXPECTED,
    },
}
STATUS: dict[str, Any] = {
    "type": "dict",
    "options": {
        "url": {"type": "str", "required": True},
        "headers": HEADERS,
        "expected": EXPECTED,
        **readout.EXPRESSIONS,
    },
}
REQUESTS: dict[str, Any] = {
    "type": "dict",
    "options": {PAUSE: REQUEST, EXIT: REQUEST, STOP: REQUEST, "status": STATUS},
}


class Http(Interface):
    """Each step is one request, sent once."""

    def __init__(self, options: dict[str, Any]) -> None:
        super().__init__(options)
        self._requests = options["requests"]
        described = {name: request for name, request in self._requests.items() if request is not None}
        for name, request in described.items():
            check_url(f"requests.{name}.url", request["url"])
        if "status" in described:
            readout.validate(described["status"])
        first = next(iter(described.values()), None)
        self.name = f"the bot at {place(first['url'])}" if first else "the bot"
        self._api = Api(options)

    def can(self, step: str) -> bool:
        return self._requests.get(step) is not None

    def where(self, step: str) -> str:
        return f"requests.{step}"

    def read(self, context: Context) -> Reading:
        status = self._requests["status"]
        if status is None:
            return Reading()
        answer = self._api.ask(status["url"], context, headers=status["headers"], expected=status["expected"])
        return readout.read(answer, status, place(status["url"]), status["headers"] or {})

    def send(self, step: str, context: Context) -> None:
        request = self._requests[step]
        self._api.ask(
            request["url"],
            context,
            method=request["method"],
            body=request["body"],
            headers=request["headers"],
            expected=request["expected"],
        )
