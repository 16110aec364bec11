# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What OKX v5 says of contracts, positions and orders. ``margin`` is the trade mode, which in spot is cash."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from .books import FILLED, OPEN, Market, Order

Row = dict[str, Any]
SPOT, SWAP, CASH = "SPOT", "SWAP", "cash"
TRIGGERS = {"conditional": "slTriggerPx", "oco": "slTriggerPx", "move_order_stop": "moveTriggerPx"}


def kind(market: str) -> str:
    """The type of an instrument, which its name ends in unless it is a pair."""
    return SWAP if market.endswith("-SWAP") else SPOT


def position_row(market: Market, side: str, held: Decimal, margin: str) -> Row:
    """One that is closed stays for a while, with nothing in it."""
    price = str(market.price) if held else ""
    return {
        "instType": SWAP, "instId": market.name, "mgnMode": margin, "posSide": side,
        "posId": "1", "pos": str(held), "availPos": str(abs(held)),
        "avgPx": price, "markPx": price, "last": price, "ccy": market.settle, "lever": "5", "liqPx": "",
        "notionalUsd": str(abs(market.notional(held))), "upl": "0", "uplRatio": "0", "imr": "", "mmr": "0",
        "margin": "", "mgnRatio": "", "adl": "1", "cTime": "1700000000000", "uTime": "1700000000000",
        "closeOrderAlgo": [],
    }  # fmt: skip


def regular_row(order: Order, margin: str) -> Row:
    live = "partially_filled" if order.filled else "live"
    state = {OPEN: live, FILLED: "filled"}.get(order.status, "canceled")
    kind = "market" if order.price is None else "limit"
    return {
        **_common(order, margin), "ordId": order.id, "clOrdId": order.client_id, "ordType": kind, "state": state,
        "px": "" if order.price is None else str(order.price), "accFillSz": f"{order.filled:f}",
        "avgPx": f"{order.average:f}" if order.filled else "", "fillSz": "0", "fee": "0", "feeCcy": "USDT",
        "uTime": "1700000000000", "attachAlgoOrds": [],
    }  # fmt: skip


def algo_row(order: Order, margin: str) -> Row:
    trigger = TRIGGERS.get(order.family, "triggerPx")
    return {
        **_common(order, margin), "algoId": order.id, "algoClOrdId": order.client_id, "clOrdId": "", "ordId": "",
        "ordType": order.family, "state": "live", "actualSz": f"{order.filled:f}", "ordPx": "-1", "slOrdPx": "-1",
        "sz": "" if order.whole else f"{order.amount:f}", "closeFraction": "1" if order.whole else "",
        trigger: str(order.trigger),
    }  # fmt: skip


def _common(order: Order, margin: str) -> Row:
    spot = margin == CASH
    return {
        "instType": SPOT if spot else SWAP, "instId": order.market, "side": order.side, "posSide": order.position,
        "tdMode": margin, "reduceOnly": str(order.reduce_only or order.whole).lower(), "sz": f"{order.amount:f}",
        "tag": "", "ccy": "", "lever": "" if spot else "5", "cTime": "1700000000000",
        "tgtCcy": "base_ccy" if spot else "",
    }  # fmt: skip


def instrument_row(market: Market) -> Row:
    return {
        "instType": SWAP, "instId": market.name, "uly": f"{market.base}-{market.quote}", "instFamily": "",
        "baseCcy": "", "quoteCcy": "", "settleCcy": market.settle, "ctVal": str(market.size), "ctMult": "1",
        "ctValCcy": market.quote if market.inverse else market.base,
        "ctType": "inverse" if market.inverse else "linear",
        "lotSz": str(market.step), "minSz": str(market.least), "maxMktSz": str(market.most), "lever": "100",
        "maxLmtSz": str(market.most * 10), "tickSz": str(market.tick), "state": "live", "listTime": "1600000000000",
        "expTime": "", "alias": "", "category": "1", "optType": "", "stk": "",
    }  # fmt: skip
