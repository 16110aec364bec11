# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bots are stopped, started and reloaded for real, beside other bots and operators."""

from __future__ import annotations

import json
import os
import re
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
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import NotUndone, OperationError
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations import bot_service
from ansible_collections.tradeops.botfleet.plugins.module_utils._service import bot as bot_module
from ansible_collections.tradeops.botfleet.plugins.module_utils._service import run
from ansible_collections.tradeops.botfleet.tests.unit.plugins.module_utils._operations.running_bot import (
    Directory,
    carried_out,
    clear,
    on_a_terminal,
    operation,
    wait_for,
)

COLLECTIONS = Path(_process.__file__).parents[5]
NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can run a bot as another user")


@pytest.fixture(autouse=True)
def _impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "APPEAR_TIME", 1.0)
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


def started(options: dict[str, Any]) -> int:
    """Start it, and let it get as far as to handle signals; returns the main pid."""
    notes = Path(options["chdir"], "notes")
    notes.unlink(missing_ok=True)
    outcome = carried_out(options, "started")
    assert outcome.status == "changed", outcome.message
    assert outcome.proof is not None
    wait_for(lambda: notes.exists() and "began" in notes.read_text())
    return int(outcome.proof["main_pid"])


class TestProcess:
    """The manager ``process`` (S3.5, S4.5)."""

    def test_started_is_proven_detached_and_idempotent(self, bot: Directory) -> None:
        """S4.5: a session of its own, no child of ours, output in the log, the same pid the next time."""
        options = bot.process(pidfile=str(bot.path / "bot.pid"), environment={"MODE": "test"})
        outcome = carried_out(options, "started")
        assert outcome.status == "changed", outcome.message
        assert outcome.before is not None and outcome.after is not None
        assert (outcome.before["state"], outcome.after["state"]) == ("stopped", "running")
        assert outcome.diff[0]["before"] == "stopped\n"
        pid = outcome.after["main_pid"]
        process = _process.read(pid)
        assert process is not None
        assert (process.session, process.terminal) == (pid, False)
        assert process.parent != os.getpid()
        assert int((bot.path / "bot.pid").read_text()) == pid
        variables = Path(f"/proc/{pid}/environ").read_text().split("\0")
        assert "MODE=test" in variables
        assert not [variable for variable in variables if variable.startswith("PYTEST")]

        again = carried_out(options, "started")
        assert (again.status, again.proof and again.proof["main_pid"]) == ("unchanged", pid)

    def test_stopped_is_graceful_proven_and_idempotent(self, bot: Directory) -> None:
        """S1.3, S3.5."""
        options = bot.process()
        pid = started(options)
        outcome = carried_out(options, "stopped")
        assert outcome.status == "changed", outcome.message
        assert outcome.change == {"stopped": [pid], "killed": []}
        assert outcome.proof == {"state": "stopped", "manager": "", "main_pid": None, "started_at": None, "pids": []}
        assert bot.notes()[-1] == "left by SIGTERM"
        assert carried_out(options, "stopped").status == "unchanged"

    def test_check_mode_changes_nothing(self, bot: Directory) -> None:
        """S3.1: what would be done is said, and not done."""
        options = bot.process()
        outcome = carried_out(options, "started", check=True)
        assert (outcome.status, outcome.message) == ("changed", "start a")
        assert bot.running() == []
        pid = started(options)
        for state, message in (
            ("stopped", f"stop a (pid {pid})"),
            ("restarted", f"stop a (pid {pid}) and start it again"),
        ):
            outcome = carried_out(options, state, check=True)
            assert (outcome.status, outcome.message, outcome.diff[0]["before"]) == ("changed", message, "running\n")
        assert bot.running() == [pid]

    def test_one_that_ignores_sigterm(self, bot: Directory) -> None:
        """S1.3: without force a failure that names it, with force it is killed."""
        options = bot.process("stubborn", timeout=1)
        pid = started(options)
        outcome = carried_out(options, "stopped")
        assert outcome.status == "failed"
        assert f"still running: {pid} (" in outcome.message
        assert bot.running() == [pid]
        outcome = carried_out({**options, "force": True, "timeout": 0}, "stopped")
        assert outcome.status == "changed", outcome.message
        assert outcome.change == {"stopped": [pid], "killed": [pid]}
        assert bot.running() == []

    def test_force_comes_before_the_time_limit_of_the_step(self, bot: Directory) -> None:
        """A step that runs out of time is killed, and would leave the bot running."""
        options = bot.process("stubborn", timeout=60, force=True)
        started(options)
        begun = time.monotonic()
        stopping = operation(options, "stopped", deadline=begun + 6)
        change = stopping.apply(stopping.plan(stopping.observe()))
        assert len(change["killed"]) == 1
        assert time.monotonic() - begun < 6

    def test_the_stop_signal_can_be_chosen(self, bot: Directory) -> None:
        """Some bots leave in order on SIGINT only."""
        options = bot.process(stop_signal="int")
        started(options)
        assert carried_out(options, "stopped").status == "changed"
        assert bot.notes()[-1] == "left by SIGINT"

    def test_a_crash_is_a_failure_that_shows_the_log(self, bot: Directory) -> None:
        """S1.2: with the secrets in it masked."""
        outcome = carried_out(bot.process("crashes", settle=1), "started")
        assert outcome.status == "failed"
        assert re.search("crashed|was started and does not run", outcome.message), "the latter if gone at once"
        assert "Traceback: no such strategy" in outcome.message
        assert "canary-of-the-log" not in outcome.message

    def test_a_program_that_is_missing(self, bot: Directory) -> None:
        """One sentence, and nothing runs."""
        outcome = carried_out({**bot.process(), "command": ["./no-such-bot"]}, "started")
        assert outcome.status == "failed"
        assert "./no-such-bot cannot be started in" in outcome.message

    def test_one_that_runs_already_is_never_doubled(self, bot: Directory) -> None:
        """However it was started: two bots would place every order twice."""
        first = bot.by_hand()
        script = str(bot.path / bot.program)
        for command in ([sys.executable, bot.program], ["python3", "-u", script], [script]):
            outcome = carried_out({**bot.process(), "command": command}, "started")
            assert outcome.status == "unchanged", outcome.message
        assert bot.running() == [first.pid]
        second = bot.by_hand()
        outcome = carried_out(bot.process(), "started")
        assert outcome.status == "failed"
        assert "runs more than once" in outcome.message
        assert str(second.pid) in outcome.message
        assert carried_out(bot.process(), "stopped").status == "changed"
        assert bot.running() == []

    def test_two_runs_at_once_start_one_bot(self, bot: Directory) -> None:
        """The second one waits for the first, and finds the bot running."""
        forks = []
        for _number in range(4):
            fork = os.fork()
            if fork == 0:
                carried_out(bot.process(), "started")
                os._exit(0)
            forks.append(fork)
        for fork in forks:
            os.waitpid(fork, 0)
        assert len(bot.running()) == 1
        assert bot.notes() == ["began"]

    def test_a_sibling_with_a_longer_name_is_left_alone(self, bots: Path, bot: Directory) -> None:
        """Bots share a user and a directory tree: /srv/bots/a and /srv/bots/ab."""
        sibling = Directory(bots / "ab")
        other = started(sibling.process())
        started(bot.process())
        assert carried_out(bot.process(), "stopped").status == "changed"
        assert (bot.running(), sibling.running()) == ([], [other])

    def test_an_operator_in_the_directory_is_left_alone(self, bot: Directory) -> None:
        """Neither ``tail bot.log`` nor an editor nor a shell is the bot."""
        commands = (["tail", "-f", bot.program], ["sh", "-c", f"sleep 60; : {bot.program}"], ["sleep", "60"])
        operators = [on_a_terminal(bot.path, *command) for command in commands]
        options = bot.process(pattern=bot.program)
        started(options)
        outcome = carried_out(options, "stopped")
        assert outcome.status == "changed", outcome.message
        assert all(map(_process.read, operators))

    def test_what_goes_on_beside_it_is_neither_signalled_nor_called_stopped(self, bot: Directory) -> None:
        """Nobody knows that it is not the bot under another name; the running bot is proven all the same."""
        options = bot.process(pattern=bot.program)
        started(options)
        with subprocess.Popen(["sleep", "600"], cwd=bot.path, start_new_session=True) as beside:
            assert carried_out(options, "started").status == "unchanged"
            outcome = carried_out({**options, "force": True}, "stopped")
            assert (outcome.status, bot.running(), beside.poll()) == ("failed", [], None)
            assert f"a is not proven stopped: process {beside.pid} (sleep 600)" in outcome.message
            beside.kill()
        assert carried_out(options, "stopped").status == "unchanged"

    def test_workers_end_too(self, bot: Directory) -> None:
        """S1.3: also one in another directory, in a session of its own, that its parent leaves behind."""
        options = bot.process("worker")
        main = started(options)
        wait_for(lambda: len(operation(options, "started").observe()["pids"]) == 2)
        worker = next(pid for pid in operation(options, "started").observe()["pids"] if pid != main)
        outcome = carried_out(options, "stopped")
        assert outcome.status == "changed", outcome.message
        assert outcome.change == {"stopped": sorted([main, worker]), "killed": []}
        assert _process.read(worker) is None

    def test_one_that_could_not_be_found_again_is_ended(self, bot: Directory) -> None:
        """A wrapper that turns into something else needs a pattern."""
        sleep = f"sleep 600.{os.getpid()}"  # a command line that no other test's process has
        bot.script("wrapper", f"#!/bin/sh\nexec {sleep}\n")
        options = {**bot.process(), "command": ["./wrapper"]}
        outcome = carried_out(options, "started")
        assert outcome.status == "failed"
        assert "does not look like its command" in outcome.message
        assert not [p for p in _process.all_processes().values() if p.cwd == str(bot.path)]
        named = carried_out({**options, "pattern": sleep, "settle": 2}, "started")  # time to turn into it
        assert named.status == "changed", named.message

    def test_one_that_cannot_be_found_any_more_is_ended(self, bot: Directory) -> None:
        """It was found at first, and would else run on unseen, beside the next one that is started."""
        sleep = f"sleep 700.{os.getpid()}"
        bot.script("wrapper", f"#!/bin/sh\nsleep 0.4\nexec {sleep}\n")
        outcome = carried_out({**bot.process(), "command": ["./wrapper"], "settle": 2}, "started")
        assert outcome.status == "failed"
        assert "does not look like its command, and was ended" in outcome.message
        assert not [p for p in _process.all_processes().values() if p.cwd == str(bot.path)]

    def test_restarted_is_another_process(self, bot: Directory) -> None:
        """S1.5."""
        options = bot.process()
        pid = started(options)
        outcome = carried_out(options, "restarted")
        assert outcome.status == "changed", outcome.message
        assert outcome.change == {"stopped": [pid], "killed": [], "started": True}
        assert len(bot.running()) == 1
        assert bot.running() != [pid]

    def test_what_cannot_be_stopped_is_not_started_again(self, bot: Directory) -> None:
        """S1.5: a restart never makes two of one."""
        options = bot.process("stubborn", timeout=0)
        pid = started(options)
        assert carried_out(options, "restarted").status == "failed"
        assert bot.running() == [pid]

    def test_undo_only_ever_stops(self, bot: Directory) -> None:
        """One-way safe: it stops what was started, and starts nothing."""
        options = bot.process()
        outcome = carried_out(options, "started")
        change = json.loads(json.dumps(outcome.change))
        assert operation(options, "started").undo(change) == "a was stopped again"
        assert bot.running() == []
        started(options)
        change = json.loads(json.dumps(carried_out(options, "stopped").change))
        with pytest.raises(NotUndone, match="a was stopped"):
            operation(options, "stopped").undo(change)
        assert bot.running() == []

    def test_prove_alone(self, bot: Directory) -> None:
        """A question, with a sentence where the answer is no."""
        options = bot.process()
        assert carried_out(options, "stopped", mode="prove").status == "unchanged"
        assert "a is not running" in carried_out(options, "started", mode="prove").message
        pid = started(options)
        assert carried_out(options, "started", mode="prove").status == "unchanged"
        assert f"still running: {pid} (" in carried_out(options, "stopped", mode="prove").message
        assert bot.running() == [pid]

    def test_from_within_the_bot_it_is_refused(self, bot: Directory) -> None:
        """A bot that rolls itself back would die halfway."""
        answer = bot.path / "answer"
        program = bot.path / "inner.py"
        program.write_text(
            f"import sys, pathlib; sys.path.insert(0, {str(COLLECTIONS)!r})\n"
            "from ansible_collections.tradeops.botfleet.tests.unit.plugins.module_utils._operations.running_bot import "
            "carried_out\n"
            f"options = {bot.process('child', sys.executable, 'inner.py')!r}\n"
            "message = carried_out(options, 'stopped').message\n"
            f"pathlib.Path('new').write_text(message); pathlib.Path('new').rename({str(answer)!r})\n"
        )
        options = bot.process("child", sys.executable, "inner.py")
        pid = started(options)
        wait_for(answer.exists, 10)
        assert "was started by a" in answer.read_text()
        assert bot.running() == [pid]


