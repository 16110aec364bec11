# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bot with two positions and an API on the port that is given. With stop, it closes them and ends."""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

STATE = Path("state.json")


class Api(BaseHTTPRequestHandler):
    """GET /status; POST /pause and POST /close."""

    def do_GET(self) -> None:
        self.reply(STATE.read_text())

    def do_POST(self) -> None:
        if self.headers["Authorization"] != "Bearer the-token":
            self.send_error(401)
            return
        changes: dict[str, dict[str, object]] = {"/pause": {"mode": "halted"}, "/close": {"positions": []}}
        change(changes[self.path])
        self.reply("{}")

    def reply(self, text: str) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text.encode())


def change(what: dict[str, object]) -> None:
    STATE.write_text(json.dumps({**json.loads(STATE.read_text()), **what}))


if sys.argv[1] == "stop":
    change({"positions": []})
else:
    HTTPServer(("127.0.0.1", int(sys.argv[1])), Api).serve_forever()
