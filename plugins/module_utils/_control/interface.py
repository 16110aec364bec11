# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a bot can be asked through its own interface, whatever that speaks. PRIVATE to the collection."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar

from .._operation import Context, OperationError, State

PAUSE, EXIT, RELOAD, STOP = "pause", "exit", "reload", "stop"
STEPS: dict[str, tuple[str, ...]] = {
    "paused": (PAUSE,),
    "flat": (PAUSE, EXIT),
    "stopped": (PAUSE, EXIT, STOP),
    "reloaded": (PAUSE, RELOAD),
}
"""What leads to a state, in this order. The last of them is what the state cannot do without."""


class Unanswered(OperationError):
    """The bot was asked and did not do it, or not that we know; what it reads as afterwards decides."""


class Absent(Unanswered):
    """Nothing listens where it would answer."""


class Refused(Unanswered):
    """It was turned down, so that nothing comes of it."""


@dataclass(frozen=True)
class Reading:
    """What a bot says of itself. None: it cannot be read.

    paused: it enters nothing new
    count: how many trades or positions it has open
    stopped: its trading loop does not run
    settled: nothing is under way from before it was paused
    details: what else it says, for people
    """

    paused: bool | None = None
    count: int | None = None
    stopped: bool | None = None
    settled: bool = True
    details: State = field(default_factory=dict)

    def reached(self, step: str) -> bool | None:
        """Whether what a step is for is there."""
        if step == PAUSE:
            return self.paused and self.settled
        if step == STOP:
            return self.stopped
        return None if self.count is None else self.count == 0 and self.settled


class Interface(ABC):
    """One bot's. ``name``: what it is called in messages, free of secrets.

    again: after how many s a step is sent once more that has not led there; None: never
    """

    name: str
    again: ClassVar[float | None] = None

    def __init__(self, options: dict[str, Any]) -> None:
        """Options of the module. Raises OperationError for what can never work, before anything is asked."""
        self.options = options

    @abstractmethod
    def can(self, step: str) -> bool:
        """Whether it has such a step."""

    @abstractmethod
    def where(self, step: str) -> str:
        """What a user would have to describe for it to have one."""

    @abstractmethod
    def read(self, context: Context) -> Reading:
        """Changes nothing. Raises OperationError, Unanswered if asking again may help."""

    @abstractmethod
    def send(self, step: str, context: Context) -> None:
        """Once. Raises OperationError, Unanswered if it may have been done all the same."""

    def refuse(self, reading: Reading, steps: list[str]) -> None:  # noqa: B027  # most refuse nothing
        """Raises OperationError if these steps would do harm to a bot that is so."""
