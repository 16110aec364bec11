# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Renders the variables of one bot, each once. PRIVATE to the collection.

Ansible compiles a template anew wherever a variable is named, and the steps of a bot name its path twenty times over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

try:
    from ansible.template import is_trusted_as_template as is_trusted
except ImportError:  # ansible-core 2.18

    def is_trusted(value: object) -> bool:
        """Whether a text may be a template: not what came from a host or a lookup."""
        return not getattr(value, "__UNSAFE__", False)


NAME = re.compile(r"\{\{ *([A-Za-z_]\w*) *(\| *default\(omit\) *)?\}\}\Z")
OMITTED = object()


class Variables:
    """The variables of a bot, as Ansible's templar sees them; what was rendered takes the place of its template."""

    def __init__(self, templar: Any, variables: Mapping[str, Any]) -> None:
        self._templar = templar
        self._values = dict(variables)
        self._rendered: dict[str, Any] = {}
        templar.available_variables = self._values

    def render(self, value: Any) -> Any:
        """What the templar makes of it; raises what the templar raises."""
        rendered = self._render(value)
        return self._templar.template(value) if rendered is OMITTED else rendered

    @contextmanager
    def bound(self, name: str, value: Any) -> Iterator[Variables]:
        """The same with one more variable, which others may name; nothing that it renders is kept."""
        try:
            yield Variables(self._templar, {**self._values, name: value})
        finally:
            self._templar.available_variables = self._values

    def _render(self, value: Any) -> Any:
        if isinstance(value, dict):
            parts = {key: self._render(part) for key, part in value.items()}
            return {key: part for key, part in parts.items() if part is not OMITTED}
        if isinstance(value, list):
            return [part for part in map(self._render, value) if part is not OMITTED]
        if not isinstance(value, str):
            return self._templated(value)
        if "{" not in value or not is_trusted(value):
            return value
        named = NAME.match(value)
        if not named:
            return self._templated(value)
        if named[1] not in self._values:
            return OMITTED if named[2] else self._templated(value)
        try:
            return self._variable(named[1])
        except Exception:  # noqa: BLE001  # whatever a template raises; if it is not set, it may have a default
            return self._templated(value)

    def _variable(self, name: str) -> Any:
        if name not in self._rendered:
            rendered = self._render(self._values[name])
            if rendered is OMITTED:
                return OMITTED
            self._rendered[name] = rendered
            if not isinstance(rendered, (dict, list)):  # of those, a template may name a part that is left out here
                self._values[name] = rendered
        return self._rendered[name]

    def _templated(self, value: Any) -> Any:
        listed = self._templar.template([value])  # in a list an omitted value is none, where alone it is an error
        return listed[0] if listed else OMITTED
