# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases of bots, each backed up or restored once for all that use it (S1.7, S1.8). PRIVATE to the collection.

A database is no bot: bots that name the same one share it, and it may lie on a host of its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from jinja2 import Undefined

from ..module_utils._transaction.request import DATA
from ._clock import Row, stages, transactions
from ._results import came_to, is_closed, one_line, process, step_of, value, whole

NEEDED = ("botfleet_database", "data_databases", "data_result", "halt_result")
"""Variables of a bot."""

BACKUP, RESTORE = "backup", "restore"
PROVEN = ("unchanged", "changed", "resumed")
UNREADABLE = "cannot be templated"
FACTS = {
    "backup": ("backup_bytes",),
    "restored": ("rows_discarded", "data_loss", "safety_copy", "downtime_seconds"),
}
"""Of a row of the record, by what was done."""
REQUIRED = ("name", "host", "root", "backups")

Variables = Mapping[str, Mapping[str, Any]]


def shared_databases(
    bots: list[str], variables: Variables, everybody: Iterable[str], *, restore: bool, sliced: bool, check_mode: bool
) -> dict[str, dict[str, Any]]:
    """By name: the ``bots`` in scope that use it, the ``leader`` among them that asks for it, its ``host``, and why it
    may not be touched (``refused``, else empty). Without those of which each bot's rollback is over.

    bots: those in scope, of which halt has asked each
    everybody: all bots, whether in scope or not
    restore: whether it is to be restored, so that nobody may use it meanwhile
    sliced: whether there may be more bots than these, since the job sees only its slice of the inventory
    """
    halted = {bot: value(variables[bot], "halt_result") for bot in bots}
    declared = {bot: _declared(bot, variables) for bot in bots}
    users: dict[str, list[str]] = {}
    for bot in bots:
        if declared[bot]:
            users.setdefault(_name(declared[bot]), []).append(bot)
    over = {bot for bot in bots if is_closed(halted[bot])}
    users = {name: members for name, members in users.items() if not over.issuperset(members)}
    declared.update({bot: _declared(bot, variables) for bot in everybody if bot not in declared} if users else {})
    databases = {}
    for name, members in users.items():
        own = declared[members[0]]
        refused = _misdescribed(name, own, variables) or _described_otherwise(name, members, declared)
        refused = refused or _called_otherwise(name, own, declared.values())
        if restore and not refused:
            strangers = [bot for bot, its in declared.items() if bot not in halted and its and _name(its) == name]
            running = {} if check_mode else {bot: process(halted[bot]) for bot in members if bot not in over}
            refused = _unknown(name, declared.values()) or _used(name, strangers, running, sliced)
            refused = refused or _used_again(name, [bot for bot in members if bot in over])
        host = str(_of(own, "host") or members[0])
        databases[name] = {"bots": members, "leader": members[0], "host": host, "refused": refused}
    return databases


def waiting_for_data(bots: list[str], variables: Variables) -> dict[str, str]:
    """The bots whose database is not as was asked for, each with why: they stay stopped."""
    waiting = {}
    for bot in bots:
        name, database = _database(bot, variables)
        if database:
            why = _unreadable(_declared(bot, variables)) or _failure(variables[database["leader"]])
            if why:
                waiting[bot] = f"its database {name} is not as it should be: {why}"
    return waiting


def database_rows(
    bots: list[str], variables: Variables, earlier: Mapping[str, Row], decided: float
) -> list[dict[str, Any]]:
    """Of each database what became of it, for the record: that of the earlier run where this one did not touch it.

    earlier: that run's rows, by name; decided: when the decision came, s since the epoch
    """
    rows = dict(earlier)
    for bot in bots:
        name, database = _database(bot, variables)
        if database and bot == database["leader"]:
            before = earlier.get(name) or {}
            rows[name] = _and_earlier(_row(name, database, variables[bot], decided, before), before)
    return list(rows.values())


