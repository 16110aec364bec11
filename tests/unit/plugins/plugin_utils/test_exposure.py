# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a bot holds, as the results of halt tell it; what was not read back is never flat (S1.3, S3.5, S4.7)."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.plugin_utils._exposure import (
    counts_against,
    exposure_of,
    shared_accounts,
)
from jinja2 import StrictUndefined

POSITION = {"symbol": "BTC/USDT:USDT", "side": "long", "contracts": "2", "notional": 100.5}
ORDER = {"symbol": "BTC/USDT:USDT", "id": "1", "kind": "regular", "side": "buy", "reduces": False, "amount": "1"}
UNREACHABLE = {"unreachable": True, "msg": "timed out"}
ENTRY = {"exchange": "bybit"}


def account(state: str, *held: dict[str, Any], name: str = "bybit production", **more: Any) -> dict[str, Any]:
    """As exchange_exposure reads it."""
    positions, orders = ([it for it in held if ("notional" in it) is wanted] for wanted in (True, False))
    notional = sum(it["notional"] for it in positions)
    shown = {"account": name, "state": state, "positions": positions, "orders": orders, "notional": notional}
    return {**shown, "unwanted": {"positions": positions, "orders": orders}, **more}


def proven(state: str, *held: dict[str, Any], name: str = "bybit production") -> dict[str, Any]:
    return account(state, *held, name=name, proof={"clean_at": [0.4, 0.8], "not_known_in": ["testnet"]})


def step(status: str = "changed", **of: Any) -> dict[str, Any]:
    given = {
        "before": account("residual", POSITION, ORDER),
        "proof": proven("flat"),
        "change": {"seconds_to_flat": 0.4},
    }
    return {
        **dict.fromkeys(("seconds", "after", "diff", "touched")),
        "stage": "halt",
        "id": "exposure",
        "name": "Close its positions",
        "operation": "exchange_exposure",
        "status": status,
        "message": "",
        **given,
        **of,
    }


def result(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"stages": [], "steps": list(steps), "safe": {"read": []}}


def bot(*steps: dict[str, Any], **of: Any) -> dict[str, Any]:
    """Of an account that no other bot uses."""
    return {
        "botfleet_account_exclusive": True,
        "botfleet_exposure": [ENTRY],
        "halt_result": result(*steps),
        **of,
    }


def read(variables: dict[str, Any], **of: Any) -> dict[str, Any]:
    return exposure_of("a", {"a": variables}, **of)


def test_what_was_closed_and_read_back_is_flat() -> None:
    assert read(bot(step())) == {
        "state": "flat",
        "notional_before": 100.5,
        "notional_after": 0,
        "orders_before": 1,
        "orders_after": 0,
        "seconds_to_flat": 0.4,
        "proof": [{"account": "bybit production", "clean_at": [0.4, 0.8], "not_known_in": ["testnet"]}],
        "why": "",
    }


def test_of_several_accounts_the_worst_one_counts_and_what_they_hold_is_summed() -> None:
    other = step(
        "unchanged", id="exposure-2", before=account("flat"), proof=proven("flat", name="okx demo"), change=None
    )
    both = read(bot(step(), other))
    assert (both["state"], both["notional_before"], both["seconds_to_flat"]) == ("flat", 100.5, 0.4)
    assert [it["account"] for it in both["proof"]] == ["bybit production", "okx demo"]
    unread = step("failed", id="exposure-2", message="no answer in time", before=None, proof=None, change=None)
    one = read(bot(step(), unread))
    assert (one["state"], one["notional_before"], one["orders_after"]) == ("unproven", None, None)
    assert one["why"] == "Close its positions: no answer in time"


