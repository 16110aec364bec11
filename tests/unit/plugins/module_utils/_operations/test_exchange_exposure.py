# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests of exchange_exposure: what an operator gives it and gets from it (S1.3, S3.5, S4.7).

How each exchange is flattened, and what goes wrong there, is in ``_exposure``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._exposure.access import ACCOUNT
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import (
    Context,
    OperationError,
    Outcome,
    carry_out,
)
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations.exchange_exposure import ExchangeExposure

from tests.peers.exchange.binanceusdm import BinanceUsdm
from tests.peers.exchange.binanceusdm_forms import MARKETS
from tests.peers.exchange.books import BUY, NET, OPEN, SELL, Account
from tests.peers.exchange.server import Exchange, Key, serving
from tests.peers.exchange.wire import Answer

if sys.version_info < (3, 10):
    pytest.skip("ccxt needs Python 3.10", allow_module_level=True)

BTC, ETH = "BTCUSDT", "ETHUSDT"
KEY = {"api_key": "CANARY-production-key", "api_secret": "CANARY-production-secret"}
TESTNET_KEY = {"api_key": "CANARY-testnet-key", "api_secret": "CANARY-testnet-secret"}


@dataclass
class Desk:
    """A bot's account in production, long BTC with a stop, short ETH, with an entry that waits in each."""

    exchange: Exchange
    account: Account
    base_url: str

    def options(self, **of: Any) -> dict[str, Any]:
        given = {name: option.get("default") for name, option in ExchangeExposure.OPTIONS.items()}
        given.update(exchange="binanceusdm", environment="production", confirm_environment="production")
        return {**given, "base_url": self.base_url, "credentials": KEY, "client_id_seed": "rb-1", "deadline": 10, **of}

    def run(self, mode: str = "apply", *, check: bool = False, **of: Any) -> Outcome:
        outcome = carry_out(ExchangeExposure(self.options(**of), Context(check_mode=check)), mode)
        assert "CANARY" not in json.dumps(asdict(outcome))
        assert "signature" not in json.dumps(asdict(outcome))
        assert self.account.violations == []
        return outcome

    @property
    def changing(self) -> list[str]:
        """Requests that may change something."""
        return [f"{request.method} {request.path}" for _at, request in self.exchange.asked if request.method != "GET"]


@contextmanager
def desk_at(venue: BinanceUsdm) -> Iterator[Desk]:
    exchange, account = Exchange(venue), venue.account()
    for key, environment in ((KEY, "production"), (TESTNET_KEY, "testnet")):
        of_it = account if environment == "production" else venue.account()
        exchange.add_key(Key(key["api_key"], key["api_secret"], environment, of_it))
    account.hold(BTC, "0.5")
    account.rest(BTC, SELL, "0.5", trigger=Decimal(50000), reduce_only=True)
    account.rest(BTC, BUY, "0.1", price=Decimal(40000))
    account.hold(ETH, "-2")
    account.rest(ETH, SELL, "1", price=Decimal(9000))
    with serving(exchange) as url:
        yield Desk(exchange, account, url + "/{environment}")


@pytest.fixture
def desk() -> Iterator[Desk]:
    with desk_at(BinanceUsdm()) as made:
        yield made


def state_of(outcome: Outcome) -> dict[str, Any]:
    assert outcome.proof is not None, outcome.message
    return outcome.proof


def test_s1_3_closes_all_positions_and_proves_it(desk: Desk) -> None:
    outcome = desk.run()
    assert outcome.status == "changed", outcome.message
    assert desk.account.flat
    before, change, proof = outcome.before, outcome.change, state_of(outcome)
    assert before is not None and change is not None
    assert before["state"] == "residual"
    assert sorted((it["symbol"], it["side"], it["contracts"]) for it in before["positions"]) == [
        ("BTC/USDT:USDT", "long", "0.5"),
        ("ETH/USDT:USDT", "short", "2"),
    ]
    assert {it["symbol"] for it in change["closed"]} == {"BTC/USDT:USDT", "ETH/USDT:USDT"}
    assert len(change["cancelled"]) == 3
    assert change["notional_before"] == before["notional"] > 0
    assert change["notional_after"] == 0
    assert 0 < change["seconds_to_flat"] <= proof["proof"]["clean_at"][0]
    first, *_rest, last = change["readings"]
    assert first[1:] == [change["notional_before"], len(before["orders"])]
    assert last == [proof["proof"]["clean_at"][-1], 0, 0]
    assert change["readings"] == sorted(change["readings"], key=lambda reading: reading[0])
    assert len(change["readings"]) == change["rounds"] + 2
    assert (proof["state"], proof["positions"], proof["orders"]) == ("flat", [], [])
    assert len(proof["proof"]["clean_at"]) == 2
    assert proof["proof"]["not_known_in"] == ["testnet", "demo"]


