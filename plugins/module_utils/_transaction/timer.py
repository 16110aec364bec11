# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A timer of the host's own, which outlives controller, connection and transaction. PRIVATE to the collection.

With systemd, for root, it is a transient timer unit; else a detached process that waits. Either is started in the
directory where what it needs lies, so that no command line names the bot: a pattern of its processes could match.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING

from .._command import run
from .._operation import OperationError
from .._service.detach import INHERITED, start_detached
from .code import command

if TYPE_CHECKING:  # never run: Ansible packs what it sees imported
    from . import fire  # noqa: F401  # named for Ansible

SYSTEMD_TIMEOUT = 15.0
REHEARSAL_TIMEOUT = 30.0


def rehearse(code: tuple[str, str], directory: str, steps: bytes) -> None:
    """Let what would fire look at the steps, with the same Python and code; raises OperationError if it cannot."""
    finished = run(command(code, "rehearse"), timeout=REHEARSAL_TIMEOUT, cwd=directory, stdin=steps)
    if finished.code:
        raise OperationError(finished.last_lines(1) or f"its rehearsal ended with exit code {finished.code}")


def start(code: tuple[str, str], directory: str, bot: str, nonce: str, seconds: float) -> str | None:
    """Returns the timer's unit, None for a process. ``seconds`` are by the monotonic clock."""
    if not os.path.isdir("/run/systemd/system") or os.geteuid() != 0:
        start_detached(command(code, "wait", nonce), cwd=directory)
        return None
    unit = f"botfleet-switch-{re.sub('[^A-Za-z0-9_.-]', '_', bot)}-{nonce}"
    finished = run(
        [
            *("systemd-run", "--quiet", "--collect", f"--unit={unit}", f"--on-active={round(seconds * 1000)}ms"),
            *("--timer-property=AccuracySec=100ms", f"--property=WorkingDirectory={directory}"),
            *(f"--setenv={name}={os.environ[name]}" for name in INHERITED if name in os.environ),
            *("--", *(word.replace("$", "$$") for word in command(code, "fire", nonce))),
        ],
        timeout=SYSTEMD_TIMEOUT,
        environment={"LC_ALL": "C"},
    )
    if finished.code:
        raise OperationError(f"systemd-run refused it ({finished.last_lines(1)})")
    return unit


def cancel(unit: str | None) -> None:
    """Without it a timer finds nothing to do when it fires; a process ends by itself, within a second."""
    if unit:
        with suppress(OperationError):
            run(["systemctl", "--no-ask-password", "stop", f"{unit}.timer"], timeout=SYSTEMD_TIMEOUT)
