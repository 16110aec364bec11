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

from .fleet import GOOD, HOSTS, Controller, Fleet
from .host import Host


@dataclass(frozen=True)
class Fault:
    """One host's.

    ends: a pattern of what the record calls its bot: ``restored``, ``safe`` or ``exposed``
    says: a pattern of what is said to be the matter; empty for a bot that is restored
    break_, mend: scripts that root runs there
    act: does what no script can; whatever it did to link, power and disks is healed
    variables: of the bot, as long as the fault lasts
    kept: a script that says whether what the rollback should have left alone is there in the end, by ``kept``
    """

    ends: str
    says: str = ""
    break_: str = ":"
    mend: str = ":"
    act: Callable[[Host], dict[str, Any] | None] | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    kept: str = "echo kept"


@dataclass
class Outcome:
    """What became of one host's bot: by the record and exit code, by its own host (``denied``), and after the mend."""

    fault: Fault
    host: Host
    row: dict[str, Any]
    code: int
    output: str
    denied: list[str]
    row_after: dict[str, Any]
    denied_after: list[str]
    code_after: int
    kept: str

    def check(self) -> None:
        """The bot ended as it should and as it was said to; mended, it is restored by the same id."""
        state = "restored" if self.row["restored"] else "safe" if self.row["safe"] else "exposed"
        assert re.fullmatch(self.fault.ends, state), f"{self.row['failure']}\n{self.output}"
        assert re.search(self.fault.says, self.row["failure"] or ""), self.row["failure"]
        assert self.denied == [], self.denied
        assert self.code_after == 0 and self.row_after["restored"] and self.row_after["to"] == GOOD, self.row_after
        assert self.denied_after == [], self.denied_after
        assert self.kept == "kept"


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
        host.run(fault.break_)
        fleet.variables[host.name].update({**fault.variables, **((fault.act and fault.act(host)) or {})})
    run = controller.rollback(rollback_id="rb-night", max_unsafe="100%")
    denied = fleet.contradictions(run)
    for host, (_name, fault) in struck.items():
        host.heal()
        host.run(fault.mend)
    fleet.variables = own
    again = controller.rollback(rollback_id="rb-night", max_unsafe="100%")
    denied_after = fleet.contradictions(again)
    spared = [host.name for host in fleet.hosts if host not in struck]
    assert [name for name in spared if run.states()[name] != "restored" or name in denied] == [], run.output
    assert "exit code" not in {**denied, **denied_after}, run.output
    return {
        name: Outcome(
            fault,
            host,
            run.bot(host.name),
            run.code,
            run.output,
            denied.get(host.name, []),
            again.bot(host.name),
            denied_after.get(host.name, []),
            again.code,
            host.run(fault.kept),
        )
        for host, (name, fault) in struck.items()
    }
