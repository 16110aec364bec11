# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records to draw: of the real engine, and what is derived from them for scale and for odd cases."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.tradeops.botfleet.plugins.plugin_utils._barrier import barrier
from ansible_collections.tradeops.botfleet.plugins.plugin_utils._record import build_record

from ..results import DECIDED, DECIDED_EPOCH, SKIPPED, UNREACHABLE, Bot

BUDGETS = {"halt": 30.0, "revert": 60.0, "resume": 120.0, "verify": 5.0}


def record(
    variables: list[dict[str, Any]], check_mode: bool = False, standing: Any = None, **inputs: Any
) -> dict[str, Any]:
    """A record as the rollback writes it."""
    by_name = {entry["inventory_hostname"]: entry for entry in variables}
    given = {
        "rollback_id": "rb-1",
        "plan": "emergency",
        "scope": "bots",
        "trigger": "operator",
        "reason": "P&L anomaly",
        "decided_at": DECIDED,
        "bots": list(by_name),
        "inputs": {"target": "previous", "batch": "50%", "max_unsafe": 1},
        **inputs,
    }
    return build_record(given, by_name, check_mode, DECIDED_EPOCH + 90, standing)


def once(make: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """The engine carries out each of them once; every test gets a copy of its own."""
    made: dict[tuple[int, ...], dict[str, Any]] = {}

    def made_once(root: Path, *count: int) -> dict[str, Any]:
        if count not in made:
            made[count] = make(root, *count)
        return copy.deepcopy(made[count])

    return made_once


@once
def restored(root: Path, count: int = 2) -> dict[str, Any]:
    """Every bot restored, with times that can be read off: see ``timed``."""
    bots = [Bot(root, f"bot-{number}") for number in range(1, count + 1)]
    return timed(record([bot.variables(bot.halt(), bot.revert()) for bot in bots]))


@once
def with_database(root: Path) -> dict[str, Any]:
    """A bot whose database was backed up, for a minute and a half after the bot was safe."""
    bot = Bot(root, "bot-1")
    found = timed(record([bot.variables(bot.halt(), bot.revert())]))
    stage = {"name": "data", "status": "ok", "started_after_seconds": 5.0, "seconds": 90.0, "message": ""}
    found["databases"] = [
        {
            **dict.fromkeys(("restored", "rows_discarded", "data_loss", "safety_copy", "downtime_seconds", "failure")),
            "name": "fills",
            "host": "db",
            "bots": ["bot-1"],
            "backup": "/backup/rb-1",
            "backup_bytes": 2_500_000,
            "transactions": [{"stages": ["data"], "sent_after_seconds": 4.5, "received_after_seconds": 95.5}],
            "stages": [{**stage, "budget": 60.0, "over_budget": True}],
            "steps": [],
        }
    ]
    return found


@once
def mixed(root: Path) -> dict[str, Any]:
    """Restored, unhealthy, undone, held, not stopped, unreachable."""
    good, sick, undone, held, stuck, gone = (
        Bot(root, name) for name in ("good", "sick", "undone", "held", "stuck", "gone")
    )
    rows = [
        good.variables(good.halt(), good.revert()),
        sick.variables(sick.halt(), sick.revert(healthy=False)),
        undone.variables(undone.halt(), undone.revert(code_fails=True)),
        stuck.variables(stuck.halt(stop_fails=True), SKIPPED),
        gone.variables(UNREACHABLE, SKIPPED),
    ]
    waiting = held.variables(held.halt(), SKIPPED)
    waiting["halt_barrier"] = barrier(["held", "gone"], {"held": waiting, "gone": rows[-1]})
    return timed(record([*rows, waiting]))


@once
def held(root: Path) -> dict[str, Any]:
    """What bots may hold after halt: nothing, by proof or by word; something, left on purpose or not; nobody knows."""
    flat, empty, stops, stuck, silent, none = (
        Bot(root, name) for name in ("flat", "empty", "stops", "stuck", "silent", "none")
    )
    rows = [
        flat.holds(8000.0, 1500.0),
        empty.holds(),
        stops.holds(2500.0, strategy="natural"),
        stuck.holds(900.0, 334.5, refuses=True),
        silent.holds(700.0, silent=True),
        none,
    ]
    passes = (flat, empty, none)
    found = record([bot.variables(bot.halt(), bot.revert() if bot in passes else SKIPPED) for bot in rows])
    return timed(found)


@once
def guarded(root: Path) -> dict[str, Any]:
    """Two bots that came to their end, of which one has left its positions to their stops, and that was accepted."""
    flat, stops = Bot(root, "flat").holds(8000.0), Bot(root, "stops").holds(2500.0, strategy="natural")
    found = record(
        [flat.variables(flat.halt(), flat.revert()), stops.variables(stops.halt(), stops.revert(starts=False))],
        inputs={"positions": "natural", "accept_guarded": True},
    )
    return timed(found)


@once
def narrower(root: Path) -> dict[str, Any]:
    """A bot that is not to run, and two that only the run before was about, of which one is exposed."""
    stays, good, gone = (Bot(root, name) for name in ("stays", "good", "gone"))
    last = stays.variables(stays.halt(), stays.revert(starts=False))
    first = [last, good.variables(good.halt(), good.revert()), gone.variables(UNREACHABLE, SKIPPED)]
    return record([last], standing=record(first))


@once
def check(root: Path) -> dict[str, Any]:
    bot = Bot(root)
    return record([bot.variables(bot.halt(check_mode=True), bot.revert(check_mode=True))], check_mode=True)


@once
def check_of_held(root: Path) -> dict[str, Any]:
    """One would be taken to nothing, one would be left to its stops."""
    flat, stops = Bot(root, "flat").holds(8000.0, 1500.0), Bot(root, "stops").holds(2500.0, strategy="natural")
    rows = [bot.variables(bot.halt(check_mode=True), bot.revert(check_mode=True)) for bot in (flat, stops)]
    return record(rows, check_mode=True)


@once
def unreachable(root: Path, count: int = 3) -> dict[str, Any]:
    bots = [Bot(root, f"bot-{number}") for number in range(1, count + 1)]
    gone = [{**UNREACHABLE, "msg": f"port {number} is closed"} for number in range(count)]
    return record([bot.variables(result, SKIPPED) for bot, result in zip(bots, gone)])


def timed(found: dict[str, Any]) -> dict[str, Any]:
    """Halt is sent at 1 s, begins at 2 s and takes 2 s; the rest is sent at 6 s, each stage takes 1 s from 8 s on.

    Of halt, reading and closing what the bot holds takes 1.9 s, from 2.04 s on.
    """
    for bot in found["bots"]:
        begin = {"halt": 2.0, "revert": 8.0, "resume": 9.0, "verify": 10.0}
        for stage in bot["stages"]:
            skipped = stage["status"] == "skipped"
            seconds = 0.0 if skipped else 2.0 if stage["name"] == "halt" else 1.0
            stage.update(started_after_seconds=begin[stage["name"]], seconds=seconds)
            stage.update(budget=BUDGETS[stage["name"]], over_budget=seconds > BUDGETS[stage["name"]])
        for step in bot["steps"]:
            step["seconds"] = 1.9 if step["operation"] == "exchange_exposure" else 0.02
        for sent, times in zip(bot["transactions"], ((1.0, 4.0), (6.0, 11.0))):
            sent.update(sent_after_seconds=times[0], received_after_seconds=times[1])
        bot["safe_after_seconds"] = 4.0 if bot["safe"] else None
        bot["restored_after_seconds"] = 11.0 if bot["restored"] else None
    for kind, seconds in (("safe", 4.0), ("restored", 11.0)):
        found[f"time_to_{kind}_seconds"] = seconds if all(bot[kind] for bot in found["bots"]) else None
    return found


def scaled(found: dict[str, Any], count: int) -> dict[str, Any]:
    """The same record with ``count`` bots, in turn like those that it has, named bot-1 and so on."""
    rows = []
    for number in range(1, count + 1):
        row = copy.deepcopy(found["bots"][number % len(found["bots"])])
        rows.append({**row, "name": f"bot-{number}"})
    return {**found, "bots": rows}


def later(found: dict[str, Any], after: float, seconds: float) -> dict[str, Any]:
    """The same record, with what came later than ``after`` moved so many seconds."""
    moved = copy.deepcopy(found)

    def move(entry: dict[str, Any], *names: str) -> None:
        for name in names:
            if entry[name] is not None and entry[name] > after:
                entry[name] += seconds

    for bot in moved["bots"]:
        move(bot, "safe_after_seconds", "restored_after_seconds")
        for sent in bot["transactions"]:
            move(sent, "sent_after_seconds", "received_after_seconds")
        for stage in bot["stages"]:
            move(stage, "started_after_seconds")
    move(moved, "time_to_safe_seconds", "time_to_restored_seconds")
    return moved


def with_diff(found: dict[str, Any], before: str, after: str, path: str = "/srv/{name}/config.yaml") -> dict[str, Any]:
    """The same record, in which the code of each bot changed like this."""
    for bot in found["bots"]:
        for step in bot["steps"]:
            if step["stage"] == "revert":
                header = path.format(name=bot["name"])
                texts = {"before": before.format(name=bot["name"]), "after": after.format(name=bot["name"])}
                step["diff"] = [{**texts, "before_header": header, "after_header": header}]
    return found
