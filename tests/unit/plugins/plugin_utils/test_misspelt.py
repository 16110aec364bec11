# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Misspelt variables and inputs, found in real inventories and on Ansible's own command line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible import context
from ansible.inventory.manager import InventoryManager
from ansible.module_utils.common.collections import ImmutableDict
from ansible.parsing.dataloader import DataLoader
from ansible.utils.vars import load_extra_vars
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager
from ansible_collections.tradeops.botfleet.plugins.plugin_utils import _misspelt
from ansible_collections.tradeops.botfleet.plugins.plugin_utils._misspelt import input_warnings, unknown_variables

ROOT = Path(_misspelt.__file__).resolve().parents[2]
FLAT: dict[str, Any] = {"botfleet_holds_positions": False}
CHECKED: dict[str, Any] = {"botfleet_health_checks": [], **FLAT}
INPUTS = yaml.safe_load((ROOT / "playbooks" / "vars" / "inputs.yml").read_text())["assess_inputs"]

Warn = Callable[..., list[str]]


def hostvars(path: Path) -> HostVars:
    loader = DataLoader()
    inventory = InventoryManager(loader=loader, sources=[str(path)])
    return HostVars(inventory, VariableManager(loader=loader, inventory=inventory), loader)


@pytest.fixture
def warn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Warn:
    """Warnings about bots with these variables, and about these extra variables."""

    def warn(hosts: dict[str, dict[str, Any]], *extra_vars: str) -> list[str]:
        monkeypatch.setattr(context, "CLIARGS", ImmutableDict(extra_vars=extra_vars))
        monkeypatch.setattr(load_extra_vars, "extra_vars", {}, raising=False)  # what it keeps is that of a command line
        path = tmp_path / "hosts.yml"
        path.write_text(json.dumps({"bots": {"hosts": hosts}}))
        return input_warnings(list(hosts), hostvars(path), INPUTS)

    return warn


def test_a_misspelt_variable_is_named_with_the_bot_and_what_is_meant(warn: Warn) -> None:
    hosts = {"qt-1": {**CHECKED, "botfleet_healthchecks": "{{ nowhere }}"}, "qt-2": CHECKED}
    said = "qt-1: botfleet_healthchecks is no variable of this collection: did you mean botfleet_health_checks?"
    assert warn(hosts) == [said]


def test_what_is_like_no_variable_is_named_without_a_guess(warn: Warn) -> None:
    assert warn({"a": {**CHECKED, "botfleet_xyz": 1}}) == ["a: botfleet_xyz is no variable of this collection"]


def test_many_bots_share_a_line(warn: Warn) -> None:
    lines = warn({f"tn-{number}": {**CHECKED, "botfleet_pth": "/srv"} for number in range(1, 201)})
    meant = "botfleet_pth is no variable of this collection: did you mean botfleet_path?"
    assert lines == [f"200 bots (tn-1, tn-2 and 198 more): {meant}"]


def test_bots_without_health_checks_are_named_unless_they_say_so(warn: Warn) -> None:
    said = "no botfleet_health_checks, so that it works after the rollback is not proven"
    assert warn({"a": FLAT, "b": FLAT, "c": CHECKED}) == [f"2 bots (a and b): {said}"]


def test_bots_that_say_nothing_of_positions_are_named(warn: Warn) -> None:
    checks: dict[str, Any] = {"botfleet_health_checks": []}
    said = "no botfleet_exposure, so what it holds is unproven, which is not safe"
    assert warn({"a": checks, "b": {**checks, "botfleet_exposure": []}, "c": CHECKED}) == [f"a: {said}"]


def test_variables_of_others_are_theirs(warn: Warn) -> None:
    assert warn({"a": {**CHECKED, "botfleets": 1, "my_botfleet_path": 2, "ansible_user": "x"}}) == []


@pytest.mark.parametrize("form", ["positons=handled", '{"positons": "handled"}', "@{file}"])
def test_a_misspelt_input_is_named_however_it_is_given(warn: Warn, tmp_path: Path, form: str) -> None:
    (tmp_path / "given.yml").write_text("positons: handled\n")
    lines = warn({"a": CHECKED}, form.replace("{file}", str(tmp_path / "given.yml")))
    assert lines == ["positons is no input of the rollback: did you mean positions?"]


@pytest.mark.parametrize(
    "extra",
    [
        *(f"{name}=x" for name in INPUTS),
        "ticket=OPS-1",
        "tag=x",
        "batch_size=3",
        "plan=emergency plans=mine",
        "halt_mixed_targets=true",
        "halt_max_unsafe=1",
        "botfleet_path=/srv",
    ],
)
def test_inputs_and_what_people_add_are_not_warned_of(warn: Warn, extra: str) -> None:
    assert warn({"a": CHECKED}, extra) == []


def test_a_misspelt_variable_on_the_command_line_is_that_of_each_bot(warn: Warn) -> None:
    (line,) = warn({"a": CHECKED, "b": CHECKED}, "botfleet_known_bat=x")
    assert line.startswith("2 bots (a and b): botfleet_known_bat") and "botfleet_known_bad?" in line


def test_what_cannot_be_found_out_is_not_warned_of() -> None:
    class Broken(dict[str, Any]):
        def __missing__(self, bot: str) -> Any:
            raise RuntimeError(bot)

    assert input_warnings(["a"], Broken(), INPUTS) == []


def test_the_inputs_are_those_that_the_playbook_reads_and_documents() -> None:
    text = (ROOT / "playbooks" / "vars" / "inputs.yml").read_text()
    page = (ROOT / "docs" / "rollback.md").read_text()
    table = page[page.index("| input |") :].split("\n\n")[0]
    assert re.findall(r"^\| `(\w+)`", table, re.MULTILINE) == INPUTS
    assert all(re.search(rf"\{{\{{ {name} \| default", text) for name in INPUTS)


@pytest.mark.parametrize("inventory", sorted(path.name for path in (ROOT / "inventories").iterdir() if path.is_dir()))
def test_our_own_inventories_have_nothing_unknown(inventory: str) -> None:
    variables = hostvars(ROOT / "inventories" / inventory)
    bots = [host for host in variables if "botfleet_kind" in variables[host]]
    assert bots and unknown_variables(bots, variables) == []
