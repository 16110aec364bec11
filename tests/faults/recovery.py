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
    """Steps that were begun again after their change was journaled, or for halt's: that changed something again.

    What forbids a bot to run or to trade is looked at again as long as the bot is down, and may change something again
    once a revert or a start was begun, which may have brought the opposite back. A start may be done again after the
    bot was made safe, and what was undone may be, too.
    """
    done: set[str] = set()
    for line in journal:
        event, step = line["event"], line.get("step", "")
        stage = step.partition("/")[0]
        if event == "made_safe":
            _forget(done, "resume")
        elif event == "undo_begin":
            done.discard(step)
        elif event == "begin":
            if step in done and stage != "halt":
                yield step
            if stage in ("revert", "resume"):
                _forget(done, "halt")
        elif event == "end" and line["outcome"]["status"] == "changed" and line["outcome"]["applied"]:
            if step in done and stage == "halt":
                yield step
            done.add(step)


def _forget(done: set[str], stage: str) -> None:
    done -= {step for step in done if step.startswith(f"{stage}/")}


def starts(host: Host) -> list[str]:
    """The versions that its bot's process was started on since the test began, in order."""
    said = host.run(f"sed -n 's/.* started version=\\([^ ]*\\).*/\\1/p' {host.bot.log}").split()
    return said[1:]  # the first one was live before
