# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The example inventories say what their runbooks say (S1, S4), in words that the collection knows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.tradeops.botfleet.plugins.module_utils import _process

from tests.peers.examples import EXAMPLES, ROOT, Example

RUNBOOK: dict[str, dict[str, Any]] = {
    "trading_node": {
        "botfleet_tag_pattern": "deploy-*",
        "botfleet_start_command": ["/opt/trading_node/scripts/start.sh"],
        "botfleet_stop_command": ["/opt/trading_node/scripts/shutdown.sh", "force"],
        "botfleet_stop_force": True,
        "botfleet_config_path": "/opt/trading_node/config",
        "botfleet_config_backups ~ '/' ~ botfleet_config_backup_name": "/backup/config-{stamp}",
        "botfleet_config_backup_missing": "ok",
        "botfleet_config_backup_manifest": "optional",
        "botfleet_process_pattern": "trading_node",
        "botfleet_health_checks[0].command.argv": ["/opt/trading_node/scripts/health_check.sh"],
        "botfleet_health_checks[1].log.path": "/opt/trading_node/logs/trading.log",
        "botfleet_health_checks[1].log.lines": 20,
        "botfleet_health_checks[2].http.url": "http://localhost:9000/status",
        "botfleet_start_trades": True,
        "botfleet_database_backup": "/backup/pre-deploy.sql",
        "botfleet_confirm_within": 300,  # no runbook's: the examples have the dead man's switch on
    },
    "quantum_trader": {
        "botfleet_go_live_flag": "/opt/quantum_trader/go_live.active",
        "botfleet_go_live_config_path": "/opt/quantum_trader/config/go_live.yaml",
        "botfleet_go_live_config_key": "activation_enabled",
        "botfleet_exchange_config_path": "/opt/quantum_trader/config/exchange.yaml",
        "botfleet_testnet_credentials.keys() | list": ["binance", "bybit", "okx"],
        "botfleet_testnet_credentials.okx": {
            "api_key": "CANARY-testnet-okx-key-qt-1",
            "api_secret": "CANARY-testnet-okx-secret-qt-1",
            "api_passphrase": "CANARY-testnet-okx-passphrase-qt-1",
        },
        "botfleet_exposure | map(attribute='exchange') | list": ["binanceusdm", "bybit", "okx"],
        "botfleet_exposure[0].credentials_path": "/opt/quantum_trader/config/exchange.yaml",
        "botfleet_command[1:]": ["-m", "uvicorn", "backend.main:app", "--port", "8000"],
        "botfleet_process_pattern": "uvicorn.*main:app",
        "botfleet_settle": 30,
        "botfleet_health_checks[0].command.argv[1]": "scripts/preflight_check.py",
        "botfleet_health_checks[1].log.lines": 50,
        "botfleet_health_checks[1].log.present": ["ORDER_SKIPPED"],
        "botfleet_health_checks[2].http.url": "http://localhost:8000/api/risk/ess/status",
        "botfleet_contacts | map(attribute='level') | list": ["CRITICAL", "HIGH", "MEDIUM"],
        "botfleet_contacts[0].name": "On-call Engineer",
        "botfleet_confirm_within": 300,
    },
}
ACCEPT = """\
- hosts: bots
  gather_facts: false
  tasks:
    - ansible.builtin.include_role:
        name: tradeops.botfleet.botfleet
        tasks_from: variables
      vars:
        botfleet_target_tag: previous
"""


@pytest.fixture(params=EXAMPLES)
def example(request: pytest.FixtureRequest, tmp_path: Path) -> Example:
    return Example(request.param, tmp_path)


def test_it_says_what_the_runbook_says(example: Example) -> None:
    """S1.3 to S1.6, S1.7, S4.2 to S4.6, S4.12: every path, port and command of the runbook, as Ansible resolves it."""
    expressions = list(RUNBOOK[example.name])
    assert dict(zip(expressions, example.values(*expressions))) == RUNBOOK[example.name]


def test_the_collection_accepts_it(example: Example) -> None:
    """The tools of a good day: the list of hosts, the inventory itself, types and choices of all variables."""
    book = example.path.parent / "accept.yml"
    book.write_text(ACCEPT)
    rollback = ["playbook", *example.arguments, str(ROOT / "playbooks" / "rollback.yml"), "-e", "scope=bots"]
    assert example.bot in example.ansible(*rollback, "--list-hosts")
    assert example.bot in example.ansible("inventory", *example.arguments, "--list")
    assert "failed=0" in example.ansible("playbook", *example.arguments, str(book))


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"botfleet_pth": "/srv"}, "botfleet_pth is no variable of this collection: did you mean botfleet_path?"),
        ({"botfleet_command": "python bot.py"}, 'botfleet_command is "python bot.py": write a list, such as '),
    ],
)
def test_what_is_misspelt_is_found_on_a_good_day(tmp_path: Path, variables: dict[str, Any], sentence: str) -> None:
    example = Example("trading_node", tmp_path)
    example.adapt(**variables)
    book = tmp_path / "accept.yml"
    book.write_text(ACCEPT)
    with pytest.raises(AssertionError) as refused:
        example.ansible("playbook", *example.arguments, str(book))
    assert sentence in " ".join(str(refused.value).split()).replace('\\"', '"')


def test_a_vault_is_not_needed_to_read_it(example: Example) -> None:
    """As it is shipped, without secrets and password; and what is shipped for a secret opens nothing."""
    shipped = ROOT / "inventories" / example.name
    assert example.bot in example.ansible("inventory", "-i", str(shipped), "--list")
    secrets = [line for path in shipped.rglob("*.example") for line in path.read_text().splitlines() if ": " in line]
    assert {line.split(": ")[1] for line in secrets if line.startswith("vault_")} <= {
        *("testnet_key", "testnet_secret", "testnet_passphrase")
    }


def test_every_variable_is_documented(example: Example) -> None:
    """A misspelled one would be ignored without a word."""
    spec = yaml.safe_load((ROOT / "roles" / "botfleet" / "meta" / "argument_specs.yml").read_text())
    known = spec["argument_specs"]["variables"]["options"]
    for path in (ROOT / "inventories" / example.name).rglob("*.yml"):
        assert set(re.findall(r"\bbotfleet_\w+", path.read_text())) <= set(known), path


@pytest.mark.parametrize(
    ("runbook", "command"),
    [
        ("trading_node", "./trading_node"),
        ("trading_node", "python3 -u /opt/trading_node/trading_node.py --live"),
        ("trading_node", "/opt/trading_node/venv/bin/python -m trading_node"),
        ("quantum_trader", "python -m uvicorn backend.main:app --reload"),
        ("quantum_trader", "/opt/quantum_trader/venv/bin/python -m uvicorn backend.main:app --port 8000"),
        ("quantum_trader", "/usr/bin/python3 /usr/local/bin/uvicorn backend.main:app --reload"),
    ],
)
def test_a_bot_is_found_however_it_was_started(runbook: str, command: str) -> None:
    """S1.3, S4.5: by hand, as the runbook does it, too; what is not found would be called stopped."""
    pattern = re.compile(RUNBOOK[runbook]["botfleet_process_pattern"])
    assert _process.matches(pattern, command.split())
