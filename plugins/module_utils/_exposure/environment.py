# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Are these credentials those of the environment that was declared? PRIVATE to the collection.

Neither a signature nor a flag in a config tells: the same signature is good for both, and a flag may change nothing. So
one signed read is sent to each environment; the declared one alone must know the key. Two without real money may
share their keys.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from .._operation import OperationError
from .access import PLACEHOLDER, open_client, venue_class
from .calls import Calls, OutOfTime, TurnedDown, WrongKey
from .venue import PRODUCTION

PATIENCE = 5.0  # s for an environment that was not declared, and may not answer at all


@dataclass(frozen=True)
class Claim:
    """That credentials are of an environment."""

    exchange: str
    environment: str
    base_url: str | None
    keys: Mapping[str, str]

    def check(self, deadline: float) -> list[str]:
        """Raises OperationError unless it holds, before anything else is sent.

        Returns the other environments, which were asked and do not know the credentials. Behind a ``base_url`` that
        leads to one environment, no other one can be asked.
        """
        name, declared = self.exchange, self.environment
        try:
            self._probe(declared, deadline)
        except WrongKey as error:
            owners = [other for other in self._others() if self._knows(other, deadline)]
            owner = f"they are of {' and '.join(owners)}" if owners else "no other environment knows them either"
            raise OperationError(
                f"the credentials of {name} are not of {declared}, {owner} ({error}): nothing was sent; "
                "give those of the declared environment, or declare theirs"
            ) from None
        except (OutOfTime, TurnedDown) as error:
            said = str(error) or "no answer came in time"
            raise OperationError(f"{declared} of {name} cannot be read ({said}): nothing was sent") from error
        answers = {other: self._knows(other, deadline) for other in self._others()}
        both = [other for other, known in answers.items() if known and PRODUCTION in (declared, other)]
        if both:
            raise OperationError(
                f"the credentials of {name} are good for {declared} and for {' and '.join(both)}, which cannot be: "
                "mend base_url, it leads to the same place for both; nothing was sent"
            )
        return [other for other, known in answers.items() if known is False]

    def _others(self) -> list[str]:
        kind = venue_class(self.exchange)
        asked = self.base_url is None or PLACEHOLDER in self.base_url or kind.TOLD_BY_HEADER
        return [name for name in kind.ENVIRONMENTS if asked and name != self.environment]

    def _knows(self, environment: str, deadline: float) -> bool | None:
        """None: it did not say."""
        try:
            self._probe(environment, min(deadline, time.monotonic() + PATIENCE))
        except WrongKey:
            return False
        except (TurnedDown, OutOfTime):
            return None
        return True

    def _probe(self, environment: str, deadline: float) -> None:
        client = open_client(self.exchange, environment, self.base_url, self.keys)
        calls = Calls(client, deadline)
        calls.read(venue_class(self.exchange)(client, calls, ()).probe)
