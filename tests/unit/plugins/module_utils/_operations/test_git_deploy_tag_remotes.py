# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests of git_deploy_tag: remotes, shallow clones, linked work trees, other owners, hostile settings (S1.4)."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.tradeops.botfleet.tests.unit.plugins.module_utils._operations.deployed_bot import (
    A,
    B,
    Bot,
    C,
    change_of,
    new_bot,
    tree_hash,
)

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="acting for another user takes root")


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Bot:
    return new_bot(tmp_path_factory.mktemp("deployed") / "bot")


@pytest.fixture
def origin(deployed: Bot, tmp_path: Path) -> Bot:
    return deployed.copy(tmp_path / "origin")


@pytest.fixture
def bot(origin: Bot, tmp_path: Path) -> Bot:
    """A clone that is at C and has B and C, not A."""
    origin.git("clone", "-q", str(origin.path), str(tmp_path / "bot"))
    bot = Bot(tmp_path / "bot")
    bot.git("tag", "-d", A)
    return bot


@pytest.fixture
def stalled(bot: Bot) -> Iterator[socket.socket]:
    """The bot's remote takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        bot.git("remote", "set-url", "origin", f"git://127.0.0.1:{server.getsockname()[1]}/bot")
        yield server


def clone(origin: Bot, path: Path, *arguments: str) -> Bot:
    origin.git("clone", "-q", *arguments, f"file://{origin.path}", str(path))
    return Bot(path)


def test_a_tag_that_is_not_here_is_fetched(bot: Bot, origin: Bot) -> None:
    """S1.4: only that one, and not in check mode, which knows its commit all the same."""
    origin.git("tag", "deploy-20250101-080000", A)
    before = tree_hash(bot.path)
    outcome = bot.roll_back(check=True, target=A)
    assert tree_hash(bot.path) == before
    assert outcome.before is not None
    assert outcome.before["target"] == {"tag": A, "commit": origin.at(A)}
    outcome = bot.must_roll_back(target=A)
    assert outcome.change is not None
    assert outcome.change["fetched"] is True
    assert bot.head() == origin.at(A)
    assert bot.git("tag").split() == [A, B, C]


def test_what_is_in_the_way_of_a_fetched_tag_is_kept(bot: Bot, origin: Bot) -> None:
    """S1.4: which files it has is known only then."""
    origin.write("notes.txt", "theirs")
    origin.commit("with notes", "deploy-20250601-080000")
    bot.write("notes.txt", "ours")
    change = change_of(bot.must_roll_back(target="deploy-20250601-080000"))
    assert bot.read("notes.txt") == "theirs"
    assert bot.git("show", f"{change['stash']}^3:notes.txt") == "ours"


def test_previous_asks_the_remote_when_nothing_earlier_is_here(bot: Bot, origin: Bot) -> None:
    """S1.4: a clone that has only the tag that runs."""
    bot.git("tag", "-d", B)
    bot.must_roll_back()
    assert bot.head() == origin.at(B)


def test_what_runs_may_be_known_to_the_remote_alone(bot: Bot, origin: Bot) -> None:
    """S1.4: a clone without tags."""
    bot.git("tag", "-d", B, C)
    bot.must_roll_back()
    assert bot.head() == origin.at(B)


def test_never_does_not_ask(bot: Bot) -> None:
    """S1.4: fetch never: what is not here is not there."""
    assert f"the tag {A} is not in {bot.path}" in bot.must_fail(target=A, fetch="never")


@pytest.mark.parametrize("fetch", ["auto", "never"])
def test_a_dead_remote_is_no_failure_while_the_tag_is_here(bot: Bot, stalled: socket.socket, fetch: str) -> None:
    """S1.4: it is not even contacted."""
    bot.must_roll_back(fetch=fetch)
    bot.roll_back(fetch=fetch)
    stalled.settimeout(0)
    with pytest.raises(BlockingIOError):
        stalled.accept()


def test_a_stalled_remote_ends_at_fetch_timeout(bot: Bot, stalled: socket.socket) -> None:
    """S1.4: with an error that says so; nothing is changed, nothing is left running."""
    began = time.monotonic()
    message = bot.must_fail(target=A, fetch_timeout=1)
    assert time.monotonic() - began < 20
    assert f"the tag {A} is not in {bot.path}" in message
    assert "origin" in message
    assert "did not answer within 1 s" in message
    connection, _peer = stalled.accept()
    with connection:
        connection.settimeout(5)
        while connection.recv(4096):
            pass
    assert "did not answer" in bot.must_fail(fetch="always", fetch_timeout=1)
    assert bot.head() == bot.at(C)


@pytest.mark.parametrize("url", ["/no/such/repository", "https://ops:hunter2@127.0.0.1:1/bot.git"])
def test_a_dead_remote(bot: Bot, url: str) -> None:
    """S1.4: one sentence; the credentials of the URL are not in it."""
    bot.git("remote", "set-url", "origin", url)
    message = bot.must_fail(target=A)
    assert f"origin of {bot.path} could not be asked for tags" in message
    assert "hunter2" not in message
    assert "\n" not in message
    assert "hunter2" not in bot.must_fail(target=A, remote=url)


@pytest.mark.parametrize("annotated", [False, True])
def test_a_tag_that_moved_is_an_error_with_both_commits(bot: Bot, origin: Bot, annotated: bool) -> None:
    """S1.4: neither is preferred, nothing is overwritten."""
    here, there = bot.at(B), origin.at(A)
    origin.git("tag", *(["-a", "-m", "moved"] if annotated else []), "-f", B, A)
    message = bot.must_fail(fetch="always")
    assert f"the tag {B} has moved" in message
    assert here in message
    assert there in message
    assert (bot.at(B), bot.head()) == (here, bot.at(C))


def test_the_same_commit_tagged_anew_has_not_moved(bot: Bot, origin: Bot) -> None:
    """S1.4: an annotation added later is the same version; a tag that only this host has is fine."""
    origin.git("tag", "-a", "-m", "signed off", "-f", B, B)
    bot.must_roll_back(fetch="always")
    bot.git("tag", "deploy-20250101-120000", "HEAD^")
    bot.must_roll_back(fetch="always", known_bad=[B])
    assert bot.head() == bot.at("deploy-20250101-120000")


def test_a_tag_that_moves_while_it_is_fetched(bot: Bot, origin: Bot) -> None:
    """S1.4: what was planned is what is checked out, or nothing."""
    operation = bot.operation(target=A)
    plan = operation.plan(operation.observe())
    planned = origin.at(A)
    origin.git("tag", "-f", A, C)
    with pytest.raises(Exception, match="has moved") as caught:
        operation.apply(plan)
    assert planned in str(caught.value)
    assert bot.head() == bot.at(C)


@pytest.mark.parametrize("arguments", [["--depth=1"], ["--depth=1", f"--branch={C}"], ["--depth=2", "--no-tags"]])
def test_a_shallow_clone(origin: Bot, tmp_path: Path, arguments: list[str]) -> None:
    """S1.4: the missing tag and commit are fetched, and the rest of the history is not."""
    origin.git("tag", "-a", "-m", "annotated", "deploy-20250101-100000", A)
    bot = clone(origin, tmp_path / "shallow", *arguments)
    outcome = bot.must_roll_back()
    assert outcome.before is not None
    assert outcome.before["shallow"] is True
    assert bot.head() == origin.at(B)
    bot.must_roll_back(known_bad=[B])
    assert bot.head() == origin.at(A)
    assert bot.git("rev-parse", "--is-shallow-repository") == "true"
    assert bot.git("fsck", "--no-dangling") == ""


def test_a_linked_work_tree(origin: Bot, tmp_path: Path) -> None:
    """S1.4: ``.git`` is a file; each work tree of a repository has its own memory, bad tags are known to all."""
    origin.git("worktree", "add", "-q", str(tmp_path / "linked"), "-b", "side", C)
    bot = Bot(tmp_path / "linked")
    assert (bot.path / ".git").is_file()
    bot.write("bot.py", "edited\n")
    outcome = bot.must_roll_back(mark_bad=True)
    assert (bot.head(), origin.head()) == (origin.at(B), origin.at(C))
    assert bot.roll_back().status == "unchanged"
    assert f"{C} is known to be bad" in origin.must_fail(target=C)
    assert origin.roll_back(check=True).status == "changed"
    assert outcome.change is not None
    bot.operation().undo(outcome.change)
    assert (bot.read("bot.py"), bot.git("branch", "--show-current")) == ("edited\n", "side")


@pytest.fixture
def theirs() -> Iterator[Bot]:
    """A bot that belongs to nobody, in a place that nobody may enter."""
    place = Path(tempfile.mkdtemp())
    place.chmod(0o755)
    yield new_bot(place / "bot", "nobody")
    shutil.rmtree(place)


@needs_root
def test_owned_by_another_user(theirs: Bot) -> None:
    """S1.4: git and the build run as the owner; no file of root's is left in the tree."""
    theirs.write("bot.py", "edited\n")
    outcome = theirs.must_roll_back(build=["sh", "-c", "id -un > built.log; echo $HOME >> built.log"], mark_bad=True)
    entry = pwd.getpwnam("nobody")
    assert theirs.read("built.log") == f"nobody\n{entry.pw_dir}\n"
    assert {file.lstat().st_uid for file in theirs.path.rglob("*")} == {entry.pw_uid}
    assert outcome.change is not None
    theirs.operation().undo(outcome.change)
    assert theirs.read("bot.py") == "edited\n"
    assert {file.lstat().st_uid for file in theirs.path.rglob("*")} == {entry.pw_uid}