def data_loss(rows: Iterable[Mapping[str, Any]]) -> bool | None:
    """Whether rows left a live database; None if nothing was restored, so that none were counted."""
    counted = [row["data_loss"] for row in rows if row["data_loss"] is not None]
    return any(counted) if counted else None


def in_words(loss: bool | None) -> str:
    """``data_loss`` of a record in a few words; empty if nothing was counted."""
    if loss is None:
        return ""
    return "rows left a database, and are in a safety copy" if loss else "no row was lost"


def became_of(row: Mapping[str, Any]) -> list[str]:
    """What became of a database, in sentences without their ends."""
    planned = [step for step in row["steps"] if step["status"] == "changed" and not step["change"]]
    said = [f"would {step['message']}" for step in planned]  # in check mode
    if row["backup"]:
        size = "" if row["backup_bytes"] is None else f" ({row['backup_bytes'] / 1e6:.1f} MB)"
        said.append(f"backed up as it was to {row['backup']}{size}")
    if row["restored"]:
        took = "" if row["downtime_seconds"] is None else f", down for {row['downtime_seconds']:.1f} s"
        said.append(f"restored from {row['restored']}{took}: {_discarded(row)}")
    return said + ([row["failure"]] if row["failure"] else [])


def _discarded(row: Mapping[str, Any]) -> str:
    counts = [f"{rows} of {table}" for table, rows in sorted((row["rows_discarded"] or {}).items()) if rows]
    if not counts and row["data_loss"]:
        return f"what left it no count shows; it is in its safety copy {row['safety_copy']}"
    if not counts:
        return f"no row was lost, and {row['safety_copy']} is as it was" if row["safety_copy"] else "no row was lost"
    return f"rows left it ({', '.join(counts)}), which are in its safety copy {row['safety_copy']}"


def _and_earlier(row: dict[str, Any], earlier: Mapping[str, Any]) -> dict[str, Any]:
    """With what an earlier run did, where this one did not do it again."""
    for done, facts in FACTS.items():
        if row[done] is None:
            row.update({name: earlier[name] for name in (done, *facts) if name in earlier})
    return row


def _row(
    name: str, database: Mapping[str, Any], variables: Mapping[str, Any], decided: float, earlier: Row
) -> dict[str, Any]:
    result = whole(value(variables, "data_result")) or {}
    backup, restore = (step_of(result, DATA, step) for step in (BACKUP, RESTORE))
    kept = _change(backup)
    restored = _change(restore)
    own = [result] if result else []
    return {
        "name": name,
        "host": database["host"],
        "bots": list(database["bots"]),
        "backup": kept.get("path"),
        "backup_bytes": kept.get("bytes"),
        "restored": restored.get("backup"),
        "rows_discarded": restored.get("rows_discarded"),
        "data_loss": restored.get("data_loss"),
        "safety_copy": restored.get("safety_copy"),
        "downtime_seconds": restored.get("downtime"),
        "transactions": transactions(own, decided, earlier),
        "stages": stages(own, decided, earlier),
        "steps": [step for step in (backup, restore) if step],
        "failure": _failure(variables) or None,
    }


