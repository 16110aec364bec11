# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a record does not say, in words, so that nobody reads it into the page. PRIVATE to the collection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .fleet import Bot
from .words import count

Claim = tuple[str, str]
SAFE_MEANS = "Safe says that everything that its plan lists was read back: process stopped, flag down, config key off."


def claims(record: Mapping[str, Any], bots: Sequence[Bot]) -> list[Claim]:
    """Headings and sentences."""
    return [*_check(record), *_exposure(bots), _data_loss(record), *_outside(bots), *_stored(bots), *_times(record)]


def _check(record: Mapping[str, Any]) -> list[Claim]:
    if not record["check_mode"]:
        return []
    sentence = (
        "This was a check. Each step was planned from the state that is there now; resume and verify were validated, "
        "not carried out. The seconds are those of the check."
    )
    return [("Nothing was changed", sentence)]


def _exposure(bots: Sequence[Bot]) -> list[Claim]:
    by_state: dict[str, int] = {}
    for bot in bots:
        state = bot.row["exposure"]["state"]
        by_state[state] = by_state.get(state, 0) + 1
    found = []
    if by_state.get("unproven"):
        unread = f"Positions and orders of {count(by_state['unproven'])} were not read."
        sentence = f"{unread} {SAFE_MEANS} It does not say flat."
        found.append(("Exposure is unproven", sentence))
    if by_state.get("none"):
        sentence = f"So says the inventory of {count(by_state['none'])}. Nobody looked at an exchange."
        found.append(("Exposure none is declared, not read", sentence))
    return found


def _data_loss(record: Mapping[str, Any]) -> Claim:
    if record.get("data_loss") is None:
        return ("Data loss is not measured", "No step of this plan counts rows.")
    return ("Data loss", str(record["data_loss"]))


def _stored(bots: Sequence[Bot]) -> list[Claim]:
    stored = sum(bool(bot.row.get("stored")) for bot in bots)
    if not stored:
        return []
    sentence = f"{count(stored)} only returned the result of a rollback that was closed before. Nothing was read anew."
    return [("Some results are stored", sentence)]


def _outside(bots: Sequence[Bot]) -> list[Claim]:
    outside = sum(not bot.in_last_run for bot in bots)
    if not outside:
        return []
    sentence = f"What the page says of {count(outside)} is as an earlier run of this id left it. Nothing was read anew."
    return [("Not all bots were in the last run", sentence)]


def _times(record: Mapping[str, Any]) -> list[Claim]:
    if record["check_mode"]:
        return []
    sentence = (
        "All times are by the controller's clock, from the decision until the result had arrived: never shorter than "
        "the truth. When a stage began is reckoned back from that arrival, so it is drawn late, never early."
    )
    return [("Times", sentence)]
