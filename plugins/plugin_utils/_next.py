# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to do after a rollback that is not complete, in a sentence or two. PRIVATE to the collection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ._barrier import HELD
from ._exposure import GUARDED, RESIDUAL, UNPROVEN
from ._timeline.text import names

ROOM = 60  # columns for names

Bot = Mapping[str, Any]


def next_steps(record: Mapping[str, Any]) -> list[str]:
    """Empty if every bot is restored, or waits for a new rollback, for which the failure asks; and none is guarded."""
    open_bots = [
        bot for bot in record["bots"] if not bot["restored"] and not ((bot["safe"] or bot["guarded"]) and _is_over(bot))
    ]
    if record["check_mode"]:
        return [f"{_named(open_bots)}: mend what the failure says, then check again"] if open_bots else []
    guarded = [bot for bot in open_bots if bot["guarded"]]
    exposed = [bot for bot in open_bots if not bot["safe"] and not bot["guarded"]]
    held = [bot for bot in open_bots if bot["safe"] and (bot["failure"] or "").startswith(HELD)]  # by the others
    failed = [bot for bot in open_bots if bot["safe"] and bot not in held]
    again = f"run again with -e rollback_id={record['rollback_id']}"
    return [
        *_exposed(exposed, again, bool(held)),
        *_guarded(guarded, again),
        *([f"{_named(failed)}: mend what the failure says, then {again}"] if failed else []),
        *_left_guarded([bot for bot in record["bots"] if bot["restored"] and bot["guarded"]]),
    ]


def _exposed(bots: Sequence[Bot], again: str, hold_others: bool) -> list[str]:
    """One sentence for those that may trade, one for those that cannot, whose accounts are not proven flat."""
    states = (UNPROVEN, RESIDUAL)
    open_accounts = [bot for bot in bots if bot["trading"] == "off" and bot["exposure"]["state"] in states]
    others = [bot for bot in bots if bot not in open_accounts]
    steps = []
    for group, do in (
        (others, "make sure that {} cannot trade (its machine, its exchange)"),
        (open_accounts, "look at the exchange for positions of {}, and mend what the failure says"),
    ):
        if group:
            then = "start a new rollback" if all(map(_is_over, group)) else again
            steps.append(f"{do.format(_named(group))}, then {then}")
    if steps and hold_others:
        steps[-1] += f"; to go on without {'it' if len(bots) == 1 else 'them'} add -e max_unsafe={len(bots)}"
    return steps


def _guarded(bots: Sequence[Bot], again: str) -> list[str]:
    """One sentence for those that only wait to be accepted, one for those that were, and failed later."""
    waiting = [bot for bot in bots if (bot["failure"] or "").startswith(f"{GUARDED}: ")]
    failed = [bot for bot in bots if bot not in waiting]
    accept = f"{again} -e positions=natural -e accept_guarded=true"
    steps = []
    if waiting:
        it = "it" if len(waiting) == 1 else "them"
        steps.append(f"{_named(waiting)}: {accept} to go on with {it}, or with -e positions=close to close positions")
    if failed:
        steps.append(f"{_named(failed)}: mend what the failure says, then {accept}")
    return steps


def _left_guarded(bots: Sequence[Bot]) -> list[str]:
    """Of those that came to their end with positions: what is left to do when these are gone."""
    if not bots:
        return []
    its, it = ("its", "it") if len(bots) == 1 else ("their", "them")
    stays = f"{_named(bots)}: {its} exchange account stays on production until {its} positions are gone"
    return [f"{stays}; then a new rollback with -e positions=close switches {it} to testnet and starts {it}"]


def _is_over(bot: Bot) -> bool:
    """Whether this id is of no use to it any more."""
    return any(sentence in (bot["failure"] or "") for sentence in ("is closed", "start a rollback with a new id"))


def stopped(record: Mapping[str, Any]) -> list[str]:
    """Which restored bots do not run, and how they would. A guarded one must not until its positions are gone."""
    bots = [bot for bot in record["bots"] if bot["restored"] and bot.get("process") == "stopped"]
    bots = [bot for bot in bots if not bot["guarded"]]
    if not bots or record["check_mode"]:
        return []
    it = "it" if len(bots) == 1 else "them"
    return [f"{_named(bots)}: restored and not running; start {it} by hand, or run a rollback with -e hand_back=true"]


def _named(bots: Sequence[Bot]) -> str:
    return names([bot["name"] for bot in bots], ROOM)
