# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests of git_deploy_tag: which version, and there and back (S1.4, S1.6, S0.7)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import NotUndone
from ansible_collections.tradeops.botfleet.tests.unit.plugins.module_utils._operations.deployed_bot import (
    A,
    B,
    Bot,
    C,
    new_bot,
    tree_hash,
)


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Bot:
    return new_bot(tmp_path_factory.mktemp("deployed") / "bot")


@pytest.fixture
def bot(deployed: Bot, tmp_path: Path) -> Bot:
    return deployed.copy(tmp_path / "bot")


def test_previous_is_the_predecessor_of_what_runs(bot: Bot) -> None:
    """S1.4: not the second newest tag: a host that runs B goes to A, though C exists."""
    bot.git("checkout", "-q", B)
    outcome = bot.must_roll_back()
    assert bot.head() == bot.at(A)
    assert bot.read("bot.py") == "version 1\n"
    assert outcome.before is not None
    assert outcome.before["tag"] == B
    assert outcome.before["target"] == {"tag": A, "commit": bot.at(A)}
    assert outcome.proof is not None
    assert (outcome.proof["commit"], outcome.proof["tag"], outcome.proof["detached"]) == (bot.at(A), A, True)


def test_repeated_it_stays(bot: Bot) -> None:
    """S1.4: any number of runs of ``previous`` is one rollback."""
    bot.must_roll_back()
    for _again in range(3):
        assert bot.roll_back().status == "unchanged"
        assert bot.roll_back(mode="prove").status == "unchanged"
        assert bot.head() == bot.at(B)


def test_a_later_deploy_forgets_the_rollback(bot: Bot) -> None:
    """S1.4: after the next deploy, ``previous`` is counted from there."""
    bot.must_roll_back()
    bot.git("checkout", "-q", "main")
    bot.commit("version 4\n", "deploy-20250104-090000")
    bot.must_roll_back()
    assert bot.head() == bot.at(C)


def test_going_forward_by_name_is_a_deploy(bot: Bot) -> None:
    """S1.4: a newer tag that is named is no rollback to stay at."""
    bot.must_roll_back()
    bot.must_roll_back(target=C)
    bot.must_roll_back()
    assert bot.head() == bot.at(B)


def test_it_goes_on_when_its_place_is_bad(bot: Bot) -> None:
    """S1.4: the place it went to is marked bad since: on to that one's predecessor, never forward."""
    bot.must_roll_back()
    bot.must_roll_back(known_bad=[B])
    assert bot.head() == bot.at(A)
    assert bot.roll_back(known_bad=[B]).status == "unchanged"
    assert "no good tag deploy-* was deployed before it" in bot.must_fail(known_bad=[A, B])
    assert bot.head() == bot.at(A)


@pytest.mark.parametrize("target", ["previous", "current"])
def test_a_pattern_that_matches_no_tag_is_named_with_the_tags_that_there_are(bot: Bot, target: str) -> None:
    """S1.4: the bot was deployed with tags, and the inventory says so wrongly."""
    wrong = {"target": target, "pattern": "release-*", "fetch": "never"}
    said = f"no tag of {bot.path} matches release-*; "
    assert bot.must_fail(**wrong) == f"{said}the commit that runs has {C}: mend pattern"
    bot.commit("version 4\n")
    assert bot.must_fail(**wrong) == f"{said}of all tags, the last 3 are {C}, {B}, {A}: mend pattern"
    bot.git("tag", "-d", A, B, C)
    assert "mend pattern" not in bot.must_fail(**wrong), "where there is no tag at all, no pattern is at fault"


def test_marked_bad_is_remembered(bot: Bot) -> None:
    """S1.4: the tag that is left is bad from then on, and named so."""
    outcome = bot.must_roll_back(mark_bad=True)
    assert outcome.change is not None
    assert outcome.change["marked_bad"] == C
    assert bot.roll_back(mark_bad=True).status == "unchanged"
    assert f"{C} is known to be bad" in bot.must_fail(target=C)
    bot.git("checkout", "-q", "main")
    bot.commit("version 5\n", "deploy-20250105-090000")
    bot.must_roll_back()
    assert bot.head() == bot.at(B)


def test_a_rollback_is_marked_bad_afterwards(bot: Bot) -> None:
    """S1.4: a second run with mark_bad marks what the first one left, and checks nothing out."""
    bot.must_roll_back()
    outcome = bot.must_roll_back(mark_bad=True)
    assert outcome.message == f"remember that {C} is bad"
    assert outcome.after is not None
    assert outcome.after["bad"] == [C]
    assert bot.head() == bot.at(B)


