# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Follows a transaction that runs detached on its host, and shows how far it is. PRIVATE to the collection."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Callable

from ansible.errors import AnsibleConnectionFailure

from ._timeline.channel import CHANNEL
from ._timeline.report import report_from, told

Answer = dict[str, Any]
FIRST, INTERVAL = 0.25, 2.0
"""Seconds between two looks: each wait is twice the one before, up to INTERVAL."""
PATIENCE = 60.0
"""Seconds for which a host may give no answer: its transaction goes on without the connection."""
GOES_ON = "its transaction may still run on the host, follow it with the same id"
BEAT = 10.0  # s between two lines, where no timeline shows them


class Follower:
    """bot: as the inventory calls it. names: of steps, by ``stage/id``. ask: sends a request to the host."""

    def __init__(self, bot: str, names: Mapping[str, str], ask: Callable[[], Answer], display: Any) -> None:
        self._bot, self._names, self._ask, self._display = bot, names, ask, display
        self._said_at = time.monotonic()

    def wait(self, answer: Answer) -> Answer:
        """The result, once it is there. ``answer`` is what the host said when it began.

        Raises AnsibleConnectionFailure, or returns a failure, when the host has not answered for PATIENCE s.
        """
        pause, heard = FIRST, time.monotonic()
        while not answer.get("detached"):
            time.sleep(pause)
            pause = min(2 * pause, INTERVAL)
            try:
                answer = self._ask()
                unheard: AnsibleConnectionFailure | None = None
            except AnsibleConnectionFailure as error:
                answer, unheard = {}, error
            if answer.get("following"):
                heard = time.monotonic()
                self._show(answer)
            elif not answer.get("detached") and time.monotonic() - heard > PATIENCE:
                if unheard:
                    raise unheard
                reason = str(answer.get("msg") or "no reason was given")
                return {**answer, "failed": True, "msg": f"{reason}: {GOES_ON}"}
        return answer

    def _show(self, answer: Answer) -> None:
        step = answer.get("step")
        if not step:
            return
        said = {**(answer.get("progress") or {}), "step": self._names.get(step, step)}
        now = time.monotonic()
        if not CHANNEL.tell(self._bot, said) and now - self._said_at >= BEAT:
            self._said_at = now
            # to stderr: the output may be a document
            self._display.display(f"{self._bot}: {told(report_from(said))}", stderr=True)
