# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: questdb_info
short_description: Read what a QuestDB holds, and what backups and safety copies there are of it
version_added: 1.0.0
description:
  - Reads the tables of a QuestDB with their rows, whether all that was written has arrived, and whether a checkpoint is
    open (S1.8).
  - Reads on disk, also of a server that is down, what a restore left there, which safety copies there are, and what was
    interrupted.
  - Lists the backups in a directory, and hashes them when told to.
extends_documentation_fragment:
  - tradeops.botfleet.attributes
  - tradeops.botfleet.attributes.action_group
  - tradeops.botfleet.questdb
attributes:
  check_mode:
    details: Reads only, with or without it.
  diff_mode:
    support: none
    details: Nothing is changed.
options:
  backups:
    description: The directory of backups to list. Nothing is listed where it is not there.
    type: path
  verify_backups:
    description:
      - Read every file of each backup, and compare it with its manifest. Without it RV(backups[].whole) is null where
        the manifest is there.
    type: bool
    default: false
seealso:
  - module: tradeops.botfleet.questdb_backup
author: The tradeops.botfleet authors (@tradeops)
"""

EXAMPLES = r"""
- name: Read the database and its backups
  tradeops.botfleet.questdb_info:
    root: /var/lib/questdb
    backups: /backup/questdb
    verify_backups: true
  register: questdb
  become: true

- name: There is a whole backup of this database, and nothing waits to be written
  ansible.builtin.assert:
    that:
      - questdb.backups | selectattr('whole') | selectattr('own') | length > 0
      - questdb.wal | selectattr('suspended') | length == 0
"""

RETURN = r"""
root:
  description: The root directory.
  returned: success
  type: str
instance:
  description: What this instance is called in its backups, null before the first.
  returned: success
  type: str
is_running:
  description: Whether a server has its data open.
  returned: success
  type: bool
problem:
  description: Why what the server itself would tell is null. Null if nothing is.
  returned: success
  type: str
version:
  description: Of the server.
  returned: success
  type: str
tables:
  description:
    - Of each table its C(kind) (V(table), V(materialized view) or V(view)), C(rows), C(first) and C(last), which are
      the bounds of its designated timestamp, C(wal), C(dedup), C(partition_by), C(partitions) and C(directory).
  returned: success
  type: dict
wal:
  description:
    - Of each table with a WAL C(table), C(suspended), how many transactions it is C(behind), and its C(error).
  returned: success
  type: list
  elements: dict
checkpoint:
  description: Whether one is C(open), C(since) when, and its C(age) in seconds.
  returned: success
  type: dict
checkpoint_files:
  description: Whether a checkpoint is on disk. Where none is open, it is stale.
  returned: success
  type: bool
trigger:
  description: Whether the server would restore a checkpoint when it starts.
  returned: success
  type: bool
marker:
  description:
    - Which backup or safety copy was last put in place, and when. Null if none was.
    - C(kind) is V(backup) or V(safety), or V(left) where the restore failed and was left so.
  returned: success
  type: dict
safety_copies:
  description:
    - What restores have replaced (C(reason) is V(replaced)), and what failed ones left (V(failed)), the newest first.
    - Each with C(id), C(path), C(taken), C(reason), C(backup), C(bytes), C(tables) with their rows, and
      C(rows_discarded).
    - C(reason) is V(unreadable) where its description is damaged. Of such a one no more is known, and no restore
      removes it.
  returned: success
  type: list
  elements: dict
interrupted:
  description: What was begun and has not ended.
  returned: success
  type: dict
  contains:
    restore:
      description: A restore, with C(id), C(step) and whether that was C(done).
      returned: success
      type: dict
    backup:
      description: A backup, with C(id), C(mode) and whether it had C(stopped) the server.
      returned: success
      type: dict
    process:
      description: The process that is at it now. Null if none is, so that it was interrupted.
      returned: success
      type: str
backups:
  description: The backups in O(backups), the newest first. Null without it.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: Where it is.
      returned: success
      type: str
    id:
      description: Its name.
      returned: success
      type: str
    whole:
      description: Whether it is as its manifest says. Null if that was not asked for.
      returned: success
      type: bool
    wrong:
      description: In what it is not, at most 20 phrases.
      returned: success
      type: list
      elements: str
    own:
      description: Whether it is of this instance.
      returned: success
      type: bool
    taken:
      description: When, in UTC.
      returned: success
      type: str
    mode:
      description: V(checkpoint) or V(cold).
      returned: success
      type: str
    version:
      description: The version of the server.
      returned: success
      type: str
    bytes:
      description: How many bytes it takes up.
      returned: success
      type: int
    counts:
      description: V(exact) or V(at_least).
      returned: success
      type: str
    fingerprint:
      description: One digest over what all its tables hold.
      returned: success
      type: str
    tables:
      description: The rows of each table.
      returned: success
      type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._operation import Context, OperationError
from ..module_utils._questdb.info import OPTIONS, read


def main() -> None:
    module = AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True)
    try:
        state = read(dict(module.params), Context(check_mode=True))
    except OperationError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"{error.strerror or error}: {error.filename or 'this host'}")
    module.exit_json(changed=False, **state)


if __name__ == "__main__":
    main()
