# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be the bot's though nothing finds it: a running bot must not be called stopped for a typo."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils import _process
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations import bot_service
from ansible_collections.tradeops.botfleet.plugins.module_utils._service import bot as bot_module
from ansible_collections.tradeops.botfleet.tests.unit.plugins.module_utils._operations.running_bot import (
    Directory,
    carried_out,
    clear,
    on_a_terminal,
    wait_for,
)

COLLECTIONS = Path(_process.__file__).parents[5]
TYPO = r"bto_[0-9a-f]+\.py"
STOPPED_BY_SCRIPT = "stopped-by-script"


@pytest.fixture(autouse=True)
def _impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bot_module, "SUSPECT_TIME", 0.3)
    monkeypatch.setattr(bot_service, "BRIEFLY", 0.3)


@pytest.fixture
def bots(tmp_path: Path) -> Iterator[Path]:
    """Where bots live; whatever works below it ends with the test."""
    yield tmp_path
    clear(tmp_path)


@pytest.fixture
def bot(bots: Path) -> Directory:
    """A bot that is down."""
    return Directory(bots / "a")


def misspelt(bot: Directory, how: str) -> dict[str, Any]:
    """Options that do not find the bot that runs."""
    pidfile = bot.path / "run.pid"
    if how == "process":
        return {**bot.process(pattern=TYPO), "command": [sys.executable, "bto.py"]}
    if how == "stale pidfile":
        with subprocess.Popen(["true"]) as gone:
            pidfile.write_text(f"{gone.pid}\n")
    if how == "pidfile of another":  # younger than the file, so its pid was given away again
        pidfile.write_text(f"{os.getpid()}\n")
        os.utime(pidfile, (1, 1))
    return bot.scripted(pidfile=str(pidfile) if "pidfile" in how else None, pattern=TYPO)


@pytest.mark.parametrize("how", ["script", "missing pidfile", "stale pidfile", "pidfile of another", "process"])
def test_a_typo_does_not_make_it_stopped(bot: Directory, how: str) -> None:
    """S1.3: applied, proven alone and in check mode; one sentence names process, pattern and mend."""
    process = bot.by_hand()
    options = misspelt(bot, how)
    for arguments in ({}, {"mode": "prove"}, {"check": True}):
        outcome = carried_out({**options, "force": True}, "stopped", **arguments)
        assert (outcome.status, outcome.applied) == ("failed", False)
        line = " ".join(bot.command)
        assert f"a is not proven stopped: process {process.pid} ({line}) is at work in {bot.path}" in outcome.message
        assert f'pattern "{TYPO}"' in outcome.message
        assert outcome.message.endswith("correct what is wrong there, or end that process")
    assert outcome.before is not None
    assert outcome.before["state"] == "unproven"
    started = carried_out(options, "started")
    assert f"not proven stopped, so it was not started: process {process.pid} (" in started.message
    assert (process.poll(), bot.notes()) == (None, ["began"])


def test_its_stop_command_is_called(bot: Directory) -> None:
    """S1.3: it knows the bot where the pattern does not, and is called as long as something may be the bot's."""
    process = bot.by_hand()
    (bot.path / "bot.pid").write_text(f"{process.pid}\n")
    options = bot.scripted(pidfile=None, pattern=TYPO, stop_command=["./shutdown.sh", "force"])
    marker = bot.path / STOPPED_BY_SCRIPT
    would = carried_out(options, "stopped", check=True)
    assert (would.status, marker.exists()) == ("changed", False)
    outcome = carried_out(options, "stopped")
    assert outcome.status == "changed", outcome.message
    assert f"stop a by its stop_command (process {process.pid} (" in outcome.message
    assert (marker.read_text(), bot.running()) == ("force\n", [])
    marker.unlink()
    assert carried_out(options, "stopped").status == "unchanged"
    assert not marker.exists()


@pytest.mark.parametrize("script", ["exit 1", "exit 0"])
def test_a_stop_command_that_does_not_stop_it_proves_nothing(bot: Directory, script: str) -> None:
    """S1.3."""
    process = bot.by_hand()
    bot.script("shutdown.sh", f"#!/bin/sh\n{script}\n")
    options = bot.scripted(pidfile=None, pattern=TYPO, stop_command=["./shutdown.sh"], timeout=1)
    outcome = carried_out(options, "stopped")
    assert (outcome.status, outcome.applied) == ("failed", True)
    assert f"not proven stopped: process {process.pid} (" in outcome.message
    assert process.poll() is None


def test_a_stop_command_that_returns_early_is_waited_for(bot: Directory) -> None:
    """S1.3: as long as it would be for a bot that was found."""
    process = bot.by_hand()
    bot.script("shutdown.sh", f"#!/bin/sh\n(cd /; sleep 1; kill {process.pid}) >/dev/null 2>&1 &\n")
    options = bot.scripted(pidfile=None, pattern=TYPO, stop_command=["./shutdown.sh"], timeout=20)
    outcome = carried_out(options, "stopped")
    assert outcome.status == "changed", outcome.message
    assert bot.running() == []


