# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's side dies between every two lines of its journal, before and after what lies between them is done.

With BOTFLEET_FAULTS=all that is one run for each line and side, six hosts at a time; otherwise a sample of them.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

from .fleet import HOSTS, Controller, Fleet, at_once
from .host import Host
from .recovery import assert_restored

SAMPLE = HOSTS
Place = tuple[int, str]


def test_killed_between_every_two_lines(hosts: Fleet, tmp_path: Path) -> None:
    """Killed there, each bot is named; the same id restores it, applies nothing twice and starts it once."""
    places = [(line, how) for line in range(1, hosts.lines + 1) for how in ("after", "torn")]
    if os.environ.get("BOTFLEET_FAULTS") != "all":
        seed = random.randrange(1 << 32)
        print(f"seed {seed}")
        places = sorted(random.Random(seed).sample(places, SAMPLE))
    for first in range(0, len(places), HOSTS):
        kill_at(hosts, places[first : first + HOSTS], tmp_path)


def kill_at(fleet: Fleet, places: list[Place], directory: Path) -> None:
    """One rollback in which each host dies at a place of its own, and one that completes it."""
    fleet.fresh()
    struck: dict[Host, Place] = dict(zip(fleet.hosts, places, strict=False))
    at_once(lambda host: host.order("kill", "{} {}".format(*struck[host])), struck)
    dying = Controller(fleet, directory / f"dying-{places[0]}")
    run = dying.rollback(rollback_id="rb-killed", max_unsafe="100%")
    for host, (line, how) in struck.items():
        journal = host.journal("rb-killed")
        assert len(journal) == line - (how == "torn"), (host.name, line, how, journal[-1])
        row = run.bot(host.name)
        assert not row["restored"] and row["failure"], (line, how)
    assert fleet.contradictions(run) == {}, run.output
    again = Controller(fleet, directory / f"another-{places[0]}").rollback(rollback_id="rb-killed")
    assert_restored(fleet, again, "rb-killed")
