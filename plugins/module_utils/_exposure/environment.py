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
from typing import Any

from .._operation import OperationError
from .access import (
    NoCredentials,
    credentials,
    has_all_environments,
    on_testnet,
    open_client,
    replaced_credentials,
    venue_class,
)
from .calls import Calls, NotFromHere, OutOfTime, TurnedDown, WrongKey
from .venue import PRODUCTION

PATIENCE = 5.0  # s for an environment that was not declared, and may not answer at all
REFUSED = (
    "; it refuses this key from here: run it on the bot's host, or allow this address and what the key is to do there"
)


class Elsewhere(WrongKey):
    """Others know these credentials, and production is none of them."""


@dataclass(frozen=True)
class Claim:
    """That credentials are of an environment."""

    exchange: str
    environment: str
    base_url: str | None
    keys: Mapping[str, str]

    def check(self, deadline: float) -> list[str]:
        """Raises OperationError unless it holds, before anything else is sent; WrongKey where they are not known there.

        Returns the other environments, which were asked and do not know the credentials. Behind a ``base_url`` that
        leads to one environment, no other one can be asked.
        """
        name, declared = self.exchange, self.environment
        try:
            self._probe(declared, deadline)
        except (WrongKey, TurnedDown, OutOfTime) as error:
            owners = [other for other in self._others() if self._knows(other, deadline)]
            why = str(error) or "no answer came in time"
            if not isinstance(error, WrongKey) and not any(PRODUCTION in (declared, owner) for owner in owners):
                mend = REFUSED if isinstance(error, NotFromHere) else ""
                raise OperationError(f"{declared} of {name} cannot be read ({why}): nothing was sent{mend}") from error
            owner = f"they are of {' and '.join(owners)}" if owners else "no other environment knows them either"
            kind = Elsewhere if owners and PRODUCTION not in owners else WrongKey
            raise kind(
                f"the credentials of {name} are not of {declared}, {owner} ({why}): nothing was sent; "
                "give those of the declared environment, or declare theirs"
            ) from None
        answers = {other: self._knows(other, deadline) for other in self._others()}
        both = [other for other, known in answers.items() if known and PRODUCTION in (declared, other)]
        if both:
            raise OperationError(
                f"the credentials of {name} are good for {declared} and for {' and '.join(both)}, which cannot be: "
                "mend base_url, it leads to the same place for both; nothing was sent"
            )
        return [other for other, known in answers.items() if known is False]

    def _others(self) -> list[str]:
        if not has_all_environments(self.exchange, self.base_url):
            return []
        return [name for name in venue_class(self.exchange).ENVIRONMENTS if name != self.environment]

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


def proven_credentials(options: Mapping[str, Any], deadline: float) -> tuple[dict[str, str], list[str]]:
    """Those of an account that its environment knows, and the environments that do not know them.

    Where its config is on testnet by now, they are those of production that were replaced. As long as it is not, these
    are of an earlier time, and may open the account of another.
    """

    def proven(keys: dict[str, str]) -> tuple[dict[str, str], list[str]]:
        return keys, Claim(options["exchange"], options["environment"], options["base_url"], keys).check(deadline)

    try:
        return proven(credentials(options))
    except (NoCredentials, WrongKey) as error:
        switch = on_testnet(options)
        left = isinstance(error, Elsewhere) if switch is None else switch
        replaced = replaced_credentials(options) if left else {}
        if not replaced:
            raise
        try:
            return proven(replaced)
        except WrongKey:
            raise OperationError(
                f"{error}; those kept in {options['replaced_path']} are not of {options['environment']} either"
            ) from None
