# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a record knows of an incident, as tables. PRIVATE to the collection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from ...module_utils._transaction.request import DATA
from .._clock import duration, epoch
from .._databases import became_of, in_words
from .._exposure import FLAT, GUARDED, NONE, RESIDUAL, UNPROVEN
from .._holdings import amount, in_few_words, steps_of
from .._markdown import Markdown, table
from .._results import place_of
from .._summary import verdict

Record = Mapping[str, Any]
NAMED = 12
"""How many bots are named where a count would do for the others."""

POSITIONS = {
    UNPROVEN: "not known: not read, or not proven",
    RESIDUAL: "some are left",
    GUARDED: "left to their stops on purpose",
    FLAT: "none is left, read back",
    NONE: "none, as the inventory declares",
}
DONE = ("changed", "resumed", "failed", "undone", "not_undone")


def about(record: Record) -> Markdown:
    """What, why, who, when, how it came out (S4.9), and what is due when (S1.10, S2.14)."""
    history = record["history"]
    return table(
        [
            ("Fact", "Value"),
            ("Rollback", record["rollback_id"]),
            ("Plan and scope", f"{record['plan']}, {record['scope']}"),
            *([("Phase", record["phase"])] if record["phase"] else []),
            ("Reason", record["reason"]),
            ("Trigger", record["trigger"]),
            ("Started by", f"{record['operator'] or 'unknown'}, {'automatic' if record['automatic'] else 'manual'}"),
            ("Decided", _moment(record)),
            ("Recorded", _time(record["completion_time"])),
            ("Outcome", f"{record['outcome']}: {verdict(record)}"),
            ("Every bot safe after", _seconds(record["time_to_safe_seconds"])),
            ("Every bot restored after", _seconds(record["time_to_restored_seconds"])),
            ("Duration", duration(record["duration_minutes"] * 60)),
            ("Bots that count as trading", _names([bot["name"] for bot in record["bots"] if bot["trading"] == "on"])),
            ("Data loss", in_words(record["data_loss"]) or "not counted"),
            ("Status when recorded", record["status"]),
            ("History", f"line {history['line']}, {history['head']}" if history else "in no line of it"),
            ("First four hours end", _moment(record, hours=4)),
            ("Interim report due", _moment(record, hours=24)),
            ("Post-mortem due", _moment(record, hours=24)),
            ("Corrective actions due", _moment(record, days=7)),
        ]
    )


def systems(record: Record) -> Markdown:
    """Each bot, the worst first."""
    bots = sorted(record["bots"], key=lambda bot: (bot["restored"], bot["safe"], bot["guarded"], bot["name"]))
    return table(
        [
            (
                *("Bot", "Kind", "Ended", "From", "To", "Trading", "Process", "Exposure", "Safe after"),
                *("Restored after", "Failure"),
            ),
            *(
                (
                    bot["name"],
                    bot["kind"],
                    _ended(bot),
                    bot["from"],
                    bot["to"],
                    bot["trading"],
                    bot.get("process", "unknown"),
                    in_few_words(bot),
                    _seconds(bot["safe_after_seconds"]),
                    _seconds(bot["restored_after_seconds"]),
                    bot["failure"],
                )
                for bot in bots
            ),
        ]
    )


def _ended(bot: Mapping[str, Any]) -> str:
    state = "restored" if bot["restored"] else "safe" if bot["safe"] else "" if bot["guarded"] else "NOT SAFE"
    state = ", ".join(filter(None, [state, "guarded" if bot["guarded"] else ""]))
    return state if bot.get("in_this_run", True) else f"{state} (not in the last run)"


def positions(record: Record) -> Markdown:
    """Positions and orders as they were when they were first read (S2.16, S4.9); whether any are left."""
    rows = []
    for bot in record["bots"]:
        for step in steps_of(bot):
            found = step["before"] or {}
            account = found.get("account")
            for held in found.get("positions", []):
                position = f"{held['side']} {held['contracts']} {held['symbol']}"
                rows.append((bot["name"], account, position, amount(held["notional"])))
            orders = found.get("orders", [])
            if orders:
                rows.append((bot["name"], account, f"{len(orders)} {'order' if len(orders) == 1 else 'orders'}", "-"))
    before = [table([("Read for", "Account", "What was there", "Notional"), *rows])] if rows else []
    return Markdown("\n".join([*before, _left(record)]))


