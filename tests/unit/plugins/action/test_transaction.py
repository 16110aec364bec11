# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One bad variable or secret must not keep a bot from being halted. Playbooks, vault and files are real."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.peers.old_python import VERSION, make_old_python

from .conftest import Controller, Run


def transaction(name: str, stages: list[dict[str, Any]], **options: Any) -> dict[str, Any]:
    """A task that registers ``name`` and keeps its state as a bot of that name."""
    arguments = {"rollback_id": "rb-1", "bot": name, "state_dir": "{{ state }}", "stages": stages, **options}
    return {"name": name, "tradeops.botfleet.transaction": arguments, "register": name}


def halt(**source: Any) -> dict[str, Any]:
    return {"name": "halt", "on_failure": "continue", **source}


def lower(name: str, path: str = "", **more: Any) -> dict[str, Any]:
    """A step that lowers the flag of that name."""
    options = {"path": path or "{{ root }}/" + name, "state": "absent", **more}
    return {"name": f"Lower {name}", "id": name, "go_live_flag": options}


def statuses(run: Run, name: str) -> dict[str, str]:
    return {step["id"]: step["status"] for step in run.results[name]["steps"]}


def message(run: Run, name: str, step_id: str) -> str:
    return next(str(step["message"]) for step in run.results[name]["steps"] if step["id"] == step_id)


def raise_flags(root: Path, *names: str) -> None:
    for name in names:
        (root / name).write_text("live")


def test_what_cannot_be_templated_fails_its_own_step_and_the_others_are_applied(either_path: Controller) -> None:
    """Undefined paths, filters that raise, variables that are not there: the flag goes down all the same."""
    raise_flags(either_path.root, "first", "last", "inline", "deep", "tilde", "nested")
    steps = [
        lower("first"),
        lower("undefined", "{{ nowhere }}/flag"),
        lower("division", "{{ 1 / 0 }}"),
        lower("json", "{{ '[' | from_json }}"),
        {**lower("when"), "when": "{{ nowhere }}"},
        lower("last", config_path="{{ nowhere | default(omit) }}", config_key="{{ nowhere | default(omit) }}"),
    ]
    (either_path.root / "home").mkdir()
    (either_path.root / "home" / "tilde").write_text("live")
    tasks = [
        transaction(
            "mixed",
            [
                halt(
                    steps_from="mixed_steps",
                    only="{{ nowhere | default(omit) }}",
                    budget="{{ nowhere | default(omit) }}",
                )
            ],
            safe={"steps_from": "mixed_safe", "only": "{{ nowhere | default(omit) }}"},
            secrets_from="nowhere_secrets",
        ),
        transaction("missing", [halt(steps_from="nowhere_steps")]),
        transaction("text", [halt(steps_from="text_steps")]),
        transaction("broken", [halt(steps_from="broken_steps")]),
        transaction("deep", [halt(steps_from="deep_steps")]),
        {
            **transaction("tilde", [halt(steps=[lower("tilde", "~/tilde")])]),
            "environment": {"HOME": str(either_path.root / "home")},
        },
        transaction("nothing", [halt(steps_from="mixed_steps", only=[], no_steps="this kind has none")]),
        transaction("something", [halt(steps=[lower("nested")], no_steps="this kind has none")]),
        transaction("named_twice", [halt(steps=[lower("inline")]), halt(steps=[lower("inline")])]),
        transaction("validated", [halt(steps_from="mixed_steps")], validate_only=True),
    ]
    deep = {"path": "{{ root }}/deep", "state": "absent", "config_path": "{{ nowhere | default(omit) }}"}
    run = either_path.play(
        tasks,
        mixed_steps=steps,
        mixed_safe=[lower("first"), lower("undefined", "{{ nowhere }}")],
        text_steps="lower the flag",
        broken_steps="{{ nowhere + [] }}",
        deep_base=deep,
        deep_steps=[{"name": "x", "id": "deep", "go_live_flag": "{{ deep_base | combine({'confirm': false}) }}"}],
    )
    assert statuses(run, "mixed") == {
        "first": "changed",
        "undefined": "failed",
        "division": "failed",
        "json": "failed",
        "when": "failed",
        "last": "changed",
    }, run.output
    assert "nowhere" in message(run, "mixed", "undefined") and "nowhere" in message(run, "mixed", "when")
    assert [reading["ok"] for reading in run.results["mixed"]["safe"]["read"]] == [True, False]
    assert not (either_path.root / "first").exists() and not (either_path.root / "last").exists()

    assert "'nowhere_steps' is not defined" in message(run, "missing", "nowhere_steps")
    assert "'text_steps' is not a list" in message(run, "text", "text_steps")
    assert "'broken_steps' cannot be templated" in message(run, "broken", "broken_steps")
    assert statuses(run, "deep") == {"deep": "changed"}, "an omitted option in a nested variable is left out"

    assert statuses(run, "tilde") == {"tilde": "changed"}, "~ is the home of the bot's host, not the controller's"
    assert (either_path.root / "tilde").exists() and not (either_path.root / "home" / "tilde").exists()

    assert message(run, "nothing", "steps") == "this kind has none" and run.results["nothing"]["failed"]
    assert statuses(run, "something") == {"nested": "changed"}

    assert "name each stage once" in run.results["named_twice"]["msg"] and (either_path.root / "inline").exists()
    validated = run.results["validated"]
    assert validated["failed"] and len(validated["invalid"]) == 4 and not validated["changed"]


