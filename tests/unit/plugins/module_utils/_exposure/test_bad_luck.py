# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad nights: any account, any faults, rolled back again and again under one id and others (S1.3, S3.5, S4.7).

What is said of an account is what the exchange has in its books, and nothing is done that was not asked for, over all
runs of a night, whoever was killed in the middle of what.

``make luck EXAMPLES=5000`` plays so many nights at each exchange. Pauses and time-outs cost no time here.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._exposure import flatten
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.peers.exchange.books import CANCELED
from tests.unit.plugins.module_utils._exposure.bad_luck_desk import (
    CANARY,
    Clock,
    Desk,
    desk_at,
    key_of,
    signatures,
)
from tests.unit.plugins.module_utils._exposure.bad_luck_host import Came, Host, Result, Rollback, roll_back
from tests.unit.plugins.module_utils._exposure.bad_luck_night import (
    OURS,
    Books,
    Luck,
    Night,
    Papers,
    Weather,
    declarations,
    is_reducing,
    lucks,
    papers,
    weathers,
)

EXAMPLES = int(os.environ.get("BOTFLEET_EXAMPLES", "15"))
STEPS = 7
ENV_NAMES = {"api_key": "BOT_KEY", "api_secret": "BOT_SECRET", "api_passphrase": "BOT_PASSPHRASE"}


class Nights(RuleBasedStateMachine):
    """An account in each environment of an exchange, a bot whose rollback is asked for, and the rest of the world."""

    exchange: ClassVar[str]
    desk: ClassVar[Desk]
    tally: ClassVar[Counter[str]]
    night: Night

    @initialize(luck=lucks)
    def deal(self, luck: Luck) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="bad-luck-"))
        self.night = Night(self.desk, luck)
        self.host = Host(self.root)
        self.ids = 1
        self.asked: dict[int, Papers] = {}
        self.records: dict[str, Result] = {}

    @rule(papers=papers, weather=weathers)
    def roll_back_again(self, papers: Papers, weather: Weather) -> None:
        """As the last time, unless it is the first."""
        asked = self.asked.get(self.ids, papers)
        self._roll_back(self.ids, replace(asked, end=papers.end), weather)

    @rule(papers=papers, weather=weathers)
    def roll_back_anew(self, papers: Papers, weather: Weather) -> None:
        self.ids += 1
        self._roll_back(self.ids, papers, weather)

    @rule(papers=papers, weather=weathers)
    def roll_back_as_before(self, papers: Papers, weather: Weather) -> None:
        """Under the id before this one, if there is one, and with other inputs."""
        self._roll_back(max(1, self.ids - 1), papers, weather)

    @rule(index=st.integers(0, 2), steps=st.integers(1, 100), short=st.booleans())
    def somebody_enters(self, index: int, steps: int, short: bool) -> None:
        self.night.enter(index, steps, short)

    @rule(conditional=st.booleans())
    def an_order_is_executed(self, conditional: bool) -> None:
        self.night.fire(conditional)

    @rule(places=declarations)
    def declare(self, places: tuple[int, int, int]) -> None:
        night, known = self.night, self.desk.environments
        night.declared, night.confirmed, night.of = (known[place] for place in places)

    @invariant()
    def nothing_grew_and_nothing_was_closed_twice(self) -> None:
        if not hasattr(self, "night"):
            return
        for account in self.night.accounts.values():
            assert account.violations == []
        assert self.night.excess == [] and self.night.twice == []
        assert self.night.bared == [], "what protects a position goes when it is gone"
        closed = self.night.closed()
        assert {at: held for at, held in closed.items() if held > self.night.lent[at]} == {}

    def teardown(self) -> None:
        if hasattr(self, "root"):
            shutil.rmtree(self.root)

    def _roll_back(self, number: int, papers: Papers, weather: Weather) -> None:
        night, host, rollback_id = self.night, self.host, f"rb-{number}"
        self.asked[number] = papers
        host.health.unlink(missing_ok=True)
        if papers.end == "proven":
            host.health.write_text("ok")
        before = night.books()
        night.begin(weather, host.kill, host.kill_step)
        came = roll_back(host, self._asked_for(rollback_id, papers), self.records.get(rollback_id))
        after = night.books()
        if not papers.check_mode:
            self.records[rollback_id] = came.record
        self.tally[in_words(papers, came)] += 1
        assert_nothing_else(night, papers, before, after)
        assert_sent_where_it_was_meant_to(night, papers)
        assert_secret(night, host, came)
        if came.stored:
            assert night.desk.exchange.asked == [], "what is over is not done again"
        else:
            assert_true(night, papers, came)

    def _asked_for(self, rollback_id: str, papers: Papers) -> Rollback:
        night = self.night
        keys = self.desk.keys(night.of)
        where: dict[str, dict[str, Any]] = {
            "inline": {"credentials": {"secret": "keys"}},
            "file": {"credentials_path": str(self._config(keys))},
            "environment": {"credentials_env": {field: ENV_NAMES[field] for field in keys}},
        }
        inline, named = night.luck.keys == "inline", night.luck.keys == "environment"
        place = {"exchange": self.desk.name, "environment": night.declared, "base_url": self.desk.base_url}
        return Rollback(
            rollback_id=rollback_id,
            entry={**place, "symbols": night.scope, "deadline": papers.deadline},
            options={
                **where[night.luck.keys],
                "confirm_environment": night.confirmed,
                "strategy": papers.strategy,
                "client_id_seed": f"{rollback_id} desk",
                "max_slippage": night.luck.max_slippage,
            },
            secrets={"keys": keys} if inline else {},
            environment={ENV_NAMES[field]: value for field, value in keys.items()} if named else {},
            check_mode=papers.check_mode,
            mode=papers.mode,
            shared=night.luck.shared,
            accept_guarded=papers.accept_guarded,
            loses_power=papers.end == "loses power",
        )

    def _config(self, keys: dict[str, str]) -> Path:
        """The bot's own, which has them as they are."""
        path = self.root / "bot.env"
        named = {f"{self.desk.name}_{field}".upper(): value for field, value in keys.items()}
        path.write_text("".join(f"{name}={value}\n" for name, value in named.items()))
        return path


