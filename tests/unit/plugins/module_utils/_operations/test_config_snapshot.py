# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots of a bot's configuration on real files: S1.5 (restore a tag's config), S2.3 (snapshot is ready)."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import signal
import socket
import stat
import subprocess
from typing import Any, Callable

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import (
    Context,
    NotUndone,
    OperationError,
    Outcome,
    carry_out,
)
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations.config_snapshot import (
    ConfigSnapshot,
    snapshot_name,
)
from ansible_collections.tradeops.botfleet.plugins.module_utils._snapshot import swap as _swap

MANIFEST = ".botfleet-manifest.json"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")


class Bot:
    """A bot's directory with a config, and a place for snapshots."""

    def __init__(self, base: pathlib.Path) -> None:
        self.home = base / "bot"
        self.config = self.home / "config"
        self.backup = base / "backup"
        self.live("good")

    def live(self, version: str) -> None:
        """Write a config of one version; the files differ in number and mode between versions."""
        (self.config / "exchanges").mkdir(parents=True, exist_ok=True)
        (self.config / "limits.yaml").write_text(f"version: {version}\n")
        secret = self.config / "exchanges" / "binance.yaml"
        secret.write_text(f"api_secret: SECRET-{version}\n")
        secret.chmod(0o600)
        (self.config / f"only-{version}.yaml").write_text(f"{version}\n")

    def break_it(self) -> None:
        """What a bad deploy leaves: a changed file, an extra one, one less, another mode."""
        (self.config / "only-good.yaml").unlink()
        self.live("bad")
        (self.config / "exchanges").chmod(0o700)

    def options(self, state: str, **options: Any) -> dict[str, Any]:
        given = {"path": str(self.config), "dest": str(self.backup), "name": "config-1", "state": state, **options}
        defaults = {name: spec.get("default") for name, spec in ConfigSnapshot.OPTIONS.items()}
        return {**defaults, **given}

    def operation(self, state: str, **options: Any) -> ConfigSnapshot:
        return ConfigSnapshot(self.options(state, **options), Context())

    def run(self, state: str, mode: str = "apply", **options: Any) -> Outcome:
        return carry_out(self.operation(state, **options), mode)

    def kept(self) -> list[pathlib.Path]:
        return sorted(self.home.glob(".*replaced-*"))

    def litter(self) -> list[str]:
        """Names that no finished run may leave."""
        names = [path.name for path in self.home.parent.rglob(".*")]
        return [name for name in names if "staging" in name or "incoming" in name]


@pytest.fixture(name="bot")
def _bot(tmp_path: pathlib.Path) -> Bot:
    return Bot(tmp_path)


def contents(folder: pathlib.Path) -> dict[str, tuple[int, bytes]]:
    """Every path below a folder with its mode and content, but the manifest."""
    return {
        str(path.relative_to(folder)): (
            stat.S_IMODE(path.lstat().st_mode),
            os.readlink(path).encode() if path.is_symlink() else path.read_bytes() if path.is_file() else b"",
        )
        for path in [folder, *folder.rglob("*")]
        if path.name != MANIFEST
    }


def test_s2_3_present_copies_with_a_manifest_and_is_idempotent(bot: Bot) -> None:
    """S2.3: the snapshot holds content and modes, its manifest says which; a second run changes nothing."""
    first = bot.run("present")
    assert (first.status, first.message) == ("changed", f"copy 3 files of {bot.config} to {bot.backup}/config-1")
    assert contents(bot.backup / "config-1") == contents(bot.config)
    manifest = json.loads((bot.backup / "config-1" / MANIFEST).read_text())
    assert manifest["source"] == str(bot.config)
    entry = manifest["entries"]["exchanges/binance.yaml"]
    assert (entry["mode"], entry["uid"], len(entry["sha256"])) == ("0600", os.geteuid(), 64)
    assert first.proof is not None
    assert first.proof["manifest"] == "verified"
    assert bot.run("present").status == "unchanged"
    assert bot.litter() == []


