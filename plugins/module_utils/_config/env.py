# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Env files: NAME=value lines as shells, systemd and dotenv read them. PRIVATE to the collection."""

from __future__ import annotations

import re

from .._operation import OperationError
from .node import Format, Node, Other, Wanted, in_case_of, line_end

ASSIGNMENT = re.compile(
    r"""^(?P<lead>[ \t]*(?:export[ \t]+)?)(?P<name>[A-Za-z_][\w.-]*)[ \t]*=[ \t]*
    (?:"(?P<double>(?:[^"\\]|\\.)*)"|'(?P<single>[^']*)'|(?P<plain>[^\r\n]*?))
    [ \t]*(?:(?<=[ \t])\#[^\r\n]*)?(?=\r?$)""",
    re.ASCII | re.DOTALL | re.MULTILINE | re.VERBOSE,
)
SWITCHES = {"true": "false", "1": "0", "yes": "no", "on": "off"}
TRUTH = {**dict.fromkeys(SWITCHES, True), **dict.fromkeys(SWITCHES.values(), False), "": False}
OPPOSITE = {**SWITCHES, **{off: on for on, off in SWITCHES.items()}, "": "true"}
ANY_READER = re.compile(r"[\w./+=:@%,-]*", re.ASCII)


class Env(Format):
    """A flat mapping. Of a name assigned twice the last one counts, and every one is edited."""

    name = "an env file"

    def parse(self, text: str) -> Node:
        names: dict[str, Node] = {}
        for match in ASSIGNMENT.finditer(text):
            node = _node(match)
            before = names.get(match["name"])
            if before is not None:
                node.earlier = [*before.earlier, before]
            names[match["name"]] = node
        return Node(0, len(text), children=names)

    def literal(self, text: str, node: Node, wanted: Wanted) -> str:
        """A switch stays in its words (``0`` becomes ``1``, ``False`` becomes ``True``) and quotes."""
        old = text[node.start : node.end]
        if re.search(r"\s[A-Za-z_]\w*=", old) and not node.quote:
            raise OperationError("several assignments stand on one line: give each a line of its own")
        if isinstance(wanted, bool):
            word = old.strip("\"'")
            if node.truth is not wanted:
                word = in_case_of(word, OPPOSITE[word.lower()])
            return node.quote + word + node.quote
        return _quoted(wanted, node.quote)

    def insertion(self, text: str, parent: Node, name: str, wanted: Wanted) -> tuple[int, str]:
        """A line below the one whose name is most alike, exported if that one is."""
        value = str(wanted).lower() if isinstance(wanted, bool) else _quoted(wanted, "")
        lines = list(ASSIGNMENT.finditer(text))
        if not lines:
            return 0, f"{name}={value}{line_end(text)}"
        likest = max(lines, key=lambda match: _common_length(match["name"], name))
        return likest.end(), f"{line_end(text)}{likest['lead']}{name}={value}"


def _common_length(one: str, other: str) -> int:
    return next((at for at, (a, b) in enumerate(zip(one, other)) if a != b), min(len(one), len(other)))


def _node(match: re.Match[str]) -> Node:
    style = next(group for group in ("double", "single", "plain") if match[group] is not None)
    quote = {"double": '"', "single": "'", "plain": ""}[style]
    raw = match[style]
    value: str | Other = raw
    if style != "single" and re.search(r"(?<!\\)[$`]", raw):
        value = Other("an expression", raw)
    elif style == "double":
        value = re.sub(r'\\(["\\$`])', r"\1", raw)
    start, end = match.span(style)
    return Node(start - len(quote), end + len(quote), value, quote=quote, truth=TRUTH.get(raw.lower()))


def _quoted(value: str, quote: str) -> str:
    if ANY_READER.fullmatch(value):
        return quote + value + quote
    if re.search(r"['\\\r\n]", value):
        raise OperationError(
            "a quote, backslash or line end is read differently by each reader of env files: give a value without"
        )
    return f"'{value}'"
