# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is drawn on a terminal: bars, counts, and who is being waited for."""

from __future__ import annotations

import re

import pytest
from ansible_collections.tradeops.botfleet.plugins.plugin_utils._timeline.area import area, waiting
from ansible_collections.tradeops.botfleet.plugins.plugin_utils._timeline.progress import Progress
from ansible_collections.tradeops.botfleet.plugins.plugin_utils._timeline.report import Report
from ansible_collections.tradeops.botfleet.plugins.plugin_utils._timeline.text import cells

AFTER = ("preserve", "revert", "resume", "verify")


def fleet(size: int) -> list[str]:
    return [f"{'tn' if number % 2 else 'qt'}-{number}" for number in range(size)]


def halted(size: int, failed: int = 0) -> Progress:
    """A fleet that was sent its halt at 0 s; it is halted at 5 s, but for those that fail."""
    progress = Progress()
    progress.begin(["halt"], fleet(size), size, 0.0)
    for bot in fleet(size):
        progress.sent(bot, 0.0)
    for number, bot in enumerate(fleet(size)):
        progress.received(bot, {"halt": "failed" if number < failed else "ok"}, 5.0)
    return progress


def drawn(progress: Progress, now: float, width: int = 80, height: int = 24) -> list[str]:
    return area(
        progress, "rb-1, 12 s since the decision", "At the barrier", now, width, height, lambda text, _kind: text
    )


@pytest.mark.parametrize("width", [20, 40, 80, 200])
@pytest.mark.parametrize("size", [1, 12, 200])
def test_every_line_fits(size: int, width: int) -> None:
    progress = halted(size, failed=1)
    progress.begin(AFTER, fleet(size), size, 6.0)
    for bot in fleet(size):
        progress.sent(bot, 6.0)
    lines = drawn(progress, 18.0, width)
    assert len(lines) == 7
    assert all(cells(line) <= width for line in lines)


def test_a_short_terminal_shows_who_is_waited_for() -> None:
    progress = halted(12)
    progress.begin(AFTER, fleet(12), 12, 6.0)
    progress.sent("qt-0", 6.0)
    for height in (3, 5):
        lines = drawn(progress, 7.0, height=height)
        assert len(lines) < height and lines[0].startswith("rb-1") and lines[-1].startswith("waiting for qt-0, 1.0 s")


def test_a_bar_grows_and_is_full_only_at_the_end() -> None:
    progress = Progress()
    progress.begin(["halt"], fleet(200), 200, 0.0)
    full = []
    for bot in fleet(200):
        progress.received(bot, {"halt": "ok"}, 1.0)
        full.append(drawn(progress, 1.0)[1].count("█"))
    assert full == sorted(full) and full[0] == 0
    assert "░" not in drawn(progress, 1.0)[1] and full[-2] < full[-1]


def test_one_failure_in_a_large_fleet_is_seen() -> None:
    line = drawn(halted(200, failed=1), 5.0)[1]
    assert "▓" in line and "199 ok, 1 failed" in line and "200 of 200" in line and line.endswith("5.0 s")


@pytest.mark.parametrize(
    "statuses", [["ok", "failed", "unreachable", "skipped", "held"] * 3, ["held"] * 7, ["failed"] * 7]
)
def test_parts_of_a_bar_add_up(statuses: list[str]) -> None:
    progress = Progress()
    progress.begin(["halt"], [], len(statuses), 0.0)
    lengths = set()
    for number, status in enumerate(statuses):
        progress.received(f"bot-{number}", {"halt": status}, 1.0)
        lengths.add(len(re.findall("[█▓▒░]", drawn(progress, 1.0, 200)[1])))
    assert lengths == {40}


def test_colours_go_round_the_parts_of_a_bar() -> None:
    lines = area(halted(4, failed=1), "", "", 5.0, 80, 24, lambda text, kind: f"<{kind}{text}>")
    assert "<ok███" in lines[1] and "<failed▓▓▓" in lines[1]


def test_who_is_waited_for_and_for_how_long() -> None:
    progress = Progress()
    progress.begin(["halt"], fleet(60), 60, 0.0)
    for second, bot in enumerate(fleet(40)):
        progress.sent(bot, float(second))
    progress.received("qt-0", {"halt": "ok"}, 41.0)
    progress.received("qt-2", {"halt": "ok"}, 41.0)
    assert waiting(progress, 43.0, 65) == "waiting for tn-1 and 37 more, 42 s; 20 more wait for a free fork"
    assert waiting(progress, 43.0, 71) == "waiting for tn-1, tn-3 and 36 more, 42 s; 20 more wait for a free fork"
    for bot in fleet(60):
        progress.received(bot, {"halt": "ok"}, 50.0)
    assert waiting(progress, 50.0, 80) == ""
    assert drawn(progress, 50.0)[-1] == "At the barrier"


def test_how_far_the_steps_of_bots_are_stands_below_the_bars() -> None:
    progress = Progress()
    progress.begin(["preserve"], fleet(8), 8, 0.0)
    for bot in fleet(7):
        progress.sent(bot, 0.0)
        progress.reported(bot, Report("Back up the database", "copying trades", 1.2e9, 2.9e9, 104e6, 16.3))
    progress.reported("tn-7", Report("Nobody waits for it"))
    lines = drawn(progress, 12.0)
    assert lines[2] == "qt-0: Back up the database, 41 %, 1.2 of 2.9 GB, 104 MB/s, 16 s left, copying..."
    assert lines[7:] == [
        "and 2 more",
        "waiting for qt-0, tn-1, qt-2, tn-3 and 3 more, 12 s; 1 more wait for a free fork",
    ]
    progress.received("qt-0", {"preserve": "ok"}, 13.0)
    assert not any(line.startswith("qt-0: ") for line in drawn(progress, 13.0))
    assert all(cells(line) <= 40 for line in drawn(progress, 13.0, 40))
