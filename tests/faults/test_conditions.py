# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that are well, but not as the controller would have them: clock, line, sudo, Python."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.peers.ssh import Proxy

from .host import ORDERS, STATE, Host
from .night import Fault, Outcome

ASK = "echo 'ops:CANARY-sudo' | chpasswd; sed -i 's/NOPASSWD: //' /etc/sudoers.d/ops"
ASK_NO_MORE = "sed -i 's/) ALL$/) NOPASSWD: ALL/' /etc/sudoers.d/ops"


def away(delay: float) -> Callable[[Host], dict[str, Any]]:
    """Have the host so many seconds away."""

    def act(host: Host) -> dict[str, Any]:
        return {"ansible_host": "127.0.0.1", "ansible_port": Proxy((host.address, 22), delay).port}

    return act


def stalling(host: Host) -> dict[str, Any]:
    """Have nothing pass for 1 s out of 2."""
    proxy = Proxy((host.address, 22))

    def misbehave() -> None:
        while True:
            time.sleep(1)
            proxy.stall()
            time.sleep(1)
            proxy.resume()

    threading.Thread(target=misbehave, daemon=True).start()
    return {"ansible_host": "127.0.0.1", "ansible_port": proxy.port}


def ordered(what: str, text: str) -> Callable[[Host], None]:
    """Have the host's Python do what saboteur.py says."""
    return lambda host: host.order(what, text)


FORGET = f"rm -rf {ORDERS}"
AGENT = f"{STATE}/agent"
FAULTS = {
    "clock an hour ahead": Fault("restored", act=ordered("clock", "3600"), mend=FORGET),
    "clock an hour behind": Fault("restored", act=ordered("clock", "-3600"), mend=FORGET),
    "300 ms away": Fault("restored", act=away(0.15)),
    "a line that stalls": Fault("restored", act=stalling),
    "sudo asks for a password": Fault("exposed", "did not answer: .*password", ASK, ASK_NO_MORE),
    "sudo asks for a password, which is given": Fault(
        "restored", break_=ASK, mend=ASK_NO_MORE, variables={"ansible_become_password": "CANARY-sudo"}
    ),
    "no Python": Fault(
        "exposed",
        "did not answer: /usr/bin/python3 cannot be run on this host: set ansible_python_interpreter to a Python from",
        "mv /usr/bin/python3 /usr/bin/python3.away",
        "mv /usr/bin/python3.away /usr/bin/python3",
    ),
    "Python 3.8": Fault(
        "exposed",
        "did not answer: /usr/bin/python3 is Python 3.8.10, which is too old: set ansible_python_interpreter",
        f"mv {AGENT} /root/agent",  # which has a Python of its own
        f"mv /root/agent {AGENT}; {FORGET}",
        act=ordered("python", "3.8.10"),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_it_ends_as_it_is_said(night: dict[str, Outcome], fault: str) -> None:
    """By the record, the exit code and the host; mended, the same id restores it."""
    night[fault].check()
