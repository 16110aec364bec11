# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows of time over a column, in its own unit. PRIVATE to the collection."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from .._operation import OperationError

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
NANOSECONDS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
SPANS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
UNITS = [*NANOSECONDS, "iso"]
CENTURY = (946_684_800 * 10**9, 4_102_444_800 * 10**9)
"""From 2000 to 2100, in nanoseconds: as seconds, milliseconds, … these ranges do not overlap."""
LATEST = 2**63 - 1
"""In nanoseconds, the last time that SQLite has an integer for."""
DATE = "'[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*'"
Condition = tuple[str, list["int | float"]]


@dataclass(frozen=True)
class Window:
    """From ``since`` up to, and without, ``until``: nanoseconds since 1970, None for no end."""

    since: int
    until: int | None = None

    def __str__(self) -> str:
        return f"since {text_of(self.since)}" + (f" until {text_of(self.until)}" if self.until is not None else "")

    def condition(self, column: str, unit: str) -> Condition:
        """SQL that is true for rows in the window, and its parameters. ``column``: quoted and qualified.

        ISO text is compared as a time and not as text, where ``T`` is more than a space and the runbook's
        comparison (S2.6) would take a whole day; SQLite reads it to the millisecond, and without a zone as UTC.
        """
        place = column
        if unit == "iso":
            place = f"CAST(round((julianday({column}) - 2440587.5) * 86400000.0) AS INTEGER)"
        bounds = [(">=", self.since)] + ([("<", self.until)] if self.until is not None else [])
        terms = [readable(column, unit), *(f"{place} {sign} ?" for sign, _bound in bounds)]
        return f"({' AND '.join(terms)})", [in_unit(bound, unit) for _sign, bound in bounds]


def readable(column: str, unit: str) -> str:
    """SQL that is true where the column holds a time in the unit."""
    if unit == "iso":
        return f"(typeof({column}) = 'text' AND {column} GLOB {DATE} AND julianday({column}) IS NOT NULL)"
    return f"typeof({column}) IN ('integer', 'real')"


def plausible(column: str, unit: str) -> Condition:
    """SQL that is true where the column, read in the unit, is a time of this century."""
    return Window(*CENTURY).condition(column, unit)


def in_unit(nanoseconds: int, unit: str) -> int | float:
    """A time as the column has it; ISO text is compared in milliseconds."""
    divisor = NANOSECONDS["ms" if unit == "iso" else unit]
    return nanoseconds / divisor if nanoseconds % divisor else nanoseconds // divisor


def window_of(since: str | None, until: str | None, span: str | None, now: int) -> Window:
    """The window of the options. ``now``: nanoseconds since 1970, where ``span`` ends if there is no ``until``."""
    if span is not None and parse_span(span) > now:
        raise OperationError(f"window is {span!r}, which begins before 1970: set a span such as 1h, 90s, 15m or 2d")
    end = None if until is None else parse_time("until", until)
    start = parse_time("since", since) if since is not None else (now if end is None else end) - parse_span(span or "")
    if end is not None and start >= end:
        raise OperationError(f"since is {text_of(start)} and until {text_of(end)}: let the window begin before it ends")
    return Window(start, end)


def parse_time(option: str, value: str) -> int:
    """Nanoseconds since 1970 of an ISO time with a zone."""
    try:
        moment = datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", value.strip()))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise OperationError(f"{option} is {value!r}: set a time such as 2026-01-05T03:15:00Z, with its zone")
    nanoseconds = (moment - EPOCH) // timedelta(microseconds=1) * 1000
    if not 0 <= nanoseconds <= LATEST:
        raise OperationError(f"{option} is {value!r}: set a time from 1970 to 2261")
    return nanoseconds


def parse_span(value: str) -> int:
    """Nanoseconds of a span such as ``90s``, ``15m``, ``1h`` or ``2d``."""
    match = re.fullmatch(r"(\d{1,6})([smhd])", value, re.ASCII)
    if not match or not int(match[1]):
        raise OperationError(f"window is {value!r}: set a span such as 1h, 90s, 15m or 2d")
    return int(match[1]) * SPANS[match[2]] * 10**9


def text_of(nanoseconds: int) -> str:
    """``2026-01-05T03:15:00Z``, with a fraction if there is one."""
    seconds, rest = divmod(nanoseconds, 10**9)
    fraction = f".{rest:09d}".rstrip("0") if rest else ""
    return f"{EPOCH + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}{fraction}Z"


def stamp_of(nanoseconds: int) -> str:
    """``20260105T031500Z``, for the name of a file."""
    return f"{EPOCH + timedelta(seconds=nanoseconds // 10**9):%Y%m%dT%H%M%SZ}"
