# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the host itself: a file, a command, a port (S1.5, S4.6). PRIVATE to the collection."""

from __future__ import annotations

import os
import socket
from typing import Any

from .._command import Finished, run
from .._operation import Context, Skip
from .observed import Failed, shown

FILE: dict[str, Any] = {
    "type": "dict",
    "options": {
        "path": {"type": "path", "required": True},
        "state": {"type": "str", "default": "present", "choices": ["absent", "present"]},
    },
}
HOW: dict[str, Any] = {
    "chdir": {"type": "path"},
    "user": {"type": "str"},
    "timeout": {"type": "float", "default": 30.0},
}
COMMAND: dict[str, Any] = {
    "type": "dict",
    "options": {
        "argv": {"type": "list", "elements": "str", "required": True},
        "code": {"type": "int", "default": 0},
        **HOW,
    },
}
TCP: dict[str, Any] = {
    "type": "dict",
    "options": {
        "host": {"type": "str", "default": "127.0.0.1"},
        "port": {"type": "int", "required": True},
        "timeout": {"type": "float", "default": 5.0},
    },
}


def file(options: dict[str, Any], _context: Context) -> str:
    """Something is at a path, be it a dangling symlink, or nothing is."""
    path = options["path"]
    try:
        os.lstat(path)
        seen = "present"
    except (FileNotFoundError, NotADirectoryError):
        seen = "absent" if os.path.isdir(os.path.dirname(path)) else "absent, as is its directory"
    except OSError as error:
        raise Failed(f"{path} cannot be looked for ({error.strerror})") from error
    if not seen.startswith(options["state"]):
        raise Failed(f"{path} is {seen}, expected {options['state']}")
    return seen


def command(options: dict[str, Any], context: Context) -> str:
    """A command ends with an exit code."""
    finished = execute(options["argv"], options, context)
    said = shown(finished.last_lines(1))
    if finished.code != options["code"]:
        raise Failed(
            f"{options['argv'][0]} ended with code {finished.code}, expected {options['code']}"
            + (f": {said}" if said else "")
        )
    return f"code {finished.code}" + (f": {said}" if said else "")


def execute(argv: list[str], options: dict[str, Any], context: Context) -> Finished:
    """Run a command, but not in check mode: nobody knows what it changes."""
    if context.check_mode:
        raise Skip("not run in check mode, since a command may change something")
    timeout = max(0.1, context.remaining(options["timeout"]))
    return run(argv, timeout=timeout, cwd=options["chdir"], user=options["user"])


def tcp(options: dict[str, Any], context: Context) -> str:
    """A port accepts a connection."""
    host, port = options["host"], options["port"]
    try:
        with socket.create_connection((host, port), timeout=max(0.1, context.remaining(options["timeout"]))):
            return f"{host}:{port} accepts connections"
    except (OverflowError, UnicodeError) as error:
        raise Failed(f"{host}:{port} is no address: correct it") from error
    except OSError as error:
        raise Failed(f"{host}:{port} accepts no connection ({error.strerror or 'no answer in time'})") from error
