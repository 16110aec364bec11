# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line that completes a rollback. PRIVATE to the collection."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from typing import Any

PLAIN = re.compile(r"[A-Za-z0-9_.,:@%&!/+-]+")
DEFAULTS = {
    "target": "previous",
    "batch": "25%",
    "start_jitter": 0,
    "confirm_within": "",
    "max_unsafe": 0,
    "mixed_targets": False,
    "hand_back": False,
    "positions": "cancel_and_close",
    "accept_guarded": False,
    "data_at_risk": False,
    "database": False,
    "database_backup": "latest",
    "allow_discard": False,
}


def command(record: Mapping[str, Any]) -> str:
    """An ``ansible-playbook`` command with the id and the inputs of the record, one option a line.

    Ansible splits what follows ``-e`` at blanks and evaluates templates in it: a value that is not plain is given as
    JSON, and one that could be a template, such as a reason that came with an alert, is left to be written anew.
    """
    given = {"plan": record["plan"], "scope": _scope(record), "rollback_id": record["rollback_id"]}
    inputs = record.get("inputs") or {}
    target_is_plans = inputs.get("target") == "current" and record["plan"] == "go_live"
    for name, default in DEFAULTS.items():
        if inputs.get(name, default) not in (default, None) and not (name == "target" and target_is_plans):
            given[name] = inputs[name]
    if record["check_mode"]:
        del given["rollback_id"]
    for name, default in (
        ("phase", None),
        ("trigger", "manual"),
    ):  # the record of the next run has only what it is given
        if record.get(name) not in (default, None, ""):
            given[name] = record[name]
    options = [_option(name, value) for name, value in {**given, "reason": record["reason"]}.items()]
    first = f"ansible-playbook tradeops.botfleet.rollback -i inventory -f {len(record['bots'])}"
    return " \\\n  ".join([first + (" --check --diff" if record["check_mode"] else ""), *options])


def _scope(record: Mapping[str, Any]) -> str:
    """The scope of the last run; if that leaves bots out, all that are not restored."""
    if all(bot.get("in_this_run", True) for bot in record["bots"]):
        return str(record["scope"])
    return ",".join(bot["name"] for bot in record["bots"] if not bot["restored"])


def _option(name: str, value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if PLAIN.fullmatch(text):
        return f"-e {shlex.quote(f'{name}={text}')}"
    if re.search(r"\{[{%#]", text) or not text.isprintable():
        text = "as before"
    return f"-e {shlex.quote(json.dumps({name: text}, ensure_ascii=False))}"
