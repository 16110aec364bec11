# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests and answers, as the venues of the emulator see them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl


@dataclass(frozen=True)
class Request:
    """One request.

    place: what the client's base URL names before the venue's own path, such as ``production``; empty: nothing
    path: from the venue's own root, such as ``/fapi/v1/order``
    query: as it was sent, without the question mark
    headers: by lower-case name
    """

    method: str
    place: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def target(self) -> str:
        return f"{self.path}?{self.query}" if self.query else self.path

    def parameters(self) -> dict[str, str]:
        """Of the query and of a form in the body."""
        body = self.body.decode() if "json" not in self.headers.get("content-type", "") else ""
        return dict(parse_qsl(self.query, keep_blank_values=True) + parse_qsl(body, keep_blank_values=True))

    def json(self) -> Any:
        """The body."""
        return json.loads(self.body or b"{}")


@dataclass(frozen=True)
class Answer:
    """What a venue says. trickles: seconds from each byte of it to the next."""

    content: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    trickles: float = 0.0

    def body(self) -> bytes:
        """As it is sent: text as it is, anything else as JSON."""
        return self.content.encode() if isinstance(self.content, str) else json.dumps(self.content).encode()
