# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: questdb_restore
short_description: Put a QuestDB back to a backup, with every row that leaves it kept and counted
version_added: 1.0.0
description:
  - Puts the data of a QuestDB back to what a backup of M(tradeops.botfleet.questdb_backup) holds (S1.7, S2.3), or back
    to what was there before that.
  - The backup is hashed and copied beside the live data with the server up. The server is stopped only for two renames
    and its own start, so that the downtime does not grow with the data. Then the tables are compared with the manifest,
    and every column of every row is read.
  - What was live becomes the safety copy, by rename. No row is ever destroyed. Rows that the backup does not have are
    counted, and leave the live database only with O(allow_discard).
  - Every step is noted on disk before and after. Killed at any point, the next run with the same options finishes the
    restore, or takes it back. Each end is the old state or the new one. A restore that fails is taken back at once.
    What was written to the new one until then is kept in a safety copy, which the message names.
  - With O(schema_sql) it makes missing tables and columns instead, and restores no row.
extends_documentation_fragment:
  - tradeops.botfleet.attributes
  - tradeops.botfleet.attributes.action_group
  - tradeops.botfleet.questdb
  - tradeops.botfleet.questdb.service
options:
  state:
    description:
      - V(restored) puts O(backup) in place, or replays O(schema_sql).
      - V(reverted) puts a safety copy back in the same way, without copying it. What it replaces is the next safety
        copy.
    type: str
    choices: [restored, reverted]
    default: restored
  backup:
    description:
      - The directory of the backup, on the host. It must be of this instance, and of the same major version of QuestDB.
      - If its name is V(latest), and nothing is called so, the newest backup beside it.
    type: path
  taken_before:
    description:
      - Only backups that were taken before this time can be V(latest), such as V(2026-01-05T03:15:00Z), without a zone
        in UTC.
    type: str
  exclude:
    description:
      - Names of backups that V(latest) never means, such as the one that was taken of the bad state.
    type: list
    elements: str
    default: []
  safety_copy:
    description:
      - With O(state=reverted), the name or the path of the safety copy, or V(latest). What an earlier revert replaced
        is put back by its name only.
      - Without it, the last restore is taken back, also one that was interrupted. Where that was done already, nothing
        is changed.
    type: str
  schema_sql:
    description:
      - A script of DDL on the host, of which each statement is sent alone, if what it makes is missing.
      - Only C(CREATE TABLE), C(CREATE VIEW) and C(CREATE MATERIALIZED VIEW) with C(IF NOT EXISTS) are allowed, and
        C(ALTER TABLE … ADD COLUMN IF NOT EXISTS). Whatever brings or takes rows is refused before anything is sent,
        C(CREATE TABLE AS) included.
      - Of several columns in one statement, each is added alone.
      - This is never a restore of data, and the result says so.
    type: path
  allow_discard:
    description:
      - Whether rows may leave the live database that the backup does not have. They stay in the safety copy.
      - What was written since the two were the same for the last time is not the same rows, even if it is as many.
      - It is needed as well where rows cannot be counted, since the server is down, and for tables that were changed
        in ways no count shows, as by an C(UPDATE).
    type: bool
    default: false
  rehearse:
    description:
      - Whether the staged copy is first booted beside the live server, on a port of loopback and with nothing but HTTP,
        and verified, before any downtime. It recovers its checkpoint then, and is what goes live.
      - It takes the memory of a second server meanwhile.
    type: bool
    default: false
  command:
    description:
      - How a copy is booted, as a list with C(-d) and a root in it, which is replaced. By default as the live server
        is, as its process or O(service) shows it.
    type: list
    elements: str
  verify:
    description:
      - What is read of the restored tables. V(counts) compares tables, columns, rows, bounds and partitions.
        V(columns) reads each column of each row as well, since a damaged file shows in no count.
    type: str
    choices: [counts, columns]
    default: columns
  on_failure:
    description:
      - What to do when the restored database does not start or is not as it should be. V(revert) puts back what was
        there, starts it, and compares it with the counts from before. V(leave) leaves it, and stops it if it does not
        answer. One that still has a checkpoint to recover is put back all the same. The module fails in both cases.
    type: str
    choices: [revert, leave]
    default: revert
  keep_safety:
    description:
      - How many safety copies stay after a restore, the newest ones. At least 1. By default all of them.
      - What a failed restore left is not counted and stays.
    type: int
requirements:
  - Linux, for what a process or a lock shows
notes:
  - Stop every writer first. One that goes on is waited out and its rows are counted again when the server is down, or
    by booting the safety copy. RV(change.exact) says whether RV(change.rows_discarded) is exact. Without O(rehearse),
    rows that come in before the restored tables are verified make the restore fail, and it is taken back.
  - Without O(allow_discard), rows that come in while the server is being stopped end the restore before anything is
    replaced.
  - In a transaction, O(start_timeout) and 30 s of the step's time limit are kept for the way back. Where less than that
    and 30 s more are left, the server is not stopped.
  - The server that O(service) names has to be the one that has O(root) open, and the one that answers at O(url).
  - Refused before anything is touched are a damaged backup, one of another major version or, where this instance was
    backed up before and so has an identifier, of another instance, an open checkpoint, a C(_restore) that is not of
    this module, symlinks below C(db), a C(db) that is a mount, a suspended table, and too little space.
  - A server that was down is restored and left running. If that fails, it is down again.
  - All that belongs to this module lies in C(botfleet) below O(root), with mode V(0700). Staged files belong to the
    owner of C(db), whoever they belonged to in the backup.
  - The lock that keeps backups and restores apart holds on one host. Do not keep O(root) on a file system that two
    hosts use.
  - Where a transaction undoes it, the safety copy is put back, unless rows came in or were changed since. The server
    runs afterwards only if it ran before.
