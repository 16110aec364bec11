# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests to a bot's API: with its credentials, within a time, followed nowhere else. PRIVATE to the collection."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Collection, Mapping
from typing import Any

from .._health import web
from .._health.http import REDIRECTS, Answer, place, split
from .._health.observed import Failed, shown
from .._operation import Context, OperationError
from .interface import Absent, Refused, Unanswered

FIELDS = ("username", "password", "token")


class Api:
    """One API, and what it takes to be let in. ``credentials`` or ``credentials_env``, the names of variables."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = options
        given = _credentials(options)
        self._headers, self._secrets = _authorization(given), list(given.values())

    @property
    def known(self) -> bool:
        """Whether there are credentials."""
        return bool(self._headers)

    def ask(
        self,
        url: str,
        context: Context,
        *,
        method: str = "GET",
        body: Any = None,
        headers: Mapping[str, Any] | None = None,
        expected: Collection[int] = (200,),
    ) -> Answer:
        """One answer with an expected status; Unanswered without. A redirect is an answer, and not followed."""
        sent = {**self._headers, **(headers or {})}
        content = None
        if body is not None:
            content = (body if isinstance(body, str) else json.dumps(body)).encode()
            if not isinstance(body, str):
                sent = {"Content-Type": "application/json", **sent}
        options = {**self._options, "url": url, "headers": sent}
        try:
            answer = web.ask(options, context, method=method, body=content, final=REDIRECTS)
        except Failed as error:
            raise (Absent if _nobody_listens(error) else Unanswered)(f"{method} {error}") from error
        if answer.status not in expected:
            kind = Refused if 300 <= answer.status < 500 else Unanswered
            raise kind(f"{method} {place(url)} {self._refusal(answer, expected, headers)}")
        return answer

    def _refusal(self, answer: Answer, expected: Collection[int], headers: Mapping[str, Any] | None) -> str:
        said = shown(answer.text, [*self._secrets, *self._headers.values(), *(headers or {}).values()])
        wanted = " or ".join(map(str, sorted(expected)))
        why = f": {said}" if said else ""
        if answer.status in (401, 403):
            why = ", which refuses these credentials: mend them"
        if answer.status in REDIRECTS:
            why = ", a redirect, which is not followed: give the address itself"
        return f"answered {answer.status}, expected {wanted}{why}"


def check_url(option: str, url: str) -> None:
    """Raises OperationError, without the URL, unless it can be asked and holds no credentials."""
    if "@" in url.partition("://")[2].partition("/")[0]:
        raise OperationError(f"{option} holds credentials: give them in credentials or credentials_env")
    try:
        split(url)
    except OperationError as error:
        raise OperationError(f"{option}: {error}") from error


def _nobody_listens(error: BaseException | None) -> bool:
    while error is not None and not isinstance(error, ConnectionRefusedError):
        error = error.__cause__
    return error is not None


def _credentials(options: Mapping[str, Any]) -> dict[str, str]:
    names: Mapping[str, str] = options["credentials_env"] or {}
    given: Mapping[str, Any] = options["credentials"] or names
    unknown = sorted(set(given) - set(FIELDS))
    if unknown:
        raise OperationError(f"credentials have {', '.join(unknown)}: give username and password, or token")
    unset = sorted(name for name in names.values() if not os.environ.get(name))
    if unset:
        raise OperationError(f"credentials_env names {', '.join(unset)}, unset on this host: set it for the module")
    found = {field: os.environ[value] if names else str(value) for field, value in given.items()}
    if found and set(found) not in ({"username", "password"}, {"token"}):
        raise OperationError("credentials are not whole: give username and password, or token alone")
    return found


def _authorization(given: Mapping[str, str]) -> dict[str, str]:
    if "token" in given:
        return {"Authorization": f"Bearer {given['token']}"}
    if given:
        pair = f"{given['username']}:{given['password']}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    return {}
