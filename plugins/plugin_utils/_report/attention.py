# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bots that are not restored, or guarded: why, what is left of it, what to do. PRIVATE to the collection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._exposure import RESIDUAL, UNPROVEN
from .._holdings import amount, figure, in_few_words
from .fleet import EXPOSED, GUARDED, RESTORED, Bot
from .words import without_name

Said = tuple[str, str]
"""A step (``revert: Check out …``) and its sentence."""
NOTHING_KNOWN = (
    "Nothing was read of it, so it counts as trading. Reach it, or stop its trading elsewhere (on its machine, at the "
    "exchange); then run the same id again."
)
NOT_PROVEN = (
    "Something of what makes it safe is not proven, so it does not count as safe. Mend what the sentence names, or "
    "stop its trading by hand; then run the same id again."
)
NOT_FLAT = (
    "It cannot trade, but what it held at the exchange is not proven to be gone. Look there, close by hand what cannot "
    "wait, and mend what the sentence names; then run the same id again."
)
NOT_ACCEPTED = (
    "It cannot trade, and its positions are left to their stops. Run the same id again with positions=natural and "
    "accept_guarded=true to go on with them, or with positions=close to close them."
)
GUARDED_FAILURE = (
    "It stays stopped, and its positions are left to their stops. Mend what the sentence names, then run the same id "
    "again."
)
GUARDED_TO_THE_END = (
    "It stays stopped, and its exchange account stays on production. When the positions are gone, a new rollback with "
    "positions=close switches it to testnet and starts it."
)
GUARDED_CHECK = "The barrier holds it unless accept_guarded=true is given; with positions=close they would be closed."
OWN_FAILURE = (
    "It is safe and stays stopped. Mend what the sentence names, then run the same id again: what was proven is looked "
    "at, not done again."
)
WAITS = "It is safe and waits; no step of its own failed. Do what the sentence asks, then run the same id again."
CHECKED = "Mend what the sentence names, then check again."


@dataclass
class Case:
    """Bots that failed in the same way. sentences: what each said, for the bots that said the same.

    stuck: what was changed and could not be put back
    """

    state: str
    bots: list[Bot]
    sentences: list[tuple[str, list[Bot]]]
    failed: list[Said]
    unproven: list[Said]
    put_back: list[Said]
    stuck: list[Said]
    now: list[Said]
    to_do: str


def attention(bots: Sequence[Bot], check_mode: bool) -> list[Case]:
    """Failures, those of exposed bots first; and guarded bots, even if nothing failed."""
    alike: dict[str, list[Bot]] = {}
    for bot in bots:
        if bot.state != RESTORED:
            case = _case([bot], check_mode, bot.name)
            alike.setdefault(repr({**vars(case), "bots": None, "sentences": None}), []).append(bot)
    return [_case(members, check_mode, members[0].name if len(members) > 1 else "") for members in alike.values()]


def _case(bots: list[Bot], check_mode: bool, name: str) -> Case:
    """The case of bots of which the first is typical; ``name`` is to be left out of what they have in common."""
    row, state = bots[0].row, bots[0].state
    failed = list(_said(row, "failed"))
    unproven = [(reading["name"], reading["message"]) for reading in row["read"] if not reading["ok"]]

    def general(said: Iterable[Said]) -> list[Said]:
        """Without what the sentence says already."""
        shown = ((step, "" if text in (row["failure"] or "") else text) for step, text in said)
        return [(step, without_name(text, name) if name else text) for step, text in shown]

    return Case(
        state=state,
        bots=bots,
        sentences=_sentences(bots),
        failed=general(failed),
        unproven=general(unproven),
        put_back=general(_said(row, "undone")),
        stuck=general(_said(row, "not_undone")),
        now=_now(row, check_mode),
        to_do=_to_do(state, row, bool(failed), check_mode),
    )


def _sentences(bots: list[Bot]) -> list[tuple[str, list[Bot]]]:
    """Each failure with its bots; where only the name differs, once."""
    said: dict[str, list[Bot]] = {}
    for bot in bots:
        said.setdefault(without_name(_failure(bot), bot.name), []).append(bot)
    return [(_failure(some[0]) if len(some) == 1 else general, some) for general, some in said.items()]


def _failure(bot: Bot) -> str:
    if bot.state == GUARDED and not bot.row["failure"]:
        return f"positions of {amount(figure(bot.row, 'notional_after'))} are left to their stops"
    return bot.row["failure"] or "no reason is recorded"


def _said(row: Mapping[str, Any], status: str) -> Iterator[Said]:
    for step in row["steps"]:
        if step["status"] == status:
            doing = "making it safe" if step["id"].startswith("safe/") else step["stage"]
            yield f"{doing}: {step['name']}", step["message"]


def _now(row: Mapping[str, Any], check_mode: bool) -> list[Said]:
    version = row["to"] or "not known"
    trading = {"off": "off, read back", "on": "on, or not read, which counts as on"}.get(row["trading"], row["trading"])
    facts = [("trading", trading), ("process", row.get("process", "unknown")), ("exposure", in_few_words(row))]
    earlier = [] if row.get("in_this_run", True) else [("read", "in an earlier run, it was not in the last one")]
    return facts if check_mode else [("version", version), *facts, *earlier]


def _to_do(state: str, row: Mapping[str, Any], failed: bool, check_mode: bool) -> str:
    if check_mode:
        return GUARDED_CHECK if state == GUARDED else CHECKED
    if state == GUARDED:
        if row["restored"]:
            return GUARDED_TO_THE_END
        return NOT_ACCEPTED if (row["failure"] or "").startswith(f"{GUARDED}: ") else GUARDED_FAILURE
    if state == EXPOSED:
        if not row["read"]:
            return NOTHING_KNOWN
        stopped = all(reading["ok"] for reading in row["read"])
        return NOT_FLAT if stopped and row["exposure"]["state"] in (RESIDUAL, UNPROVEN) else NOT_PROVEN
    return OWN_FAILURE if failed else WAITS
