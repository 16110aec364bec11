#!/bin/sh
# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Run once, for the image: makes the bot of a host as the demo makes it, and packs it for live.sh. It is not left in
# the image, in whose layers a directory cannot be renamed. Mounted for it: /demo and /recipe, which is this directory.
set -eu
dpkg --install /usr/local/lib/fleet/bots/*.deb > /dev/null

chown bot: /srv
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=/demo runuser -u bot -- python3 -c '
from pathlib import Path
from fleet import Bot, make
make(Path("/srv"), [Bot("trader", "quantum_trader", "/srv/bots/trader", 8000)])
'
runuser -u bot -- git -C /srv/bots/trader fetch --quiet --tags
chown root: /srv
cp /recipe/trader.service /usr/lib/systemd/system/
cd /
tar -cpf /usr/local/lib/fleet/live.tar srv/bots/trader srv/backups srv/origin srv/ledger usr/lib/systemd/system/trader.service

rm -rf /srv/bots/trader /srv/backups /srv/origin /srv/ledger
install -m 0755 /recipe/live.sh /usr/local/sbin/fleet-live
