# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests of git_deploy_tag: killed anywhere, resumed, locks left behind (S1.4, S1.6, S0.7)."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._git.work_tree import Git
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import Context, carry_out
from ansible_collections.tradeops.botfleet.tests.unit.plugins.module_utils._operations.deployed_bot import (
    B,
    Bot,
    C,
    change_of,
    new_bot_with_obstacles,
)


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Bot:
    return new_bot_with_obstacles(tmp_path_factory.mktemp("deployed") / "bot")


@pytest.fixture
def bot(deployed: Bot, tmp_path: Path) -> Bot:
    return deployed.copy(tmp_path / "bot")


WRITES = ["update-index", "read-tree", "commit-tree", "stash", "update-ref", "reset", "checkout"]


def killed_at(bot: Bot, fatal: int, change: dict[str, Any] | None = None) -> bool:
    """Roll back, or undo, in a process that gets SIGKILL before its writing git command number ``fatal``.

    False: it ended before.
    """
    child = os.fork()
    if child == 0:
        count, once = 0, Git._once

        def counted(git: Git, arguments: tuple[str, ...], *rest: Any) -> Any:
            nonlocal count
            count += arguments[0] in WRITES or arguments[:2] == ("symbolic-ref", "-m")
            if count == fatal:
                os.kill(os.getpid(), signal.SIGKILL)
            return once(git, arguments, *rest)

        with suppress(BaseException):
            Git._once = counted  # type: ignore[method-assign, assignment]  # to die there
            if change:
                bot.operation(build=BUILD).undo(change)
            else:
                bot.must_roll_back(build=BUILD)
            os._exit(0)
        os._exit(1)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert ended in (0, -signal.SIGKILL)
    return ended != 0


BUILD = ["sh", "-c", "cat bot.py > built.log"]


def copies(bot: Bot, place: Path) -> Iterator[tuple[int, Bot]]:
    """As many copies of a bot as a test wants."""
    for number in range(1, 100):
        yield number, bot.copy(place / str(number))


def test_killed_anywhere_it_is_resumed(bot: Bot, tmp_path: Path) -> None:
    """S1.4: SIGKILL before each command that writes; the next run ends where one run would have, build included."""
    bot.write("bot.py", "edited\n")
    bot.write("secret.env", "KEY=ignored\n")
    for fatal, copy in copies(bot, tmp_path / "copies"):
        if not killed_at(copy, fatal):
            assert fatal > 10
            return
        outcome = copy.must_roll_back(build=BUILD)
        assert copy.head() == copy.at(B), fatal
        assert copy.read("built.log") == "version 2\n", fatal
        assert copy.git("status", "--porcelain") == "", fatal
        assert copy.git("for-each-ref", "refs/worktree/botfleet/unfinished") == "", fatal
        assert copy.git("show", f"{change_of(outcome)['stash']}:bot.py") == "edited", fatal
        copy.operation().undo(change_of(outcome))
        assert (copy.read("bot.py"), copy.read("secret.env")) == ("edited\n", "KEY=ignored\n"), fatal
        assert copy.git("branch", "--show-current") == "main", fatal


def test_killed_in_undo_it_is_resumed(bot: Bot, tmp_path: Path) -> None:
    """S1.4: SIGKILL before each command of the undo that writes; undo again ends the same."""
    bot.write("bot.py", "edited\n")
    change = change_of(bot.must_roll_back())
    bot.write("config/live.yml", "live: false\n")
    for fatal, copy in copies(bot, tmp_path / "copies"):
        change["path"] = str(copy.path)
        ended = not killed_at(copy, fatal, change)
        copy.operation().undo(change)
        assert copy.git("branch", "--show-current") == "main", fatal
        assert copy.read("bot.py") == "edited\n", fatal
        assert copy.read("config/live.yml") == "live: false\n", fatal
        assert copy.git("for-each-ref", "refs/worktree") == "", fatal
        if ended:
            assert fatal > 8
            return


