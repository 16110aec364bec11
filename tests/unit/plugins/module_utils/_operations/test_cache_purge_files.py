# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Caches purged on real files: S2.6 (databento_cache), S2.7 (signal_cache), S2.9 (phase4_state)."""

from __future__ import annotations

import fcntl
import json
import os
import pathlib
import pwd
import signal
import stat
import subprocess
import time
from typing import Any, Callable

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import (
    Context,
    NotUndone,
    OperationError,
    Outcome,
    carry_out,
)
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations.cache_purge import CachePurge
from ansible_collections.tradeops.botfleet.plugins.module_utils._purge import moves as _moves

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else, or mount something")
NOBODY = 65534


class Bot:
    """A bot's outputs, with a cache in them."""

    def __init__(self, base: pathlib.Path) -> None:
        self.outputs = base / "outputs"
        self.cache = self.outputs / "databento_cache"
        self.trash = self.outputs / ".botfleet-trash"
        (self.cache / "2026").mkdir(parents=True)
        self.write("trades.parquet", "trades")
        self.write("quotes.json", "quotes")
        self.write("2026/day.parquet", "a day")
        self.write("2026/.lock", "")
        self.write(".settings", "hidden")
        (self.cache / "latest").symlink_to("2026/day.parquet")
        (self.cache / "quotes.json").chmod(0o640)
        (self.outputs / "report.txt").write_text("none of the cache")

    def write(self, name: str, content: str) -> pathlib.Path:
        path = self.cache / name
        path.write_text(content)
        return path

    def operation(self, context: Context | None = None, **options: Any) -> CachePurge:
        defaults = {name: spec.get("default") for name, spec in CachePurge.OPTIONS.items()}
        return CachePurge({**defaults, "path": str(self.cache), **options}, context or Context())

    def run(self, mode: str = "apply", **options: Any) -> Outcome:
        return carry_out(self.operation(**options), mode)

    def check(self, **options: Any) -> Outcome:
        return carry_out(self.operation(Context(check_mode=True), **options))

    def undo(self, change: Any, **options: Any) -> str:
        """In another process, as it were: from JSON."""
        return self.operation(**options).undo(json.loads(json.dumps(change)))

    def entries(self) -> list[pathlib.Path]:
        return sorted(self.trash.glob("databento_cache-*"))

    def trashed(self) -> dict[str, str]:
        """What the trash holds, by where it was, the last line of a path counting."""
        found = {}
        for entry in self.entries():
            (journal,) = [path for path in (entry / "manifest", entry / "unfinished") if path.exists()]
            for line in map(json.loads, journal.read_text().splitlines()[1:]):
                place = entry / "files" / str(line["number"])
                if os.path.lexists(place):
                    found.update({line["path"] + path[1:]: item for path, item in contents(place).items()})
        return found


@pytest.fixture(name="bot")
def _bot(tmp_path: pathlib.Path) -> Bot:
    return Bot(tmp_path)


def contents(top: pathlib.Path) -> dict[str, str]:
    """Every path from a top on, with its owner, mode, and content or target."""
    found = {}
    for path in [top, *(top.rglob("*") if top.is_dir() and not top.is_symlink() else [])]:
        state = path.lstat()
        readable = path.is_file() and not path.is_symlink()
        content = path.read_text() if readable else os.readlink(path) if path.is_symlink() else ""
        name = "." if path == top else f"./{path.relative_to(top)}"
        found[name] = f"{state.st_uid} {stat.S_IMODE(state.st_mode):o} {content}"
    return found