class TestScript:
    """The manager ``script`` (S1.3, S1.5)."""

    def test_scripts_start_restart_and_stop_it(self, bot: Directory) -> None:
        """S1.5: start.sh leaves it in the background, ``shutdown.sh force`` ends it."""
        options = bot.scripted(stop_command=["./shutdown.sh", "force"])
        pid = started(options)
        assert bot.running() == [pid]
        assert carried_out(options, "started").status == "unchanged"
        outcome = carried_out(options, "restarted")
        assert outcome.status == "changed", outcome.message
        assert bot.running() != [pid]
        assert carried_out(options, "stopped").status == "changed"
        assert (bot.path / "stopped-by-script").read_text() == "force\n"
        assert bot.running() == []
        assert carried_out(options, "stopped").status == "unchanged"

    @pytest.mark.parametrize("script", ["exit 1", "sleep 600", "exit 0", "no such script"])
    def test_signals_follow_a_script_that_does_not_stop_it(self, bot: Directory, script: str) -> None:
        """S1.3: whether it fails, hangs or claims to have done it."""
        bot.script("shutdown.sh", f"#!/bin/sh\n{script}\n")
        options = bot.scripted(stop_command=["./shutdown.sh"], timeout=2)
        pid = started(options)
        outcome = carried_out(options, "stopped")
        assert outcome.status == "changed", outcome.message
        assert outcome.change == {"stopped": [pid], "killed": []}

    def test_workers_that_the_script_leaves_are_ended(self, bot: Directory) -> None:
        """S1.3: shutdown.sh knows of the main process only, and returns when it is gone."""
        bot.script(
            "shutdown.sh", '#!/bin/sh\nkill "$(cat bot.pid)"\nwhile kill -0 "$(cat bot.pid)"; do sleep 0.1; done\n'
        )
        options = bot.scripted("worker", stop_command=["./shutdown.sh"], timeout=2)
        main = started(options)
        wait_for(lambda: len(operation(options, "started").observe()["pids"]) == 2)
        worker = next(pid for pid in operation(options, "started").observe()["pids"] if pid != main)
        outcome = carried_out(options, "stopped")
        assert outcome.status == "changed", outcome.message
        assert outcome.change == {"stopped": sorted([main, worker]), "killed": []}

    def test_what_a_failed_start_leaves_is_ended(self, bot: Directory) -> None:
        """S1.5: a bot that runs although its start failed would trade unnoticed."""
        bot.script(
            "start.sh", f"#!/bin/sh\n{sys.executable} {bot.program} &\necho $! > bot.pid\necho no config >&2\nexit 3\n"
        )
        outcome = carried_out(bot.scripted(), "started")
        assert outcome.status == "failed"
        assert "exit code 3 (no config): mend it" in outcome.message
        assert bot.running() == []

    def test_a_start_that_starts_nothing(self, bot: Directory) -> None:
        """S1.5: exit code 0 proves nothing."""
        bot.script("start.sh", "#!/bin/sh\nexit 0\n")
        (bot.path / "bot.log").write_text("first\nlast\n")
        outcome = carried_out(bot.scripted(lines=1), "started")
        assert outcome.status == "failed"
        assert outcome.message.endswith("its log ends with:\nlast")

    def test_a_pattern_that_matches_a_sibling_too_is_an_error(self, bots: Path, bot: Directory) -> None:
        """S1.3: never a kill."""
        sibling = Directory(bots / "ab")
        other = started(sibling.process())
        mine = started(bot.scripted())
        options = bot.scripted(pattern=bot.program)
        outcome = carried_out({**options, "force": True}, "stopped")
        assert (outcome.status, outcome.applied) == ("failed", False)
        assert f"process {other} (" in outcome.message
        assert "make the pattern match this bot alone" in outcome.message
        assert (bot.running(), sibling.running()) == ([mine], [other])
        assert bot.notes() == ["began"]

    def test_a_copied_pidfile_that_names_a_sibling_is_an_error(self, bots: Path, bot: Directory) -> None:
        """``cp -a a ab`` copies the pidfile as well."""
        mine = started(bot.scripted())
        shutil.copytree(bot.path, bots / "ab")
        sibling = Directory.__new__(Directory)
        sibling.path, sibling.command, sibling.program = bots / "ab", bot.command, bot.program
        outcome = carried_out(sibling.scripted(force=True), "stopped")
        assert outcome.status == "failed"
        assert f"names process {mine} (" in outcome.message
        assert bot.running() == [mine]

    def test_a_pidfile_that_outlived_its_bot(self, bot: Directory) -> None:
        """Its pid went to a younger process, which is not the bot."""
        with subprocess.Popen(["sleep", "600"], cwd="/") as other:
            (bot.path / "bot.pid").write_text(f"{other.pid}\n")
            os.utime(bot.path / "bot.pid", (time.time() - 60, time.time() - 60))
            outcome = carried_out(bot.scripted(), "stopped")
            assert outcome.status == "unchanged", outcome.message
            assert other.poll() is None
            started(bot.scripted())
            assert carried_out(bot.scripted(), "stopped").status == "changed"
            assert other.poll() is None
            other.kill()

    @pytest.mark.parametrize("content", ["", "no pid\n", "1\n", "-7\n"])
    def test_a_pidfile_without_a_pid_is_an_error(self, bot: Directory, content: str) -> None:
        (bot.path / "bot.pid").write_text(content)
        assert "does not hold the pid" in carried_out(bot.scripted(), "stopped").message

    def test_a_pidfile_that_is_a_symlink_is_an_error(self, bots: Path, bot: Directory) -> None:
        (bots / "secret").write_text("canary")
        (bot.path / "bot.pid").symlink_to(bots / "secret")
        outcome = carried_out(bot.scripted(), "stopped")
        assert "bot.pid cannot be read" in outcome.message
        assert "canary" not in outcome.message

    def test_without_its_pidfile_a_running_bot_is_not_called_stopped(self, bot: Directory) -> None:
        """S1.3: a shutdown.sh that removes the pidfile has not ended the process."""
        pid = started(bot.scripted())
        (bot.path / "bot.pid").unlink()
        outcome = carried_out(bot.scripted(), "stopped")
        assert outcome.status == "failed"
        assert f"a is not proven stopped: process {pid} (" in outcome.message
        assert bot.running() == [pid]
        assert "not proven stopped, so it was not started" in carried_out(bot.scripted(), "started").message
        assert carried_out(bot.scripted(pattern=bot.program), "stopped").status == "changed"
        assert bot.running() == []

    def test_a_loop_that_starts_it_again_is_named(self, bot: Directory) -> None:
        """S1.3: between two lives of the bot, no process of it is there."""
        loop = f"#!/bin/sh\n(while true; do {sys.executable} {bot.program}; sleep 0.2; done) >/dev/null 2>&1 &\n"
        bot.script("start.sh", loop)
        options = bot.scripted(pattern=bot.program, timeout=1)
        started(options)
        outcome = carried_out(options, "stopped")
        assert outcome.status == "failed"
        assert "start.sh" in outcome.message or "still running" in outcome.message

    def test_what_is_left_of_the_session_is_the_bots(self, bot: Directory) -> None:
        """S1.3: the main process was killed, its workers live on."""
        options = bot.scripted()
        process = bot.by_hand("child", "sleep", "600")
        (bot.path / "bot.pid").write_text(f"{process.pid}\n")
        process.kill()
        process.wait()
        outcome = carried_out(options, "stopped")
        assert outcome.status == "changed", outcome.message
        assert outcome.before is not None
        assert outcome.before["state"] == "leftover"
        assert not [p for p in _process.all_processes().values() if p.cwd == str(bot.path)]

    def test_a_directory_that_was_never_deployed(self, bots: Path, bot: Directory) -> None:
        """Stopped is true there; a start is a clear error, in check mode too."""
        options = {**bot.scripted(), "chdir": str(bots / "none"), "pidfile": str(bots / "none/bot.pid")}
        assert carried_out(options, "stopped").status == "unchanged"
        assert "deploy the bot" in carried_out(options, "started", check=True).message


