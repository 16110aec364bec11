# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What exchange_testnet asks of an exchange: is the account flat, and whose are the credentials (S4.4, S4.7)."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import (
    Context,
    OperationError,
    Outcome,
    carry_out,
)
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations.exchange_testnet import ExchangeTestnet

from tests.peers.exchange.binanceusdm import BinanceUsdm
from tests.peers.exchange.books import BUY, SELL, Account
from tests.peers.exchange.okx import Okx
from tests.peers.exchange.okx import markets as okx_markets
from tests.peers.exchange.server import Exchange, Key, serving

if sys.version_info < (3, 10):
    pytest.skip("ccxt needs Python 3.10", allow_module_level=True)

BTC = "BTCUSDT"
PRODUCTION = {"api_key": "CANARY-production", "api_secret": "CANARY-production-secret"}
LATER = {"api_key": "CANARY-production-2", "api_secret": "CANARY-production-secret-2"}
TESTNET = {"api_key": "CANARY-testnet", "api_secret": "CANARY-testnet-secret"}
ROTATED = {"api_key": "CANARY-testnet-2", "api_secret": "CANARY-testnet-secret-2"}
PASSPHRASE = "CANARY-passphrase"
OWNERS = ((PRODUCTION, "production"), (LATER, "production"), (TESTNET, "testnet"), (ROTATED, "testnet"))
STAYED = "stayed as they are, since production credentials are what closes positions: "


def config_of(credentials: dict[str, str], *, testnet: bool = False) -> str:
    return json.dumps({"exchanges": {"binance": {"testnet": testnet, **credentials}}}, indent=2)


@dataclass
class Bot:
    """A bot whose config has production credentials, and the account that they open."""

    exchange: Exchange
    account: Account
    base_url: str
    config: Path

    @property
    def kept(self) -> Path:
        return self.config.with_name("kept.json")

    def its_account(self, **of: Any) -> dict[str, Any]:
        return {
            "exchange": "binanceusdm",
            "environment": "production",
            "credentials_path": str(self.config),
            "credentials_key": "exchanges.binance.{field}",
            "replaced_path": str(self.kept),
            "base_url": self.base_url,
            "deadline": 5,
            **of,
        }

    def operation(self, *, check: bool = False, deadline: float | None = None, **of: Any) -> ExchangeTestnet:
        options = {
            "path": str(self.config),
            "keep_replaced": str(self.kept),
            "credentials": {"binance": TESTNET},
            "require_flat": True,
            "prove_environment": True,
            "accounts": [self.its_account()],
            **of,
        }
        result = ArgumentSpecValidator(ExchangeTestnet.OPTIONS).validate(options)
        assert not result.error_messages, result.error_messages
        return ExchangeTestnet(result.validated_parameters, Context(check_mode=check, deadline=deadline))

    def run(self, mode: str = "apply", **of: Any) -> Outcome:
        outcome = carry_out(self.operation(**of), mode)
        assert "CANARY" not in json.dumps(asdict(outcome))
        assert "signature" not in json.dumps(asdict(outcome))
        assert {request.method for _at, request in self.exchange.asked} <= {"GET"}, "no order is ever sent"
        return outcome

    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.config.parent.iterdir()}


@pytest.fixture
def bot(tmp_path: Path) -> Iterator[Bot]:
    """Flat."""
    venue = BinanceUsdm()
    exchange, accounts = Exchange(venue), {name: venue.account() for name in ("production", "testnet")}
    for key, environment in OWNERS:
        exchange.add_key(Key(key["api_key"], key["api_secret"], environment, accounts[environment]))
    config = tmp_path / "exchange.json"
    config.write_text(config_of(PRODUCTION))
    with serving(exchange) as url:
        yield Bot(exchange, accounts["production"], url + "/{environment}", config)


def change_of(outcome: Outcome) -> dict[str, Any]:
    assert outcome.change is not None, outcome.message
    return outcome.change


def proof_of(outcome: Outcome) -> dict[str, Any]:
    assert outcome.proof is not None, outcome.message
    return outcome.proof