@needs_root
def test_programs_in_the_repository_never_run_as_root(theirs: Bot) -> None:
    """S1.4: hooks do not run at all; filters, ssh and monitors only as the owner of the tree."""
    trap = theirs.path / "trap"
    trap.write_text(f'#!/bin/sh\nid -un >> {theirs.path}/ran.log\ncase "$1" in filter) cat;; esac\nexit 0\n')
    trap.chmod(0o755)
    for hook in ("post-checkout", "pre-commit", "reference-transaction", "post-index-change", "fsmonitor-watchman"):
        os.symlink(trap, theirs.path / ".git" / "hooks" / hook)
    for name in ("core.fsmonitor", "core.sshCommand", "core.pager", "core.editor", "core.askPass", "diff.external"):
        theirs.git("config", name, str(trap))
    theirs.git("config", "core.hooksPath", str(theirs.path / ".git" / "hooks"))
    theirs.git("config", "credential.helper", f"!{trap}")
    theirs.git("config", "gpg.program", str(trap))
    theirs.git("config", "commit.gpgSign", "true")
    theirs.git("config", "filter.trap.clean", f"{trap} filter")
    theirs.git("config", "filter.trap.smudge", f"{trap} filter")
    theirs.git("config", "alias.checkout", f"!{trap}")
    theirs.git("config", "remote.origin.url", "ssh://127.0.0.1/bot")
    theirs.write(".git/info/attributes", "bot.py filter=trap\n")
    theirs.write("bot.py", "edited\n")
    (theirs.path / "ran.log").unlink(missing_ok=True)
    theirs.must_roll_back()
    assert "could not be asked" in theirs.must_fail(target="deploy-19990101-000000")
    assert set(theirs.read("ran.log").split()) == {"nobody"}


