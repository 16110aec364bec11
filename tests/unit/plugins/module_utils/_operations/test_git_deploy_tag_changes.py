# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests of git_deploy_tag: local changes, paths, builds, crashes (S1.4, S0.7)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.tests.unit.plugins.module_utils._operations.deployed_bot import (
    A,
    B,
    Bot,
    C,
    change_of,
    new_bot_with_obstacles,
    tree_hash,
)


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Bot:
    return new_bot_with_obstacles(tmp_path_factory.mktemp("deployed") / "bot")


@pytest.fixture
def bot(deployed: Bot, tmp_path: Path) -> Bot:
    return deployed.copy(tmp_path / "bot")


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
        ("echo half > bot.py; echo no such module >&2; exit 3", "failed with exit code 3 (no such module): mend it"),
        (
            "echo collecting; sleep 60 & echo $! > child.log; wait",
            "did not end within 1 s and was killed (collecting): mend it",
        ),
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
