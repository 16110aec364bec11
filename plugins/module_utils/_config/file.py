# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values in config files, changed in place: all other bytes stay as they are. PRIVATE to the collection."""

from __future__ import annotations

import os.path
import re
from functools import lru_cache

from .._files import read_bytes, write_atomic
from .._operation import OperationError
from .env import Env
from .json import Json
from .node import Format, Key, Malformed, Node, Wanted, differences
from .yaml import Yaml

FORMATS: dict[str, Format] = {"yaml": Yaml(), "json": Json(), "env": Env()}
BOM = "\ufeff"


def parse_key(dotted: str) -> Key:
    """``a.b.0`` as a key. A backslash takes the special meaning from a dot or a backslash."""
    parts = re.findall(r"(?:[^.\\]|\\.)+", dotted)
    if not parts or ".".join(parts) != dotted:
        raise OperationError(f"{dotted!r} is not a dotted key: write it like exchanges.binance.testnet")
    return tuple(re.sub(r"\\(.)", r"\1", part) for part in parts)


def dotted_key(key: Key) -> str:
    """A key as ``parse_key`` takes it."""
    return ".".join(re.sub(r"([.\\])", r"\\\1", part) for part in key)


def format_of(path: str) -> str | None:
    """The format that a file's name tells: yaml, json, env, or None."""
    name = os.path.basename(path).lower()
    extension = os.path.splitext(name)[1]
    if extension in (".yaml", ".yml"):
        return "yaml"
    if extension == ".json":
        return "json"
    return "env" if "env" in name else None


class ConfigFile:
    """One read of a config file."""

    def __init__(self, path: str, format_name: str, text: str) -> None:
        self.path = path
        self._format_name = format_name
        self._bom = BOM if text.startswith(BOM) else ""
        self._text = text[len(self._bom) :]
        try:
            self.root = _parse(format_name, self._text)
        except Malformed as error:
            raise OperationError(
                f"{path} is not valid as {FORMATS[format_name].name} ({error}): it was left alone, mend it first"
            ) from None

    @classmethod
    def read(cls, path: str, format_name: str) -> ConfigFile:
        """Raises OperationError for a file that is missing, a symlink, malformed or not UTF-8."""
        content = read_bytes(path)
        if content is None:
            raise OperationError(f"{path} is not there: mend the path, or bring the config back")
        try:
            return cls(path, format_name, content.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise OperationError(f"{path} is not UTF-8 text (byte {error.start}): it was left alone") from None

    def find(self, key: Key) -> Node | None:
        """The value at a key, None if there is none."""
        node: Node | None = self.root
        for name in key:
            node = (node.children or {}).get(name) if node else None
        return node

    def switch(self, key: Key) -> Node:
        """The boolean at a key; a missing key is an error that names the keys that are there."""
        node = self.find(key)
        if node is None:
            raise OperationError(f"{self.path} has no key {dotted_key(key)}: mend its name, {self._nearest(key)}")
        if any(each.truth is None for each in (node, *node.earlier)):
            raise OperationError(
                f"{dotted_key(key)} in {self.path} is {node.what()}, not a boolean: make it true or false by hand"
            )
        return node

    def with_values(self, values: dict[Key, Wanted]) -> ConfigFile:
        """The file as it would be with these values; nothing is written.

        A key that its mapping lacks, or only inherits by a merge key, is added to the mapping. The result is
        parsed again and compared: anything else that would change with it, through an anchor, is an error.
        """
        edits: dict[tuple[int, int], str] = {}
        added: list[tuple[int, str]] = []
        for key, wanted in values.items():
            node = self.find(key)
            try:
                parent = self.find(key[:-1])
                if node is None or (parent is not None and key[-1] in parent.inherited):
                    added.append(self._insertion(key, parent, wanted))
                    continue
                for each in (node, *node.earlier):
                    literal = FORMATS[self._format_name].literal(self._text, each, wanted)
                    if edits.setdefault((each.start, each.end), literal) != literal:
                        raise OperationError("another key shares its value through an anchor: write it out in both")
            except OperationError as error:
                raise OperationError(f"{dotted_key(key)} in {self.path} cannot be changed: {error}") from None
        spans = [(start, end, text) for (start, end), text in edits.items()]
        spans += [(at, at, text) for at, text in dict.fromkeys(added)]
        text = self._bom + _replaced(self._text, spans)
        self._verify(text, values)
        return ConfigFile(self.path, self._format_name, text)

    def write(self) -> None:
        """Replace the file, owner and mode kept."""
        write_atomic(self.path, (self._bom + self._text).encode("utf-8"))

    def _insertion(self, key: Key, parent: Node | None, wanted: Wanted) -> tuple[int, str]:
        if parent is None or parent.children is None or parent.listed:
            raise OperationError(f"it is not there, and {self._nearest(key)}")
        return FORMATS[self._format_name].insertion(self._text, parent, key[-1], wanted)

    def _nearest(self, key: Key) -> str:
        """The keys that there are, where a key's way ends."""
        depth = len(key)
        while self.find(key[:depth]) is None:
            depth -= 1
        node = self.find(key[:depth])
        where = dotted_key(key[:depth]) or "the file"
        if node is None or not node.children:
            return f"{where} holds no keys"
        names = list(node.children)
        return f"{where} has {', '.join(names[:20])}{' and more' if len(names) > 20 else ''}"

    def _verify(self, text: str, values: dict[Key, Wanted]) -> None:
        """Raise unless the changed text reads as wanted, and as before in everything else."""
        where = f"{', '.join(map(dotted_key, values))} in {self.path}"
        by_hand = f"{where} cannot be changed in place, change it by hand"
        try:
            after = ConfigFile(self.path, self._format_name, text)
        except OperationError:
            raise OperationError(by_hand) from None
        for key in differences(self.root, after.root):
            if self.find(key) is None and key not in values:
                raise OperationError(by_hand)  # the new name may hold a secret
            if key not in values:
                raise OperationError(
                    f"{where} cannot be changed alone: {dotted_key(key) or 'the whole file'} would "
                    "change too, through an anchor or an alias; write the value out in each place"
                )
        for key, wanted in values.items():
            node = after.find(key)
            if node is None or not node.holds(wanted):
                raise OperationError(by_hand)


@lru_cache(maxsize=2)
def _parse(format_name: str, text: str) -> Node:
    """Cached, because a large file is read again and again to prove a change, and parsing it takes seconds."""
    return FORMATS[format_name].parse(text)


def _replaced(text: str, spans: list[tuple[int, int, str]]) -> str:
    pieces: list[str] = []
    position = 0
    for start, end, replacement in sorted(spans, key=lambda span: span[:2]):
        pieces += [text[position:start], replacement]
        position = end
    return "".join([*pieces, text[position:]])
