# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sending a bot's orders to the testnet of each exchange (S4.4)."""

from __future__ import annotations

import json
import os
import sys

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._exchange.kept_credentials import KeptCredentials
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import (
    Context,
    NotUndone,
    OperationError,
    carry_out,
)
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations.exchange_testnet import ExchangeTestnet

YAML = """\
# Accounts
exchanges:
  default: binance
  binance:
    testnet: false  # production
    api_key: "prod-canary-key"
    api_secret: 'prod-canary-secret'
    rate: 10
  bybit: {testnet: false, api_key: prod-canary-bybit}
"""
TESTNET = {"binance": {"api_key": "test-canary-key", "api_secret": "test-canary-secret"}}
SWITCHED = YAML.replace("testnet: false", "testnet: true")
SWITCHED_WITH_CREDENTIALS = SWITCHED.replace('"prod-canary-key"', '"test-canary-key"').replace(
    "'prod-canary-secret'", "'test-canary-secret'"
)


def operation(path, check_mode=False, **options):
    options = {"path": str(path), **options}
    filled = {name: options.get(name, spec.get("default")) for name, spec in ExchangeTestnet.OPTIONS.items()}
    return ExchangeTestnet(filled, Context(check_mode=check_mode))


def run(operation, mode="apply"):
    return carry_out(operation, mode)


def kept_in(path):
    return {
        key: [entry["value"] for entry in entries] for key, entries in json.loads(path.read_text())["replaced"].items()
    }


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "exchange.yaml"
    path.write_text(YAML)
    path.chmod(0o640)
    return path


@pytest.fixture
def kept(config):
    return config.parent / "exchange.yaml.replaced"


def test_every_exchange_is_switched_in_place(config, kept):
    """S4.4: comments, order, unknown keys and the credentials that are not given stay."""
    outcome = run(operation(config))
    assert outcome.status == "changed"
    assert config.read_text() == SWITCHED
    assert config.stat().st_mode & 0o7777 == 0o640
    off, on = ({"binance": {"testnet": switch}, "bybit": {"testnet": switch}} for switch in (False, True))
    place = {"path": str(config), "format": "yaml"}
    assert outcome.before == {**place, "exchanges": off, "restart_required": False}
    assert outcome.after == {**place, "exchanges": on, "restart_required": True}
    assert outcome.proof == {**place, "exchanges": on, "accounts": [], "unproven": []}
    assert outcome.change == {
        "path": str(config),
        "changed": ["exchanges.binance.testnet", "exchanges.bybit.testnet"],
        "kept": None,
        "accounts": [],
        "restart_required": True,
    }
    assert not kept.exists()


def test_switching_twice_changes_nothing(config):
    """S4.4."""
    options = {"credentials": TESTNET}
    run(operation(config, **options))
    before = [(path.name, path.stat().st_ino) for path in sorted(config.parent.iterdir())]
    outcome = run(operation(config, **options))
    assert (outcome.status, outcome.change, outcome.after["restart_required"]) == ("unchanged", None, False)
    assert [(path.name, path.stat().st_ino) for path in sorted(config.parent.iterdir())] == before


def test_a_host_without_ccxt_is_told_so_once_an_account_is_asked_for(config, monkeypatch):
    """Of what such a host can do, nothing is lost."""
    for name in [name for name in sys.modules if "_exposure." in name]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "ccxt", None)
    given = {name: option.get("default") for name, option in ExchangeTestnet.OPTIONS["accounts"]["options"].items()}
    account = {**given, "exchange": "bybit", "environment": "production", "credentials_path": str(config)}
    outcome = run(operation(config, require_flat=True, accounts=[account]))
    assert (outcome.status, outcome.applied) == ("failed", False)
    assert "ccxt is not installed for this Python: install it" in outcome.message
    assert config.read_text() == YAML
    assert run(operation(config, accounts=[account])).status == "changed"
    assert run(operation(config, require_flat=True, accounts=[account])).status == "unchanged"


