# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bot to stop and start, as a real process in a directory of its own."""

from __future__ import annotations

import hashlib
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable

from ansible_collections.tradeops.botfleet.plugins.module_utils import _process
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import Context, Outcome, carry_out
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations.bot_service import BotService

PROGRAM = """\
import signal, sys, time
words = sys.argv[1:]
def note(text):
    with open("notes", "a") as handle:
        handle.write(text + "\\n")
def leave(number, frame):
    note("left by " + signal.Signals(number).name)
    sys.exit(0)
if "stubborn" in words:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
else:
    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)
if "reloads" in words:
    signal.signal(signal.SIGHUP, lambda number, frame: note("reloaded"))
if "dies-of-reload" in words:
    signal.signal(signal.SIGHUP, lambda number, frame: signal.alarm(1))
if "worker" in words:
    import subprocess
    subprocess.Popen(["sleep", "600"], cwd="/", start_new_session=True)
if "crashes" in words:
    print("api_key=canary-of-the-log", flush=True)
    print("Traceback: no such strategy", flush=True)
    time.sleep(0.3)
    sys.exit(1)
if "child" in words:
    import subprocess
    subprocess.Popen(words[words.index("child") + 1:])
note("began")
while True:
    time.sleep(60)
"""

START = """\
#!/bin/sh
{python} -S {program} "$@" >> bot.log 2>&1 &
echo $! > bot.pid
"""

SHUTDOWN = """\
#!/bin/sh
kill "$(cat bot.pid)"
echo "$1" > stopped-by-script
"""


class Directory:
    """A bot's directory: its program, scripts and log.

    Directories side by side have the same program, as bots do; those of other tests have not.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True)
        self.program = f"bot_{hashlib.sha256(str(path.parent).encode()).hexdigest()[:8]}.py"
        (path / self.program).write_text(PROGRAM)
        (path / "bot.log").write_text("")
        self.script("start.sh", START.format(python=sys.executable, program=self.program))
        self.script("shutdown.sh", SHUTDOWN)
        self.command = [sys.executable, "-S", self.program]

    def script(self, name: str, text: str) -> None:
        (self.path / name).write_text(text)
        (self.path / name).chmod(0o755)

    def process(self, *words: str, **options: Any) -> dict[str, Any]:
        """Options of the manager process."""
        command = [*self.command, *words]
        return self._options(manager="process", command=command, log=str(self.path / "bot.log"), **options)

    def scripted(self, *words: str, **options: Any) -> dict[str, Any]:
        """Options of the manager script."""
        given = {"pidfile": str(self.path / "bot.pid"), "log": str(self.path / "bot.log"), **options}
        return self._options(manager="script", start_command=["./start.sh", *words], **given)

    def _options(self, **options: Any) -> dict[str, Any]:
        return {"name": self.path.name, "chdir": str(self.path), "settle": 0.1, "timeout": 5, **options}

    def by_hand(self, *words: str, **options: Any) -> subprocess.Popen[bytes]:
        """The bot as somebody started it before this collection came."""
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": self.path, **options}
        process = subprocess.Popen([*self.command, *words], start_new_session=True, **quiet)
        wait_for(lambda: "began" in self.notes())
        return process

    def notes(self) -> list[str]:
        """What the bot has written."""
        path = self.path / "notes"
        return path.read_text().splitlines() if path.exists() else []

    def running(self) -> list[int]:
        """The pids of the bot's programs in this directory."""
        found = _process.all_processes().values()
        return sorted(p.pid for p in found if p.cwd == str(self.path) and self.program in p.command)


def operation(options: dict[str, Any], state: str, *, check: bool = False, deadline: float | None = None) -> BotService:
    """The operation with the defaults of its options filled in, as a module would."""
    defaults = {name: spec.get("default") for name, spec in BotService.OPTIONS.items()}
    return BotService({**defaults, **options, "state": state}, Context(check_mode=check, deadline=deadline))


def carried_out(options: dict[str, Any], state: str, *, check: bool = False, mode: str = "apply") -> Outcome:
    """The outcome, whichever it is."""
    return carry_out(operation(options, state, check=check), mode)


def wait_for(condition: Callable[[], Any], seconds: float = 5) -> None:
    """Until it holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def on_a_terminal(path: Path, *command: str) -> int:
    """What an operator runs in a directory; returns its pid. The terminal stays open."""
    pid, _terminal = pty.fork()
    if pid == 0:
        os.chdir(path)
        os.execvp(command[0], command)
    wait_for(lambda: (process := _process.read(pid)) and process.terminal and process.cwd == str(path))
    return pid


def clear(path: Path) -> None:
    """End everything that works below a directory, and what descends from it."""
    everyone = _process.all_processes()
    left = [p for p in everyone.values() if p.cwd and _process.inside(p.cwd, str(path))]
    for process in _process.family(left, everyone).values():
        if process.pid != os.getpid():
            _process.send(process, signal.SIGKILL)
