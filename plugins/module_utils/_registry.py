# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations that a step can name. PRIVATE to the collection.

Each is imported by name: Ansible packs what a module imports statically, and nothing else.
"""

from __future__ import annotations

from ._operation import Operation
from ._operations.bot_service import BotService
from ._operations.config_snapshot import ConfigSnapshot
from ._operations.exchange_testnet import ExchangeTestnet
from ._operations.git_deploy_tag import GitDeployTag
from ._operations.go_live_flag import GoLiveFlag
from ._operations.health_check import HealthCheck

OPERATIONS: dict[str, type[Operation]] = {
    "bot_service": BotService,
    "config_snapshot": ConfigSnapshot,
    "exchange_testnet": ExchangeTestnet,
    "git_deploy_tag": GitDeployTag,
    "go_live_flag": GoLiveFlag,
    "health_check": HealthCheck,
}
