# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same as lines: often enough to see that it lives, and no oftener."""

from __future__ import annotations

from ansible_collections.tradeops.botfleet.plugins.plugin_utils._timeline.narrator import Narrator
from ansible_collections.tradeops.botfleet.plugins.plugin_utils._timeline.progress import Progress
from ansible_collections.tradeops.botfleet.plugins.plugin_utils._timeline.report import Report

AFTER = ("preserve", "revert", "resume", "verify")


class Run:
    """A run on ``size`` bots, and all lines that were said."""

    def __init__(self, size: int) -> None:
        self.bots = [f"bot-{number}" for number in range(size)]
        self.progress = Progress()
        self.narrator = Narrator(self.progress)
        self.lines: list[str] = []

    def begin(self, stages: tuple[str, ...], bots: list[str], now: float) -> None:
        self.progress.begin(stages, bots, len(self.bots), now)
        self.lines += self.narrator.begun(stages, len(bots), len(self.bots), now)
        for bot in bots:
            self.progress.sent(bot, now)

    def receive(self, bot: str, now: float, **outcomes: str) -> None:
        self.lines += self.narrator.received(self.progress.received(bot, outcomes, now), now)


def test_a_stage_begins_and_ends() -> None:
    run = Run(2)
    run.begin(("halt",), run.bots, 0.0)
    run.receive("bot-0", 0.1, halt="ok")
    run.receive("bot-1", 3.0, halt="failed")
    assert run.lines == ["halt begins: 2 bots", "halt ends: 1 ok, 1 failed, after 3.0 s"]


def test_stages_that_share_a_transaction_share_their_lines() -> None:
    run = Run(4)
    run.begin(AFTER, run.bots[:2], 0.0)
    good = dict.fromkeys(AFTER, "ok")
    run.receive("bot-0", 4.0, **good)
    run.receive("bot-1", 4.1, **{**good, "revert": "failed", "resume": "skipped", "verify": "skipped"})
    run.begin(AFTER, run.bots[2:], 5.0)
    for bot in run.bots[2:]:
        run.receive(bot, 5.1, **dict.fromkeys(AFTER, "held"))
    assert run.lines == [
        "preserve, revert, resume and verify begin: 2 of 4 bots",
        "preserve, revert, resume and verify: 1 of 4, 1 ok; waiting for bot-1, 4.0 s",
        "preserve, revert, resume and verify go on: 2 of 4 bots",
        "preserve ends: 2 ok, 2 held, after 5.1 s",
        "revert ends: 1 ok, 1 failed, 2 held, after 5.1 s",
        "resume and verify end: 1 ok, 1 skipped, 2 held, after 5.1 s",
    ]


def test_bots_that_the_barrier_holds_begin_nothing() -> None:
    run = Run(2)
    for bot in run.bots:
        run.progress.begin(AFTER, [bot], 2, 1.0)
        run.lines += run.narrator.begun(AFTER, 0, 2, 1.0)
        run.progress.sent(bot, 1.0)
        assert run.narrator.tick(50.0) == []
        run.receive(bot, 1.0, **dict.fromkeys(AFTER, "held"))
    assert run.lines == ["all 2 bots held at the barrier"]


def test_how_far_is_said_every_tenth_but_not_in_a_burst() -> None:
    run = Run(200)
    run.begin(("halt",), run.bots, 0.0)
    for number, bot in enumerate(run.bots):  # two a second
        run.receive(bot, number / 2, halt="ok")
    assert len(run.lines) == 1 + 9 + 1
    burst = Run(200)
    burst.begin(("halt",), burst.bots, 0.0)
    for bot in burst.bots:
        burst.receive(bot, 2.0, halt="ok")
    assert len(burst.lines) == 1 + 1 + 1


def test_a_silent_fleet_has_a_heartbeat() -> None:
    run = Run(3)
    assert run.narrator.tick(100.0) == [], "nobody is waited for yet"
    run.begin(("halt",), run.bots, 0.0)
    beats = [line for second in range(1, 36) for line in run.narrator.tick(float(second))]
    assert beats == [f"halt: 0 of 3, 0 ok; waiting for bot-0, bot-1 and bot-2, {second} s" for second in (10, 20, 30)]
    for bot in run.bots:
        run.receive(bot, 36.0, halt="ok")
    assert run.narrator.tick(100.0) == [], "nobody is waited for any more"


def test_without_names_of_stages_it_still_says_who_is_waited_for() -> None:
    run = Run(1)
    run.begin((), run.bots, 0.0)
    assert run.narrator.tick(10.0) == ["transaction; waiting for bot-0, 10 s"]


def test_how_far_a_step_is_is_said_where_a_line_is_due() -> None:
    run = Run(5)
    run.begin(("preserve",), run.bots[:4], 0.0)
    for second in range(1, 25):
        for bot in run.bots[:4]:
            run.progress.reported(bot, Report("Back up", "copying", second * 1e8, 3e9))
        run.lines += run.narrator.tick(float(second))
    first, second_one = run.lines[1:]
    assert first == (
        "preserve: 0 of 5, 0 ok; waiting for bot-0, bot-1, bot-2 and bot-3, 10 s; "
        "bot-0: Back up, 33 %, 1.0 of 3.0 GB, copying; bot-1: Back up, 33 %, 1.0 of 3.0 GB, copying; "
        "bot-2: Back up, 33 %, 1.0 of 3.0 GB, copying; and 1 more"
    )
    assert ", 20 s; bot-0: Back up, 66 %, 2.0 of 3.0 GB, copying; " in second_one