def test_check_mode_touches_nothing(config, kept):
    """S4.4."""
    outcome = run(operation(config, check_mode=True, credentials=TESTNET))
    assert outcome.status == "changed"
    assert config.read_text() == YAML
    assert not kept.exists()


def test_credentials_are_switched_and_the_replaced_ones_kept(config, kept):
    """S4.4: in a file of mode 0600, and nowhere else."""
    outcome = run(operation(config, credentials=TESTNET))
    assert config.read_text() == SWITCHED_WITH_CREDENTIALS
    assert kept.stat().st_mode & 0o7777 == 0o600
    assert kept_in(kept) == {
        "exchanges.binance.api_key": ["prod-canary-key"],
        "exchanges.binance.api_secret": ["prod-canary-secret"],
    }
    assert outcome.change["kept"] == str(kept)
    assert outcome.before["exchanges"]["binance"]["credentials"] == {"api_key": "other", "api_secret": "other"}
    assert outcome.proof["exchanges"]["binance"]["credentials"] == {"api_key": "given", "api_secret": "given"}
    assert "exchanges.binance.api_key: ********" in outcome.diff[0]["before"]
    assert outcome.diff[0]["before"] != outcome.diff[0]["after"]
    assert "canary" not in repr(outcome)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")
def test_owners_stay_and_the_kept_file_belongs_to_the_owner_of_the_config(config, kept):
    os.chown(config, 1234, 2345)
    run(operation(config, credentials=TESTNET))
    assert {(path.stat().st_uid, path.stat().st_gid) for path in (config, kept)} == {(1234, 2345)}


def test_a_kept_production_credential_is_never_lost(config, kept):
    """S4.4: over testnet credentials that change, a restored config, and a later key of production."""
    run(operation(config, credentials=TESTNET))
    later = {"binance": {"api_key": "test-canary-2"}}
    run(operation(config, credentials=later))
    config.write_text(YAML)
    run(operation(config, credentials=later))
    config.write_text(YAML.replace("prod-canary-key", "prod-canary-new"))
    run(operation(config, credentials=later))
    entries = json.loads(kept.read_text())["replaced"]["exchanges.binance.api_key"]
    assert [(entry["value"], entry["testnet"]) for entry in entries] == [
        ("prod-canary-key", False),
        ("test-canary-key", True),
        ("prod-canary-new", False),
    ]
    assert kept_in(kept)["exchanges.binance.api_secret"] == ["prod-canary-secret"]


def test_the_production_credential_that_was_replaced_last_is_the_one_that_counts(config, kept):
    """Over one that was there before it, too."""
    for present in ("prod-canary-key", "prod-canary-new", "prod-canary-key"):
        config.write_text(YAML.replace("prod-canary-key", present))
        run(operation(config, credentials=TESTNET))
    key = "exchanges.binance.api_key"
    assert kept_in(kept)[key] == ["prod-canary-key", "prod-canary-new", "prod-canary-key"]
    assert KeptCredentials(str(kept)).of_production(key) == "prod-canary-key"


def test_a_step_killed_between_its_two_files_is_finished_by_the_next_run(config, kept):
    """S4.4: the kept file is written first, so it can be there while the config is still the old one."""
    run(operation(config, credentials=TESTNET))
    first = kept.read_text()
    config.write_text(YAML)
    assert run(operation(config, credentials=TESTNET)).status == "changed"
    assert config.read_text() == SWITCHED_WITH_CREDENTIALS
    assert kept.read_text() == first


@pytest.mark.parametrize("content", ["not json", "[]", '{"replaced": [1]}', '{"replaced": {"a": ["x"]}}'])
def test_a_foreign_file_in_place_of_the_kept_one_is_left_alone(content, config, kept):
    kept.write_text(content)
    outcome = run(operation(config, check_mode=True, credentials=TESTNET))
    assert outcome.status == "failed"
    outcome = run(operation(config, credentials=TESTNET))
    assert (outcome.status, outcome.applied) == ("failed", False)
    assert "does not hold kept credentials" in outcome.message
    assert (config.read_text(), kept.read_text()) == (YAML, content)


