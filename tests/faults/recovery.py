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
LOOKED_AT_AGAIN = ("halt", "verify")


def assert_restored(fleet: Fleet, run: Run, rollback_id: str) -> None:
    """Every bot is, says the record and says its host; nothing was applied twice.

    Each was started once, and once more for each time that it was made safe after its start.
    """
    assert run.code == 0 and set(run.states().values()) == {"restored"}, run.output
    found = fleet.contradictions(run)
    assert found == {}, found
    for host in fleet.hosts:
        journal = host.journal(rollback_id)
        assert list(applied_twice(journal)) == [], host.name
        started = [line for line in journal if line.get("step") == "resume/start" and changed(line)]
        assert starts(host) == [GOOD] * max(1, len(started)), host.name  # one that was cut short was not journaled


def applied_twice(journal: list[Line]) -> Iterator[str]:
    """Steps that were begun again after their change was journaled; of halt and verify, that changed something again.

    What forbids a bot to run or to trade is looked at again as long as the bot is down, and may change something again
    once a revert or a start was begun, which may have brought the opposite back. What verifies is worth nothing later,
    and is done again as a whole. A start may be done again after the bot was made safe, and so may what was undone.
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
            if step in done and stage not in LOOKED_AT_AGAIN:
                yield step
            if stage in ("revert", "resume"):
                _forget(done, "halt")
        elif changed(line):
            if step in done and stage in LOOKED_AT_AGAIN:
                yield step
            done.add(step)


def changed(line: Line) -> bool:
    """Whether it is the end of a step that changed something."""
    return bool(line["event"] == "end" and line["outcome"]["status"] == "changed" and line["outcome"]["applied"])


def _forget(done: set[str], stage: str) -> None:
    done -= {step for step in done if step.startswith(f"{stage}/")}


def starts(host: Host) -> list[str]:
    """The versions that its bot's process was started on since the test began, in order."""
    said = host.run(f"sed -n 's/.* started version=\\([^ ]*\\).*/\\1/p' {host.bot.log}").split()
    return said[1:]  # the first one was live before
