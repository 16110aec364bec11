# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real processes, as /proc shows them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils import _process
from ansible_collections.tradeops.botfleet.plugins.module_utils._process import Process


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process of which the test is the parent, so that it becomes a zombie when it ends."""
    with subprocess.Popen(["sleep", "60"], cwd=tmp_path, start_new_session=True) as process:
        while not reading(process.pid).command:  # it is still becoming sleep
            time.sleep(0.01)
        yield process
        process.kill()


def reading(pid: int) -> Process:
    found = _process.read(pid)
    assert found is not None
    return found


def test_a_process_is_read(sleeper: subprocess.Popen[bytes], tmp_path: Path) -> None:
    """Pid, parent, session, user, command and directory."""
    process = reading(sleeper.pid)
    assert (process.parent, process.session, process.uid) == (os.getpid(), sleeper.pid, os.getuid())
    assert process.command == ("sleep", "60")
    assert process.cwd == str(tmp_path)
    assert not process.terminal
    assert 0 <= process.age() < 5
    assert _process.all_processes()[sleeper.pid] == process


def test_a_zombie_does_not_count(sleeper: subprocess.Popen[bytes]) -> None:
    """S1.3: a process that ended and was not yet waited for is gone."""
    process = reading(sleeper.pid)
    os.kill(sleeper.pid, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while _process.alive(process):
        assert time.monotonic() < deadline
    assert Path(f"/proc/{sleeper.pid}").exists()
    assert _process.read(sleeper.pid) is None
    assert not _process.send(process, signal.SIGTERM)


def test_threads_that_outlive_their_first_thread_count(tmp_path: Path) -> None:
    """S1.3: the kernel shows such a process as a zombie, and it still trades."""
    code = (
        "import ctypes, threading, time; threading.Thread(target=time.sleep, args=(60,)).start();"
        "ctypes.CDLL(None).pthread_exit(None)"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path) as process:
        try:
            deadline = time.monotonic() + 5
            while not re.search(r"\) Z ", Path(f"/proc/{process.pid}/stat").read_text()):
                assert time.monotonic() < deadline
                time.sleep(0.02)
            assert _process.alive(reading(process.pid))
        finally:
            process.kill()


def test_a_pid_that_went_to_somebody_else_is_not_signalled(sleeper: subprocess.Popen[bytes]) -> None:
    """S1.3: identity is the pid and the start time."""
    process = reading(sleeper.pid)
    former = replace(process, start=process.start - 1)
    assert not _process.alive(former)
    assert not _process.send(former, signal.SIGKILL)
    assert sleeper.poll() is None
    assert _process.send(process, signal.SIGKILL)
    assert sleeper.wait(5) == -signal.SIGKILL


def test_signals_without_pidfd(sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels before 5.3 have none."""
    monkeypatch.delattr(os, "pidfd_open")
    process = reading(sleeper.pid)
    assert not _process.send(replace(process, start=process.start - 1), signal.SIGKILL)
    assert _process.send(process, signal.SIGTERM)
    assert sleeper.wait(5) == -signal.SIGTERM


def test_a_family_is_descendants_and_sessions(tmp_path: Path) -> None:
    """A bot's worker is the bot's, also in a session of its own, and so is an orphan of the session that it leads."""
    code = "sleep 61 & setsid sleep 62 & (sleep 63 &) ; exec sleep 64"
    with subprocess.Popen(["sh", "-c", code], cwd=tmp_path, start_new_session=True) as process:
        try:
            wanted = {"61", "62", "63", "64"}
            deadline = time.monotonic() + 5
            while True:
                everyone = _process.all_processes()
                family = _process.family([everyone[process.pid]], everyone)
                if {"".join(member.command[-1:]) for member in family.values()} == wanted:
                    break
                assert time.monotonic() < deadline
            assert os.getpid() not in family
        finally:
            for member in family.values():
                _process.send(member, signal.SIGKILL)


def test_helpers_are_this_process_its_ancestors_and_their_forks(tmp_path: Path) -> None:
    """Ansible's other workers have the command line of the one that started us; what they run is theirs."""
    told = tmp_path / "pid"
    fork = os.fork()
    if fork == 0:
        with subprocess.Popen(["sleep", "60"]) as theirs:
            told.with_suffix(".new").write_text(str(theirs.pid))
            told.with_suffix(".new").rename(told)
        os._exit(0)
    deadline = time.monotonic() + 5
    while not told.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    worked = int(told.read_text())
    try:
        with subprocess.Popen(["sleep", "60"]) as other:
            helpers = _process.helpers(_process.all_processes())
            other.kill()
        assert {os.getpid(), os.getppid(), fork, worked} <= helpers
        assert other.pid not in helpers
    finally:
        for pid in (worked, fork):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(fork, 0)


