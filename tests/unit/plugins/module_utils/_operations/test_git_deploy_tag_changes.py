# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests of git_deploy_tag: local changes, paths, builds, crashes (S1.4, S0.7)."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._git import Git
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import Context, Outcome, carry_out
from ansible_collections.tradeops.botfleet.tests.unit.plugins.module_utils._operations.deployed_bot import (
    A,
    B,
    Bot,
    C,
    new_bot,
    tree_hash,
)


@pytest.fixture
def bot(tmp_path: Path) -> Bot:
    """C has ``new.py``, B has none; A and B track ``secret.env`` and ``data/x``, C ignores or lacks them."""
    bot = new_bot(tmp_path / "bot")
    bot.git("checkout", "-q", B)
    bot.write("secret.env", "KEY=tracked\n")
    bot.write("data/x", "tracked\n")
    bot.git("add", "-f", "secret.env", "data/x")
    bot.git("commit", "-q", "-m", "track")
    bot.git("tag", "-f", B)
    bot.git("checkout", "-q", "main")
    return bot


def change_of(outcome: Outcome) -> dict[str, Any]:
    assert outcome.change is not None
    return outcome.change


def test_nothing_local_is_lost(bot: Bot) -> None:
    """S1.4: edits, staged and deleted files, and what would be overwritten, ignored or not; undo brings them back."""
    bot.write("bot.py", "edited\n")
    bot.write("staged.py", "staged\n")
    bot.git("add", "staged.py")
    bot.git("rm", "-q", ".gitignore")
    bot.write("config/live.yml", "live: false\n")
    bot.write("secret.env", "KEY=ignored\n")
    bot.write("data", "a file where the tag has a directory\n")
    bot.write("notes.txt", "untracked, in nobody's way\n")
    status = bot.git("status", "--porcelain", "--ignored")
    outcome = bot.must_roll_back()
    stash = change_of(outcome)["stash"]
    assert bot.git("rev-parse", "stash@{0}") == stash
    assert bot.read("secret.env") == "KEY=tracked\n"
    assert bot.read("data/x") == "tracked\n"
    assert bot.git("status", "--porcelain") == "?? notes.txt"
    assert bot.git("show", f"{stash}:bot.py") == "edited"
    assert bot.git("show", f"{stash}:staged.py") == "staged"
    assert bot.git("show", f"{stash}^3:secret.env") == "KEY=ignored"
    bot.operation().undo(change_of(outcome))
    assert bot.head() == bot.at(C)
    assert bot.git("status", "--porcelain", "--ignored") == status
    assert bot.read("secret.env") == "KEY=ignored\n"
    assert bot.read("data").startswith("a file")
    assert bot.read("config/live.yml") == "live: false\n"


def test_a_link_in_place_of_a_tracked_directory(bot: Bot, tmp_path: Path) -> None:
    """S1.4: a config directory replaced by a link is put back as a link; what it leads to is not touched."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "live.yml").write_text("mine\n")
    (bot.path / "config" / "live.yml").unlink()
    (bot.path / "config").rmdir()
    (bot.path / "config").symlink_to(tmp_path / "elsewhere")
    outcome = bot.must_roll_back()
    assert not (bot.path / "config").is_symlink()
    assert bot.read("config/live.yml") == "live: true\n"
    bot.operation().undo(change_of(outcome))
    assert (bot.path / "config").readlink() == tmp_path / "elsewhere"
    assert (tmp_path / "elsewhere" / "live.yml").read_text() == "mine\n"


def test_repositories_within_the_tree(bot: Bot) -> None:
    """S1.4: a submodule's directory is left alone; a repository in the way of a file is never removed."""
    (bot.path / "library").mkdir()
    library = Bot(bot.path / "library")
    library.git("init", "-q")
    commit = library.commit("library\n")
    bot.git("checkout", "-q", "-b", "side", A)
    bot.git("update-index", "--add", "--cacheinfo", f"160000,{commit},library")
    bot.git("commit", "-q", "-m", "with a submodule")
    bot.git("tag", "deploy-20250101-120000")
    bot.git("checkout", "-q", "main")
    bot.must_roll_back(target="deploy-20250101-120000")
    assert library.read("bot.py") == "library\n"
    (bot.path / "data").mkdir()
    Bot(bot.path / "data").git("init", "-q")
    assert "data/ is a repository of its own" in bot.must_fail(target=B)
    assert (bot.path / "data" / ".git").is_dir()


def test_a_merge_with_conflicts(bot: Bot) -> None:
    """S1.4: a pull that ended in conflicts does not stop the way back, and is kept."""
    bot.git("checkout", "-q", "-b", "side", A)
    bot.commit("theirs\n")
    bot.git("checkout", "-q", "main")
    with pytest.raises(AssertionError):
        bot.git("merge", "side")
    assert bot.git("status", "--porcelain") == "UU bot.py"
    outcome = bot.must_roll_back()
    assert bot.git("status", "--porcelain") == ""
    assert "<<<<<<<" in bot.git("show", f"{change_of(outcome)['stash']}:bot.py")


