# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands whose caller is killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils import _command, _process

CALLER = """
from {module} import run
run(["sh", "-c", "sleep 300 & echo $$ $! > {pids}; wait"], timeout=60, die_with_caller={dies})
"""


@pytest.mark.parametrize("dies", [True, False])
def test_a_command_dies_with_its_caller_and_what_it_left_running_lives(tmp_path: Path, dies: bool) -> None:
    """S1.5: a start script that goes on alone could start the bot after a halt has proven it stopped."""
    pids = tmp_path / "pids"
    code = CALLER.format(module=_command.__name__, pids=pids, dies=dies)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen([sys.executable, "-c", code], env=environment) as caller:
        deadline = time.monotonic() + 10
        while not pids.exists() or len(pids.read_text().split()) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        caller.kill()
    shell, sleep = map(int, pids.read_text().split())
    try:
        while dies and _process.read(shell):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert (_process.read(shell) is None) == dies
        assert _process.read(sleep)
    finally:
        for pid in (sleep, shell):
            if _process.read(pid):
                os.kill(pid, 9)