@pytest.mark.parametrize(
    ("command", "program"),
    [
        (("./bot.py", "-v"), "bot.py"),
        (("/usr/bin/python3", "-u", "{here}/bot.py"), "bot.py"),
        (("/usr/bin/env", "python3", "-m", "bot"), "bot.py"),
        (("python3", "-m", "pkg.main"), "pkg/main.py"),
        (("less", "bot.py"), ""),
        (("sh", "-c", "./bot.py"), ""),
        (("python3",), ""),
        (("-bash",), ""),
        ((), ""),
    ],
)
def test_the_program_that_a_command_runs(tmp_path: Path, command: tuple[str, ...], program: str) -> None:
    """Where its file lies, if the command line leads to one."""
    (tmp_path / "pkg").mkdir()
    for name in ("bot.py", "pkg/main.py"):
        (tmp_path / name).touch()
    words = tuple(word.format(here=tmp_path) for word in command)
    process = Process(2, 0, 1, 2, False, 0, words, str(tmp_path))
    assert _process.program(process) == (str(tmp_path / program) if program else "")


def test_a_deleted_directory_keeps_its_name(tmp_path: Path) -> None:
    """A checkout or a restored snapshot may have replaced the directory in which the bot runs."""
    place = tmp_path / "bot"
    place.mkdir()
    with subprocess.Popen(["sleep", "60"], cwd=place) as process:
        place.rmdir()
        assert reading(process.pid).cwd == str(place)
        process.kill()


def test_caught_signals(tmp_path: Path) -> None:
    """S0.4: SIGHUP ends a process that does not handle it."""
    code = "import signal, time; signal.signal(signal.SIGHUP, print); print(flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert _process.catches(reading(process.pid), signal.SIGHUP)
        assert not _process.catches(reading(process.pid), signal.SIGTERM)
        process.kill()


@pytest.mark.parametrize(
    ("command", "essence"),
    [
        ("./main.py -v", "main.py -v"),
        ("python3 -u /srv/bot/main.py -v", "main.py -v"),
        ("/usr/bin/env python3.11 -X dev main.py -v", "main.py -v"),
        ("/opt/venv/bin/python -m trading_node", "trading_node"),
        ("/bin/bash -e scripts/run.sh", "run.sh"),
        ("/srv/bot/bot --live", "bot --live"),
        ("sh -c main.py", "sh -c main.py"),
        ("less main.py", "less main.py"),
        ("python3", "python3"),
    ],
)
def test_the_essence_of_a_command(command: str, essence: str) -> None:
    """However it was started, a bot's command is recognised; what only names its files is not."""
    assert " ".join(_process.essence(command.split())) == essence


@pytest.mark.parametrize(
    ("command", "matches"),
    [
        ("python3 -m trading_node", True),
        ("python3 /srv/bot/trading_node.py --live", True),
        ("/srv/bot/trading_node", True),
        ("less trading_node.log", False),
        ("vim trading_node.py", False),
        ("tail -f logs/trading_node.log", False),
        ("bash -c trading_node", False),
        ("python3 /usr/bin/ansible-playbook rollback.yml -e scope=trading_node", False),
        ("", False),
    ],
)
def test_a_pattern_matches_what_runs(command: str, matches: bool) -> None:
    """S1.3: unlike ``pgrep -f trading_node``, not whoever mentions the bot."""
    assert _process.matches(re.compile("trading_node"), command.split()) is matches


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("bot --api-key abc --port 1", "bot --api-key *** --port 1"),
        ("bot --secret=abc", "bot --secret=***"),
        ('{"api_secret": "abc def", "n": 1}', '{"api_secret": ***, "n": 1}'),
        ("BINANCE_API_KEY=abc started", "BINANCE_API_KEY=*** started"),
        ("all is well", "all is well"),
    ],
)
def test_secrets_are_not_shown(text: str, shown: str) -> None:
    """Command lines and logs go into messages."""
    assert _process.mask(text) == shown


def test_a_process_on_its_way_out_says_so() -> None:
    """S1.3: with its memory given back it has no command line and no directory, and is nobody else's for that."""
    code = (
        "import threading, time; memory = bytearray(1 << 28);"
        "threading.Thread(target=time.sleep, args=(60,), daemon=True).start(); print('up', flush=True); time.sleep(60)"
    )
    for _attempt in range(5):
        bot = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        assert bot.stdout and bot.stdout.readline() == b"up\n"
        bot.kill()
        while found := _process.read(bot.pid):
            assert found.ending or (found.command and found.cwd), found
        bot.wait()
        bot.stdout.close()