@pytest.mark.parametrize(
    ("variables", "why"),
    [
        (bot(halt_result=UNREACHABLE), "unreachable: timed out"),
        (bot(halt_result=None), "was not reached"),
        (bot(), "the plan has no step exposure for its kind"),
        (bot(botfleet_exposure=None), "declare its accounts in botfleet_exposure"),
        (bot(step("skipped", before=None, proof=None)), "the plan has no step exposure"),
        (bot(step("failed", proof=None, message="ccxt is not installed")), "ccxt is not installed"),
        (bot(step("resumed", message="proven before, differs now: close long")), "differs now"),
        (bot(step(proof=None)), "Close its positions"),
    ],
)
def test_what_was_not_read_back_is_unproven(variables: dict[str, Any], why: str) -> None:
    found = read(variables)
    assert found["state"] == "unproven" and why in found["why"] and found["seconds_to_flat"] is None
    assert counts_against(found, accept_guarded=True) == found["why"]


def test_what_is_left_at_the_deadline_is_residual() -> None:
    failed = step("failed", proof=account("residual", POSITION), message="the account is not what close wants: long 2")
    found = read(bot(failed))
    assert (found["state"], found["notional_after"], found["seconds_to_flat"]) == ("residual", 100.5, None)
    assert "long 2" in found["why"]


def test_positions_left_to_their_stops_are_guarded_and_pass_only_when_that_is_accepted() -> None:
    found = read(bot(step("unchanged", before=account("guarded", POSITION), proof=proven("guarded", POSITION))))
    assert found["state"] == "guarded"
    assert found["why"].startswith("guarded: 1 position of 100.50 left to their stops: set accept_guarded=true")
    assert counts_against(found, accept_guarded=False) == found["why"]
    assert counts_against(found, accept_guarded=True) == ""


@pytest.mark.parametrize("declared", [False, "false", "no"])
def test_none_is_what_the_inventory_declares(declared: Any) -> None:
    found = read(bot(botfleet_holds_positions=declared, halt_result=UNREACHABLE))
    assert (found["state"], found["why"], found["notional_before"]) == ("none", "", None)


def test_an_earlier_proof_of_the_same_rollback_stays_one() -> None:
    assert read(bot(step("resumed")))["state"] == "flat"


def test_check_mode_says_who_would_be_guarded() -> None:
    before = account("residual", POSITION, ORDER, unwanted={"positions": [], "orders": [ORDER]})
    found = read(bot(step(before=before, proof=None, change=None)), check_mode=True)
    assert found["state"] == "guarded" and "accept_guarded=true" in found["why"]


def test_check_mode_says_what_is_there_and_holds_nobody() -> None:
    found = read(bot(step(proof=None, change=None)), check_mode=True)
    assert (found["state"], found["notional_before"], found["notional_after"], found["why"]) == (
        "residual",
        100.5,
        None,
        "",
    )
    failed = step("failed", proof=None, message="the credentials are of testnet")
    assert "of testnet" in read(bot(failed), check_mode=True)["why"]


def shared(**of: Any) -> dict[str, Any]:
    return bot(**{"botfleet_account_exclusive": False, "botfleet_account": "main", **of})


def test_bots_that_share_an_account_are_flattened_once() -> None:
    own = {"a": shared(halt_result=UNREACHABLE), "b": shared(), "c": shared(), "d": bot(step())}
    accounts = shared_accounts(list(own), own, list(own))
    assert accounts == {"main": {"bots": ["a", "b", "c"], "leader": "b", "refused": "", "acts": True}}
    for name in own:
        own[name] |= {"halt_accounts": accounts, "halt_account_result": {"skipped": True}}
    own["b"]["halt_account_result"] = result(step())
    states = {name: exposure_of(name, own)["state"] for name in own}
    assert states == dict.fromkeys("abcd", "flat"), "its process is another matter"


def test_an_account_without_an_answer_proves_nothing() -> None:
    own = {"a": shared(), "b": shared()}
    accounts = shared_accounts(["a", "b"], own, ["a", "b"])
    for name in own:
        own[name] |= {"halt_accounts": accounts, "halt_account_result": UNREACHABLE if name == "a" else None}
    assert exposure_of("b", own)["why"] == "unreachable: timed out (account main)"
    assert exposure_of("b", {**own, "b": {**own["b"], "halt_accounts": None}})["why"] == "its account was not read"


