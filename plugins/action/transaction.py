# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Templates the steps of a transaction one by one, then sends them to the host in one module."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase

from ..module_utils._transaction.spec import CONSTRAINTS, OPTIONS
from ..plugin_utils._agent import Broken, Exchange, packed
from ..plugin_utils._controller import controller
from ..plugin_utils._follow import Follower
from ..plugin_utils._steps import StepReader, template_secrets
from ..plugin_utils._variables import Variables

LOCAL = ("stages_from", "validated_from", "secrets_from", "validate_only", "follow")
OLDEST_PYTHON = (3, 9)
NOT_EXECUTABLE, NOT_FOUND = 126, 127  # what a shell says of a command
packed()  # once, before Ansible forks a worker for each bot


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible-core ships no types
    """The controller's side of ``tradeops.botfleet.transaction``."""

    _requires_connection = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        self._values = Variables(self._templar, variables)
        arguments = self._arguments(variables)
        raw_secrets, no_secrets = self._read(arguments["secrets_from"], variables, Mapping, {})
        secrets, problems = template_secrets(raw_secrets, self._templar.template)
        if arguments["validated_from"]:
            arguments.update(self._validated(arguments["validated_from"], variables))
        else:
            reader = StepReader(self._values, variables.get("omit"), problems, no_secrets)
            for stage in arguments["stages"]:
                stage["steps"] = self._steps(reader, stage, variables)
            arguments["safe"] = {"steps": self._steps(reader, arguments["safe"] or {}, variables)}
        if arguments["validate_only"]:
            return {**result, **_validation(arguments["stages"], arguments["safe"])}
        sent = {
            **{name: value for name, value in arguments.items() if name not in LOCAL},
            "bot": arguments["bot"] or variables["inventory_hostname"],
            "controller": controller(),
            "secrets": secrets,
        }
        started = time.time()
        answer = self._answer(sent, variables)
        if answer.get("following"):
            answer = self._followed(sent, answer, variables)
        result.update(answer)
        if "steps" in result:
            result["controller_times"] = {"sent": started, "received": time.time()}
        return result

    def _answer(self, sent: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        return self._through_agent(sent) or self._through_module(sent, variables)

    def _followed(self, sent: dict[str, Any], begun: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        """The result of a transaction that goes on by itself."""
        asked = {name: sent[name] for name in ("rollback_id", "bot", "state_dir")}
        asked.update(stages=[], follow=begun["following"])
        names = {f"{stage['name']}/{step['id']}": step["name"] for stage in sent["stages"] for step in stage["steps"]}
        follower = Follower(
            variables["inventory_hostname"], names, lambda: self._answer(asked, variables), self._display
        )
        return follower.wait(begun)

    def _through_agent(self, sent: dict[str, Any]) -> dict[str, Any] | None:
        """The result of an armed host's agent; None if there is none, or the connection cannot hand it its request."""
        if not self._is_pipelining_enabled("new"):
            return None
        exchange = Exchange(sent, check_mode=self._task.check_mode)
        environment = self._compute_environment_string()
        done = self._low_level_execute_command(f"{environment} {exchange.command}".strip(), in_data=exchange.data)
        try:
            answer = exchange.result(done)
        except Broken as error:
            return {"failed": True, "msg": str(error), "path": "agent"}
        return answer and {**answer, "path": "agent"}

    def _through_module(self, sent: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        name = "tradeops.botfleet.transaction"
        answer: dict[str, Any] = self._execute_module(module_name=name, module_args=sent, task_vars=variables)
        if not answer.keys() & {"steps", "following", "detached"}:
            answer["msg"] = self._unfit_python() or answer.get("msg")
        return {**answer, "path": "module"}

    def _unfit_python(self) -> str:
        """Why a module that brought no result could not run, if that is because of the host's Python."""
        python = str(self._used_interpreter or "").removeprefix("#!")
        asked = self._low_level_execute_command(f"{python} -c 'import sys; print(sys.version.split()[0])'")
        version = re.match(r"(\d+)\.(\d+)\S*$", asked["stdout"].strip())
        mend = f"set ansible_python_interpreter to a Python from {'.'.join(map(str, OLDEST_PYTHON))} on"
        if version and (int(version[1]), int(version[2])) < OLDEST_PYTHON:
            return f"{python} is Python {version[0]}, which is too old: {mend}"
        if asked["rc"] in (NOT_EXECUTABLE, NOT_FOUND):
            return f"{python} cannot be run on this host: {mend}"
        return ""

    def _arguments(self, variables: dict[str, Any]) -> dict[str, Any]:
        given = {name: value for name, value in self._task.args.items() if value is not None}
        if given.get("stages_from") and not given.get("validated_from"):
            given["stages"] = self._stages(given["stages_from"], variables)
        for scope in [*(given.get("stages") or []), given.get("safe") or {}]:
            if isinstance(scope, dict):  # nested omit placeholders survive in ansible-core 2.18
                for name in [name for name, value in scope.items() if value == variables.get("omit") or value is None]:
                    del scope[name]
        validated = ArgumentSpecValidator(OPTIONS, **CONSTRAINTS).validate(given)
        if validated.error_messages:
            raise AnsibleActionFail(f"transaction: {'; '.join(validated.error_messages)}")
        arguments: dict[str, Any] = dict(validated.validated_parameters)
        names = [stage["name"] for stage in arguments["stages"] or []]
        if len(set(names)) < len(names):
            raise AnsibleActionFail(f"transaction: stages are {', '.join(names)}: name each stage once")
        return arguments

    def _stages(self, name: str, variables: dict[str, Any]) -> list[Any]:
        """The stages of a variable; steps among them stay as they are written."""
        raw, problem = self._read(name, variables, list, [])
        if problem:
            raise AnsibleActionFail(f"transaction: {problem}")
        return [
            {**self._values.render({key: part for key, part in stage.items() if key != "steps"}), **_steps_of(stage)}
            if isinstance(stage, dict)
            else stage
            for stage in raw
        ]

    def _validated(self, name: str, variables: dict[str, Any]) -> dict[str, Any]:
        earlier = variables.get(name)
        if not isinstance(earlier, Mapping) or "invalid" not in earlier:
            raise AnsibleActionFail(f"transaction: {name} is no result of validate_only: register that first")
        return {"stages": earlier["stages"], "safe": earlier["safe"]}

    def _steps(self, reader: StepReader, scope: dict[str, Any], variables: dict[str, Any]) -> list[dict[str, Any]]:
        source = scope.pop("steps_from", None)
        only = scope.pop("only", None)
        no_steps = scope.pop("no_steps", None)
        given, problem = scope.get("steps"), ""
        if given is None:
            given, problem = self._read(source, variables, list, [])
        if problem:
            return [{"id": str(source), "name": str(source), "operation": "none", "invalid": problem}]
        steps = reader.read(given, only)
        if no_steps and not steps:
            return [{"id": "steps", "name": "Find its steps", "operation": "none", "invalid": no_steps}]
        return steps

    def _read(self, name: str | None, variables: dict[str, Any], kind: Any, default: Any) -> tuple[Any, str]:
        """A variable as it is written, its values not templated yet; or the default, and why it cannot be had."""
        if name is None:
            return default, ""
        if name not in variables:
            return default, f"variable {name!r} is not defined for this bot"
        value = variables[name]
        try:
            if isinstance(value, str):
                value = self._templar.template(value)
        except Exception as error:  # noqa: BLE001  # whatever a filter of ansible-core 2.18 raises
            return default, f"variable {name!r} cannot be templated: {error}"
        if not isinstance(value, kind):
            return default, f"variable {name!r} is not a {kind.__name__.lower()}"
        return value, ""


def _steps_of(stage: dict[str, Any]) -> dict[str, Any]:
    return {"steps": stage["steps"]} if "steps" in stage else {}


def _validation(stages: list[dict[str, Any]], safe: dict[str, Any]) -> dict[str, Any]:
    invalid = [
        f"step {step['name']!r} of stage {stage['name']}: {step['invalid']}"
        for stage in stages
        for step in stage["steps"]
        if step.get("invalid")
    ]
    found = {"changed": False, "failed": bool(invalid), "invalid": invalid, "msg": "; ".join(invalid)}
    return {**found, "stages": stages, "safe": safe}