def test_a_directory_in_place_of_a_file(bot: Bot) -> None:
    """S1.4: untracked files below what is a file in the tag are kept."""
    bot.write("secret.env/key", "mine\n")
    outcome = bot.must_roll_back()
    assert bot.read("secret.env") == "KEY=tracked\n"
    bot.operation().undo(change_of(outcome))
    assert bot.read("secret.env/key") == "mine\n"


def test_a_file_that_git_was_told_to_forget(bot: Bot) -> None:
    """S1.4: removed from the index, edited on disk: both are put back."""
    bot.git("rm", "-q", "--cached", "bot.py")
    bot.write("bot.py", "edited\n")
    outcome = bot.must_roll_back()
    assert bot.read("bot.py") == "version 2\n"
    bot.operation().undo(change_of(outcome))
    assert bot.git("status", "--porcelain").splitlines() == ["D  bot.py", "?? bot.py"]
    assert bot.read("bot.py") == "edited\n"


@pytest.mark.parametrize("paths", [[], ["bot.py"]])
@pytest.mark.parametrize("flag", ["assume-unchanged", "skip-worktree"])
def test_files_that_git_was_told_to_overlook(bot: Bot, flag: str, paths: list[str]) -> None:
    """S1.4: an edit hidden from git status is a local change too: refused, or stashed and put back."""
    bot.git("update-index", f"--{flag}", "bot.py", "config/live.yml")
    bot.write("bot.py", "hidden edit\n")
    assert "has local changes: bot.py;" in bot.must_fail(local_changes="refuse", paths=paths)
    outcome = bot.must_roll_back(paths=paths)
    assert bot.read("bot.py") == "version 2\n"
    bot.operation(paths=paths).undo(change_of(outcome))
    assert bot.read("bot.py") == "hidden edit\n"


def test_local_changes_are_refused_with_their_names(bot: Bot) -> None:
    """S1.4: refuse names tracked edits and what is in the way, and touches nothing."""
    bot.write("bot.py", "edited\n")
    bot.write("secret.env", "KEY=ignored\n")
    before = tree_hash(bot.path)
    assert "has local changes: bot.py, secret.env;" in bot.must_fail(local_changes="refuse")
    assert tree_hash(bot.path) == before


def test_edits_at_the_target_are_no_difference(bot: Bot) -> None:
    """S1.4: what a later step lowers in a tracked file is not raised again by the next run."""
    bot.must_roll_back()
    bot.write("config/live.yml", "live: false\n")
    outcome = bot.roll_back(local_changes="refuse")
    assert outcome.status == "unchanged"
    assert outcome.before is not None
    assert outcome.before["dirty"] is True
    assert bot.read("config/live.yml") == "live: false\n"


def test_undo_keeps_what_was_lowered_since(bot: Bot) -> None:
    """S1.4: undo is one-way safe: a config edited, or a flag removed, after the checkout stays so."""
    bot.write("GO_LIVE", "yes\n")
    bot.commit("version 4\n", "deploy-20250104-090000")
    bot.write("config/live.yml", "live: true # edited before\n")
    outcome = bot.must_roll_back(target=C)
    bot.write("config/live.yml", "live: false\n")
    said = bot.operation().undo(change_of(outcome))
    assert "edited since, and left so: config/live.yml" in said
    assert bot.head() == bot.at("deploy-20250104-090000")
    assert bot.read("config/live.yml") == "live: false\n"


def test_undo_keeps_a_flag_removed_since(bot: Bot) -> None:
    """S1.4: a live flag that is tracked, and was removed after the checkout, is not brought back."""
    bot.write("GO_LIVE", "yes\n")
    bot.commit("version 4\n", "deploy-20250104-090000")
    bot.commit("version 5\n", "deploy-20250105-090000")
    outcome = bot.must_roll_back()
    (bot.path / "GO_LIVE").unlink()
    assert "left so: GO_LIVE" in bot.operation().undo(change_of(outcome))
    assert bot.read("bot.py") == "version 5\n"
    assert not (bot.path / "GO_LIVE").exists()


def test_clean_untracked_keeps_ignored_files_and_loses_none(bot: Bot) -> None:
    """S1.4: untracked files stay unless asked; then they go, into the stash; ignored ones stay."""
    bot.write("stray/left.py", "stray\n")
    bot.write("trading.log", "ignored\n")
    outcome = bot.must_roll_back(clean_untracked=True)
    assert not (bot.path / "stray").exists()
    assert bot.read("trading.log") == "ignored\n"
    assert bot.git("show", f"{change_of(outcome)['stash']}^3:stray/left.py") == "stray"
    bot.write("stray/left.py", "made since\n")
    bot.operation().undo(change_of(outcome))
    assert bot.read("stray/left.py") == "made since\n"


