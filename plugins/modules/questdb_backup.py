# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: questdb_backup
short_description: Back up a QuestDB, with a manifest of its files and of the rows in its tables
version_added: 1.0.0
description:
  - Copies the data of a QuestDB on its own host (S1.7, S2.3), while it runs, or stopped for the time of the copy.
  - The backup has a manifest with the size and the digest of each file, and with rows, bounds and partitions of each
    table. These are read from the copy itself, so that they hold for the copy while others write on.
  - A backup that is there is hashed again, and left alone. A damaged one is named. None is ever replaced or removed.
  - Interrupted at any point, it leaves nothing that could be taken for a backup. A checkpoint that it has opened is
    released, and a server that it has stopped is started again, at once or, after a kill, by the next run.
extends_documentation_fragment:
  - tradeops.botfleet.attributes
  - tradeops.botfleet.attributes.action_group
  - tradeops.botfleet.questdb
  - tradeops.botfleet.questdb.service
options:
  dest:
    description:
      - The directory of backups on the host. It is made, with mode V(0700), when a backup is.
      - It may be on another file system. On the same one, of a kind that can share blocks, a copy takes no room at
        first.
    type: path
    required: true
  name:
    description:
      - The name of the backup, which is a directory in O(dest). Letters, digits, dots, dashes and underscores.
    type: str
    required: true
  mode:
    description:
      - V(checkpoint) has the server open a checkpoint, copies it with the data, and has it released. Bots write on.
        One that somebody else has opened is refused and named with its age.
      - V(cold) stops the server, copies the data, and starts it again, whatever came of the copy. It needs O(service).
    type: str
    choices: [checkpoint, cold]
    default: checkpoint
  min_free:
    description:
      - What must be left free in O(dest) after the copy, as a share such as V(5%), or as bytes such as V(20G).
    type: str
    default: 5%
notes:
  - The manifest's V(counts) are V(exact), unless transactions were on their way into their table each time that a
    checkpoint was opened, or when the server was stopped. V(pending) says how many of which table. They are in the
    copy, and the server carries them out when it starts on it.
  - Nothing is compared with the exchange, and what the server itself has lost before is not in the copy. A partition
    that a table has, and that is missing on disk, is named.
  - Tables or partitions that are symlinks are refused, and so is a database whose restore was interrupted once its
    server was being stopped.
  - The configuration of the server is no part of it. See M(tradeops.botfleet.config_snapshot).
  - QuestDB up to 9.3.4 sometimes removes partitions from under an open checkpoint. Such a copy is refused.
seealso:
  - module: tradeops.botfleet.questdb_info
  - module: tradeops.botfleet.bot_service
author: The tradeops.botfleet authors (@tradeops)
"""

EXAMPLES = r"""
- name: Back up the database while the bots trade on
  tradeops.botfleet.questdb_backup:
    root: /var/lib/questdb
    dest: /backup/questdb
    name: before-20260105-031500
    health_url: http://127.0.0.1:9003/status
    username: admin
    password: "{{ vault_questdb_password }}"
  become: true

- name: Back it up cold, now that all bots are stopped
  tradeops.botfleet.questdb_backup:
    root: /var/lib/questdb
    dest: /backup/questdb
    name: before-20260105-031500
    mode: cold
    min_free: 20G
    service:
      name: questdb.service
      manager: systemd
  become: true
"""

RETURN = r"""
msg:
  description: What was done or would be done, or why it failed.
  returned: always
  type: str
before:
  description: The state before the module ran.
  returned: when it could be read
  type: dict
  contains: &state
    path:
      description: The backup.
      returned: always
      type: str
    present:
      description: Whether it is there.
      returned: always
      type: bool
    whole:
      description: Whether every file is as its manifest says.
      returned: when it is there
      type: bool
    wrong:
      description: In what it is not, at most 20 phrases.
      returned: when it is there
      type: list
      elements: str
    mode:
      description: How it was taken.
      returned: when its manifest can be read
      type: str
    version:
      description: The version of the server.
      returned: when its manifest can be read
      type: str
    taken:
      description: When, in UTC.
      returned: when its manifest can be read
      type: str
    bytes:
      description: How many bytes it takes up.
      returned: when its manifest can be read
      type: int
    counts:
      description: V(exact) or V(at_least).
      returned: when its manifest can be read
      type: str
    fingerprint:
      description: One digest over what all tables hold, by names, columns, rows, bounds and partitions.
      returned: when its manifest can be read
      type: str
    tables:
      description:
        - Of each table V(rows), V(first) and V(last), which are the bounds of its designated timestamp, and
          V(pending), the transactions that are in the copy and not in these numbers.
      returned: when its manifest can be read
      type: dict
after:
  description: The state after the module ran, null if it failed.
  returned: always
  type: dict
  contains: *state
change:
  description: What was changed.
  returned: when something was changed
  type: dict
  contains:
    path:
      description: The backup.
      returned: always
      type: str
    mode:
      description: How it was taken.
      returned: always
      type: str
    version:
      description: The version of the server.
      returned: always
      type: str
    bytes:
      description: How many bytes it takes up.
      returned: always
      type: int
    counts:
      description: V(exact) or V(at_least).
      returned: always
      type: str
    fingerprint:
      description: One digest over what all tables hold.
      returned: always
      type: str
    tables:
      description: Of each table V(rows), V(first), V(last) and V(pending).
      returned: always
      type: dict
    seconds:
      description:
        - Of each phase, V(drain), V(copy) and V(hash). A cold backup has V(stop), V(start) and V(down), too, the last
          being the time from the stop until the server answers again.
      returned: always
      type: dict
proof:
  description: What was read again, as in RV(before).
  returned: on success outside check mode
  type: dict
  contains: *state
"""

from ansible_collections.tradeops.botfleet.plugins.module_utils._module import run_module
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations.questdb_backup import QuestdbBackup


def main() -> None:
    run_module(QuestdbBackup)


if __name__ == "__main__":
    main()