def test_hooks_and_ext_remotes_do_not_run(bot: Bot, tmp_path: Path) -> None:
    """S1.4: nor does a checkout start work in the background, or a prompt wait for someone."""
    hook = bot.path / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/hook\n")
    hook.chmod(0o755)
    bot.git("config", "protocol.ext.allow", "always")
    bot.git("config", "remote.origin.url", f"ext::sh -c touch% {tmp_path}/ext")
    bot.must_roll_back()
    assert "could not be asked" in bot.must_fail(target=A)
    assert not (tmp_path / "hook").exists()
    assert not (tmp_path / "ext").exists()


def test_nothing_can_ask_a_question(bot: Bot, tmp_path: Path) -> None:
    """S1.4: the repository's own ssh command is used, and it finds no terminal and no input."""
    ssh, seen = tmp_path / "ssh", tmp_path / "seen"
    ssh.write_text(
        f'#!/bin/sh\necho "$@" > {seen}\n(read line < /dev/tty) 2> /dev/null && echo a terminal >> {seen}\nexit 255\n'
    )
    ssh.chmod(0o755)
    bot.git("config", "core.sshCommand", f"{ssh} -i deploy_key")
    bot.git("remote", "set-url", "origin", "ssh://127.0.0.1/bot")
    bot.must_fail(target=A)
    (line,) = seen.read_text().splitlines()
    assert line.startswith("-i deploy_key")


def test_the_callers_variables_do_not_lead_elsewhere(bot: Bot, origin: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    """S1.4: GIT_DIR and the like, as set inside a hook, name another repository."""
    monkeypatch.setenv("GIT_DIR", str(origin.path / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(origin.path))
    monkeypatch.setenv("GIT_INDEX_FILE", "/no/such/index")
    outcome = bot.must_roll_back()
    monkeypatch.undo()
    assert outcome.proof is not None
    assert (bot.head(), origin.head()) == (bot.at(B), origin.at(C))


@needs_root
def test_sudo_does_not_make_root_trust_its_caller(theirs: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    """S1.4: a tree of root's whose .git is someone else's is refused, sudo or not."""
    os.chown(theirs.path, 0, 0)
    monkeypatch.setenv("SUDO_UID", str(pwd.getpwnam("nobody").pw_uid))
    assert "belong to different users" in theirs.must_fail()


@needs_root
def test_root_does_not_use_the_settings_of_its_caller(
    bot: Bot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S1.4: sudo may keep HOME; what is configured there is another user's."""
    (tmp_path / ".gitconfig").write_text(f'[filter "trap"]\n  smudge = touch {tmp_path}/ran; cat\n')
    (tmp_path / "git").mkdir()
    shutil.copy(tmp_path / ".gitconfig", tmp_path / "git" / "config")
    bot.write(".git/info/attributes", "bot.py filter=trap\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    bot.must_roll_back()
    assert not (tmp_path / "ran").exists()


@needs_root
def test_a_link_of_another_user_is_not_followed(theirs: Bot, origin: Bot) -> None:
    """S1.4: an unprivileged user cannot point root at root's repositories."""
    link = theirs.path / "link"
    link.symlink_to(origin.path)
    os.lchown(link, pwd.getpwnam("nobody").pw_uid, -1)
    assert "leads through a symlink" in Bot(link).must_fail()
    assert origin.head() == origin.at(C)


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user takes root")
def test_without_root_anothers_tree_is_refused(theirs: Bot) -> None:
    """S1.4: git as oneself would run what its owner configured."""
    os.chown(theirs.path, 0, 0)
    child = os.fork()
    if child == 0:
        os.setuid(pwd.getpwnam("nobody").pw_uid)
        os._exit("belongs to root: become that user, or root" not in theirs.roll_back().message)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
