# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The token is there while a bot is started, and at no other time. What systemd makes of it: tests/fleet."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils import _process
from ansible_collections.tradeops.botfleet.tests.unit.plugins.module_utils._operations.running_bot import (
    Directory,
    carried_out,
    clear,
    wait_for,
)

COLLECTIONS = Path(_process.__file__).parents[5]
SEEN = "#!/bin/sh\nif [ -e {token} ]; then echo there; else echo missing; fi > seen\n"


@pytest.fixture
def bot(tmp_path: Path) -> Iterator[Directory]:
    """A bot whose start script notes whether it sees the token."""
    bot = Directory(tmp_path / "bots" / "a")
    start = (bot.path / "start.sh").read_text()
    bot.script("start.sh", SEEN.format(token=token(bot)) + start.removeprefix("#!/bin/sh\n"))
    yield bot
    clear(tmp_path)


def token(bot: Directory) -> Path:
    return bot.path.parents[1] / "run" / "a" / "start"


def options(bot: Directory, *words: str) -> dict[str, Any]:
    return bot.scripted(*words, start_token=str(token(bot)))


@pytest.mark.parametrize("state", ["started", "restarted"])
def test_it_is_there_for_the_start_alone(bot: Directory, state: str) -> None:
    was = os.umask(0o022)
    try:
        outcome = carried_out(options(bot), state)
    finally:
        os.umask(was)
    assert outcome.status == "changed", outcome.message
    assert (bot.path / "seen").read_text() == "there\n"
    assert not os.path.lexists(token(bot))
    assert stat.S_IMODE(token(bot).parent.stat().st_mode) == 0o755


def test_it_is_gone_after_a_start_that_failed(bot: Directory) -> None:
    with (bot.path / "start.sh").open("a") as script:
        script.write("exit 7\n")
    outcome = carried_out(options(bot), "started")
    assert outcome.status == "failed" and "exit code 7" in outcome.message
    assert (bot.path / "seen").read_text() == "there\n"
    assert not os.path.lexists(token(bot))


def test_check_mode_and_a_bot_that_runs_need_none(bot: Directory) -> None:
    assert carried_out(options(bot), "started", check=True).status == "changed"
    assert not token(bot).parent.parent.exists()
    carried_out(bot.scripted(), "started")
    assert carried_out(options(bot), "started").status == "unchanged"
    assert not token(bot).parent.parent.exists()


def test_one_that_a_killed_run_leaves_behind_counts_for_nothing(bot: Directory) -> None:
    """A run that is killed in the middle of a start cannot remove it, and lets nobody else start the bot."""
    with (bot.path / "start.sh").open("a") as script:
        script.write("sleep 60\n")
    given = options(bot)
    work = f"from {carried_out.__module__} import carried_out; carried_out({given!r}, 'started')"
    process = subprocess.Popen([sys.executable, "-c", work], env={**os.environ, "PYTHONPATH": str(COLLECTIONS)})
    wait_for(lambda: (bot.path / "seen").exists() and (bot.path / "seen").read_text(), 20)
    assert token(bot).exists()
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(0.1)
    assert os.path.lexists(token(bot)) and not token(bot).exists()
    clear(bot.path)
    bot.script("start.sh", (bot.path / "start.sh").read_text().replace("sleep 60\n", ""))
    assert carried_out(given, "started").status == "changed", "and is in nobody's way"
    assert not os.path.lexists(token(bot))


def test_one_that_cannot_be_created_is_an_error_and_nothing_is_started(bot: Directory) -> None:
    token(bot).parent.parent.write_text("a file, no directory")
    outcome = carried_out(options(bot), "started")
    assert outcome.status == "failed"
    assert outcome.message == (
        f"start_token {token(bot)} cannot be created (Not a directory), so nothing was started: "
        "set become, or name another place"
    )
    assert not (bot.path / "seen").exists()