def test_the_same_code_under_another_tag_is_no_predecessor(bot: Bot) -> None:
    """S1.4: a deploy of the same commit again would bring the bad code back."""
    again = "deploy-20250103-100000"
    bot.git("tag", again)
    bot.must_roll_back(mark_bad=True)
    assert bot.head() == bot.at(B)
    assert "is the same commit as one that is known to be bad" in bot.must_fail(target=C)


@pytest.mark.parametrize("target", [None, "deploy-19990101-000000", "previous"])
def test_no_target_is_an_error_with_the_last_five(bot: Bot, target: str | None) -> None:
    """S1.4: the defect ``error if none``, and the list of ``tail -5``."""
    for day in range(4, 8):
        bot.git("tag", f"deploy-2025010{day}-090000")
    bot.git("checkout", "-q", A)
    message = bot.must_fail(target=target, fetch="never")
    listed = ", ".join(f"deploy-2025010{day}-090000" for day in (7, 6, 5, 4, 3))
    assert f"the last 5 are {listed}" in message
    assert bot.head() == bot.at(A)


def test_head_between_tags(bot: Bot) -> None:
    """S1.4: the nearest tag that HEAD descends from is the one that runs."""
    bot.git("checkout", "-q", B)
    bot.commit("hotfix by hand\n")
    bot.commit("another\n")
    outcome = bot.must_roll_back()
    assert outcome.before is not None
    assert (outcome.before["tag"], outcome.before["ahead"]) == (B, 2)
    assert bot.head() == bot.at(A)


def test_a_branch_is_left_where_it_is(bot: Bot) -> None:
    """S1.4: HEAD on a branch: it is detached, the branch does not move; undo attaches it again."""
    outcome = bot.must_roll_back()
    assert outcome.before is not None
    assert outcome.before["branch"] == "main"
    assert bot.git("branch", "--show-current") == ""
    assert bot.at("main") == bot.at(C)
    assert outcome.change is not None
    assert "is back on" in bot.operation(target="previous").undo(json.loads(json.dumps(outcome.change)))
    assert bot.git("branch", "--show-current") == "main"
    assert bot.head() == bot.at(C)
    assert bot.git("for-each-ref", "refs/worktree", "refs/botfleet") == ""


def test_undo_leaves_a_branch_that_has_moved(bot: Bot) -> None:
    """S1.4: undo goes back to the commit, whatever became of the branch."""
    outcome = bot.must_roll_back()
    was = bot.at(C)
    bot.git("branch", "-f", "main", A)
    assert outcome.change is not None
    bot.operation().undo(outcome.change)
    assert (bot.head(), bot.git("branch", "--show-current")) == (was, "")


def test_undo_leaves_a_later_deploy_alone(bot: Bot) -> None:
    """S1.4: HEAD is neither where it was nor where it was brought: that is someone else's work."""
    outcome = bot.must_roll_back()
    bot.git("checkout", "-q", A)
    assert outcome.change is not None
    with pytest.raises(NotUndone, match="has moved"):
        bot.operation().undo(outcome.change)
    assert bot.head() == bot.at(A)


@pytest.mark.parametrize("times", [1, 2])
def test_undo_brings_the_earlier_memory_back(bot: Bot, times: int) -> None:
    """S1.4: undoing the second rollback leaves the first one remembered; twice is once; the bad mark stays."""
    bot.must_roll_back()
    outcome = bot.must_roll_back(known_bad=[B], mark_bad=True)
    assert outcome.change is not None
    for _time in range(times):
        assert f"{B} stays marked as bad" in bot.operation().undo(outcome.change)
    assert bot.head() == bot.at(B)
    bot.git("update-ref", "-d", f"refs/botfleet/bad/{B}")
    assert bot.roll_back().status == "unchanged"


def test_versions(bot: Bot) -> None:
    """S0.7: ``v0.9.9-stable`` by name and as the predecessor of ``v0.10.0``."""
    for text, tag in (("nine", "v0.9.9-stable"), ("ten rc", "v0.10.0-rc1"), ("ten", "v0.10.0")):
        bot.commit(text, tag)
    bot.git("tag", "v0.9.10-rc2", "v0.10.0-rc1")
    bot.must_roll_back(pattern="v*", known_bad=["v0.10.0-rc1"])
    assert bot.head() == bot.at("v0.9.9-stable")
    bot.must_roll_back(target="v0.10.0", pattern="v*")
    bot.must_roll_back(target="v0.9.9-stable")
    assert bot.git("log", "-1", "--format=%s") == "nine"


