# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the accounts of a bot hold before it is switched, and what its config opens after that. PRIVATE."""

from __future__ import annotations

from typing import Any

from .._config.file import ConfigFile, dotted_key
from .._exposure.access import ACCOUNT, environment_of_testnet, fields_of, has_all_environments
from .._operation import Context, OperationError, State, absolute_path
from .._operations.exchange_exposure import ExchangeExposure
from .keys import ExchangeKeys

PATHS = [name for name, option in ACCOUNT.items() if option["type"] == "path"]


class Accounts:
    """Reads them, and never sends an order.

    accounts: each as ``accounts`` of exchange_testnet describes one
    """

    def __init__(self, accounts: list[dict[str, Any]], context: Context) -> None:
        self._accounts = [_with_absolute_paths(account) for account in accounts]
        self._context = context

    def flat(self) -> tuple[list[State], list[str]]:
        """Those that hold nothing; OperationError unless all do.

        In check mode the bot may still trade, so that what one holds is no error, but in the second list.
        """
        flat: list[State] = []
        not_yet: list[str] = []
        for account in self._accounts:
            try:
                flat.append(self._flat(account))
            except OperationError as error:
                if not self._context.check_mode or error.proof is None:
                    raise
                not_yet.append(str(error))
        return flat, not_yet

    def _flat(self, account: dict[str, Any]) -> State:
        state = ExchangeExposure.reader(account, self._context).prove()
        if state["state"] != "flat":
            raise OperationError(
                f"{state['account']} holds positions that natural leaves to their stops: "
                "close them, or wait until they are gone",
                state,
            )
        return {name: state[name] for name in ("account", "state")} | {"not_known_in": state["proof"]["not_known_in"]}

    def on_testnet(self, config: ConfigFile, keys: ExchangeKeys) -> tuple[list[State], list[str]]:
        """Those that the config opens now, each shown to be of a testnet; OperationError where one is not.

        And why it cannot be shown of the others.
        """
        shown: list[State] = []
        unproven: list[str] = []
        for account in self._accounts:
            found, missing = _present_keys(account, config, keys)
            if missing:
                unproven.append(
                    f"nobody knows which environment {account['exchange']} reaches: {config.path} has no "
                    f"{' and no '.join(missing)}, set name_in_config or look where the bot has its keys"
                )
            else:
                shown.append(self._on_testnet({**account, **found, "replaced_path": None}, config.path))
        return shown, unproven

    def _on_testnet(self, present: dict[str, Any], path: str) -> State:
        exchange = present["exchange"]
        try:
            if not has_all_environments(exchange, present["base_url"]):
                raise OperationError(f"base_url of {exchange} leads to one environment: write {{environment}} in it")
            environment = present["testnet_environment"] or environment_of_testnet(exchange)
            reader = ExchangeExposure.reader({**present, "environment": environment}, self._context)
            not_known_in = reader.not_known_in()
        except OperationError as error:
            raise OperationError(f"{path} is set for testnet, but its credentials do not prove it: {error}") from None
        return {"account": f"{exchange} {environment}", "not_known_in": not_known_in}


def _present_keys(account: dict[str, Any], config: ConfigFile, keys: ExchangeKeys) -> tuple[dict[str, Any], list[str]]:
    """Options that open an account with what the config has now, and the keys that it lacks for that.

    Where it was read with keys from elsewhere, as from Ansible Vault, those of a testnet are where others would be.
    """
    if account["credentials_path"] == config.path:
        return {}, []
    name = account["name_in_config"] or account["exchange"]
    wanted = {field: keys.credential(name, field) for field in fields_of(account["exchange"])}
    nodes = {field: config.find(key) for field, key in wanted.items()}
    found = {field: node.value for field, node in nodes.items() if node and isinstance(node.value, str) and node.value}
    missing = [dotted_key(key) for field, key in wanted.items() if field not in found]
    return {"credentials": found, "credentials_env": None, "credentials_path": None}, missing


def _with_absolute_paths(account: dict[str, Any]) -> dict[str, Any]:
    given = [name for name in PATHS if account[name] is not None]
    return {**account, **{name: absolute_path(f"{name} of accounts", account[name]) for name in given}}
