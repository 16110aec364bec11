# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks, shows and annotates the history of rollbacks. Needs python3 and this collection, but no Ansible.

python3 scripts/history.py verify ARTIFACTS [--head RECORD_OR_HASH]
python3 scripts/history.py table ARTIFACTS
python3 scripts/history.py note ARTIFACTS ROLLBACK_ID --status Resolved --root-cause '...'
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import types
from datetime import datetime, timezone
from typing import Any

COLLECTION = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))


def plugin_util(name: str) -> Any:
    """A module of plugins/plugin_utils, under a package name of this script's own: Ansible need not be there."""
    package = types.ModuleType("botfleet_plugins")
    package.__path__ = [os.path.join(COLLECTION, "plugins")]
    sys.modules.setdefault(package.__name__, package)
    return importlib.import_module(f"{package.__name__}.plugin_utils.{name}")


files = plugin_util("_history.files")


def verify(options: argparse.Namespace) -> int:
    """Says what is wrong, one sentence a line; 1 if anything is."""
    wrong, remarks = plugin_util("_history.verify").verify(options.artifacts, options.head)
    for sentence in [*wrong, *remarks]:
        print(sentence)
    print("NOT VERIFIED" if wrong else "verified: the chain is whole, and every record is as it was written")
    return 1 if wrong else 0


def table(options: argparse.Namespace) -> int:
    """Prints the history as a Markdown table."""
    print(plugin_util("_history.table").history_table(files.read(options.artifacts).lines), end="")
    return 0


def note(options: argparse.Namespace) -> int:
    """Adds what people found out. Nothing that stands is changed."""
    findings = {name: getattr(options, name) for name in plugin_util("_history.entries").FINDINGS}
    at = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    by = plugin_util("_controller").controller()
    link, warnings = files.add_note(options.artifacts, options.rollback_id, by, at, findings)
    for sentence in warnings:
        print(f"warning: {sentence}", file=sys.stderr)
    print(f"line {link['line']}, {link['head']}")
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="history.py", description="The history of rollbacks.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    checker = commands.add_parser("verify", help="check the chain, and every record that is still there")
    checker.add_argument("--head", metavar="RECORD_OR_HASH", help="a record.json or a hash that was kept elsewhere")
    shower = commands.add_parser("table", help="print the history as a Markdown table")
    noter = commands.add_parser("note", help="add what was found out about a rollback")
    for command, function in ((checker, verify), (shower, table), (noter, note)):
        command.add_argument("artifacts", type=os.path.abspath, help="the directory that holds the records")
        command.set_defaults(function=function)
    noter.add_argument("rollback_id")
    noter.add_argument("--status", help="Resolved, Monitoring or 'Under Investigation'")
    noter.add_argument("--impact", help="what it cost, such as '-150 USD'")
    noter.add_argument("--root-cause")
    noter.add_argument("--prevention", dest="prevention_measures", action="append", help="can be given more than once")
    noter.add_argument("--resolved-by", help="who resolved it")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a terminal of another encoding
    try:
        result: int = options.function(options)
    except (files.OperationError, OSError) as error:
        print(f"history.py: {error}", file=sys.stderr)
        return 1
    return result


if __name__ == "__main__":
    sys.exit(main())
