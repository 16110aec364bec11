# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Raise or lower what permits trading (S4.2, S4.3)."""

from __future__ import annotations

from typing import Any

from .._config.switch import ConfigSwitch, FlagFile, Switch
from .._operation import Context, NotUndone, Operation, OperationError, Plan, State


class GoLiveFlag(Operation):
    """A flag file, a boolean in a config, or both.

    Lowering trading takes the flag file first and goes as far as it can: what is wrong with the config is
    reported after the flag file is down. Raising it needs ``confirm``, takes the flag file last, and is all
    or nothing.
    """

    OPTIONS = {
        "path": {"type": "path"},
        "state": {"type": "str", "choices": ["absent", "present"], "required": True},
        "polarity": {"type": "str", "choices": ["live", "halt"], "default": "live"},
        "config_path": {"type": "path"},
        "config_key": {"type": "str", "no_log": False},
        "confirm": {"type": "bool", "default": False},
    }
    CONSTRAINTS = {
        "required_one_of": [("path", "config_path")],
        "required_together": [("config_path", "config_key")],
    }
    PROOF_IS_STATE = True

    def __init__(self, options: dict[str, Any], context: Context) -> None:
        super().__init__(options, context)
        self._wanted: bool = options["state"] == "present"
        self._raising: bool = self._wanted is (options["polarity"] == "live")

    def observe(self) -> State:
        """``path`` and ``state``; ``config_path``, ``config_key`` and ``value``; ``problem`` if one cannot be read.

        What cannot be read is null.
        """
        state: State = {}
        problems: list[str] = []
        for switch in self._switches(self._wanted):
            value = None
            try:
                value = switch.read()
            except OperationError as error:
                problems.append(str(error))
            if switch.option == "path":
                state.update(path=switch.path, state=None if value is None else switch.words[value])
            else:
                state.update(config_path=switch.path, config_key=switch.label, value=value)
        return {**state, "problem": "; ".join(problems)} if problems else state

    def plan(self, before: State) -> Plan:
        if self._raising and not self.options["confirm"]:
            raise OperationError(
                f"state {self.options['state']} with polarity {self.options['polarity']} permits trading, "
                "which needs confirm: true; nothing was touched"
            )
        pending: list[Switch] = []
        problems: list[str] = []
        for switch in self._switches(self._wanted):
            try:
                if switch.read() is not self._wanted:
                    switch.rehearse()
                    pending.append(switch)
            except OperationError as error:
                problems.append(str(error))
        # One problem must not keep the rest of a bot from being made safe; a good day's check must show it.
        if problems and (self._raising or self.context.check_mode or not pending):
            raise OperationError("; ".join(problems))
        actions = [_action(switch) for switch in pending] + problems
        return Plan(actions=actions, diff=[_diff(switch) for switch in pending])

    def apply(self, plan: Plan) -> State:
        """Returns ``raised`` and ``changed``, the options (``path``, ``config_key``) whose switch was changed."""
        return {"raised": self._raising, "changed": self._raise() if self._raising else self._lower(self._wanted)}

    def prove(self) -> State:
        for switch in self._switches(self._wanted):
            if switch.read() is not self._wanted:
                raise OperationError(
                    f"{switch.name} is {switch.words[not self._wanted]}, it should be {switch.words[self._wanted]}"
                )
        return self.observe()

    def undo(self, change: State) -> str:
        if not change["raised"]:
            raise NotUndone("trading was lowered, and only an operator may raise it again")
        lowered = self._lower(not self._wanted, only=change["changed"])
        return f"trading was lowered again: {', '.join(lowered) or 'it was down already'}"

    def _switches(self, wanted: bool) -> list[Switch]:
        """The switches in the order in which trading is lowered."""
        switches: list[Switch] = []
        if self.options.get("path"):
            switches.append(FlagFile(self.options["path"], wanted))
        if self.options.get("config_path"):
            switches.append(ConfigSwitch(self.options["config_path"], self.options["config_key"], wanted))
        return switches

    def _lower(self, wanted: bool, only: Any = ("path", "config_key")) -> list[str]:
        """Set each switch, whatever becomes of the others. Raises OperationError that tells the two apart."""
        changed: list[str] = []
        settled: list[str] = []
        problems: list[str] = []
        for switch in self._switches(wanted):
            if switch.option not in only:
                continue
            try:
                if switch.settle():
                    changed.append(switch.option)
                settled.append(f"{switch.name} is {switch.words[wanted]}")
            except OperationError as error:
                problems.append(f"{switch.name} is not proven {switch.words[wanted]}: {error}")
            except OSError as error:
                problems.append(f"{switch.name} is not proven {switch.words[wanted]}: {error.strerror or error}")
        if problems:
            raise OperationError(", but ".join([*settled, *problems]))
        return changed

    def _raise(self) -> list[str]:
        """Set each switch, the flag file last; at the first problem lower again what was set."""
        changed: list[str] = []
        for switch in reversed(self._switches(self._wanted)):
            try:
                if switch.settle():
                    changed.append(switch.option)
            except (OperationError, OSError) as error:
                self._lower(not self._wanted, only=changed)
                raise OperationError(
                    f"trading was not raised, because {switch.name} cannot be set to {switch.words[self._wanted]} "
                    f"({error}); what was set before it was set back"
                ) from error
        return changed


def _action(switch: Switch) -> str:
    if switch.option == "path":
        return f"{'create' if switch.wanted else 'remove'} {switch.path}"
    return f"set {switch.name} to {switch.words[switch.wanted]}"


def _diff(switch: Switch) -> dict[str, str]:
    """Only the switch: in a config, secrets may stand beside it."""
    return {
        "before_header": switch.path,
        "after_header": switch.path,
        "before": f"{switch.label}: {switch.words[not switch.wanted]}\n",
        "after": f"{switch.label}: {switch.words[switch.wanted]}\n",
    }