def _change(step: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a step did, or had done in an earlier run, also where it could not be proven afterwards."""
    return (step.get("change") or {}) if step.get("status") in (*PROVEN, "failed") else {}


def _failure(variables: Mapping[str, Any]) -> str:
    """Why a leader's task did not do what was asked for; empty if it did."""
    result = value(variables, "data_result")
    missing = came_to(result)
    if missing:
        return missing
    return one_line(result["msg"]) if result.get("failed") else ""


def _database(bot: str, variables: Variables) -> tuple[str, Mapping[str, Any]]:
    """The name of a bot's database and what was found of it; nothing of it if it was not worked on."""
    found = value(variables[bot], "data_databases") or {}
    declared = _declared(bot, variables) if found else None
    return (_name(declared), found.get(_name(declared)) or {}) if declared else ("", {})


def _declared(bot: str, variables: Variables) -> Any:
    """A bot's botfleet_database; of one that cannot be templated whose it is, for it is not the same as none."""
    try:
        return _read(variables[bot].get("botfleet_database"))
    except Exception:  # noqa: BLE001  # what a template raises depends on the version of ansible-core
        return {"name": f"of {bot}", UNREADABLE: bot}


def _read(value: Any) -> Any:
    """With all that is in it, which is templated no earlier than it is read.

    Of what cannot be templated 2.18 leaves the text, and 2.19 and later give what raises when it is used.
    """
    if isinstance(value, Undefined) or (isinstance(value, str) and "{{" in value):
        raise ValueError("undefined")
    if isinstance(value, Mapping):
        return {key: _read(item) for key, item in value.items()}
    return [_read(item) for item in value] if isinstance(value, list) else value


def _name(database: Any) -> str:
    return str(_of(database, "name") or "without a name")


def _of(database: Any, key: str) -> Any:
    return database.get(key) if isinstance(database, Mapping) else None


def _unreadable(database: Any) -> str:
    bot = _of(database, UNREADABLE)
    return f"botfleet_database of {bot} cannot be templated: mend it in the inventory" if bot else ""


def _misdescribed(name: str, database: Any, variables: Variables) -> str:
    if _of(database, UNREADABLE):
        return _unreadable(database)
    missing = [key for key in REQUIRED if not _of(database, key)]
    if missing:
        return f"botfleet_database {name} has no {', '.join(missing)}: write it in the inventory"
    if database["host"] not in variables:
        return f"botfleet_database {name} is on {database['host']}, which is no host of the inventory: name one that is"
    return ""


def _described_otherwise(name: str, bots: list[str], declared: Mapping[str, Any]) -> str:
    first = declared[bots[0]]
    for bot in bots:
        keys = {key for key in {*declared[bot], *first} if declared[bot].get(key) != first.get(key)}
        if keys:
            named = ", ".join(sorted(keys))
            return (
                f"{bots[0]} and {bot} say different things of the database {name} ({named}): write it once, for a group"
            )
    return ""


def _called_otherwise(name: str, database: Any, declared: Iterable[Any]) -> str:
    names = {_name(other) for other in declared if other and _place(other) == _place(database)} - {name}
    if not names:
        return ""
    also = ", ".join(sorted(names))
    return f"{name} and {also} are the same database, {database['root']} on {database['host']}: give it one name"


def _place(database: Any) -> tuple[Any, str]:
    return _of(database, "host"), os.path.normpath(str(_of(database, "root") or ""))


def _unknown(name: str, declared: Iterable[Any]) -> str:
    """Why a database may not be restored: nobody knows who uses it."""
    bots = [_of(database, UNREADABLE) for database in declared if _of(database, UNREADABLE)]
    if not bots:
        return ""
    return (
        f"botfleet_database of {', '.join(bots)} cannot be templated, so nobody knows whether it is {name}: mend it in "
        "the inventory"
    )


def _used_again(name: str, over: list[str]) -> str:
    """Why a database may not be restored: what halt read of a bot whose rollback is over is as old as that."""
    if not over:
        return ""
    return (
        f"{', '.join(over)} use the database {name} and may run again, for their rollback is over: it was left alone; "
        "run the others without database=true, or start a new rollback"
    )


def _used(name: str, strangers: list[str], running: Mapping[str, str], sliced: bool) -> str:
    """Why a database may not be restored: somebody may be using it."""
    if sliced:
        return (
            f"this job is a slice and does not see all bots that use the database {name}: restore it in one that is not"
        )
    if strangers:
        return f"{', '.join(strangers)} outside the scope use the database {name}: widen the scope"
    unproven = [bot for bot, state in running.items() if state != "stopped"]
    if unproven:
        return f"{', '.join(unproven)} use the database {name} and are not proven stopped: it was left alone"
    return ""
