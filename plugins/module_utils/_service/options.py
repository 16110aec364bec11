# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What bot_service's options say about a bot. PRIVATE to the collection."""

from __future__ import annotations

import os
import pwd
import re
import signal
from typing import Any

from .._operation import OperationError
from .ownership import Criteria


def criteria(options: dict[str, Any]) -> Criteria:
    """What tells the bot's processes from others."""
    chdir = os.path.realpath(options["chdir"]) if options["chdir"] else None
    if chdir == "/":
        raise OperationError("chdir is the root directory, where every daemon works: name the bot's own directory")
    return Criteria(
        name=options["name"],
        uid=_uid(options["user"]),
        chdir=chdir,
        pidfile=options["pidfile"],
        command=tuple(options["command"] or ()),
        pattern=None if options["pattern"] is None else _pattern(options["pattern"]),
    )


def starting_user(options: dict[str, Any]) -> str | None:
    """Who runs the bot's commands: ``user``, else for root the owner of the bot's directory."""
    chdir, user = options["chdir"], options["user"]
    if user is None and os.geteuid() == 0 and chdir and os.path.isdir(chdir):
        return str(os.stat(chdir).st_uid)
    return None if user is None else str(user)


def signal_number(name: str) -> int:
    """The number of a signal, from its name with or without SIG."""
    upper = name.upper()
    try:
        return signal.Signals[upper if upper.startswith("SIG") else f"SIG{upper}"]
    except KeyError as error:
        raise OperationError(f"stop_signal {name!r} is not the name of a signal: write TERM, INT or QUIT") from error


def _uid(user: str | None) -> int | None:
    """The uid of a name or number. None given: one's own, or for root any, which is None."""
    if user is None:
        return os.geteuid() or None
    try:
        return int(user) if user.isdigit() else pwd.getpwnam(user).pw_uid
    except KeyError as error:
        raise OperationError(f"user {user!r} does not exist on this host: name one that does") from error


def _pattern(text: str) -> re.Pattern[str]:
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise OperationError(f'pattern "{text}" is not a regular expression ({error}): mend it') from error
    if pattern.match(""):
        raise OperationError(f'pattern "{text}" matches every process: make it match this bot alone')
    return pattern