def test_paths_alone(bot: Bot) -> None:
    """S1.4: only these paths, exactly, deletions included; HEAD and all else stay; undo."""
    bot.write("config/extra.yml", "new in C\n")
    bot.git("add", "-A")
    bot.git("commit", "-q", "--amend", "-m", "version 3")
    bot.git("tag", "-f", C)
    bot.git("checkout", "-q", B)
    bot.write("config/live.yml", "live: maybe\n")
    bot.git("commit", "-q", "-a", "-m", "other")
    bot.git("tag", "-f", B)
    bot.git("checkout", "-q", "main")
    bot.write("config/live.yml", "edited\n")
    bot.write("bot.py", "edited too\n")
    outcome = bot.must_roll_back(paths=["config/", "data"])
    assert outcome.before is not None
    assert outcome.before["differing"] == ["config/extra.yml", "config/live.yml", "data/x"]
    assert bot.git("branch", "--show-current") == "main"
    assert sorted(os.listdir(bot.path / "config")) == ["live.yml"]
    assert bot.read("config/live.yml") == "live: maybe\n"
    assert bot.read("data/x") == "tracked\n"
    assert bot.read("bot.py") == "edited too\n"
    assert bot.git("show", f"{change_of(outcome)['stash']}:config/live.yml") == "edited"
    assert bot.roll_back(paths=["config", "data"]).status == "unchanged"
    bot.operation(paths=["config", "data"]).undo(change_of(outcome))
    assert bot.git("status", "--porcelain").splitlines() == ["M bot.py", " M config/live.yml"]
    assert bot.read("config/live.yml") == "edited\n"
    assert bot.read("config/extra.yml") == "new in C\n"
    assert bot.read("bot.py") == "edited too\n"


def test_undo_of_paths_keeps_what_was_lowered_since(bot: Bot) -> None:
    """S1.4: as for the whole tree."""
    bot.write("config/live.yml", "live: true # C\n")
    bot.git("commit", "-q", "-a", "-m", "config")
    outcome = bot.must_roll_back(target=A, paths=["config"])
    bot.write("config/live.yml", "live: false\n")
    assert "left so: config/live.yml" in bot.operation(target=A, paths=["config"]).undo(change_of(outcome))
    assert bot.read("config/live.yml") == "live: false\n"
    assert "does not have these" in bot.must_fail(target=A, paths=["config"], mode="prove")


@pytest.mark.parametrize("path", ["/etc/passwd", "../other", "config/../..", ".git/config", ""])
def test_paths_stay_in_the_tree(bot: Bot, path: str) -> None:
    """S1.4: nothing outside, and not the repository itself."""
    with pytest.raises(Exception, match="is not a path in the tree"):
        bot.operation(paths=[path])
    assert "neither in" in bot.must_fail(target=A, paths=["no/such"])


def test_build_runs_when_the_code_changed(bot: Bot) -> None:
    """S0.7: ``pip install -e .`` if needed: once for a change, not for none; undo builds again."""
    options: dict[str, Any] = {"build": ["sh", "-c", "cat bot.py >> built.log"]}
    outcome = bot.must_roll_back(**options)
    assert bot.roll_back(**options).status == "unchanged"
    assert bot.read("built.log") == "version 2\n"
    bot.operation(**options).undo(change_of(outcome))
    assert bot.read("built.log") == "version 2\nversion 3\n"


@pytest.mark.parametrize("paths", [[], ["bot.py", "secret.env"]])
@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo half > bot.py; echo no such module >&2; exit 3", "failed with exit code 3: no such module"),
        ("echo collecting; sleep 60 & echo $! > child.log; wait", "did not end within 1 s and was killed: collecting"),
    ],
)
def test_a_failed_build_undoes_the_checkout(bot: Bot, script: str, reason: str, paths: list[str]) -> None:
    """S0.7: back on the commit and branch it came from, local changes on disk, the build's children dead."""
    bot.write("bot.py", "edited\n")
    bot.write("secret.env", "KEY=ignored\n")
    message = bot.must_fail(build=["sh", "-c", script], build_timeout=1, paths=paths)
    assert f"the build with sh {reason}" in message
    assert f"is back on {C}" in message
    assert (bot.head(), bot.git("branch", "--show-current")) == (bot.at(C), "main")
    assert (bot.read("bot.py"), bot.read("secret.env")) == ("edited\n", "KEY=ignored\n")
    assert bot.git("for-each-ref", "refs/worktree") == ""
    if "half" in script:
        assert bot.git("show", "stash@{0}:bot.py") == "half"
    child = bot.path / "child.log"
    if child.exists():
        assert not alive(int(child.read_text()))


def alive(pid: int) -> bool:
    """Whether a process runs; one that waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_build_that_cannot_start(bot: Bot) -> None:
    """S0.7: a missing build program undoes the checkout as well."""
    assert "/no/such/pip cannot be started" in bot.must_fail(build=["/no/such/pip", "install"])
    assert bot.head() == bot.at(C)


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
            Git._once = counted  # type: ignore[method-assign, assignment]
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
        shutil.copytree(bot.path, place / str(number))
        yield number, Bot(place / str(number))


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
    monkeypatch.setattr("ansible_collections.tradeops.botfleet.plugins.module_utils._git.LOCK_WAIT", 0.3)
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