def test_a_second_time_changes_nothing(desk: Desk) -> None:
    desk.run()
    sent = len(desk.changing)
    outcome = desk.run(confirm_environment=None)
    assert (outcome.status, outcome.message, outcome.change) == ("unchanged", "", None)
    assert len(desk.changing) == sent
    assert len(state_of(outcome)["proof"]["clean_at"]) == 2


def test_what_comes_after_a_first_reading_that_is_clean_is_closed_in_time(desk: Desk) -> None:
    desk.run()
    desk.exchange.fault("positionRisk", skip=2, before=lambda: desk.account.enter(BTC, "0.5"))
    outcome = desk.run()
    assert outcome.status == "changed", outcome.message
    assert outcome.message == "close long 0.5 BTC/USDT:USDT (notional 30000.00)"
    assert desk.account.flat
    assert len(state_of(outcome)["proof"]["clean_at"]) == 2


def test_check_mode_reads_and_shows_what_it_would_send(desk: Desk) -> None:
    outcome = desk.run(check=True, confirm_environment=None)
    assert outcome.status == "changed"
    assert desk.changing == []
    assert "close long 0.5 BTC/USDT:USDT" in outcome.message
    assert "cancel regular order" in outcome.message
    (diff,) = outcome.diff
    assert "short 2 ETH/USDT:USDT" in diff["before"]
    assert diff["after"] == ""


def test_orders_are_sent_only_where_the_environment_was_confirmed(desk: Desk) -> None:
    outcome = desk.run(confirm_environment="testnet")
    assert (outcome.status, outcome.applied, desk.changing) == ("failed", False, [])
    assert "confirm_environment is 'testnet', and orders would be sent to production" in outcome.message


@pytest.mark.parametrize(
    ("declared", "given", "owner"), [("production", TESTNET_KEY, "testnet"), ("testnet", KEY, "production")]
)
def test_keys_of_another_environment_are_refused_before_anything_is_sent(
    desk: Desk, declared: str, given: dict[str, str], owner: str
) -> None:
    outcome = desk.run(environment=declared, confirm_environment=declared, credentials=given)
    assert (outcome.status, desk.changing) == ("failed", [])
    assert f"the credentials of binanceusdm are not of {declared}, they are of {owner}" in outcome.message


def test_keys_that_nobody_knows_are_refused(desk: Desk) -> None:
    outcome = desk.run(credentials={"api_key": "CANARY-unknown", "api_secret": "CANARY"})
    assert "no other environment knows them either" in outcome.message
    assert desk.changing == []


def test_a_gateway_that_leads_to_one_place_is_found_out(desk: Desk) -> None:
    """What a testnet flag that changes no address looks like from here."""
    base_url = desk.base_url.replace("{environment}", "production").replace("http://", "http://{environment}@")
    outcome = desk.run(environment="testnet", confirm_environment="testnet", base_url=base_url)
    assert "are good for testnet and for production, which cannot be: mend base_url" in outcome.message
    assert desk.changing == []


def test_s4_7_natural_leaves_positions_to_their_stops(desk: Desk) -> None:
    """A: it is guarded, which is not flat; entries are gone, the stop is there."""
    outcome = desk.run(strategy="natural")
    assert outcome.status == "changed", outcome.message
    proof = state_of(outcome)
    assert proof["state"] == "guarded"
    assert (desk.account.position(BTC), desk.account.position(ETH)) == (Decimal("0.5"), Decimal(-2))
    assert [order.conditional for order in desk.account.orders.values() if order.status == OPEN] == [True]


def test_s4_7_close_leaves_no_position_and_no_entry(desk: Desk) -> None:
    """B: market-close and verify."""
    outcome = desk.run(strategy="close")
    assert state_of(outcome)["state"] == "flat"
    assert not any(desk.account.positions.values())


