# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Raising and lowering what permits trading (S4.2, S4.3)."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils import _operation
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import (
    Context,
    NotUndone,
    OperationError,
    carry_out,
)
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations.go_live_flag import GoLiveFlag

CONFIG = "# Activation\nactivation_enabled: true  # since May\napi_secret: canary-77aa\n"
LOWERED = CONFIG.replace("enabled: true", "enabled: false")

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")
not_as_root = pytest.mark.skipif(os.geteuid() == 0, reason="root may write in any directory")


class Bot:
    """A bot's directory with its flag up and its key true."""

    def __init__(self, root):
        self.root = root
        self.flag = root / "go_live.active"
        self.config = root / "go_live.yaml"
        self.flag.write_text("")
        self.config.write_text(CONFIG)

    def operation(self, check_mode=False, **options):
        options = {
            "path": str(self.flag),
            "state": "absent",
            "config_path": str(self.config),
            "config_key": "activation_enabled",
            **options,
        }
        filled = {name: options.get(name, spec.get("default")) for name, spec in GoLiveFlag.OPTIONS.items()}
        return GoLiveFlag(filled, Context(check_mode=check_mode))

    def content(self):
        return {path.name: (path.lstat().st_mtime_ns, path.lstat().st_ino) for path in self.root.iterdir()}


def run(operation, mode="apply"):
    return carry_out(operation, mode)


@pytest.fixture
def bot(tmp_path):
    return Bot(tmp_path)


def test_lowering_removes_the_file_and_sets_the_key(bot):
    """S4.2, S4.3: both are read back, comments and secrets stay in the file and out of the result."""
    outcome = run(bot.operation())
    assert outcome.status == "changed"
    assert not bot.flag.exists()
    assert bot.config.read_text() == LOWERED
    place = {"path": str(bot.flag), "config_path": str(bot.config), "config_key": "activation_enabled"}
    assert outcome.before == {**place, "state": "present", "value": True}
    assert outcome.after == outcome.proof == {**place, "state": "absent", "value": False}
    assert outcome.change == {"raised": False, "changed": ["path", "config_key"]}
    assert [(part["before"], part["after"]) for part in outcome.diff] == [
        ("flag file: present\n", "flag file: absent\n"),
        ("activation_enabled: true\n", "activation_enabled: false\n"),
    ]
    assert "canary" not in repr(outcome)


def test_lowering_twice_changes_nothing(bot):
    """S4.2, S4.3."""
    run(bot.operation())
    before = bot.content()
    outcome = run(bot.operation())
    assert (outcome.status, outcome.change, outcome.diff) == ("unchanged", None, [])
    assert outcome.proof["state"] == "absent"
    assert bot.content() == before


def test_either_switch_can_be_used_alone(bot):
    """S4.2 without S4.3, and S4.3 without S4.2."""
    assert run(bot.operation(config_path=None, config_key=None)).status == "changed"
    assert bot.config.read_text() == CONFIG
    assert run(bot.operation(path=None)).status == "changed"
    assert bot.config.read_text() == LOWERED


def test_a_key_in_json_is_lowered_in_place(bot):
    """S4.3."""
    path = bot.root / "live.json"
    path.write_text('{\n   "trade": [{"on": true, "x": 1.0}]\n}')
    outcome = run(bot.operation(config_path=str(path), config_key="trade.0.on"))
    assert outcome.status == "changed"
    assert path.read_text() == '{\n   "trade": [{"on": false, "x": 1.0}]\n}'


def test_check_mode_says_the_same_and_touches_nothing(bot):
    """S4.2, S4.3."""
    before = bot.content()
    outcome = run(bot.operation(check_mode=True))
    assert outcome.status == "changed"
    assert outcome.proof is None
    assert outcome.message == f"remove {bot.flag}; set activation_enabled in {bot.config} to false"
    assert bot.content() == before


@pytest.mark.parametrize(
    ("config", "key", "said"),
    [
        ("activation_enabled: [true\n", "activation_enabled", "not valid as YAML"),
        (CONFIG, "enabled", "has no key enabled: mend its name, the file has activation_enabled, api_secret"),
        (CONFIG, "api_secret", "is a string, not a boolean"),
        (CONFIG, "a..b", "is not a dotted key"),
        ("a: &x true\nb: *x\n", "a", "cannot be changed alone"),
        (None, "activation_enabled", "is not there"),
    ],
)
def test_a_bad_config_does_not_keep_the_flag_file_up(config, key, said, bot):
    """S4.2 happens whatever S4.3 meets, and the sentence says which of the two is not lowered."""
    if config is None:
        bot.config.unlink()
    else:
        bot.config.write_text(config)
    checked = run(bot.operation(check_mode=True, config_key=key))
    assert checked.status == "failed"
    assert said in checked.message
    assert bot.flag.exists()

    outcome = run(bot.operation(config_key=key))
    assert outcome.status == "failed"
    assert outcome.applied
    assert not bot.flag.exists()
    assert outcome.message.startswith(f"{bot.flag} is absent, but {key} in {bot.config} is not proven false: ")
    assert said in outcome.message
    assert "canary" not in repr(outcome)
    assert config is None or bot.config.read_text() == config

    again = run(bot.operation(config_key=key))
    assert (again.status, again.applied) == ("failed", False)


