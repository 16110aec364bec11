# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bot's caches purged: files by pattern (S2.6, S2.7, S2.9), Redis keys by prefix (S2.7)."""

from __future__ import annotations

from typing import Any, ClassVar

from .._operation import Context, Operation, OperationError, Plan, State, absolute_path
from .._purge.files import Files
from .._purge.keys import FLUSH, Keys
from .._purge.place import refuse_spelling

REDIS: dict[str, Any] = {
    "host": {"type": "str", "default": "127.0.0.1"},
    "port": {"type": "int", "default": 6379},
    "unix_socket_path": {"type": "path"},
    "db": {"type": "int", "default": 0},
    "credentials": {"type": "dict", "no_log": True},
    "tls": {"type": "bool", "default": False},
    "ca_path": {"type": "path"},
    "certificate_path": {"type": "path"},
    "private_key_path": {"type": "path", "no_log": False},
    "validate_certs": {"type": "bool", "default": True},
    "timeout": {"type": "float", "default": 5.0},
    "prefix": {"type": "str"},
    "batch": {"type": "int", "default": 500},
    "dump": {"type": "bool", "default": True},
    "flush": {"type": "str", "choices": [FLUSH]},
    "flush_db": {"type": "int"},
}


class CachePurge(Operation):
    """Either the files of a directory or the keys of a Redis, never both in one: each has its own proof and undo."""

    OPTIONS: ClassVar[dict[str, Any]] = {
        "path": {"type": "path"},
        "patterns": {"type": "list", "elements": "str", "default": ["*"]},
        "recurse": {"type": "bool", "default": False},
        "hidden": {"type": "bool", "default": False},
        "redis": {
            "type": "dict",
            "options": REDIS,
            "required_one_of": [("prefix", "flush")],
            "required_if": [("flush", FLUSH, ("flush_db",))],
        },
        "trash": {"type": "path"},
        "trash_max_age": {"type": "int", "default": 604800},
    }
    CONSTRAINTS: ClassVar[dict[str, Any]] = {
        "required_one_of": [("path", "redis")],
        "mutually_exclusive": [("path", "redis")],
    }
    PROOF_IS_STATE = True

    def __init__(self, options: dict[str, Any], context: Context) -> None:
        for option in ("path", "trash"):
            if options[option] is not None:
                refuse_spelling(option, options[option])
        super().__init__(options, context)
        if options["trash_max_age"] < 0:
            raise OperationError(f"trash_max_age is {options['trash_max_age']}: give seconds, from 0 on")
        redis = options["redis"]
        for option, spec in REDIS.items() if redis else ():
            if spec["type"] == "path" and redis[option] is not None:
                redis[option] = absolute_path(f"{option} of redis", redis[option])
        self._purge: Files | Keys = Keys(options) if redis else Files(options)

    def observe(self) -> State:
        return self._purge.observe()

    def plan(self, before: State) -> Plan:
        return self._purge.plan(before)

    def apply(self, plan: Plan) -> State:
        return self._purge.apply(plan)

    def prove(self) -> State:
        return self._purge.prove()

    def undo(self, change: State) -> str:
        return self._purge.undo(change)
