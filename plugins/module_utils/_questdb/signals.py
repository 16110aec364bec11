# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A signal that would end this process becomes an exception, so that it can tidy up. PRIVATE to the collection."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .._operation import OperationError

ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class _Ended(BaseException):
    """Not an Exception: what catches those must not go on."""


@contextmanager
def ending_tidily(what: str) -> Iterator[None]:
    """Within, the first signal to end raises, and what is done on the way out goes on; further ones are not heard.

    what: for the OperationError that it becomes
    """
    if threading.current_thread() is not threading.main_thread():  # the others may not set handlers
        yield
        return
    heard: list[int] = []

    def end(number: int, _frame: Any) -> None:
        if not heard:
            heard.append(number)
            raise _Ended

    before = {number: signal.signal(number, end) for number in ENDING}
    try:
        yield
    except _Ended as ended:
        name = signal.Signals(heard[0]).name
        raise OperationError(f"{what} was ended by {name}, and nothing of it is left: run it again") from ended
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