class TestReload:
    """S0.4."""

    def test_sighup_reaches_the_same_process(self, bot: Directory) -> None:
        options = bot.process("reloads")
        pid = started(options)
        outcome = carried_out(options, "reloaded")
        assert outcome.status == "changed", outcome.message
        assert outcome.change == {"reloaded": pid}
        assert outcome.proof is not None
        assert outcome.proof["main_pid"] == pid
        assert bot.notes()[-1] == "reloaded"

    def test_a_bot_that_would_die_of_it_is_left_alone(self, bot: Directory) -> None:
        pid = started(bot.process())
        outcome = carried_out(bot.process(), "reloaded")
        assert outcome.status == "failed"
        assert "does not handle SIGHUP" in outcome.message
        assert bot.running() == [pid]

    def test_a_bot_that_dies_of_it_is_a_failure(self, bot: Directory) -> None:
        options = bot.process("dies-of-reload", settle=1.5)
        started(options)
        outcome = carried_out(options, "reloaded")
        assert outcome.status == "failed"
        assert "crashed" in outcome.message

    def test_a_command_reloads(self, bot: Directory) -> None:
        options = bot.process(reload_command=["touch", "reloaded"])
        started(options)
        assert carried_out(options, "reloaded", check=True).message == "reload a by its manager"
        assert not (bot.path / "reloaded").exists()
        assert carried_out(options, "reloaded").status == "changed"
        assert (bot.path / "reloaded").exists()

    def test_a_bot_that_is_down_is_not_started_by_it(self, bot: Directory) -> None:
        outcome = carried_out(bot.process(), "reloaded")
        assert "cannot be reloaded" in outcome.message
        assert bot.running() == []


