# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an account holds at an exchange, and taking it to nothing (S1.3, S3.5, S4.7). PRIVATE to the collection."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

from .._exposure.access import ACCOUNT, ONE_PLACE, open_client, venue_class
from .._operation import Context, NotUndone, Operation, OperationError, Plan, State

if TYPE_CHECKING:  # they need ccxt, which a host may lack
    from .._exposure.account import Account
    from .._exposure.calls import Calls
    from .._exposure.flatten import Aim, Course
    from .._exposure.venue import Venue

LISTED = 20
"""Positions and orders that a message lists at most."""


class ExchangeExposure(Operation):
    """Reads positions and orders of an account; cancels and closes what the strategy does not want, and proves it."""

    OPTIONS: ClassVar[dict[str, Any]] = {
        **ACCOUNT,
        "strategy": {
            "type": "str",
            "choices": ["natural", "close", "cancel_and_close"],
            "default": "cancel_and_close",
        },
        "clean_reads": {"type": "int", "default": 2},
        "max_slippage": {"type": "float"},
        "client_id_seed": {"type": "str", "default": ""},
        "confirm_environment": {"type": "str"},
    }
    CONSTRAINTS: ClassVar[dict[str, Any]] = ONE_PLACE
    PROOF_IS_STATE = True

    def __init__(self, options: dict[str, Any], context: Context) -> None:
        super().__init__(options, context)
        for option, least in (("deadline", 1), ("clean_reads", 1)):
            if options[option] < least:
                raise OperationError(f"{option} is {options[option]:g}: make it {least} or more")
        slippage = options["max_slippage"]
        if slippage is not None and not 0 < slippage < 1:
            raise OperationError(f"max_slippage is {slippage:g}: give a share of the price, such as 0.02")
        kind = venue_class(options["exchange"])
        if options["environment"] not in kind.ENVIRONMENTS:
            known = ", ".join(kind.ENVIRONMENTS)
            raise OperationError(f"environment is {options['environment']}, which {kind.ID} does not have: {known}")
        unknown = [market for market in options["markets"] if market not in kind.MARKETS]
        if unknown:
            raise OperationError(f"markets has {', '.join(unknown)}: {kind.ID} has {', '.join(kind.MARKETS)}")
        self._opened: tuple[Venue, Calls, list[str]] | None = None
        self._seen: Account | None = None
        self._course: Course | None = None

    @classmethod
    def reader(cls, options: dict[str, Any], context: Context) -> ExchangeExposure:
        """One that only ever reads, and once: of its own options it needs ACCOUNT and ``strategy``."""
        acting = {"clean_reads": 1, "max_slippage": None, "client_id_seed": "", "confirm_environment": None}
        return cls({**options, **acting}, context)

    def observe(self) -> State:
        venue, _calls, _denied = self._open()
        self._seen = self._reading(venue)
        return self._state(self._seen)

    def plan(self, before: State) -> Plan:
        if before["state"] != "residual" and not self.context.check_mode:
            before = self._proven_already(before)
        positions, orders = before["unwanted"]["positions"], before["unwanted"]["orders"]
        if not positions and not orders:
            return Plan()
        wanted, given = self.options["environment"], self.options["confirm_environment"]
        if not self.context.check_mode and given != wanted:
            raise OperationError(
                f"confirm_environment is {given!r}, and orders would be sent to {wanted}: say {wanted} there, too"
            )
        close = [f"close {line}" for line in map(_held, positions)]
        cancel = [f"cancel {line}" for line in map(_waiting, orders)]
        stays = [it for it in (*before["positions"], *before["orders"]) if it not in (*positions, *orders)]
        return Plan(_listed(close + cancel), [self._diff([*before["positions"], *before["orders"]], stays)])

    def _proven_already(self, before: State) -> State:
        """What ``prove`` reads, now that what comes in between can still be closed. The state to plan from."""
        from .._exposure.flatten import Flattening  # noqa: PLC0415  # as above

        venue, calls, _denied = self._open()
        self._course = Flattening(venue, calls, self._aim()).run(act=False)
        if self._course.after is None:
            return before
        self._seen = self._course.after
        return self._state(self._seen)

    def apply(self, plan: Plan) -> State:
        from .._exposure.flatten import Flattening  # noqa: PLC0415  # as above

        venue, calls, _denied = self._open()
        self._course = Flattening(venue, calls, self._aim()).run(seen=self._seen)
        return self._change(self._course, calls)

    def prove(self) -> State:
        """As many clean readings in a row as ``clean_reads`` wants, the last ones of ``apply`` where it ran."""
        from .._exposure.flatten import Flattening  # noqa: PLC0415  # as above

        venue, calls, denied = self._open()
        course = self._course or Flattening(venue, calls, self._aim()).run(act=False)
        if course.after is None:
            raise OperationError(f"{self._in_words} could not be read ({course.problem}): its exposure is unproven")
        state = self._state(course.after)
        state["proof"] = {"clean_at": course.clean_at, "not_known_in": denied}
        if not course.reached:
            state["state"] = "residual"
            unwanted = state["unwanted"]
            left = "; ".join(_listed([*map(_held, unwanted["positions"]), *map(_waiting, unwanted["orders"])]))
            why = f" ({course.problem})" if course.problem else ""
            said = f"; the exchange said: {course.refusals[-1]}" if course.refusals else ""
            raise OperationError(
                f"{self._in_words} is not what {self.options['strategy']} wants{why}: {left}{said}", state
            )
        return state

    def undo(self, change: State) -> str:
        raise NotUndone("a position that was closed is not opened again, nor is a cancelled order sent again")

    def not_known_in(self) -> list[str]:
        """The environments that do not know the credentials; raises OperationError unless the declared one does."""
        from .._exposure.environment import proven_credentials  # noqa: PLC0415  # as above

        return self._opened[2] if self._opened else proven_credentials(self.options, self._deadline())[1]

    @property
    def account(self) -> str:
        """Exchange and environment, as results name it."""
        return f"{self.options['exchange']} {self.options['environment']}"

    @property
    def _in_words(self) -> str:
        return f"the account at {self.options['exchange']} ({self.options['environment']})"

    def _open(self) -> tuple[Venue, Calls, list[str]]:
        """The venue, once the credentials are proven to be of the declared environment."""
        if self._opened is None:
            from .._exposure.calls import Calls, OutOfTime, TurnedDown  # noqa: PLC0415  # as above
            from .._exposure.environment import proven_credentials  # noqa: PLC0415  # as above

            options, deadline = self.options, self._deadline()
            keys, denied = proven_credentials(options, deadline)
            client = open_client(options["exchange"], options["environment"], options["base_url"], keys)
            calls = Calls(client, deadline)
            venue = venue_class(options["exchange"])(client, calls, options["markets"])
            try:
                calls.read(venue.connect)
            except (OutOfTime, TurnedDown) as error:
                raise OperationError(
                    f"{self._in_words} cannot be read ({str(error) or 'no answer in time'})"
                ) from error
            unknown = [symbol for symbol in options["symbols"] if symbol not in client.markets]
            if unknown:
                raise OperationError(f"symbols has {', '.join(unknown)}, unknown at {options['exchange']}: mend them")
            self._opened = venue, calls, denied
        return self._opened

    def _deadline(self) -> float:
        return time.monotonic() + self.context.remaining(self.options["deadline"])

    def _reading(self, venue: Venue) -> Account:
        from .._exposure.calls import OutOfTime, TurnedDown  # noqa: PLC0415  # as above

        try:
            return venue.read(self.options["symbols"])
        except (OutOfTime, TurnedDown) as error:
            raise OperationError(f"{self._in_words} cannot be read ({str(error) or 'no answer in time'})") from error

    def _aim(self) -> Aim:
        from .._exposure.flatten import Aim  # noqa: PLC0415  # as above

        options = self.options
        slippage = options["max_slippage"]
        return Aim(
            strategy=options["strategy"],
            symbols=tuple(options["symbols"]),
            clean_reads=options["clean_reads"],
            seed=options["client_id_seed"],
            max_slippage=None if slippage is None else Decimal(str(slippage)),
        )

    def _state(self, account: Account) -> State:
        """``state`` is ``flat``, ``guarded`` (positions that the strategy leaves to their stops) or ``residual``."""
        positions, orders = self._aim().left(account)
        unwanted = {"positions": [it.shown() for it in positions], "orders": [it.shown() for it in orders]}
        state = "residual" if positions or orders else "guarded" if account.positions else "flat"
        return {
            "account": self.account,
            "state": state,
            "positions": [position.shown() for position in account.positions],
            "orders": [order.shown() for order in account.orders],
            "notional": round(float(account.notional), 2),
            "unwanted": unwanted,
        }

    def _change(self, course: Course, calls: Calls) -> State:
        """What was done; ``seconds_to_flat`` is None unless it was proven."""
        before, after = course.before, course.after
        return {
            "closed": course.closed,
            "cancelled": [order.shown() for order in course.cancelled.values()],
            "rounds": course.rounds,
            "refusals": course.refusals[-LISTED:],
            "notional_before": None if before is None else round(float(before.notional), 2),
            "notional_after": None if after is None else round(float(after.notional), 2),
            "seconds_to_flat": course.clean_at[0] if course.reached else None,
            "readings": [[seconds, round(float(worth), 2), orders] for seconds, worth, orders in course.readings],
            "requests": calls.requests,
            "network_seconds": round(calls.network, 3),
            "waited_seconds": round(calls.waited, 3),
        }

    def _diff(self, before: list[dict[str, Any]], after: list[dict[str, Any]]) -> dict[str, str]:
        return {
            "before_header": self.account,
            "after_header": self.account,
            "before": "".join(f"{_line(it)}\n" for it in before),
            "after": "".join(f"{_line(it)}\n" for it in after),
        }


def _held(position: dict[str, Any]) -> str:
    return f"{position['side']} {position['contracts']} {position['symbol']} (notional {position['notional']:.2f})"


def _waiting(order: dict[str, Any]) -> str:
    return f"{order['kind']} order {order['id']} ({order['side']} {order['amount'] or 'all'} {order['symbol']})"


def _line(it: dict[str, Any]) -> str:
    return _held(it) if "notional" in it else _waiting(it)


def _listed(lines: list[str]) -> list[str]:
    more = [f"and {len(lines) - LISTED} more"] if len(lines) > LISTED else []
    return lines[:LISTED] + more