def test_s4_4_a_flat_account_is_switched_and_proven_to_be_a_testnets(bot: Bot) -> None:
    outcome = bot.run()
    assert outcome.status == "changed", outcome.message
    assert bot.config.read_text() == config_of(TESTNET, testnet=True)
    assert change_of(outcome)["accounts"] == [
        {"account": "binanceusdm production", "state": "flat", "not_known_in": ["testnet", "demo"]}
    ]
    assert proof_of(outcome)["accounts"] == [{"account": "binanceusdm testnet", "not_known_in": ["production", "demo"]}]


@pytest.mark.parametrize("already_kept", [False, True])
def test_s4_7_one_that_is_not_flat_is_refused_and_nothing_changes(bot: Bot, already_kept: bool) -> None:
    if already_kept:
        bot.kept.write_text('{"replaced": {"exchanges.binance.api_key": [{"value": "older", "testnet": false}]}}')
    bot.account.hold(BTC, "0.5")
    before = bot.files()
    outcome = bot.run()
    assert (outcome.status, outcome.applied, outcome.change) == ("failed", False, None)
    assert STAYED in outcome.message and "long 0.5 BTC/USDT:USDT" in outcome.message
    assert bot.files() == before


def test_what_counts_as_flat_says_the_strategy(bot: Bot) -> None:
    """S4.7: A and B leave stops, C leaves nothing."""
    bot.account.rest(BTC, SELL, "0.5", trigger=Decimal(50000), reduce_only=True)
    for strategy, left in (("natural", False), ("close", False), ("cancel_and_close", True)):
        message = bot.run(check=True, accounts=[bot.its_account(strategy=strategy)]).message
        assert ("cancel_and_close wants: conditional order" in message) is ("not yet" in message) is left
    bot.account.hold(BTC, "0.5")


def test_s4_7_what_is_left_to_its_stops_keeps_the_keys_that_close_it(bot: Bot) -> None:
    """S4.7 A: guarded is not flat, whoever asks."""
    bot.account.hold(BTC, "0.5")
    bot.account.rest(BTC, SELL, "0.5", trigger=Decimal(50000), reduce_only=True)
    before = bot.files()
    guarded = "binanceusdm production holds positions that natural leaves to their stops"
    assert f"not yet, since {guarded}" in bot.run(check=True, accounts=[bot.its_account(strategy="natural")]).message
    outcome = bot.run(accounts=[bot.its_account(strategy="natural")])
    assert (outcome.status, outcome.applied, bot.files()) == ("failed", False, before)
    assert STAYED + guarded in outcome.message
    bot.account.hold(BTC, "0")
    assert bot.run(accounts=[bot.its_account(strategy="natural")]).status == "changed"