def test_a_bad_flag_path_does_not_keep_the_key_up(bot):
    """S4.3 happens whatever S4.2 meets."""
    bot.flag.unlink()
    bot.flag.mkdir()
    outcome = run(bot.operation())
    assert outcome.status == "failed"
    assert "is a directory, not a flag file" in outcome.message
    assert bot.flag.is_dir()
    assert bot.config.read_text() == LOWERED


def test_without_ruamel_the_flag_file_is_lowered_all_the_same(bot):
    """S4.2 on a bare host: a real interpreter that has the standard library alone."""
    root = os.path.abspath(os.path.join(os.path.dirname(_operation.__file__), *[os.pardir] * 5))
    script = (
        "import sys, json; sys.path.insert(0, sys.argv[1])\n"
        "from ansible_collections.tradeops.botfleet.plugins.module_utils._operations.go_live_flag import GoLiveFlag\n"
        "from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import Context, carry_out\n"
        "outcome = carry_out(GoLiveFlag(json.loads(sys.argv[2]), Context()))\n"
        "print(json.dumps([outcome.status, outcome.message]))\n"
    )
    arguments = [sys.executable, "-I", "-S", "-c", script, root, json.dumps(bot.operation().options)]
    status, message = json.loads(subprocess.run(arguments, check=True, stdout=subprocess.PIPE).stdout)
    assert status == "failed"
    assert not bot.flag.exists()
    assert message.startswith(f"{bot.flag} is absent, but ")
    assert "editing YAML needs ruamel.yaml on this host" in message
    assert bot.config.read_text() == CONFIG


@pytest.mark.parametrize(("state", "polarity"), [("present", "live"), ("absent", "halt")])
@pytest.mark.parametrize("check_mode", [False, True])
def test_raising_needs_confirm_before_anything_is_touched(state, polarity, check_mode, bot):
    """S4.2, S4.3: in check mode too, and also when there is nothing to change."""
    for _round in ("flag up", "flag down"):
        before = bot.content()
        outcome = run(bot.operation(check_mode=check_mode, state=state, polarity=polarity))
        assert (outcome.status, outcome.applied) == ("failed", False)
        assert "needs confirm: true" in outcome.message
        assert bot.content() == before
        run(bot.operation())


def test_raising_with_confirm_creates_the_file_last(bot):
    """S4.2, S4.3, as re-activation does it."""
    run(bot.operation())
    outcome = run(bot.operation(state="present", confirm=True))
    assert outcome.status == "changed"
    assert outcome.change == {"raised": True, "changed": ["config_key", "path"]}
    assert bot.flag.stat().st_mode & 0o7777 == 0o644
    assert bot.config.read_text() == CONFIG
    assert outcome.proof["state"] == "present"
    assert outcome.proof["value"] is True


@as_root
def test_a_new_flag_file_belongs_to_the_owner_of_its_directory(bot):
    bot.flag.unlink()
    os.chown(bot.root, 1234, 2345)
    run(bot.operation(state="present", confirm=True))
    assert (bot.flag.stat().st_uid, bot.flag.stat().st_gid) == (1234, 2345)


def test_raising_is_all_or_nothing(bot):
    """A raised key without its flag would be half of a permission to trade."""
    run(bot.operation())
    before = bot.content()
    bad_flag = bot.operation(state="present", confirm=True, path=str(bot.root / "gone" / "flag"))
    outcome = run(bad_flag)
    assert (outcome.status, outcome.applied) == ("failed", False)
    assert "the directory of the flag file, is not there" in outcome.message
    bot.config.write_text("activation_enabled: {}\n")
    bad_key = run(bot.operation(state="present", confirm=True))
    assert (bad_key.status, bad_key.applied) == ("failed", False)
    assert list(bot.content()) == list(before)
    assert not bot.flag.exists()


