# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/errors.md has each case that a test provokes, and no other; what it says of them, these tests compare."""

from __future__ import annotations

from tests.peers.errors import PAGE, keep, read, render

from . import (
    test_bad_input_halt,
    test_bad_input_locks,
    test_bad_input_process,
    test_bad_input_revert,
    test_go_live,
    test_inputs,
)

PROVOKED = {
    *test_inputs.CASES,
    *test_bad_input_halt.CASES,
    *test_bad_input_process.CASES,
    *test_bad_input_revert.CASES,
    *test_bad_input_locks.CASES,
    test_go_live.NO_STEPS,
}


def test_no_case_is_missing_and_none_is_left_over() -> None:
    keep(PROVOKED)


def test_the_tables_are_as_they_are_written() -> None:
    assert PAGE.read_text().endswith("\n".join([*render(read()), ""]))
