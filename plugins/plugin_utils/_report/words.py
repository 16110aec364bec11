# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures, times and untrusted text as a page shows them. PRIVATE to the collection."""

from __future__ import annotations

import re
from typing import Any

from markupsafe import Markup

NOT_REACHED = "not reached"
UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters, which XML forbids
    "\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060-\u2069\ufeff"  # what reorders or hides its neighbours
    "\ud800-\udfff\ufffe\uffff]"  # what is no character
)


def shown(value: Any) -> str:
    """Untrusted text, with what cannot be seen made visible. The template escapes it after that."""
    if isinstance(value, Markup):
        return value
    return UNSEEN.sub(lambda found: f"<U+{ord(found[0]):04X}>", "not known" if value is None else str(value))


def figure(value: float | None) -> str:
    """Seconds as people say them; never 0 for what was not reached."""
    if value is None:
        return NOT_REACHED
    if abs(value) < 120:
        return f"{value:.2f} s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min {rest} s"


def roughly(value: float) -> str:
    """Seconds as people say them who wait: ``45 s``, ``12 min``, ``3 h 5 min``."""
    if value < 120:
        return f"{value:.0f} s"
    hours, minutes = divmod(round(value / 60), 60)
    return " ".join([f"{hours} h"] * bool(hours) + [f"{minutes} min"] * bool(minutes))


def clock(value: float) -> str:
    """Seconds as m:ss or h:mm:ss."""
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def moment(text: Any) -> str:
    """An ISO 8601 UTC time as people read it: ``2026-01-05 03:15:00 UTC``. Anything else as it is."""
    found = re.fullmatch(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(\.\d+)?Z", str(text))
    return f"{found[1]} {found[2]} UTC" if found else str(text)


def count(number: int, noun: str = "bot") -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def without_name(text: str, name: str) -> str:
    """The text with a bot's name replaced, so that what is the same on many bots can be found to be so."""
    return re.sub(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", "<bot>", text)
