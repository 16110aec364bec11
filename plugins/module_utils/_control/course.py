# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what a bot is to what it shall be, step by step, believing only what is read back. PRIVATE to the collection."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

from .._operation import Context, OperationError, State
from .interface import EXIT, PAUSE, RELOAD, STEPS, STOP, Interface, Reading, Refused, Unanswered

POLL = 0.5  # s between two readings
GRACE = 5.0  # s for the last one
MEND = "close what it holds with tradeops.botfleet.exchange_exposure"


@dataclass
class Course:
    """The way of one bot to ``wanted``, one of STEPS.

    sent: the steps that were sent, in order
    problems: of each step, what came of it the last time that it was sent; None: it was taken
    """

    bot: Interface
    wanted: str
    sent: list[str] = field(default_factory=list)
    problems: dict[str, Unanswered | None] = field(default_factory=dict)
    _at: dict[str, float] = field(default_factory=dict)

    def left(self, reading: Reading) -> list[str]:
        """The steps that are not proven done, nor claimed to be by what cannot be read back."""
        return [step for step in STEPS[self.wanted] if not self._done(step, reading)]

    def claimed(self, reading: Reading) -> bool:
        """Whether the state rests on a step of which nothing can be read back."""
        return any(self.bot.can(step) and reading.reached(step) is None for step in STEPS[self.wanted])

    def plan(self, reading: Reading) -> list[str]:
        """What would be sent. Raises OperationError where it would do harm, or where a step is missing."""
        steps = self.left(reading)
        for step in steps:
            if not self.bot.can(step):
                raise OperationError(
                    f"{self.bot.name} {self.what_is(reading)}, and {self.bot.where(step)} does not say how to "
                    f"{step} it: describe it, or {MEND}"
                )
        self.bot.refuse(reading, steps)
        return steps

    def run(self, context: Context) -> Reading:
        """Until nothing is left; raises OperationError at the context's deadline, and where no waiting would help.

        After the deadline it is read once more, since a step may have taken all the time that there was.
        """
        reading = Reading()
        while True:
            over, trouble = context.remaining(POLL) <= 0, ""
            try:
                reading = self.bot.read(replace(context, deadline=time.monotonic() + GRACE) if over else context)
            except Unanswered as error:
                trouble = str(error)
            left = self.left(reading)
            if not left and not trouble:
                return reading
            if over:
                raise self.failure(reading, trouble)
            if not trouble:
                self._advance(left, reading, context)
            time.sleep(context.remaining(POLL))

    def failure(self, reading: Reading, trouble: str = "") -> OperationError:
        """That it is not there, and why."""
        problems = [self.problems.get(step) for step in self.left(reading)]
        why = "".join(f"; {said}" for said in (trouble, *problems) if said)
        proof = self.shown(reading)
        return OperationError(
            f"{self.bot.name} is not {self.wanted}: it {self.what_is(reading)}{why}; {MEND}, then ask again", proof
        )

    def what_is(self, reading: Reading) -> str:
        """A phrase."""
        words = []
        if reading.count is None:
            words.append("does not say what is open")
        else:
            words.append(f"has {reading.count} open")
        if reading.stopped:
            words.append("is stopped")
        elif reading.paused is not None:
            words.append("takes no new entry" if reading.paused else "still enters")
        if not reading.settled:
            words.append("has not ended the round that it was in when it was paused")
        return " and ".join(words)

    def shown(self, reading: Reading) -> State:
        """As it stands in results."""
        return {
            "bot": self.bot.name,
            "paused": reading.paused,
            "count": reading.count,
            "stopped": reading.stopped,
            "claimed": self.claimed(reading),
            **reading.details,
        }

    def _done(self, step: str, reading: Reading) -> bool:
        reached = reading.reached(step)
        if reached is not None:
            return reached
        essential = step == STEPS[self.wanted][-1]
        return (not essential and not self.bot.can(step)) or (step in self.sent and self.problems[step] is None)

    def _due(self, step: str, left: list[str], reading: Reading) -> bool:
        """A bot is stopped once all else is done, but exits although it may not be paused yet."""
        needless = reading.paused if step == PAUSE else step in (EXIT, RELOAD) and reading.count == 0
        if not self.bot.can(step) or needless or (step == STOP and left != [STOP]):
            return False
        if step not in self._at:
            return True
        return self.bot.again is not None and time.monotonic() - self._at[step] >= self.bot.again

    def _hopeless(self, step: str, reading: Reading) -> bool:
        """No waiting helps what cannot be read, was turned down, or waits for such a one."""
        if reading.reached(step) is None or step not in self.sent:
            return True
        return self.bot.again is None and isinstance(self.problems[step], Refused)

    def _advance(self, left: list[str], reading: Reading, context: Context) -> None:
        """Send what is due."""
        due = [step for step in left if self._due(step, left, reading)]
        if not due and all(self._hopeless(step, reading) for step in left):
            raise self.failure(reading)
        self.bot.refuse(reading, due)
        for step in due:
            self._send(step, context)

    def _send(self, step: str, context: Context) -> None:
        if step not in self.sent:
            self.sent.append(step)
        self._at[step] = time.monotonic()
        try:
            self.bot.send(step, context)
            self.problems[step] = None
        except Unanswered as error:
            self.problems[step] = error
