# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: questdb_rows
short_description: Bring rows back into a live QuestDB from the safety copy that a restore left
version_added: 1.0.0
description:
  - Reads the safety copy that M(tradeops.botfleet.questdb_restore) left of what it replaced, with a server of its own
    that is started beside the live one, on loopback, for as long as that takes. The safety copy is left as it is.
  - Compares each table of it with the live one, and writes to the live one the rows that it lacks, each as often as it
    lacks it. What the live database has beyond that stays as it is (S1.7, S2.3).
  - What is written is a difference that is taken anew each time. So killed at any point, the module can be run again.
    No row is lost, and none is written twice. Rows that are on their way are in a table of their own, which the next
    run removes.
  - Each value comes back the same to the bit. Of each batch it is read back that it would, before it is put into its
    table in one transaction. A table with a value that would not is refused by name.
extends_documentation_fragment:
  - tradeops.botfleet.attributes
  - tradeops.botfleet.attributes.action_group
  - tradeops.botfleet.questdb
options:
  safety_copy:
    description:
      - The path of a safety copy, as M(tradeops.botfleet.questdb_restore) and M(tradeops.botfleet.questdb_info) return
        it, or its id.
      - V(latest) is the newest that a restore has replaced.
    type: str
    required: true
  state:
    description:
      - V(returned) means that each row of the safety copy is in the live database, as often as there.
    type: str
    choices: [returned]
    default: returned
  tables:
    description:
      - The tables to compare. By default all that the safety copy has.
      - A table that the live database lacks is made as it was. One that has other columns there, or another designated
        timestamp, is refused with what differs, before anything is written to any table.
    type: list
    elements: str
    default: []
  command:
    description:
      - How QuestDB is started on this host, with C(-d) and its root. By default as the process that serves O(root) was.
    type: list
    elements: str
  drain_timeout:
    description:
      - Seconds to wait until what was written so far has arrived in its table. A table that is suspended is named, and
        never resumed, for that may skip transactions.
    type: float
    default: 60
  start_timeout:
    description: Seconds until the server on the safety copy must answer.
    type: float
    default: 120
notes:
  - Bots may write meanwhile. RV(change.exact) is false then, as nobody can tell what they would have written. Only a
    bot that writes a row at that very time that the safety copy has, too, would have it there once more.
  - A row whose DEDUP key another row has in the live database stays out, since it would replace that. RV(proof.taken)
    counts these.
  - Views are left out, since their rows follow from tables. Named in O(tables), they are refused.
  - Rows that are older than the table's TTL are refused, since QuestDB would drop them at once.
  - A BINARY value of more than 1 MiB, text that is no UTF-8, and arrays with some very small numbers are refused.
    Infinite numbers within arrays, which QuestDB shows as null, come back as null.
  - Where the safety copy has transactions that its server had not carried out when it ended, all of it is copied first,
    which needs the room.
  - Every row of the tables is read on both servers.
seealso:
  - module: tradeops.botfleet.questdb_restore
  - module: tradeops.botfleet.questdb_info
author: The tradeops.botfleet authors (@tradeops)
"""

EXAMPLES = r"""
- name: See which rows left the live database with the last restore
  tradeops.botfleet.questdb_rows:
    root: /var/lib/questdb
    safety_copy: latest
  become: true
  check_mode: true

- name: Bring the fills back that were recorded after the backup
  tradeops.botfleet.questdb_rows:
    root: /var/lib/questdb
    safety_copy: latest
    tables: [fills, orders]
    username: admin
    password: "{{ vault_questdb_password }}"
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
    root:
      description: The root of the live database.
      returned: always
      type: str
    safety_copy:
      description: The path of the safety copy.
      returned: always
      type: str
    tables:
      description:
        - Of each table V(exists), whether the live database has it, V(missing), how many rows to bring back, and
          V(taken), how many more stay out since their DEDUP key is taken.
      returned: always
      type: dict
    missing:
      description: How many rows are missing in all tables.
      returned: always
      type: int
    taken:
      description: How many rows stay out in all tables.
      returned: always
      type: int
    refused:
      description: Tables that cannot be compared, each with the reason. Nothing was compared then.
      returned: always
      type: list
      elements: str
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
    safety_copy:
      description: The path of the safety copy.
      returned: always
      type: str
    tables:
      description:
        - Of each table that was written to V(missing) and V(taken) as found before, V(returned), how many rows were
          written, V(created), whether the table was made, and V(exact).
      returned: always
      type: dict
    rows:
      description: How many rows were written to all tables.
      returned: always
      type: int
    exact:
      description: Whether nothing else was written to these tables meanwhile, by their rows and transactions.
      returned: always
      type: bool
    seconds:
      description: How long it took to V(write) them.
      returned: always
      type: dict
proof:
  description: What was found when all was compared again. No row is missing.
  returned: on success outside check mode
  type: dict
  contains: *state
"""

from ansible_collections.tradeops.botfleet.plugins.module_utils._module import run_module
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations.questdb_rows import QuestdbRows


def main() -> None:
    run_module(QuestdbRows)


if __name__ == "__main__":
    main()