def in_words(papers: Papers, came: Came) -> str:
    """What a run came to, in few words."""
    if came.stored:
        return "over, its stored result given again"
    if papers.check_mode:
        return f"{came.exposure['state']} now, in check mode"
    return f"{came.exposure['state']}, exit code {came.exit_code}"


def assert_true(night: Night, papers: Papers, came: Came) -> None:
    """What is said of the account is so, at the end of the run that says it."""
    state, held = came.exposure["state"], night.held()
    proven = [step for step in came.steps if step["status"] in ("unchanged", "changed", "resumed")]
    proven = [step for step in proven if not (step["status"] == "resumed" and step["message"])]
    row = came.record["bots"][0]
    if state in ("flat", "guarded"):
        assert night.declared == night.of
        assert bool(held) == (state == "guarded"), held
        assert papers.check_mode or night.unwanted(papers.strategy) == []
    if proven and not papers.check_mode:
        assert night.unwanted(papers.strategy) == []
    if row["safe"] and not papers.check_mode:
        assert not held
    if came.exit_code == 0 and not papers.check_mode:
        assert night.unwanted(papers.strategy) == []
        assert not held or (papers.strategy == flatten.NATURAL and papers.accept_guarded)


def assert_nothing_else(night: Night, papers: Papers, before: dict[str, Books], after: dict[str, Books]) -> None:
    """Nothing that is another's or was to stay is touched, and no order is sent twice.

    What happens by itself to a market may be anything.
    """
    acts = papers.mode == "apply" and not papers.check_mode and night.declared == night.confirmed == night.of
    for of, account in night.accounts.items():
        at_work = acts and of == night.of
        for place, held in before[of].positions.items():
            to_stay = not at_work or papers.strategy == flatten.NATURAL or not night.in_scope(place[0])
            if to_stay and place[0] not in night.moved:
                assert account.positions[place] == held, place
        sent = [account.orders[it] for it in after[of].orders if it not in before[of].orders]
        assert at_work or not sent
        assert all(night.in_scope(order.market) and order.client_id.startswith(OURS) for order in sent)
        assert not sent or papers.strategy != flatten.NATURAL
        assert [it for it, times in Counter(order.client_id for order in sent).items() if times > 1] == []
        for its, status in before[of].orders.items():
            order = account.orders[its]
            if order.status == status or order.market in night.moved:
                continue
            assert at_work and order.status == CANCELED and night.in_scope(order.market)
            if is_reducing(order):
                assert papers.strategy == flatten.CANCEL_AND_CLOSE


def assert_sent_where_it_was_meant_to(night: Night, papers: Papers) -> None:
    """Only signed reads go where the environment is not declared, confirmed and that of the keys."""
    sent = [request for _at, request in night.desk.exchange.asked if request.method != "GET"]
    for request in sent:
        assert papers.mode == "apply" and not papers.check_mode
        assert night.desk.place(request) == night.declared == night.confirmed == night.of
        assert key_of(request) == night.desk.keys(night.of)["api_key"]


def assert_secret(night: Night, host: Host, came: Came) -> None:
    """No key, secret, signature or signed URL is in what is said, written down or printed."""
    told = f"{came.text}\n{host.told()}"
    assert CANARY not in told and "signature=" not in told
    given = [it for _at, request in night.desk.exchange.asked for it in signatures(request)]
    assert [it for it in given if it in told] == []


class AtBinance(Nights):
    exchange = "binanceusdm"


class AtBybit(Nights):
    exchange = "bybit"


class AtOkx(Nights):
    exchange = "okx"


@pytest.fixture(autouse=True, scope="class")
def desk(request: pytest.FixtureRequest) -> Iterator[None]:
    machine = getattr(request.cls, "machine", None)
    if machine is None:
        yield
        return
    machine.tally = Counter()
    with desk_at(machine.exchange) as machine.desk:
        yield
    for what, times in machine.tally.most_common():
        print(f"{machine.exchange}: {times} runs {what}")


def played(machine: type[Nights]) -> Any:
    """The test of a machine: the same nights each time, or as many new ones as were asked for."""
    case: Any = machine.TestCase
    case.machine = machine
    case.settings = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,
        derandomize="BOTFLEET_EXAMPLES" not in os.environ,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    return case


TestNightsAtBinance = played(AtBinance)
TestNightsAtBybit = played(AtBybit)
TestNightsAtOkx = played(AtOkx)


def test_the_clock_of_these_tests_lets_pauses_pass() -> None:
    clock = Clock()
    before = clock.monotonic()
    clock.sleep(1000)
    assert clock.monotonic() - before >= 1000
