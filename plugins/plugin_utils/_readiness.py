# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether bots are ready for a rollback, point by point (S2.3). PRIVATE to the collection."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ._clock import duration, iso
from ._controller import controller
from ._exposure import UNDECLARED, described_otherwise
from ._results import came_to, one_line, running_tag, step_of, tag_to_go_back_to, value
from ._summary import table
from ._timeline.text import names, plain

Bot = Mapping[str, Any]
Point = tuple[bool, str]
"""Whether it is as it should be, and a sentence either way."""

SCHEMA_VERSION = 1
AGE = re.compile(r"(\d+)([smhdw]?)")
UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
CLOCKS_DIFFER = 300  # s
NEEDED = (
    *("botfleet_kind", "arm_reached", "arm_failure", "arm_host", "arm_version", "arm_kept", "arm_config"),
    *("arm_accounts", "arm_validation", "arm_declared"),
)
NAMES_ROOM = 40  # columns
SHOW_ALL = 20  # bots; of more, those that are ready and give no warning are counted


def readiness(
    bots: Sequence[str],
    variables: Mapping[str, Any],
    required: Sequence[str],
    scope: str = "",
    check_mode: bool = False,
) -> dict[str, Any]:
    """``report`` (docs/schemas/readiness.json), ``ready``, ``lines`` for a terminal, ``verdict`` as a sentence.

    variables: by bot, with what the role arm registered
    required: the points without which a bot is not ready; the others only warn
    """
    found: dict[str, dict[str, Any]] = {}
    sharing: dict[str, list[str]] = {}
    for name in bots:
        merged = variables[name]  # each look into hostvars merges them anew
        found[name] = {variable: value(merged, variable) for variable in NEEDED}
        sharing.setdefault((found[name]["arm_declared"] or {}).get("accounts_from") or "", []).append(name)
    rows = []
    for name, bot in found.items():
        reader = (bot["arm_declared"] or {}).get("accounts_from")
        if reader and sharing[reader] != [reader]:
            bot["arm_accounts"] = value(variables[reader], "arm_accounts")
            account = value(variables[reader], "botfleet_account") or reader
            bot["differs"] = described_otherwise(account, sharing[reader], variables)
        points = [
            {"id": point, "ok": ok, "required": point in required, "says": plain(says)}
            for point, (ok, says) in _points(bot).items()
        ]
        ready = all(point["ok"] for point in points if point["required"])
        rows.append({"name": name, "kind": bot["botfleet_kind"], "ready": ready, "points": points})
    report = {
        "schema_version": SCHEMA_VERSION,
        "at": iso(time.time()),
        "check_mode": check_mode,
        "controller": controller(),
        "scope": scope,
        "ready": all(row["ready"] for row in rows),
        "bots": rows,
    }
    return {"report": report, "ready": report["ready"], "lines": _lines(report), "verdict": _verdict(rows)}


def age_problem(text: Any) -> str:
    """Why a text is no age, as the rest of a sentence; empty if it is one."""
    return "" if AGE.fullmatch(str(text)) else "which is no age: write a number with s, m, h, d or w, such as 24h"


def _points(bot: Bot) -> dict[str, Point]:
    reached = bot["arm_reached"] or {}
    host = bot["arm_host"] or {}
    if reached.get("unreachable") or "place" not in host or not bot["arm_declared"]:
        missing = came_to(reached) if reached.get("unreachable") else _failure(bot["arm_failure"] or host)
        return {name: (False, missing if name == "armed" else "not read") for name in POINTS}
    return {name: _judged(judge, bot) for name, judge in POINTS.items()}


def _judged(judge: Callable[[Bot], Point], bot: Bot) -> Point:
    try:
        return judge(bot)
    except Exception as error:  # noqa: BLE001  # whatever one bot's data trips over, all are reported
        return False, f"what was read cannot be judged ({error!r})"


