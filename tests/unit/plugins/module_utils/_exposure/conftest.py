# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An older Python has no ccxt that knows today's exchanges, and is told so. What hypothesis keeps is not shipped."""

from __future__ import annotations

import sys
from pathlib import Path

import ansible_collections.tradeops.botfleet as collection
from hypothesis.configuration import set_hypothesis_home_dir

set_hypothesis_home_dir(Path(next(iter(collection.__path__))).resolve() / ".cache" / "hypothesis")
collect_ignore_glob = ["test_*.py"] if sys.version_info < (3, 10) else []
