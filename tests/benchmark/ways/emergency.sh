#!/usr/bin/env bash
# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The emergency plan on one host of tests/fleet as a correct shell script, run as root: rollback.sh of S1.4 with its
# defects mended. It goes to the tag before the one that runs, replaces the config instead of nesting a copy in it,
# and reads back what it did. No journal, no lock, no undo, no resume, and what it says is all that is recorded.
# The settle time is its argument, in s. It prints HALTED as soon as trading is off and the process gone.
set -euo pipefail
bot=/srv/bots/trader unit=trader.service page=8000 settle=$1
backups=/srv/backups/trader
flag=$bot/go_live.active go_live=$bot/config/go_live.yaml exchange=$bot/config/exchange.yaml

die() { echo "FAILED $*"; exit 1; }
as_owner() { runuser -u bot -- git -C "$bot" "$@"; }
lower() { rm -f "$flag"; sed -i -E 's/^(activation_enabled:) *true\b/\1 false/' "$go_live"; }
lowered() {
    [[ ! -e $flag ]] || die "the flag is up"
    grep -qE '^activation_enabled: false\b' "$go_live" || die "the config permits trading"
}
on_testnet() { ! grep -qE '^    testnet: false' "$exchange" || die "an exchange is not on testnet"; }

# Halt
rm -f "$flag"
systemctl stop "$unit"
lower
lowered
[[ $(systemctl show --value -p ActiveState "$unit") =~ ^(inactive|failed)$ ]] || die "$unit is not down"
[[ -z $(systemctl show --value -p ControlGroup "$unit") ]] || die "$unit left processes"
running=$(as_owner tag --points-at HEAD --list 'deploy-*' | tail -n 1)
[[ -n $running ]] || die "no deploy tag runs"
target=$(as_owner tag --list 'deploy-*' --sort refname | awk -v running="$running" '$0 < running' | tail -n 1)
[[ -n $target ]] || die "no tag before $running"
echo "HALTED $target"

# Go back
backup=$backups/config-${target#deploy-}
[[ -d $backup ]] || die "no $backup"
cp -a "$bot/config" "$backups/before-$(date +%s)"
as_owner checkout --quiet --force --detach "$target"
rm -rf "$bot/config.new"
cp -a "$backup" "$bot/config.new"
rm -f "$bot/config.new/.botfleet-manifest.json"
rm -rf "$bot/config"
mv "$bot/config.new" "$bot/config"
cp -a "$exchange" "$exchange.new"
awk '
    /^  [a-z]+:/ { name = $1; sub(":", "", name) }
    /^    testnet:/ { sub("false.*", "true") }
    /^    api_key:/ { sub("\".*\"", "\"CANARY-testnet-" name "-key\"") }
    /^    api_secret:/ { sub("\".*\"", "\"CANARY-testnet-" name "-secret\"") }
    { print }' "$exchange" > "$exchange.new"
mv "$exchange.new" "$exchange"
lower
lowered
on_testnet

# Start
systemctl start "$unit"
main=$(systemctl show --value -p MainPID "$unit")
sleep "$settle"

# Verify
[[ $main != 0 && $(systemctl show --value -p MainPID "$unit") == "$main" ]] || die "$unit did not stay up"
as_owner tag --points-at HEAD | grep -qxF "$target" || die "HEAD is not $target"
lowered
on_testnet
deadline=$((SECONDS + 20))
until exec 3<> "/dev/tcp/127.0.0.1/$page"; do
    ((SECONDS < deadline)) || die "no status page"
    sleep 0.5
done 2> /dev/null
printf 'GET /status HTTP/1.0\r\n\r\n' >&3
status=$(cat <&3)
[[ $status == *"\"version\": \"$target\""* && $status == *'"trading": false'* ]] || die "the status page says $status"
echo "RESTORED $target"