def test_nobody_reads_an_account_whose_bots_are_all_gone_unless_from_the_controller() -> None:
    own = {"a": shared(halt_result=UNREACHABLE)}
    account = shared_accounts(["a"], own, ["a"])["main"]
    assert (
        account["leader"] is None and "none of the bots that share the account main was reached" in account["refused"]
    )
    own["a"] |= {"halt_accounts": {"main": account}}
    assert exposure_of("a", own)["why"] == account["refused"]
    own["a"]["botfleet_exposure_from"] = "controller"
    assert shared_accounts(["a"], own, ["a"])["main"]["leader"] == "a"


def test_an_exclusive_account_is_left_to_its_bot_unless_it_is_read_from_the_controller() -> None:
    own = {"a": bot()}
    assert shared_accounts(["a"], own, ["a"]) == {}
    own["a"]["botfleet_exposure_from"] = "controller"
    assert shared_accounts(["a"], own, ["a"])["a"]["leader"] == "a", "the account's name is the bot's by default"


def test_what_a_bot_may_have_opened_since_its_rollback_was_over_is_not_closed() -> None:
    over = {**result(), "closed": True}
    own = {"a": shared(halt_result=over), "b": shared()}
    assert shared_accounts(["a", "b"], own, ["a", "b"])["main"]["acts"] is False, "read only"
    own["b"]["halt_result"] = over
    assert shared_accounts(["a", "b"], own, ["a", "b"]) == {}


def test_a_slice_leaves_an_account_alone_that_bots_it_does_not_see_may_use() -> None:
    own = {"a": shared(botfleet_exposure=[{**ENTRY, "symbols": ["BTC/USDT:USDT"]}])}
    account = shared_accounts(["a"], own, ["a"], sliced=True)["main"]
    assert "does not see all bots that share the account main" in account["refused"]
    own["a"] |= {"botfleet_account_exclusive": True, "botfleet_exposure_from": "controller"}
    assert shared_accounts(["a"], own, ["a"], sliced=True)["main"]["refused"] == ""


def test_a_bot_outside_the_scope_that_uses_the_account_refuses_it() -> None:
    """Its positions would be closed, too."""
    own = {"a": shared(), "z": shared(halt_result=None)}
    account = shared_accounts(["a"], own, ["a", "z"])["main"]
    assert "z outside the scope share the account main" in account["refused"]
    own["a"]["botfleet_exposure"] = [{**ENTRY, "symbols": ["BTC/USDT:USDT"]}]
    assert shared_accounts(["a"], own, ["a", "z"])["main"]["refused"] == ""
    own["z"]["botfleet_holds_positions"] = False
    own["a"]["botfleet_exposure"] = [ENTRY]
    assert shared_accounts(["a"], own, ["a", "z"])["main"]["refused"] == ""


class Broken(dict[str, Any]):
    """Variables of a bot, of which some cannot be templated; or a value that is read through no earlier than needed."""

    def __init__(self, variables: dict[str, Any], *broken: str) -> None:
        super().__init__(variables)
        self.broken = broken

    def get(self, name: str, default: Any = None) -> Any:
        if name in self.broken:
            raise ValueError("'desk' is undefined")
        return super().get(name, default)


BTC, ETH = ({**ENTRY, "symbols": [f"{coin}/USDT:USDT"]} for coin in ("BTC", "ETH"))
OVER = {**result(), "closed": True}