def test_s4_7_cancel_and_close_cancels_stops_last(desk: Desk) -> None:
    """C: the stop protects until the position is gone."""
    desk.run()
    closing = next(n for n, it in enumerate(desk.changing) if it.startswith("POST /fapi/v1/order"))
    stop = next(n for n, it in enumerate(desk.changing) if "lgo" in it)
    assert closing < stop


def test_symbols_bound_what_is_ours(desk: Desk) -> None:
    outcome = desk.run(symbols=["BTC/USDT:USDT"])
    assert outcome.status == "changed", outcome.message
    assert desk.account.position(BTC) == 0
    assert desk.account.position(ETH) == -2
    assert len(desk.account.open_orders(conditional=False, market=ETH)) == 1


def test_what_is_left_at_the_deadline_is_a_failure_that_names_it(desk: Desk) -> None:
    desk.account.depth = lambda order: Decimal(0) if order.market == ETH else order.left
    outcome = desk.run(deadline=2)
    assert (outcome.status, outcome.applied) == ("failed", True)
    assert "short 2 ETH/USDT:USDT" in outcome.message
    assert "the deadline came first" in outcome.message
    proof = state_of(outcome)
    assert (proof["state"], len(proof["positions"])) == ("residual", 1)
    assert outcome.change is not None and outcome.change["seconds_to_flat"] is None
    assert desk.account.position(ETH, NET) == -2


def test_one_that_cannot_be_closed_keeps_no_other_open() -> None:
    """Without a market order that the exchange takes of it."""
    with desk_at(BinanceUsdm({**MARKETS, ETH: replace(MARKETS[ETH], most=Decimal(0))})) as desk:
        outcome = desk.run(deadline=3)
        assert "binanceusdm takes no market orders of ETH/USDT:USDT, so it cannot be closed" in outcome.message
        assert desk.account.position(BTC) == 0
        assert desk.account.position(ETH) == -2


def test_prove_alone_sends_nothing(desk: Desk) -> None:
    outcome = desk.run("prove")
    assert (outcome.status, desk.changing) == ("failed", [])
    assert "long 0.5 BTC/USDT:USDT" in outcome.message
    desk.run()
    sent = len(desk.changing)
    assert desk.run("prove").status == "unchanged"
    assert len(desk.changing) == sent


def test_an_exchange_that_does_not_answer_proves_nothing(desk: Desk) -> None:
    desk.exchange.fault("positionRisk", drop=True, times=None)
    outcome = desk.run(deadline=2)
    assert outcome.status == "failed"
    assert "cannot be read" in outcome.message
    assert desk.changing == []


