# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A signal that would end this process becomes an exception, so that it can tidy up. PRIVATE to the collection."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Callable

from .._operation import OperationError

ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Ended(BaseException):
    """Not an Exception: what catches those must not go on. In words: ``was ended by SIGTERM``."""


@contextmanager
def ending_tidily(what: str, left: str = ", and nothing of it is left") -> Iterator[None]:
    """Within, the first signal to end raises, and what is done on the way out goes on; further ones are not heard.

    what, left: for the OperationError that it becomes
    """
    if threading.current_thread() is not threading.main_thread():  # the others may not set handlers
        yield
        return
    heard: list[int] = []

    def end(number: int, _frame: Any) -> None:
        if not heard:
            heard.append(number)
            raise Ended(f"was ended by {signal.Signals(number).name}")

    with _handled(end):
        try:
            yield
        except Ended as ended:
            raise OperationError(f"{what} {ended}{left}: run it again") from ended


@contextmanager
def unheard() -> Iterator[list[int]]:
    """Within, signals to end are only noted, in what is yielded: a way back is gone to its end."""
    heard: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield heard
        return
    with _handled(lambda number, _frame: heard.append(number)):  # SIG_IGN would be passed on to a server
        yield heard


@contextmanager
def _handled(handler: Callable[[int, Any], None]) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in ENDING}
    try:
        yield
    finally:
        for number, handler_before in before.items():
            signal.signal(number, handler_before)