def test_each_account_must_be_flat(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever its credentials lie. Of one that has none in the config is said that nobody knows."""
    other = bot.exchange.venue.account()  # type: ignore[attr-defined]  # not every venue makes them
    bot.exchange.add_key(Key("CANARY-other", "CANARY-other-secret", "production", other))
    for name, value in (("OTHER_KEY", "CANARY-other"), ("OTHER_SECRET", "CANARY-other-secret")):
        monkeypatch.setenv(name, value)
    by_name = {"api_key": "OTHER_KEY", "api_secret": "OTHER_SECRET"}
    second = bot.its_account(credentials_path=None, credentials_env=by_name)
    accounts = [bot.its_account(), {name: value for name, value in second.items() if value is not None}]
    other.rest(BTC, BUY, "0.1", price=Decimal(40000))
    assert "regular order" in bot.run(accounts=accounts).message
    other.cancel_all(other.open_orders(conditional=False))
    outcome = bot.run(accounts=accounts)
    assert outcome.status == "changed", outcome.message
    assert len(change_of(outcome)["accounts"]) == 2
    assert [it["account"] for it in proof_of(outcome)["accounts"]] == ["binanceusdm testnet"]
    (unproven,) = proof_of(outcome)["unproven"]
    assert unproven.startswith("nobody knows which environment binanceusdm reaches: ")
    assert "has no exchanges.binanceusdm.api_key and no exchanges.binanceusdm.api_secret" in unproven


@pytest.mark.parametrize("place", ["vault", "environment"])
def test_keys_that_come_from_elsewhere_are_proven_as_those_in_the_config(
    bot: Bot, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Production's are in Ansible Vault or in the environment, and the bot is given a testnet's in its config."""
    for name, value in PRODUCTION.items():
        monkeypatch.setenv(f"BOT_{name}", value)
    by_name = {"credentials_env": {name: f"BOT_{name}" for name in PRODUCTION}}
    own = {name: value for name, value in bot.its_account().items() if "credentials" not in name}
    accounts = [{**own, **({"credentials": PRODUCTION} if place == "vault" else by_name), "name_in_config": "binance"}]
    outcome = bot.run(accounts=accounts)
    assert outcome.status == "changed", outcome.message
    assert proof_of(outcome)["accounts"] == [{"account": "binanceusdm testnet", "not_known_in": ["production", "demo"]}]
    assert proof_of(outcome)["unproven"] == []
    bot.config.write_text(config_of(PRODUCTION, testnet=True))
    found = bot.run("prove", credentials=None, accounts=accounts)
    assert "are not of testnet, they are of production" in found.message


@pytest.mark.parametrize("check", [False, True])
def test_without_an_account_nobody_knows_whether_it_is_flat(bot: Bot, check: bool) -> None:
    before = bot.files()
    outcome = bot.run(check=check, accounts=[])
    assert (outcome.status, outcome.applied) == ("failed", False)
    assert outcome.message.endswith(
        STAYED + "no account is given to read: give accounts, or require_flat: false if the bot never holds a position"
    )
    assert (bot.files(), bot.exchange.asked) == (before, [])


def test_when_nothing_is_to_be_changed_nothing_is_asked(bot: Bot) -> None:
    bot.config.write_text(config_of(TESTNET, testnet=True))
    for accounts in ([], [bot.its_account()]):
        outcome = bot.run(prove_environment=False, accounts=accounts)
        assert (outcome.status, proof_of(outcome)["accounts"]) == ("unchanged", [])
    assert bot.exchange.asked == []


def test_prove_alone_asks_the_exchange_only_where_that_is_wanted(bot: Bot) -> None:
    """S4.6, S4.8: as resume and verify do."""
    assert "are not set for testnet" in bot.run("prove").message
    bot.config.write_text(config_of(TESTNET, testnet=True))
    assert bot.run("prove", prove_environment=False).status == "unchanged"
    assert bot.exchange.asked == []
    outcome = bot.run("prove")
    assert outcome.status == "unchanged", outcome.message
    assert [it["account"] for it in proof_of(outcome)["accounts"]] == ["binanceusdm testnet"]


def test_production_credentials_left_beside_the_switch_are_found_out(bot: Bot) -> None:
    outcome = bot.run(credentials=None)
    assert (outcome.status, outcome.applied) == ("failed", True)
    assert f"{bot.config} is set for testnet, but its credentials do not prove it" in outcome.message
    assert "the credentials of binanceusdm are not of testnet, they are of production" in outcome.message
    assert bot.config.read_text() == config_of(PRODUCTION, testnet=True)


def test_new_credentials_that_are_productions_are_found_out(bot: Bot) -> None:
    """Though the replaced ones, or those of another testnet account, would do."""
    outcome = bot.run(credentials={"binance": LATER})
    assert (outcome.status, outcome.applied) == ("failed", True)
    assert "are not of testnet, they are of production" in outcome.message
    assert "CANARY-production" in bot.kept.read_text()


def test_credentials_of_another_testnet_than_was_named_are_found_out(bot: Bot) -> None:
    outcome = bot.run(accounts=[bot.its_account(testnet_environment="demo")])
    assert "are not of demo, they are of testnet" in outcome.message


def test_check_mode_reads_and_says_what_the_account_holds(bot: Bot) -> None:
    """A rehearsal, while the bot trades."""
    bot.account.hold(BTC, "0.5")
    before = bot.files()
    outcome = bot.run(check=True)
    assert (outcome.status, outcome.applied) == ("changed", False)
    assert "exchange.json for testnet; not yet, since the account at binanceusdm (production)" in outcome.message
    assert "long 0.5 BTC/USDT:USDT" in outcome.message
    assert bot.exchange.asked
    assert bot.files() == before


def test_check_mode_tells_that_an_account_could_not_be_read(bot: Bot) -> None:
    bot.config.write_text(config_of(TESTNET))
    outcome = bot.run(check=True)
    assert outcome.status == "failed"
    assert "are not of production, they are of testnet" in outcome.message


def test_a_run_after_the_switch_reads_with_what_was_replaced(bot: Bot) -> None:
    """S4.4: testnet credentials change, and production's are only in the file that keeps them."""
    bot.run()
    bot.account.hold(BTC, "0.5")
    before = bot.files()
    outcome = bot.run(credentials={"binance": ROTATED})
    assert (outcome.status, bot.files()) == ("failed", before)
    assert "long 0.5 BTC/USDT:USDT" in outcome.message
    bot.account.hold(BTC, "0")
    outcome = bot.run(credentials={"binance": ROTATED})
    assert outcome.status == "changed", outcome.message
    assert bot.config.read_text() == config_of(ROTATED, testnet=True)


def test_what_was_replaced_proves_nothing_about_what_is_there(bot: Bot) -> None:
    """Of a bot that was in testnet before: its config has production's now, and the kept file a testnet's."""
    entries = {name: [{"value": value, "testnet": False}] for name, value in TESTNET.items()}
    bot.kept.write_text(json.dumps({"replaced": {f"exchanges.binance.{name}": it for name, it in entries.items()}}))
    bot.config.write_text(config_of(PRODUCTION, testnet=True))
    assert "they are of production" in bot.run("prove", credentials=None).message


def test_a_path_of_an_account_is_the_hosts(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(bot.config.parent))
    outcome = bot.run(accounts=[bot.its_account(credentials_path="~/./exchange.json", replaced_path="~/kept.json")])
    assert len(proof_of(outcome)["accounts"]) == 1
    with pytest.raises(OperationError, match=r"credentials_path of accounts is .* not an absolute path"):
        bot.operation(accounts=[bot.its_account(credentials_path="exchange.json")])


def test_behind_a_gateway_to_one_environment_nothing_is_proven(bot: Bot) -> None:
    """What leads to production would take production's credentials for a testnet's."""
    gateway = bot.base_url.replace("{environment}", "production")
    outcome = bot.run(credentials=None, accounts=[bot.its_account(base_url=gateway)])
    assert (outcome.status, outcome.applied) == ("failed", True)
    assert "base_url of binanceusdm leads to one environment: write {environment} in it" in outcome.message


def test_an_exchange_that_does_not_answer_ends_with_the_step(bot: Bot) -> None:
    bot.exchange.fault("GET", drop=True, times=None)
    before, started = bot.files(), time.monotonic()
    outcome = bot.run(deadline=started + 1)
    assert time.monotonic() - started < 1.5
    assert (outcome.status, outcome.applied, bot.files()) == ("failed", False, before)
    assert "production of binanceusdm cannot be read" in outcome.message


def test_where_there_is_no_testnet_it_is_demo(tmp_path: Path) -> None:
    """OKX, which knows an environment by a header, in an env file. Its passphrase may be the same in both."""
    exchange = Exchange(Okx())
    for key, environment in ((PRODUCTION, "production"), (TESTNET, "demo"), (ROTATED, "demo")):
        account = Account(okx_markets())
        exchange.add_key(Key(key["api_key"], key["api_secret"], environment, account, PASSPHRASE))
    config = tmp_path / ".env"
    lines = {"TESTNET": "false", **{name.upper(): value for name, value in PRODUCTION.items()}}
    config.write_text(
        "".join(f"OKX_{name}={value}\n" for name, value in {**lines, "API_PASSPHRASE": PASSPHRASE}.items())
    )
    with serving(exchange) as url:
        bot = Bot(exchange, account, url, config)
        of_okx = {"exchange": "okx", "environment": "production", "credentials_path": str(config), "base_url": url}
        of_okx["replaced_path"] = str(bot.kept)
        outcome = bot.run(credentials={"okx": TESTNET}, accounts=[of_okx])
        again = bot.run(credentials={"okx": ROTATED}, accounts=[of_okx])
    for its in (outcome, again):
        assert its.status == "changed", its.message
        assert [it["account"] for it in change_of(its)["accounts"]] == ["okx production"]
        assert proof_of(its)["accounts"] == [{"account": "okx demo", "not_known_in": ["production"]}]
