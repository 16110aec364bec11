#!/bin/sh
# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Stop the trading node: SIGTERM, and with the word "force" SIGKILL after 3 s.
set -eu
cd "$(dirname "$0")/.."

name=$(basename "$PWD")
pid=$(cat run/trading_node.pid 2>/dev/null || echo none)
runs() { tr '\0' ' ' 2>/dev/null < "/proc/$pid/cmdline" | grep -q "trading_node.py --bot $name "; }
gone() {
    tries=$1
    while runs; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || return 1
        sleep 0.1
    done
}

if runs; then
    kill -TERM "$pid"
    if ! gone 30 && [ "${1:-}" = force ]; then
        kill -KILL "$pid"
    fi
    gone 10 || { echo "$name still runs, pid $pid" >&2; exit 1; }
fi
rm -f run/trading_node.pid
echo "$name stopped"
