# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text that hosts and inventories send, and that has to fit."""

from __future__ import annotations

import pytest
from ansible_collections.tradeops.botfleet.plugins.plugin_utils._timeline.text import (
    cells,
    fit,
    names,
    pad,
    plain,
    plain_lines,
    wrapped,
)


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\x1b]0;a title\x07", r"\x1b]0;a title\x07"),
        ("gone\b\b\b\b\x7f", r"gone\x08\x08\x08\x08\x7f"),
        ("\x9b2J", r"\x9b2J"),
        ("safe\u202eefas ton", r"safe\u202eefas ton"),
        ("zero\u200bwidth\ufeff", r"zero\u200bwidth\ufeff"),
        ("half \ud83d a letter", r"half \ud83d a letter"),
        ("undecodable \udcff", r"undecodable \udcff"),
        ("several\r\nlines\tand  blanks\u2028", "several lines and blanks"),
        ("größer 漢字 ✓", "größer 漢字 ✓"),
        (None, "None"),
    ],
)
def test_nothing_steers_the_terminal(sent: object, shown: str) -> None:
    assert plain(sent) == shown


def test_lines_keep_their_indentation() -> None:
    assert plain_lines("a:\n  - b\x1b\n") == ["a:", r"  - b\x1b"]
    assert plain_lines("") == [""]


def test_columns_are_counted_as_a_terminal_does() -> None:
    assert cells("abc") == 3 and cells("漢字") == 4 and cells("e\u0301") == 1
    assert pad("漢", 4) == "漢  "


@pytest.mark.parametrize("text", ["short", "exactly ten", "something that is much longer", "漢字漢字漢字漢字漢字"])
@pytest.mark.parametrize("width", [0, 1, 3, 11, 20])
def test_what_is_cut_fits_and_shows_that_it_was_cut(text: str, width: int) -> None:
    shown = fit(text, width)
    assert cells(shown) <= width
    assert shown == text or shown.endswith("..."[:width])


def test_wrapping_leaves_nothing_out() -> None:
    text = "unreachable: ssh: connect to host 127.0.0.1 port 42569: Connection refused, three times"
    lines = wrapped(text, 40, "    ")
    assert " ".join(line.strip() for line in lines) == text
    assert all(len(line) <= 40 and line.startswith("    ") for line in lines) and len(lines) > 2


@pytest.mark.parametrize(
    ("count", "room", "shown"),
    [
        (1, 0, "b1"),
        (2, 80, "b1 and b2"),
        (3, 80, "b1, b2 and b3"),
        (39, 20, "b1, b2 and 37 more"),
        (39, 0, "b1 and 38 more"),
    ],
)
def test_as_many_names_as_there_is_room_for(count: int, room: int, shown: str) -> None:
    assert names([f"b{number}" for number in range(1, count + 1)], room) == shown