@pytest.mark.parametrize("place", ["yaml", "env", "environment"])
def test_credentials_may_lie_with_the_bot(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    of: dict[str, Any]
    if place == "yaml":
        of = {"credentials_path": str(tmp_path / "exchange.yaml"), "credentials_key": "exchanges.binance.{field}"}
        (tmp_path / "exchange.yaml").write_text(json.dumps({"exchanges": {"binance": KEY}}))
    elif place == "env":
        of = {"credentials_path": str(tmp_path / ".env")}
        (tmp_path / ".env").write_text("".join(f"BINANCEUSDM_{name.upper()}={value}\n" for name, value in KEY.items()))
    else:
        of = {"credentials_env": {name: f"BOT_{name.upper()}" for name in KEY}}
        for name, value in KEY.items():
            monkeypatch.setenv(f"BOT_{name.upper()}", value)
    outcome = desk.run(credentials=None, **of)
    assert outcome.status == "changed", outcome.message
    assert desk.account.flat


@pytest.mark.parametrize("skip", [0, 12])
def test_credentials_that_an_exchange_quotes_are_masked_wherever_they_came_from(
    desk: Desk, tmp_path: Path, skip: int
) -> None:
    """Those of a file are no secrets of the step, and bybit's 10004 quotes the key, before the first order or after."""
    (tmp_path / "exchange.yaml").write_text(json.dumps({"exchanges": {"binance": KEY}}))
    quotes = Answer({"code": -1022, "msg": f"bad sign of {KEY['api_key']} by {KEY['api_secret']}"}, 400)
    desk.exchange.fault("GET|POST|DELETE", answer=quotes, skip=skip, times=None)
    place: dict[str, Any] = {"credentials_path": str(tmp_path / "exchange.yaml")}
    outcome = desk.run(credentials=None, credentials_key="exchanges.binance.{field}", **place)  # which looks for them
    assert outcome.status == "failed" and "bad sign of ******** by ********" in outcome.message


OLDER = {"api_key": "CANARY-older-key", "api_secret": "CANARY-older-secret"}


def kept(path: Path, *credentials: tuple[dict[str, str], bool]) -> str:
    """The file of exchange_testnet, with what was replaced and whether it was on testnet then, oldest first."""
    replaced = {
        f"exchanges.binance.{name}": [{"value": its[name], "testnet": testnet} for its, testnet in credentials]
        for name in KEY
    }
    (path / "kept.json").write_text(json.dumps({"replaced": replaced}))
    return str(path / "kept.json")


def of_config(path: Path, credentials: dict[str, str], testnet: bool | None = None) -> dict[str, Any]:
    """Options for those in the bot's config, beside a switch unless ``testnet`` is None."""
    switch = {} if testnet is None else {"testnet": testnet}
    (path / "exchange.yaml").write_text(json.dumps({"exchanges": {"binance": {**switch, **credentials}}}))
    key = "exchanges.binance.{field}"
    return {"credentials": None, "credentials_path": str(path / "exchange.yaml"), "credentials_key": key}


UNKNOWN = {"api_key": "CANARY-unknown-key", "api_secret": "CANARY-unknown-secret"}


@pytest.mark.parametrize(
    ("present", "testnet"),
    [
        (TESTNET_KEY, True),
        (TESTNET_KEY, None),
        (UNKNOWN, True),
        ({}, True),
        ({"api_key": TESTNET_KEY["api_key"]}, True),
    ],
)
def test_once_the_bot_is_on_testnet_what_was_replaced_opens_the_account(
    desk: Desk, tmp_path: Path, present: dict[str, str], testnet: bool | None
) -> None:
    """A rollback that is run again after it: the last of production's, whatever testnet had since."""
    replaced = kept(tmp_path, (OLDER, False), (KEY, False), (TESTNET_KEY, True))
    outcome = desk.run(**of_config(tmp_path, present, testnet), replaced_path=replaced)
    assert outcome.status == "changed", outcome.message
    assert desk.account.flat
    assert state_of(outcome)["proof"]["not_known_in"] == ["testnet", "demo"]


@pytest.mark.parametrize(
    ("present", "testnet"), [(UNKNOWN, False), (UNKNOWN, None), ({}, False), ({}, None), (TESTNET_KEY, False)]
)
def test_what_was_replaced_is_left_alone_while_the_config_is_on_production(
    desk: Desk, tmp_path: Path, present: dict[str, str], testnet: bool | None
) -> None:
    """Kept by an earlier rollback, it opens the account of another key that the bot had then."""
    outcome = desk.run(**of_config(tmp_path, present, testnet), replaced_path=kept(tmp_path, (KEY, False)))
    assert (outcome.status, desk.changing) == ("failed", [])
    assert not desk.account.flat


def test_the_switch_of_an_env_file_lies_beside_the_credentials(desk: Desk, tmp_path: Path) -> None:
    replaced = {f"BINANCE_{name.upper()}": [{"value": value, "testnet": False}] for name, value in KEY.items()}
    (tmp_path / "kept.json").write_text(json.dumps({"replaced": replaced}))
    env, key = tmp_path / ".env", "BINANCE_{FIELD}"
    of: dict[str, Any] = {"credentials": None, "credentials_path": str(env), "credentials_key": key}
    lines = "".join(f"BINANCE_{name.upper()}={value}\n" for name, value in UNKNOWN.items())
    for switch, status in (("false", "failed"), ("true", "changed")):
        env.write_text(f"{lines}BINANCE_TESTNET={switch}\n")
        assert desk.run(**of, replaced_path=str(tmp_path / "kept.json")).status == status


def test_a_key_that_is_refused_from_here_is_no_other_environments(desk: Desk, tmp_path: Path) -> None:
    """And no reason to try what was replaced, which works."""
    desk.exchange.add_key(Key(UNKNOWN["api_key"], UNKNOWN["api_secret"], "production", from_here=False))
    outcome = desk.run(**of_config(tmp_path, UNKNOWN, True), replaced_path=kept(tmp_path, (KEY, False)))
    assert (outcome.status, desk.changing) == ("failed", [])
    assert "production of binanceusdm cannot be read" in outcome.message and "-2015" in outcome.message
    assert "it refuses this key from here: run it on the bot's host" in outcome.message


def test_what_was_replaced_is_left_alone_where_the_config_opens_the_account(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "kept.json").write_text("nothing that could be read")
    outcome = desk.run(**of_config(tmp_path, KEY), replaced_path=str(tmp_path / "kept.json"))
    assert outcome.status == "changed", outcome.message


def test_what_was_replaced_is_held_to_the_declared_environment_too(desk: Desk, tmp_path: Path) -> None:
    declared: dict[str, Any] = {"environment": "demo", "confirm_environment": "demo"}
    replaced = kept(tmp_path, (KEY, False))
    outcome = desk.run(**of_config(tmp_path, TESTNET_KEY), **declared, replaced_path=replaced)
    assert "are not of demo, they are of testnet" in outcome.message
    assert outcome.message.endswith(f"those kept in {replaced} are not of demo either")
    assert desk.changing == []


@pytest.mark.parametrize("replaced", [(), ((KEY, True),)])
def test_where_nothing_of_production_was_replaced_the_config_is_what_is_wrong(
    desk: Desk, tmp_path: Path, replaced: tuple[tuple[dict[str, str], bool], ...]
) -> None:
    of = of_config(tmp_path, TESTNET_KEY)
    for path in (kept(tmp_path, *replaced), str(tmp_path / "not_there.json"), None):
        message = desk.run(**of, replaced_path=path).message
        assert "are not of production, they are of testnet" in message and "kept in" not in message
    assert "has no text at exchanges.binance.api_key" in desk.run(**of_config(tmp_path, {})).message


def test_what_was_replaced_belongs_to_a_config(desk: Desk, tmp_path: Path) -> None:
    outcome = desk.run(credentials=TESTNET_KEY, replaced_path=kept(tmp_path, (KEY, False)))
    assert "are not of production, they are of testnet" in outcome.message


def test_a_refusal_with_two_meanings_is_told_apart_by_who_knows_the_key(desk: Desk, tmp_path: Path) -> None:
    """-2015 says no to an unknown key, and to a good one's address."""
    refused = Answer({"code": -2015, "msg": "Invalid API-key, IP, or permissions for action"}, 401)
    of = of_config(tmp_path, TESTNET_KEY)
    desk.exchange.fault("openOrders", answer=refused)
    assert "are not of production, they are of testnet" in desk.run("prove", **of).message
    desk.exchange.fault("openOrders", answer=refused)
    assert desk.run(**of, replaced_path=kept(tmp_path, (KEY, False))).status == "changed"
    desk.exchange.fault("openOrders", answer=refused)
    assert "production of binanceusdm cannot be read" in desk.run("prove").message


def test_who_only_reads_needs_no_option_of_who_acts(desk: Desk) -> None:
    """As exchange_exposure_info and exchange_testnet do."""
    options = {name: value for name, value in desk.options().items() if name in {*ACCOUNT, "strategy"}}
    reader = ExchangeExposure.reader(options, Context())
    assert reader.observe()["state"] == "residual"
    with pytest.raises(OperationError, match="is not what cancel_and_close wants"):
        reader.prove()
    desk.run()
    assert len(ExchangeExposure.reader(options, Context()).prove()["proof"]["clean_at"]) == 1


@pytest.mark.parametrize(
    ("of", "says"),
    [
        ({"deadline": 0}, "deadline is 0: make it 1 or more"),
        ({"clean_reads": 0}, "clean_reads is 0: make it 1 or more"),
        ({"max_slippage": 2.0}, "max_slippage is 2: give a share of the price, such as 0.02"),
        ({"markets": ["spot"]}, "markets has spot: binanceusdm has linear"),
        ({"symbols": ["BTC/USD"]}, "symbols has BTC/USD, unknown at binanceusdm: mend them"),
        ({"credentials": {"api_key": "CANARY"}}, "credentials has no api_secret of binanceusdm"),
        ({"credentials": None, "credentials_env": {"api_key": "NOT_SET"}}, "the environment (NOT_SET) has no api_key"),
    ],
)
def test_bad_input_gets_one_sentence(desk: Desk, of: dict[str, Any], says: str) -> None:
    try:
        message = desk.run(**of).message
    except OperationError as error:
        message = str(error)
    assert says in message
    assert desk.changing == []


def test_a_host_without_ccxt_is_told_so(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if "_exposure." in name]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "ccxt", None)
    with pytest.raises(OperationError, match="ccxt is not installed for this Python: install it"):
        desk.run()
