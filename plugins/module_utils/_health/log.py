# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of log lines in a file or the journal: there, or not there (S0.8, S1.6, S4.6). PRIVATE to the collection."""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import Any, Callable

from .._command import run
from .._files import NO_FOLLOW
from .._operation import Context, OperationError
from .observed import Failed, shown

LOG: dict[str, Any] = {
    "type": "dict",
    "options": {
        "path": {"type": "path"},
        "unit": {"type": "str"},
        "present": {"type": "list", "elements": "str", "default": []},
        "absent": {"type": "list", "elements": "str", "default": []},
        "lines": {"type": "int"},
        "since": {"type": "str"},
    },
    "required_one_of": [["path", "unit"]],
    "mutually_exclusive": [["path", "unit"]],
}
USUAL_LINES = 50
JOURNAL_TIMEOUT = 30.0
FIRST_BLOCK, LARGEST_BLOCK = 1 << 20, 1 << 28
TIME = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,6})\d*)?\s?(Z|[+-]\d\d:?\d\d)?")
TIME_WITHIN = 64
"""A line's time is the first one in so many of its characters."""


def validate(options: dict[str, Any]) -> None:
    """Raises OperationError for what can never be looked for."""
    if not options["present"] and not options["absent"]:
        raise OperationError("neither present nor absent is given: say which lines to look for")
    for pattern in [*options["present"], *options["absent"]]:
        try:
            re.compile(pattern)
        except re.error as error:
            raise OperationError(f"{shown(pattern)!r} is no regular expression ({error}): correct it") from error
    if options["lines"] is not None and options["lines"] < 1:
        raise OperationError(f"lines is {options['lines']}: look at one line at least")
    _since(options["since"])


def log(options: dict[str, Any], context: Context) -> str:
    """Each expression of ``present`` is found in some line, and none of ``absent`` in any."""
    since = _since(options["since"])
    count = options["lines"] or (USUAL_LINES if since is None else None)
    where = options["path"] or f"the journal of {options['unit']}"
    lines = (
        _file_lines(where, count, since) if options["path"] else _journal_lines(options["unit"], count, since, context)
    )
    for pattern in options["absent"]:
        found = [line for line in lines if re.search(pattern, line)]
        if found:
            raise Failed(f"{where} has {len(found)} lines with {shown(pattern)!r}, the last: {shown(found[-1])}")
    for pattern in options["present"]:
        if not any(re.search(pattern, line) for line in lines):
            last = f", the last: {shown(lines[-1])}" if lines else ""
            raise Failed(f"{where} has no line with {shown(pattern)!r} among {len(lines)} looked at{last}")
    return f"{len(lines)} lines looked at"


def _since(text: str | None) -> datetime | None:
    """``300`` is s ago; a time needs its zone."""
    if text is None:
        return None
    if re.fullmatch(r"\d{1,9}(\.\d+)?", text):
        return datetime.now(timezone.utc) - timedelta(seconds=float(text))
    match = TIME.fullmatch(text)
    if match is not None and match[4] is not None:
        with suppress(ValueError):
            return _time(match)
    raise OperationError(f"since is {shown(text)!r}: write s ago, or a time with its zone as 2026-01-31T12:00:00Z")


def _time(match: re.Match[str]) -> datetime:
    """The time that was matched. Without a zone it is local time, as programs log it."""
    zone = (match[4] or "").replace("Z", "+00:00")
    if len(zone) == 5:
        zone = f"{zone[:3]}:{zone[3:]}"
    return datetime.fromisoformat(f"{match[1]}T{match[2]}.{(match[3] or '0').ljust(6, '0')}{zone}").astimezone()


def _line_time(line: str) -> datetime | None:
    match = TIME.search(line[:TIME_WITHIN])
    try:
        return _time(match) if match else None
    except ValueError:
        return None


def _file_lines(path: str, count: int | None, since: datetime | None) -> list[str]:
    def enough(lines: list[str]) -> bool:
        if since is None:
            return count is not None and len(lines) > count
        first = next(filter(None, map(_line_time, lines)), None)
        return first is not None and first < since

    lines = _tail(path, enough)
    return (lines if since is None else _newer(path, lines, since))[-(count or 0) :]


def _newer(path: str, lines: list[str], since: datetime) -> list[str]:
    """The lines from a time on; one without a time of its own belongs to the one before."""
    newer: list[str] = []
    latest = None
    for line in lines:
        latest = _line_time(line) or latest
        if latest is not None and latest >= since:
            newer.append(line)
    if lines and latest is None:
        raise Failed(
            f"{path} has no line with a time like 2026-01-31T12:00:00, so since cannot be looked up: use lines"
        )
    return newer


def _tail(path: str, enough: Callable[[list[str]], bool]) -> list[str]:
    """The last lines of a file, in a block that grows until there are enough or all."""
    descriptor = _open(path)
    with os.fdopen(descriptor, "rb") as handle:
        size = os.fstat(descriptor).st_size
        block = FIRST_BLOCK
        while True:
            start = max(0, size - block)
            handle.seek(start)
            lines = handle.read(size - start).decode("utf-8", "replace").splitlines()
            if start > 0:
                lines = lines[1:]  # the first one is cut
            if start == 0 or enough(lines):
                return lines
            if block >= LARGEST_BLOCK:
                raise Failed(f"{path} has more than 256 MiB to look at: name a later time or fewer lines")
            block *= 4


def _open(path: str) -> int:
    """A symlink is followed to a file in the same directory only, as in current.log -> bot-2026-01-31.log."""
    folder = os.path.realpath(os.path.dirname(path))
    real = os.path.realpath(path)
    if os.path.dirname(real) != folder:
        raise Failed(f"{path} is a symlink that leads out of its directory: name the file itself")
    try:
        descriptor = os.open(real, os.O_RDONLY | os.O_NONBLOCK | NO_FOLLOW)
    except FileNotFoundError as error:
        raise Failed(f"{path} is not there") from error
    except OSError as error:
        raise Failed(f"{path} cannot be read ({error.strerror})") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Failed(f"{path} is not a regular file")
    return descriptor


def _journal_lines(unit: str, count: int | None, since: datetime | None, context: Context) -> list[str]:
    lines = _journal(
        unit, [f"--lines={count or 'all'}", *([f"--since=@{since.timestamp():.6f}"] if since else [])], context
    )
    if not lines and not _journal(unit, ["--lines=1"], context):
        raise Failed(f"the journal has never heard of unit {unit}: correct its name")
    return lines


def _journal(unit: str, arguments: list[str], context: Context) -> list[str]:
    argv = ["journalctl", f"--unit={unit}", "--quiet", "--no-pager", "--output=short-iso", *arguments]
    finished = run(argv, timeout=max(0.1, context.remaining(JOURNAL_TIMEOUT)), output_limit=LARGEST_BLOCK)
    if finished.code != 0:
        raise Failed(f"the journal of {unit} cannot be read: {shown(finished.last_lines(1))}")
    return finished.out.splitlines()
