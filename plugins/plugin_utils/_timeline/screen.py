# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Some lines at the foot of a terminal, drawn again and again below all that is printed. PRIVATE to the collection.

Ansible forks its workers while it holds the lock of its display. All that is done here holds that lock, too, so no
worker is ever forked off a thread in the middle of something.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any, Callable

METHODS = ("display", "prompt_until", "do_var_prompt")  # all that print or ask, whoever calls them


@contextlib.contextmanager
def outliving_its_reader() -> Iterator[None]:
    """An error to write would end the playbook, not the printing: once nobody reads, all goes nowhere.

    What is in the buffer by then would fail at each later flush, which are Ansible's own.
    """
    try:
        yield
    except OSError:
        with contextlib.suppress(OSError, ValueError), open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())


class Screen:
    """draw: called with columns and rows, returns the lines. The cursor is never hidden, so a killed run leaves it."""

    def __init__(self, display: Any, draw: Callable[[int, int], list[str]]) -> None:
        self._display, self._draw = display, draw
        self._drawn: list[str] = []
        self._hidden = 0
        self._pid = os.getpid()

    def open(self) -> None:
        """From now on, whatever is printed or asked goes above the lines."""
        for name in METHODS:
            setattr(self._display, name, self._above(getattr(self._display, name), asks=name != "display"))

    def close(self) -> None:
        """Leaves the lines as they are drawn last."""
        with self._display._lock:
            self.refresh()
            self._drawn = []
            self._hidden += 1
            for name in METHODS:
                delattr(self._display, name)

    def refresh(self) -> None:
        """Draws the lines anew if they have changed."""
        with self._display._lock:
            if not self._hidden:
                self._paint()

    def _above(self, method: Callable[..., Any], asks: bool) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if os.getpid() != self._pid:  # a worker hands it to the main process
                return method(*args, **kwargs)
            if asks:  # who waits for an answer holds no lock
                with self._erased():
                    return method(*args, **kwargs)
            with self._display._lock, self._erased(), outliving_its_reader():
                return method(*args, **kwargs)

        return call

    @contextlib.contextmanager
    def _erased(self) -> Iterator[None]:
        with self._display._lock:
            if self._drawn:
                self._write(self._start() + "\x1b[J")
            self._drawn = []
            self._hidden += 1
        try:
            yield
        finally:
            with self._display._lock:
                self._hidden -= 1
                if not self._hidden:
                    self._paint()

    def _paint(self) -> None:
        columns, rows = self._size()
        lines = self._draw(columns - 1, rows)  # a letter in the last column would make some terminals wrap
        if lines != self._drawn:
            self._write(self._start() + "".join(f"{line}\x1b[K\n" for line in lines) + "\x1b[J")
            self._drawn = lines

    def _start(self) -> str:
        """Back to the first line. Where a terminal that became narrower has wrapped some, their first parts stay:
        how many rows that takes differs between terminals, and nothing above may be lost.
        """
        return f"\r\x1b[{len(self._drawn)}A" if self._drawn else "\r"

    def _size(self) -> tuple[int, int]:
        try:
            size = os.get_terminal_size(sys.stdout.fileno())
        except (OSError, ValueError):
            return 80, 24
        return size.columns or 80, size.lines or 24

    def _write(self, text: str) -> None:
        with outliving_its_reader():
            sys.stdout.write(text)
            sys.stdout.flush()


class Ticker:
    """Calls something every so many seconds, in a thread of its own, until it is stopped."""

    def __init__(self, seconds: float, action: Callable[[], None]) -> None:
        self._seconds, self._action = seconds, action
        self._stopped = threading.Event()
        threading.Thread(target=self._run, name="timeline", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(self._seconds):
            self._action()