def test_s2_3_a_snapshot_is_never_overwritten(bot: Bot) -> None:
    """S2.3: the same name for another content is an error that names both."""
    bot.run("present")
    kept = contents(bot.backup / "config-1")
    bot.break_it()
    again = bot.run("present")
    assert again.status == "failed"
    assert f"{bot.backup}/config-1 holds another content than {bot.config}" in again.message
    assert "~ limits.yaml" in again.message
    assert contents(bot.backup / "config-1") == kept


def test_s2_3_check_mode_changes_nothing(bot: Bot) -> None:
    """S2.3: a plan makes no snapshot, and not even the directory for it."""
    outcome = carry_out(ConfigSnapshot(bot.options("present"), Context(check_mode=True)))
    assert outcome.status == "changed"
    assert not bot.backup.exists()


def test_s1_5_restored_replaces_exactly_and_keeps_what_was_there(bot: Bot) -> None:
    """S1.5: no nesting as with cp -r; extra files go and are listed, modes return, the replaced tree is kept."""
    bot.run("present")
    good = contents(bot.config)
    bot.break_it()
    bad = contents(bot.config)
    outcome = bot.run("restored")
    assert outcome.status == "changed"
    assert contents(bot.config) == good
    assert outcome.change is not None
    assert outcome.change["removed"] == ["only-bad.yaml"]
    assert outcome.change["added"] == ["only-good.yaml"]
    assert outcome.change["changed"] == ["exchanges", "exchanges/binance.yaml", "limits.yaml"]
    (kept,) = bot.kept()
    assert outcome.change["replaced"][0]["kept"] == str(kept)
    assert contents(kept) == bad
    assert bot.run("restored").status == "unchanged"
    assert bot.run("restored", "prove").status == "unchanged"
    assert bot.litter() == []


def test_s1_5_restored_makes_a_config_that_is_gone(bot: Bot) -> None:
    """S1.5: a config directory that the bad deploy removed comes back, and undo takes it away again."""
    bot.run("present")
    good = contents(bot.config)
    shutil.rmtree(bot.config)
    outcome = bot.run("restored")
    assert contents(bot.config) == good
    assert outcome.change is not None
    bot.operation("restored").undo(outcome.change)
    assert not bot.config.exists()


def test_s1_5_prove_says_what_differs(bot: Bot) -> None:
    """S1.5: asked alone whether the config is the snapshot's, prove names the file that is not."""
    bot.run("present")
    (bot.config / "limits.yaml").write_text("version: changed\n")
    outcome = bot.run("restored", "prove")
    assert outcome.status == "failed"
    assert "~ limits.yaml" in outcome.message


def test_s1_5_the_diff_shows_paths_and_modes_but_no_content(bot: Bot) -> None:
    """S1.5: a config holds secrets, so neither diff, message nor states show contents."""
    bot.run("present")
    bot.break_it()
    outcome = carry_out(ConfigSnapshot(bot.options("restored"), Context(check_mode=True)))
    assert outcome.status == "changed"
    assert contents(bot.config)["limits.yaml"][1] == b"version: bad\n"
    diff = outcome.diff[0]
    assert "only-bad.yaml" in diff["before"]
    assert "only-bad.yaml" not in diff["after"]
    assert "exchanges directory 0700" in diff["before"]
    shown = json.dumps([outcome.diff, outcome.message, outcome.before])
    assert "SECRET" not in shown
    assert "version:" not in shown


def test_s1_5_the_name_follows_the_stamp_of_the_tag(bot: Bot) -> None:
    """S1.5: /backup/config-<stamp> for the tag deploy-<stamp>."""
    options = {"name": "config-{stamp}", "tag": "deploy-20260101-120000"}
    bot.run("present", **options)
    assert (bot.backup / "config-20260101-120000").is_dir()
    assert bot.run("restored", **options).status == "unchanged"


