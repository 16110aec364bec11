# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page: geometry and words from the record, markup from the template. PRIVATE to the collection."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from .._databases import became_of
from .._holdings import in_few_words
from .attention import attention
from .changes import changes
from .claims import claims
from .command import command
from .evidence import evidence
from .exposure import exposure
from .fleet import fleet, state_words
from .headline import headline, who
from .timeline import timeline
from .words import count, figure, moment, shown

HERE = Path(__file__).parent
FATES = {
    "changed": "changed",
    "changed earlier": "changed in an earlier run",
    "would change": "would change",
    "put back": "changed, then put back",
    "not put back": "changed, and could not be put back",
    "tried": "tried, and failed",
}


def render_report(record: Mapping[str, Any]) -> str:
    """A whole HTML page, which is well-formed XML, too; no script, and nothing that is loaded from elsewhere.

    record: as rollback_record writes it; keys that records of earlier versions lack may be missing
    """
    record = json.loads(json.dumps(record, default=str))  # as it is on disk, free of Ansible's own types
    bots, check_mode = fleet(record), record["check_mode"]
    changed = changes(bots, check_mode)
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(count=count, figure=figure, in_few_words=in_few_words, state_words=state_words)
    return environment.get_template("page.html.j2").render(
        record=record,
        check_mode=check_mode,
        bots=bots,
        headline=headline(record, bots),
        cases=attention(bots, check_mode),
        command=command(record),
        timeline=timeline(record, bots),
        exposure=exposure(record, bots),
        databases=[(row, became_of(row)) for row in record.get("databases", [])],
        changes=changed.groups,
        evidence=[evidence(bot, changed, check_mode) for bot in bots],
        claims=claims(record, bots),
        fates=FATES,
        footer=_footer(record),
        decided=moment(record["start_time"]),
    )


def _footer(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What ties the page to its record and to the history of all rollbacks."""
    history = record.get("history") or {}
    facts = [
        ("Rollback", record["rollback_id"]),
        ("Operator", who(record.get("operator"))),
        ("Status", record.get("status")),
        ("Record", f"schema {record['schema_version']}" if "schema_version" in record else None),
        ("History", f"line {history['line']}, head {history['head']}" if history else None),
        ("Collection", "tradeops.botfleet"),
    ]
    return [(name, str(value)) for name, value in facts if value]
