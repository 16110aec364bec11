# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text for a terminal, from whatever a host or an inventory said. PRIVATE to the collection."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Sequence
from typing import Any

UNSAFE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}  # controls, direction marks, surrogates, line separators


def plain(text: Any) -> str:
    """One line that a terminal only shows: blanks are single, what would steer the terminal is spelled out."""
    line = " ".join(str(text).split())
    if line.isascii() and line.isprintable():
        return line
    return "".join(_spelled(letter) if unicodedata.category(letter) in UNSAFE else letter for letter in line)


def plain_lines(text: Any) -> list[str]:
    """The same for text of several lines, whose indentation stays."""
    lines = str(text).split("\n")
    return [
        line[: len(line) - len(line.lstrip(" "))] + plain(line)
        for line in (lines[:-1] if len(lines) > 1 and not lines[-1] else lines)
    ]


def _spelled(letter: str) -> str:
    return letter.encode("unicode_escape", "surrogatepass").decode("ascii")


def cells(text: str) -> int:
    """How many columns of a terminal it takes."""
    if text.isascii():
        return len(text)
    return sum(_cells(letter) for letter in text)


def _cells(letter: str) -> int:
    if unicodedata.combining(letter):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def pad(text: str, width: int) -> str:
    """``str.ljust``, counting columns."""
    return text + " " * (width - cells(text))


def fit(text: str, width: int) -> str:
    """The text, or as much of it as ``width`` columns hold, with dots for the rest."""
    if cells(text) <= width:
        return text
    kept = ""
    for letter in text:
        if cells(kept) + _cells(letter) > width - 3:
            break
        kept += letter
    return kept + "..."[: max(0, width - cells(kept))]


def wrapped(text: str, width: int, indent: str = "") -> list[str]:
    """Lines of at most ``width`` columns, none of it left out. A word that is longer, such as a path, stays whole."""
    wrapper = textwrap.TextWrapper(
        max(width, 20),
        initial_indent=indent,
        subsequent_indent=indent,
        break_on_hyphens=False,
        break_long_words=False,
    )
    return wrapper.wrap(text) or [indent.rstrip()]


def names(everyone: Sequence[str], room: int) -> str:
    """As many names as ``room`` columns hold, at least one, and how many more there are: ``tn-3, qt-7 and 37 more``."""
    listed = [plain(name) for name in everyone]
    for count in range(len(listed), 1, -1):
        text = _first(listed, count)
        if cells(text) <= room:
            return text
    return _first(listed, 1)


def _first(listed: list[str], count: int) -> str:
    rest = len(listed) - count
    if rest:
        return f"{', '.join(listed[:count])} and {rest} more"
    return " and ".join(filter(None, [", ".join(listed[:-1]), *listed[-1:]]))
