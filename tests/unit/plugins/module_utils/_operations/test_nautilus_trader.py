# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NautilusTrader names its environment with a word, LIVE unless it says otherwise (S4.4)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import Context, carry_out
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations.exchange_testnet import ExchangeTestnet


@pytest.mark.parametrize(
    ("client", "message"),
    [
        ({"environment": "LIVE"}, "is a string, not a boolean"),
        ({"environment": "TESTNET"}, "is a string, not a boolean"),
        ({"api_key": "k"}, "has no key data_clients.BINANCE.environment"),
    ],
)
def test_s4_4_an_environment_that_is_a_word_is_no_switch(tmp_path: Path, client: dict[str, Any], message: str) -> None:
    """Neither is one that is not written, for that means LIVE. Such a config comes from a snapshot."""
    config = tmp_path / "node.json"
    config.write_text(json.dumps({"data_clients": {"BINANCE": client}}))
    before = config.read_bytes()
    options = {name: option.get("default") for name, option in ExchangeTestnet.OPTIONS.items()}
    options.update(path=str(config), key="data_clients.{exchange}.environment")
    outcome = carry_out(ExchangeTestnet(options, Context()), "apply")
    assert outcome.status == "failed"
    assert message in outcome.message and "data_clients.BINANCE.environment" in outcome.message
    assert (config.read_bytes(), [path.name for path in tmp_path.iterdir()]) == (before, ["node.json"])
