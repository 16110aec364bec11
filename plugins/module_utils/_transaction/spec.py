# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of ``tradeops.botfleet.transaction``, for its action plugin and its module. PRIVATE to the collection."""

from __future__ import annotations

from typing import Any

from .request import POLICIES, STAGES

STEPS: dict[str, Any] = {
    "steps": {"type": "list", "elements": "dict"},
    "steps_from": {"type": "str"},
    "only": {"type": "list", "elements": "str"},
}
STAGE: dict[str, Any] = {
    "name": {"type": "str", "required": True, "choices": list(STAGES)},
    "on_failure": {"type": "str", "choices": list(POLICIES), "default": "stop"},
    "budget": {"type": "float"},
    "requires_safe": {"type": "bool", "default": False},
    "delay": {"type": "float", "default": 0.0},
    "confirm_within": {"type": "float", "default": 0.0},
    "no_steps": {"type": "str"},
    **STEPS,
}
OPTIONS: dict[str, Any] = {
    "rollback_id": {"type": "str", "required": True},
    "bot": {"type": "str"},
    "state_dir": {"type": "str", "default": "/var/lib/botfleet"},
    "decided_at": {"type": "str"},
    "stages": {"type": "list", "elements": "dict", "options": STAGE},
    "stages_from": {"type": "str"},
    "validated_from": {"type": "str"},
    "safe": {"type": "dict", "options": STEPS},
    "secrets_from": {"type": "str", "no_log": False},
    "secrets": {"type": "dict", "default": {}, "no_log": True},
    "controller": {"type": "str", "default": ""},
    "closes": {"type": "bool", "default": False},
    "preempt": {"type": "bool", "default": False},
    "lock_wait": {"type": "float", "default": 30.0},
    "preempt_after": {"type": "float", "default": 10.0},
    "validate_only": {"type": "bool", "default": False},
    "detach": {"type": "bool", "default": False},
    "follow": {"type": "str"},
}
CONSTRAINTS: dict[str, Any] = {"required_one_of": [("stages", "stages_from")]}