def _armed(bot: Bot) -> Point:
    expected, host = bot["arm_declared"], bot["arm_host"]
    unit = host["unit"]
    environment, state = host["environment"], host["state"]
    lists = [name for name in ("requirements", "exchange") if expected[name]]
    problems = {
        _failure(bot["arm_failure"] or {}): bool(bot["arm_failure"]),
        f"{state['path']} is not there, or not this user's to write": not state["writable"],
        environment["problem"]: bool(environment["problem"]),
        f"{environment['path']} is of another version": any(
            environment[name] not in (None, expected[name]) for name in lists
        ),
        f"{environment['path']} has no ccxt, which botfleet_exposure needs": "exchange" in lists
        and not environment["exchange"]
        and bool(environment["requirements"]),
        "the agent of this version is not there": expected["agent"] not in host["agents"],
    }
    if unit:
        problems[f"{unit['drop_in']} is not in effect"] = not unit["loaded"] or unit["ours"] != expected["conditions"]
    said = "; ".join(problem for problem, is_so in problems.items() if is_so)
    return not said, said or "agent, environment and state directory are there" + (", the drop-in too" if unit else "")


def _failure(result: Mapping[str, Any]) -> str:
    """Why a task failed. Of a loop, the items that failed say more than the whole."""
    items = [item for item in result.get("results") or [] if item.get("failed")]
    messages = [one_line(item.get("msg") or "no reason was given") for item in items or [result]]
    return "; ".join(text.removeprefix("Task failed: ").removeprefix("Action failed: ") for text in messages)  # 2.20 on


def _version(bot: Bot) -> Point:
    result = bot["arm_version"]
    missing = came_to(result)
    tag = tag_to_go_back_to(result)
    if missing or not tag:
        return False, missing or one_line(step_of(result, "halt", "target").get("message"))
    return True, f"would go from {running_tag(result) or 'no tag'} to {tag}"


def _config(bot: Bot) -> Point:
    """The backup of the version to go back to, or, where it may be missing, that of the version that runs."""
    if (bot["arm_config"] or {}).get("skipped"):
        return False, "there is no version to go back to"
    missing = came_to(bot["arm_config"])
    if missing:
        return False, missing
    step = step_of(bot["arm_config"], "revert", "config")
    if step.get("status") in ("changed", "unchanged"):
        return True, f"would be restored from {step['before']['snapshot']}"
    result = bot["arm_kept"] or {}
    kept = result.get("after") or result.get("before") or {}
    if step.get("status") != "skipped":
        return False, one_line(step.get("message"))
    if not kept.get("snapshot_present"):
        return False, "neither the config of the version to go back to nor that of the one that runs is kept"
    return True, f"would stay as the checkout leaves it; that of the version that runs is kept in {kept['snapshot']}"


def _database(bot: Bot) -> Point:
    declared, backup = bot["arm_declared"], bot["arm_host"]["database_backup"]
    if not declared["has_database"]:
        return True, "it has none"
    if not declared["database_backup"]:
        return False, "botfleet_database_backup is not set: set it, or botfleet_has_database to false"
    if not backup:
        return False, f"no backup is at {declared['database_backup']}"
    if backup["bytes"] == 0:
        return False, f"{backup['path']} is empty"
    if backup["age_seconds"] < -CLOCKS_DIFFER:
        return False, f"{backup['path']} is from the future by the host's clock: set that"
    return _young(backup["path"], backup["age_seconds"], declared["database_backup_max_age"])


def _rehearsed(bot: Bot) -> Point:
    last = bot["arm_host"]["rehearsal"]
    if not last:
        return False, "no rollback of it was ever proven to its end"
    return _young(f"rollback {last['rollback_id']}", last["age_seconds"], bot["arm_declared"]["rehearsal_max_age"])


def _young(what: str, age: float, most: Any) -> Point:
    found = AGE.fullmatch(str(most))
    if not found:
        return False, f"{most!r} is no age"
    ok = age <= int(found[1]) * UNITS[found[2]]
    return ok, f"{what} is {_days(age)} old" + ("" if ok else f", more than {most}")


def _days(age: float) -> str:
    return duration(age) if age < 172800 else f"{age / 86400:.0f} days"


