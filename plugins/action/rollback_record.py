# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the record of a rollback on the controller."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase

from ..module_utils._operation import OperationError
from ..module_utils._transaction.state import checked_name
from ..plugin_utils._artifacts import Artifacts
from ..plugin_utils._controller import controller
from ..plugin_utils._databases import NEEDED as DATABASES
from ..plugin_utils._exposure import NEEDED as EXPOSURE
from ..plugin_utils._record import build_record
from ..plugin_utils._results import value
from ..plugin_utils._summary import stored_notice, summary, verdict

OPTIONS: dict[str, Any] = {
    "rollback_id": {"type": "str", "required": True},
    "artifacts_dir": {"type": "path", "required": True},
    "plan": {"type": "str", "required": True},
    "scope": {"type": "str", "required": True},
    "reason": {"type": "str", "required": True},
    "trigger": {"type": "str", "default": "manual"},
    "automatic": {"type": "bool", "default": False},
    "operator": {"type": "str"},
    "phase": {"type": "str"},
    "decided_at": {"type": "str", "required": True},
    "bots": {"type": "list", "elements": "str", "required": True},
    "inputs": {"type": "dict", "default": {}},
}
NEEDED = ("inventory_hostname", "botfleet_kind", "halt_barrier", "data_waiting", "revert_result", *EXPOSURE, *DATABASES)


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible-core ships no types
    """The whole of ``tradeops.botfleet.rollback_record``: nothing of it runs on a host."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        validated = ArgumentSpecValidator(OPTIONS).validate(self._task.args)
        if validated.error_messages:
            raise AnsibleActionFail(f"rollback_record: {'; '.join(validated.error_messages)}")
        options = validated.validated_parameters
        options["operator"] = options["operator"] or controller()
        check_mode = bool(self._task.check_mode)
        try:
            name = checked_name("rollback_id", options["rollback_id"]) + ("-check" if check_mode else "")
        except OperationError as error:
            return {**result, "failed": True, "msg": f"rollback_record: {error}"}
        artifacts = Artifacts(os.path.abspath(options["artifacts_dir"]), name)
        variables = self._variables(task_vars, options["bots"])
        standing = None if check_mode else artifacts.standing()
        try:
            record = build_record(options, variables, check_mode, time.time(), standing)
        except Exception as error:
            if standing is None:
                raise
            damaged = f"{artifacts.path('record.json')} of an earlier run is damaged, its times are lost"
            artifacts.warnings.append(f"{damaged}: {error!r}")
            standing, record = None, build_record(options, variables, check_mode, time.time())
        old = _stored(variables)
        stored = all(old)
        other_plan = _is_of_another_plan(standing, options["plan"]) if any(old) else ""
        lost = ""
        stands = False
        if standing and stored and _of_one_shape(standing, record) and (other_plan or _says_the_same(standing, record)):
            record, stands = standing, True
        else:
            try:
                record = artifacts.write_record(record)
            except (OSError, OperationError) as error:
                lost = f"the record could not be written ({error}): mend that and run the same id again"
        notices = [stored_notice(record, stands=stands)] if stored else []
        notices += [other_plan] if other_plan else []
        path = "NOT WRITTEN" if lost else artifacts.path("record.json")
        if not lost:
            artifacts.write_pages(record, summary(record, path))
        return {
            **result,
            **artifacts.result(record),
            **({"failed": True, "msg": f"{lost}; {verdict(record)}"} if lost else {}),
            "changed": False,
            "stored": stored,
            "notices": notices,
            "summary": summary(record, path, notices=notices),
            "outcome": record["outcome"],
            "verdict": other_plan or verdict(record),
            "as_planned": record["outcome"] == "restored" and not other_plan,
        }

    def _variables(self, task_vars: Any, bots: list[str]) -> dict[str, dict[str, Any]]:
        everyone = ((bot, task_vars["hostvars"][bot]) for bot in bots)
        return {bot: {name: value(variables, name) for name in NEEDED} for bot, variables in everyone}


def _stored(variables: Mapping[str, Mapping[str, Any]]) -> list[bool]:
    """For each bot, whether its host only returned what it had stored, so that nothing happened in this run."""
    return [bool((bot["revert_result"] or {}).get("stored")) for bot in variables.values()]


def _is_of_another_plan(standing: Mapping[str, Any] | None, plan: str) -> str:
    """What to do about it, empty if it is not: what hosts stored for one plan proves nothing of another."""
    if standing is None or standing.get("plan") in (plan, None):
        return ""
    return (
        f"rollback {standing['rollback_id']} is of the plan {standing['plan']}: "
        f"leave rollback_id out for a rollback of the plan {plan}"
    )


def _of_one_shape(standing: Mapping[str, Any], record: Mapping[str, Any]) -> bool:
    """If not, it is of another version, or damaged."""
    rows = [*standing["bots"], *record["bots"]]
    return standing.keys() == record.keys() and all(row.keys() == rows[0].keys() for row in rows)


def _says_the_same(standing: Mapping[str, Any], record: Mapping[str, Any]) -> bool:
    """Whether a record says what the hosts say. If not, it is of an earlier run."""
    return _ended(record).items() <= _ended(standing).items()


def _ended(record: Mapping[str, Any]) -> dict[str, tuple[bool, bool]]:
    return {bot["name"]: (bot["safe"], bot["restored"]) for bot in record["bots"]}
