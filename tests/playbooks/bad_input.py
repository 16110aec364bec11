# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollback of a fleet in which each bot has something wrong of its own, and what became of each."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.peers.errors import Case, Told

from .conftest import Fleet, Run

GOOD = "deploy-20251201-083000"
RELEASES = [f"deploy-{stamp}" for stamp in ("20251103-081500", "20251110-093000", "20251117-074500", "20251124-090000")]

# The files in a bot's directory that a step may change. What is undone may leave traces in git alone.
MAY_CHANGE = {
    "marker": r"(?!)",  # it is in the state directory
    "flag": r"go_live\.active",
    "stop": r"run/",
    "stopped": r"run/",
    "start": r"run/",
    "config_key": r"config/",
    "testnet": r"config/exchange\.yaml",
    "config": r"config(/|$)|\.config\.replaced-",
    "code": r"",
}
UNDONE = r"\.git/"

VARIES = [
    (r"(process|pid|running:) \d+ \([^)]*\)", r"\1 <pid> (<command>)"),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:<port>"),
    (r"--port \(\d+\|\d+\)", "--port (<ports>)"),
    (r"\([0-9a-f]{12}\)", "(<commit>)"),
    (r"\d{4}-\d\d-\d\dT[\d:]+Z", "<time>"),
    (r"\(\d+ s\)", "(<age> s)"),
    (r"runs as \S+ in", "runs as <user> in"),
    (r"is Python [\d.]+", "is Python <version>"),
    (r"of (uid )?[^ ]+@[^ :,]+", "of <controller>"),
    (r"(line \d+, column \d+): (?!the key)[^)]*", r"\1: <the parser's words>"),
]


@dataclass
class Fault:
    """One bot's.

    ends: ``exposed`` or ``safe``
    variables: of the bot
    arrange: is done to the bot before the rollback; may return further variables
    """

    case: Case
    ends: str
    variables: Mapping[str, Any] = field(default_factory=dict)
    arrange: Callable[[Fleet, str], dict[str, Any] | None] | None = None


@dataclass
class Night:
    """A rollback of a fleet with faults."""

    fleet: Fleet
    run: Run
    before: dict[str, dict[str, bytes]]
    faults: Mapping[str, Fault]

    def told(self, name: str) -> Told:
        """How a bot ended, and why."""
        bot = self.run.bot(name)
        changed = [
            f"{step['stage']} {step['id']}" + ("" if step["status"] == "changed" else f" ({step['status']})")
            for step in touched(bot)
        ]
        return Told(plain(self.fleet, bot["failure"]), self.run.states()[name], ", ".join(changed) or "nothing")

    def unreported(self, name: str) -> list[str]:
        """The files of a bot that were changed, though no step that may do so says it changed something."""
        after = files(self.fleet, name)
        changed = [path for path in {**self.before[name], **after} if self.before[name].get(path) != after.get(path)]
        reported = [
            UNDONE if step["status"] == "undone" else MAY_CHANGE[step["id"].removeprefix("safe/")]
            for step in touched(self.run.bot(name))
            if step["stage"] != "preserve"
        ]
        return [path for path in changed if not any(re.match(pattern, path) for pattern in reported)]


def spend(fleet: Fleet, faults: Mapping[str, Fault], **inputs: Any) -> Night:
    """Roll the fleet back, with each bot on its own: none holds the others at the barrier or stops the roll."""
    for name in fleet.names():
        fleet.overrides.setdefault(name, {})["botfleet_target_group"] = name
    for name, fault in faults.items():
        found = fault.arrange(fleet, name) if fault.arrange else None
        fleet.overrides[name].update({**fault.variables, **(found or {})})
    before = {name: files(fleet, name) for name in fleet.names()}
    run = fleet.rollback(max_unsafe="100%", batch="100%", **inputs)
    return Night(fleet, run, before, faults)


def touched(bot: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [step for step in bot["steps"] if step["touched"]]


def files(fleet: Fleet, name: str) -> dict[str, bytes]:
    """The content of each file of a bot, by path, but for its logs; of its backups, too."""
    found: dict[str, bytes] = {}
    for top in (fleet.path(name), fleet.root / "backups" / name):
        for path in (path for path in sorted(top.rglob("*")) if path.is_file()):
            relative = str(path.relative_to(top))
            if not relative.startswith("logs/"):
                found[relative if top == fleet.path(name) else str(path)] = path.read_bytes()
    return found


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def plain(fleet: Fleet, text: str) -> str:
    """A sentence with a placeholder for all that differs from run to run."""
    for path, placeholder in ((fleet.root, "<fleet>"), (fleet.work, "<work>"), (sys.executable, "<python>")):
        text = text.replace(str(path), placeholder)
    for pattern, replacement in VARIES:
        text = re.sub(pattern, replacement, text)
    return text