def test_the_kept_file_may_lie_elsewhere_in_a_directory_that_is_made(config, kept, tmp_path):
    elsewhere = tmp_path / "state" / "exchange.replaced"
    run(operation(config, credentials=TESTNET, keep_replaced=str(elsewhere)))
    assert "prod-canary-key" in elsewhere.read_text()
    assert elsewhere.parent.stat().st_mode & 0o777 == 0o700
    assert not kept.exists()


def test_a_missing_credential_is_added_to_its_exchange(config):
    """S4.4."""
    outcome = run(operation(config, credentials={"binance": {"passphrase": 1234}}))
    assert outcome.status == "changed"
    assert outcome.before["exchanges"]["binance"]["credentials"] == {"passphrase": "missing"}
    assert config.read_text() == SWITCHED.replace("    testnet: true ", '    passphrase: "1234"\n    testnet: true ')
    assert outcome.change["kept"] is None


def test_one_exchange_can_be_named(config):
    """S4.4: per exchange."""
    run(operation(config, exchanges=["bybit"]))
    assert config.read_text() == YAML.replace("{testnet: false", "{testnet: true")


@pytest.mark.parametrize("exchanges", [None, [], ["all"]])
def test_all_means_every_exchange_in_the_file(exchanges, config):
    run(operation(config, exchanges=exchanges))
    assert config.read_text() == SWITCHED


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"exchanges": ["kraken"]},
            "has no key exchanges.kraken.testnet: mend its name, exchanges has default, binance, bybit",
        ),
        ({"key": "venues.{exchange}.testnet"}, "names no exchange at venues.{exchange}.testnet: mend key"),
        ({"key": "exchanges.binance.testnet"}, "names no exchange at exchanges.binance.testnet"),
        ({"key": "exchanges.{exchange}.api_key"}, "is a string, not a boolean"),
        ({"credentials": {"kraken": {"api_key": "canary"}}}, "credentials are given for kraken, which is none of"),
        ({"credentials": {"binance": "canary"}}, "the credentials of binance are not a mapping"),
        ({"credentials": {"binance": {"api_key": ["canary"]}}}, "the credential api_key of binance is not a string"),
        ({"credentials": {"binance": {"api_key": ""}}}, "the credential api_key of binance is not a string"),
        ({"credentials": {"binance": {"api_key": "canary\0"}}}, "api_key of binance has control characters"),
        ({"credentials": TESTNET, "credentials_key": "keys.{exchange}.{field}"}, "keys.binance.api_key in"),
    ],
)
def test_a_bad_option_is_one_sentence_and_nothing_changes(options, said, config):
    outcome = run(operation(config, **options))
    assert (outcome.status, outcome.applied) == ("failed", False)
    assert said in outcome.message
    assert "canary" not in outcome.message
    assert config.read_text() == YAML


def test_an_exchange_without_a_switch_is_not_passed_over(config):
    """S4.4: it would stay on production while the result says all."""
    config.write_text(YAML + "  okx: {api_key: prod-canary-okx}\n")
    outcome = run(operation(config))
    assert outcome.status == "failed"
    assert "has no key exchanges.okx.testnet: mend its name, exchanges.okx has api_key" in outcome.message


def test_a_shared_credential_never_changes_another_exchange(config):
    shared = YAML.replace('"prod-canary-key"', '&key "prod-canary-key"').replace("prod-canary-bybit", "*key")
    config.write_text(shared)
    outcome = run(operation(config, credentials=TESTNET))
    assert (outcome.status, outcome.applied) == ("failed", False)
    assert "exchanges.bybit.api_key would change too" in outcome.message
    assert "canary" not in repr(outcome)
    assert config.read_text() == shared


def test_json_with_templates_of_its_own(tmp_path):
    """S4.4: the key paths are templates."""
    path = tmp_path / "accounts.json"
    path.write_text('{"accounts": [\n  {"BINANCE_demo": false, "k": "prod-canary"}\n]}')
    outcome = run(
        operation(
            path,
            key="accounts.0.{EXCHANGE}_demo",
            exchanges=["binance"],
            credentials_key="accounts.0.k",
            credentials={"binance": {"any": "test"}},
        )
    )
    assert outcome.status == "changed"
    assert path.read_text() == '{"accounts": [\n  {"BINANCE_demo": true, "k": "test"}\n]}'
    assert kept_in(tmp_path / "accounts.json.replaced") == {"accounts.0.k": ["prod-canary"]}


