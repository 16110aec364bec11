# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the steps of a transaction on the controller: each is templated and validated alone.

PRIVATE to the collection. One undefined variable or undecryptable secret spoils its own step only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Callable

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.errors import AnsibleValidationError, UnsupportedError
from ansible.module_utils.parsing.convert_bool import boolean

from ..module_utils._registry import OPERATIONS as REGISTRY
from ..module_utils._transaction.request import MODES
from ..module_utils._transaction.secrets import placeholder
from ._variables import Variables

Raw = Mapping[str, Any]
KEYWORDS = {"args", "id", "loop", "name", "mode", "when", "timeout", "until_resume", "required"}
ITEM = "item"
COLLECTION = "tradeops.botfleet."
SWITCH = re.compile("botfleet_go_live_")  # variables of what forbids a bot to trade (S4.2, S4.3)
OPERATIONS = dict(REGISTRY)  # all of them, loaded once before Ansible forks a worker for each bot


class BadStep(Exception):
    """Why a step cannot be carried out, as one sentence."""


class StepReader:
    """Turns steps as a role writes them into steps as the host takes them.

    variables: of the bot
    omit: the text that means "leave this option out" in ansible-core 2.18; templating itself does it since
    secrets: names that placeholders may use, each with why it cannot be had, or None
    no_secrets: why there are none at all
    """

    def __init__(
        self,
        variables: Variables,
        omit: Any,
        secrets: Mapping[str, str | None],
        no_secrets: str = "",
    ) -> None:
        self._variables = variables
        self._omit = omit
        self._secrets = secrets
        self._no_secrets = no_secrets
        self._known: dict[str, Any] = {}

    def read(self, raw_steps: list[Raw], only: list[str] | None = None) -> list[dict[str, Any]]:
        """Steps in the order they are written; ``only`` names the ids that are wanted."""
        steps: list[dict[str, Any]] = []
        for index, raw in enumerate(raw_steps):
            identity = _identity(raw, index)
            if only is not None and identity["id"] not in only:
                continue
            if any(identity["id"] == step["id"] for step in steps):
                identity["id"] += f"-{index + 1}"
            try:
                steps += self._read_each(raw, identity)
            except BadStep as error:
                steps.append({**identity, "operation": _operation_key(raw) or "none", "invalid": str(error)})
        for wanted in only or []:
            if all(step["id"] != wanted for step in steps):
                message = f"the plan asks for a step {wanted!r} that the role does not have: mend the plan"
                steps.append({"id": wanted, "name": wanted, "operation": "none", "invalid": message})
        return steps

    def _read_each(self, raw: Raw, identity: dict[str, str]) -> list[dict[str, Any]]:
        """A step; of one with ``loop``, one for each item, or one that is not wanted when there is none."""
        if not isinstance(raw, Mapping) or "loop" not in raw:
            return [{**identity, **self._read(raw)}]
        items = self._rendered(raw["loop"])
        if not isinstance(items, list):
            raise BadStep(f"loop is {items!r}, which is no list: write one")
        single = {key: value for key, value in raw.items() if key != "loop"}
        if not items:
            single["when"] = False
            return [{**identity, **self._read(single)}]
        steps = []
        for number, item in enumerate(items, start=1):
            one = identity if number == 1 else {**identity, "id": f"{identity['id']}-{number}"}
            with self._variables.bound(ITEM, item) as variables:
                reader = StepReader(variables, self._omit, self._secrets, self._no_secrets)
                try:
                    steps.append({**one, **reader._read(single)})
                except BadStep as error:
                    steps.append({**one, "operation": _operation_key(raw) or "none", "invalid": str(error)})
        return steps

    def _read(self, raw: Raw) -> dict[str, Any]:
        if not isinstance(raw, Mapping):
            raise BadStep(f"a step is a mapping with a name and an operation, not {raw!r}")
        operation = _operation_key(raw)
        unknown = [key for key in raw if key not in KEYWORDS and key != operation]
        if operation is None or unknown:
            known = ", ".join(sorted(OPERATIONS))
            named = ", ".join(unknown) or "nothing"
            raise BadStep(f"names {named}, where one operation is expected: use one of {known}")
        name = operation.removeprefix(COLLECTION)
        if not self._keyword(raw, "when", boolean, True):
            return {"operation": name, "when": False}
        step = {
            "mode": self._keyword(raw, "mode", str, "apply"),
            "timeout": self._keyword(raw, "timeout", number_of_seconds, None),
            "until_resume": self._keyword(raw, "until_resume", boolean, False),
            "required": self._keyword(raw, "required", boolean, True),
        }
        if step["mode"] not in MODES:
            raise BadStep(f"mode is {step['mode']!r}: use one of {', '.join(MODES)}")
        options = {**self._options(name, raw.get("args")), **self._options(name, raw[operation])}
        return {**step, "operation": name, "options": self._validated(name, options)}

    def _options(self, name: str, raw: Any) -> dict[str, Any]:
        options = self._rendered(raw) or {}
        if not isinstance(options, Mapping):
            raise BadStep(f"options of {name} are a mapping, not {options!r}")
        return dict(options)

    def _keyword(self, raw: Raw, keyword: str, kind: Callable[[Any], Any], default: Any) -> Any:
        if keyword not in raw:
            return default
        value = self._rendered(raw[keyword])
        try:
            return kind(value)
        except (TypeError, ValueError) as error:
            raise BadStep(f"{keyword} is {value!r}, which is no {kind.__name__.replace('_', ' ')}") from error

    def _rendered(self, value: Any) -> Any:
        """A value without templates. The same text is rendered once: it takes most of the controller's time."""
        if not isinstance(value, str):
            return self._render(value)
        if value not in self._known:
            self._known[value] = self._render(value)
        return self._known[value]

    def _render(self, value: Any) -> Any:
        try:
            return self._without_omitted(self._variables.render(value))
        except Exception as error:  # up to ansible-core 2.18 a filter's own exceptions come through as they are
            raise BadStep(_not_set(error) or f"cannot be templated: {_first_line(error)}") from error

    def _without_omitted(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {str(k): self._without_omitted(v) for k, v in value.items() if not self._is_omitted(v)}
        if isinstance(value, (list, tuple)):
            return [self._without_omitted(item) for item in value if not self._is_omitted(item)]
        return value

    def _is_omitted(self, value: Any) -> bool:
        return isinstance(self._omit, str) and isinstance(value, str) and value == self._omit

    def _validated(self, name: str, options: dict[str, Any]) -> dict[str, Any]:
        for used in _placeholders(options):
            if used not in self._secrets:
                why = self._no_secrets or "it is not among the secrets of this transaction"
                raise BadStep(f"secret {used!r} cannot be had: {why}")
            if self._secrets[used] is not None:
                raise BadStep(f"secret {used!r} cannot be had: {self._secrets[used]}")
        operation = OPERATIONS[name]
        validator = ArgumentSpecValidator(_for_controller(operation.OPTIONS), **operation.CONSTRAINTS)
        result = validator.validate(options)
        if result.error_messages:
            errors = sorted(result.errors.errors, key=lambda error: not isinstance(error, UnsupportedError))
            raise BadStep(f"{name}: {'; '.join(map(_said, errors))}")  # a misspelt option often is what is missing
        validated = dict(result.validated_parameters)
        if sorted(_placeholders(validated)) != sorted(_placeholders(options)):
            raise BadStep(
                f"{name}: a secret stands for an option that takes text: only a dictionary, or a value in one, may be"
            )
        return validated


def template_secrets(raw: Raw, template: Callable[[Any], Any]) -> tuple[dict[str, Any], dict[str, str | None]]:
    """The values of the secrets that can be had, and for every name why it cannot, or None."""
    values: dict[str, Any] = {}
    problems: dict[str, str | None] = {}
    for name, value in raw.items():
        try:
            values[name] = template(value)
            problems[name] = None
        except Exception as error:  # noqa: BLE001  # as above
            problems[name] = _not_set(error) or _first_line(error)
    return values, problems


def number_of_seconds(value: Any) -> float:
    """A finite number above zero; raises ValueError for any other."""
    seconds = float(value)
    if not 0 < seconds < float("inf"):
        raise ValueError(value)
    return seconds


def _identity(raw: Any, index: int) -> dict[str, str]:
    name = str(raw.get("name") or f"step {index + 1}") if isinstance(raw, Mapping) else f"step {index + 1}"
    given = raw.get("id") if isinstance(raw, Mapping) else None
    return {"id": str(given or re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")), "name": name}


def _operation_key(raw: Any) -> str | None:
    if not isinstance(raw, Mapping):
        return None
    return next((key for key in raw if str(key).removeprefix(COLLECTION) in OPERATIONS), None)


def _placeholders(value: Any) -> list[str]:
    name = placeholder(value)
    if name:
        return [name]
    if isinstance(value, Mapping):
        return [found for item in value.values() for found in _placeholders(item)]
    if isinstance(value, (list, tuple)):
        return [found for item in value for found in _placeholders(item)]
    return []


def _for_controller(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Paths belong to the bot's host: ``~`` and variables must not be expanded here."""
    converted: dict[str, Any] = {}
    for name, given in spec.items():
        option = {**given, "type": "str"} if given.get("type") == "path" else dict(given)
        if option.get("elements") == "path":
            option["elements"] = "str"
        if option.get("options"):
            option["options"] = _for_controller(option["options"])
        converted[name] = option
    return converted


def _said(error: AnsibleValidationError) -> str:
    """Ansible's sentence; of an unknown option it gives only the name."""
    unknown, _words, known = error.msg.partition(". Supported parameters include: ")
    return f"no option {unknown}: use one of {known.rstrip('.')}" if isinstance(error, UnsupportedError) else error.msg


def _not_set(error: Exception) -> str:
    """The mend, where a variable is missing; how Ansible says that depends on its version. Else empty."""
    missing = re.search(r"'(\w+)' is undefined", _first_line(error))
    if not missing:
        return ""
    mend = "set it, or botfleet_start_trades if the bot has no switch" if SWITCH.match(missing[1]) else "set it"
    return f"variable {missing[1]} is not set for this bot: {mend}"


def _first_line(error: Exception) -> str:
    text = str(getattr(error, "message", "") or error).strip()
    return text.splitlines()[0] if text else type(error).__name__
