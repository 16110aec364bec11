# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bot of the README's inventory on a host: live, armed, rolled back."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tests.schemas import problems

from .fleet import CACHE, ROOT

if TYPE_CHECKING:
    from .conftest import Host

ANSIBLE = str(Path(sys.executable).with_name("ansible-playbook"))
ENVIRONMENT = {
    **os.environ,
    "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache" / "collections"),
    "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
    "ANSIBLE_NOCOLOR": "1",
    "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
}
WHEELS = ROOT / ".cache" / "wheels"
STATE = "/var/lib/botfleet"
UNIT_D = "/etc/systemd/system/maker-1.service.d"
BOT = """\
import json, os, time
while True:
    with open("config/go_live.json") as file:
        live = json.load(file)["activation_enabled"] and os.path.exists("go_live.active")
    with open("/srv/ledger/maker-1", "a") as ledger:
        print(time.time(), "order" if live else "skipped", file=ledger)
    time.sleep(0.1)
"""
UNIT = """\
[Service]
User=bot
WorkingDirectory=/srv/maker-1
ExecStart=/usr/bin/python3 bot.py
Restart=always
RestartSec=100ms
"""
GO_LIVE = '{\n  "activation_enabled": true,\n  "note": "kept"\n}\n'
EXCHANGE = '{"exchanges": {"binance": {"testnet": false, "api_key": "CANARY-prod", "api_secret": "CANARY-prod-2"}}}\n'
DEPLOY = f"""\
systemctl stop maker-1 2> /dev/null || :
rm -rf /srv/maker-1 /srv/ledger /backup {STATE} /run/botfleet {UNIT_D}
rm -f /etc/systemd/system/maker-1.service /etc/systemd/system/multi-user.target.wants/maker-1.service
install -d -o bot -g bot /srv/maker-1 /srv/ledger /backup
cat > /srv/bot.py <<'END'
{BOT}END
cat > /etc/systemd/system/maker-1.service <<'END'
{UNIT}END
cat > /srv/deploy.sh <<'END'
set -e
cd /srv/maker-1
git init -q
git config user.name bot
git config user.email bot@localhost
printf 'go_live.active\\n' > .gitignore
mkdir config
cp /srv/bot.py bot.py
printf '%s' '{GO_LIVE}' > config/go_live.json
printf '%s' '{EXCHANGE}' > config/exchange.json
for stamp in 20251201-083000 20251204-142200; do
  echo $stamp > RELEASE
  git add -A
  git commit -q -m $stamp
  git tag deploy-$stamp
  cp -r config /backup/config-$stamp
done
echo now > go_live.active
END
runuser -u bot -- sh /srv/deploy.sh
systemctl daemon-reload
systemctl restart maker-1
"""
KEEP = f"tar -C / -cf /var/cache/armed.tar {STATE[1:]} {UNIT_D[1:]}; rm -rf {STATE} {UNIT_D}; systemctl daemon-reload"
ARMED = "tar -C / -xpf /var/cache/armed.tar; systemctl daemon-reload"
"""Arms the bot, with what arm.yml left and KEEP has kept."""


def deploy(host: Host, directory: Path) -> None:
    """One live bot on the newer of two releases, its host bare; the README's own inventory of it as bots.yml."""
    host.shell(DEPLOY)
    inventory = readme_inventory()
    bot = inventory["bots"]["hosts"]["maker-1"]
    bot |= {"ansible_host": host.address, "botfleet_settle": 1}
    bot["botfleet_holds_positions"] = False  # test_exposure.py has an exchange for it
    bot["vault_maker_1_testnet"] = {"binance": {"api_key": "CANARY-test", "api_secret": "CANARY-test-2"}}
    (directory / "bots.yml").write_text(json.dumps(inventory))


def readme_inventory() -> dict[str, Any]:
    """What the README tells people to write."""
    (text,) = re.findall(r"```yaml\n(# inventory\.yml\n.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    inventory: dict[str, Any] = yaml.safe_load(text)
    return inventory


def rollback(directory: Path, *arguments: str, **inputs: Any) -> tuple[int, str, dict[str, Any]]:
    """Exit code, output at the highest verbosity, record."""
    given = {"plan": "emergency", "scope": "maker-1", "reason": "test", **inputs}
    code, output = _play(directory, "rollback", given, "-vvvv", *arguments)
    record = directory / "artifacts" / "latest" / "record.json"
    assert record.exists(), output
    return code, output, json.loads(record.read_text())


def arm(directory: Path, *arguments: str, **inputs: Any) -> tuple[int, str, dict[str, Any]]:
    """Exit code, output, readiness report."""
    code, output = _play(directory, "arm", {"scope": "maker-1", "arm_wheels": str(WHEELS), **inputs}, *arguments)
    path = directory / "artifacts" / "readiness.json"
    report = json.loads(path.read_text()) if path.exists() else {}
    assert not report or problems("readiness", report) == []
    return code, output, report


def paths(output: str) -> set[str]:
    """How the transactions of a run, which has shown their results, got to the host."""
    return set(re.findall(r'"path": "(agent|module)"', output))


def _play(directory: Path, playbook: str, inputs: dict[str, Any], *arguments: str) -> tuple[int, str]:
    given = {"botfleet_artifacts_dir": str(directory / "artifacts"), **inputs}
    command = [ANSIBLE, "-i", str(CACHE / "hosts.yml"), "-i", str(directory / "bots.yml")]
    command += [str(ROOT / "playbooks" / f"{playbook}.yml"), "-e", json.dumps(given), *arguments]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=280)
    return done.returncode, done.stdout + done.stderr
