# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order in which tags were deployed (S1.4). PRIVATE to the collection."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

PRE_RELEASES = {"a", "alpha", "b", "beta", "c", "canary", "dev", "nightly", "pre", "preview", "rc", "snapshot"}
PARTS = re.compile(r"(?P<prefix>\D*)(?P<numbers>\d+(?:[.\-_T]?\d+)*)?(?P<suffix>.*)", re.DOTALL)

Order = tuple[str, tuple[int, ...], int, tuple[tuple[int, int, str], ...], str]


@dataclass(frozen=True)
class BadTags:
    """Versions that must not come back: named, or the same commit as one that is named."""

    names: frozenset[str] = frozenset()
    commits: frozenset[str] = field(default_factory=frozenset)

    def has(self, tag: str, commit: str | None) -> bool:
        return tag in self.names or commit in self.commits


def deploy_order(tag: str) -> Order:
    """A sort key: stamps by time, versions by number.

    ``deploy-20250101-093000`` sorts by its stamp, ``v0.10.0`` after ``v0.9.9``. A pre-release (``v1.0.0-rc2``)
    comes before its release; any other suffix (``v0.9.9-stable``, ``-hotfix1``) after it.
    """
    parts = PARTS.fullmatch(tag)
    if parts is None:  # cannot be: every part of the expression is optional
        raise ValueError(tag)
    suffix = parts["suffix"].lstrip("-._+~").lower()
    word = re.match(r"[a-z]*", suffix)
    rank = 1 if not suffix else 0 if word and word[0] in PRE_RELEASES else 2
    numbers = tuple(int(number) for number in re.findall(r"\d+", parts["numbers"] or ""))
    pieces = re.findall(r"\d+|\D+", suffix)
    words = tuple((1, int(piece), "") if piece.isdecimal() else (0, 0, piece) for piece in pieces)
    return parts["prefix"], numbers, rank, words, tag


def is_later(tag: str, other: str) -> bool | None:
    """Whether a tag comes after another in deploy order; None when they are of different series."""
    first, second = deploy_order(tag), deploy_order(other)
    return None if first[0] != second[0] else first > second


def newest_at(tags: Mapping[str, str], commit: str) -> str | None:
    """The last tag, in deploy order, of those on a commit. ``tags`` maps names to commits."""
    return max((tag for tag, its in tags.items() if its == commit), key=deploy_order, default=None)


def predecessor(tags: Mapping[str, str], running: str, bad: BadTags) -> str | None:
    """The tag that was deployed before ``running``: other code, and not known to be bad."""
    same = tags.get(running)
    earlier = (tag for tag, at in tags.items() if is_later(running, tag) and at != same and not bad.has(tag, at))
    return max(earlier, key=deploy_order, default=None)


def last_tags(tags: Mapping[str, str], bad: BadTags, count: int = 5) -> str:
    """The last tags in deploy order, the newest first, for people to choose from."""
    newest = sorted(tags, key=deploy_order, reverse=True)[:count]
    marked = [f"{tag} (bad)" if bad.has(tag, tags[tag]) else tag for tag in newest]
    return f"the last {len(marked)} are {', '.join(marked)}" if marked else "there are none"