def _left(record: Record) -> Markdown:
    by_state: dict[str, list[str]] = {}
    for bot in record["bots"]:
        by_state.setdefault(bot["exposure"]["state"], []).append(bot["name"])
    rows = [(said, _names(by_state[state])) for state, said in POSITIONS.items() if state in by_state]
    return table([("Positions at the end", "Bots"), *rows])


def closed(record: Record) -> Markdown:
    """What was sent to exchanges: closing orders with their client ids, and cancelled orders."""
    rows = []
    for bot in record["bots"]:
        for step in steps_of(bot):
            change = step["change"] or {}
            for order in change.get("closed", []):
                position = f"{order['side']} {order['contracts']} {order['symbol']}"
                rows.append((bot["name"], f"close {position}", order["client_id"], order["came_to"]))
            for order in change.get("cancelled", []):
                what = f"{order['side']} {order['amount'] or 'all'} {order['symbol']}"
                rows.append((bot["name"], f"cancel {order['kind']} order, {what}", order["id"], "asked for"))
    if not rows:
        return Markdown("Nothing.\n")
    return table([("Read for", "What", "Client id, or id of the order", "Came to"), *rows])


def databases(record: Record) -> Markdown:
    """What became of each database, and where its safety copy is (S1.7, S1.8)."""
    rows = [
        (row["name"], row["host"], _names(row["bots"]), "; ".join(became_of(row)))
        for row in record.get("databases", [])
    ]
    if not rows:
        return Markdown("None was touched.\n")
    return table([("Database", "Host", "Bots that use it", "What became of it"), *rows])


def timeline(record: Record) -> Markdown:
    """What the playbook did when, by the controller's clock. Nothing of what people did is in a record."""
    events = [(0.0, "decided")]
    events += [(began, text) for began, text in map(_stage, _stages(record).items()) if began is not None]
    for name, figure in (("safe", "time_to_safe_seconds"), ("restored", "time_to_restored_seconds")):
        if record[figure] is not None:
            events.append((record[figure], f"every bot known to be {name}"))
    events.append((epoch(record["completion_time"]) - epoch(record["start_time"]), f"recorded as {record['outcome']}"))
    rows = [(_moment(record, seconds=after), text) for after, text in sorted(events, key=lambda event: event[0])]
    return table([("Time", "What"), *rows])


def actions(record: Record) -> Markdown:
    """What was done, failed or put back, and on which bots. What was found as wanted is left out."""
    done: dict[tuple[str, ...], list[str]] = {}
    for bot in record["bots"]:
        for step in bot["steps"]:
            if step["status"] in DONE:
                done.setdefault((step["stage"], step["name"], step["status"]), []).append(bot["name"])
    in_order = sorted(done.items(), key=lambda item: place_of(item[0][0]))
    rows = [(*what, len(names), _names(names)) for what, names in in_order]
    return table([("Stage", "Step", "Came to", "Bots", "Which"), *rows])


def _stages(record: Record) -> dict[str, list[Mapping[str, Any]]]:
    stages: dict[str, list[Mapping[str, Any]]] = {}
    for row in [*record["bots"], *record.get("databases", [])]:
        for stage in row.get("stages", []):
            if stage["status"] != "skipped" and stage["started_after_seconds"] is not None:
                stages.setdefault(stage["name"], []).append(stage)
    return stages


def _stage(named: tuple[str, Sequence[Mapping[str, Any]]]) -> tuple[float, str]:
    name, stages = named
    began = min(stage["started_after_seconds"] for stage in stages)
    ended = max(stage["started_after_seconds"] + stage["seconds"] for stage in stages)
    failed = sum(stage["status"] == "failed" for stage in stages)
    over = sum(stage["over_budget"] for stage in stages)
    what = "database" if name == DATA else "bot"
    where = f"{len(stages)} {what}{'' if len(stages) == 1 else 's'}"
    parts = [f"{name} began, on {where} in all, the last done after {_seconds(ended - began)}"]
    parts += [f"failed on {failed}"] if failed else []
    parts += [f"over budget on {over}"] if over else []
    return began, "; ".join(parts)


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more or "none"


def _seconds(value: float | None) -> str:
    return "not reached" if value is None else f"{value:.1f} s"


def _moment(record: Record, **after: float) -> str:
    """A time so long after the decision."""
    decided = datetime.fromtimestamp(epoch(record["start_time"]), timezone.utc)
    return f"{decided + timedelta(**after):%Y-%m-%d %H:%M:%S} UTC"


def _time(text: str) -> str:
    return f"{datetime.fromtimestamp(epoch(text), timezone.utc):%Y-%m-%d %H:%M:%S} UTC"