@NEEDS_ROOT
class TestUsers:
    """Root acts in directories of unprivileged users."""

    @pytest.fixture
    def place(self) -> Iterator[Path]:
        """A directory that other users may reach."""
        path = Path(tempfile.mkdtemp(prefix="bots-"))
        path.chmod(0o755)
        yield path
        clear(path)
        shutil.rmtree(path)

    @pytest.fixture
    def theirs(self, place: Path) -> Directory:
        """A bot whose directory belongs to nobody."""
        bot = Directory(place / "a")
        bot.command = ["/usr/bin/python3", bot.program]
        for path in (bot.path, *bot.path.iterdir()):
            shutil.chown(path, "nobody", "nogroup")
        return bot

    @pytest.mark.parametrize("user", [None, "nobody"])
    def test_the_bot_runs_as_the_owner_of_its_directory(self, theirs: Directory, user: str | None) -> None:
        """Root runs no code that somebody else may write."""
        options = theirs.process(user=user, pidfile=str(theirs.path / "bot.pid"))
        pid = started(options)
        process = _process.read(pid)
        assert process is not None
        assert process.uid == theirs.path.stat().st_uid
        assert (theirs.path / "bot.pid").stat().st_uid == process.uid
        assert carried_out(options, "stopped").status == "changed"

    def test_the_bot_of_another_user_is_an_error(self, theirs: Directory) -> None:
        """Somebody started it as root by hand: it must not be called stopped."""
        process = theirs.by_hand()
        outcome = carried_out(theirs.process(user="nobody"), "stopped")
        assert outcome.status == "failed"
        assert f"process {process.pid} (" in outcome.message
        assert "runs as root" in outcome.message
        assert process.poll() is None

    def test_a_pidfile_of_theirs_cannot_point_at_another_user(self, theirs: Directory) -> None:
        """Else a bot's user could let root end any process."""
        with subprocess.Popen(["sleep", "600"], cwd=theirs.path) as victim:
            (theirs.path / "bot.pid").write_text(f"{victim.pid}\n")
            shutil.chown(theirs.path / "bot.pid", "nobody")
            outcome = carried_out(theirs.scripted(force=True, timeout=0), "stopped")
            assert outcome.status == "failed"
            assert victim.poll() is None
            victim.kill()

    def test_a_log_is_read_and_written_with_their_rights(self, place: Path, theirs: Directory) -> None:
        """Else a symlink of theirs could show or grow any file."""
        (place / "private").mkdir(mode=0o700)
        secret = place / "private" / "bot.log"
        secret.write_text("canary\n")
        (theirs.path / "logs").symlink_to(place / "private")
        options = {**theirs.process("crashes"), "log": str(theirs.path / "logs" / "bot.log")}
        outcome = carried_out(options, "started")
        assert outcome.status == "failed"
        assert "canary" not in outcome.message
        assert secret.read_text() == "canary\n"

    def test_without_root_another_users_bot_is_an_error(self, theirs: Directory) -> None:
        """What may not be signalled is not called stopped."""
        process = theirs.by_hand()
        fork = os.fork()
        if fork == 0:
            os.setuid(65534)
            outcome = carried_out(theirs.process(pattern=theirs.program), "stopped")
            os._exit(0 if outcome.status == "failed" and f"process {process.pid} (" in outcome.message else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1]) == 0
        assert process.poll() is None


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"pattern": "("}, "is not a regular expression"),
        ({"pattern": ".*"}, "matches every process"),
        ({"chdir": "/"}, "is the root directory"),
        ({"chdir": "srv/bot"}, "not an absolute path"),
        ({"stop_signal": "GENTLY"}, "is not the name of a signal"),
        ({"user": "no-such-user"}, "does not exist"),
        ({"timeout": -1}, "make it 0 or more"),
        ({"manager": "script", "pidfile": "/run/bot.pid"}, "without a start_command"),
        ({"manager": "systemd", "name": "bot-*"}, "not the name of one systemd unit"),
        ({"manager": "systemd", "name": "--now"}, "not the name of one systemd unit"),
    ],
)
def test_bad_input_is_one_sentence(bot: Directory, options: dict[str, Any], sentence: str) -> None:
    """Before anything is touched."""
    with pytest.raises(OperationError, match=sentence):
        operation({**bot.process(), **options}, "started")


@pytest.mark.skipif(os.path.isdir("/run/systemd/system"), reason="this host runs systemd")
def test_a_host_without_systemd() -> None:
    outcome = carried_out({"name": "bot", "manager": "systemd"}, "stopped")
    assert (outcome.status, outcome.applied) == ("failed", False)
    assert "does not run systemd" in outcome.message
