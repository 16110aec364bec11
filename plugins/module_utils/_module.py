# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The edge between an operation and Ansible. PRIVATE to the collection."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule

from ._operation import Context, Operation, OperationError, Outcome, carry_out


def run_module(operation: type[Operation]) -> None:
    """Run one operation as a module of its own."""
    module = AnsibleModule(argument_spec=operation.OPTIONS, supports_check_mode=True, **operation.CONSTRAINTS)
    try:
        outcome = carry_out(operation(dict(module.params), Context(check_mode=module.check_mode)))
    except OperationError as error:
        outcome = Outcome("failed", str(error))
    result = {
        "msg": outcome.message,
        "changed": outcome.status == "changed" or (outcome.status == "failed" and outcome.applied),
        "before": outcome.before,
        "after": outcome.after,
        "change": outcome.change,
        "proof": outcome.proof,
        "diff": outcome.diff,
    }
    if outcome.status == "skipped":
        result["skipped"] = True  # if it is said at all, ansible-core up to 2.20 does not look at failed_when
    if outcome.status == "failed":
        module.fail_json(**result)
    module.exit_json(**result)
