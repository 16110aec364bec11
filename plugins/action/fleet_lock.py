# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds the advisory lock of a controller's fleet."""

from __future__ import annotations

import json
import os
from typing import Any, Dict, Optional

from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase

from ..module_utils._files import read_bytes, remove_file, write_atomic
from ..module_utils._transaction.child import start_time
from ..module_utils._transaction.state import utc_now

OPTIONS: Dict[str, Any] = {
    "path": {"type": "path", "required": True},
    "rollback_id": {"type": "str", "required": True},
    "scope": {"type": "str", "default": ""},
    "state": {"type": "str", "choices": ["held", "free"], "required": True},
}


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible-core ships no types
    """The whole of ``tradeops.botfleet.fleet_lock``: nothing of it runs on a host.

    Advisory: it warns of another rollback of this controller and never stops a halt. The bot's own lock,
    on its host, is the authority.
    """

    _requires_connection = False

    def run(self, tmp: Optional[str] = None, task_vars: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
        result: Dict[str, Any] = super().run(tmp, task_vars)
        validated = ArgumentSpecValidator(OPTIONS).validate(self._task.args)
        if validated.error_messages:
            raise AnsibleActionFail(f"fleet_lock: {'; '.join(validated.error_messages)}")
        options = validated.validated_parameters
        result["changed"] = False
        if self._task.check_mode:
            return {**result, "holder": None}
        holder = _other_holder(options["path"], options["rollback_id"])
        if options["state"] == "free":
            if not holder:
                remove_file(options["path"])
            return {**result, "holder": holder}
        if holder:
            result["warnings"] = [
                f"rollback {holder['rollback_id']} of scope {holder['scope']!r} is under way here since {holder['since']}: "
                "this one goes on, a bot that both name is decided by the bot's own lock"
            ]
            return {**result, "holder": holder}
        os.makedirs(os.path.dirname(options["path"]), exist_ok=True)
        playbook = os.getppid()
        mine = {
            "rollback_id": options["rollback_id"],
            "scope": options["scope"],
            "since": utc_now(),
            "pid": playbook,
            "start_time": start_time(playbook),
        }
        write_atomic(options["path"], json.dumps(mine).encode())
        return {**result, "holder": None}


def _other_holder(path: str, rollback_id: str) -> Optional[Dict[str, Any]]:
    """Another rollback whose playbook still runs, None if there is none."""
    try:
        holder: Dict[str, Any] = json.loads(read_bytes(path) or b"{}") if os.path.isdir(os.path.dirname(path)) else {}
    except ValueError:
        return None
    alive = holder.get("pid") and start_time(holder["pid"]) == holder["start_time"]
    return holder if alive and holder["rollback_id"] != rollback_id else None
