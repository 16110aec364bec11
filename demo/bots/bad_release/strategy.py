# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The strategy of the bad release: it doubles every order and loses on each."""

from __future__ import annotations


def size(order_size: float) -> float:
    """The size of the next order."""
    return order_size * 2


def profit(orders: int) -> float:
    """Profit and loss after so many orders."""
    return -0.5 * orders
