# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Failures first: why, what is left as it should not be, what to do."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible import context
from ansible.module_utils.common.collections import ImmutableDict
from ansible.parsing.dataloader import DataLoader
from ansible.utils.vars import load_extra_vars
from ansible_collections.tradeops.botfleet.plugins.plugin_utils._report.command import DEFAULTS, command

from ..results import Bot
from . import records
from .page import Element, classed, page, section, text

ROOT = Path(__file__).resolve().parents[5]


def cases(root: Element) -> dict[str, str]:
    return {text(classed(case, "names")[0]): text(case) for case in classed(root, "case")}


def test_failures_come_first_and_the_worst_of_them_first(tmp_path: Path) -> None:
    root = page(records.mixed(tmp_path))
    sections = [element.get("aria-labelledby") for element in root.iter("section")]
    assert sections.index("attention") < sections.index("timeline") < sections.index("bots")
    worst_first = ["gone", "stuck", "held", "sick", "undone", "good"]
    assert list(cases(root)) == worst_first[:-1]
    assert [text(row[0]) for row in classed(root, "bots")[0].iter("tr")][1:] == worst_first
    rows = classed(root, "timeline")[0].iter("tr")
    assert [text(row[0]).split(",")[0] for row in rows][1:] == worst_first


def test_each_failure_says_what_failed_what_is_left_and_what_to_do(tmp_path: Path) -> None:
    found = cases(page(records.mixed(tmp_path)))
    assert "unreachable" in found["gone"] and "counts as trading" in found["gone"]
    assert "Failing step halt: process stopped" in found["stuck"] and "is not proven" in found["stuck"]
    assert "held at the barrier" in found["held"] and "no step of its own failed" in found["held"]
    assert "Failing step verify: health good" in found["sick"] and "stays stopped" in found["sick"]
    assert "version deploy-20251201-083000" in found["sick"]
    assert "Failing step revert: code" in found["undone"]


def test_what_was_put_back_and_what_could_not_be(tmp_path: Path) -> None:
    found = records.mixed(tmp_path)
    steps = next(bot for bot in found["bots"] if bot["name"] == "undone")["steps"]
    steps.append({**steps[-1], "stage": "revert", "name": "Config", "status": "undone", "message": "is as it was"})
    steps.append({**steps[-1], "name": "Testnet", "status": "not_undone", "message": "stays on testnet"})
    case = cases(page(found))["undone"]
    assert "Put back revert: Config: is as it was" in case
    assert "Could not be put back revert: Testnet: stays on testnet" in case


def test_bots_with_the_same_failure_are_one_case(tmp_path: Path) -> None:
    root = page(records.scaled(records.mixed(tmp_path), 30))
    assert len(classed(root, "case")) == 5
    names = [name for case in cases(root) for name in case.split(", ")]
    assert len(names) == 25


def test_bots_that_differ_in_their_sentence_only_are_one_case_with_all_sentences(tmp_path: Path) -> None:
    root = page(records.unreachable(tmp_path, 20))
    (case,) = classed(root, "case")
    assert text(case).startswith("20 bots")
    for number in range(20):
        assert f"bot-{number + 1} unreachable: port {number} is closed" in text(case)


def test_what_to_do_about_what_is_held(tmp_path: Path) -> None:
    root = page(records.held(tmp_path))
    found = cases(root)
    assert list(found) == ["silent", "stuck", "stops"]
    for name in ("silent", "stuck"):
        assert "It cannot trade" in found[name] and "Look there, close by hand what cannot wait" in found[name]
    assert "exposure residual 1234.50" in found["stuck"] and "exposure unproven" in found["silent"]
    assert "not restored, guarded" in found["stops"] and "accept_guarded=true to go on" in found["stops"]
    assert "is safe" not in text(section(root, "attention")).replace("is not safe", "")


def test_a_guarded_bot_that_was_accepted_and_failed_later_is_not_called_safe(tmp_path: Path) -> None:
    bot = Bot(tmp_path, "stops").holds(2500.0, strategy="natural")
    inputs = {"positions": "natural", "accept_guarded": True}
    found = records.record([bot.variables(bot.halt(), bot.revert(code_fails=True))], inputs=inputs)
    (case,) = cases(page(found)).values()
    assert "told to fail" in case and "stays stopped, and its positions are left to their stops" in case
    assert "is safe" not in case
    assert "-e positions=natural" in command(found) and "-e accept_guarded=true" in command(found)
    defaults = {"positions": "cancel_and_close", "accept_guarded": False}
    assert not [name for name in defaults if name in command({**found, "inputs": defaults})]


