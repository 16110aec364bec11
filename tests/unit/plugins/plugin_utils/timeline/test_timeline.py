# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said while a rollback runs: of accounts that bots share, and of bots that are not safe."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.plugin_utils._timeline.channel import CHANNEL
from ansible_collections.tradeops.botfleet.plugins.plugin_utils._timeline.outcome import Outcome
from ansible_collections.tradeops.botfleet.plugins.plugin_utils._timeline.timeline import Timeline

AFTER = ("preserve", "revert", "resume", "verify")
BOTS = ("tn-1", "tn-2", "tn-3")
MAIN = {"bots": ["tn-1", "tn-2"], "leader": "tn-1", "refused": ""}


class Display:
    """Ansible's, as far as it is used."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self.lines: list[str] = []

    def display(self, line: str, color: str | None = None) -> None:
        self.lines.append(line)


class Run:
    """A rollback whose halt is over, as lines."""

    def __init__(self) -> None:
        self.display = Display()
        self.timeline = Timeline(self.display, live=False, check_mode=False, all_bots=False)
        self.timeline.learn({"assess_id": "rb-1"})
        self.begin(["halt"], *BOTS)

    def begin(self, stages: list[str] | tuple[str, ...], *bots: str, total: int = len(BOTS)) -> None:
        self.timeline.begin(stages, bots, total)
        for bot in bots:
            self.timeline.sent(bot)

    def halted(self, bot: str, **more: Any) -> None:
        self.timeline.received(bot, Outcome({"halt": "ok"}, is_safe=True, **more))

    def ends(self) -> str:
        """The last lines, without a record."""
        self.display.lines.clear()
        self.timeline.finish(failed=True)
        return "\n".join(self.display.lines)

    def said(self) -> list[str]:
        return [line.partition("] ")[2] for line in self.display.lines]


@pytest.fixture
def run() -> Iterator[Run]:
    made = Run()
    yield made
    made.timeline.finish(failed=False)


def accounts(run: Run, *, of: Mapping[str, Any] | None = None) -> None:
    """All bots are halted, two of them share an account, which is read next."""
    for bot in BOTS:
        run.halted(bot)
    run.timeline.learn({"halt_accounts": {"main": of or MAIN}})
    leaders = run.timeline.leaders("exposure")
    if leaders:
        run.begin(["exposure"], *leaders, total=len(leaders))


def test_an_account_that_bots_share_is_a_stage_of_its_own(run: Run) -> None:
    accounts(run)
    assert run.timeline.leaders("exposure") == ["tn-1"]
    run.timeline.received_shared("exposure", "tn-1", Outcome({"exposure": "ok"}, exposure="flat"))
    halted = next(line for line in run.said() if line.startswith("halt ends: 3 ok"))
    assert run.said()[run.said().index(halted) + 1] == "exposure begins: 1 bot"
    assert run.said()[-1].startswith("exposure ends: 1 ok")
    assert "NOT KNOWN TO BE SAFE" not in run.ends()


def test_an_account_that_is_not_flat_is_said_of_all_its_bots(run: Run) -> None:
    accounts(run)
    why = "NOT SAFE: Close it: no answer in time"
    run.timeline.received_shared(
        "exposure", "tn-1", Outcome({"exposure": "failed"}, why, "exposure", exposure="unproven")
    )
    assert f"tn-1 and tn-2 exposure FAILED: {why}" in run.said()
    assert run.timeline.not_said({"tn-2": "Close it: no answer in time", "tn-3": "no tag"}) == {"tn-3": "no tag"}
    assert "NOT KNOWN TO BE SAFE: tn-1, tn-2\n" in run.ends()


def test_an_account_that_nobody_may_read_leaves_its_bots_unsafe(run: Run) -> None:
    accounts(run, of={**MAIN, "refused": "tn-9 shares it"})
    assert run.timeline.leaders("exposure") == []
    assert "NOT KNOWN TO BE SAFE: tn-1, tn-2\n" in run.ends()


def test_guarded_bots_are_known_and_not_known_to_be_safe(run: Run) -> None:
    run.halted("tn-3", exposure="guarded")
    run.halted("tn-1")
    run.halted("tn-2")
    run.timeline.learn({"halt_accounts": {"main": MAIN}})
    run.begin(["exposure"], "tn-1", total=1)
    run.timeline.received_shared("exposure", "tn-1", Outcome({"exposure": "ok"}, exposure="guarded"))
    assert [run.timeline.is_guarded(bot) for bot in BOTS] == [True, True, True]
    assert "NOT KNOWN TO BE SAFE: tn-1, tn-2, tn-3\n" in run.ends()


def test_bots_that_the_barrier_calls_unsafe_are_named_at_the_end(run: Run) -> None:
    """As one whose accounts nobody has declared: no result tells."""
    for bot in BOTS:
        run.halted(bot)
    run.timeline.learn({"halt_barrier": {"bots": {}, "unsafe": ["tn-2"]}})
    assert "NOT KNOWN TO BE SAFE: tn-2\n" in run.ends()


def barrier(run: Run) -> None:
    """All may pass, and an earlier batch went badly."""
    run.timeline.learn({"halt_barrier": {"bots": {bot: {"passes": True} for bot in BOTS}, "unsafe": []}})
    run.timeline.learn({"revert_rolling": False})


def test_a_later_batch_is_held_after_a_bad_one(run: Run) -> None:
    for bot in BOTS:
        run.halted(bot)
    barrier(run)
    run.begin(AFTER, "tn-3")
    assert not [line for line in run.said() if line.startswith("preserve")]


def test_a_bot_whose_rollback_is_closed_is_asked_even_after_a_bad_batch(run: Run) -> None:
    run.halted("tn-1")
    run.halted("tn-2")
    run.halted("tn-3", closed=True)
    barrier(run)
    run.begin(AFTER, "tn-3")
    assert run.said()[-1] == "preserve, revert, resume and verify begin: 1 of 3 bots"


def test_a_database_that_bots_share_is_a_stage_of_its_own(run: Run) -> None:
    """S1.7: one that failed keeps its bots down, which are safe all the same."""
    for bot in BOTS:
        run.halted(bot)
    refused = {"leader": "tn-3", "bots": ["tn-3"], "refused": "tn-9 uses it, too"}
    run.timeline.learn({"data_databases": {"fills": {**MAIN, "refused": ""}, "ticks": refused}})
    assert run.timeline.leaders("data") == ["tn-1", "tn-3"], "what is refused is asked for, and says so"
    run.begin(["data"], "tn-1", "tn-3", total=2)
    run.timeline.received_shared("data", "tn-3", Outcome({"data": "ok"}))
    run.timeline.received_shared(
        "data", "tn-1", Outcome({"data": "failed"}, "12 rows are newer", "data", is_safe=False)
    )
    assert "tn-1 and tn-2 data FAILED: 12 rows are newer" in run.said()
    assert "NOT KNOWN TO BE SAFE" not in run.ends()


def test_what_a_worker_tells_reaches_it_while_it_runs(run: Run) -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0 if CHANNEL.tell("tn-1", {"step": "Back up", "done": 1, "total": 2}) else 1)
    assert os.waitpid(pid, 0)[1] == 0
    run.timeline._tick()
    assert run.timeline._progress.reports["tn-1"].done == 1
    run.timeline.finish(failed=False)
    assert not CHANNEL.tell("tn-1", {}), "nobody listens any more"
