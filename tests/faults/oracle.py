# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the hosts, and says where a report contradicts them. A witness: it knows nothing of the collection's code."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

LOOK = r"""
show() { systemctl show --property "$1" --value "$unit" 2>/dev/null; }
git() { command git -c safe.directory='*' -C "$path" "$@" 2>/dev/null; }
orders() { stat -c %s "$ledger" 2>/dev/null || echo 0; }
size=$(orders)
working=0
for process in /proc/[0-9]*; do
  case "$(readlink "$process/cwd")" in "$path"|"$path"/*) working=$((working + 1));; esac
done
echo "unit $(show ActiveState)"
echo "main $(show MainPID)"
echo "working $working"
echo "tag $(git tag --points-at HEAD | head -n 1)"
echo "started $(sed -n 's/.* started version=\([^ ]*\).*/\1/p' "$log" | tail -n 1)"
echo "switch $(sed -n "s/^ *$key: *\([^ #]*\).*/\1/p" "$config" | tr '\n' ' ')"
echo "flag $(test -e "$flag" -o -L "$flag" && echo up || echo down)"
echo "last $(tail -n 1 "$ledger" | sed -n 's/.*"t": \([0-9.]*\).*/\1/p')"
sleep 0.4
echo "orders $size $(orders)"
"""


NOT_RESTORED = 2
"""The exit code of a rollback of which a bot ended safe or exposed."""


@dataclass(frozen=True)
class Bot:
    """Where a bot is: its container, and in that its unit, its repository and the files in which it can be read."""

    name: str
    container: str
    unit: str
    path: str
    log: str
    ledger: str
    flag: str
    config: str
    key: str


@dataclass(frozen=True)
class Reading:
    """What a host says of its bot.

    running: its unit has a process, or any process works in its directory
    processes: how many do
    trading: its ledger grew while it was looked at
    last_order: wall clock, s since 1970; 0.0 if there was none
    tag: of the commit that is checked out
    version: that the bot's process said it was when it was last started
    flag_up: its flag file is there
    permitted: its flag is up, or its config does not say plainly that it may not trade
    """

    running: bool
    processes: int
    trading: bool
    last_order: float
    tag: str
    version: str
    flag_up: bool
    permitted: bool


Contradictions = dict[str, list[str]]


def read(bots: list[Bot]) -> dict[str, Reading]:
    """What the hosts say now, all at once."""
    with ThreadPoolExecutor(len(bots)) as pool:
        return dict(zip([bot.name for bot in bots], pool.map(look, bots), strict=True))


def look(bot: Bot) -> Reading:
    """What one host says now."""
    names = ("unit", "path", "log", "ledger", "flag", "config", "key")
    given = "".join(f"{name}='{getattr(bot, name)}'\n" for name in names)
    command = ["podman", "exec", "--interactive", "--user", "root", bot.container, "sh"]
    done = subprocess.run(command, input=given + LOOK, capture_output=True, text=True, check=True, timeout=60)
    said = dict(line.partition(" ")[::2] for line in done.stdout.splitlines())
    before, after = map(int, said["orders"].split())
    return Reading(
        running=said["unit"] not in ("inactive", "failed") or said["main"] != "0" or said["working"] != "0",
        processes=int(said["working"]),
        trading=after > before,
        last_order=float(said["last"] or 0),
        tag=said["tag"],
        version=said["started"],
        flag_up=said["flag"] == "up",
        permitted=said["flag"] == "up" or said["switch"].split() != ["false"],
    )


def contradictions(record: Mapping[str, Any], code: int, readings: Mapping[str, Reading]) -> Contradictions:
    """By bot, what the record claims and the host denies; under ``exit code`` what that claims. Empty: none."""
    rows = {row["name"]: row for row in record.get("bots", [])}
    found = {name: list(_of_bot(rows.get(name), reading)) for name, reading in readings.items()}
    restored = set(rows) == set(readings) and all(row["restored"] for row in rows.values())
    right = 0 if restored else NOT_RESTORED
    found["exit code"] = [] if code == right else [f"is {code}, and should be {right}"]
    return {name: sentences for name, sentences in found.items() if sentences}


def late_orders(record: Mapping[str, Any], readings: Mapping[str, Reading]) -> Contradictions:
    """By bot, that it sent an order after the record knew it to be safe."""
    decided = datetime.fromisoformat(record["start_time"]).timestamp()
    late = {
        row["name"]: readings[row["name"]].last_order - decided - row["safe_after_seconds"]
        for row in record["bots"]
        if row["safe_after_seconds"] is not None
    }
    return {name: [f"sent an order {seconds:.1f} s after it was safe"] for name, seconds in late.items() if seconds > 0}


def _of_bot(row: Mapping[str, Any] | None, reading: Reading) -> Iterator[str]:
    if row is None:
        yield "is not in the record"
        return
    if row["restored"]:
        yield from _of_restored(row, reading)
    elif row["safe"] and reading.running:
        yield "is called safe, and runs"
    elif not row["failure"]:
        yield "is not restored, and nothing says why"
    if (row["restored"] or row["safe"]) and (reading.permitted or reading.trading):
        yield "is called safe, and may trade"
    if row["trading"] == "off" and reading.trading:
        yield "is said not to trade, and trades"
    if row["process"] != "unknown" and (row["process"] == "running") != reading.running:
        yield f"is said to be {row['process']}, and is {'running' if reading.running else 'stopped'}"
    if row["to"] is not None and row["to"] != reading.tag:
        yield f"is said to be on {row['to']}, and is on {reading.tag or 'no tag'}"


def _of_restored(row: Mapping[str, Any], reading: Reading) -> Iterator[str]:
    if reading.processes != 1 or reading.version != row["to"]:
        yield f"is called restored, and has {reading.processes} processes, started as {reading.version}"
    if row["trading"] != "off":
        yield "is called restored, and said to trade"
