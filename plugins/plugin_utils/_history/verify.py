# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the history and the records beside it are as they were written. PRIVATE to the collection."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...module_utils._operation import OperationError
from .chain import Line, content_hash
from .entries import runs
from .files import LINES, read


def verify(artifacts: str, head: str | None = None) -> tuple[list[str], list[str]]:
    """Check the chain, each record that still exists, and a head that was kept elsewhere.

    head: a record, as the path of its record.json, or the hash of a line
    Returns what is wrong, and what is worth saying, as sentences. Raises OperationError if nothing can be read.
    """
    chain = read(artifacts)
    wrong = [f"{LINES}: {sentence}" for sentence in chain.breaks()]
    by_id = runs(chain.lines)
    records = list(_records(artifacts))
    for name in records:
        wrong += _record_is_wrong(artifacts, name, by_id.get(name, []), chain.lines)
    if head is not None:
        wrong += _head_is_wrong(head, chain.lines)
    remarks = [f"{LINES}: line {number} is cut short: its writer died in it" for number in chain.cut_short()]
    gone = len(set(by_id) - set(records))
    remarks.append(
        ", ".join(
            f"{number} {thing}{'' if number == 1 else 's'}"
            for thing, number in (("line", len(chain.lines)), ("rollback", len(by_id)), ("record", len(records)))
        )
        + (f"; {gone} without a record any more" if gone else "")
    )
    return wrong, remarks


def _records(artifacts: str) -> Iterator[str]:
    for entry in sorted(os.scandir(artifacts), key=lambda entry: entry.name):
        if entry.is_dir(follow_symlinks=False) and os.path.lexists(os.path.join(entry.path, "record.json")):
            yield entry.name


def _record_is_wrong(artifacts: str, name: str, lines: Sequence[Line], everything: Sequence[Line]) -> Iterator[str]:
    shown = os.path.join(name, "record.json")
    try:
        record = _read(os.path.join(artifacts, shown))
    except OperationError as error:
        yield str(error)
        return
    if not lines:
        if record.get("check_mode") is not True:
            yield f"{shown} is of no line: its line was removed, or could not be added when the record was made"
        return
    hashed, newest = content_hash(record), lines[-1]
    same = [line for line in lines if (line.content or {}).get("record") == hashed]
    if not same:
        yield f"{shown} is not what line {newest.number} is of: the record was changed, or the line"
    elif same[-1] is not newest:
        yield (
            f"{shown} is of line {same[-1].number}, but line {newest.number} is of a later run: "
            "its controller died before it wrote the record, or an older record was put back"
        )
    else:
        yield from (f"{shown} {sentence}" for sentence in _names_wrong_line(record, everything))


def _head_is_wrong(head: str, lines: Sequence[Line]) -> Iterator[str]:
    if len(head) == 64 and not os.path.exists(head):
        if head.lower() not in {line.hash for line in lines}:
            yield f"{LINES} has no line with the hash {head}: it was rewritten or cut off since"
        return
    yield from (f"{head} {sentence}" for sentence in _names_wrong_line(_read(head), lines))


def _names_wrong_line(record: Mapping[str, Any], lines: Sequence[Line]) -> Iterator[str]:
    link = record.get("history")
    if not isinstance(link, dict) or not isinstance(link.get("line"), int):
        yield "names no line of the history"
    elif not any(line.number == link["line"] and line.hash == link.get("head") for line in lines):
        yield f"names line {link['line']} with another hash than it has: the history was rewritten or cut off since"


def _read(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as handle:
            record = json.load(handle)
    except (OSError, ValueError, RecursionError) as error:
        raise OperationError(f"{path} cannot be read: {error}") from error
    if not isinstance(record, dict):
        raise OperationError(f"{path} is no record: it holds no JSON object")
    return record
