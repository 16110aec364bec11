# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole rollback on a bare host: SSH as an ordinary user, sudo, systemd, no package but Debian's Python and git."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import ANSIBLE, Host
from .fleet import CACHE, ROOT

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
rm -rf /srv/maker-1 /srv/ledger /backup /var/lib/botfleet
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


@pytest.fixture
def deployed(host: Host, tmp_path: Path) -> Host:
    """The host with one live bot on the newer of two releases, and the README's own inventory of it."""
    host.shell(DEPLOY)
    inventory = readme_inventory()
    bot = inventory["bots"]["hosts"]["maker-1"]
    bot |= {"ansible_host": host.address, "botfleet_settle": 1}
    bot["vault_maker_1_testnet"] = {"binance": {"api_key": "CANARY-test", "api_secret": "CANARY-test-2"}}
    (tmp_path / "bots.yml").write_text(json.dumps(inventory))
    return host


def readme_inventory() -> dict[str, Any]:
    """What the README tells people to write."""
    (text,) = re.findall(r"```yaml\n(# inventory\.yml\n.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    inventory: dict[str, Any] = yaml.safe_load(text)
    return inventory


def rollback(directory: Path, *arguments: str, **inputs: Any) -> tuple[int, str, dict[str, Any]]:
    given = {"plan": "emergency", "scope": "maker-1", "reason": "test", "positions": "handled", **inputs}
    given["botfleet_artifacts_dir"] = str(directory / "artifacts")
    command = [ANSIBLE, "-i", str(CACHE / "hosts.yml"), "-i", str(directory / "bots.yml")]
    command += [str(ROOT / "playbooks" / "rollback.yml"), "-vvvv", "-e", json.dumps(given), *arguments]
    environment = {"ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache" / "collections")}
    done = subprocess.run(
        ["env", *(f"{name}={value}" for name, value in environment.items()), *command],
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    record = directory / "artifacts" / "latest" / "record.json"
    assert record.exists(), done.stdout + done.stderr
    return done.returncode, done.stdout + done.stderr, json.loads(record.read_text())


def test_check_mode_accepts_the_readmes_inventory_and_touches_nothing(deployed: Host, tmp_path: Path) -> None:
    was = deployed.shell("find /srv/maker-1 -type f | sort | xargs sha256sum; systemctl show -p MainPID maker-1")
    code, output, record = rollback(tmp_path, "--check", "--diff")
    assert code == 0 and record["check_mode"] and record["outcome"] == "restored", output
    assert (
        deployed.shell("find /srv/maker-1 -type f | sort | xargs sha256sum; systemctl show -p MainPID maker-1") == was
    )
    assert deployed.shell("test -e /var/lib/botfleet && echo there || echo not") == "not"


def test_a_bare_host_goes_back_over_ssh_and_sudo(deployed: Host, tmp_path: Path) -> None:
    """S1.3 to S1.6, S4.2 to S4.5: the unit is another process, on the earlier release, with trading off."""
    was = deployed.shell("systemctl show -p MainPID --value maker-1")
    code, output, record = rollback(tmp_path)
    (bot,) = record["bots"]
    assert code == 0 and bot["restored"] and bot["trading"] == "off", output
    assert (bot["from"], bot["to"]) == ("deploy-20251204-142200", "deploy-20251201-083000")
    assert deployed.shell("systemctl is-active maker-1") == "active"
    assert deployed.shell("systemctl show -p MainPID --value maker-1") != was
    assert deployed.shell("cat /srv/maker-1/RELEASE") == "20251201-083000"
    assert deployed.shell("sleep 0.5; tail -n 3 /srv/ledger/maker-1 | cut -d' ' -f2 | sort -u") == "skipped"
    assert '"note": "kept"' in deployed.shell("cat /srv/maker-1/config/go_live.json")


def test_root_leaves_nothing_of_its_own_in_the_bots_tree(deployed: Host, tmp_path: Path) -> None:
    """S1.4: git runs as the owner of the tree, and files keep their owner; root's state is root's alone."""
    code, output, _record = rollback(tmp_path)
    assert code == 0, output
    assert deployed.shell("find /srv/maker-1 ! -user bot") == ""
    assert deployed.shell("stat -c '%U %a' /var/lib/botfleet/maker-1") == "root 700"


def test_no_canary_in_output_record_state_or_the_hosts_journal(deployed: Host, tmp_path: Path) -> None:
    """S4.4: secrets reach neither -vvvv, nor the record, nor the bot's journal, nor that of systemd."""
    since = deployed.shell("date '+%Y-%m-%d %H:%M:%S'")
    code, output, record = rollback(tmp_path)
    assert code == 0, output
    logged = deployed.shell(f"journalctl --no-pager --since '{since}'")
    assert "ansible" in logged.lower(), "the module did log"
    state = deployed.shell("cat /var/lib/botfleet/maker-1/rb-*/*")
    assert not [text for text in (output, json.dumps(record), logged, state) if "CANARY" in text]


def test_what_a_bare_host_lacks_is_said_and_spoils_nothing_else(deployed: Host, tmp_path: Path) -> None:
    """S4.3: YAML needs ruamel.yaml there; without it the flag and the process are down, the bot is not safe."""
    deployed.shell("printf 'activation_enabled: true\\n' > /srv/maker-1/config/go_live.yaml")
    inventory = json.loads((tmp_path / "bots.yml").read_text())
    inventory["bots"]["hosts"]["maker-1"]["botfleet_go_live_config_path"] = "/srv/maker-1/config/go_live.yaml"
    (tmp_path / "bots.yml").write_text(json.dumps(inventory))
    code, output, record = rollback(tmp_path)
    (bot,) = record["bots"]
    assert code != 0 and not bot["safe"], output
    assert "ruamel.yaml" in bot["failure"]
    statuses = {step["id"]: step["status"] for step in bot["steps"] if step["stage"] == "halt"}
    others = {"marker": "changed", "stop": "changed", "target": "unchanged"}
    assert statuses == {"flag": "changed", "config_key": "failed", **others}
    assert deployed.shell("systemctl is-active maker-1 || :") == "inactive"
    assert deployed.shell("test -e /srv/maker-1/go_live.active && echo there || echo gone") == "gone"
