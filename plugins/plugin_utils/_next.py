# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to do after a rollback that is not complete, in a sentence or two. PRIVATE to the collection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ._barrier import HELD
from ._timeline.text import names

ROOM = 60  # columns for names

Bot = Mapping[str, Any]


def next_steps(record: Mapping[str, Any]) -> list[str]:
    """Empty if every bot is restored, or safe until a new rollback, for which the failure asks."""
    open_bots = [bot for bot in record["bots"] if not bot["restored"] and not (bot["safe"] and _is_over(bot))]
    exposed = [bot for bot in open_bots if not bot["safe"]]
    held = [bot for bot in open_bots if bot["safe"] and (bot["failure"] or "").startswith(HELD)]  # by the exposed
    failed = [bot for bot in open_bots if bot["safe"] and bot not in held]
    if record["check_mode"]:
        return [f"{_named(open_bots)}: mend what the failure says, then check again"] if open_bots else []
    again = f"run again with -e rollback_id={record['rollback_id']}"
    steps = []
    if exposed:
        then = "start a new rollback" if all(map(_is_over, exposed)) else again
        safe = f"make sure that {_named(exposed)} cannot trade (its machine, its exchange), then {then}"
        without = "it" if len(exposed) == 1 else "them"
        steps.append(f"{safe}; to go on without {without} add -e max_unsafe={len(exposed)}" if held else safe)
    if failed:
        steps.append(f"{_named(failed)}: mend what the failure says, then {again}")
    return steps


def _is_over(bot: Bot) -> bool:
    """Whether this id is of no use to it any more."""
    return any(sentence in (bot["failure"] or "") for sentence in ("is closed", "start a rollback with a new id"))


def stopped(record: Mapping[str, Any]) -> list[str]:
    """Which restored bots do not run, and how they would."""
    bots = [bot for bot in record["bots"] if bot["restored"] and bot.get("process") == "stopped"]
    if not bots or record["check_mode"]:
        return []
    it = "it" if len(bots) == 1 else "them"
    return [f"{_named(bots)}: restored and not running; start {it} by hand, or run a rollback with -e hand_back=true"]


def _named(bots: Sequence[Bot]) -> str:
    return names([bot["name"] for bot in bots], ROOM)