def test_s2_6_everything_but_hidden_entries_goes_to_the_trash(bot: Bot) -> None:
    """S2.6: all entries go, directories whole, with owner and mode; the directory itself stays."""
    before = contents(bot.cache)
    outcome = bot.run()
    assert (outcome.status, outcome.applied) == ("changed", True)
    assert outcome.message == f"move 4 entries of {bot.cache} (5 files, {6 + 6 + 5 + 16} B) to {bot.trash}"
    assert [path.name for path in bot.cache.iterdir()] == [".settings"]
    assert {f"./{path}": item for path, item in bot.trashed().items()} == {
        path: item for path, item in before.items() if path not in (".", "./.settings")
    }
    (entry,) = bot.entries()
    assert outcome.change == {
        "path": str(bot.cache),
        "trash": str(entry),
        "moved": 4,
        "files": 5,
        "bytes": 33,
        "expired": [],
    }
    assert outcome.proof is not None and outcome.after == outcome.proof
    assert (outcome.proof["matches"], outcome.proof["created_since"]) == (0, 0)
    assert (bot.outputs / "report.txt").read_text() == "none of the cache"
    for path, mode in ((bot.trash, 0o700), (entry, 0o700), (entry / "manifest", 0o600)):
        assert stat.S_IMODE(path.stat().st_mode) == mode


def test_s2_6_a_second_run_does_nothing(bot: Bot) -> None:
    """S2.6: nothing matches, nothing to do."""
    bot.run()
    again = bot.run()
    assert (again.status, again.change, again.diff) == ("unchanged", None, [])
    assert len(bot.entries()) == 1


def test_s2_6_a_host_that_was_never_deployed_has_nothing_to_do(bot: Bot, tmp_path: pathlib.Path) -> None:
    """S2.6: no directory, nothing to purge; and none is made."""
    outcome = bot.run(path=str(tmp_path / "never" / "was"))
    assert outcome.status == "unchanged"
    assert outcome.before is not None and outcome.before["present"] is False
    assert not (tmp_path / "never").exists()


def test_s2_6_check_mode_lists_at_most_twenty_and_the_sums(bot: Bot) -> None:
    """S2.6: check mode says how many and how much, and touches nothing."""
    for number in range(30):
        bot.write(f"part-{number:02}", "12345")
    before = contents(bot.outputs)
    outcome = bot.check(patterns=["part-*"])
    assert outcome.status == "changed"
    assert contents(bot.outputs) == before
    (diff,) = outcome.diff
    lines = diff["before"].splitlines()
    assert lines[0] == "part-00 (5 B)"
    assert lines[19:] == ["part-19 (5 B)", "and 10 more", "30 entries, 30 files, 150 B"]
    assert diff["after"] == "0 entries, 0 files, 0 B\n"
    assert bot.check().diff[0]["before"].startswith("2026/ (2 files, 5 B)\n")


@pytest.mark.parametrize(
    ("options", "taken"),
    [
        ({"patterns": ["*.parquet"]}, ["trades.parquet"]),
        ({"patterns": ["*.parquet"], "recurse": True}, ["2026/day.parquet", "trades.parquet"]),
        ({"patterns": ["*.parquet", "q[!x]*"]}, ["quotes.json", "trades.parquet"]),
        ({"patterns": [".s*"]}, [".settings"]),
        ({"patterns": ["*s"], "hidden": True}, [".settings"]),
        ({"patterns": ["*k"], "hidden": True, "recurse": True}, ["2026/.lock"]),
        ({"patterns": ["*k"], "recurse": True}, []),
        ({"patterns": ["*.PARQUET"]}, []),
        ({"patterns": ["latest"]}, ["latest"]),
    ],
)
def test_s2_9_patterns_are_of_names(bot: Bot, options: dict[str, Any], taken: list[str]) -> None:
    """S2.9: a pattern takes what it would take in a shell; a symlink goes, and what it leads to stays."""
    before = contents(bot.cache)
    outcome = bot.run(**options)
    assert outcome.status == ("changed" if taken else "unchanged")
    gone = {path[2:] for path in before.keys() - contents(bot.cache).keys()}
    assert sorted(gone) == taken
    assert sorted(path.rstrip("/") for path in bot.trashed()) == taken