def test_annotated_and_nested_tags(bot: Bot) -> None:
    """S1.4: a tag object stands for the commit it names."""
    bot.git("tag", "-a", "-m", "x", "deploy-20250102-100000", A)
    bot.git("tag", "-a", "-m", "y", "deploy-20250102-110000", "deploy-20250102-100000")
    bot.git("tag", "deploy-20250102-120000", "HEAD^{tree}")
    outcome = bot.must_roll_back()
    assert outcome.before is not None
    assert outcome.before["target"] == {"tag": "deploy-20250102-110000", "commit": bot.at(A)}


def test_a_branch_or_file_with_the_name_of_the_tag(bot: Bot) -> None:
    """S1.4: only the tag counts; names that look like options are names."""
    bot.git("branch", B, A)
    bot.write(B, "a file\n")
    bot.must_roll_back()
    assert bot.head() == bot.at(f"refs/tags/{B}")
    bot.git("update-ref", "refs/tags/-f", bot.at(A))
    bot.must_roll_back(target="-f")
    assert bot.head() == bot.at(A)


def test_check_mode_changes_nothing(bot: Bot) -> None:
    """S1.4: it says where it would go, what it would leave, and touches no byte, the index included."""
    bot.write("config/live.yml", "live: false\n")
    (bot.path / "bot.py").touch()
    before = tree_hash(bot.path)
    outcome = bot.roll_back(check=True, mark_bad=True, build=["true"])
    assert tree_hash(bot.path) == before
    assert outcome.status == "changed"
    assert outcome.before is not None
    assert outcome.before["target"]["tag"] == B
    short = {tag: bot.at(tag)[:12] for tag in (B, C)}
    assert outcome.message.split("; ") == [
        f"check out {B} ({short[B]}) in place of {C} ({short[C]})",
        "stash 1 locally changed files",
        "build with true",
        f"remember that {C} is bad",
    ]
    assert outcome.diff == [
        {
            "before_header": str(bot.path),
            "after_header": str(bot.path),
            "before": f"{C} ({short[C]})\n{bot.git('rev-parse', '--short', 'HEAD')} version 3\n",
            "after": f"{B} ({short[B]})\n",
        }
    ]


@pytest.mark.parametrize("mode", ["plan", "prove"])
def test_prove_alone_says_what_is_wrong(bot: Bot, mode: str) -> None:
    """S1.6: mode prove fails on another version; mode plan does not."""
    outcome = bot.roll_back(mode=mode)
    assert outcome.status == ("failed" if mode == "prove" else "changed")
    assert bot.head() == bot.at(C)
    if mode == "prove":
        assert f"is on {C}" in outcome.message
        assert f"not on {B}" in outcome.message


def test_the_diff_lists_twenty_commits(bot: Bot) -> None:
    """S1.4: a long way back stays readable, and control characters stay out of it."""
    for number in range(30):
        bot.commit(f"change {number} \x1b[31mred")
    (diff,) = bot.roll_back(check=True).diff
    lines = diff["before"].splitlines()
    assert len(lines) == 22
    assert lines[-1] == "and 11 more commits"
    assert "\x1b" not in diff["before"]


@pytest.mark.parametrize("place", ["missing", "file", "empty", "inside", "bare", "unborn"])
def test_a_host_never_deployed(bot: Bot, tmp_path: Path, place: str) -> None:
    """S1.4: one sentence in check mode too, whatever is in the place of the work tree."""
    path = tmp_path / place
    if place == "file":
        path.write_text("")
    elif place == "inside":
        path = bot.path / "config"
    elif place != "missing":
        path.mkdir()
    if place in ("bare", "unborn"):
        Bot(path).git("init", "-q", *(["--bare"] if place == "bare" else []))
    outcome = Bot(path).roll_back(check=True)
    assert outcome.status == "failed"
    assert str(path) in outcome.message
    expected = {"missing": "does not exist", "file": "cannot be opened", "unborn": "has no commit yet"}
    assert expected.get(place, "is not the top of a git work tree") in outcome.message


def test_a_repository_without_tags(tmp_path: Path) -> None:
    """S1.4: nothing to choose from is said."""
    (tmp_path / "bot").mkdir()
    bot = Bot(tmp_path / "bot")
    bot.git("init", "-q")
    bot.commit("first\n")
    assert "of the tags deploy-*, there are none" in bot.must_fail(fetch="never")