ENV = """\
export BINANCE_TESTNET=false
BINANCE_API_KEY="prod-canary-key"
BYBIT_TESTNET=0 # soon
OKX_TESTNET=true
OKX_TESTNET=false\
"""


def test_an_env_file_with_its_credentials(tmp_path):
    """S4.4: BINANCE_, BYBIT_ and OKX_TESTNET; every assignment of a name counts."""
    path = tmp_path / ".env"
    path.write_text(ENV)
    given = {"binance": {"api_key": "test-canary", "api_secret": "test-canary-2"}}
    outcome = run(operation(path, credentials=given))
    assert path.read_text() == (
        "export BINANCE_TESTNET=true\n"
        'BINANCE_API_KEY="test-canary"\n'
        "BINANCE_API_SECRET=test-canary-2\n"
        "BYBIT_TESTNET=1 # soon\n"
        "OKX_TESTNET=true\n"
        "OKX_TESTNET=true"
    )
    assert list(outcome.proof["exchanges"]) == ["binance", "bybit", "okx"]
    assert kept_in(tmp_path / ".env.replaced") == {"BINANCE_API_KEY": ["prod-canary-key"]}
    assert "canary" not in repr(outcome)
    assert run(operation(path, credentials=given)).status == "unchanged"


def test_an_exchange_with_a_dash_has_an_env_name(tmp_path):
    path = tmp_path / "bot.env"
    path.write_text("GATE_IO_TESTNET=False\n")
    assert run(operation(path, exchanges=["gate-io"])).status == "changed"
    assert path.read_text() == "GATE_IO_TESTNET=True\n"


def test_an_earlier_assignment_of_production_is_not_proven(tmp_path):
    """S4.4: some readers take the first assignment of a name."""
    path = tmp_path / ".env"
    path.write_text("OKX_TESTNET=false\nOKX_TESTNET=true\n")
    with pytest.raises(OperationError, match="OKX_TESTNET"):
        operation(path).prove()


def test_prove_alone_fails_on_production_and_shows_no_credential(config):
    """S4.6, S4.8: all accounts on testnet."""
    outcome = run(operation(config), mode="prove")
    assert outcome.status == "failed"
    assert "exchanges.binance.testnet, exchanges.bybit.testnet" in outcome.message
    config.write_text(SWITCHED)
    assert run(operation(config), mode="prove").status == "unchanged"
    outcome = run(operation(config, credentials=TESTNET), mode="prove")
    assert outcome.status == "failed"
    assert "exchanges.binance.api_key" in outcome.message
    assert "canary" not in repr(outcome)


def test_undo_never_brings_production_back(config):
    """S4.4 is undone by re-activation alone."""
    change = json.loads(json.dumps(run(operation(config, credentials=TESTNET)).change))
    with pytest.raises(NotUndone, match="kept in"):
        operation(config).undo(change)
    assert config.read_text() == SWITCHED_WITH_CREDENTIALS


def test_a_file_that_is_missing_or_of_unknown_format_is_one_sentence(tmp_path):
    assert "is not there" in run(operation(tmp_path / "exchange.yaml")).message
    with pytest.raises(OperationError, match="set format to yaml, json or env"):
        operation(tmp_path / "exchange.toml")


def test_a_symlink_in_place_of_the_kept_file_is_refused(config, kept, tmp_path):
    """Root writes beside an unprivileged user's config."""
    victim = tmp_path / "victim"
    victim.write_text("keep")
    kept.symlink_to(victim)
    outcome = run(operation(config, credentials=TESTNET))
    assert (outcome.status, outcome.applied) == ("failed", False)
    assert (config.read_text(), victim.read_text()) == (YAML, "keep")