def test_s2_6_undo_puts_all_of_it_back(bot: Bot) -> None:
    """S2.6: from the change alone; the entry of the trash is gone then, and a second undo says so."""
    before = contents(bot.cache)
    change = bot.run(recurse=True, hidden=True).change
    assert list(bot.cache.iterdir()) == []
    assert bot.undo(change) == f"5 are back in {bot.cache}"
    assert contents(bot.cache) == before
    assert bot.entries() == []
    with pytest.raises(NotUndone, match="is gone: it was taken back, or it had expired"):
        bot.undo(change)
    assert contents(bot.cache) == before


def test_s2_6_undo_goes_over_nothing_that_is_there_again(bot: Bot) -> None:
    """S2.6: a file that the bot wrote anew stays, is named, and the old one stays in the trash."""
    change = bot.run(patterns=["*.parquet", "2026"], recurse=True).change
    bot.write("trades.parquet", "written since")
    (bot.cache / "2026").mkdir()
    with pytest.raises(NotUndone) as caught:
        bot.undo(change)
    assert "0 are back" in str(caught.value)
    assert "2026 is there again, trades.parquet is there again: the others stay in" in str(caught.value)
    assert (bot.cache / "trades.parquet").read_text() == "written since"
    assert list((bot.cache / "2026").iterdir()) == []
    assert "trades" in bot.trashed()["trades.parquet"]
    (bot.cache / "trades.parquet").unlink()
    with pytest.raises(NotUndone, match=r"1 are back in .*, but 2026 is there again: the others"):
        bot.undo(change)
    assert (bot.cache / "trades.parquet").read_text() == "trades"


def test_s2_6_undo_names_a_directory_that_is_gone(bot: Bot) -> None:
    """S2.6: what was in it stays in the trash."""
    change = bot.run(patterns=["day.parquet"], recurse=True).change
    (bot.cache / "2026" / ".lock").unlink()
    (bot.cache / "2026").rmdir()
    with pytest.raises(NotUndone, match=r"the directory of 2026/day\.parquet is gone"):
        bot.undo(change)
    (bot.cache / "2026").symlink_to("/tmp")
    with pytest.raises(NotUndone, match=r"the directory of 2026/day\.parquet is none any more"):
        bot.undo(change)
    assert "2026/day.parquet" in bot.trashed()


def test_undo_without_a_move_and_of_another_purge(bot: Bot) -> None:
    """Nothing is taken from what this purge has not left."""
    other = bot.outputs / "signal_cache"
    other.mkdir()
    (other / "signal").write_text("")
    change = bot.run(path=str(other)).change
    assert change is not None
    assert "nothing is put back" in bot.undo({**change, "trash": None})
    with pytest.raises(NotUndone, match="is not what this purge of"):
        bot.undo(change)
    assert list(other.iterdir()) == []


def test_s2_6_trash_expires_and_only_ours(bot: Bot) -> None:
    """S2.6: a later run removes old entries of the same purge, and nothing else that lies in the trash."""
    (bot.trash / "databento_cache-20200101T000000.000000Z" / "files").mkdir(parents=True)
    (bot.trash / "databento_cache-20200101T000000.000000Z" / "manifest").write_text('{"by":"somebody"}\n')
    (bot.trash / "notes").write_text("mine")
    first = bot.run().change
    other = bot.outputs / "signal_cache"
    other.mkdir()
    (other / "signal").write_text("")
    second = bot.run(path=str(other)).change
    assert first is not None and second is not None
    bot.write("new", "")
    young = bot.run()
    assert young.change is not None and young.change["expired"] == []
    checked = bot.check(trash_max_age=0)
    assert checked.message == f"remove 2 from {bot.trash} that have expired"
    assert f"expired {first['trash']}\n" in checked.diff[0]["before"]
    assert pathlib.Path(first["trash"]).exists()
    later = bot.run(trash_max_age=0)
    assert later.status == "changed" and later.change is not None
    assert later.change["expired"] == [first["trash"], young.change["trash"]]
    assert bot.undo(later.change) == f"nothing of {bot.cache} was moved, so nothing is put back"
    assert pathlib.Path(second["trash"]).exists()
    assert sorted(path.name for path in bot.trash.iterdir()) == sorted(
        [".gitignore", "databento_cache-20200101T000000.000000Z", "notes", pathlib.Path(second["trash"]).name]
    )
    with pytest.raises(NotUndone, match="had expired"):
        bot.undo(first)
    assert bot.run(trash_max_age=0).status == "unchanged"


