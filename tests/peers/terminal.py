# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A terminal that a command is run in."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyte

LIMIT = 120.0  # s that a command may take


class Terminal:
    """``frames`` are all pictures that were seen, ``sent`` is what was written to it."""

    def __init__(self, columns: int = 80, rows: int = 60) -> None:
        self.columns, self.rows = columns, rows
        self.screen = pyte.Screen(columns, rows)
        self.frames: list[str] = []
        self.sent = b""
        self.code: int | None = None

    @property
    def text(self) -> str:
        """What it shows now."""
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip()

    def saw(self, text: str) -> bool:
        """Whether it ever showed that."""
        return any(text in frame for frame in self.frames)

    def run(
        self, argv: Sequence[str], env: Mapping[str, str], cwd: Path, interrupt_at: str = "", gone_at: str = ""
    ) -> None:
        """Run to the end; Ctrl-C is pressed as soon as ``interrupt_at`` is shown.

        The terminal goes away as soon as ``gone_at`` is shown. That ends a command unless it ignores SIGHUP.
        """
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", self.rows, self.columns, 0, 0))
        command = ["setsid", "--ctty", "--wait", *argv]  # so that Ctrl-C reaches it
        env = {**env, "TERM": "xterm-256color"}
        process = subprocess.Popen(command, env=env, cwd=cwd, stdin=slave, stdout=slave, stderr=slave)
        os.close(slave)
        stream = pyte.ByteStream(self.screen)
        deadline = time.monotonic() + LIMIT
        try:
            with open(master, "wb", buffering=0):
                while data := self._read(master, deadline):
                    self.sent += data
                    stream.feed(data)
                    self.frames.append(self.text)
                    if interrupt_at and interrupt_at in self.text:
                        os.write(master, b"\x03")
                        interrupt_at = ""
                    if gone_at and gone_at in self.text:
                        break
            self.code = process.wait(LIMIT)
        finally:
            process.kill()
            process.wait()

    @staticmethod
    def _read(master: int, deadline: float) -> bytes:
        """Empty once nobody has the terminal open any more."""
        ready = select.select([master], [], [], max(deadline - time.monotonic(), 0))[0]
        assert ready, f"still running after {LIMIT:g} s"
        try:
            return os.read(master, 65536)
        except OSError:
            return b""
