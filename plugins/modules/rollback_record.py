# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rollback_record
short_description: Write the record of a rollback on the controller
version_added: 1.0.0
description:
  - Reads what the tasks of a rollback registered for each bot, and writes C(record.json), the page C(report.html),
    C(summary.txt) and the incident report C(incident.md) into a directory named after the rollback. C(latest) beside it
    points to the newest one.
  - Adds a line to C(history.jsonl) beside it. Each line holds the hash of the line before it and of its record, so that
    neither can be rewritten unnoticed. C(scripts/history.py) of the collection verifies that.
  - In check mode the directory is named C(<rollback_id>-check), and no incident report and no line is written.
  - When every bot only returned the stored result of a closed rollback, the record that stands is kept. If that is of
    another plan, RV(as_planned) is false and RV(verdict) says so.
  - A history or a page that cannot be written is a warning. If it is the record, the task fails, and says how it went.
extends_documentation_fragment:
  - tradeops.botfleet.attributes
  - tradeops.botfleet.attributes.action_group
attributes:
  check_mode:
    details: Writes the record of what would be.
  diff_mode:
    support: none
    details: A record replaces nothing.
options:
  rollback_id:
    description: The rollback.
    type: str
    required: true
  artifacts_dir:
    description: Directory of all records, on the controller.
    type: path
    required: true
  plan:
    description: Name of the plan.
    type: str
    required: true
  scope:
    description: The host pattern that the rollback was started with.
    type: str
    required: true
  reason:
    description: Why it was started.
    type: str
    required: true
  trigger:
    description: What started it, V(manual) or the name of an alert.
    type: str
    default: manual
  automatic:
    description: Whether a machine started it.
    type: bool
    default: false
  operator:
    description: Who started it. By default the user and host that this task runs as.
    type: str
  phase:
    description: The phase of a phased system that is rolled back.
    type: str
  decided_at:
    description: When it was decided, ISO 8601, UTC.
    type: str
    required: true
  bots:
    description: The bots in scope.
    type: list
    elements: str
    required: true
  inputs:
    description: The other inputs, kept in the record as they are.
    type: dict
    default: {}
author:
  - The tradeops.botfleet authors (@tradeops)
"""

EXAMPLES = r"""
- name: Write the record
  tradeops.botfleet.rollback_record:
    rollback_id: rb-20260105T031500Z-1f2e3d
    artifacts_dir: /var/log/botfleet
    plan: emergency
    scope: bots
    reason: P&L anomaly
    decided_at: "2026-01-05T03:15:00Z"
    bots: "{{ groups['bots'] }}"
"""

RETURN = r"""
path:
  description: The record. Its shape is in C(docs/schemas/record.json) of the collection.
  returned: success
  type: str
report:
  description: The record as a page; null if it was not written.
  returned: success
  type: str
incident:
  description: The incident report; null if it was not written.
  returned: success
  type: str
history:
  description: The history that the record has a line of; null if it has none.
  returned: success
  type: str
not_written:
  description: The files that could not be written. The warnings say why.
  returned: always
  type: list
  elements: str
stored:
  description:
    - Whether every host only returned the stored result of a closed rollback, so that nothing was read or touched.
  returned: always
  type: bool
notices:
  description: Sentences that stand above and below the final table, such as that the result is a stored one.
  returned: always
  type: list
  elements: str
summary:
  description: The final table and the figures, as lines.
  returned: success
  type: list
  elements: str
outcome:
  description: C(restored), C(safe), C(guarded) or C(exposed).
  returned: success
  type: str
verdict:
  description: How many bots ended as the plan wants, and who did not, as a sentence.
  returned: success
  type: str
as_planned:
  description: Whether every bot ended as the plan wants it.
  returned: success
  type: bool
"""
