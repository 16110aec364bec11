# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may pass from halt to revert, from halts of the real engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.plugin_utils._barrier import allowed, barrier, roll_goes_on

from .results import BAD, GOOD, SKIPPED, TIMED_OUT, UNREACHABLE, Bot

PLAN = {"kinds": {"trading_node": {"revert": ["code"]}, "quantum_trader": {"revert": ["flag"]}}}
OTHER = "deploy-20251101-120000"


class Fleet:
    """Bots on one machine, and what their halts came to."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.variables: dict[str, dict[str, Any]] = {}

    def bot(self, name: str, kind: str = "trading_node", target: str = GOOD, halt: Any = None, **more: Any) -> Bot:
        bot = Bot(self.root, name, kind, target)
        self.variables[name] = bot.variables(halt or bot.halt(**more.pop("halting", {})), **more)
        return bot

    def why(self, **options: Any) -> dict[str, str]:
        found = barrier(list(self.variables), self.variables, **options)
        assert all(bot["passes"] == (not bot["why"]) for bot in found["bots"].values())
        assert found["held"] == {name: bot["why"] for name, bot in found["bots"].items() if bot["why"]}
        return {name: bot["why"] for name, bot in found["bots"].items()}

    def passing(self, **options: Any) -> set[str]:
        return {name for name, why in self.why(**options).items() if not why}


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path)


@pytest.mark.parametrize(
    ("limit", "total", "bots"),
    [
        (0, 5, 0),
        ("0", 5, 0),
        (2, 5, 2),
        ("10%", 9, 0),
        ("10%", 10, 1),
        ("25%", 534, 133),
        ("100%", 3, 3),
        (" 3 ", 9, 3),
    ],
)
def test_how_many_may_be_unsafe(limit: Any, total: int, bots: int) -> None:
    """A share is rounded down: 10% of nine bots is none."""
    assert allowed(limit, total) == bots


def test_a_closed_rollback_passes_whatever_holds_the_others(fleet: Fleet) -> None:
    """It is only asked what came of it; else the record would take the halt of then for what is now."""
    fleet.bot("done")
    fleet.variables["done"]["halt_result"] = {**fleet.variables["done"]["halt_result"], "stored": True, "closed": True}
    fleet.bot("gone", halt=UNREACHABLE)
    fleet.bot("held")
    assert fleet.passing() == {"done"}


def test_safe_bots_pass_with_the_version_that_they_read(fleet: Fleet) -> None:
    fleet.bot("a")
    fleet.bot("b")
    found = barrier(["a", "b"], fleet.variables, plan=PLAN)
    assert found["bots"] == {name: {"passes": True, "why": "", "target": GOOD} for name in ("a", "b")}
    assert found["unsafe"] == [] and found["held"] == {}


@pytest.mark.parametrize("halt", [UNREACHABLE, TIMED_OUT, {"failed": True, "msg": "MODULE FAILURE"}])
def test_one_that_gave_no_answer_holds_the_others_unless_that_is_allowed(fleet: Fleet, halt: Any) -> None:
    fleet.bot("a")
    fleet.bot("b", halt=halt)
    assert "held at the barrier: 1 of 2 bots are not safe (b), max_unsafe is 0" in fleet.why()["a"]
    assert fleet.passing() == set()
    assert fleet.passing(max_unsafe=1) == fleet.passing(max_unsafe="50%") == {"a"}
    assert fleet.passing(max_unsafe="49%") == set()


def test_one_that_runs_still_is_not_safe(fleet: Fleet) -> None:
    fleet.bot("a", halting={"stop_fails": True})
    why = fleet.why()["a"]
    assert why == 'not safe: no proof of "process stopped": process is running; process stopped: told to fail'


def test_a_halt_that_failed_in_part_but_is_read_back_safe_passes(fleet: Fleet) -> None:
    """A failed step counts for nothing against what is read; a version that was not read counts."""
    fleet.bot("a", kind="quantum_trader", halting={"target_fails": True})
    fleet.bot("b", halting={"target_fails": True})
    assert fleet.variables["a"]["halt_result"]["failed"]
    why = fleet.why(plan=PLAN)
    assert why["a"] == "" and "no tag matches" in why["b"]


def test_a_bot_that_nothing_declares_safe_is_not(fleet: Fleet) -> None:
    bot = fleet.bot("a")
    fleet.variables["a"]["halt_result"] = bot.halt(rollback_id="rb-2", safe=[])
    assert "nothing declares what safe means" in fleet.why()["a"]


def test_a_bot_that_this_rollback_started_already_passes_while_its_flag_is_down(fleet: Fleet) -> None:
    """The controller died after the start: the same id must not stop the bot again, and must not pass a live one."""
    bot = fleet.bot("a")
    bot.revert(closes=False)
    fleet.variables["a"]["halt_result"] = halted = bot.halt()
    assert halted["resume_begun"] and not halted["safe"]["is_safe"]
    assert fleet.passing(plan=PLAN) == {"a"}
    bot.set(flag="up")
    fleet.variables["a"]["halt_result"] = bot.halt()
    assert fleet.why(plan=PLAN)["a"] == 'not safe: no proof of "flag down": flag is up'


def test_bots_of_one_group_go_back_to_one_version(fleet: Fleet) -> None:
    """f500/project_deploy#16, capistrano#1155."""
    fleet.bot("a")
    fleet.bot("b", target=OTHER)
    fleet.bot("c", kind="quantum_trader", target=BAD)
    why = fleet.why()
    assert why["a"] == why["b"] != "" and why["c"] == ""
    assert f"{OTHER}: b; {GOOD}: a" in why["a"] and "mixed_targets" in why["a"]
    assert fleet.passing(mixed_targets=True) == {"a", "b", "c"}