@pytest.mark.parametrize(
    ("name", "tag", "pattern", "result"),
    [
        ("config-{stamp}", "v1.2.3", "v*", "config-1.2.3"),
        ("config-{stamp}", "bot-7-live", "bot-*-live", "config-7"),
        ("config-{stamp}", "release-1", "deploy-*", "does not match"),
        ("config-{stamp}", "deploy-", "deploy-*", "does not match"),
        ("config-{stamp}", None, "deploy-*", "give tag"),
        ("config-{stamp}", "deploy-1", "deploy-1", "exactly one"),
        ("config-{stamp}", "deploy-../../etc", "deploy-*", "cannot be a snapshot's name"),
        ("config-{tag}", "deploy-1", "deploy-*", "cannot be a snapshot's name"),
        ("..", None, "deploy-*", "cannot be a snapshot's name"),
        ("", None, "deploy-*", "cannot be a snapshot's name"),
    ],
)
def test_s1_5_names(name: str, tag: str | None, pattern: str, result: str) -> None:
    """S1.5: one part of a path, made of the tag's stamp; all else is an error."""
    options = {"name": name, "tag": tag, "tag_pattern": pattern}
    try:
        made = snapshot_name(options)
    except OperationError as error:
        made = str(error)
    assert result in made


@pytest.mark.parametrize("state", ["present", "restored"])
def test_s1_5_what_is_missing_fails_or_is_skipped(bot: Bot, state: str) -> None:
    """S1.5: "if present" is a choice: missing fails unless it is said to be fine, and then it is said."""
    shutil.rmtree(bot.config)
    failed = bot.run(state)
    assert failed.status == "failed"
    assert "is not there" in failed.message
    skipped = bot.run(state, missing="ok")
    assert skipped.status == "skipped"
    assert "is not there" in skipped.message
    assert bot.run(state, "prove", missing="ok").status == "skipped"


def test_s1_5_on_a_host_never_deployed_there_is_an_error(bot: Bot) -> None:
    """S1.5: without the directory that should hold the config, the plan says so."""
    bot.run("present")
    shutil.rmtree(bot.home)
    outcome = bot.run("restored", "plan")
    assert outcome.status == "failed"
    assert f"{bot.home}, which is to hold {bot.config}, is not there" in outcome.message


def test_s1_5_a_plain_copy_is_taken_when_asked(bot: Bot) -> None:
    """S1.5: what a team's own cp made has no manifest; modes and owners stay those of the live files."""
    bot.backup.mkdir()
    shutil.copytree(bot.config, bot.backup / "config-1")
    for path in (bot.backup / "config-1").rglob("*"):
        path.chmod(0o755)
    bot.break_it()
    refused = bot.run("restored")
    assert refused.status == "failed"
    assert "has no manifest" in refused.message
    outcome = bot.run("restored", manifest="optional")
    assert outcome.status == "changed"
    assert "no manifest" in outcome.message
    assert (bot.config / "limits.yaml").read_text() == "version: good\n"
    assert stat.S_IMODE((bot.config / "exchanges" / "binance.yaml").stat().st_mode) == 0o600
    assert not (bot.config / "only-bad.yaml").exists()
    assert bot.run("restored", manifest="optional").status == "unchanged"


def _corrupt(snapshot: pathlib.Path) -> None:
    (snapshot / "limits.yaml").write_text("version: evil\n")


def _add(snapshot: pathlib.Path) -> None:
    (snapshot / "more.yaml").write_text("")


def _take(snapshot: pathlib.Path) -> None:
    (snapshot / "limits.yaml").unlink()


def _garble(snapshot: pathlib.Path) -> None:
    (snapshot / MANIFEST).write_text('{"format": 1, "entries": [')


def _future(snapshot: pathlib.Path) -> None:
    (snapshot / MANIFEST).write_text('{"format": 99}')


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_corrupt, "~ limits.yaml"),
        (_add, "more.yaml"),
        (_take, "limits.yaml"),
        (_garble, "cannot be read"),
        (_future, "format 99"),
    ],
)
def test_s1_5_a_damaged_snapshot_moves_nothing(bot: Bot, damage: Callable[[pathlib.Path], None], message: str) -> None:
    """S1.5: every hash is checked before anything moves."""
    bot.run("present")
    bot.break_it()
    damage(bot.backup / "config-1")
    bad = contents(bot.home)
    outcome = bot.run("restored", manifest="optional")
    assert outcome.status == "failed"
    assert message in outcome.message
    assert contents(bot.home) == bad