@not_as_root
def test_a_key_that_was_raised_is_lowered_when_the_flag_cannot_be(bot):
    run(bot.operation())
    closed = bot.root / "closed"
    closed.mkdir(mode=0o500)
    outcome = run(bot.operation(state="present", confirm=True, path=str(closed / "flag")))
    assert outcome.status == "failed"
    assert "trading was not raised" in outcome.message
    assert bot.config.read_text() == LOWERED


def test_a_kill_switch_halts_by_being_there(bot):
    """S4.2 with the opposite polarity: setting it needs no confirm, removing it does."""
    switch = bot.root / "KILL_SWITCH"
    options = {"path": str(switch), "config_path": None, "config_key": None, "polarity": "halt"}
    outcome = run(bot.operation(state="present", **options))
    assert outcome.status == "changed"
    assert outcome.change["raised"] is False
    assert switch.is_file()
    assert run(bot.operation(state="absent", **options)).status == "failed"
    assert switch.is_file()
    assert run(bot.operation(state="absent", confirm=True, **options)).change["raised"] is True
    assert not switch.exists()


@pytest.mark.parametrize("target", ["elsewhere", "nowhere"])
def test_lowering_removes_a_symlink_and_not_what_it_points_to(target, bot):
    """S4.2: a dangling link goes too, since its target may come back."""
    elsewhere = bot.root / "elsewhere"
    elsewhere.write_text("keep")
    bot.flag.unlink()
    bot.flag.symlink_to(bot.root / target)
    outcome = run(bot.operation())
    assert outcome.status == "changed"
    assert not os.path.lexists(bot.flag)
    assert elsewhere.read_text() == "keep"


def test_a_dangling_symlink_is_no_kill_switch(bot):
    """A bot does not see it, so a file takes its place."""
    switch = bot.root / "KILL_SWITCH"
    switch.symlink_to(bot.root / "nowhere")
    operation = bot.operation(path=str(switch), config_path=None, config_key=None, state="present", polarity="halt")
    assert run(operation).status == "changed"
    assert switch.is_file()
    assert not switch.is_symlink()
    assert not (bot.root / "nowhere").exists()


def test_prove_alone_fails_with_what_is_up(bot):
    """S4.6 asks whether the flag is gone and the config false."""
    with pytest.raises(OperationError, match=r"go_live\.active is present, it should be absent"):
        bot.operation().prove()
    bot.flag.unlink()
    outcome = run(bot.operation(), mode="prove")
    assert outcome.status == "failed"
    assert outcome.message == f"activation_enabled in {bot.config} is true, it should be false"
    bot.config.write_text(LOWERED)
    assert run(bot.operation(), mode="prove").proof["value"] is False


@pytest.mark.parametrize("word", ["no", "off", "yes"])
def test_a_word_that_readers_disagree_about_is_rewritten(word, bot):
    """S4.3: `no` is a string, and so true, for a reader of YAML 1.2."""
    bot.config.write_text(CONFIG.replace("true", word))
    with pytest.raises(OperationError, match="is present"):
        bot.operation().prove()
    assert run(bot.operation()).status == "changed"
    assert bot.config.read_text() == LOWERED


def test_undo_is_one_way(bot):
    """S4.2, S4.3: lowering stays; raising is lowered again, and only what this step had raised."""
    lowered = run(bot.operation())
    with pytest.raises(NotUndone):
        bot.operation().undo(json.loads(json.dumps(lowered.change)))
    assert not bot.flag.exists()

    raising = {"state": "present", "confirm": True}
    raised = run(bot.operation(**raising))
    assert bot.operation(**raising).undo(json.loads(json.dumps(raised.change))).startswith("trading was lowered again")
    assert not bot.flag.exists()
    assert bot.config.read_text() == LOWERED
    bot.operation(**raising).undo(raised.change)

    bot.flag.write_text("")
    raised = run(bot.operation(**raising))
    bot.operation(**raising).undo(raised.change)
    assert bot.flag.exists()
    assert bot.config.read_text() == LOWERED


def test_a_directory_that_is_not_there_has_no_flag(bot):
    """S4.2: the state is told on a host that was never deployed."""
    outcome = run(bot.operation(path="/nonexistent/bot/go_live.active", config_path=None, config_key=None))
    assert (outcome.status, outcome.proof["state"]) == ("unchanged", "absent")


def test_an_interrupted_lowering_is_finished_by_the_next_run(bot):
    """S4.2 done, S4.3 not: as a killed step leaves it."""
    bot.flag.unlink()
    outcome = run(bot.operation())
    assert (outcome.status, outcome.change["changed"]) == ("changed", ["config_key"])
    assert bot.config.read_text() == LOWERED