@pytest.mark.parametrize(
    ("first", "second"),
    [([BTC], [ETH]), ([ENTRY], [ENTRY, BTC]), ([ENTRY], [Broken(ETH, "symbols")])],
)
@pytest.mark.parametrize("halt", [result(), UNREACHABLE, OVER])
def test_bots_that_describe_their_account_otherwise_are_not_flat_by_the_proof_of_one(
    first: Any, second: Any, halt: Any
) -> None:
    own = {"a": shared(botfleet_exposure=first), "b": shared(botfleet_exposure=second, halt_result=halt)}
    accounts = shared_accounts(["a", "b"], own, ["a", "b"])
    sentence = "a and b say different things of the account main (botfleet_exposure): write it once, for a group"
    assert accounts["main"]["refused"] == sentence
    for name in own:
        own[name] |= {"halt_accounts": accounts, "halt_account_result": {"skipped": True}}
        found = exposure_of(name, own)
        assert (found["state"], found["why"]) == ("unproven", sentence)


def test_each_bot_may_have_its_own_keys_of_the_account() -> None:
    own = {
        name: shared(
            botfleet_exposure=[{**BTC, "credentials_path": f"/srv/{name}/exchange.yaml", "replaced_path": f"/{name}"}],
            botfleet_exchange_credentials={"bybit": {"apiKey": name}},
        )
        for name in "ab"
    }
    assert shared_accounts(["a", "b"], own, ["a", "b"])["main"]["refused"] == ""


def test_what_none_of_them_can_say_is_said_alike() -> None:
    """The step of that entry fails, and no other."""
    own = {name: shared(botfleet_exposure=[BTC, Broken(ETH, "credentials_path")]) for name in "ab"}
    assert shared_accounts(["a", "b"], own, ["a", "b"])["main"]["refused"] == ""


@pytest.mark.parametrize("undeclared", [{"botfleet_exposure": []}, {"botfleet_exposure": None}])
def test_a_bot_outside_the_scope_uses_the_account_that_it_names_whatever_else_it_says(
    undeclared: dict[str, Any],
) -> None:
    own = {"a": shared(), "z": shared(halt_result=None, **undeclared)}
    assert "z outside the scope share" in shared_accounts(["a"], own, ["a", "z"])["main"]["refused"]
    own["z"]["botfleet_account"] = "other"
    assert shared_accounts(["a"], own, ["a", "z"])["main"]["refused"] == ""


@pytest.mark.parametrize(
    "stranger",
    [
        Broken(shared(), "botfleet_account"),
        shared(botfleet_account=StrictUndefined(name="desk")),
        shared(botfleet_account="{{ desk }}"),
    ],
    ids=["raises", "2.19", "2.18"],
)
def test_a_bot_of_which_nobody_knows_the_account_may_use_any(stranger: dict[str, Any]) -> None:
    own = {"a": shared(), "z": stranger}
    sentence = "botfleet_account of z cannot be templated, so nobody knows whether it is main: mend it in the inventory"
    assert shared_accounts(["a"], own, ["a", "z"])["main"]["refused"] == sentence
    assert shared_accounts(["a", "z"], own, ["a", "z"])["main"]["refused"] == "", "it was halted"
    stranger["halt_result"] = OVER
    assert shared_accounts(["a", "z"], own, ["a", "z"])["main"]["refused"] == sentence, "it trades again"
    own["a"]["botfleet_exposure"] = [BTC]
    assert shared_accounts(["a"], own, ["a", "z"])["main"]["refused"] == ""
    own["a"] |= {"botfleet_exposure": [ENTRY], "botfleet_account_exclusive": True}
    own["a"]["botfleet_exposure_from"] = "controller"
    assert shared_accounts(["a"], own, ["a", "z"])["main"]["refused"] == "", "no other bot uses it"
    own["a"] = shared()
    stranger["botfleet_holds_positions"] = False
    assert shared_accounts(["a"], own, ["a", "z"])["main"]["refused"] == ""


def test_nothing_is_closed_of_a_bot_that_may_trade_again_and_declares_nothing() -> None:
    own = {"a": shared(), "b": shared(halt_result=OVER, botfleet_exposure=[])}
    assert shared_accounts(["a", "b"], own, ["a", "b"])["main"]["acts"] is False
