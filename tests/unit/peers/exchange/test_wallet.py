# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The coins of an emulated account: what orders lock of them, who may change them, and what happens by itself."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.peers.exchange.books import BUY, EXPIRED, FILLED, SELL, Order, Refused
from tests.peers.exchange.wallet import Wallet, pair

MARKET = pair("BTCUSDT", "BTC", "USDT", "60000", step="0.001", least="0.002", most="5", tick="0.1", value="150")
WANTED = Order("", "mine", "BTCUSDT", SELL, Decimal(1))


@pytest.fixture
def wallet() -> Wallet:
    wallet = Wallet({"BTCUSDT": MARKET}, lazy=frozenset({"idle"}))
    wallet.hold("BTC", "2")
    wallet.hold("USDT", "70000")
    return wallet


def test_an_order_locks_the_coin_that_it_would_give_away(wallet: Wallet) -> None:
    sell = wallet.rest("BTCUSDT", SELL, "0.5", price=Decimal(70000))
    wallet.rest("BTCUSDT", BUY, "1", price=Decimal(50000))
    wallet.rest("BTCUSDT", SELL, "0.25", trigger=Decimal(50000))
    wallet.rest("BTCUSDT", SELL, "2", trigger=Decimal(50000), family="idle")
    assert (wallet.locked("BTC"), wallet.free("BTC")) == (Decimal("0.75"), Decimal("1.25"))
    assert (wallet.locked("USDT"), wallet.free("USDT")) == (Decimal(50000), Decimal(20000))
    wallet.cancel(sell)
    assert wallet.free("BTC") == Decimal("1.75") and wallet.balance("BTC") == 2


def test_a_sale_changes_one_coin_into_the_other(wallet: Wallet) -> None:
    order = wallet.place(WANTED)
    assert (order.status, order.average) == (FILLED, Decimal(60000))
    assert wallet.balances == {"BTC": Decimal(1), "USDT": Decimal(130000)}
    assert wallet.fills == [("mine", Decimal(1))] and wallet.violations == []


def test_what_is_locked_cannot_be_sold_and_asking_is_no_violation(wallet: Wallet) -> None:
    wallet.rest("BTCUSDT", SELL, "1.5", price=Decimal(70000))
    with pytest.raises(Refused) as refused:
        wallet.place(WANTED)
    assert refused.value.reason == "balance"
    assert wallet.violations == [] and wallet.fills == []
    wallet.place(replace(WANTED, amount=Decimal("0.5")))


def test_who_buys_is_refused_and_noted_unless_the_test_admits_it(wallet: Wallet) -> None:
    with pytest.raises(Refused) as refused:
        wallet.place(replace(WANTED, side=BUY))
    assert refused.value.reason == "grows"
    assert wallet.violations == ["buy 1 BTCUSDT, of which there is 2: buys"] and wallet.balance("BTC") == 2
    wallet.admits = lambda _order: True
    wallet.place(replace(WANTED, side=BUY))
    assert wallet.balances == {"BTC": Decimal(3), "USDT": Decimal(10000)} and len(wallet.entered) == 1
    with pytest.raises(Refused) as refused:  # with money that is not there
        wallet.place(replace(WANTED, side=BUY))
    assert refused.value.reason == "balance" and len(wallet.violations) == 1


@pytest.mark.parametrize(
    ("of", "reason"),
    [
        ({"amount": Decimal("0.0025")}, "step"),
        ({"amount": Decimal(0)}, "step"),
        ({"amount": Decimal("0.001")}, "too_small"),
        ({"amount": Decimal("5.001")}, "too_large"),
        ({"amount": Decimal("0.002")}, "notional"),
        ({"client_id": "there"}, "duplicate_client_id"),
        ({"market": "XXXUSDT"}, "unknown_market"),
    ],
)
def test_an_order_must_have_a_form(wallet: Wallet, of: dict[str, Decimal], reason: str) -> None:
    wallet.rest("BTCUSDT", SELL, "0.5", price=Decimal(70000), client_id="there")
    with pytest.raises(Refused) as refused:
        wallet.place(replace(WANTED, **of))  # type: ignore[arg-type]  # Order says which types
    assert refused.value.reason == reason


def test_one_that_has_locked_its_coins_fires_whole_and_one_that_has_not_takes_what_it_finds(wallet: Wallet) -> None:
    stop = wallet.rest("BTCUSDT", SELL, "1.5", trigger=Decimal(50000))
    idle = wallet.rest("BTCUSDT", SELL, "2", trigger=Decimal(50000), family="idle")
    late = wallet.rest("BTCUSDT", SELL, "2", trigger=Decimal(50000), family="idle")
    wallet.fire(stop)
    wallet.fire(idle)
    wallet.fire(late)
    assert (stop.status, stop.filled) == (FILLED, Decimal("1.5"))
    assert (idle.status, idle.filled) == (EXPIRED, Decimal("0.5"))
    assert (late.status, late.filled) == (EXPIRED, Decimal(0))
    assert wallet.balance("BTC") == 0 and wallet.free("BTC") == 0


def test_an_entry_that_was_under_way_fills(wallet: Wallet) -> None:
    wallet.enter("BTCUSDT", "0.5")
    assert wallet.balances == {"BTC": Decimal("2.5"), "USDT": Decimal(40000)}


def test_a_thin_book_fills_what_it_has(wallet: Wallet) -> None:
    wallet.depth = lambda _order: Decimal("0.25")
    order = wallet.place(WANTED)
    assert (order.status, order.filled) == (EXPIRED, Decimal("0.25"))
    assert wallet.balance("BTC") == Decimal("1.75") and wallet.locked("BTC") == 0


@pytest.mark.parametrize(
    ("price", "status", "left"), [("60000", FILLED, "1"), ("59000", FILLED, "1"), ("60000.1", EXPIRED, "2")]
)
def test_a_limit_that_may_not_wait_is_executed_within_its_price_or_not_at_all(
    wallet: Wallet, price: str, status: str, left: str
) -> None:
    order = wallet.place_at_once(replace(WANTED, price=Decimal(price)), Decimal(60000))
    assert (order.status, order.price, wallet.balance("BTC")) == (status, Decimal(price), Decimal(left))
    assert wallet.locked("BTC") == 0


def test_flat_is_who_has_no_order_and_nothing_that_may_be_sold(wallet: Wallet) -> None:
    assert not wallet.flat
    wallet.hold("BTC", "0.0029")  # rounded down to what may be sold, it is worth too little
    assert wallet.flat
    order = wallet.rest("BTCUSDT", SELL, "0.002", price=Decimal(70000))
    assert not wallet.flat
    wallet.cancel(order)
    assert wallet.flat
    wallet.hold("BTC", "0.003")
    assert not wallet.flat
