#!/bin/sh
# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Have a QuestDB without a table run, whatever was there before: fleet-database. Its backups go, too.
set -eu
systemctl kill --signal KILL questdb 2> /dev/null || :
[ ! -L /etc/systemd/system/questdb.service ] || systemctl --quiet unmask questdb
systemctl stop questdb 2> /dev/null || :
rm -rf /srv/questdb /srv/backups/questdb
install -d -m 0750 -o questdb -g questdb /srv/questdb /srv/questdb/conf
cat > /srv/questdb/conf/server.conf << 'END'
http.bind.to=0.0.0.0:9000
http.min.net.bind.to=0.0.0.0:9003
pg.enabled=false
line.tcp.enabled=false
line.udp.enabled=false
telemetry.enabled=false
shared.worker.count=1
cairo.writer.data.append.page.size=64K
cairo.writer.data.index.value.append.page.size=64K
cairo.writer.data.index.key.append.page.size=64K
cairo.wal.writer.data.append.page.size=64K
cairo.system.writer.data.append.page.size=64K
END
systemctl daemon-reload
systemctl reset-failed questdb 2> /dev/null || :
systemctl --quiet enable --now questdb
