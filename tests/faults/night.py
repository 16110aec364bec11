# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollback of hosts each of which has something wrong of its own, then the same id again once all is mended."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from .fleet import BAD, GOOD, HOSTS, Controller, Fleet
from .host import Host
from .oracle import Reading
from .recovery import Line, applied_twice

ID = "rb-night"
Break = Callable[[Host], Mapping[str, Any] | None]


@dataclass(frozen=True)
class Fault:
    """One host's.

    ends: what the record calls its bot: ``restored``, ``safe`` or ``exposed``
    breaks: a script that root runs there, or what does what no script can, and may return variables of the bot
    mends: a script; whatever was done to link, power and disks is healed without one
    says: a pattern of what is said to be the matter; empty for a bot that is restored
    variables: of the bot, as long as the fault lasts
    runs, flag_up: how its host has the bot while the fault lasts; by default a restored one runs, and no flag is up
    tag: that is checked out then; by default a restored bot has the one it goes back to, any other the one it had
    left_alone: files that the rollback does not touch while the fault lasts
    keeps: a script that succeeds in the end if the rollback kept what it should
    """

    ends: str
    breaks: str | Break
    mends: str = ""
    says: str = ""
    variables: Mapping[str, Any] = field(default_factory=dict)
    runs: bool | None = None
    flag_up: bool = False
    tag: str = ""
    left_alone: str = ""
    keeps: str = "true"

    def lay(self, host: Host) -> dict[str, Any]:
        """Break it; returns the variables of its bot."""
        if isinstance(self.breaks, str):
            host.run(self.breaks)
            return {**self.variables}
        return {**self.variables, **(self.breaks(host) or {})}

    def fingerprint(self, host: Host) -> str:
        """Of what is to be left alone, which must be there: content, owner, mode, time."""
        there = f"ls -d {self.left_alone} > /dev/null"
        return host.run(f"{there}; tar -cPf - {self.left_alone} | sha256sum") if self.left_alone else ""


@dataclass
class Outcome:
    """What became of one host's bot: while the fault lasted, and ``_after`` the mend.

    row: what the record says of it
    denied: what the host denies of that
    reading: what the host says itself
    untouched: whether what should be left alone was
    journal: of both runs
    kept: whether what should be kept is there in the end
    """

    fault: Fault
    row: dict[str, Any]
    denied: list[str]
    reading: Reading
    untouched: bool
    row_after: dict[str, Any]
    denied_after: list[str]
    code_after: int
    journal: list[Line]
    kept: bool

    def check(self) -> None:
        """The bot ended as it should and as it was said to; mended, it is restored by the same id."""
        fault, state = self.fault, "restored" if self.row["restored"] else "safe" if self.row["safe"] else "exposed"
        assert state == fault.ends, self.row["failure"]
        assert re.search(fault.says, self.row["failure"] or ""), self.row["failure"]
        assert self.denied == [], self.denied
        assert self.reading.running == (state == "restored" if fault.runs is None else fault.runs), self.reading
        assert self.reading.flag_up == fault.flag_up, self.reading
        assert self.reading.tag == (fault.tag or (GOOD if state == "restored" else BAD)), self.reading
        assert self.untouched
        assert self.code_after == 0 and self.row_after["restored"] and self.row_after["to"] == GOOD, self.row_after
        assert self.denied_after == [], self.denied_after
        assert list(applied_twice(self.journal)) == []
        assert self.kept


def spend(fleet: Fleet, faults: Mapping[str, Fault], directory: Path) -> dict[str, Outcome]:
    """As many nights as the hosts need for all faults; hosts without one must be restored each time."""
    outcomes: dict[str, Outcome] = {}
    left = iter(faults.items())
    while group := dict(islice(left, HOSTS)):
        outcomes.update(_one(fleet, group, Controller(fleet, directory / f"night-{len(outcomes)}")))
    return outcomes


def _one(fleet: Fleet, faults: dict[str, Fault], controller: Controller) -> dict[str, Outcome]:
    """One for all: each bot is a target group of its own, so that none holds another."""
    fleet.fresh()
    own = {host.name: {"botfleet_target_group": host.name} for host in fleet.hosts}
    struck = dict(zip(fleet.hosts, faults.items(), strict=False))
    fleet.variables = {name: dict(values) for name, values in own.items()}
    for host, (_name, fault) in struck.items():
        fleet.variables[host.name].update(fault.lay(host))
    before = {host: fault.fingerprint(host) for host, (_name, fault) in struck.items()}
    run = controller.rollback(rollback_id=ID, max_unsafe="100%")
    readings = fleet.readings()
    denied = fleet.contradictions(run, readings)
    untouched = {host: before[host] == fault.fingerprint(host) for host, (_name, fault) in struck.items()}
    for host, (_name, fault) in struck.items():
        host.heal()
        host.run(fault.mends)
    fleet.variables = own
    again = controller.rollback(rollback_id=ID, max_unsafe="100%")
    denied_after = fleet.contradictions(again)
    spared = [host.name for host in fleet.hosts if host not in struck]
    assert [name for name in spared if run.states()[name] != "restored" or name in denied] == [], run.output
    assert "exit code" not in {**denied, **denied_after}, run.output
    return {
        name: Outcome(
            fault,
            run.bot(host.name),
            denied.get(host.name, []),
            readings[host.name],
            untouched[host],
            again.bot(host.name),
            denied_after.get(host.name, []),
            again.code,
            host.journal(ID),
            host.succeeds(fault.keeps),
        )
        for host, (name, fault) in struck.items()
    }
