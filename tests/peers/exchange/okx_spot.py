# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is different in OKX's spot: its pairs and coins, and how it is asked for an order.

TP/SL orders lock coins as regular ones do; trigger orders lock none, and take what they find when they fire.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from .books import BUY, Market, Refused
from .okx_forms import CASH, SPOT, Row
from .wallet import Wallet, pair


def wallet() -> Wallet:
    btc = {"step": "0.00000001", "least": "0.00001", "most": "16", "tick": "0.1"}
    eth = {"step": "0.000001", "least": "0.0001", "most": "330", "tick": "0.01"}
    doge = {"step": "0.000001", "least": "10", "most": "5000000", "tick": "0.00001"}
    of = (
        pair("BTC-USDT", "BTC", "USDT", "60000", **btc),
        pair("BTC-USDC", "BTC", "USDC", "60010", **btc),
        pair("ETH-USDT", "ETH", "USDT", "3000", **eth),
        pair("DOGE-USDT", "DOGE", "USDT", "0.2", **doge),
    )
    return Wallet({market.name: market for market in of}, lazy=frozenset({"trigger"}))


def pair_row(market: Market) -> Row:
    """What one market order may have is told in the coin that it is paid in."""
    worth = f"{market.most * market.price:f}"
    return {
        "instType": SPOT, "instId": market.name, "uly": "", "instFamily": "", "baseCcy": market.base,
        "quoteCcy": market.quote, "settleCcy": "", "ctVal": "", "ctMult": "", "ctValCcy": "", "ctType": "",
        "lotSz": f"{market.step:f}", "minSz": f"{market.least:f}", "maxMktSz": worth, "maxMktAmt": worth, "lever": "1",
        "maxLmtSz": f"{market.most * 10:f}", "maxLmtAmt": "20000000", "tickSz": f"{market.tick:f}", "state": "live",
        "listTime": "1600000000000", "expTime": "", "alias": "", "category": "1", "optType": "", "stk": "",
    }  # fmt: skip


def coin_row(wallet: Wallet, coin: str) -> Row:
    there, free, locked = (f"{it(coin):f}" for it in (wallet.balance, wallet.free, wallet.locked))
    return {
        "ccy": coin, "eq": there, "cashBal": there, "availEq": free, "availBal": free, "frozenBal": locked,
        "ordFrozen": locked, "uTime": "1700000000000",
    }  # fmt: skip


def asked_amount(wallet: Wallet, market: Market, wanted: Mapping[str, Any]) -> Decimal:
    """Who trades a pair on margin is noted, whatever it is for."""
    if wanted["tdMode"] != CASH:
        wallet.violations.append(f"{wanted['side']} {wanted['sz']} {market.name} as {wanted['tdMode']}: borrows")
        raise Refused("grows")
    amount = Decimal(wanted["sz"])
    usual = "quote_ccy" if wanted["side"] == BUY else "base_ccy"
    if wanted["ordType"] == "market" and wanted.get("tgtCcy", usual) == "quote_ccy":
        return amount / market.price // market.step * market.step
    return amount
