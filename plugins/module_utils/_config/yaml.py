# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""YAML configs: ruamel.yaml finds the places, the text around them stays as it is. PRIVATE to the collection."""

from __future__ import annotations

import json
import re
import sys
import warnings
from typing import Any

from .._operation import OperationError
from .node import Format, Malformed, Node, Other, Wanted, in_case_of, line_end, place

TAG = "tag:yaml.org,2002:"
PARTS = re.compile(r"((?:[&!]\S*\s+)*)(.*)", re.DOTALL)
"""Anchor and tag of a scalar, and the scalar."""
PLAIN_KEY = re.compile(r"[A-Za-z_][\w-]*", re.ASCII)
COLON = re.compile(r"[ \t]*:")
NESTED = re.compile(r"(?:[\[{?-]\s*){1000}")
YES_OR_NO = {"yes": True, "on": True, "no": False, "off": False}
"""Booleans in YAML 1.1, which most bots read, and strings in 1.2."""


class Yaml(Format):
    """One YAML document; a key given twice is an error."""

    name = "YAML"

    def parse(self, text: str) -> Node:
        try:
            root = _compose(text)
            return Node(0, 0) if root is None else _Tree(text).node(root)
        except RecursionError:
            raise Malformed("it is nested too deeply", 1, 1) from None

    def literal(self, text: str, node: Node, wanted: Wanted) -> str:
        """The value with the quotes of the old one and its anchor; an old tag goes."""
        old = text[node.start : node.end]
        if not old:
            return " " + _scalar(wanted)
        properties, bare = PARTS.findall(old)[0]
        anchor = "".join(part + " " for part in properties.split() if part.startswith("&"))
        if isinstance(wanted, bool):
            return anchor + (_scalar(wanted) if node.loose else in_case_of(bare, _scalar(wanted)))
        if node.quote == "'" and "\n" not in wanted:
            return anchor + "'" + wanted.replace("'", "''") + "'"
        return anchor + _scalar(wanted)

    def insertion(self, text: str, parent: Node, name: str, wanted: Wanted) -> tuple[int, str]:
        entry = f"{name if PLAIN_KEY.fullmatch(name) else _scalar(name)}: {_scalar(wanted)}"
        if parent.first is None:
            return text.index("{", parent.start) + 1, entry
        if parent.flow:
            return parent.first, entry + ", "
        return parent.first, entry + line_end(text) + " " * (place(text, parent.first)[1] - 1)


def _scalar(value: Wanted) -> str:
    return json.dumps(value, ensure_ascii=False)


class _Tree:
    """Our tree from ruamel's; a node that is shared through an anchor is one object in both."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._done: dict[int, Node | None] = {}

    def node(self, source: Any, key: Any = None) -> Node:
        """The node of a value; ``key`` is the node of its key, if it has one."""
        if id(source) in self._done:
            known = self._done[id(source)]
            if known is None:
                raise Malformed("an anchor holds itself", *_mark(source.start_mark))
            return known
        self._done[id(source)] = None
        if isinstance(source.value, str):
            node = self._scalar(source, key)
        else:
            node = Node(source.start_mark.index, source.end_mark.index, flow=bool(source.flow_style))
            if (source.value and isinstance(source.value[0], tuple)) or source.tag == TAG + "map":
                self._mapping(source, node)
            else:
                node.children, node.listed = {str(n): self.node(item) for n, item in enumerate(source.value)}, True
        self._done[id(source)] = node
        return node

    def _scalar(self, source: Any, key: Any) -> Node:
        start, end = source.start_mark.index, source.end_mark.index
        colon = COLON.match(self._text, key.end_mark.index) if start == end and key is not None else None
        if colon:
            start = end = colon.end()
        end = start + len(self._text[start:end].rstrip())
        node = Node(start, end, quote=source.style or "")
        if source.tag == TAG + "bool":
            node.value = node.truth = source.value.lower() in ("true", "yes", "on", "y")
            node.loose = source.value.lower() not in ("true", "false")
        elif source.tag == TAG + "str":
            node.value = source.value
            if not source.style:
                node.truth = YES_OR_NO.get(source.value.lower())
                node.loose = node.truth is not None
        elif source.tag != TAG + "null":
            number = source.tag in (TAG + "int", TAG + "float")
            node.value = Other("a number" if number else f"a value of type {source.tag}", source.value)
        return node

    def _mapping(self, source: Any, node: Node) -> None:
        own: dict[str, Node] = {}
        merged: list[Node] = []
        for key, value in source.value:
            if key.tag == TAG + "merge":
                base = self.node(value)
                merged += list((base.children or {}).values()) if base.listed else [base]
                continue
            name = key.value if isinstance(key.value, str) else f"<key in line {_mark(key.start_mark)[0]}>"
            if name in own:
                raise Malformed(f"the key {name!r} is given twice", *_mark(key.start_mark))
            own[name] = self.node(value, key)
        node.children = {**own}
        for base in merged:
            for name, child in (base.children or {}).items():
                node.children.setdefault(name, child)
        node.inherited = frozenset(node.children) - frozenset(own)
        node.first = source.value[0][0].start_mark.index if source.value else None


def _compose(text: str) -> Any:
    try:
        from ruamel.yaml import YAML  # noqa: PLC0415  # a host without it can still do everything else
        from ruamel.yaml.error import YAMLError  # noqa: PLC0415  # likewise
    except ImportError as error:
        raise OperationError(
            f"editing YAML needs ruamel.yaml on this host: install it for {sys.executable} "
            "(python3-ruamel.yaml in most distributions)"
        ) from error
    # "safe" takes the C parser where the host has it: five times as fast, but brought down by deep nesting.
    yaml: Any = YAML(typ="safe", pure=bool(NESTED.search(text)))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they would show lines of the file
            if hasattr(yaml, "compose"):
                return yaml.compose(text)
            constructor, parser = yaml.get_constructor_parser(text)  # ruamel.yaml before 0.17
            try:
                return constructor.composer.get_single_node()
            finally:
                parser.dispose()
    except (YAMLError, ValueError, LookupError, AttributeError, TypeError) as error:
        raise _malformed(error, text) from None


def _malformed(error: Exception, text: str) -> Malformed:
    mark: Any = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = str(getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read")
    if problem == "but found another document":
        problem = "a second document begins, and only files with one can be edited"
    where = _mark(mark) if mark is not None else place(text, getattr(error, "position", 0))
    return Malformed(_without_content(problem), *where)


def _without_content(problem: str) -> str:
    """The parser's words without pieces of the file, which may be of a secret. A sign such as ',' is none."""
    problem = re.sub(r"""'([^\w\s'"])'""", "\0\\1\0", problem)
    return re.sub(r"""(['"])(?!<|\\.\1).{2,}\1""", "…", problem).replace("\0", "'")


def _mark(mark: Any) -> tuple[int, int]:
    return mark.line + 1, mark.column + 1