def test_s1_5_another_bots_snapshot_is_refused(bot: Bot, tmp_path: pathlib.Path) -> None:
    """S1.5: several bots share a machine; one must not get the accounts of another."""
    bot.run("present")
    shutil.copytree(bot.config, tmp_path / "other" / "config")
    outcome = bot.run("restored", path=str(tmp_path / "other" / "config"))
    assert outcome.status == "failed"
    assert f"is a snapshot of {bot.config}, not of {tmp_path}/other/config" in outcome.message


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "exchanges/../../outside", "deep/way/../../outside"])
def test_s1_5_a_symlink_that_leads_out_is_refused(bot: Bot, target: str) -> None:
    """S1.5: absolute, plainly outside, and outside only by way of another symlink."""
    (bot.config / "deep").mkdir()
    (bot.config / "deep" / "way").symlink_to("../exchanges")
    (bot.config / "link").symlink_to(target)
    outcome = bot.run("present")
    assert outcome.status == "failed"
    assert "link is a symlink that leads out" in outcome.message
    assert not bot.backup.exists()


def test_s1_5_a_symlink_inside_is_kept(bot: Bot) -> None:
    """S1.5: it comes back as a symlink."""
    (bot.config / "current.yaml").symlink_to("exchanges/../limits.yaml")
    bot.run("present")
    (bot.config / "current.yaml").unlink()
    assert bot.run("restored").status == "changed"
    assert os.readlink(bot.config / "current.yaml") == "exchanges/../limits.yaml"


def test_s1_5_special_files_are_refused_in_and_moved_aside_out(bot: Bot) -> None:
    """S1.5: a socket cannot be copied; one in the config that is replaced goes with it."""
    bot.run("present")
    with socket.socket(socket.AF_UNIX) as server:
        here = os.getcwd()
        os.chdir(bot.config)
        server.bind("control.sock")
        os.chdir(here)
    refused = bot.run("present", name="config-2")
    assert refused.status == "failed"
    assert "control.sock is neither" in refused.message
    outcome = bot.run("restored")
    assert outcome.change is not None
    assert outcome.change["removed"] == ["control.sock"]
    assert (bot.kept()[0] / "control.sock").is_socket()


def test_s1_5_a_pipe_in_a_snapshot_neither_hangs_nor_passes(bot: Bot) -> None:
    """S1.5: a plain copy with a named pipe is refused at once."""
    (bot.backup / "config-1").mkdir(parents=True)
    os.mkfifo(bot.backup / "config-1" / "limits.yaml")
    outcome = bot.run("restored", manifest="optional")
    assert outcome.status == "failed"
    assert "limits.yaml is neither" in outcome.message


def test_s1_5_only_the_named_files(bot: Bot) -> None:
    """S1.5: with files, the others stay as they are; each replaced file is kept."""
    files = ["limits.yaml", "exchanges/binance.yaml"]
    bot.run("present", files=files)
    assert sorted(path.name for path in (bot.backup / "config-1").rglob("*.yaml")) == ["binance.yaml", "limits.yaml"]
    bot.break_it()
    outcome = bot.run("restored", files=files)
    assert outcome.status == "changed"
    assert (bot.config / "limits.yaml").read_text() == "version: good\n"
    assert (bot.config / "exchanges" / "binance.yaml").read_text() == "api_secret: SECRET-good\n"
    assert (bot.config / "only-bad.yaml").exists()
    assert outcome.change is not None
    kept = [pathlib.Path(item["kept"]) for item in outcome.change["replaced"]]
    assert sorted(path.read_text() for path in kept) == ["api_secret: SECRET-bad\n", "version: bad\n"]
    assert bot.run("restored", files=files).status == "unchanged"
    bot.operation("restored", files=files).undo(outcome.change)
    assert (bot.config / "limits.yaml").read_text() == "version: bad\n"
    assert bot.litter() == []


