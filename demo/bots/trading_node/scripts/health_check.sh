#!/bin/sh
# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Succeed if the trading node answers on its status page with the release that is checked out.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=/dev/null
. ./.env
exec "$BOT_PYTHON" scripts/health_check.py "$BOT_PORT"
