# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""arm.yml on a bare host (S2.3): SSH as an ordinary user, sudo, systemd; no pip, no ensurepip, no ruamel.yaml."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.schemas import problems

from .conftest import ANSIBLE, CACHE, ROOT, Host
from .test_rollback_on_systemd import deployed, rollback

__all__ = ["deployed"]  # a fixture

WHEELS = str(ROOT / ".cache" / "wheels")
pytestmark = pytest.mark.timeout(900)  # several playbooks, each over SSH
STATE = "/var/lib/botfleet"
UNIT_D = "/etc/systemd/system/maker-1.service.d"
DROP_IN = f"{UNIT_D}/botfleet.conf"
FOUND = f"find {STATE} {UNIT_D} -printf '%p %m %u %s %T@\\n' 2> /dev/null | sort"
YAML = """\
for directory in /srv/maker-1/config /backup/config-*; do
  printf 'activation_enabled: true\\n' > $directory/go_live.yaml
  chown bot: $directory/go_live.yaml
done
"""


class Bare(Host):
    """A host that is not armed, with the live bot of the README's inventory."""

    def __init__(self, host: Host, directory: Path) -> None:
        super().__init__(host.name, host.address)
        self.directory = directory
        self.say(
            botfleet_has_database=False,
            botfleet_contacts=[{"name": "On-call Engineer", "reach": "+1-555-0199"}],
        )

    def say(self, bot: str = "maker-1", **variables: Any) -> None:
        """More of a bot in the inventory."""
        path = self.directory / "bots.yml"
        inventory = json.loads(path.read_text())
        inventory["bots"]["hosts"].setdefault(bot, {}).update(variables)
        path.write_text(json.dumps(inventory))

    def arm(self, *arguments: str, **inputs: Any) -> tuple[int, str, dict[str, Any]]:
        """Exit code, output and the readiness report."""
        artifacts = self.directory / "artifacts"
        given = {"scope": "maker-1", "botfleet_artifacts_dir": str(artifacts), "arm_wheels": WHEELS, **inputs}
        command = [ANSIBLE, "-i", str(CACHE / "hosts.yml"), "-i", str(self.directory / "bots.yml")]
        command += [str(ROOT / "playbooks" / "arm.yml"), "-e", json.dumps(given), *arguments]
        environment = {**self._environment, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_STDOUT_CALLBACK": "default"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=280)
        path = artifacts / "readiness.json"
        report = json.loads(path.read_text()) if path.exists() else {}
        assert not report or problems("readiness", report) == []
        return done.returncode, done.stdout + done.stderr, report


@pytest.fixture
def bare(deployed: Host, tmp_path: Path) -> Iterator[Bare]:
    undo = f"rm -rf {STATE} {UNIT_D}; systemctl daemon-reload"
    deployed.shell(undo)
    yield Bare(deployed, tmp_path)
    deployed.shell(undo)


def changed(output: str, bot: str = "maker-1") -> int:
    return int(re.findall(rf"^{bot} .*changed=(\d+)", output, re.MULTILINE)[0])


def says(report: dict[str, Any], point: str, bot: str = "maker-1") -> str:
    (row,) = [row for row in report["bots"] if row["name"] == bot]
    (said,) = [str(entry["says"]) for entry in row["points"] if entry["id"] == point]
    return said


def test_a_bare_host_is_armed_and_then_left_as_it_is(bare: Bare) -> None:
    """S2.3: all that a rollback needs is there, the live bot was not touched, and a second time changes nothing."""
    pid = bare.shell("systemctl show -p MainPID --value maker-1")
    code, output, report = bare.arm("--check", "--diff")
    assert code != 0 and report["check_mode"] and not report["ready"], output
    assert changed(output) > 0 and bare.shell(FOUND) == ""

    code, output, report = bare.arm()
    assert code == 0 and report["ready"], output
    assert bare.shell(f"stat -c '%U %a' {STATE} {STATE}/maker-1 {STATE}/agent") == "root 755\nroot 700\nroot 755"
    imported = "import jmespath, ruamel.yaml, sys; print(sys.prefix)"
    assert bare.shell(f"{STATE}/venv/bin/python -I -c '{imported}'") == f"{STATE}/venv"
    agent, twin = bare.shell(f"cd {STATE}/agent; ls -1 | sort -r | head -n 2; sha256sum * | cut -c-64").split()[:2]
    assert {len(agent), len(twin)} == {68, 145}
    assert f"ConditionPathExists=|!{STATE}/maker-1/halted" in bare.shell("systemctl cat maker-1")
    assert DROP_IN in bare.shell("systemctl show -p DropInPaths maker-1")
    assert bare.shell("systemctl show -p NeedDaemonReload --value maker-1") == "no"
    assert bare.shell("systemctl show -p MainPID --value maker-1") == pid

    was = bare.shell(FOUND)
    code, output, _report = bare.arm()
    assert (code, changed(output)) == (0, 0), output
    code, output, _report = bare.arm("--check", "--diff")
    assert (code, changed(output)) == (0, 0), output
    assert bare.shell(FOUND) == was


def test_an_armed_host_rolls_back_what_a_bare_one_cannot(bare: Bare) -> None:
    """S2.3, S4.3: the config key lies in YAML, and through the agent. It counts as the rehearsal then."""
    bare.shell(YAML)
    bare.say(botfleet_go_live_config_path="/srv/maker-1/config/go_live.yaml")
    code, output, report = bare.arm()
    assert code == 0 and says(report, "rehearsed").startswith("no rollback of it"), output
    step = {"name": "Look", "id": "look", "go_live_flag": {"path": "/srv/maker-1/go_live.active", "state": "absent"}}
    stages = [{"name": "halt", "steps": [step]}]
    (looked,) = bare.modules(
        {"tradeops.botfleet.transaction": {"rollback_id": "look", "stages": stages}, "check_mode": True}
    )
    assert looked["path"] == "agent", looked

    code, output, record = rollback(bare.directory)
    assert code == 0 and record["outcome"] == "restored", output
    assert "false" in bare.shell("cat /srv/maker-1/config/go_live.yaml")
    code, output, report = bare.arm()
    assert code == 0 and says(report, "rehearsed").startswith(f"rollback {record['rollback_id']} is "), output


def test_a_unit_with_a_triggering_condition_of_its_own_is_refused(bare: Bare) -> None:
    """With it, a reboot would start a bot that was halted. Nothing was touched; the rest is reported all the same."""
    bare.shell(
        f"mkdir {UNIT_D}; printf '[Unit]\\nConditionPathExists=|/srv\\n' > {UNIT_D}/own.conf; systemctl daemon-reload"
    )
    was = bare.shell(FOUND)
    code, output, report = bare.arm()
    assert code != 0 and not report["ready"], output
    assert "unit maker-1.service has ConditionPathExists=|/srv of its own" in says(report, "armed")
    assert says(report, "contacts") == "On-call Engineer: +1-555-0199"
    assert bare.shell(FOUND) == was


def test_what_is_old_or_broken_is_replaced_and_disarming_leaves_the_state(bare: Bare) -> None:
    """S2.3: a new version of the collection re-arms, and so does a Python that was upgraded under its environment."""
    code, output, _report = bare.arm()
    assert code == 0, output
    old = hashlib.sha256(b"old").hexdigest()
    bare.shell(f"cd {STATE}; printf old > agent/{old}.pyz; rm -r venv/lib; touch maker-1/kept")
    bare.shell(f"rm {DROP_IN}; systemctl daemon-reload")
    code, output, _report = bare.arm()
    assert code == 0 and changed(output) > 0, output
    assert bare.shell(f"ls {STATE}/agent | wc -l") == "2"
    assert old not in bare.shell(f"ls {STATE}/agent") and bare.shell(f"ls {STATE}") == "agent\nmaker-1\nvenv"
    assert bare.shell(f"{STATE}/venv/bin/python -c 'import ruamel.yaml, jmespath; print(1)'") == "1"

    bare.shell(f"touch {STATE}/maker-1/halted")
    code, output, _report = bare.arm(arm_state="absent")
    assert code != 0 and "maker-1 is halted, and kept down by what disarming removes" in output
    assert DROP_IN in bare.shell("systemctl show -p DropInPaths maker-1")
    bare.shell(f"rm {STATE}/maker-1/halted")
    code, output, _report = bare.arm(arm_state="absent")
    assert code == 0, output
    assert bare.shell(f"ls {STATE} {STATE}/maker-1") == f"{STATE}:\nmaker-1\n\n{STATE}/maker-1:\nkept"
    assert bare.shell("systemctl show -p DropInPaths --value maker-1") == ""


def test_a_host_that_cannot_be_reached_is_named_and_holds_up_nobody(bare: Bare) -> None:
    bare.say("gone", ansible_host="127.0.0.1", ansible_port=9, botfleet_kind="quantum_trader")
    code, output, report = bare.arm(scope="bots")
    assert code != 0, output
    assert [(row["name"], row["ready"]) for row in report["bots"]] == [("maker-1", True), ("gone", False)]
    assert says(report, "armed", "gone").startswith("unreachable: ")
