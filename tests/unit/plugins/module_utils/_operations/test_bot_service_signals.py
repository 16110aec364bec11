# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bots that leave in order on a signal of their own, or take their time: as public ones do (S1.3, S3.5)."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ansible_collections.tradeops.botfleet as collection
import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations.bot_service import BotService
from ansible_collections.tradeops.botfleet.tests.unit.plugins.module_utils._operations.running_bot import (
    Directory,
    carried_out,
    clear,
    wait_for,
)

NOTE = """\
import signal, sys, time
def note(text):
    with open("notes", "a") as handle:
        handle.write(text + "\\n")
"""
ON_SIGINT_ONLY = f"""\
{NOTE}
signal.signal(signal.SIGTERM, signal.SIG_IGN)
note("began")
try:
    while True:
        time.sleep(60)
except KeyboardInterrupt:
    note("left in order")
"""
"""As passivbot: what Python does by itself on SIGINT is all that it handles."""
SIGINT_AS_PYTHON_DOES = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
IN_ITS_OWN_TIME = f"""\
{NOTE}
def leave(number, frame):
    note("leaving")
    time.sleep(2)
    note("left in order")
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
note("began")
while True:
    time.sleep(60)
"""
"""As NautilusTrader, which takes more than 10 s to disconnect from everything; a second stands for ten here."""
TOO_SHORT, ENOUGH = 1, 10


@pytest.fixture
def bot(tmp_path: Path) -> Iterator[Directory]:
    """One that is down, and has no program yet."""
    yield Directory(tmp_path / "a")
    clear(tmp_path)


def started(bot: Directory, program: str, options: dict[str, Any]) -> int:
    """Start it with this program; returns its pid once it handles signals."""
    (bot.path / bot.program).write_text(program)
    outcome = carried_out(options, "started")
    assert outcome.status == "changed", outcome.message
    assert outcome.proof is not None
    wait_for(lambda: bot.notes() == ["began"])
    return int(outcome.proof["main_pid"])


def managed(bot: Directory, manager: str, **options: Any) -> dict[str, Any]:
    return bot.process(**options) if manager == "process" else bot.scripted(**options)


@pytest.fixture
def deaf_to_sigint() -> Iterator[None]:
    """As everything that a shell starts in the background is."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("deaf_to_sigint")
def test_a_bot_that_handles_sigint_only_leaves_in_order(bot: Directory) -> None:
    """S1.3: by ``stop_signal``; also when the one who started it ignores SIGINT, which its process would inherit."""
    options = bot.process(stop_signal="INT")
    pid = started(bot, ON_SIGINT_ONLY, options)
    outcome = carried_out(options, "stopped")
    assert outcome.status == "changed", outcome.message
    assert outcome.change == {"stopped": [pid], "killed": []}
    assert bot.notes() == ["began", "left in order"]


@pytest.mark.parametrize("stop", [{}, {"stop_command": ["./stop.sh"], "timeout": 4}])
def test_one_that_its_script_started_leaves_in_order_too(bot: Directory, stop: dict[str, Any]) -> None:
    """S1.5: without a ``stop_command``, or after one that does not reach it.

    A shell has what it starts in the background ignore SIGINT, so that such a bot must ask for it.
    """
    bot.script("stop.sh", "#!/bin/sh\nkill -TERM $(cat bot.pid)\n")
    options = bot.scripted(stop_signal="SIGINT", **stop)
    pid = started(bot, f"{SIGINT_AS_PYTHON_DOES}{ON_SIGINT_ONLY}", options)
    outcome = carried_out(options, "stopped")
    assert outcome.status == "changed", outcome.message
    assert outcome.change == {"stopped": [pid], "killed": []}
    assert bot.notes() == ["began", "left in order"]


def test_without_its_signal_it_is_not_called_stopped(bot: Directory) -> None:
    """S1.3: SIGTERM alone is a failure that names it; force ends it, with what it had left to do undone."""
    options = bot.process(timeout=TOO_SHORT)
    pid = started(bot, ON_SIGINT_ONLY, options)
    outcome = carried_out(options, "stopped")
    assert outcome.status == "failed"
    assert f"still running: {pid} (" in outcome.message
    assert bot.running() == [pid]
    forced = carried_out({**options, "force": True}, "stopped")
    assert forced.change == {"stopped": [pid], "killed": [pid]}
    assert bot.notes() == ["began"]


@pytest.mark.parametrize("manager", ["process", "script"])
def test_a_bot_that_takes_its_time_gets_it(bot: Directory, manager: str) -> None:
    """S1.3: a ``timeout`` above what it takes, and it leaves by itself, forced or not."""
    options = managed(bot, manager, timeout=ENOUGH, force=True)
    pid = started(bot, IN_ITS_OWN_TIME, options)
    outcome = carried_out(options, "stopped")
    assert outcome.status == "changed", outcome.message
    assert outcome.change == {"stopped": [pid], "killed": []}
    assert bot.notes() == ["began", "leaving", "left in order"]


@pytest.mark.parametrize("manager", ["process", "script"])
def test_a_time_limit_below_that_is_a_failure_and_lets_it_finish(bot: Directory, manager: str) -> None:
    """S1.3: it is still running, and called so; asked again it has left by itself."""
    options = managed(bot, manager, timeout=TOO_SHORT)
    pid = started(bot, IN_ITS_OWN_TIME, options)
    outcome = carried_out(options, "stopped")
    assert outcome.status == "failed"
    assert f"a did not stop within 1 s, still running: {pid} (" in outcome.message
    assert "raise timeout, or set force to kill it" in outcome.message
    wait_for(lambda: bot.running() == [])
    assert carried_out(options, "stopped").status == "unchanged"
    assert bot.notes() == ["began", "leaving", "left in order"]


def test_a_time_limit_below_that_and_force_kill_it(bot: Directory) -> None:
    """S1.3: what it had begun to do is left undone, so that the account has to be read."""
    options = bot.process(timeout=TOO_SHORT, force=True)
    pid = started(bot, IN_ITS_OWN_TIME, options)
    outcome = carried_out(options, "stopped")
    assert outcome.change == {"stopped": [pid], "killed": [pid]}
    assert bot.notes() == ["began", "leaving"]


def test_the_time_limit_is_half_a_minute_unless_said_otherwise() -> None:
    """S1.1: of the module and of a rollback, since some take more than 10 s."""
    defaults = Path(next(iter(collection.__path__)), "roles", "botfleet", "defaults", "main.yml").read_text()
    (of_rollback,) = re.findall(r"^botfleet_stop_timeout: (\d+)$", defaults, re.MULTILINE)
    assert BotService.OPTIONS["timeout"]["default"] >= 30
    assert int(of_rollback) >= 30