def test_s2_6_prove_fails_while_something_matches(bot: Bot) -> None:
    """S2.6: on a bot that was never purged, and when an old file was left."""
    outcome = bot.run("prove")
    assert outcome.status == "failed"
    assert f"{bot.cache} still has 4 that match (2026/ (2 files, 5 B), latest (16 B), " in outcome.message
    assert bot.run("prove", patterns=["*.csv"]).status == "unchanged"
    bot.run(patterns=["*.parquet"])
    assert "still has 3 that match" in bot.run("prove").message


def test_s2_6_what_was_created_since_is_counted_and_no_failure(bot: Bot) -> None:
    """S2.6: a bot that runs writes new files; they are told apart by the time of their last change."""
    operation = bot.operation()
    plan = operation.plan(operation.observe())
    bot.write("between", "after the look, before the purge")
    operation.apply(plan)
    bot.write("trades.parquet", "written since")
    assert operation.prove()["created_since"] == 2
    alone = bot.run("prove")
    assert alone.status == "unchanged" and alone.proof is not None
    assert (alone.proof["created_since"], alone.proof["matches"]) == (2, 2)
    assert (bot.cache / "between").exists()


def test_s2_6_a_process_keeps_the_file_that_it_has_open(bot: Bot) -> None:
    """S2.6: a purge is a rename: what is open can be read and written on, in the trash."""
    with (bot.cache / "trades.parquet").open("a") as handle:
        bot.run(patterns=["trades*"])
        handle.write(" more")
    assert bot.trashed()["trades.parquet"].endswith("trades more")


def test_s2_6_git_sees_nothing_of_the_trash(bot: Bot) -> None:
    """S2.6: outputs lie in the bot's work tree, and its checkout must not find a trash of caches there."""
    bot.run()
    subprocess.run(["git", "init", "-q", str(bot.outputs.parent)], check=True)
    command = ["git", "-C", str(bot.outputs.parent), "status", "--porcelain", "-uall"]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert sorted(shown.split()[1::2]) == ["outputs/databento_cache/.settings", "outputs/report.txt"]


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("", "path is '', which is not an absolute path"),
        ("outputs/cache", "path is 'outputs/cache', which is not an absolute path"),
        ("/", "path is /, which is never purged"),
        ("//", "path is /, which is never purged"),
        ("/opt/bot/../..", "path is '/opt/bot/../..', and .. in it can lead anywhere"),
        ("/opt/bot/..", "path is '/opt/bot/..', and .. in it can lead anywhere"),
        ("/opt\0/bot", "can lead anywhere"),
        ("~", "the home directory of"),
        ("/tmp", "name the directory of the cache itself"),
    ],
)
def test_s2_6_what_is_never_purged(bot: Bot, path: str, sentence: str) -> None:
    """S2.6: refused outright, in check mode too, before anything is touched."""
    for context in (Context(), Context(check_mode=True)):
        with pytest.raises(OperationError) as caught:
            bot.operation(context, path=path, patterns=["none-such-*"], trash="/var/none/such").observe()
        assert sentence in str(caught.value)


def test_s2_6_homes_of_all_users_are_refused(bot: Bot) -> None:
    """S2.6: each home directory that is there and can be opened; and what is directly below the root is no cache."""
    users = [user for user in pwd.getpwall() if os.access(user.pw_dir, os.R_OK | os.X_OK)]
    homes = {os.path.realpath(user.pw_dir) for user in users if os.path.isdir(user.pw_dir)} - {"/"}
    assert homes
    for home in homes:
        outcome = bot.run("plan", path=home, trash="/var/none/such", patterns=["none-such-*"])
        assert f"{home} is or holds " in outcome.message and "the home directory of" in outcome.message
    assert "/etc lies directly below /, and is no bot's cache" in bot.run("plan", path="/etc", patterns=["x-*"]).message