def test_one_that_is_down_needs_no_wait(bot: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    """S1.3: and no stop_command."""
    monkeypatch.setattr(bot_module, "SUSPECT_TIME", 60.0)
    options = bot.scripted(pattern=TYPO, stop_command=["./shutdown.sh", "force"])
    begun = time.monotonic()
    assert carried_out(options, "stopped").status == "unchanged"
    assert time.monotonic() - begun < 30
    assert not (bot.path / STOPPED_BY_SCRIPT).exists()


@pytest.mark.parametrize("stop_command", [None, ["./shutdown.sh", "force"]])
def test_a_check_of_cron_is_waited_for(
    bot: Directory, monkeypatch: pytest.MonkeyPatch, stop_command: list[str] | None
) -> None:
    """A bot that is down stays proven so, and starts."""
    monkeypatch.setattr(bot_module, "SUSPECT_TIME", 20.0)
    monkeypatch.setattr(bot_service, "BRIEFLY", 20.0)
    for state, status in (("stopped", "unchanged"), ("started", "changed")):
        with subprocess.Popen(["sleep", "1"], cwd=bot.path, start_new_session=True):
            outcome = carried_out(bot.scripted(stop_command=stop_command), state)
        assert outcome.status == status, outcome.message
    assert not (bot.path / STOPPED_BY_SCRIPT).exists()


def test_the_bot_next_door_is_none(bots: Path, bot: Directory) -> None:
    """Bots share a user and a directory tree: /srv/bots/a and /srv/bots/ab."""
    sibling = Directory(bots / "ab").by_hand()
    assert carried_out(bot.scripted(pidfile=None, pattern=TYPO), "stopped").status == "unchanged"
    assert sibling.poll() is None


def test_a_bot_within_its_directory_counts_while_it_runs(bot: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing tells it from the bot, but a halt of both proves both."""
    inner = Directory(bot.path / "inner").by_hand()
    options = bot.scripted(pidfile=None, pattern=TYPO)
    assert f"process {inner.pid} (" in carried_out(options, "stopped").message
    assert inner.poll() is None
    monkeypatch.setattr(bot_module, "SUSPECT_TIME", 20.0)
    with subprocess.Popen(["sh", "-c", f"sleep 1; kill {inner.pid}"], cwd="/"):
        assert carried_out(options, "stopped").status == "unchanged"


def test_operators_at_a_terminal_are_none(bot: Directory) -> None:
    """Neither a shell nor an interpreter, nor ``tail`` on its log."""
    pids = [on_a_terminal(bot.path, *command) for command in (["sh"], [sys.executable], ["tail", "-f", "bot.log"])]
    assert carried_out(bot.scripted(pidfile=None, pattern=TYPO), "stopped").status == "unchanged"
    assert all(map(_process.read, pids))


def test_a_bot_that_was_started_at_a_terminal_is_one(bot: Directory) -> None:
    """By hand, in the window of a tmux that nobody looks at."""
    pid = on_a_terminal(bot.path, *bot.command)
    wait_for(lambda: bot.notes() == ["began"])
    outcome = carried_out(bot.scripted(pidfile=None, pattern=TYPO), "stopped")
    assert f"not proven stopped: process {pid} (" in outcome.message


def test_a_daemon_that_went_to_the_root_directory_is_one(bot: Directory) -> None:
    """Its program lies in the bot's directory."""
    shutil.copy("/bin/sleep", bot.path / "sleeper")
    command = [str(bot.path / "sleeper"), "600"]
    with subprocess.Popen(command, cwd="/", start_new_session=True) as process:
        outcome = carried_out(bot.scripted(pidfile=None, pattern=TYPO), "stopped")
        process.kill()
    assert f"not proven stopped: process {process.pid} (" in outcome.message


def test_a_daemon_without_a_command_line_is_one(bot: Directory) -> None:
    """As each process is while it is being executed."""
    program = bot.path / "reader"
    shutil.copy("/bin/cat", program)
    command = ["bash", "-c", f"exec -a '' {program}"]
    with subprocess.Popen(command, cwd="/", start_new_session=True, stdin=subprocess.PIPE) as process:
        wait_for(lambda: Path(f"/proc/{process.pid}/cmdline").read_bytes() == b"\0")
        outcome = carried_out(bot.scripted(pidfile=None, pattern=TYPO), "stopped")
    assert f"not proven stopped: process {process.pid} (" in outcome.message


def test_a_shell_in_the_directory_makes_nothing_else_one(bot: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Least of all the kernel's threads, which have no command line."""
    monkeypatch.chdir(bot.path)
    assert carried_out(bot.scripted(pidfile=None, pattern=TYPO), "stopped").status == "unchanged"


def test_who_looks_is_none(bot: Directory) -> None:
    """A shell without a terminal runs the playbook in the bot's directory."""
    (bot.path / "look.py").write_text(
        f"import sys; sys.path.insert(0, {str(COLLECTIONS)!r})\n"
        "from ansible_collections.tradeops.botfleet.tests.unit.plugins.module_utils._operations.running_bot import "
        "carried_out\n"
        "from ansible_collections.tradeops.botfleet.plugins.module_utils._service import bot\n"
        "bot.SUSPECT_TIME = 0.3\n"
        f"outcome = carried_out({bot.scripted(pidfile=None, pattern=TYPO)!r}, 'stopped')\n"
        "print(outcome.status, outcome.message)\n"
    )
    command = ["sh", "-c", f"{sys.executable} look.py; :"]
    done = subprocess.run(command, cwd=bot.path, start_new_session=True, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "unchanged"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run a bot as another user")
@pytest.mark.parametrize(("user", "status"), [("nobody", "failed"), (None, "failed"), ("daemon", "unchanged")])
def test_it_is_of_the_bots_user(user: str | None, status: str) -> None:
    """Of anybody where root is not told who runs the bot."""
    place = Path(tempfile.mkdtemp(prefix="bots-"))
    place.chmod(0o755)
    with subprocess.Popen(["sleep", "600"], cwd=place, start_new_session=True, user="nobody") as process:
        options = {"name": "a", "manager": "script", "chdir": str(place), "pattern": TYPO, "user": user}
        outcome = carried_out(options, "stopped")
        process.kill()
    shutil.rmtree(place)
    assert outcome.status == status, outcome.message
