# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Seconds to percent: one scale everywhere, gaps cut, round numbers."""

from __future__ import annotations

import pytest
from ansible_collections.tradeops.botfleet.plugins.plugin_utils._report.axis import axis_over

HOURS = 10800.0


def test_one_stretch_is_to_scale() -> None:
    axis = axis_over([(1.0, 4.0), (6.0, 11.0)])
    assert axis.at(0.0) == 0.0 and not axis.gaps
    per_second = axis.at(1.0)
    for seconds in (2.5, 4.0, 6.0, 11.0):
        assert axis.at(seconds) == pytest.approx(per_second * seconds, abs=0.01)
    assert 90 < axis.at(11.0) < 98, "what ends last does not end at the edge"


def test_a_resumed_rollback_keeps_its_scale_on_both_sides_of_the_gap() -> None:
    axis = axis_over([(1.0, 11.0), (HOURS, HOURS + 10)])
    (gap,) = axis.gaps
    assert gap.right - gap.left == pytest.approx(7.0)
    assert gap.begin > 11.0 and gap.end < HOURS
    first = axis.at(11.0) - axis.at(1.0)
    second = axis.at(HOURS + 10) - axis.at(HOURS)
    assert first == pytest.approx(second, abs=0.01) and first > 35
    assert axis.at(11.0) < gap.left < gap.right < axis.at(HOURS)


def test_every_run_of_a_rollback_that_took_three_is_seen() -> None:
    axis = axis_over([(0.0, 10.0), (HOURS, HOURS + 10), (3 * HOURS, 3 * HOURS + 10)])
    assert len(axis.gaps) == 2 and len(axis.stretches) == 3
    assert all(part.right - part.left > 20 for part in axis.stretches)
    assert axis.stretches[-1].right == pytest.approx(100)


@pytest.mark.parametrize(("gap", "cut"), [(20.0, False), (29.0, False), (31.0, True)])
def test_a_short_wait_is_not_cut(gap: float, cut: bool) -> None:
    assert bool(axis_over([(0.0, 5.0), (5.0 + gap, 10.0 + gap)]).gaps) is cut


def test_a_long_run_with_a_pause_is_not_cut() -> None:
    assert not axis_over([(0.0, 100.0), (200.0, 300.0)]).gaps


def test_a_decision_long_before_the_run() -> None:
    """decided_at given by hand: the wait until it was begun is cut, not the run squashed."""
    axis = axis_over([(600.0, 620.0)])
    assert len(axis.gaps) == 1 and axis.at(620.0) - axis.at(600.0) > 60


def test_nothing_at_all_and_a_clock_that_runs_behind() -> None:
    assert axis_over([]).at(0.0) == 0.0
    axis = axis_over([(-2.0, 5.0)])
    assert axis.at(-2.0) == 0.0 and axis.at(0.0) > 0


@pytest.mark.parametrize("end", [0.3, 1.0, 5.0, 11.0, 59.0, 170.0, 900.0, 5000.0, 90000.0, 2e6])
def test_ticks_are_round_where_they_say_and_not_too_many(end: float) -> None:
    axis = axis_over([(0.0, end)])
    assert 3 <= len(axis.ticks) <= 12
    assert [tick.at for tick in axis.ticks] == sorted({tick.at for tick in axis.ticks})
    for tick in axis.ticks:
        assert tick.at == pytest.approx(axis.at(_seconds(tick.label)), abs=0.01)


def test_each_side_of_a_gap_has_a_tick() -> None:
    axis = axis_over([(0.0, 60.0), (HOURS + 1.5, HOURS + 4)])
    (gap,) = axis.gaps
    assert any(tick.at > gap.right for tick in axis.ticks)
    assert {tick.label for tick in axis.ticks if tick.at > gap.right} <= {f"3:00:0{second}" for second in range(6)}
    assert not any(gap.left < tick.at < gap.right for tick in axis.ticks)


def test_what_is_in_a_gap_or_beyond_is_not_on_the_axis() -> None:
    axis = axis_over([(0.0, 10.0), (HOURS, HOURS + 10)])
    assert axis.holds(5.0) and axis.holds(HOURS + 5)
    assert not axis.holds(1000.0) and not axis.holds(2 * HOURS)


def _seconds(label: str) -> float:
    if label.endswith(" s"):
        return float(label[:-2])
    seconds = 0.0
    for part in label.split(":"):
        seconds = 60 * seconds + float(part)
    return seconds
