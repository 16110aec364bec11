# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a record says and does not say, in words, so that nobody reads more into the page. PRIVATE to the collection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._exposure import FLAT, GUARDED, NONE, RESIDUAL, UNPROVEN
from .._holdings import courses, figure
from .fleet import Bot
from .words import count

Claim = tuple[str, str]
SAFE_MEANS = (
    "Safe says that everything that its plan lists was read back: process stopped, flag down, config key off, and its "
    "accounts flat."
)


def claims(record: Mapping[str, Any], bots: Sequence[Bot]) -> list[Claim]:
    """Headings and sentences."""
    return [
        *_check(record),
        *_exposure(record, bots),
        _data_loss(record),
        *_outside(bots),
        *_stored(bots),
        *_times(record),
    ]


def _check(record: Mapping[str, Any]) -> list[Claim]:
    if not record["check_mode"]:
        return []
    sentence = (
        "This was a check. Each step was planned from the state that is there now; resume and verify were validated, "
        "not carried out. The seconds are those of the check."
    )
    return [("Nothing was changed", sentence)]


def _exposure(record: Mapping[str, Any], bots: Sequence[Bot]) -> list[Claim]:
    by_state: dict[str, list[Bot]] = {}
    for bot in bots:
        by_state.setdefault(bot.row["exposure"]["state"], []).append(bot)
    number = {state: count(len(some)) for state, some in by_state.items()}
    found = []
    if UNPROVEN in number:
        sentence = f"What {number[UNPROVEN]} may hold was not read, or the reading failed: it may be anything."
        found.append(("Exposure unproven", f"{sentence} {SAFE_MEANS}"))
    if RESIDUAL in number and not record["check_mode"]:
        sentence = f"What is left of {number[RESIDUAL]} is what the last reading showed. It may be more or less by now."
        found.append(("Exposure residual", sentence))
    if GUARDED in number:
        sentence = f"Orders that could open more are gone for {number[GUARDED]}. That the stops hold is not proven."
        found.append(("Guarded is not safe", sentence))
    if FLAT in number:
        found.append(("Flat is of derivatives, and of what was asked for", _flat(by_state[FLAT])))
    if NONE in number:
        sentence = f"So says the inventory of {number[NONE]}. Nobody looked at an exchange."
        found.append(("Exposure none is declared, not read", sentence))
    return [*found, *_at_risk(record, bots)]


def _flat(bots: Sequence[Bot]) -> str:
    """What was proven, in how many readings, with which credentials."""
    proofs = [proof for bot in bots for proof in figure(bot.row, "proof") or []]
    reads = min((len(proof["clean_at"]) for proof in proofs), default=0)
    alone = all(proof["not_known_in"] for proof in proofs)
    accounts = f"The accounts that the inventory names for {count(len(bots))}"
    found = f"{accounts} had no position and no order in {count(reads, 'reading')} in a row."
    known = (
        "Their keys are known in one environment alone."
        if alone
        else "Whether another environment knows the key could not be asked of all of them."
    )
    unseen = "Spot balances, contracts out of scope and what somebody sends after the last reading are not seen."
    return f"{found} {known} {unseen}"


def _at_risk(record: Mapping[str, Any], bots: Sequence[Bot]) -> list[Claim]:
    if record["check_mode"] or not courses(bot.row for bot in bots)[0]:
        return []
    sentence = (
        "Notional-seconds: what all positions were worth at the mark price, times the seconds from the decision to the "
        "last reading. Between two readings the earlier one counts, before the first one that one. When a reading came "
        "is reckoned back from the end of its step: late, never early. Quote currencies are added up as if one."
    )
    return [("Money at risk", sentence)]


def _data_loss(record: Mapping[str, Any]) -> Claim:
    if record.get("data_loss") is None:
        return ("Data loss is not measured", "No database was restored, so no rows were counted.")
    which = "Rows left a live database" if record["data_loss"] else "No row left a database"
    return ("Data loss beyond the databases", f"{which} that was restored. Files and other databases were not counted.")


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
