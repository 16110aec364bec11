# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A sample of the random faults of run.py, as many as fit into their time."""

from __future__ import annotations

import random
import time

from .fleet import Fleet
from .run import Result, run_seed

TIME = 45.0  # s


def test_what_is_reported_is_what_the_hosts_say(hosts: Fleet) -> None:
    """No bot's state is unknown after a random fault and one recovery run; seeds are printed."""
    end = time.monotonic() + TIME
    first = random.randrange(1 << 32)
    results: list[Result] = []
    while not results or time.monotonic() + max(result.seconds for result in results) < end:
        results.append(run_seed(hosts, first + len(results)))
        print(results[-1])
    assert [str(result) for result in results if result.unknown] == []
