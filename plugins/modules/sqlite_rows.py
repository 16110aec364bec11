# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: sqlite_rows
short_description: Move rows of a time window out of an SQLite database, put them back, or run a script on a copied one
version_added: 1.0.0
description:
  - Moves the rows of a table that lie in a window of time out to a side file, a database of its own (S2.6). The side
    file can be put back.
  - Runs a SQL script in one transaction on a database that was copied first, with SQLite's own backup (S2.9).
  - Bots may read and write meanwhile. Readers see all of the window or nothing of it. Writers are waited for, and wait;
    no row of theirs is lost.
  - A row is in the database, in the side file, or for a moment in both, but never in none. Killed at any point, the
    module can be run again, and finishes.
  - SQLite's integrity check is run before and after, on the database and on what was made beside it. A damaged database
    is refused before anything is touched.
extends_documentation_fragment:
  - tradeops.botfleet.attributes
  - tradeops.botfleet.attributes.action_group
attributes:
  idempotent:
    support: partial
    details:
      - A script that would change something each time, such as one that writes the time of its run, does so each time.
options:
  path:
    description:
      - The database. It must not be a symlink.
    type: path
    required: true
  state:
    description:
      - V(moved) takes the rows in the window out to a side file.
      - V(restored) puts the rows of O(side_file) back that are not there. One that is there with another content is a
        conflict. It is refused and named by its key, and nothing is put back.
      - V(scripted) copies the database and runs a script on it, unless the script would change nothing. That is found
        out on a private copy, in memory or in a temporary file, also in check mode.
    type: str
    choices: [moved, restored, scripted]
    required: true
  table:
    description:
      - The table with the rows. Required with O(state=moved), and optional with O(state=restored), where the side file
        tells.
      - It may have any kind of key, be WITHOUT ROWID or STRICT, and have generated columns.
    type: str
  column:
    description:
      - The column with the time of a row. Required with O(state=moved).
    type: str
  unit:
    description:
      - What O(column) holds. Required with O(state=moved).
      - V(s), V(ms), V(us) and V(ns) are numbers since 1970. V(iso) is text such as V(2026-01-05T03:15:00Z) or
        V(2026-01-05 03:15:00.250), without a zone as UTC; it is compared as a time, to the millisecond.
      - A unit in which no row of the table is of this century is refused. Rows without a time in the unit stay, and are
        counted in RV(proof.rows_without_time).
    type: str
    choices: [s, ms, us, ns, iso]
  since:
    description:
      - The begin of the window, a time with its zone, from 1970 on. A row of that very time is moved.
    type: str
  window:
    description:
      - The length of the window instead of its begin, such as V(1h), V(90s), V(15m) or V(2d). It ends at O(until), or
        when the module begins.
      - Give O(since) where several bots or runs should have the same window.
    type: str
  until:
    description:
      - The end of the window. A row of that very time stays.
      - Without it the window has no end, so that rows are moved that are stamped ahead of this host's clock.
    type: str
  side_file:
    description:
      - With O(state=moved), the file that is made. It must not be there yet, unless a run that was interrupted left it.
        By default its name is the database's, the table's and the time, and it lies beside the database, such as
        V(market_data.mbo_events.20260105T031500Z.db).
      - With O(state=restored), the file to put back. Required then. It is not removed.
    type: path
  taken_rowids:
    description:
      - What to do when rows are put back, by V(restored) or by an undo, and a row that was written since has the rowid
        of one of them. That happens where the last rows of a table without AUTOINCREMENT were moved.
      - V(refuse) fails and names them.
      - V(renumber) gives the rows that come back new rowids. Leave it where something else refers to them by number.
    type: str
    choices: [refuse, renumber]
    default: refuse
  script:
    description:
      - The SQL to run. V(BEGIN), V(COMMIT), V(ATTACH), V(VACUUM), V(PRAGMA) and their like are refused, since all of it
        runs in one transaction.
      - With O(state=scripted), either this or O(script_path) is required.
    type: str
  script_path:
    description:
      - A file with the SQL, on the host.
    type: path
  backup_file:
    description:
      - The copy that is made before a script runs. It must not be there yet, unless it holds just what the database
        holds. By default it lies beside the database, such as V(metrics.before-script.20260105T031500Z.db).
    type: path
  integrity:
    description:
      - Which of SQLite's checks to run. V(full) is C(integrity_check). V(quick) is C(quick_check), which is faster on
        large databases, and does not compare indexes with their tables.
    type: str
    choices: [full, quick]
    default: full
  busy_timeout:
    description:
      - Seconds that another process is waited for that holds the database's lock. Then the module fails, and names it
        where the kernel tells.
    type: float
    default: 30
  missing:
    description:
      - What it means when the database is not there.
      - V(ok) skips, and says so.
    type: str
    choices: [fail, ok]
    default: fail
requirements:
  - SQLite 3.31 or later in the host's Python
notes:
  - The window is fixed when the module begins. Rows that are written into it after the move stay, and are counted in
    RV(proof.rows_in_window).
  - A table with a trigger that the move, or putting back, would fire is refused. So are rows that rows of other tables
    refer to by a foreign key, whatever its C(ON DELETE) says. Foreign keys are not enforced when a script runs, as in
    the C(sqlite3) program.
  - Side files and copies have the mode of the database and, as root, its owner. Nothing removes them.
  - The write lock is held while rows are copied and deleted, and while a script runs. The checks before and after are
    made without it.
  - A database whose process was killed in the middle of a transaction is recovered first, as any program that opens it
    would. Check mode does not, and fails.
  - A read-only look at a database in WAL mode that has a C(-wal) file, but no C(-shm) file, makes the latter.
  - Where a transaction undoes it, moved rows are put back. A copied database is put back, in place, if nobody wrote it
    since and, in WAL mode, nobody has it open. Rows that were put back stay.
  - Results and diffs show numbers of rows, hashes and keys of rows in conflict, no other contents.
