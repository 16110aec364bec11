# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What bots held, how it was proven to be gone, and how much was at risk until then. PRIVATE to the collection."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import floor, log10
from typing import Any

from .._exposure import FLAT, NONE
from .._holdings import amount, at_risk, courses, figure, fleet_course, in_few_words, shares_with, steps_of, totals
from .axis import Axis, axis_over
from .fleet import Bot
from .words import count
from .words import figure as seconds

LEVELS = 4


@dataclass(frozen=True)
class Done:
    """What was sent to an exchange, or what it said to it."""

    text: str
    client_id: str = ""


@dataclass(frozen=True)
class Holding:
    """One bot. sent: ``done`` in numbers; shared_with: the bot whose steps read the account, if another one."""

    bot: Bot
    words: str
    notional: str
    orders: str
    to_flat: str
    proof: list[str]
    sent: str
    done: list[Done]
    shared_with: Bot | None


@dataclass(frozen=True)
class Level:
    """A line across the plot, in percent from the top."""

    at: float
    label: str


@dataclass(frozen=True)
class Plot:
    """Notional over time, in percent of the width and of the height. flat: when all of it was gone, if it was."""

    axis: Axis
    line: str
    area: str
    levels: list[Level]
    flat: Level | None
    title: str


@dataclass(frozen=True)
class Exposure:
    """declared: how many bots hold nothing by declaration, which are in no row."""

    holdings: list[Holding]
    declared: int
    figures: list[tuple[str, str]]
    plot: Plot | None
    notes: list[str]


def exposure(record: Mapping[str, Any], bots: Sequence[Bot]) -> Exposure:
    """``bots`` in the order of their rows."""
    asked = [bot for bot in bots if bot.row["exposure"]["state"] != NONE]
    rows = [bot.row for bot in asked]
    check_mode = record["check_mode"]
    known, unknown = ([], []) if check_mode else courses(rows)
    points = fleet_course(known)
    plot = _plot(points, all(row["exposure"]["state"] == FLAT for row in rows))
    return Exposure(
        holdings=[_holding(bot, asked, check_mode) for bot in asked],
        declared=len(bots) - len(asked),
        figures=_figures(rows, points if plot else [], check_mode),
        plot=plot,
        notes=[f"Not drawn, since nobody knows when it was read: {', '.join(unknown)}."] if plot and unknown else [],
    )


def _holding(bot: Bot, asked: Sequence[Bot], check_mode: bool) -> Holding:
    row = bot.row
    leader = shares_with(row, [other.row for other in asked])
    to_flat = figure(row, "seconds_to_flat")
    return Holding(
        bot=bot,
        words=in_few_words(row),
        notional=_change(row, "notional", amount, check_mode),
        orders=_change(row, "orders", str, check_mode),
        to_flat="-" if to_flat is None or row["exposure"]["state"] != FLAT else seconds(to_flat),
        proof=list(_proof(row)),
        sent=f"{count(_number(row, 'closed'), 'closing order')}, {count(_number(row, 'cancelled'), 'cancellation')}",
        done=list(_done(row)),
        shared_with=next((other for other in asked if other.name == leader), None),
    )


def _change(row: Mapping[str, Any], name: str, shown: Callable[[Any], str], check_mode: bool) -> str:
    before, after = figure(row, f"{name}_before"), figure(row, f"{name}_after")
    if before is None:
        return "not known"
    return shown(before) if check_mode else f"{shown(before)} → {'not known' if after is None else shown(after)}"


def _proof(row: Mapping[str, Any]) -> Iterator[str]:
    """What was read, in which account, and which environments do not know its key; why nothing is proven."""
    for proof in figure(row, "proof") or []:
        clean = proof["clean_at"]
        reads = (
            f"{count(len(clean), 'clean read')}, at {' and '.join(map(seconds, clean))}" if clean else "no clean read"
        )
        yield f"{proof['account']}: {reads}; {_others(proof['not_known_in'])}"
    failed = [step["message"] for step in steps_of(row) if step["status"] == "failed"]
    yield from failed
    if not failed and not figure(row, "proof") and row.get("failure"):
        yield str(row["failure"])


def _others(environments: Sequence[str]) -> str:
    if not environments:
        return "no other environment was asked whether it knows its key"
    return f"{' and '.join(environments)} {'does' if len(environments) == 1 else 'do'} not know its key"


def _number(row: Mapping[str, Any], what: str) -> int:
    return sum(len((step["change"] or {}).get(what, [])) for step in steps_of(row))


def _done(row: Mapping[str, Any]) -> Iterator[Done]:
    for step in steps_of(row):
        change = step["change"] or {}
        for order in change.get("closed", []):
            what = f"{order['side']} {order['contracts']} {order['symbol']}, {amount(order['notional'])}"
            yield Done(f"close {what}: {order['came_to']}", order["client_id"])
        for order in change.get("cancelled", []):
            what = f"{order['kind']} order {order['id']}"
            yield Done(f"cancel {what}, {order['side']} {order['amount'] or 'all'} {order['symbol']}")
        for sentence in change.get("refusals", []):
            yield Done(f"the exchange said: {sentence}")


def _figures(
    rows: Sequence[Mapping[str, Any]], points: Sequence[tuple[float, float]], check_mode: bool
) -> list[tuple[str, str]]:
    """Of all accounts together."""
    found = totals(rows)
    if check_mode:
        return [("Notional now", amount(found.notional[0])), ("Orders now", str(found.orders[0]))]
    orders = "not known" if found.orders[1] is None else str(found.orders[1])
    figures = [
        ("Notional", f"{amount(found.notional[0])} before, {amount(found.notional[1])} after"),
        ("Orders", f"{found.orders[0]} before, {orders} after"),
    ]
    if found.seconds_to_flat is not None:
        figures.append(("Time to flat", f"{seconds(found.seconds_to_flat)}, the slowest: {found.slowest}"))
    if points:
        least = "at least " if points[-1][1] or found.unread else ""
        until = f"from the decision until {seconds(points[-1][0])}"
        figures.append(("Money at risk", f"{least}{at_risk(points):,.0f} notional-seconds, {until}"))
    return figures


def _plot(points: Sequence[tuple[float, float]], flat: bool) -> Plot | None:
    """None where nothing was held, as far as it was read."""
    highest = max((notional for _at, notional in points), default=0.0)
    if not highest:
        return None
    axis = axis_over([(points[1][0] if len(points) > 1 else 0.0, points[-1][0])])
    levels = _levels(highest)
    top = max(levels[-1], highest)
    drawn = [(axis.at(at), round(100 - 100 * notional / top, 3)) for at, notional in points]
    line = f"M{drawn[0][0]:g},{drawn[0][1]:g}" + "".join(f"H{x:g}V{y:g}" for x, y in drawn[1:])
    gone = next((at for at, notional in points if not notional), None)
    return Plot(
        axis=axis,
        line=line,
        area=f"{line}V100H{drawn[0][0]:g}Z",
        levels=[Level(round(100 - 100 * level / top, 3), f"{level:,.15g}") for level in levels],
        flat=Level(axis.at(gone), f"all flat {seconds(gone)}") if flat and gone is not None else None,
        title=f"Notional of all accounts, {amount(points[0][1])} at the decision, {amount(points[-1][1])} at last",
    )


def _levels(highest: float) -> list[float]:
    """Round numbers from 0 on, up to the first that is not below ``highest``."""
    unit = 10.0 ** floor(log10(highest / LEVELS))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor * LEVELS >= highest)
    levels = [0.0]
    while levels[-1] < highest:
        levels.append(round(levels[-1] + step, 10))
    return levels