def test_s2_6_a_home_below_is_refused(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    """S2.6: the parent of a home, and the home of whoever asks."""
    monkeypatch.setenv("HOME", str(bot.cache / "2026"))
    outcome = bot.run()
    assert f"{bot.cache} is or holds {bot.cache}/2026, the home directory of this process" in outcome.message
    assert bot.trash.exists() is False


def test_s2_6_a_symlink_in_place_of_the_cache_is_refused(bot: Bot) -> None:
    """S2.6: it is not followed, and neither is one with a slash behind it."""
    bot.cache.rename(bot.outputs / "real")
    bot.cache.symlink_to("real")
    for path in (str(bot.cache), f"{bot.cache}/"):
        outcome = bot.run(path=path)
        assert outcome.message == f"{bot.cache} is a symlink to real: name the real directory"
    assert len(list((bot.outputs / "real").iterdir())) == 5


def test_a_file_in_place_of_the_cache_is_refused(bot: Bot) -> None:
    assert "is not a directory" in bot.run(path=str(bot.cache / "quotes.json")).message


def test_s2_6_work_trees_are_refused(bot: Bot) -> None:
    """S2.6: the bot's own, what git keeps of it, and one that would go along."""
    subprocess.run(["git", "init", "-q", str(bot.cache / "2026")], check=True)
    before = contents(bot.outputs)
    assert f"{bot.cache}/2026 is a git work tree, or part" in bot.run(path=str(bot.cache / "2026")).message
    assert "or part of what git keeps" in bot.run(path=str(bot.cache / "2026" / ".git" / "objects")).message
    assert bot.run().message == f"{bot.cache}/2026 is a git work tree, which is no cache: narrow patterns"
    assert contents(bot.outputs) == before
    assert bot.run(patterns=["*.json"]).status == "changed"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"patterns": []}, "patterns is empty"),
        ({"patterns": [""]}, "patterns has '', which is no pattern of a name"),
        ({"patterns": ["../*"]}, "patterns has '../*'"),
        ({"patterns": [".."]}, "patterns has '..'"),
        ({"trash_max_age": -1}, "trash_max_age is -1"),
    ],
)
def test_bad_options(bot: Bot, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(OperationError) as caught:
        bot.operation(**options)
    assert sentence in str(caught.value)


def test_a_trash_that_cannot_be_is_refused(bot: Bot) -> None:
    """S2.6: in the cache, around it, through .., a file, and on another file system."""
    for trash in (bot.cache / "trash", bot.cache, bot.outputs):
        with pytest.raises(OperationError, match=r"which lies in .* or holds it"):
            bot.operation(trash=str(trash))
    with pytest.raises(OperationError, match=r"trash is .*, and \.\. in it"):
        bot.operation(trash=f"{bot.cache}/../trash")
    assert "is no directory that may be written" in bot.check(trash=str(bot.outputs / "report.txt")).message
    if os.stat("/dev/shm").st_dev != bot.cache.stat().st_dev:
        outcome = bot.check(trash="/dev/shm/botfleet-trash")
        assert outcome.message.startswith("trash is /dev/shm/botfleet-trash, on another file system than ")
    elsewhere = bot.outputs.parent / "elsewhere"
    outcome = bot.run(trash=str(elsewhere))
    assert outcome.status == "changed"
    assert bot.undo(outcome.change, trash=str(elsewhere)) == f"4 are back in {bot.cache}"


def test_names_that_are_no_text_are_moved_and_brought_back(bot: Bot) -> None:
    """A name of any bytes; what is shown of it can be printed."""
    name = os.fsencode(bot.cache) + b"/caf\xe9\nx"
    with open(name, "w") as handle:
        handle.write("odd")
    outcome = bot.run(patterns=["caf*"])
    json.dumps(outcome.diff).encode()
    assert "caf\\xe9\\nx (3 B)" in outcome.diff[0]["before"]
    assert not os.path.exists(name)
    bot.undo(outcome.change)
    assert os.path.exists(name)


def test_s2_6_a_purge_that_is_under_way_is_not_joined(bot: Bot) -> None:
    """S2.6: what another process has not finished yet is its own as long as it lives."""
    with pytest.raises(ZeroDivisionError), bot.operation()._purge._trash.entry(time.time()):
        raise ZeroDivisionError
    (entry,) = bot.entries()
    with (entry / "unfinished").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        outcome = bot.run()
    assert outcome.message == "the same purge is under way, it holds unfinished: wait for it"
    assert (bot.cache / "trades.parquet").exists()
    assert bot.run().status == "changed"
    assert bot.entries() == [entry]


CALLS = ("mkdir", "rename", "fsync", "write", "unlink", "rmdir")


def run_until_killed(work: Callable[[], bool], call: int) -> bool:
    """Work in a process that is killed before its n-th change of the file system; False if it ended before."""
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
        _moves.rename_new = dying(_moves.rename_new)
        os._exit(0 if work() else 1)
    status = os.waitpid(pid, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def everything(bot: Bot) -> dict[str, str]:
    """What is in the cache or, by its manifest, in the trash; a path must not be in both."""
    live = {path[2:]: item for path, item in contents(bot.cache).items() if path != "."}
    trashed = bot.trashed() if bot.trash.exists() else {}
    trashed = {path.replace("/./", "/"): item for path, item in trashed.items()}
    assert not live.keys() & trashed.keys()
    return {**live, **trashed}


def test_s2_6_killed_anywhere_it_loses_nothing_and_is_finished(tmp_path: pathlib.Path) -> None:
    """S2.6: each file is in its place or in the trash with a line; run again, one undo brings all of it back."""
    call, killed = 0, True
    while killed:
        call += 1
        base = tmp_path / str(call)
        base.mkdir()
        bot = Bot(base)
        before = contents(bot.cache)
        all_of_it = everything(bot)
        killed = run_until_killed(lambda bot=bot: bot.run(recurse=True).status == "changed", call)  # type: ignore[misc]  # untyped
        assert everything(bot) == all_of_it, f"call {call}"
        outcome = bot.run(recurse=True)
        assert outcome.status == ("changed" if killed and outcome.change else "unchanged"), outcome.message
        assert everything(bot) == all_of_it, f"call {call}"
        assert [path.name for path in bot.cache.iterdir()] == [".settings"], f"call {call}"
        (entry,) = bot.entries()
        assert not (entry / "unfinished").exists() and not list(bot.trash.glob(".part-*")), f"call {call}"
        assert bot.run(recurse=True).status == "unchanged"
        assert bot.undo({"trash": str(entry)}) == f"4 are back in {bot.cache}"
        assert contents(bot.cache) == before, f"call {call}"
    assert call > 12


def test_s2_6_undo_killed_anywhere_can_be_done_again(tmp_path: pathlib.Path) -> None:
    """S2.6: each file is in its place or in the trash; a second undo brings the rest."""
    call, killed = 0, True
    while killed:
        call += 1
        base = tmp_path / str(call)
        base.mkdir()
        bot = Bot(base)
        before = contents(bot.cache)
        all_of_it = everything(bot)
        change = bot.run().change
        killed = run_until_killed(lambda bot=bot, change=change: bool(bot.undo(change)), call)  # type: ignore[misc]  # untyped
        if bot.entries():
            assert everything(bot) == all_of_it, f"call {call}"
            bot.undo(change)
        assert contents(bot.cache) == before, f"call {call}"
    assert call > 6


def test_a_line_that_was_cut_short_is_none(bot: Bot) -> None:
    """The power fails while a line is written: what it says was not moved yet, and the next run goes on behind it."""
    with bot.operation()._purge._trash.entry(time.time()) as entry:
        entry.journal.write([{"number": 1, "path": "trades.parquet", "files": 1, "bytes": 6}])
    (found,) = bot.entries()
    (bot.cache / "trades.parquet").rename(found / "files" / "1")
    with (found / "unfinished").open("a") as handle:
        handle.write('{"number":2,"path":"quo')
    outcome = bot.run()
    assert outcome.status == "changed" and outcome.change is not None
    assert (outcome.change["moved"], outcome.change["bytes"]) == (4, 33)
    bot.undo(outcome.change)
    assert (bot.cache / "trades.parquet").read_text() == "trades"


def test_a_manifest_that_leads_out_is_not_followed(bot: Bot) -> None:
    """What somebody wrote into a manifest moves nothing to where they please."""
    change = bot.run(patterns=["trades*"]).change
    assert change is not None
    manifest = pathlib.Path(change["trash"]) / "manifest"
    manifest.write_text(manifest.read_text().replace('"trades.parquet"', '"../report.csv"'))
    with pytest.raises(OperationError, match="outside of what was purged"):
        bot.undo(change)
    assert not (bot.outputs / "report.csv").exists()


def test_s2_6_a_directory_that_is_exchanged_meanwhile_is_left_alone(bot: Bot) -> None:
    """S2.6: between the look and the move somebody puts other files in its place."""
    operation = bot.operation()
    plan = operation.plan(operation.observe())
    bot.cache.rename(bot.outputs / "moved")
    bot.cache.mkdir()
    bot.write("trades.parquet", "somebody's")
    with pytest.raises(OperationError, match="was exchanged meanwhile"):
        operation.apply(plan)
    bot.write("trades.parquet", "somebody's")


def test_s2_6_a_folder_that_becomes_a_symlink_meanwhile_is_not_followed(bot: Bot, tmp_path: pathlib.Path) -> None:
    """S2.6: nothing outside is moved, and what was is back."""
    (bot.cache / "2026").rename(bot.cache / "zone")  # the last to be moved
    operation = bot.operation(patterns=["*.parquet"], recurse=True)
    plan = operation.plan(operation.observe())
    outside = tmp_path / "outside"
    (bot.cache / "zone").rename(outside)
    (bot.cache / "zone").symlink_to(outside)
    with pytest.raises(OperationError, match="all of it is back in its place"):
        operation.apply(plan)
    assert (outside / "day.parquet").read_text() == "a day"
    assert (bot.cache / "trades.parquet").read_text() == "trades"
    assert bot.entries() == []


def test_a_file_that_vanishes_meanwhile_is_no_failure(bot: Bot) -> None:
    """S2.6: a bot that runs removes its own files."""
    operation = bot.operation()
    plan = operation.plan(operation.observe())
    (bot.cache / "trades.parquet").unlink()
    assert operation.apply(plan)["moved"] == 3
    assert operation.prove()["created_since"] == 0


def as_nobody(work: Callable[[], str]) -> str:
    """What work says as a user who may do nothing in particular."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        os.write(writer, work().encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as said:
        text = said.read()
    assert os.waitpid(pid, 0)[1] == 0
    return text


@pytest.fixture(name="theirs")
def _theirs(bot: Bot) -> Bot:
    """The bot of an ordinary user, who can reach it."""
    for path in [bot.outputs, *bot.outputs.rglob("*")]:
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    for path in bot.outputs.parents:
        if path.stat().st_mode & 0o005 != 0o005 and str(path).startswith("/tmp/"):
            path.chmod(path.stat().st_mode | 0o055)
    return bot


@needs_root
def test_s2_6_what_cannot_be_moved_takes_all_back(theirs: Bot) -> None:
    """S2.6: a user who may move the file but not the directory of another ends where they began."""
    (theirs.cache / "zone").mkdir(mode=0o755)  # the last to be moved
    before = contents(theirs.cache)
    said = as_nobody(lambda: theirs.run().message)
    assert f"{theirs.cache} cannot be purged (Permission denied): all of it is back in its place" in said
    assert contents(theirs.cache) == before
    assert theirs.entries() == []


@needs_root
def test_s2_6_root_keeps_owners_and_follows_no_planted_symlink(theirs: Bot, tmp_path: pathlib.Path) -> None:
    """S2.6: the bot's user owns what comes back; a symlink on the way that another user made is refused."""
    before = contents(theirs.cache)
    change = theirs.run().change
    theirs.undo(change)
    assert contents(theirs.cache) == before
    assert (theirs.cache / "trades.parquet").stat().st_uid == NOBODY
    roots = tmp_path / "roots"
    roots.mkdir()
    (roots / "databento_cache").mkdir()
    (roots / "databento_cache" / "precious").write_text("")
    theirs.outputs.rename(tmp_path / "moved")
    theirs.outputs.symlink_to(roots)
    os.chown(theirs.outputs, NOBODY, NOBODY, follow_symlinks=False)
    assert "leads through a symlink that its owner did not make" in theirs.run().message
    assert (roots / "databento_cache" / "precious").exists()


@needs_root
def test_s2_6_a_symlink_that_a_third_user_made_is_refused(theirs: Bot, tmp_path: pathlib.Path) -> None:
    """S2.6: an ordinary user's purge does not go where another one points it."""
    link = tmp_path / "link"
    link.symlink_to(theirs.outputs)
    os.chown(link, 1234, 1234, follow_symlinks=False)
    said = as_nobody(lambda: theirs.run("plan", path=str(link / "databento_cache")).message)
    assert (
        said == f"{link}/databento_cache leads through the symlink {link}, which somebody else made: name the real path"
    )
    os.chown(link, NOBODY, NOBODY, follow_symlinks=False)
    assert as_nobody(lambda: theirs.run("plan", path=str(link / "databento_cache")).status) == "changed"


@needs_root
def test_s2_6_the_trash_of_another_user_is_not_ours(theirs: Bot) -> None:
    """S2.6: what an ordinary user made to look like our trash is neither removed nor brought back by root."""
    said = as_nobody(lambda: str((theirs.run(patterns=["trades*"]).change or {})["trash"]))
    (entry,) = theirs.entries()
    assert said == str(entry)
    assert theirs.run("plan", trash_max_age=0, patterns=["none"]).status == "unchanged"
    with pytest.raises(NotUndone, match="is not what this purge"):
        theirs.undo({"trash": said})
    assert entry.exists()


def mounted(source: str, target: pathlib.Path, *options: str) -> bool:
    """Whether it could be mounted."""
    command = ["mount", *options, source, str(target)]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


@needs_root
@pytest.mark.parametrize("kind", ["another file system", "the same file system"])
def test_s2_6_what_is_mounted_is_named_and_nothing_touched(bot: Bot, kind: str) -> None:
    """S2.6: a mount point is not purged, and nothing that is mounted below is moved along, however deep."""
    deep = bot.cache / "2026" / "deep"
    deep.mkdir()
    source = bot.outputs.parent / "source"
    (source / "files").mkdir(parents=True)
    (source / "files" / "theirs").write_text("")
    how = ("-t", "tmpfs") if kind == "another file system" else ("--bind",)
    if not mounted(str(source), deep, *how):
        pytest.skip("nothing can be mounted here: the container lacks CAP_SYS_ADMIN")
    try:
        outcome = bot.run()
        assert outcome.message == f"{deep} is on another file system, and is not moved along: narrow patterns"
        assert "another file system" in bot.run(patterns=["none"], recurse=True).message
        assert "is a mount point" in bot.run(path=str(deep)).message
        assert bot.run(patterns=["*.json"]).status == "changed"
        assert (bot.cache / "trades.parquet").exists()
    finally:  # wherever it went
        for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
            if line.split()[4].startswith(f"{bot.outputs}/"):
                subprocess.run(["umount", line.split()[4]], check=True)
