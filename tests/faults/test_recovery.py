# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What counts as applied twice, by journals that are written here."""

from __future__ import annotations

import pytest

from .recovery import Line, applied_twice


def begin(step: str) -> Line:
    return {"event": "begin", "step": step}


def end(step: str, status: str = "changed") -> Line:
    return {"event": "end", "step": step, "outcome": {"status": status, "applied": status == "changed"}}


def twice(step: str, *between: Line) -> list[Line]:
    return [begin(step), end(step), *between, begin(step), end(step)]


MADE_SAFE: Line = {"event": "made_safe", "step": "resume/safe/stop", "outcome": {"status": "changed"}}
UNDONE: Line = {"event": "undo_begin", "step": "revert/code"}


@pytest.mark.parametrize(
    "journal",
    [
        twice("halt/flag"),
        twice("halt/stop", begin("preserve/config"), end("preserve/config")),
        twice("revert/code"),
        twice("resume/start"),
        twice("verify/unmark"),
        [begin("revert/code"), end("revert/code"), begin("revert/code"), end("revert/code", "unchanged")],
    ],
)
def test_twice(journal: list[Line]) -> None:
    assert list(applied_twice(journal)) == [journal[0]["step"]]


@pytest.mark.parametrize(
    "journal",
    [
        [begin("halt/flag"), end("halt/flag"), begin("halt/flag"), end("halt/flag", "unchanged")],
        [begin("verify/unmark"), end("verify/unmark"), begin("verify/unmark"), end("verify/unmark", "unchanged")],
        twice("halt/flag", begin("revert/code")),
        twice("halt/stop", begin("resume/start")),
        twice("revert/code", UNDONE),
        twice("resume/start", MADE_SAFE),
    ],
)
def test_not_twice(journal: list[Line]) -> None:
    """It was as it should be, or the opposite was or may have been brought back in between."""
    assert list(applied_twice(journal)) == []
