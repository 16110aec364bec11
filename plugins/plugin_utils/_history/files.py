# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The history of all rollbacks of a controller, beside their records. PRIVATE to the collection.

<artifacts>/history.jsonl    the lines, which are only ever added to
<artifacts>/history.md       the table of them, rewritten after each line
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ...module_utils._files import write_atomic
from ...module_utils._operation import OperationError
from .chain import Chain, append, read_chain
from .entries import STATUSES, note_entry, rollback_entry, runs
from .table import history_table

LINES, TABLE = "history.jsonl", "history.md"


def read(artifacts: str) -> Chain:
    """All lines. Raises OperationError if there is no history, or it cannot be read."""
    path = os.path.join(artifacts, LINES)
    if not os.path.lexists(path):
        raise OperationError(f"{path} is not there: name the directory that holds the records")
    return read_chain(path)


def add_rollback(artifacts: str, record: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Add the line of a record. Returns the record's ``history`` (``line``, ``head``), and warnings.

    A history that is broken is a warning, and goes on. Raises OperationError or OSError if nothing was added.
    """
    return _add(artifacts, rollback_entry(record))


def add_note(
    artifacts: str, rollback_id: str, operator: str, at: str, findings: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Add what people found out about a rollback; see ``add_rollback``."""
    if not any(findings.values()):
        raise OperationError("nothing is noted: give a status, impact, root cause, prevention or who resolved it")
    if findings.get("status") not in (None, *STATUSES):
        raise OperationError(f"status is {findings['status']!r}: use one of {', '.join(STATUSES)}")
    if rollback_id not in runs(read(artifacts).lines):
        raise OperationError(f"rollback {rollback_id!r} is not in {os.path.join(artifacts, LINES)}: name one that is")
    return _add(artifacts, note_entry(rollback_id, operator, at, findings))


def _add(artifacts: str, entry: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    path = os.path.join(artifacts, LINES)
    warnings = []

    def write_table(chain: Chain) -> None:
        try:
            write_atomic(os.path.join(artifacts, TABLE), history_table(chain.lines).encode())
        except Exception as error:  # noqa: BLE001  # the line stands, whatever the table trips over
            warnings.append(f"{TABLE} could not be written: {error}")

    line, before = append(path, entry, write_table)
    broken = next(before.breaks(), None)
    if broken:
        warnings.append(f"{path} is broken, and goes on after that: {broken}")
    return {"line": line.number, "head": line.hash}, warnings
