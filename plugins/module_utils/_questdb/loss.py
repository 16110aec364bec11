# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What would leave the live database with a restore, and whether that is allowed. PRIVATE to the collection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._operation import OperationError
from .lineage import Restores, history_of, parted, restores_of
from .source import Source
from .tables import Table
from .verify import changed, discarded, named


def loss(
    tables: Mapping[str, Table] | None, source: Source, marker: Mapping[str, Any] | None
) -> tuple[dict[str, int], list[str]]:
    """Rows by table that are live and not in the source, and tables that were changed in ways no count shows."""
    if tables is None or source.tables is None:
        return {}, []
    restores = restores_of(marker)
    return loss_of(tables, source.tables, history_of(source, restores), restores)


def loss_of(
    live: Mapping[str, Table], wanted: Mapping[str, Table], history: str, restores: Restores
) -> tuple[dict[str, int], list[str]]:
    """The same, of the tables that a state of ``history`` has."""
    common = parted(live, wanted, history, restores)
    lost = discarded(live, wanted, common)
    return lost, [name for name in changed(live, wanted, common or {}) if name not in lost]


def refuse_loss(
    root: str,
    source: Source,
    tables: Mapping[str, Table] | None,
    lost: Mapping[str, int],
    other: list[str],
    *,
    allowed: bool,
) -> None:
    """OperationError where something would leave the live database and that is not allowed."""
    if allowed:
        return
    mend = "set allow_discard to go on, they stay in the safety copy"
    if tables is None or source.tables is None:
        what, first = (root, "start its server, or ") if tables is None else (source.path, "")
        raise OperationError(
            f"the rows of {what} cannot be counted, so nobody knows which would be discarded: {first}{mend}"
        )
    if lost:
        raise OperationError(
            f"{root} has rows that {source.path} (taken {source.taken}) has not, they would be discarded "
            f"({named(lost)}): {mend}"
        )
    if other:
        raise OperationError(
            f"{root} may have changes that {source.path} (taken {source.taken}) has not, and no count shows how "
            f"({', '.join(other)}): set allow_discard to go on, the tables stay in the safety copy"
        )
