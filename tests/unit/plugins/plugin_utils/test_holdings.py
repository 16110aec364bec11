# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much was held over time: never less than it was, never gone before it was read to be."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.plugin_utils._holdings import at_risk, courses, fleet_course

STAGE = {"name": "halt", "started_after_seconds": 10.0}
BEFORE = {"state": "residual", "notional": 100.0}


def step(*readings: tuple[float, float], seconds: float = 5.0, status: str = "changed", **more: Any) -> dict[str, Any]:
    """That of an account of which these readings came while it was flattened, in seconds and notional."""
    state = "residual" if readings and readings[-1][1] else "flat"
    return {
        "stage": "halt",
        "operation": "exchange_exposure",
        "status": status,
        "seconds": seconds,
        "before": BEFORE,
        "proof": {"state": state},
        "change": {"readings": [[at, worth, 1] for at, worth in readings]} if readings else None,
        **more,
    }


def row(*steps: dict[str, Any], name: str = "bot-1", stages: Any = (STAGE,)) -> dict[str, Any]:
    return {"name": name, "steps": list(steps), "stages": list(stages)}


OTHER = {"stage": "halt", "operation": "bot_service", "seconds": 2.0, "status": "changed"}


def test_the_last_reading_came_when_its_step_ended() -> None:
    """Before the flattening began, the account was read and its environment proven, which took the rest of the step."""
    ((course,), unknown) = courses([row(OTHER, step((0.5, 100.0), (2.0, 40.0), (3.0, 0.0)))])
    assert course == [(14.5, 100.0), (16.0, 40.0), (17.0, 0.0)]
    assert not unknown


def test_a_step_that_follows_another_account_begins_after_it() -> None:
    first, second = courses([row(step((1.0, 0.0)), step((1.0, 0.0)))])[0]
    assert (first[0][0], second[0][0]) == (15.0, 20.0)


def test_an_account_that_was_as_wanted_was_read_once() -> None:
    unchanged = step(status="unchanged", before={"state": "guarded", "notional": 70.0}, proof={"state": "guarded"})
    (course,) = courses([row(unchanged)])[0]
    assert course == [(15.0, 70.0)]


def test_a_reading_never_comes_before_its_step() -> None:
    """The seconds of a step are rounded, those of a reading too."""
    (course,) = courses([row(step((0.0, 100.0), (5.001, 0.0)))])[0]
    assert course[0] == (10.0, 100.0)


@pytest.mark.parametrize(
    "unknown",
    [
        row(step((1.0, 0.0), status="resumed")),
        row(step((1.0, 0.0)), stages=[{**STAGE, "started_after_seconds": None}]),
        row(step((1.0, 0.0)), stages=[]),
    ],
)
def test_what_was_read_at_an_unknown_time_is_named(unknown: dict[str, Any]) -> None:
    assert courses([unknown]) == ([], ["bot-1"])


def test_what_was_not_read_is_not_there() -> None:
    silent, skipped = step(status="failed", before=None, proof=None), step(status="skipped")
    assert courses([row(silent, skipped)]) == ([], [])


def test_accounts_are_added_up_and_each_counts_from_the_decision_on() -> None:
    known, _unknown = courses(
        [
            row(step((0.0, 100.0), (2.0, 0.0)), name="a"),
            row(step((0.0, 50.0), (1.0, 20.0), (4.0, 20.0), seconds=6.0), name="b"),
        ]
    )
    points = fleet_course(known)
    assert points == [(0.0, 150.0), (13.0, 120.0), (15.0, 20.0), (16.0, 20.0)]
    assert at_risk(points) == 150 * 13 + 120 * 2 + 20 * 1


def test_a_position_that_grew_while_it_was_closed_shows() -> None:
    (course,) = courses([row(step((0.0, 100.0), (1.0, 130.0), (2.0, 0.0), seconds=2.0))])[0]
    points = fleet_course([course])
    assert points == [(0.0, 100.0), (11.0, 130.0), (12.0, 0.0)]
    assert at_risk(points) == 100 * 11 + 130


def test_nothing_at_all() -> None:
    assert fleet_course([]) == [] and at_risk([]) == 0
