# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The account of the README's bot is made flat from its own host, over SSH, with what arm.yml has brought there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.peers.exchange.binanceusdm import BinanceUsdm
from tests.peers.exchange.books import BUY, SELL, Account
from tests.peers.exchange.server import Exchange, Key, serving

from .conftest import Host
from .maker import STATE, arm, deploy, paths, readme_inventory, rollback

pytestmark = pytest.mark.timeout(900)
BTC = "BTCUSDT"


class Desk:
    """What the exchange has of the bot, and where."""

    def __init__(self, account: Account, url: str) -> None:
        self.account, self.url = account, url

    def held(self) -> list[str]:
        assert self.account.violations == []
        open_orders = [kind for kind in (True, False) for _order in self.account.open_orders(conditional=kind)]
        return [
            *(market for (market, _side), amount in self.account.positions.items() if amount),
            *map(str, open_orders),
        ]


@pytest.fixture
def desk(host: Host) -> Iterator[Desk]:
    """Keys are those of the bot's config, and of the vault."""
    venue = BinanceUsdm()
    exchange, account = Exchange(venue), venue.account()
    account.hold(BTC, "0.5")
    account.rest(BTC, SELL, "0.5", trigger=Decimal(50000), reduce_only=True)
    account.rest(BTC, BUY, "0.1", price=Decimal(40000))
    exchange.add_key(Key("CANARY-prod", "CANARY-prod-2", "production", account))
    exchange.add_key(Key("CANARY-test", "CANARY-test-2", "testnet", venue.account()))
    gateway = f"{host.address.rpartition('.')[0]}.1"
    with serving(exchange, address=gateway) as url:
        yield Desk(account, f"{url}/{{environment}}")


def say(directory: Path, **variables: Any) -> None:
    path = directory / "bots.yml"
    inventory = json.loads(path.read_text())
    inventory["bots"]["hosts"]["maker-1"].update(variables)
    path.write_text(json.dumps(inventory))


def test_an_armed_host_closes_what_its_bot_holds(host: Host, desk: Desk, tmp_path: Path) -> None:
    """S1.3, S3.5, S2.3: the README's inventory, with the exchange elsewhere; a host that is not armed says so."""
    deploy(host, tmp_path)
    (entry,) = readme_inventory()["bots"]["hosts"]["maker-1"]["botfleet_exposure"]
    say(tmp_path, botfleet_holds_positions=True, botfleet_exposure=[{**entry, "base_url": desk.url}])
    code, output, record = rollback(tmp_path)
    (bot,) = record["bots"]
    assert code == 2 and not bot["safe"] and bot["exposure"]["state"] == "unproven", output
    assert "ccxt is not installed" in bot["failure"] and len(desk.held()) == 3
    assert host.shell("systemctl is-active maker-1 || :") == "inactive", "the others of halt were done"

    deploy(host, tmp_path)
    say(tmp_path, botfleet_holds_positions=True, botfleet_exposure=[{**entry, "base_url": desk.url}])
    code, output, report = arm(tmp_path)
    assert code == 0 and report["ready"], output
    code, output, record = rollback(tmp_path)
    (bot,) = record["bots"]
    assert code == 0 and bot["restored"] and paths(output) == {"agent"}, output
    assert bot["exposure"]["state"] == "flat" and bot["exposure"]["orders_before"] == 2
    assert desk.held() == []
    assert "CANARY-test" in host.shell("cat /srv/maker-1/config/exchange.json")
    shown = output + json.dumps(record) + host.shell(f"cat {STATE}/maker-1/rb-*/*; journalctl --no-pager")
    assert "CANARY" not in shown and "signature=" not in shown
