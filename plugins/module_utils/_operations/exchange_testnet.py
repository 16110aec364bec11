# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Send a bot's orders to the testnet of each exchange (S4.4)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from .._config.file import ConfigFile, dotted_key, format_of
from .._config.node import Key, Node, Other, Wanted
from .._exchange.accounts import Accounts
from .._exchange.kept_credentials import KeptCredentials
from .._exchange.keys import ExchangeKeys
from .._operation import Context, NotUndone, Operation, OperationError, Plan, State
from .exchange_exposure import ExchangeExposure

MASKED = "********"
SENDING = ("client_id_seed", "confirm_environment")
"""Options of exchange_exposure for the orders that it sends, which no account has here."""


@dataclass(frozen=True)
class _Target:
    """One value that a config should hold; ``field`` is None for the switch, ``node`` is what is there now."""

    exchange: str
    field: str | None
    key: Key
    wanted: Wanted
    node: Node | None

    @property
    def reached(self) -> bool:
        return self.node is not None and self.node.holds(self.wanted)


class ExchangeTestnet(Operation):
    """The testnet switch of each exchange in one config, and the credentials that go with it.

    With ``require_flat`` nothing is changed before the accounts are read as flat, because production credentials are
    what closes positions. What is replaced is kept in a file of its own, written before the config.
    """

    OPTIONS = {
        "path": {"type": "path", "required": True},
        "format": {"type": "str", "choices": ["auto", "yaml", "json", "env"], "default": "auto"},
        "exchanges": {"type": "list", "elements": "str"},
        "key": {"type": "str", "default": "exchanges.{exchange}.testnet", "no_log": False},
        "credentials_key": {"type": "str", "default": "exchanges.{exchange}.{field}", "no_log": False},
        "env_name": {"type": "str", "default": "{EXCHANGE}_TESTNET"},
        "env_credentials_name": {"type": "str", "default": "{EXCHANGE}_{FIELD}"},
        "credentials": {"type": "dict", "no_log": True},
        "keep_replaced": {"type": "path"},
        "require_flat": {"type": "bool", "default": False},
        "prove_environment": {"type": "bool", "default": False},
        "accounts": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                **{name: option for name, option in ExchangeExposure.OPTIONS.items() if name not in SENDING},
                "testnet_environment": {"type": "str", "choices": ["testnet", "demo"]},
                "name_in_config": {"type": "str"},
            },
            **ExchangeExposure.CONSTRAINTS,
        },
    }

    def __init__(self, options: dict[str, Any], context: Context) -> None:
        super().__init__(options, context)
        self._path: str = options["path"]
        self._format = options["format"] if options["format"] != "auto" else format_of(self._path)
        if self._format is None:
            raise OperationError(f"the name of {self._path} does not tell its format: set format to yaml, json or env")
        self._keys = ExchangeKeys(self._format, options)
        self._kept_path: str = options["keep_replaced"] or f"{self._path}.replaced"
        self._restart_required = False
        self._accounts = Accounts(options["accounts"], context)

    def observe(self) -> State:
        """``exchanges``: by name, ``testnet`` and, of credentials given, ``given``, ``other`` or ``missing``.

        ``restart_required`` once this run has changed the file.
        """
        return {**self._state(self._read()), "restart_required": self._restart_required}

    def plan(self, before: State) -> Plan:
        config = self._read()
        pending = self._pending(config)
        if not pending:
            return Plan()
        config.with_values({target.key: target.wanted for target in pending})
        self._to_keep(config, pending)
        names = _names(pending)
        try:
            flat, not_yet = self._flat_accounts()
        except OperationError as error:
            raise OperationError(
                f"{names} in {self._path} stayed as they are, since production credentials are what closes positions: "
                f"{error}"
            ) from None
        actions = [f"set {names} in {self._path} for testnet", *(f"not yet, since {reason}" for reason in not_yet)]
        return Plan(actions, [self._diff(config, pending)], {"accounts": flat})

    def apply(self, plan: Plan) -> State:
        """Returns ``path``, the keys ``changed``, ``kept`` (the file with what was replaced, or null).

        ``accounts``: those that were read as flat, each with ``account``, ``state`` and ``not_known_in``.
        """
        config = self._read()
        pending = self._pending(config)
        changed = config.with_values({target.key: target.wanted for target in pending})
        kept = self._to_keep(config, pending)
        if kept is not None:
            kept.write(like=os.lstat(self._path))
        changed.write()
        self._restart_required = True
        return {
            "path": self._path,
            "changed": [dotted_key(target.key) for target in pending],
            "kept": kept.path if kept is not None else None,
            "accounts": plan.data["accounts"],
            "restart_required": True,
        }

    def prove(self) -> State:
        """``accounts``: those whose credentials were shown to be a testnet's, with ``account`` and ``not_known_in``.

        ``unproven``: why those of others were not, as the config has none of theirs.
        """
        config = self._read()
        wrong = self._pending(config)
        if wrong:
            raise OperationError(f"{_names(wrong)} in {self._path} are not set for testnet: production is in reach")
        wanted = self.options["prove_environment"]
        accounts, unproven = self._accounts.on_testnet(config, self._keys) if wanted else ([], [])
        return {**self._state(config), "accounts": accounts, "unproven": unproven}

    def undo(self, change: State) -> str:
        kept = f"; the production credentials are kept in {change['kept']}" if change.get("kept") else ""
        raise NotUndone(f"{change['path']} stays on testnet, only re-activation brings production back{kept}")

    def _flat_accounts(self) -> tuple[list[State], list[str]]:
        """With ``require_flat`` the accounts, read as what their strategies want; OperationError unless they are."""
        if not self.options["require_flat"]:
            return [], []
        if not self.options["accounts"]:
            raise OperationError(
                "no account is given to read: give accounts, or require_flat: false if the bot never holds a position"
            )
        return self._accounts.flat()

    def _read(self) -> ConfigFile:
        return ConfigFile.read(self._path, str(self._format))

    def _targets(self, config: ConfigFile) -> list[_Target]:
        """What this config should hold, exchange by exchange, the switch first. A missing switch is an error."""
        named: list[str] = self.options["exchanges"] or ["all"]
        exchanges = self._keys.exchanges_in(config) if named == ["all"] else named
        credentials = self._credentials()
        for exchange in credentials:
            if exchange not in exchanges:
                raise OperationError(f"credentials are given for {exchange}, which is none of {', '.join(exchanges)}")
        targets: list[_Target] = []
        for exchange in exchanges:
            key = self._keys.switch(exchange)
            targets.append(_Target(exchange, None, key, True, config.switch(key)))
            for name, value in credentials.get(exchange, {}).items():
                key = self._keys.credential(exchange, name)
                targets.append(_Target(exchange, name, key, value, config.find(key)))
        return targets

    def _pending(self, config: ConfigFile) -> list[_Target]:
        return [target for target in self._targets(config) if not target.reached]

    def _credentials(self) -> dict[str, dict[str, str]]:
        """The credentials given, checked; no message shows one."""
        given: dict[str, Any] = self.options["credentials"] or {}
        for exchange, fields in given.items():
            if not isinstance(fields, dict):
                raise OperationError(f"the credentials of {exchange} are not a mapping of fields: write field: value")
            for name, value in fields.items():
                if not isinstance(value, (str, int)) or isinstance(value, bool) or value == "":
                    raise OperationError(f"the credential {name} of {exchange} is not a string: give it in quotes")
                if not str(value).replace("\n", "").isprintable():
                    raise OperationError(f"the credential {name} of {exchange} has control characters: take them out")
        return {exchange: {name: str(value) for name, value in fields.items()} for exchange, fields in given.items()}

    def _state(self, config: ConfigFile) -> State:
        exchanges: dict[str, Any] = {}
        for target in self._targets(config):
            if target.field is None:
                exchanges[target.exchange] = {"testnet": target.reached}
            else:
                credentials = exchanges[target.exchange].setdefault("credentials", {})
                credentials[target.field] = "given" if target.reached else "other" if target.node else "missing"
        return {"path": self._path, "format": self._format, "exchanges": exchanges}

    def _to_keep(self, config: ConfigFile, pending: list[_Target]) -> KeptCredentials | None:
        """The credentials that the change replaces, added to what is kept; None if it replaces none."""
        kept = None
        for target in pending:
            if target.field is None or target.node is None:
                continue
            testnet = config.switch(self._keys.switch(target.exchange)).holds(True)
            for value in target.node.values():
                if value not in (None, "", target.wanted):
                    kept = kept or KeptCredentials(self._kept_path)
                    kept.add(dotted_key(target.key), value.text if isinstance(value, Other) else str(value), testnet)
        return kept

    def _diff(self, config: ConfigFile, pending: list[_Target]) -> dict[str, str]:
        """The keys that change and nothing beside them; credentials masked."""
        before: list[str] = []
        after: list[str] = []
        for target in pending:
            name = dotted_key(target.key)
            old, new = ("false", "true") if target.field is None else (f"{MASKED} (replaced)", f"{MASKED} (testnet)")
            before.append(f"{name}: {old}\n" if target.node else "")
            after.append(f"{name}: {new}\n")
        return {
            "before_header": self._path,
            "after_header": self._path,
            "before": "".join(before),
            "after": "".join(after),
        }


def _names(targets: list[_Target]) -> str:
    return ", ".join(dotted_key(target.key) for target in targets)