def test_s1_5_named_files_come_back_with_their_folder(bot: Bot) -> None:
    """S1.5: a folder that is gone is made again, with its mode."""
    (bot.config / "exchanges").chmod(0o750)
    bot.run("present", files=["exchanges/binance.yaml"])
    shutil.rmtree(bot.config / "exchanges")
    assert bot.run("restored", files=["exchanges/binance.yaml"]).status == "changed"
    assert stat.S_IMODE((bot.config / "exchanges").stat().st_mode) == 0o750


def test_s1_5_a_part_is_not_restored_as_the_whole(bot: Bot) -> None:
    """S1.5: a snapshot of some files must not remove all others."""
    bot.run("present", files=["limits.yaml"])
    outcome = bot.run("restored")
    assert outcome.status == "failed"
    assert "holds only limits.yaml" in outcome.message
    absent = bot.run("restored", files=["only-good.yaml"])
    assert "holds no file only-good.yaml" in absent.message


@pytest.mark.parametrize("files", [["../x"], ["/etc/passwd"], ["."], [""], [], [".git/config"], ["a/../../x"]])
def test_s1_5_files_outside_of_path_are_refused(bot: Bot, files: list[str]) -> None:
    """S1.5: names in files stay below path."""
    with pytest.raises(OperationError, match="files"):
        bot.operation("present", files=files)


def test_s1_5_a_single_file(bot: Bot) -> None:
    """S1.5: path may be one file; gone, it comes back; replaced, it is kept beside it."""
    path = str(bot.config / "limits.yaml")
    bot.run("present", path=path)
    (bot.config / "limits.yaml").unlink()
    assert bot.run("restored", path=path).status == "changed"
    (bot.config / "limits.yaml").write_text("version: bad\n")
    assert bot.run("restored", path=path).status == "changed"
    assert (bot.config / "limits.yaml").read_text() == "version: good\n"
    (kept,) = bot.config.glob(".limits.yaml.replaced-*")
    assert kept.read_text() == "version: bad\n"
    assert "limits.yaml.replaced" not in json.dumps(bot.run("present", name="config-2").diff)


def test_s1_5_what_belongs_to_git_stays(bot: Bot) -> None:
    """S1.5: a config that is a checkout keeps its history, and the snapshot has none of it."""
    for arguments in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "1"],
    ):
        subprocess.run(["git", *arguments], cwd=bot.config, check=True)
    head = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=bot.config)
    bot.run("present")
    assert not (bot.backup / "config-1" / ".git").exists()
    bot.break_it()
    bot.run("restored")
    assert subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=bot.config) == head
    assert subprocess.check_output(["git", "status", "--porcelain"], cwd=bot.config) == b""


def test_undo_puts_the_replaced_tree_back_once(bot: Bot) -> None:
    """S1.5: undo is exact, and asked again it changes nothing."""
    bot.run("present")
    bot.break_it()
    bad = contents(bot.config)
    change = json.loads(json.dumps(bot.run("restored").change))
    assert "is again what it was" in bot.operation("restored").undo(change)
    assert contents(bot.config) == bad
    bot.operation("restored").undo(change)
    assert contents(bot.config) == bad


def test_undo_keeps_what_was_made_safe_since(bot: Bot) -> None:
    """S4.3: a key that was lowered in the restored config stays lowered."""
    bot.run("present")
    bot.break_it()
    change = bot.run("restored").change
    assert change is not None
    (bot.config / "limits.yaml").write_text("activation_enabled: false\n")
    with pytest.raises(NotUndone, match="was changed since and stays"):
        bot.operation("restored").undo(change)
    assert (bot.config / "limits.yaml").read_text() == "activation_enabled: false\n"


def test_undo_leaves_a_snapshot(bot: Bot) -> None:
    """S2.3: a snapshot harms nothing."""
    change = bot.run("present").change
    assert change is not None
    with pytest.raises(NotUndone, match="stays"):
        bot.operation("present").undo(change)
    assert (bot.backup / "config-1").is_dir()