def test_a_group_of_its_own_is_compared_with_nobody(fleet: Fleet) -> None:
    fleet.bot("a")
    fleet.bot("b", target=OTHER, botfleet_target_group="makers")
    assert fleet.passing() == {"a", "b"}


def test_an_unsafe_bot_holds_no_group(fleet: Fleet) -> None:
    fleet.bot("a")
    fleet.bot("b", target=OTHER, halting={"stop_fails": True})
    assert fleet.passing(max_unsafe=1) == {"a"}


def test_a_bot_with_an_invalid_step_is_refused_alone(fleet: Fleet) -> None:
    invalid = {"failed": True, "msg": "step 'x' of stage verify:\n no such option"}
    fleet.bot("a", revert_validation=invalid)
    fleet.bot("b", revert_validation={"failed": False})
    assert fleet.why() == {"a": "refused before its revert: step 'x' of stage verify: no such option", "b": ""}


def test_a_bot_is_refused_whose_testnet_credentials_may_be_productions(fleet: Fleet) -> None:
    """S4.4: as the controller read them, where the hosts may not."""
    known: dict[str, Any] = {"account": "bybit testnet", "not_known_in": ["production", "demo"]}
    gateway = {"account": "okx demo", "not_known_in": []}
    failed = {"failed": True, "msg": "the credentials of bybit are\n of production"}
    fleet.bot("a", revert_credentials={"results": [{"skipped": True}, known]})
    fleet.bot("b", revert_credentials={"results": [known, gateway]})
    fleet.bot("c", revert_credentials={"results": [failed], "failed": True})
    fleet.bot("d", revert_credentials={"skipped": True})
    fleet.bot("e", revert_credentials={"failed": True, "msg": "botfleet_accounts is undefined"})
    fleet.bot("f", revert_credentials={"results": [{"unreachable": True, "msg": "no room for its files"}]})
    why = fleet.why()
    assert (why["a"], why["d"]) == ("", "")
    assert why["e"].endswith("are not proven to be a testnet's: botfleet_accounts is undefined")
    assert why["f"].endswith("are not proven to be a testnet's: no room for its files")
    assert why["b"].startswith("nothing shows that its botfleet_testnet_credentials of okx demo are not production's")
    assert why["c"].endswith("are not proven to be a testnet's: the credentials of bybit are of production")


def test_check_mode_lets_pass_what_could_be_planned(fleet: Fleet) -> None:
    fleet.bot("a", halting={"check_mode": True})
    assert not fleet.variables["a"]["halt_result"]["safe"]["is_safe"]
    assert fleet.passing(check_mode=True, plan=PLAN) == {"a"}
    fleet.bot("b", halting={"check_mode": True, "target_fails": True})
    assert fleet.passing(check_mode=True, plan=PLAN, max_unsafe=1) == {"a"}


def test_a_bad_batch_stops_the_roll(fleet: Fleet) -> None:
    good = fleet.bot("a")
    names = ["a", "b", "c"]
    fleet.variables["a"]["revert_result"] = good.revert()
    fleet.bot("b", halt=UNREACHABLE, revert=SKIPPED)
    fleet.bot("c")
    assert roll_goes_on(names, fleet.variables), "a bot that was held back is no bad batch"
    for bad in (UNREACHABLE, TIMED_OUT, Bot(fleet.root, "d").revert()):
        fleet.variables["b"]["revert_result"] = bad
        assert not roll_goes_on(names, fleet.variables)
