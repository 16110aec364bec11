# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a careful person would write with ccxt to flatten a Binance account: ``flatten.py <base URL>``.

Cancel all orders, regular and conditional, of what has a position or an order, close each position at the market,
reduce-only, look again. Keys come from the environment. It checks no environment, retries nothing and proves little.
"""

from __future__ import annotations

import os
import sys
from urllib.parse import urlsplit

import ccxt

url = sys.argv[1]
client = ccxt.binanceusdm({"apiKey": os.environ["KEY"], "secret": os.environ["SECRET"]})
client.options["fetchOpenOrders"] = {"warnWithoutSymbol": False}
client.options["fetchMarkets"] = {"types": ["linear"]}
client.has["fetchCurrencies"] = False
for name, place in client.urls["api"].items():
    if isinstance(place, str) and "fapi" in place:
        client.urls["api"][name] = url + urlsplit(place).path

positions = [it for it in client.fetch_positions() if it["contracts"]]
held = {it["symbol"] for it in positions} | {it["symbol"] for it in client.fetch_open_orders()}
for symbol in held:
    client.cancel_all_orders(symbol)
    client.cancel_all_orders(symbol, {"trigger": True})
for it in positions:
    side = "sell" if it["side"] == "long" else "buy"
    client.create_order(it["symbol"], "market", side, it["contracts"], params={"reduceOnly": True})
if any(it["contracts"] for it in client.fetch_positions()):
    sys.exit("something is left")
