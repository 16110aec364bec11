# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: halt_marker
short_description: Keep a halted bot down, whoever starts its unit
version_added: 1.0.0
description:
  - Writes or removes the file that keeps a halted bot down across reboots, supervisors and C(systemctl start).
  - The file works by a drop-in of the bot's systemd unit, which is not started while the file is there. Arming a bot
    installs it. Without the drop-in, the file changes nothing.
  - It neither stops nor starts a bot. Use M(tradeops.botfleet.bot_service) for that.
extends_documentation_fragment:
  - tradeops.botfleet.attributes
  - tradeops.botfleet.attributes.action_group
options:
  path:
    description:
      - The marker. The roles use C(halted) in the bot's directory below C(botfleet_state_dir).
      - A missing directory is made with mode V(0700).
      - A symlink in its place is replaced or removed, never followed. A directory is an error.
    type: path
    required: true
  state:
    description: Whether the bot is kept down.
    type: str
    choices: [present, absent]
    default: present
  by:
    description:
      - Who keeps the bot down, for people who read the marker, which holds this and the time in one line of JSON.
      - A marker that is there already stays as it is.
    type: str
seealso:
  - module: tradeops.botfleet.bot_service
    description: Its option O(tradeops.botfleet.bot_service#module:start_token) starts a bot that a marker keeps down.
author: The tradeops.botfleet authors (@tradeops)
"""

EXAMPLES = r"""
- name: Keep a bot down until further notice
  tradeops.botfleet.halt_marker:
    path: /var/lib/botfleet/mm-01/halted
    by: on-call, ticket 4711
  become: true

- name: Let it be started again
  tradeops.botfleet.halt_marker:
    path: /var/lib/botfleet/mm-01/halted
    state: absent
  become: true
"""

RETURN = r"""
msg:
  description: What was done or would be done, or why it failed.
  returned: always
  type: str
  sample: create /var/lib/botfleet/mm-01/halted
before:
  description: The marker before the module ran.
  returned: when it could be read
  type: dict
  contains: &state
    path:
      description: The marker.
      returned: always
      type: str
    state:
      description: V(present), V(absent), or V(symlink) if a symlink stands in its place.
      returned: always
      type: str
after:
  description: The marker after the module ran, null if it failed.
  returned: always
  type: dict
  contains: *state
change:
  description: What was changed.
  returned: when something was changed
  type: dict
  contains:
    state:
      description: The state that was set.
      returned: always
      type: str
proof:
  description: The marker read again, which is as wanted.
  returned: on success outside check mode
  type: dict
  contains: *state
"""

from ansible_collections.tradeops.botfleet.plugins.module_utils._module import run_module
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations.halt_marker import HaltMarker


def main() -> None:
    run_module(HaltMarker)


if __name__ == "__main__":
    main()
