# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a fleet held at its exchanges, and for how long, from its record. PRIVATE to the collection.

Notionals are in the quote currency of each contract, added up as if all of these were one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ._exposure import FLAT, GUARDED, NONE, OPERATION, RESIDUAL

Row = Mapping[str, Any]
Step = Mapping[str, Any]
Course = list[tuple[float, float]]
"""Moments, in seconds from the decision, and the notional that was held at each."""


@dataclass(frozen=True)
class Totals:
    """Over all accounts of which that is known, each counted once.

    notional, orders: before and after; after is None if one of the accounts was not read then
    unread: bots of whose accounts nothing is known
    seconds_to_flat, slowest: of the bot whose flattening took longest; None unless all that was held is gone
    """

    notional: tuple[float, float | None]
    orders: tuple[int, int | None]
    unread: list[str]
    seconds_to_flat: float | None
    slowest: str


def steps_of(row: Row) -> list[Step]:
    """Those that read what it holds, or changed it; of an account that bots share, with the bot that read it."""
    return [step for step in row.get("steps", []) if step["operation"] == OPERATION and step["status"] != "skipped"]


def figure(row: Row, name: str) -> Any:
    """One of the figures of its exposure; None if it is not known."""
    return row["exposure"].get(name)


def amount(notional: float | None) -> str:
    return "not known" if notional is None else f"{notional:.2f}"


def in_few_words(row: Row) -> str:
    """``none``, ``flat (2 reads)``, ``guarded 1234.50``, ``residual 1234.50`` or ``unproven``."""
    state = str(row["exposure"]["state"])
    if state == FLAT:
        reads = min((len(proof["clean_at"]) for proof in figure(row, "proof") or []), default=0)
        return f"{state} ({reads} read{'' if reads == 1 else 's'})" if reads else state
    if state not in (GUARDED, RESIDUAL):
        return state
    when = "before" if figure(row, "notional_after") is None else "after"  # as in check mode
    notional, orders = figure(row, f"notional_{when}"), figure(row, f"orders_{when}")
    if not notional and orders:
        return f"{state}, {orders} order{'' if orders == 1 else 's'}"
    return state if notional is None else f"{state} {amount(notional)}"


def shares_with(row: Row, rows: Sequence[Row]) -> str:
    """The bot whose steps read the account of this one, too; empty if its own did, or nobody's.

    What was read of a shared account is in the row of each of its bots, to the millisecond.
    """
    if steps_of(row) or figure(row, "notional_before") is None:
        return ""
    return next((other["name"] for other in rows if steps_of(other) and other["exposure"] == row["exposure"]), "")


def totals(rows: Sequence[Row]) -> Totals:
    read = [row for row in rows if figure(row, "notional_before") is not None]
    unread = [row["name"] for row in rows if row not in read and row["exposure"]["state"] != NONE]
    known = list(_each_account_once(read))
    held = [row for row in known if figure(row, "notional_before") or figure(row, "orders_before")]
    to_flat = [(figure(row, "seconds_to_flat"), row["name"]) for row in held if row["exposure"]["state"] == FLAT]
    seconds, slowest = max(to_flat, default=(None, ""))
    all_flat = len(to_flat) == len(held) and not unread
    return Totals(
        notional=(_sum(known, "notional_before") or 0.0, _sum(known, "notional_after")),
        orders=(_sum(known, "orders_before") or 0, _sum(known, "orders_after")),
        unread=unread,
        seconds_to_flat=seconds if all_flat else None,
        slowest=slowest if all_flat else "",
    )


def _each_account_once(rows: Sequence[Row]) -> Iterator[Row]:
    """Rows with steps of their own, and of the others, which only share accounts, one for each account."""
    seen = [row["exposure"] for row in rows if steps_of(row)]
    for row in rows:
        if steps_of(row):
            yield row
        elif row["exposure"] not in seen:
            seen.append(row["exposure"])
            yield row


def _sum(rows: Sequence[Row], name: str) -> Any:
    values = [figure(row, name) for row in rows]
    return None if None in values else sum(values)


def courses(rows: Iterable[Row]) -> tuple[list[Course], list[str]]:
    """Of each account that was read in this run its readings; and the bots with one that was read nobody knows when."""
    known: list[Course] = []
    unknown: list[str] = []
    for row in rows:
        for step, began in _begun(row):
            if step["before"] is None:
                continue
            if began is None or step["status"] == "resumed":
                unknown.append(row["name"])
            else:
                known.append(_readings(step, began))
    return known, list(dict.fromkeys(unknown))


def _begun(row: Row) -> Iterator[tuple[Step, float | None]]:
    """Its steps with when they began, s from the decision: those of a stage run one after the other."""
    started = {stage["name"]: stage.get("started_after_seconds") for stage in reversed(row["stages"])}
    took: dict[str, float] = {}
    wanted = steps_of(row)
    for step in row.get("steps", []):
        stage = step["stage"]
        since = started.get(stage)
        if step in wanted:
            yield step, None if since is None else since + took.get(stage, 0.0)
        took[stage] = took.get(stage, 0.0) + step["seconds"]


def _readings(step: Step, began: float) -> Course:
    """The last one is taken to have come when the step ended: later than the truth, never earlier."""
    readings = (step["change"] or {}).get("readings") or [[0.0, step["before"]["notional"], 0]]
    since = max(began, began + step["seconds"] - readings[-1][0])
    return [(since + seconds, notional) for seconds, notional, _orders in readings]


def fleet_course(known: Sequence[Course]) -> Course:
    """Notional of all accounts together from the decision on: each moment at which it changes, and what it is then.

    Nothing between two readings is known; what the earlier one shows is taken to last until the later one.
    """
    changes = [(0.0, course[0][1]) for course in known]
    for course in known:
        changes += [(seconds, worth - earlier) for (_at, earlier), (seconds, worth) in zip(course, course[1:])]
    points: Course = []
    total = 0.0
    for seconds, change in sorted(changes):
        total += change
        if points and points[-1][0] == seconds:
            points.pop()
        points.append((seconds, max(0.0, round(total, 2))))
    last = max((course[-1][0] for course in known), default=0.0)
    return [*points, (last, points[-1][1])] if points and points[-1][0] < last else points


def at_risk(points: Sequence[tuple[float, float]]) -> float:
    """Notional-seconds from the decision to the last reading: the area below ``fleet_course``."""
    return sum(notional * (after - at) for (at, notional), (after, _later) in zip(points, points[1:]))
