# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures of a run of random faults, in docs/reliability.md."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from tests.playbooks.conftest import ROOT

if TYPE_CHECKING:
    from .run import Result

PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- figures of make faults -->", "<!-- end of figures -->"
COLUMNS = ("fault", "seeds", "bots restored", "named as not restored", "unknown states")


def write(results: Sequence[Result], fleets: int) -> None:
    """Put them between the page's two markers."""
    before, _begin, rest = PAGE.read_text().partition(BEGIN)
    _old, _end, after = rest.partition(END)
    PAGE.write_text("\n".join([before + BEGIN, *render(results, fleets), END + after]))


def render(results: Sequence[Result], fleets: int) -> Iterator[str]:
    """One row for each fault, and the sum."""
    seeds = [result.seed for result in results]
    shared = f", on {fleets} fleets at the same time" if fleets > 1 else ""
    yield from ("", f"Seeds {min(seeds)} to {max(seeds)}, {_mean(results):.0f} s for each{shared}.", "")
    yield from (f"| {' | '.join(COLUMNS)} |", "|---|--:|--:|--:|--:|")
    for fault in sorted({result.fault for result in results}):
        yield _row(fault, [result for result in results if result.fault == fault])
    yield from (_row("all", results), "")


def _row(name: str, results: Sequence[Result]) -> str:
    restored = sum(result.states.get("restored", 0) for result in results)
    named = sum(count for result in results for state, count in result.states.items() if state != "restored")
    unknown = sum(len(result.unknown) for result in results)
    return f"| {name} | {len(results)} | {restored} | {named} | {unknown} |"


def _mean(results: Sequence[Result]) -> float:
    return sum(result.seconds for result in results) / len(results)
