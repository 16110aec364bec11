# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Freqtrade's REST API, as 2026.9 was measured. PRIVATE to the collection.

What it answers has traps. ``stopentry`` starts a bot that is stopped; so does ``reload_config``, which is never sent.
``forceexit`` says the same with trades and without, and is 502 while the bot is stopped, as is ``count``. And a round
of its loop that began before the pause may still enter once, so that a count is believed only after that round.
"""

from __future__ import annotations

import json
from typing import Any, ClassVar

from .._health.http import place
from .._operation import Context, OperationError
from .api import Api, check_url
from .interface import EXIT, PAUSE, RELOAD, STOP, Interface, Reading, Unanswered

STOPPED, PAUSED = "stopped", "paused"
SHOWN = ("state", "dry_run", "version", "position_adjustment_enable")
NOT_PAUSED, ROUND_UNREAD = object(), object()


class Freqtrade(Interface):
    """One bot, at ``url``."""

    again: ClassVar[float | None] = 10.0
    """It cancels an exit order that was not filled, and sends another one; both can only reduce."""

    def __init__(self, options: dict[str, Any]) -> None:
        super().__init__(options)
        check_url("url", options["url"])
        self._base = options["url"].rstrip("/")
        if not self._base.endswith("/api/v1"):
            self._base += "/api/v1"
        self.name = f"freqtrade at {place(options['url'])}"
        self._api = Api(options)
        if not self._api.known:
            raise OperationError(f"{self.name} wants credentials: give username and password of its api_server")
        self._round: object = NOT_PAUSED

    def can(self, step: str) -> bool:
        return True

    def where(self, step: str) -> str:
        return self.name

    def read(self, context: Context) -> Reading:
        config = self._get("show_config", dict, context)
        self._check_dry_run(config.get("dry_run"))
        state = config.get("state")
        if state == STOPPED:
            count, settled = len(self._get("status", list, context)), True
        else:
            settled = self._settled(context)  # before the count, which else could be older than the end of the round
            count = self._get("count", dict, context).get("current")
        if not isinstance(count, int):
            raise Unanswered(f"{self._base}/count does not say how many trades are open")
        details = {name: config.get(name) for name in SHOWN}
        return Reading(state in (PAUSED, STOPPED), count, state == STOPPED, settled, details)

    def refuse(self, reading: Reading, steps: list[str]) -> None:
        if reading.stopped and EXIT in steps:
            raise OperationError(
                f"{self.name} is stopped with {reading.count} open, so it exits nothing, and is not started for that: "
                "close them with tradeops.botfleet.exchange_exposure, then ask for reloaded"
            )

    def send(self, step: str, context: Context) -> None:
        if step == PAUSE:
            if self._get("show_config", dict, context).get("state") != STOPPED:
                self._round = ROUND_UNREAD
                self._post("stopentry", context)
        elif step == EXIT:
            self._post("forceexit", context, {"tradeid": "all", "ordertype": "market"})
        elif step == RELOAD:
            for trade in self._get("status", list, context):
                self._post(f"trades/{int(trade['trade_id'])}/reload", context)
        elif step == STOP:
            self._post("stop", context)

    def _settled(self, context: Context) -> bool:
        """Whether a round of its loop has ended since we paused it: the one that was under way, or a later one."""
        if self._round is NOT_PAUSED:
            return True
        last = self._get("health", dict, context).get("last_process")
        if self._round is ROUND_UNREAD:
            self._round = last
        return bool(last != self._round)

    def _check_dry_run(self, dry_run: Any) -> None:
        expected = self.options["expect_dry_run"]
        if expected is not None and dry_run is not expected:
            raise OperationError(
                f"{self.name} has dry_run {json.dumps(dry_run)}, expected {json.dumps(expected)}: nothing was sent; "
                "FREQTRADE__DRY_RUN in its environment overrides its config, so mend that, or the expectation"
            )

    def _get(self, path: str, kind: type, context: Context) -> Any:
        answer = self._api.ask(f"{self._base}/{path}", context)
        try:
            content = json.loads(answer.body)
        except ValueError as error:
            raise Unanswered(f"{self._base}/{path} answers no JSON: is that freqtrade's API?") from error
        if not isinstance(content, kind):
            raise Unanswered(f"{self._base}/{path} does not answer as freqtrade does: is that its API?")
        return content

    def _post(self, path: str, context: Context, body: Any = None) -> None:
        self._api.ask(f"{self._base}/{path}", context, method="POST", body={} if body is None else body)