def test_a_check_of_a_guarded_bot_says_that_the_barrier_would_hold_it(tmp_path: Path) -> None:
    bot = Bot(tmp_path, "stops").holds(2500.0, strategy="natural")
    bot.halt()  # so that no order is left that could open more
    checked = bot.variables(bot.halt(check_mode=True), bot.revert(check_mode=True))
    (case,) = cases(page(records.record([checked], check_mode=True))).values()
    assert "guarded: 1 position of 2500.00 left to their stops" in case
    assert "The barrier holds it unless accept_guarded=true is given" in case


def extra_vars(line: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What Ansible itself makes of the command's -e options."""
    words = shlex.split(line.replace("\\\n", " "))
    given = tuple(value for flag, value in zip(words, words[1:]) if flag == "-e")
    monkeypatch.setattr(context, "CLIARGS", ImmutableDict(extra_vars=given))
    load_extra_vars.__dict__.pop("extra_vars", None)  # which it would else remember
    return dict(load_extra_vars(DataLoader()))


@pytest.mark.parametrize(
    "reason", ["x", "P&L anomaly: -$150", 'it\'s "bad"; rm -rf / `id` $(id)', "a=b c=d", "100 %", "ünder\tway"[:5]]
)
def test_the_command_gives_ansible_the_same_inputs(
    tmp_path: Path, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reason with blanks, quotes or an equals sign is one value to the shell and to Ansible."""
    found = {**records.mixed(tmp_path), "scope": "tn-1:&demo:!b[0]", "reason": reason, "phase": "4"}
    found["inputs"] = {"target": "deploy-1", "batch": "25%", "mixed_targets": True, "hand_back": False, "max_unsafe": 2}
    found["inputs"] |= {"start_jitter": 0, "confirm_within": "0"}
    found["inputs"] |= {"data_at_risk": True, "database": True, "database_backup": "cold-1", "allow_discard": False}
    line = command(found)
    assert extra_vars(line, monkeypatch) == {
        "plan": "emergency",
        "scope": "tn-1:&demo:!b[0]",
        "rollback_id": "rb-1",
        "target": "deploy-1",
        "max_unsafe": "2",
        "confirm_within": "0",
        "mixed_targets": "true",
        "data_at_risk": "true",
        "database": "true",
        "database_backup": "cold-1",
        "phase": "4",
        "trigger": "operator",
        "reason": reason,
    }
    assert (
        not {"phase", "trigger"}
        & extra_vars(command({**found, "phase": None, "trigger": "manual"}), monkeypatch).keys()
    )
    assert text(section(page(found), "attention")).endswith(" ".join(line.split()))


def test_the_command_knows_every_input_that_a_record_has() -> None:
    """What it left out, the same id would do without, and end well. Whether a job is a slice, AWX says."""
    inputs = yaml.safe_load((ROOT / "playbooks" / "vars" / "inputs.yml").read_text())["record_inputs"]
    assert set(DEFAULTS) == set(inputs) - {"sliced"}


@pytest.mark.parametrize("reason", ["{{ lookup('pipe', 'id') }}", "{% x %}", "{#", "a\x1b[2Jb", "a\nb"])
def test_a_reason_that_could_be_a_template_or_a_control_code_is_not_given_to_be_copied(
    tmp_path: Path, reason: str
) -> None:
    """An alert's text that is copied from the page into a shell must not be evaluated by Ansible."""
    line = command({**records.mixed(tmp_path), "reason": reason})
    assert reason not in line and '{"reason": "as before"}' in line


def test_a_target_that_the_plan_sets_is_not_given(tmp_path: Path) -> None:
    found = records.mixed(tmp_path)
    found["inputs"]["target"] = "current"
    assert "target=current" in command(found)
    assert "target" not in command({**found, "plan": "go_live"}), "which refuses one"


def test_a_check_is_checked_again(tmp_path: Path) -> None:
    line = command({**records.mixed(tmp_path), "check_mode": True})
    assert "--check --diff" in line and "rollback_id" not in line