seealso:
  - module: tradeops.botfleet.config_snapshot
  - module: tradeops.botfleet.transaction
author: The tradeops.botfleet authors (@tradeops)
"""

EXAMPLES = r"""
- name: Move the events of the last hour out of the market data
  tradeops.botfleet.sqlite_rows:
    path: /opt/options/outputs/market_data.db
    state: moved
    table: mbo_events
    column: timestamp
    unit: iso
    window: 1h

- name: Move those of an incident, the same on each bot
  tradeops.botfleet.sqlite_rows:
    path: /opt/options/outputs/market_data.db
    state: moved
    table: mbo_events
    column: ts_event
    unit: ns
    since: "2026-01-05T02:15:00Z"
    until: "2026-01-05T03:15:00Z"
    side_file: /backup/options/bad-events.db

- name: Put them back after all
  tradeops.botfleet.sqlite_rows:
    path: /opt/options/outputs/market_data.db
    state: restored
    side_file: /backup/options/bad-events.db

- name: Reset the metrics
  tradeops.botfleet.sqlite_rows:
    path: /opt/options/outputs/metrics.db
    state: scripted
    script_path: /opt/options/scripts/reset_metrics.sql
    missing: ok
"""

RETURN = r"""
msg:
  description: What was done or would be done, or why it failed or was skipped.
  returned: always
  type: str
before:
  description: The state before the module ran.
  returned: when it could be read
  type: dict
  contains: &state
    path:
      description: The database.
      returned: always
      type: str
    present:
      description: Whether it is there.
      returned: always
      type: bool
    integrity:
      description: V(ok), or what SQLite's check found. If it is not V(ok), nothing else was read.
      returned: when it is there
      type: str
    table:
      description: The table, as the schema writes it.
      returned: when O(state=moved) or O(state=restored)
      type: str
    column:
      description: The column, as the schema writes it.
      returned: when O(state=moved)
      type: str
    since:
      description: The begin of the window (UTC).
      returned: when O(state=moved)
      type: str
    until:
      description: The end of the window (UTC), null if it has none.
      returned: when O(state=moved)
      type: str
    rows:
      description: How many rows the table has.
      returned: when O(state=moved) or O(state=restored)
      type: int
    rows_in_window:
      description: How many of them are in the window. After a move, these were written into it since.
      returned: when O(state=moved)
      type: int
    rows_without_time:
      description: How many of them have no time in the unit, and so are in no window.
      returned: when O(state=moved)
      type: int
    interrupted:
      description: Side files of moves that were interrupted, which the next move finishes.
      returned: when O(state=moved)
      type: list
      elements: str
    side_files:
      description: The side files of this move, checked again.
      returned: when O(state=moved), in RV(proof) and RV(after)
      type: list
      elements: dict
    side_file:
      description: The side file.
      returned: when O(state=restored)
      type: str
    side_integrity:
      description: What SQLite's check says of the side file.
      returned: when O(state=restored)
      type: str
    side_rows:
      description: How many rows the side file has.
      returned: when O(state=restored)
      type: int
    rows_missing:
      description: How many of them are not in the database.
      returned: when O(state=restored)
      type: int
    rows_taken:
      description: Of how many of these another row of the database has the rowid.
      returned: when O(state=restored)
      type: int
    digest:
      description: A SHA-256 over the schema and all rows.
      returned: when O(state=scripted)
      type: str
    tables:
      description: How many rows each table has.
      returned: when O(state=scripted)
      type: dict
    backup_file:
      description: The copy, checked again.
      returned: when O(state=scripted), in RV(proof) and RV(after), if the script ran
      type: str
    backup_integrity:
      description: What SQLite's check says of the copy.
      returned: when O(state=scripted), in RV(proof) and RV(after), if the script ran
      type: str
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
      description: The state that was asked for.
      returned: always
      type: str
    path:
      description: The database.
      returned: always
      type: str
    table:
      description: The table.
      returned: when O(state=moved) or O(state=restored)
      type: str
    rows:
      description: How many rows were moved or put back.
      returned: when O(state=moved) or O(state=restored)
      type: int
    moves:
      description: What was moved where. More than one if an interrupted move of another window was finished.
      returned: when O(state=moved)
      type: list
      elements: dict
      contains:
        side_file:
          description: The side file.
          returned: always
          type: str
        rows:
          description: How many rows it holds.
          returned: always
          type: int
        since:
          description: The begin of its window (UTC).
          returned: always
          type: str
        until:
          description: The end of its window (UTC), null if it has none.
          returned: always
          type: str
    side_file:
      description: The side file that was put back.
      returned: when O(state=restored)
      type: str
    backup_file:
      description: The copy from before the script.
      returned: when O(state=scripted)
      type: str
    tables:
      description: The tables that the script changed.
      returned: when O(state=scripted)
      type: list
      elements: str
    schema_changed:
      description: Whether the script changed the schema.
      returned: when O(state=scripted)
      type: bool
    before:
      description: The digest of the database before the script, which is the copy's.
      returned: when O(state=scripted)
      type: str
    after:
      description: The digest of the database right after the script.
      returned: when O(state=scripted)
      type: str
proof:
  description: What was read again, the checks included.
  returned: on success outside check mode
  type: dict
  contains: *state
"""

from ansible_collections.tradeops.botfleet.plugins.module_utils._module import run_module
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations.sqlite_rows import SqliteRows


def main() -> None:
    run_module(SqliteRows)


if __name__ == "__main__":
    main()
