# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs until it is told to stop; a second argument, if there is one, is what it dies of."""

from __future__ import annotations

import signal
import sys

if len(sys.argv) > 1:
    sys.exit(sys.argv[1])
signal.pause()