def _contacts(bot: Bot) -> Point:
    contacts = bot["arm_declared"]["contacts"]
    if not isinstance(contacts, list) or not all(isinstance(contact, Mapping) for contact in contacts):
        return False, "botfleet_contacts is no list of who is called, each with name and reach"
    if not contacts:
        return False, "botfleet_contacts is empty: name who is called"
    blank = [contact for contact in contacts if not all(str(contact.get(name) or "").strip() for name in CONTACT)]
    if blank:
        return False, f"of {len(contacts)} botfleet_contacts, {len(blank)} without a name or a way to reach them"
    return True, "; ".join(f"{contact['name']}: {contact['reach']}" for contact in contacts)


def _accounts(bot: Bot) -> Point:
    """Each is read as halt would read it, so its credentials are of the environment that is declared (S1.3, S4.7)."""
    result = bot["arm_accounts"]
    if not bot["arm_declared"]["accounts_from"]:
        return True, "declared to hold no position"
    if bot.get("differs"):
        return False, bot["differs"]
    missing = came_to(result)
    if missing:
        return False, missing
    read = [step for step in result["steps"] if step["status"] != "skipped"]
    failed = [one_line(step["message"]) for step in read if step["status"] == "failed"]
    if failed or not read:
        return False, "; ".join(failed) or UNDECLARED
    return True, "; ".join(f"{step['before']['account']} can be read" for step in read)


def _plans(bot: Bot) -> Point:
    results = [result for result in (bot["arm_validation"] or {}).get("results") or [] if not result.get("skipped")]
    if not results:
        return False, f"no plan has steps for botfleet_kind {bot['botfleet_kind']!r}"
    wrong = [f"{result['arm_plan']}: {problem}" for result in results for problem in _invalid(result)]
    return not wrong, "; ".join(wrong) or ", ".join(result["arm_plan"] for result in results)


def _invalid(result: Mapping[str, Any]) -> list[str]:
    """What a validation found; what makes a bot safe is no stage, and its own to look at."""
    safe = (result.get("safe") or {}).get("steps") or []
    return [
        *([one_line(result["msg"])] if result.get("msg") else []),
        *(f"step {step['name']!r} of safe: {step['invalid']}" for step in safe if step.get("invalid")),
    ]


CONTACT = ("name", "reach")
POINTS: dict[str, Callable[[Bot], Point]] = {
    "armed": _armed,
    "version": _version,
    "config": _config,
    "database": _database,
    "accounts": _accounts,
    "plans": _plans,
    "contacts": _contacts,
    "rehearsed": _rehearsed,
}


def _lines(report: Mapping[str, Any]) -> list[str]:
    """The table, bots that are not ready first, then each sentence once with the bots that it is about."""
    bots = sorted(report["bots"], key=lambda row: (row["ready"], row["name"]))
    perfect = [row for row in bots if all(point["ok"] for point in row["points"])]
    shown = bots if len(bots) <= SHOW_ALL else [row for row in bots if row not in perfect]
    lines = ["CHECK MODE: nothing was changed, this is what was found"] if report["check_mode"] else []
    lines += table([("bot", "kind", "ready", *POINTS, ""), *map(_row, shown)]) if shown else []
    if len(shown) < len(bots):
        lines.append(f"{len(perfect)} more bots are ready")
    about: dict[str, list[str]] = {}
    for row in bots:
        for point in (point for point in row["points"] if not point["ok"] and point["says"] != "not read"):
            about.setdefault(f"{point['id']}: {point['says']}", []).append(row["name"])
    return [*lines, *(f"{names(having, NAMES_ROOM)}: {sentence}" for sentence, having in about.items())]


def _row(row: Mapping[str, Any]) -> list[str]:
    words = ["ok" if point["ok"] else "NO" if point["required"] else "warning" for point in row["points"]]
    return [plain(row["name"]), plain(row["kind"] or "-"), "yes" if row["ready"] else "NO", *words, ""]


def _verdict(rows: Sequence[Mapping[str, Any]]) -> str:
    lacking = {
        row["name"]: [point["id"] for point in row["points"] if point["required"] and not point["ok"]] for row in rows
    }
    wrong = [f"{plain(name)} ({', '.join(points)})" for name, points in lacking.items() if points]
    return f"{len(rows) - len(wrong)} of {len(rows)} bots are ready" + (
        f"; not ready: {', '.join(wrong)}" if wrong else ""
    )
