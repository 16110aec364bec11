# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SQL scripts, statement by statement in one transaction (S2.9). PRIVATE to the collection."""

from __future__ import annotations

import re
import sqlite3

from .._files import read_bytes
from .._operation import OperationError

BLANK = re.compile(r"(?:\s+|--[^\n]*(?:\n|$)|/\*.*?(?:\*/|$)|;)*", re.DOTALL)
OF_ITS_OWN = {
    **dict.fromkeys(
        ["BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE"], "all of it runs in one transaction"
    ),
    **dict.fromkeys(["ATTACH", "DETACH"], "it runs on one database"),
    "VACUUM": "it cannot run in a transaction",
    "PRAGMA": "what it sets would not be undone with the transaction",
}
SHOWN = 60


def statements_of(script: str | None, script_path: str | None) -> list[str]:
    """The statements of a script or of a file with one. What would end the transaction that they run in is refused."""
    place = "script" if script_path is None else script_path
    if script_path is not None:
        raw = read_bytes(script_path)
        if raw is None:
            raise OperationError(f"{script_path} is not there: correct script_path, or bring the script to this host")
        try:
            script = raw.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise OperationError(f"{script_path} is not UTF-8 at byte {error.start}: save it as UTF-8") from error
    statements = []
    for line, statement in _split(script or "", place):
        word = re.match(r"\w*", statement)
        first = word[0].upper() if word else ""
        if statement.startswith("."):
            raise OperationError(
                f"{place} line {line} has a command of the sqlite3 program ({_shown(statement)}): write SQL"
            )
        if first in OF_ITS_OWN:
            raise OperationError(f"{place} line {line} has {first}, but {OF_ITS_OWN[first]}: take that statement out")
        statements.append(statement)
    if not statements:
        raise OperationError(f"{place} has no statement: give at least one")
    return statements


def run(connection: sqlite3.Connection, statements: list[str], path: str) -> None:
    """Run them in the transaction that is open. The first that fails is an OperationError; the caller rolls back."""
    for statement in statements:
        try:
            for _row in connection.execute(statement):
                pass
        except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
            raise OperationError(
                f"the script failed on {path} at {_shown(statement)} ({error}); nothing was changed: correct it"
            ) from error
        if not connection.in_transaction:
            raise OperationError(f"the script ended its transaction at {_shown(statement)}: take that statement out")


def _split(script: str, place: str) -> list[tuple[int, str]]:
    """Line and text of each statement, without blanks and comments before it."""
    found: list[tuple[int, str]] = []
    begin = 0
    while True:
        blank = BLANK.match(script, begin)
        begin = blank.end() if blank else begin
        if begin >= len(script):
            return found
        line = script.count("\n", 0, begin) + 1
        end = begin
        while not (end > begin and sqlite3.complete_statement(script[begin:end])):
            end = script.find(";", end) + 1
            if not end:
                rest = script[begin:].rstrip()
                if not sqlite3.complete_statement(rest + "\n;"):
                    raise OperationError(
                        f"{place} line {line} begins a statement that does not end ({_shown(rest)}): end it"
                    )
                return [*found, (line, rest)]
        found.append((line, script[begin:end]))
        begin = end


def _shown(statement: str) -> str:
    text = " ".join(statement.split())
    return repr(text if len(text) <= SHOWN else text[:SHOWN] + "…")
