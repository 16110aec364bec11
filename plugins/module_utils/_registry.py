# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations that a step can name. PRIVATE to the collection."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from ._operation import Operation

if TYPE_CHECKING:  # never run: Ansible packs what it sees imported, and a host loads only what its steps name
    from ._operations import (  # noqa: F401  # named for Ansible
        bot_control,
        bot_service,
        cache_purge,
        config_snapshot,
        exchange_exposure,
        exchange_testnet,
        git_deploy_tag,
        go_live_flag,
        halt_marker,
        health_check,
        questdb_backup,
        questdb_restore,
        questdb_rows,
        sqlite_rows,
    )

CLASSES = {
    "bot_control": "BotControl",
    "bot_service": "BotService",
    "cache_purge": "CachePurge",
    "config_snapshot": "ConfigSnapshot",
    "exchange_exposure": "ExchangeExposure",
    "exchange_testnet": "ExchangeTestnet",
    "git_deploy_tag": "GitDeployTag",
    "go_live_flag": "GoLiveFlag",
    "halt_marker": "HaltMarker",
    "health_check": "HealthCheck",
    "questdb_backup": "QuestdbBackup",
    "questdb_restore": "QuestdbRestore",
    "questdb_rows": "QuestdbRows",
    "sqlite_rows": "SqliteRows",
}


class Registry(Mapping[str, type[Operation]]):
    """Operations by name, each imported when it is first asked for."""

    def __getitem__(self, name: str) -> type[Operation]:
        class_name = CLASSES[name]
        operation: type[Operation] = getattr(import_module(f"{__package__}._operations.{name}"), class_name)
        return operation

    def __iter__(self) -> Iterator[str]:
        return iter(CLASSES)

    def __len__(self) -> int:
        return len(CLASSES)


OPERATIONS = Registry()