seealso:
  - module: tradeops.botfleet.questdb_backup
  - module: tradeops.botfleet.questdb_info
  - module: tradeops.botfleet.bot_service
author: The tradeops.botfleet authors (@tradeops)
"""

EXAMPLES = r"""
- name: See what a restore would take from the live database
  tradeops.botfleet.questdb_restore: &restore
    root: /var/lib/questdb
    backup: /backup/questdb/before-20260105-031500
    allow_discard: true
    health_url: http://127.0.0.1:9003/status
    username: admin
    password: "{{ vault_questdb_password }}"
    service:
      name: questdb.service
      manager: systemd
  check_mode: true
  diff: true
  become: true

- name: Restore it, rehearsed before any downtime
  tradeops.botfleet.questdb_restore:
    <<: *restore
    rehearse: true
    keep_safety: 3
  become: true

- name: Take that back
  tradeops.botfleet.questdb_restore:
    root: /var/lib/questdb
    state: reverted
    service:
      name: questdb.service
      manager: systemd
  become: true

- name: Make tables that are missing, which brings no row back
  tradeops.botfleet.questdb_restore:
    root: /var/lib/questdb
    schema_sql: /opt/trading/schema.sql
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
    root:
      description: The root of the instance.
      returned: unless O(schema_sql) is given
      type: str
    running:
      description: Whether its service runs.
      returned: unless O(schema_sql) is given
      type: bool
    answers:
      description: Whether the server answers.
      returned: unless O(schema_sql) is given
      type: bool
    version:
      description: The server's version, null if it does not answer.
      returned: unless O(schema_sql) is given
      type: str
    tables:
      description: How many rows each table has, null if the server does not answer.
      returned: always
      type: dict
    fingerprint:
      description: One digest over what all tables hold, null if the server does not answer.
      returned: unless O(schema_sql) is given
      type: str
    restored:
      description: What was last put in place, by V(kind), V(id) and time; null for nothing.
      returned: unless O(schema_sql) is given
      type: dict
    safety_copies:
      description: The paths of the safety copies, the newest first.
      returned: unless O(schema_sql) is given
      type: list
      elements: str
    interrupted:
      description: The restore that was interrupted, by V(run), V(step) and V(backup); null for none.
      returned: unless O(schema_sql) is given
      type: dict
    data_restored:
      description: V(false), since a schema brings no row.
      returned: with O(schema_sql), in RV(proof) and RV(after)
      type: bool
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
    state:
      description: V(restored) or V(reverted).
      returned: unless O(schema_sql) is given
      type: str
    run:
      description: What the journal calls the restore.
      returned: when something was put in place
      type: str
    backup:
      description: The path of the backup or the safety copy that was put in place.
      returned: unless O(schema_sql) is given
      type: str
    rows_discarded:
      description: How many rows of which table left the live database. They are in the safety copy.
      returned: always
      type: dict
    changed_tables:
      description: Tables that may have changed since the backup in ways no count shows. They are in the safety copy.
      returned: when something was put in place
      type: list
      elements: str
    exact:
      description:
        - Whether RV(change.rows_discarded) is exact. If not, it is what was counted before the server was stopped.
      returned: when something was put in place or taken back
      type: bool
    data_loss:
      description: Whether anything left the live database, or nobody could tell.
      returned: always
      type: bool
    safety_copy:
      description:
        - Where what was live is now.
        - Of an interrupted restore that was taken back, where the tree is that rows may have been written to.
      returned: when something was put in place
      type: str
    pruned:
      description: The safety copies that O(keep_safety) had removed.
      returned: when something was put in place
      type: list
      elements: str
    was_running:
      description: Whether the server ran before.
      returned: when something was put in place
      type: bool
    rehearsed:
      description: Whether the copy was booted and verified before.
      returned: when something was put in place
      type: bool
    downtime:
      description: Seconds from the stop to the first answer, null if the server did not run before.
      returned: when something was put in place
      type: float
    seconds:
      description: Of each step, how many seconds it took.
      returned: when something was put in place
      type: dict
    schema:
      description: The tables, views and columns that were made.
      returned: with O(schema_sql)
      type: list
      elements: str
    data_restored:
      description: V(false), since a schema brings no row.
      returned: with O(schema_sql)
      type: bool
proof:
  description: What was read again, as in RV(before).
  returned: on success outside check mode
  type: dict
  contains: *state
"""

from ansible_collections.tradeops.botfleet.plugins.module_utils._module import run_module
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations.questdb_restore import QuestdbRestore


def main() -> None:
    run_module(QuestdbRestore)


if __name__ == "__main__":
    main()
