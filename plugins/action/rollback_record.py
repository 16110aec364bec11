# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the record of a rollback on the controller."""

from __future__ import annotations

import json
import os
import time
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase

from ..module_utils._files import write_atomic
from ..module_utils._transaction.state import checked_name
from ..plugin_utils._record import build_record
from ..plugin_utils._results import value
from ..plugin_utils._summary import summary, verdict

OPTIONS: dict[str, Any] = {
    "rollback_id": {"type": "str", "required": True},
    "artifacts_dir": {"type": "path", "required": True},
    "plan": {"type": "str", "required": True},
    "scope": {"type": "str", "required": True},
    "reason": {"type": "str", "required": True},
    "trigger": {"type": "str", "default": "manual"},
    "phase": {"type": "str"},
    "decided_at": {"type": "str", "required": True},
    "bots": {"type": "list", "elements": "str", "required": True},
    "inputs": {"type": "dict", "default": {}},
}
NEEDED = (
    "inventory_hostname",
    "botfleet_kind",
    "botfleet_holds_positions",
    "halt_result",
    "halt_barrier",
    "revert_result",
)


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible-core ships no types
    """The whole of ``tradeops.botfleet.rollback_record``: nothing of it runs on a host."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        validated = ArgumentSpecValidator(OPTIONS).validate(self._task.args)
        if validated.error_messages:
            raise AnsibleActionFail(f"rollback_record: {'; '.join(validated.error_messages)}")
        options = validated.validated_parameters
        check_mode = bool(self._task.check_mode)
        name = checked_name("rollback_id", options["rollback_id"]) + ("-check" if check_mode else "")
        artifacts = os.path.abspath(options["artifacts_dir"])
        directory = os.path.join(artifacts, name)
        variables = self._variables(task_vars, options["bots"])
        standing = _read(os.path.join(directory, "record.json"))
        if standing is not None and all((bot["revert_result"] or {}).get("stored") for bot in variables.values()):
            record = standing  # every host only returned what it had stored
        else:
            record = build_record(options, variables, check_mode, time.time(), standing)
        lines = summary(record, os.path.join(directory, "record.json"))
        os.makedirs(directory, exist_ok=True)
        _write(os.path.join(directory, "record.json"), json.dumps(record, indent=2, ensure_ascii=False) + "\n")
        _write(os.path.join(directory, "summary.txt"), "\n".join(lines) + "\n")
        _point(os.path.join(artifacts, "latest"), name)
        return {
            **result,
            "changed": False,
            "path": os.path.join(directory, "record.json"),
            "summary": lines,
            "outcome": record["outcome"],
            "verdict": verdict(record),
            "as_planned": record["outcome"] == "restored",
        }

    def _variables(self, task_vars: Any, bots: list[str]) -> dict[str, dict[str, Any]]:
        everyone = ((bot, task_vars["hostvars"][bot]) for bot in bots)
        return {bot: {name: value(variables, name) for name in NEEDED} for bot, variables in everyone}


def _read(path: str) -> dict[str, Any] | None:
    """An earlier record, None if there is none that can be read."""
    try:
        with open(path, encoding="utf-8") as handle:
            record: dict[str, Any] = json.load(handle)
    except (OSError, ValueError):
        return None
    return record


def _write(path: str, text: str) -> None:
    write_atomic(path, text.encode())


def _point(link: str, name: str) -> None:
    """``latest`` names the newest record; replaced by rename, so that it is never missing."""
    temporary = f"{link}.{os.getpid()}"
    os.symlink(name, temporary)
    os.rename(temporary, link)