def test_snapshots_within_the_config_are_refused(bot: Bot) -> None:
    """S1.5: a snapshot that holds itself, or that would be replaced by itself."""
    with pytest.raises(OperationError, match="lie in each other"):
        bot.operation("present", dest=str(bot.config / "backup"))
    with pytest.raises(OperationError, match="lie in each other"):
        bot.operation("restored", dest=str(bot.home), name="config")


def test_a_symlink_in_place_of_the_config_is_refused(bot: Bot) -> None:
    """S1.5: a rename would replace the symlink and leave what it leads to."""
    bot.config.rename(bot.home / "real")
    bot.config.symlink_to("real")
    outcome = bot.run("present")
    assert outcome.status == "failed"
    assert "is a symlink to real" in outcome.message


CALLS = ("mkdir", "rename", "fsync", "symlink", "fchmod", "unlink", "rmdir")


def run_until_killed(bot: Bot, state: str, call: int, options: dict[str, Any]) -> bool:
    """Run in a process that is killed before its n-th change of the file system; False if it ended before."""
    pid = os.fork()
    if pid == 0:
        left = [call]

        def dying(function: Callable[..., Any]) -> Callable[..., Any]:
            def wrapper(*arguments: Any, **named: Any) -> Any:
                left[0] -= 1
                if left[0] <= 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return function(*arguments, **named)

            return wrapper

        for name in CALLS:
            setattr(os, name, dying(getattr(os, name)))
        _swap.exchange = dying(_swap.exchange)
        outcome = bot.run(state, **options)
        os._exit(0 if outcome.status == "changed" else 1)
    status = os.waitpid(pid, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


@pytest.mark.parametrize("can_exchange", [True, False], ids=["exchange", "two renames"])
@pytest.mark.parametrize("files", [None, ["limits.yaml", "exchanges/binance.yaml"]], ids=["tree", "files"])
def test_s1_5_restored_survives_a_kill_at_any_point(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, files: list[str] | None, can_exchange: bool
) -> None:
    """S1.5: wherever the process is killed, the next run ends with the snapshot live and the replaced config kept."""
    if not can_exchange:
        monkeypatch.setattr(_swap, "exchange", lambda *_arguments: False)
    options: dict[str, Any] = {"files": files}
    call = 0
    killed = True
    while killed:
        call += 1
        base = tmp_path / str(call)
        base.mkdir()
        bot = Bot(base)
        bot.run("present", **options)
        good = contents(bot.config)
        bot.break_it()
        bad = {path: item[1] for path, item in contents(bot.config).items()}
        killed = run_until_killed(bot, "restored", call, options)
        before = bot.operation("restored", **options).observe()
        assert before["present"] or not can_exchange or files, f"call {call}: there must always be a config"
        outcome = bot.run("restored", **options)
        assert outcome.status in ("changed", "unchanged"), f"call {call}: {outcome.message}"
        assert bot.run("restored", "prove", **options).status == "unchanged"
        assert bot.litter() == [], f"call {call}"
        live = contents(bot.config)
        for path in files or good:
            assert live[path] == good[path], f"call {call}: {path}"
        kept = [path.read_bytes() for path in base.rglob("*") if path.is_file() and ".replaced-" in str(path)]
        for path in files or ["limits.yaml", "exchanges/binance.yaml", "only-bad.yaml"]:
            assert kept.count(bad[path]) == 1, f"call {call}: {path} must be kept once"
    assert call > 10


def test_s2_3_present_survives_a_kill_at_any_point(tmp_path: pathlib.Path) -> None:
    """S2.3: a half snapshot never looks like one, and the next run completes it."""
    call = 0
    killed = True
    while killed:
        call += 1
        base = tmp_path / str(call)
        base.mkdir()
        bot = Bot(base)
        killed = run_until_killed(bot, "present", call, {})
        if (bot.backup / "config-1").exists():
            assert bot.run("present", "prove").status == "unchanged", f"call {call}"
        assert bot.run("present").status in ("changed", "unchanged"), f"call {call}"
        assert contents(bot.backup / "config-1") == contents(bot.config)
        assert bot.litter() == [], f"call {call}"
    assert call > 8


def test_a_failure_while_swapping_takes_all_back(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    """S1.5: when the second of two files cannot be replaced, the first is what it was."""
    files = ["exchanges/binance.yaml", "limits.yaml"]
    bot.run("present", files=files)
    bot.break_it()
    bad = contents(bot.config)
    real = _swap.exchange

    def failing(directory: int, one: str, other: str) -> bool:
        if other == "limits.yaml":
            raise OSError(16, "Device or resource busy", other)
        return real(directory, one, other)

    monkeypatch.setattr(_swap, "exchange", failing)
    outcome = bot.run("restored", files=files)
    assert outcome.status == "failed"
    assert "busy" in outcome.message
    live = {path: item for path, item in contents(bot.config).items() if ".replaced-" not in path}
    assert live == bad
    assert bot.litter() == []


@needs_root
def test_s1_5_root_restores_owners(bot: Bot) -> None:
    """S1.5: owners are recorded and come back; a different owner alone is a difference."""
    for path in [bot.config, *bot.config.rglob("*")]:
        os.chown(path, 65534, 65534)
    bot.run("present")
    os.chown(bot.config / "limits.yaml", 0, 0)
    outcome = bot.run("restored")
    assert outcome.status == "changed"
    assert "0:0" in outcome.diff[0]["before"]
    assert (bot.config / "limits.yaml").stat().st_uid == 65534
    assert bot.config.stat().st_uid == 65534
    assert bot.run("restored").status == "unchanged"


@needs_root
def test_an_unprivileged_users_manifest_gives_nothing_to_root(bot: Bot) -> None:
    """A manifest that says root owns a file, written by somebody else, is refused; set-user-ID never comes back."""
    bot.run("present")
    manifest = bot.backup / "config-1" / MANIFEST
    data = json.loads(manifest.read_text())
    data["entries"]["limits.yaml"]["mode"] = "4755"
    manifest.write_text(json.dumps(data))
    bot.break_it()
    assert bot.run("restored").status == "changed"
    assert stat.S_IMODE((bot.config / "limits.yaml").stat().st_mode) == 0o755
    bot.break_it()
    os.chown(manifest, 65534, 65534)
    outcome = bot.run("restored")
    assert outcome.status == "failed"
    assert "belongs to uid 65534" in outcome.message


@needs_root
def test_root_follows_no_symlink_that_a_user_planted(bot: Bot, tmp_path: pathlib.Path) -> None:
    """A user who exchanges the bot's directory for a symlink to root's files gets an error, and nothing is written."""
    bot.run("present")
    (tmp_path / "roots").mkdir()
    bot.home.rename(tmp_path / "moved")
    bot.home.symlink_to(tmp_path / "roots")
    os.chown(bot.home, 65534, 65534, follow_symlinks=False)
    outcome = bot.run("present", name="config-2", missing="ok")
    assert outcome.status == "failed"
    assert "leads through a symlink" in outcome.message
    assert list((tmp_path / "roots").iterdir()) == []


@needs_root
def test_root_follows_a_symlink_that_the_owner_made(bot: Bot) -> None:
    """A release that the bot's own user links as current is the ordinary case."""
    current = bot.home.parent / "current"
    current.symlink_to("bot")
    for path in (bot.home, current):
        os.chown(path, 65534, 65534, follow_symlinks=False)
    assert bot.run("present", path=str(current / "config")).status == "changed"
    assert bot.run("restored").status == "unchanged"


@pytest.mark.skipif(os.geteuid() == 0, reason="an ordinary user's run, which root's user cannot show")
def test_an_ordinary_user_is_not_asked_for_owners(bot: Bot) -> None:
    """S1.5: owners that this user could not set are no difference."""
    bot.run("present")
    manifest = bot.backup / "config-1" / MANIFEST
    data = json.loads(manifest.read_text())
    data["entries"]["limits.yaml"]["uid"] = 0
    manifest.write_text(json.dumps(data))
    assert bot.run("restored").status == "unchanged"
