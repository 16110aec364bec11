#!/bin/sh
# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Start the demo fleet on its bad version and roll it back: tools/demo.sh [emergency | go_live]

set -eu
cd "$(dirname "$0")/.."
plan=${1:-emergency}
case $plan in
  emergency) scope=bots ;;
  go_live) scope=quantum_trader ;;
  *) echo "there is no demo of the plan $plan: choose emergency or go_live" >&2; exit 2 ;;
esac

PATH=$PWD/.cache/venv/bin:$PATH
LC_ALL=C.UTF-8
export PATH LC_ALL

if command -v java >/dev/null && command -v mvn >/dev/null; then
  python tools/questdb.py >/dev/null || : # the demo says that it goes without
fi
python demo/fleet.py up --database

# Said once, the inventory need not work it out for each variable of each bot
root=${BOTFLEET_DEMO_ROOT:-$(pwd -P)/.cache/demo}

status=0
ansible-playbook -i inventories/demo -f 12 playbooks/rollback.yml -e plan="$plan" -e scope="$scope" \
  -e "reason='demo of the plan $plan'" -e batch=50% -e data_at_risk=true -e demo_root="$root" || status=$?
python demo/fleet.py status || :
echo "the bots still run: make demo-down stops them"
exit $status
