# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which tasks of a playbook are shown as a rollback. PRIVATE to the collection."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...module_utils._transaction.request import DATA, EXPOSURE

COLLECTION = "tradeops.botfleet"
GOOD_DAY = "arm"  # the role whose tasks are no part of a rollback
PLAYBOOK = str(Path(__file__).resolve().parents[3] / "playbooks" / "rollback.yml")


def action_of(task: Any) -> str:
    """The module's name within this collection; empty for that of another one."""
    collection, _dot, name = str(task.resolved_action or task.action).rpartition(".")
    return name if collection == COLLECTION else ""


def role_of(task: Any) -> str:
    """The role's name within this collection; empty for that of another one, or none."""
    collection, _dot, name = (task._role.get_name() if task._role else "").rpartition(".")
    return name if collection == COLLECTION else ""


def is_transaction(task: Any) -> bool:
    """Whether it reaches bots in a rollback, other than one that only validates."""
    return action_of(task) == "transaction" and role_of(task) != GOOD_DAY and not task.args.get("validate_only")


def shared_stage(task: Any) -> str:
    """The stage of a transaction of what bots share, an account or a database; empty for any other task."""
    stages = stages_of(task) if is_transaction(task) else []
    return stages[0] if stages in ([EXPOSURE], [DATA]) else ""


def is_ours(task: Any) -> bool:
    """Whether it belongs to a rollback: in its playbook, in a role of this collection or in a playbook of one's own."""
    if role_of(task) == GOOD_DAY:
        return False
    return (
        bool(role_of(task)) or in_playbook(task) or action_of(task) in ("transaction", "rollback_record", "fleet_lock")
    )


def in_playbook(task: Any) -> bool:
    """Whether rollback.yml itself holds it."""
    return str(task.get_path()).rpartition(":")[0] == PLAYBOOK


def assesses(task: Any) -> bool:
    """Whether it belongs to what checks the inputs."""
    return role_of(task) == "assess" or in_playbook(task)


def stages_of(task: Any) -> list[str]:
    """The names of its stages, before they are templated: a variable of the role is looked up. Empty if that fails."""
    stages = task.args.get("stages")
    variable = task.args.get("stages_from")
    if variable and task._role:
        stages = task._role.get_vars().get(variable)
    if not isinstance(stages, list):
        return []
    named = [stage.get("name") for stage in stages if isinstance(stage, Mapping)]
    return [str(name) for name in named if name and "{{" not in name]
