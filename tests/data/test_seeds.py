# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Some of the random faults of run.py, and that a lost row would be seen (S1.7)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.peers.questdb import Writer

from .host import DatabaseHost
from .rows import compared
from .run import conclude, play

SEEDS = (1, 7, 8)


def test_s1_7_no_row_is_lost_whatever_strikes(
    started: DatabaseHost, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """S1.7: something is killed in a backup, in a restore, and while rows are brought back."""
    results = [play(started, seed, tmp_path) for seed in SEEDS]
    with capsys.disabled():
        print("", *results, sep="\n")
    assert conclude(results) == 0


def test_a_lost_row_and_one_that_nobody_wrote_are_counted(host: DatabaseHost) -> None:
    with Writer(host.server, "fills") as bot:
        bot.wait_for(10)
    host.server.wait_for_rows("fills", bot.acknowledged)
    assert (compared(host.server, bot).lost, compared(host.server, bot).strange) == (0, 0)
    written = bot.acknowledged
    bot.numbers.append(written + 1)
    host.server.sql("insert into fills values ('2026-01-01', 1, 'S1', 'fill 1')")
    host.server.wait_for_rows("fills", written + 1)
    counted = compared(host.server, bot)
    assert str(counted) == f"rows written {written + 1}, rows found {written}, rows lost 1" and counted.strange == 1
