#!/bin/sh
# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Run once, for the image: a QuestDB as the unit questdb.service, disabled and without data, until fleet-database gives
# it some. Mounted for it: /questdb.jar and /recipe, which is this directory.
set -eu
mkdir -p /usr/share/man/man1  # java links its pages there
dpkg --install /usr/local/lib/fleet/database/*.deb > /dev/null
useradd --system --home-dir /srv/questdb --shell /usr/sbin/nologin questdb
cp /questdb.jar /usr/local/lib/fleet/questdb.jar
cp /recipe/questdb.service /usr/lib/systemd/system/
install -m 0755 /recipe/new.sh /usr/local/sbin/fleet-database

# Run once, it leaves what Java has made of its classes, with which it is up in half of the time
mkdir /tmp/questdb
once=$(sed -n '/^ExecStart=/{s///; s/SharedArchiveFile/ArchiveClassesAtExit/; s,/srv/,/tmp/,; p}' /recipe/questdb.service)
$once > /dev/null 2>&1 &
for _ in $(seq 120); do
  sleep 0.5
  ! python3 -c 'import urllib.request as it; it.urlopen("http://127.0.0.1:9000/exec?query=select%201")' 2> /dev/null || break
done
kill $!
wait $! || :
rm -r /tmp/questdb