def test_what_was_validated_is_carried_out_as_it_was_rendered(either_path: Controller) -> None:
    """A fleet's steps are rendered once for both, and a text that holds braces is data the second time."""
    raise_flags(either_path.root, "flag", "odd {{ 1 + 1 }}")
    named = {
        "name": "halt",
        "on_failure": "continue",
        "budget": "{{ seconds }}",
        "only": "{{ nowhere | default(omit) }}",
    }
    of_bot = {"rollback_id": "rb-1", "bot": "bot-1", "state_dir": "{{ state }}"}
    safe = {"steps": [lower("flag")]}

    def task(name: str, **options: Any) -> dict[str, Any]:
        return {"tradeops.botfleet.transaction": {**of_bot, **options}, "register": name}

    run = either_path.play(
        [
            task("validated", stages_from="bot_stages", safe=safe, validate_only=True),
            task("planned", stages_from="bot_stages", validated_from="validated") | {"check_mode": True},
            {"ansible.builtin.set_fact": {"bot_stages": []}},
            task("done", stages_from="bot_stages", validated_from="validated"),
            task("never_validated", stages_from="bot_stages", validated_from="planned"),
            task("nothing", stages_from="nowhere") | {"vars": {"bot_stages": []}},
        ],
        bot_stages=[{**named, "steps": [lower("flag"), lower("odd", "{{ root }}/{{ odd }}")]}],
        seconds="{{ 3 * 4 }}",
        odd="odd {{ '{{' }} 1 + 1 }}",
    )
    assert not run.results["validated"]["failed"], run.output
    assert {step["status"] for step in run.results["planned"]["steps"]} == {"changed"}
    done = run.results["done"]
    assert statuses(run, "done") == {"flag": "changed", "odd": "changed"} and done["safe"]["is_safe"], run.output
    assert done["stages"][0]["budget"] == 12
    assert not list(either_path.root.glob("odd*"))
    assert "planned is no result of validate_only" in run.results["never_validated"]["msg"]
    assert "'nowhere' is not defined" in run.results["nothing"]["msg"]


class Vault:
    """Variables encrypted by the real ansible-vault."""

    def __init__(self, controller: Controller) -> None:
        self.controller = controller
        self.right = controller.root / "right"
        self.wrong = controller.root / "wrong"
        self.right.write_text("the right password")
        self.wrong.write_text("another password")

    def encrypted(self, text: str) -> str:
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "ansible",
                "vault",
                "encrypt_string",
                "--vault-password-file",
                str(self.right),
                text,
            ],
            env=self.controller.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout.strip()

    def variables(self, text: str) -> str:
        """A variables file; one credential in it is encrypted, inside a dictionary."""
        value = self.encrypted(text).replace("\n", "\n    ")
        path = self.controller.root / "secret.yml"
        path.write_text(f"credentials:\n  binance:\n    api_key: {value}\n")
        return str(path)


