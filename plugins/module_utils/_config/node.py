# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A config as a tree of values that know where they stand in the text. PRIVATE to the collection."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Union

Key = tuple[str, ...]
"""The way from the root to a value: names of mappings, and numbers (from 0) of lists."""

Wanted = Union[bool, str]


@dataclass(frozen=True)
class Other:
    """A scalar that is no string, boolean or null: what it is, and its text."""

    kind: str
    text: str


@dataclass(eq=False)
class Node:
    """A value and its place.

    start, end: the text of a scalar, in characters; of a container where it begins and ends
    value: of a scalar
    children: of a mapping by name, of a list by number; None for a scalar
    truth: what a scalar means as a switch; None if it is none
    loose: readers disagree whether it is a switch (``yes`` and ``off`` in YAML)
    quote: the quote or block sign that the text begins with
    flow: a container in brackets, or JSON
    first: where the first key of a mapping begins; None if it is empty
    inherited: names that came from another mapping by a YAML merge key
    earlier: assignments of the same name that this one overrides (env files)
    """

    start: int
    end: int
    value: Wanted | Other | None = None
    children: dict[str, Node] | None = None
    truth: bool | None = None
    loose: bool = False
    quote: str = ""
    listed: bool = False
    flow: bool = False
    first: int | None = None
    inherited: frozenset[str] = frozenset()
    earlier: list[Node] = field(default_factory=list)

    def holds(self, wanted: Wanted) -> bool:
        """Whether every reader finds the wanted value here."""
        if isinstance(wanted, bool):
            return all(node.truth is wanted and not node.loose for node in (self, *self.earlier))
        return self.children is None and all(value == wanted for value in self.values())

    def values(self) -> list[Wanted | Other | None]:
        """The values that were assigned to the name, the one that counts last."""
        return [node.value for node in (*self.earlier, self)]

    def what(self) -> str:
        """What kind of value it is; never the value."""
        if self.children is not None:
            return "a list" if self.listed else "a mapping"
        if isinstance(self.value, Other):
            return self.value.kind
        return {bool: "a boolean", str: "a string"}.get(type(self.value), "empty")


class Malformed(Exception):
    """A text that cannot be read: the problem without any of its content, line and column from 1."""

    def __init__(self, problem: str, line: int, column: int) -> None:
        super().__init__(f"line {line}, column {column}: {problem}")


class Format(ABC):
    """How one kind of config is read, and how a value is written in it."""

    name: str

    @abstractmethod
    def parse(self, text: str) -> Node:
        """The tree. Raises Malformed, also for a key that is given twice in one mapping."""

    @abstractmethod
    def literal(self, text: str, node: Node, wanted: Wanted) -> str:
        """What to write from ``node.start`` to ``node.end``, in the style of what is there."""

    @abstractmethod
    def insertion(self, text: str, parent: Node, name: str, wanted: Wanted) -> tuple[int, str]:
        """Where and what to insert so that a mapping has one key more."""


def place(text: str, index: int) -> tuple[int, int]:
    """Line and column, from 1, of a character."""
    return text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index)


def line_end(text: str) -> str:
    """The line end that a text uses."""
    return "\r\n" if "\r\n" in text else "\n"


def in_case_of(sample: str, word: str) -> str:
    """The word in upper, capital or lower case, as the sample is."""
    return word.upper() if len(sample) > 1 and sample.isupper() else word.capitalize() if sample.istitle() else word


def differences(old: Node, new: Node, key: Key = (), same: set[tuple[int, int]] | None = None) -> Iterator[Key]:
    """The keys at which two trees differ. Parts shared through anchors are compared once while equal."""
    same = set() if same is None else same
    if (id(old), id(new)) in same:
        return
    differ = False
    if old.children is None or new.children is None or old.listed != new.listed:
        if old.children is not new.children or old.values() != new.values():
            differ = True
            yield key
    else:
        for name in {**old.children, **new.children}:
            if name not in old.children or name not in new.children:
                differ = True
                yield (*key, name)
                continue
            for found in differences(old.children[name], new.children[name], (*key, name), same):
                differ = True
                yield found
    if not differ:
        same.add((id(old), id(new)))
