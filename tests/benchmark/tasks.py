# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations of the emergency plan as one task each, made from the steps of the roles themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
KEYWORDS = {"args", "id", "loop", "mode", "name", "required", "timeout", "until_resume", "when"}
Step = dict[str, Any]


def plays(hosts: str) -> list[dict[str, Any]]:
    """A play to safe and one for the rest, with a task for each step of plans.yml's emergency."""
    plan = _vars("playbooks/vars/plans.yml")["botfleet_plans"]["emergency"]["kinds"]
    stages = {
        stage: _vars(f"roles/{stage}/vars/main.yml")[f"{stage}_steps"]
        for stage in next(iter(plan.values()))
        if stage != "safe"
    }
    stages["safe"] = _vars("roles/botfleet/vars/main.yml")["botfleet_safe"]
    halt = [*_tasks("halt", stages["halt"], plan), *_tasks("safe", stages["safe"], plan, proves=True)]
    rest = [task for stage in ("preserve", "revert", "resume", "verify") for task in _tasks(stage, stages[stage], plan)]
    return [_play("Halt", hosts, halt), _play("Go back", hosts, rest)]


def _play(name: str, hosts: str, tasks: list[dict[str, Any]]) -> dict[str, Any]:
    roles = ["preserve", "revert", "resume", "verify"]
    imports = [
        {
            "name": f"Read the variables of {role}",
            "ansible.builtin.import_role": {
                "name": f"tradeops.botfleet.{role}",
                "tasks_from": "stages" if role == "revert" else "steps",
                "rolespec_validate": False,
            },
        }
        for role in roles
    ]
    target = "{{ read_target.before.target.tag }}"
    variables = {
        "halt_target": "previous",
        "revert_target": target,
        "verify_target": target,
        "rollback_id": "benchmark",
    }
    return {"name": name, "hosts": hosts, "gather_facts": False, "vars": variables, "tasks": [*imports, *tasks]}


def _tasks(stage: str, steps: list[Step], plan: dict[str, Any], proves: bool = False) -> list[dict[str, Any]]:
    """Only looked at (mode plan), or looked at and refused if anything would change (mode prove), or applied."""
    tasks = []
    for step in steps:
        kinds = [kind for kind in plan if step["id"] in plan[kind][stage]]
        if not kinds:
            continue
        operation = next(key for key in step if key not in KEYWORDS)
        options, arguments = step[operation], step.get("args")
        if isinstance(options, str):
            options, arguments = {}, options
        task: dict[str, Any] = {"name": step["name"], f"tradeops.botfleet.{operation}": _secrets(options)}
        if arguments:
            task["args"] = arguments
        if "loop" in step:
            task["loop"] = step["loop"]
        task["when"] = [f"botfleet_kind in {kinds}"]
        if "when" in step:
            task["when"].append(step["when"].strip("{} "))
        mode = "prove" if proves else step.get("mode", "apply")
        if mode != "apply" and operation != "health_check":
            task["check_mode"] = True
        if mode == "prove" and operation != "health_check":
            task |= {"register": "proof", "failed_when": "proof is failed or proof is changed"}
        if mode == "plan":
            task["register"] = f"read_{step['id']}"
        tasks.append(task)
    return tasks


def _secrets(options: dict[str, Any]) -> dict[str, Any]:
    """Placeholders as the variables that they stand for."""
    return {
        name: f"{{{{ botfleet_secrets.{value['secret']} }}}}"
        if isinstance(value, dict) and "secret" in value
        else value
        for name, value in options.items()
    }


def _vars(path: str) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((ROOT / path).read_text())
    return read
