# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is the bot safe? Read back, never assumed. PRIVATE to the collection."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .request import Step
from .runner import Runner


class Safety:
    """What must be read for the bot to be called safe: flag down, process stopped, … each a step."""

    def __init__(self, steps: list[Step], runner: Runner) -> None:
        self.steps = [step for step in steps if step.when]
        self._required = [step for step in self.steps if step.required]
        self._runner = runner

    def make(self) -> Iterator[tuple[Step, dict[str, Any]]]:
        """Apply each step, whatever becomes of the others; yields it with its outcome."""
        for step in self.steps:
            yield (
                step,
                {"status": "failed", "message": step.invalid} if step.invalid else self._runner.run(step, "apply"),
            )

    def read(self, *, resumed: bool) -> dict[str, Any]:
        """``is_safe``, ``trading`` (``off`` or ``on``) and ``read``: what was read to say so.

        Trading is off when the process is proven stopped, or, for one that this rollback has started since
        (``resumed``), when all that permits trading is proven off; a process that ran before may have read its
        config while it was live. What could not be read counts as on.
        """
        readings = [self._reading(step) for step in self._required]
        lasting = [reading["ok"] for reading in readings if not reading["until_resume"]]
        stopped = [reading["ok"] for reading in readings if reading["until_resume"]]
        off = (resumed and bool(lasting) and all(lasting)) or (bool(stopped) and all(stopped))
        return {
            "is_safe": bool(readings) and all(reading["ok"] for reading in readings),
            "trading": "off" if off else "on",
            "read": readings,
        }

    def missing(self, *, resumed: bool) -> list[str]:
        """What is not proven, as sentences. ``resumed``: the bot was started by this rollback before."""
        if not self._required:
            return ["nothing was declared that would prove it"]
        readings = [self._reading(step) for step in self._required if not (resumed and step.until_resume)]
        return [f"{reading['name']}: {reading['message']}" for reading in readings if not reading["ok"]]

    def _reading(self, step: Step) -> dict[str, Any]:
        reading: dict[str, Any] = {
            "id": step.id,
            "name": step.name,
            "operation": step.operation,
            "until_resume": step.until_resume,
        }
        if step.invalid:
            return {**reading, "ok": False, "message": step.invalid, "observed": None}
        outcome = self._runner.run(step, "prove")
        return {
            **reading,
            "ok": outcome["status"] == "unchanged",
            "message": outcome["message"],
            "observed": outcome.get("proof"),
        }
