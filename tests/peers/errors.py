# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/errors.md: what an operator is told of bad input, as the tests that provoke it read it.

With BOTFLEET_WRITE_ERRORS=1 the tests write the page instead of comparing with it.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "errors.md"
WRITING = bool(os.environ.get("BOTFLEET_WRITE_ERRORS"))

FOUND = ("Before anything is touched", "In halt", "At the barrier", "In revert", "In resume and verify")
COLUMNS = ("what is wrong", "what is said", "the bot ends", "what was changed")


@dataclass(frozen=True)
class Case:
    """what: is wrong, as an operator would call it; found: when, one of FOUND."""

    found: str
    what: str


@dataclass(frozen=True)
class Told:
    """said: the sentence; ends: how it left the bot; changed: the steps that changed something."""

    said: str
    ends: str = "as it was"
    changed: str = "nothing"


Page = dict[Case, Told]


def tell(case: Case, told: Told) -> None:
    """Compare what was told with the page, or write it there."""
    if WRITING:
        with _rewritten() as page:
            page[case] = told
        return
    assert read().get(case) == told, f"{PAGE.name} differs: see its head for how to write it anew"


def keep(provoked: Collection[Case]) -> None:
    """Compare the cases of the page with those that tests provoke, or remove the others."""
    if WRITING:
        with _rewritten() as page:
            for case in set(page) - set(provoked):
                del page[case]
        return
    assert sorted(map(str, read())) == sorted(map(str, provoked))


def read(text: str | None = None) -> Page:
    """The page, case by case."""
    page: Page = {}
    found = ""
    for line in (PAGE.read_text() if text is None else text).splitlines():
        if line.startswith("## "):
            found = line[3:]
        elif line.startswith("| ") and not line.startswith(f"| {COLUMNS[0]} "):
            what, said, ends, changed = (cell.replace("\\|", "|") for cell in re.split(r"(?<!\\) \| ", line[2:-2]))
            page[Case(found, what)] = Told(said.strip("`"), ends, changed)
    return page


def render(page: Page) -> Iterator[str]:
    """The lines of the tables, in the order of a rollback."""
    for found in FOUND:
        yield from ("", f"## {found}", "", f"| {' | '.join(COLUMNS)} |", "|---|---|---|---|")
        for case in sorted((case for case in page if case.found == found), key=lambda case: case.what.lower()):
            told = page[case]
            cells = (case.what, f"`{told.said}`", told.ends, told.changed)
            yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


@contextmanager
def _rewritten() -> Iterator[Page]:
    """The page to be changed; tests of other processes wait."""
    with PAGE.open("r+") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        text = handle.read()
        page = read(text)
        yield page
        head = text.partition("\n## ")[0].rstrip("\n")
        handle.seek(0)
        handle.truncate()
        handle.write("\n".join([head, *render(page), ""]))
