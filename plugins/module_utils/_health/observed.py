# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a check saw, made fit to be shown, and compared with what was expected. PRIVATE to the collection."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from .._operation import OperationError

SHORTEST_SECRET = 6


class Failed(OperationError):
    """A check failed; the message is what was observed."""


class Hopeless(Failed):
    """A check failed, and would each time that it is tried again."""


def shown(value: object, secrets: Iterable[object] = (), *, longest: int = 200) -> str:
    """A value as one line, cut short, without the secrets or the words in them."""
    text = value if isinstance(value, str) else json.dumps(value)
    words = {part for secret in secrets for part in [str(secret), *str(secret).split()]}
    for word in sorted(words, key=len, reverse=True):
        if len(word) >= SHORTEST_SECRET:
            text = text.replace(word, "********")
    text = "".join(character if character.isprintable() else " " for character in text)
    text = re.sub(r"\s+", " ", text).strip()
    return text if len(text) <= longest else f"{text[:longest]}…"


BOUNDS: dict[str, Any] = {
    "equals": {"type": "raw"},
    "any_of": {"type": "list", "elements": "raw"},
    "min": {"type": "float"},
    "max": {"type": "float"},
    "above": {"type": "float"},
    "below": {"type": "float"},
}
HOLDS: dict[str, tuple[str, Callable[[float, float], bool]]] = {
    "min": (">=", lambda value, bound: value >= bound),
    "max": ("<=", lambda value, bound: value <= bound),
    "above": (">", lambda value, bound: value > bound),
    "below": ("<", lambda value, bound: value < bound),
}


def unmet(value: Any, options: dict[str, Any]) -> list[str]:
    """Which of BOUNDS a value does not meet, as phrases. Without any, the value must be true."""
    expected = {name: options[name] for name in BOUNDS if options[name] is not None} or {"equals": True}
    phrases = []
    for name, bound in expected.items():
        if name == "equals":
            met, phrase = same(value, bound), json.dumps(bound)
        elif name == "any_of":
            met, phrase = any(same(value, one) for one in bound), f"one of {json.dumps(bound)}"
        else:
            sign, holds = HOLDS[name]
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            met, phrase = number and holds(value, bound), f"{sign} {bound:g}"
        if not met:
            phrases.append(phrase)
    return phrases


def same(value: Any, expected: Any) -> bool:
    """Equal as JSON, where true is not 1. An expected string may also be how a number or boolean is written:
    a template gives strings."""
    if isinstance(expected, str) and isinstance(value, (bool, int, float)):
        return json.dumps(value) == expected.strip().lower()
    if isinstance(value, bool) or isinstance(expected, bool):
        return value is expected
    return bool(value == expected)
