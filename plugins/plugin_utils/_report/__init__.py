# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of a rollback as one HTML page. PRIVATE to the collection."""

from __future__ import annotations

from .page import render_report

__all__ = ["render_report"]
