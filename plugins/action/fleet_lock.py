# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds the advisory lock of a controller's fleet."""

from __future__ import annotations

import json
import os
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase

from ..module_utils._files import read_bytes, remove_file, write_atomic
from ..module_utils._operation import OperationError
from ..module_utils._transaction.child import start_time
from ..module_utils._transaction.state import utc_now

OPTIONS: dict[str, Any] = {
    "path": {"type": "path", "required": True},
    "rollback_id": {"type": "str", "required": True},
    "scope": {"type": "str", "default": ""},
    "state": {"type": "str", "choices": ["held", "free"], "required": True},
}

SHOWN = ("rollback_id", "scope", "since", "pid")


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible-core ships no types
    """The whole of ``tradeops.botfleet.fleet_lock``: nothing of it runs on a host.

    Advisory: it warns of another rollback of this controller and never stops a halt. The bot's own lock,
    on its host, is the authority.
    """

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        validated = ArgumentSpecValidator(OPTIONS).validate(self._task.args)
        if validated.error_messages:
            raise AnsibleActionFail(f"fleet_lock: {'; '.join(validated.error_messages)}")
        result.update(changed=False, holder=None)
        if self._task.check_mode:
            return result
        try:
            result["holder"] = _hold_or_free(**validated.validated_parameters)
        except (OSError, OperationError) as error:
            result["warnings"] = [f"the fleet lock is left out, this rollback goes on without it: {error}"]
        if result["holder"] and self._task.args["state"] == "held":
            result["warnings"] = [
                "rollback {rollback_id} of scope {scope!r} is under way here since {since}: ".format(**result["holder"])
                + "this one goes on, a bot that both name is decided by the bot's own lock"
            ]
        return result


def _hold_or_free(path: str, rollback_id: str, scope: str, state: str) -> dict[str, Any] | None:
    """Returns the other holder, if there is one; its lock is left alone."""
    path = os.path.abspath(path)
    holder = _other_holder(path, rollback_id)
    if holder:
        return holder
    if state == "free":
        remove_file(path)
        return None
    os.makedirs(os.path.dirname(path), exist_ok=True)
    playbook = os.getppid()
    mine = {
        "rollback_id": rollback_id,
        "scope": scope,
        "since": utc_now(),
        "pid": playbook,
        "start_time": start_time(playbook),
    }
    write_atomic(path, json.dumps(mine).encode())
    return None


def _other_holder(path: str, rollback_id: str) -> dict[str, Any] | None:
    """Another rollback whose playbook still runs, None if there is none."""
    try:
        holder: dict[str, Any] = json.loads(read_bytes(path) or b"{}") if os.path.isdir(os.path.dirname(path)) else {}
        alive = holder.get("pid") and start_time(holder["pid"]) == holder["start_time"]
        return {name: holder[name] for name in SHOWN} if alive and holder["rollback_id"] != rollback_id else None
    except (ValueError, KeyError, TypeError, AttributeError):  # damaged, or not written by this
        return None
