# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold on every host after a rollback that was interrupted has run to its end under the same id."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.playbooks.conftest import Run

from .fleet import GOOD, Fleet
from .host import Host

Line = dict[str, Any]


def assert_restored(fleet: Fleet, run: Run, rollback_id: str) -> None:
    """Every bot is, says the record and says its host; nothing was applied twice, and each was started once."""
    assert run.code == 0 and set(run.states().values()) == {"restored"}, run.output
    found = fleet.contradictions(run)
    assert found == {}, found
    for host in fleet.hosts:
        assert list(applied_twice(host.journal(rollback_id))) == [], host.name
        assert starts(host) == [GOOD], host.name


def applied_twice(journal: list[Line]) -> Iterator[str]:
    """Steps that were begun again after their change was journaled.

    What forbids a bot to run or to trade may be done again as long as the bot is down: a checkout may have brought the
    opposite back. So may a start after the bot was made safe.
    """
    done: set[str] = set()
    for line in journal:
        step = line.get("step", "")
        if line["event"] == "made_safe":
            done -= {key for key in done if key.startswith("resume/")}
        elif line["event"] == "begin" and step in done and not step.startswith("halt/"):
            yield step
        elif line["event"] == "end" and line["outcome"]["status"] == "changed" and line["outcome"]["applied"]:
            done.add(step)


def starts(host: Host) -> list[str]:
    """The versions that its bot's process was started on since the test began, in order."""
    said = host.run(f"sed -n 's/.* started version=\\([^ ]*\\).*/\\1/p' {host.bot.log}").split()
    return said[1:]  # the first one was live before
