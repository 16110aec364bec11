# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries bot_control out as Ansible would, and looks for planted secrets in what comes of it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import (
    Context,
    OperationError,
    Outcome,
    carry_out,
)
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations.bot_control import BotControl


def control(mode: str = "apply", *, check: bool = False, **options: Any) -> Outcome:
    """The outcome, in which no canary is."""
    outcome = _carried_out(mode, check, options)
    assert "CANARY" not in json.dumps(asdict(outcome))
    return outcome


def operation(*, check: bool = False, **options: Any) -> BotControl:
    """With options as Ansible validates them; None is as good as left out."""
    given = {"deadline": 10, **{name: value for name, value in options.items() if value is not None}}
    result = ArgumentSpecValidator(BotControl.OPTIONS, **BotControl.CONSTRAINTS).validate(given)
    assert not result.error_messages, result.error_messages
    return BotControl(result.validated_parameters, Context(check_mode=check))


def _carried_out(mode: str, check: bool, options: dict[str, Any]) -> Outcome:
    try:
        return carry_out(operation(check=check, **options), mode)
    except OperationError as error:
        return Outcome("failed", str(error))


def proof_of(outcome: Outcome) -> dict[str, Any]:
    """What was read back."""
    assert outcome.proof is not None, outcome.message
    return outcome.proof


def change_of(outcome: Outcome) -> dict[str, Any]:
    """What was done."""
    assert outcome.change is not None, outcome.message
    return outcome.change
