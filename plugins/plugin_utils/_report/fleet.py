# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bots of a record, those that need somebody first. PRIVATE to the collection."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

EXPOSED, GUARDED, SAFE, RESTORED = "exposed", "guarded", "safe", "restored"
ORDER = (EXPOSED, GUARDED, SAFE, RESTORED)


@dataclass(frozen=True)
class Bot:
    """One bot. anchor: the id of its part of the page, which owes nothing to its name.

    state: one of ORDER; a guarded bot is that, whether it is restored or not
    """

    anchor: str
    name: str
    state: str
    row: Mapping[str, Any]

    @property
    def in_last_run(self) -> bool:
        return bool(self.row.get("in_this_run", True))


def fleet(record: Mapping[str, Any]) -> list[Bot]:
    """Exposed bots first, those that may be trading before the others; then guarded, safe and restored ones."""
    rows = sorted(record["bots"], key=_rank)
    return [Bot(f"bot-{number}", row["name"], state_of(row), row) for number, row in enumerate(rows, 1)]


def state_of(row: Mapping[str, Any]) -> str:
    if row.get("guarded"):
        return GUARDED
    if row["restored"]:
        return RESTORED
    return SAFE if row["safe"] else EXPOSED


def _rank(row: Mapping[str, Any]) -> tuple[Any, ...]:
    state = state_of(row)
    return ORDER.index(state), state == EXPOSED and row["trading"] == "off", natural(row["name"])


def state_words(bot: Bot, check_mode: bool) -> str:
    """What a bot's state is called on the page."""
    if bot.state == GUARDED:
        return f"{'would be ' if check_mode else ''}{'restored' if bot.row['restored'] else 'not restored'}, guarded"
    if check_mode:
        return {RESTORED: "would be restored", SAFE: "would be safe only", EXPOSED: "would not be safe"}[bot.state]
    return {RESTORED: "restored", SAFE: "safe, not restored", EXPOSED: "NOT SAFE"}[bot.state]


def natural(name: str) -> list[tuple[int, int | str]]:
    """A key that sorts numbers in names by their value."""
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in re.split(r"(\d+)", name)]
