# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a value of each type of QuestDB travels as text, and is the same value afterwards. PRIVATE to the collection.

Two values of a type have the same text only if they are the same, and the text gives the value back to the bit. There
are two exceptions, which QuestDB itself does not show: an infinite number within an array is null here, and half of a
surrogate pair that stands alone in a STRING or CHAR is a question mark.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Callable

from .client import name_of

LONGEST_BINARY = 1 << 20
"""Bytes of a binary value that can be carried."""

NUMBER = re.compile(r"[^\[\],]+")

LEAST_HEXADECIMAL = 1e-290
"""QuestDB reads smaller numbers in base 16 wrong. It reads most of them right in base 10."""

BASE32 = "0123456789bcdefghjkmnpqrstuvwxyz"
"""The digits of a geohash."""


@dataclass(frozen=True)
class Kind:
    """A type; ``{0}`` stands for a column.

    read: SQL for what tells its values apart
    send: a text that holds such a value, and is not empty; null is sent as nothing at all
    take: SQL for the value that a VARCHAR column with such a text stands for
    """

    read: str = "{0}"
    send: Callable[[Any], str] = str
    take: str = "{0}"


def kind_of(name: str) -> Kind | None:
    """How a type, as ``table_columns()`` names it, is carried; None if it cannot be."""
    if name in KINDS:
        return KINDS[name]
    if re.fullmatch(r"GEOHASH\(\d+[bc]\)", name):
        return Kind(send=_base32 if name.endswith("b)") else str, take=f"cast({{0}} as {name.lower()})")
    if re.fullmatch(r"DECIMAL\(\d+,\d+\)", name):
        return _as_text(name)
    if re.fullmatch(r"DOUBLE(\[\])+", name):
        return replace(_as_text(name), send=_hexadecimal)
    return None


def reading(columns: Sequence[Sequence[str]]) -> str:
    """What to select, of columns (name, type), so that two rows give the same only if they are the same."""
    return ", ".join(_kind(kind).read.format(name_of(name)) for name, kind in columns)


def lines_of(columns: Sequence[Sequence[str]], rows: Sequence[Sequence[Any]]) -> bytes:
    """Rows that were read so, as lines of CSV with the header c0, c1, …"""
    senders = [_kind(kind).send for _name, kind in columns]
    lines = [",".join(f"c{index}" for index in range(len(columns)))]
    for row in rows:
        cells = ("" if value is None else send(value) for send, value in zip(senders, row))
        lines.append(",".join(cell and '"' + cell.replace('"', '""') + '"' for cell in cells))
    return ("\n".join(lines) + "\n").encode()


def taking(columns: Sequence[Sequence[str]]) -> list[str]:
    """SQL for each column's value, from the VARCHAR columns c0, c1, … that such lines were put into."""
    return [_kind(kind).take.format(f"c{index}") for index, (_name, kind) in enumerate(columns)]


def read_again(columns: Sequence[Sequence[str]]) -> str:
    """As ``reading``, of a query that names the values of ``taking`` v0, v1, …"""
    return ", ".join(_kind(kind).read.format(f"v{index}") for index, (_name, kind) in enumerate(columns))


def _kind(name: str) -> Kind:
    kind = kind_of(name)
    if kind is None:
        raise ValueError(name)  # asked before
    return kind


def _as_text(name: str) -> Kind:
    return Kind("cast({0} as varchar)", str, f"cast({{0}} as {name.lower()})")


def _base32(bits: str) -> str:
    """A geohash of bits, as the shortest one of characters that begins with it."""
    padded = bits + "0" * (-len(bits) % 5)
    return "".join(BASE32[int(padded[at : at + 5], 2)] for at in range(0, len(padded), 5))


def _hexadecimal(array: str) -> str:
    """An array with its numbers in base 16: some that QuestDB writes in base 10 are null when it takes them again."""

    def number(found: re.Match[str]) -> str:
        if found[0] == "null":
            return "NaN"
        value = float(found[0])
        return value.hex() if value == 0 or abs(value) > LEAST_HEXADECIMAL else found[0]

    return NUMBER.sub(number, array)


def _time(name: str) -> Kind:
    return Kind("cast({0} as long)", str, f"cast(cast({{0}} as long) as {name.lower()})")


def _plain(name: str) -> Kind:
    return Kind(take=f"cast({{0}} as {name.lower()})")


_TEXT = Kind(send=lambda value: f"s{value}", take="right({0}, -1)")
"""An empty text is no null."""

_FLOATING = Kind(
    "coalesce(cast({0} as varchar), case when {0} > 0 then 'Infinity' when {0} < 0 then '-Infinity' else null end)"
)
"""An infinite number has no text, but compares. Its text gives it back where it is not cast."""

KINDS = {
    "BOOLEAN": Kind(send=lambda value: "true" if value else "false", take="cast({0} as boolean)"),
    **{name: _plain(name) for name in ("BYTE", "SHORT", "INT", "LONG", "UUID", "IPv4")},
    **{name: _time(name) for name in ("DATE", "TIMESTAMP", "TIMESTAMP_NS")},
    **dict.fromkeys(("FLOAT", "DOUBLE"), _FLOATING),
    **dict.fromkeys(("STRING", "SYMBOL", "VARCHAR", "CHAR"), _TEXT),
    "LONG256": _as_text("LONG256"),
    "BINARY": Kind(f"base64({{0}}, {LONGEST_BINARY})", lambda value: f"s{value}", "from_base64(right({0}, -1))"),
}
