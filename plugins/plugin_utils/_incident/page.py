# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The incident report of a rollback: facts from the record, and room for what only people know (S4.9, S2.14).

PRIVATE to the collection.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from .._markdown import cell
from . import facts

FACTS = re.compile(
    r"^<!-- botfleet facts: begin[^\n]*-->[ \t\r]*$.*?^<!-- botfleet facts: end[^\n]*-->[ \t\r]*$",
    re.DOTALL | re.MULTILINE,
)


def incident(record: Mapping[str, Any], standing: str | None = None) -> str:
    """The report as Markdown, the facts between two comments.

    standing: the report as it is; all of it stays but its facts. Facts without their comments are set before it.
    """
    page = _render(record)
    if standing is None:
        return page
    match = FACTS.search(page)
    written = match[0] if match else ""
    if not FACTS.search(standing):
        return f"{written}\n\n{standing}"
    return FACTS.sub(lambda _old: written, standing, count=1)


def _render(record: Mapping[str, Any]) -> str:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        finalize=lambda value: Markup(cell(value)),  # noqa: S704  # escaped for Markdown, which escapes HTML too
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("incident.md.j2").render(record=record, facts=facts)