def test_a_wrong_vault_password_fails_only_the_step_that_uses_the_secret(either_path: Controller) -> None:
    vault = Vault(either_path)
    variables = vault.variables("CANARY-key-0001")
    raise_flags(either_path.root, "first", "last")
    (either_path.root / "exchange.yaml").write_text("exchanges:\n  binance:\n    testnet: false\n    api_key: real\n")
    on_testnet = {
        "name": "Testnet",
        "id": "testnet",
        "exchange_testnet": {
            "path": "{{ root }}/exchange.yaml",
            "credentials": {"secret": "binance"},
        },
    }
    secret_path = lower("secret_path", "{{ root }}/{{ credentials.binance.api_key }}")
    task = transaction(
        "mixed", [halt(steps=[])], secrets_from="secrets", safe={"steps_from": "steps", "only": ["first", "last"]}
    )
    task["tradeops.botfleet.transaction"]["stages"] = [halt(steps_from="steps")]
    given = {
        "secrets": {"binance": "{{ credentials }}"},
        "steps": [lower("first"), on_testnet, secret_path, lower("last")],
    }
    run = either_path.play([task], "--vault-password-file", str(vault.wrong), files=(variables,), **given)
    assert statuses(run, "mixed") == {
        "first": "changed",
        "testnet": "failed",
        "secret_path": "failed",
        "last": "changed",
    }, run.output
    assert run.results["mixed"]["safe"]["is_safe"]
    assert not (either_path.root / "first").exists() and not (either_path.root / "last").exists()

    task["tradeops.botfleet.transaction"]["rollback_id"] = "rb-2"
    run = either_path.play([task], "--vault-password-file", str(vault.right), files=(variables,), **given)
    assert statuses(run, "mixed")["testnet"] == "changed", "with the right password it works"
    assert "CANARY-key-0001" in (either_path.root / "exchange.yaml").read_text()
    assert "CANARY-key-0001" not in json.dumps(run.results) + run.output


@pytest.mark.parametrize("check", [(), ("--check",)])
def test_arguments_of_the_transaction_itself_are_checked(controller: Controller, check: tuple[str, ...]) -> None:
    tasks = [
        transaction("policy", [{"name": "halt", "on_failure": "ignore", "steps": []}]),
        transaction("stage", [{"name": "stop", "steps": []}]),
        transaction("option", [halt(steps=[])], stat_dir="x"),
    ]
    run = controller.play(tasks, *check)
    assert all(result["failed"] for result in run.results.values())
    assert "continue" in run.results["policy"]["msg"] and "halt" in run.results["stage"]["msg"]
    assert "stat_dir" in run.results["option"]["msg"]


def test_what_cannot_be_piped_or_is_not_proven_goes_through_the_module(tmp_path: Path) -> None:
    """S2.3: a connection that does not pipe, an agent that was altered, one of another version. The work is done."""
    armed = Controller(tmp_path, "agent")
    armed.path = "module"
    agent = tmp_path / "state" / "agent"
    foreign = f"rm {agent}/*; echo foreign > {agent}/{'0' * 64}.pyz"
    raise_flags(tmp_path, "unpiped", "altered", "foreign")
    run = armed.play(
        [
            {**transaction("unpiped", [halt(steps=[lower("unpiped")])]), "vars": {"ansible_pipelining": False}},
            {"ansible.builtin.shell": f"for file in {agent}/*; do echo >> $file; done"},
            transaction("altered", [halt(steps=[lower("altered")])]),
            {"ansible.builtin.shell": foreign},
            transaction("foreign", [halt(steps=[lower("foreign")])]),
        ]
    )
    assert {name: statuses(run, name)[name] for name in run.results} == {
        "unpiped": "changed",
        "altered": "changed",
        "foreign": "changed",
    }, run.output
    assert {name: result["path"] for name, result in run.results.items()} == dict.fromkeys(run.results, "module")
    assert not [path.name for path in tmp_path.iterdir() if path.name in run.results]


def test_a_host_whose_python_cannot_run_it_says_so(controller: Controller) -> None:
    """Ansible's own words range from a version to a syntax error; a module that crashed keeps them."""
    crashing = controller.root / "crashing"
    crashing.write_text(f'#!/bin/sh\n[ "$1" = -c ] && exec {sys.executable} "$@"\necho out of memory >&2\nexit 1\n')
    crashing.chmod(0o755)
    pythons = {"old": make_old_python(controller.root), "missing": "/nowhere/python3", "crashing": str(crashing)}
    tasks = [
        {**transaction(name, [halt(steps=[lower("flag")])]), "vars": {"ansible_python_interpreter": python}}
        for name, python in pythons.items()
    ]
    run = controller.play(tasks)
    mend = "set ansible_python_interpreter to a Python from 3.9 on"
    said = {name: run.results[name]["msg"] for name in pythons}
    assert said["old"] == f"{pythons['old']} is Python {VERSION}, which is too old: {mend}", run.output
    assert said["missing"] == f"/nowhere/python3 cannot be run on this host: {mend}"
    assert "old" not in said["crashing"] and "ansible_python_interpreter" not in said["crashing"]
    assert not any("controller_times" in run.results[name] for name in pythons), "no result was received"
