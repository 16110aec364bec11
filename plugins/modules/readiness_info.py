# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: readiness_info
short_description: Read what a host has ready for a rollback of a bot
version_added: 1.0.0
description:
  - Reads what the role P(tradeops.botfleet.arm#role) has put there, whether a unit of systemd can be armed, and how old
    the newest database backup and the last rollback of the bot are (S2.3).
  - It judges nothing. The readiness report of that role does, see P(tradeops.botfleet.readiness#filter).
extends_documentation_fragment:
  - tradeops.botfleet.attributes
  - tradeops.botfleet.attributes.action_group
attributes:
  check_mode:
    details: Reads only, with or without it.
  diff_mode:
    support: none
    details: Nothing is changed.
options:
  state_dir:
    description: Directory of the state of all bots of a host.
    type: path
    default: /var/lib/botfleet
  bot:
    description: Name of the bot, under which its state is kept.
    type: str
    required: true
  unit:
    description: The bot's unit, if systemd manages it.
    type: str
  database_backup:
    description: The path of the bot's database backups, which may hold wildcards.
    type: str
author: The tradeops.botfleet authors (@tradeops)
"""

EXAMPLES = r"""
- name: Read what is ready
  tradeops.botfleet.readiness_info:
    bot: mm-1
    unit: mm-bot.service
    database_backup: /backup/pre-deploy-*.sql
  register: ready

- name: The database was backed up within a day
  ansible.builtin.assert:
    that: ready.database_backup.age_seconds < 86400
"""

RETURN = r"""
python:
  description: The Python that this module ran with, as C(executable), C(version) and C(abi), which binary wheels must
    fit, such as V(cpython-311-x86_64-linux-gnu).
  returned: success
  type: dict
place:
  description: Is the same for two bots if they share O(state_dir).
  returned: success
  type: str
state:
  description: The bot's state directory as C(path), and whether it is there and C(writable).
  returned: success
  type: dict
halted:
  description: Whether the bot is marked as halted.
  returned: success
  type: bool
under_way:
  description: The bots of this host on which a transaction is being carried out.
  returned: success
  type: list
  elements: str
armed:
  description: The bots of this host that are armed.
  returned: success
  type: list
  elements: str
environment:
  description:
    - The virtual environment as C(path), with C(requirements), which is the SHA-256 of what it was made from or null,
      C(exchange), which is the same of what only flattening accounts needs, and C(problem), which is empty if it works.
  returned: success
  type: dict
agents:
  description: The agents that are there, are what their names say and can be written by nobody else, by digest, and
    whether each is compiled for this Python.
  returned: success
  type: dict
unit:
  description: The unit; null if O(unit) is not given.
  returned: success
  type: dict
  contains:
    name:
      description: Its full name.
      returned: always
      type: str
    load:
      description: Whether systemd has it, V(loaded) if so.
      returned: always
      type: str
    drop_in:
      description: The path of the drop-in of an armed bot.
      returned: always
      type: str
    conditions:
      description: The unit's own conditions with V(|), with which it cannot be armed.
      returned: always
      type: list
      elements: str
    ours:
      description: The lines of that drop-in. Null if it is not there.
      returned: always
      type: list
      elements: str
    loaded:
      description: Whether systemd has loaded it as it is now.
      returned: always
      type: bool
database_backup:
  description: The newest backup as C(path), C(age_seconds) and C(bytes), which is null for a directory. Null if none.
  returned: success
  type: dict
rehearsal:
  description: The last rollback of the bot that was proven to its end, as C(rollback_id) and C(age_seconds), or null.
  returned: success
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._operation import OperationError
from ..module_utils._readiness import read_readiness

OPTIONS = {
    "state_dir": {"type": "path", "default": "/var/lib/botfleet"},
    "bot": {"type": "str", "required": True},
    "unit": {"type": "str"},
    "database_backup": {"type": "str"},
}


def main() -> None:
    module = AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True)
    try:
        facts = read_readiness(**module.params)
    except OperationError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **facts)


if __name__ == "__main__":
    main()
