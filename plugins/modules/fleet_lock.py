# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: fleet_lock
short_description: Hold the advisory lock of a controller's fleet
version_added: 1.0.0
description:
  - Notes in a file on the controller which rollback is under way, and warns when another one is. It never stops a
    rollback. The lock
    of each bot, on its own host, is the authority.
  - A lock whose playbook no longer runs counts as free.
extends_documentation_fragment:
  - tradeops.botfleet.attributes
  - tradeops.botfleet.attributes.action_group
attributes:
  check_mode:
    details: Does nothing.
  diff_mode:
    support: none
    details: The lock is no part of any bot.
options:
  path:
    description: The lock file, on the controller.
    type: path
    required: true
  rollback_id:
    description: The rollback that takes or frees the lock.
    type: str
    required: true
  scope:
    description: The host pattern of the rollback, shown to others.
    type: str
    default: ""
  state:
    description: Whether to hold or to free the lock.
    type: str
    choices: [held, free]
    required: true
author:
  - The tradeops.botfleet authors (@tradeops)
"""

EXAMPLES = r"""
- name: Hold the fleet lock
  tradeops.botfleet.fleet_lock:
    path: artifacts/fleet.lock
    rollback_id: rb-20260105T031500Z-1f2e3d
    scope: bots
    state: held
"""

RETURN = r"""
holder:
  description: The other rollback that is under way, if there is one.
  returned: success
  type: dict
"""
