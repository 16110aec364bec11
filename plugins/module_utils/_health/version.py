# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check of a bot's version, wherever it says it (S0.8, S1.6). PRIVATE to the collection."""

from __future__ import annotations

from typing import Any

from .._files import read_bytes
from .._operation import Context
from . import host, web
from .http import place
from .observed import Failed, shown

VERSION: dict[str, Any] = {
    "type": "dict",
    "options": {
        "equals": {"type": "str", "required": True},
        "url": {"type": "str"},
        "file": {"type": "path"},
        "command": {"type": "list", "elements": "str"},
        **web.REQUEST,
        **host.HOW,
        "timeout": {"type": "float", "default": 5.0},
    },
    "required_one_of": [["url", "file", "command"]],
    "mutually_exclusive": [["url", "file", "command"]],
    "required_by": {"query": ["url"], "headers": ["url"], "chdir": ["command"], "user": ["command"]},
}


def validate(options: dict[str, Any]) -> None:
    """Raises OperationError for a URL or an expression that can never work."""
    if options["url"] is not None:
        web.validate(options)


def version(options: dict[str, Any], context: Context) -> str:
    """What is there, without the white space around it, is the version that is expected."""
    found = _read(options, context)
    seen = shown(found, (options["headers"] or {}).values())
    if found != options["equals"]:
        raise Failed(f"version is {seen or 'empty'}, expected {shown(options['equals'])}")
    return seen


def _read(options: dict[str, Any], context: Context) -> str:
    if options["file"] is not None:
        content = read_bytes(options["file"])
        if content is None:
            raise Failed(f"{options['file']} is not there, so it says no version")
        return content.decode("utf-8", "replace").strip()
    if options["command"] is not None:
        finished = host.execute(options["command"], options, context)
        if finished.code != 0:
            said = shown(finished.last_lines(1))
            raise Failed(f"{options['command'][0]} ended with code {finished.code} and says no version: {said}")
        return finished.out.strip()
    answer = web.ask(options, context)
    where = place(options["url"])
    if answer.status != 200:
        raise Failed(f"{where} answered {answer.status} and says no version")
    if options["query"] is None:
        return answer.text.strip()
    value = web.look_up(answer, options, where)
    return value if isinstance(value, str) else shown(value)
