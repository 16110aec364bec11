# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that are well, but not as the controller would have them: clock, line, sudo, Python."""

from __future__ import annotations

import threading
import time
from datetime import datetime
from typing import Any

import pytest

from .host import ORDERS, STATE, Host
from .lines import Line
from .night import Break, Fault, Outcome

ASK = "echo 'ops:CANARY-sudo' | chpasswd; sed -i 's/NOPASSWD: //' /etc/sudoers.d/ops"
ASK_NO_MORE = "sed -i 's/) ALL$/) NOPASSWD: ALL/' /etc/sudoers.d/ops"


def away(host: Host) -> dict[str, Any]:
    """Have the host 300 ms away."""
    return behind(AWAY, Line((host.address, 22), DELAY))


def stalling(host: Host) -> dict[str, Any]:
    """Have nothing pass for 1 s out of 2."""
    line = Line((host.address, 22))

    def misbehave() -> None:
        while True:
            time.sleep(1)
            line.stall()
            time.sleep(1)
            line.resume()

    threading.Thread(target=misbehave, daemon=True).start()
    return behind(STALLS, line)


def behind(fault: str, line: Line) -> dict[str, Any]:
    """Have the host reached through a line, which tells later what it held back."""
    LINES[fault] = line
    return {"ansible_host": "127.0.0.1", "ansible_port": line.port}


def clock(ahead: int) -> Fault:
    """What the host's Python takes for the time is so many seconds off."""
    return Fault("restored", lambda host: host.order("clock", str(ahead)), FORGET)


def untouched(says: str, breaks: str | Break, mends: str) -> Fault:
    """Nothing runs on the host, so that its bot goes on as it was."""
    return Fault("exposed", breaks, mends, says, runs=True, flag_up=True)


def call_it_3_8(host: Host) -> None:
    """The host's Python says that it is another one. The agent, which has a Python of its own, is away."""
    host.order("python", "3.8.10")
    host.run(f"mv {AGENT} /root/agent")


FORGET = f"rm -rf {ORDERS}"
AGENT = f"{STATE}/agent"
AWAY, STALLS = "300 ms away", "a line that stalls"
DELAY = 0.15  # s, each way
LINES: dict[str, Line] = {}
CLOCKS = {"clock an hour ahead": 3600, "clock an hour behind": -3600}
FAULTS = {
    **{name: clock(ahead) for name, ahead in CLOCKS.items()},
    AWAY: Fault("restored", away),
    STALLS: Fault("restored", stalling),
    "sudo asks for a password": untouched("did not answer: .*password", ASK, ASK_NO_MORE),
    "sudo asks for a password, which is given": Fault(
        "restored", ASK, ASK_NO_MORE, variables={"ansible_become_password": "CANARY-sudo"}
    ),
    "no Python": untouched(
        "did not answer: /usr/bin/python3 cannot be run on this host: set ansible_python_interpreter to a Python from",
        "mv /usr/bin/python3 /usr/bin/python3.away",
        "mv /usr/bin/python3.away /usr/bin/python3",
    ),
    "a Python that says it is 3.8": untouched(
        "did not answer: /usr/bin/python3 is Python 3.8.10, which is too old: set ansible_python_interpreter",
        call_it_3_8,
        f"mv /root/agent {AGENT}; {FORGET}",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_it_ends_as_it_is_said(night: dict[str, Outcome], fault: str) -> None:
    """By the record, the exit code and the host; mended, the same id restores it."""
    night[fault].check()


@pytest.mark.parametrize("fault", CLOCKS)
def test_the_clock_was_off(night: dict[str, Outcome], fault: str) -> None:
    """By the first line of the host's journal, which has the controller's time beside the host's."""
    first = night[fault].journal[0]
    assert first["decided_at"] is not None
    here, there = (datetime.fromisoformat(first[name]) for name in ("decided_at", "at"))
    assert abs((there - here).total_seconds() - CLOCKS[fault]) < 600


@pytest.mark.usefixtures("night")
def test_the_host_was_away() -> None:
    """By the time that each piece was under way in the proxy, in either direction."""
    assert LINES[AWAY].held and min(LINES[AWAY].held) >= DELAY


@pytest.mark.usefixtures("night")
def test_the_line_stalled() -> None:
    """By the pieces that came while it did, and were passed on when it was over."""
    assert LINES[STALLS].stalled > 0
