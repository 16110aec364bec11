# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON configs, with the standard library alone. PRIVATE to the collection."""

from __future__ import annotations

import json
from json.decoder import JSONArray, JSONObject  # type: ignore[attr-defined]  # not in its stub
from json.scanner import py_make_scanner  # type: ignore[attr-defined]  # likewise
from typing import Any

from .node import Format, Malformed, Node, Other, Wanted, place


class Json(Format):
    """JSON as in RFC 8259; a key given twice is an error."""

    name = "JSON"

    def parse(self, text: str) -> Node:
        try:
            return _Decoder(text).tree()
        except json.JSONDecodeError as error:
            raise Malformed(error.msg, error.lineno, error.colno) from None
        except RecursionError:
            raise Malformed("it is nested too deeply", 1, 1) from None

    def literal(self, text: str, node: Node, wanted: Wanted) -> str:
        return json.dumps(wanted, ensure_ascii=False)

    def insertion(self, text: str, parent: Node, name: str, wanted: Wanted) -> tuple[int, str]:
        entry = f"{json.dumps(name, ensure_ascii=False)}: {json.dumps(wanted, ensure_ascii=False)}"
        if parent.first is None:
            return parent.start + 1, entry
        return parent.first, f"{entry},{text[parent.start + 1 : parent.first] or ' '}"


class _Decoder(json.JSONDecoder):
    """The library's own grammar; each value it reads is wrapped in its place."""

    def __init__(self, text: str) -> None:
        super().__init__(
            object_pairs_hook=lambda pairs: pairs,
            parse_int=lambda digits: Other("a number", digits),
            parse_float=lambda digits: Other("a number", digits),
            parse_constant=lambda name: Other("a number", name),
        )
        self._text = text
        self.parse_object: Any = lambda at, strict, _scan, *rest: JSONObject(at, strict, self._node, *rest)
        self.parse_array: Any = lambda at, _scan: JSONArray(at, self._node)
        self._plain = py_make_scanner(self)
        self.scan_once: Any = self._node

    def tree(self) -> Node:
        tree: Node = self.decode(self._text)
        return tree

    def _node(self, text: str, start: int) -> tuple[Node, int]:
        value, end = self._plain(text, start)
        node = Node(start, end, flow=True)
        if text[start] == "{":
            node.children = self._members(value, start)
            node.first = text.index('"', start) if value else None
        elif text[start] == "[":
            node.children, node.listed = {str(number): child for number, child in enumerate(value)}, True
        else:
            node.value = value
            node.truth = value if isinstance(value, bool) else None
        return node, end

    def _members(self, pairs: list[tuple[str, Node]], start: int) -> dict[str, Node]:
        members: dict[str, Node] = {}
        for name, child in pairs:
            if name in members:
                raise Malformed(f"the key {name!r} is given twice", *place(self._text, child.start))
            members[name] = child
        return members
