# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""QuestDB over HTTP: one statement at a time through /exec, and its health. PRIVATE to the collection."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from .._health.http import REDIRECTS, Answer, fetch, place, split
from .._operation import OperationError

OPTIONS: dict[str, Any] = {
    "url": {"type": "str", "default": "http://127.0.0.1:9000"},
    "health_url": {"type": "str"},
    "username": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "token": {"type": "str", "no_log": True},
    "timeout": {"type": "float", "default": 30.0},
}
"""How a server is reached, for every module that does."""

BODY_LIMIT = 64 << 20
"""Bytes of an answer, which lists tables and partitions, never rows."""

HEALTH_TIMEOUT = 5.0
"""Seconds that a server which is up may take to say so."""

LITERALS = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|--[^\n]*|/\*.*?\*/", re.DOTALL)


class QuestDBError(OperationError):
    """What the server answered to a statement that it refused."""


class Unreachable(OperationError):
    """Nobody answered, or only to say that these credentials are not enough."""


@dataclass(frozen=True)
class Access:
    """Where a server is, and what it takes to be let in. The password and the token are in no repr.

    url: scheme, host and port of its HTTP server
    health_url: what answers 200 once it is up; None: a query stands for it
    """

    url: str
    health_url: str | None = None
    username: str | None = None
    password: str | None = None
    token: str | None = None

    def __repr__(self) -> str:
        return f"Access({self.url!r}, {self.health_url!r})"

    @property
    def headers(self) -> dict[str, str]:
        """What a request carries."""
        if self.token:
            return {"Authorization": f"Bearer {self.token}"}
        if self.username:
            pair = f"{self.username}:{self.password}".encode()
            return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
        return {}


@dataclass(frozen=True)
class Rows:
    """What a query gave. columns: name and type; rows: values as JSON has them, times as ISO text."""

    columns: list[tuple[str, str]]
    rows: list[list[Any]]

    def dicts(self) -> list[dict[str, Any]]:
        """Each row by column."""
        names = [name for name, _type in self.columns]
        return [dict(zip(names, row)) for row in self.rows]


def access_from(options: dict[str, Any]) -> Access:
    """What the options say, validated."""
    url = _checked("url", options["url"])
    if split(url).path not in ("", "/") or split(url).query:
        raise OperationError(f"url is {url!r}: give scheme, host and port of QuestDB's HTTP server alone")
    health_url = options["health_url"] and _checked("health_url", options["health_url"])
    given = {name for name in ("username", "password", "token") if options[name]}
    if given not in (set(), {"username", "password"}, {"token"}):
        raise OperationError("credentials are not whole: give username and password, or token alone")
    return Access(url.rstrip("/"), health_url or None, options["username"], options["password"], options["token"])


class Client:
    """Asks one server. timeout: seconds for each answer, unless a query says otherwise."""

    def __init__(self, access: Access, *, timeout: float = 30.0) -> None:
        self.access = access
        self.timeout = timeout

    def query(self, sql: str, *, timeout: float | None = None) -> Rows:
        """The answer to one statement.

        The server would carry out the first of several and say nothing of the others, so several are refused.
        """
        if ";" in LITERALS.sub("", sql).rstrip().rstrip(";"):
            raise OperationError(f"only one statement at a time can be sent: split {shortened(sql)!r}")
        url = f"{self.access.url}/exec?{urlencode({'query': sql, 'nm': 'false'})}"
        answer = self._ask(url, timeout or self.timeout)
        if answer.status in (401, 403):
            raise self._refused(answer.status)
        return self._rows(answer, sql)

    def is_up(self) -> bool:
        """Whether its health says so, or a query if there is no address for that."""
        try:
            if self.access.health_url is None:
                self.query("select 1", timeout=HEALTH_TIMEOUT)
                return True
            return self._ask(self.access.health_url, HEALTH_TIMEOUT).status in (200, 401)
        except OperationError:
            return False

    def version(self) -> str:
        """Such as ``9.3.4``."""
        build = str(self.query("select build").rows[0][0])
        found = re.search(r"QuestDB ([0-9][\w.+-]*)", build)
        if not found:
            raise OperationError(
                f"{self.access.url} does not tell its version ({shortened(build)!r}): is it a QuestDB?"
            )
        return found[1]

    def _ask(self, url: str, timeout: float) -> Answer:
        try:
            return fetch(url, timeout=timeout, headers=self.access.headers, final=REDIRECTS, limit=BODY_LIMIT)
        except OperationError as error:
            raise Unreachable(f"QuestDB at {place(url)} {error}: start it, or correct the address") from error

    def _refused(self, status: int) -> Unreachable:
        if self.access.headers:
            what = "refuses these credentials: mend them"
        else:
            what = "wants credentials: give username and password, or token"
        return Unreachable(f"QuestDB at {self.access.url} answered {status} and {what}")

    def _rows(self, answer: Answer, sql: str) -> Rows:
        where = self.access.url
        if not answer.whole:
            raise OperationError(f"{where} gave more than {BODY_LIMIT >> 20} MiB to {shortened(sql)!r}: ask for less")
        try:
            said = json.loads(answer.body)
            if answer.status == 200 and "error" not in said:
                columns = [(str(column["name"]), str(column["type"])) for column in said.get("columns", [])]
                return Rows(columns, said.get("dataset", []))
            message = str(said["error"])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise Unreachable(
                f"{where} answered {answer.status}, and not as QuestDB does: correct url, or look at the server's log"
            ) from error
        raise QuestDBError(f"QuestDB refused {shortened(sql)!r}: {shortened(message, 300)}")


def shortened(text: str, most: int = 120) -> str:
    """A text for a message, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def name_of(table: str) -> str:
    """A table's name as an identifier of SQL."""
    return '"' + table.replace('"', '""') + '"'


def text_of(value: str) -> str:
    """A text as a literal of SQL."""
    return "'" + value.replace("'", "''") + "'"


def _checked(option: str, url: str) -> str:
    if "@" in url.partition("://")[2].partition("/")[0]:
        raise OperationError(f"{option} holds credentials: give them in username and password, or token")
    try:
        split(url)
    except OperationError as error:
        raise OperationError(f"{option}: {error}") from error
    return url
