# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ccxt, which a host may lack. PRIVATE to the collection."""

from __future__ import annotations

from typing import Any


class _Absent:
    """Stands in for it, so that what names its errors can be imported."""

    def __getattr__(self, name: str) -> type[Exception]:
        return type(name, (Exception,), {})


try:
    import ccxt as _ccxt
except ImportError:
    _ccxt = _Absent()

ccxt: Any = _ccxt
IS_THERE = not isinstance(ccxt, _Absent)
