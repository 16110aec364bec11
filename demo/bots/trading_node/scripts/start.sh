#!/bin/sh
# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Start the trading node in the background. Does nothing if it runs.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=/dev/null
. ./.env

name=$(basename "$PWD")
pid=$(cat run/trading_node.pid 2>/dev/null || echo none)
if tr '\0' ' ' 2>/dev/null < "/proc/$pid/cmdline" | grep -q "trading_node.py --bot $name "; then
    echo "$name runs already, pid $pid"
    exit 0
fi
mkdir -p run logs
setsid "$BOT_PYTHON" -B trading_node.py --bot "$name" --port "$BOT_PORT" < /dev/null >> logs/console.log 2>&1 &
echo "$!" > run/trading_node.pid
echo "$name started, pid $!"
