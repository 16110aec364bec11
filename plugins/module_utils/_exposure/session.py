# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A session of requests in which a time-out is one for all that an answer holds. PRIVATE to the collection.

The library's own counts from byte to byte, so that an answer which trickles in would outlast any deadline. Only its
headers still may.
"""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from typing import Any

try:
    from requests import ReadTimeout
    from requests import Session as _Session
except ImportError:  # it comes with ccxt, which a host may lack
    _Session = object  # type: ignore[assignment,misc]  # nobody makes one there


class Punctual(_Session):
    """Hangs up when the time-out of a request is over; what was read by then is an answer that broke off."""

    def send(self, request: Any, **of: Any) -> Any:
        began = time.monotonic()
        answer = super().send(request, **{**of, "stream": True})
        left = max(0.0, float(of["timeout"]) - (time.monotonic() - began))
        late = threading.Event()
        end = threading.Timer(left, _hang_up, [answer.raw, late])
        end.daemon = True
        end.start()
        try:
            answer.content  # noqa: B018  # it is read here, once and whole
        finally:
            end.cancel()
        if late.is_set():  # it may look whole, if its length was not given
            raise ReadTimeout(f"no whole answer within {of['timeout']} s", request=request)
        return answer


def _hang_up(raw: Any, late: threading.Event) -> None:
    late.set()
    with suppress(OSError, AttributeError, TypeError):  # it has just ended by itself
        # Not by the method of a TLS socket, whose reader would go on with what it cannot decrypt any more
        socket.socket.shutdown(raw._fp.fp.raw._sock, socket.SHUT_RDWR)  # where the library keeps it
