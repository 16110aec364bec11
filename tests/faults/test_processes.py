# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bots and units that misbehave in a whole rollback (S1.3, S1.5). Single calls of bot_service are in tests/fleet."""

from __future__ import annotations

import pytest

from .fleet import GOOD
from .host import COMMAND, DROP_INS, Host
from .night import Fault, Outcome

UNIT = "/usr/lib/systemd/system/trader.service"
MEND = f"rm -r {DROP_INS}; systemctl daemon-reload"
CRASHES = f"if grep -q {GOOD} RELEASE; then sleep 0.2; exit 1; fi; exec {COMMAND}"

FAULTS = {
    "ignores SIGTERM": Fault("restored", Host.make_deaf, MEND),
    "ignores SIGTERM and may not be killed": Fault(
        "exposed",
        Host.make_deaf,
        MEND,
        "did not stop within 3 s.*: raise timeout, or set force",
        variables={"botfleet_stop_force": False},
        runs=True,
    ),
    "crash-loops on the version to go back to": Fault(
        "safe",
        lambda host: host.change_unit("ExecStart=", f"ExecStart=/bin/sh -c '{CRASHES}'"),
        MEND,
        "Start the process: .*trader",
        tag=GOOD,
    ),
    "masked": Fault(
        "safe",
        "systemctl mask trader",
        "systemctl unmask trader",
        "trader cannot be started: it is masked: unmask it",
        tag=GOOD,
    ),
    "missing": Fault(
        "exposed",
        f"mv {UNIT} /root/trader.service; systemctl daemon-reload",
        f"mv /root/trader.service {UNIT}; systemctl daemon-reload",
        "unit trader does not exist on this host: mend the name, or install the unit",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_it_ends_as_it_is_said(night: dict[str, Outcome], fault: str) -> None:
    """By the record, the exit code and the host; mended, the same id restores it."""
    night[fault].check()