def kill_in_build(bot: Bot, **options: Any) -> None:
    """Roll back in a process that its own build kills."""
    child = os.fork()
    if child == 0:
        with suppress(BaseException):
            bot.roll_back(build=["sh", "-c", "kill -9 $PPID"], **options)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def test_a_build_that_never_ended_is_no_proof(bot: Bot) -> None:
    """S1.6: the code is there, its build is not; a failing one goes back, and keeps what was lowered meanwhile."""
    kill_in_build(bot)
    assert bot.head() == bot.at(B)
    assert f"the build of {B} in {bot.path} has not ended" in bot.must_fail(mode="prove", build=BUILD)
    bot.write("config/live.yml", "live: false\n")
    assert f"is back on {C}" in bot.must_fail(build=["false"])
    assert (bot.head(), bot.read("config/live.yml")) == (bot.at(C), "live: false\n")


def test_undo_of_a_resumed_rollback_leaves_the_earlier_one_remembered(bot: Bot) -> None:
    """S1.4: the memory that undo brings back is from before the interrupted run."""
    bot.must_roll_back()
    kill_in_build(bot, known_bad=[B])
    outcome = bot.must_roll_back(known_bad=[B], build=BUILD)
    bot.operation().undo(change_of(outcome))
    assert bot.head() == bot.at(B)
    assert bot.roll_back().status == "unchanged"


def test_the_way_back_is_not_cut_short(bot: Bot) -> None:
    """S0.7: a build that uses the step's time up is undone all the same."""
    operation = bot.operation(target="previous", build=["sleep", "60"])
    operation.context = Context(deadline=time.monotonic() + 2)
    outcome = carry_out(operation)
    assert "was killed" in outcome.message
    assert f"is back on {C}" in outcome.message
    assert bot.git("branch", "--show-current") == "main"


def test_half_a_checkout_is_no_local_change(bot: Bot) -> None:
    """S1.4: what a killed checkout left is saved apart and not put back by undo; refuse does not mind it."""
    assert any(killed_at(bot, fatal) and bot.git("for-each-ref", "refs/worktree") for fatal in range(1, 20))
    bot.write("bot.py", "version 2\n")
    bot.write("secret.env", "half written")
    outcome = bot.must_roll_back(local_changes="refuse")
    assert bot.read("secret.env") == "KEY=tracked\n"
    assert bot.git("show", f"{change_of(outcome)['left_over']}^3:secret.env") == "half written"
    bot.operation().undo(change_of(outcome))
    assert bot.read("bot.py") == "version 3\n"
    assert not (bot.path / "secret.env").exists()


def test_a_lock_left_by_a_killed_git(bot: Bot) -> None:
    """S1.4: an old lock that no git holds is removed; a young one is waited for."""
    for name in ("index.lock", "HEAD.lock", "refs/worktree/botfleet/unfinished.lock"):
        lock = bot.path / ".git" / name
        lock.parent.mkdir(parents=True, exist_ok=True)
        lock.touch()
        os.utime(lock, (time.time() - 60, time.time() - 60))
    bot.must_roll_back()
    assert bot.head() == bot.at(B)


def test_a_lock_that_is_held(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    """S1.4: a lock is never taken from a git that runs: the error names both, nothing is changed."""
    monkeypatch.setattr("ansible_collections.tradeops.botfleet.plugins.module_utils._git.work_tree.LOCK_WAIT", 0.3)
    lock = bot.path / ".git" / "index.lock"
    lock.touch()
    os.utime(lock, (time.time() - 60, time.time() - 60))
    bot.write("secret.env", "KEY=ignored\n")
    holder = subprocess.Popen(["git", "cat-file", "--batch"], cwd=bot.path / "config", stdin=subprocess.PIPE)
    try:
        message = bot.must_fail()
        assert f"{lock} is held by git process {holder.pid}" in message
        assert lock.exists()
        assert bot.head() == bot.at(C)
    finally:
        holder.kill()
        holder.communicate()
    bot.must_roll_back()
