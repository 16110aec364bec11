# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""arm.yml on a bare host (S2.3): SSH as an ordinary user, sudo, systemd; no pip, no ensurepip, no ruamel.yaml."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from .conftest import Host
from .maker import STATE, UNIT_D, arm, paths, rollback

pytestmark = pytest.mark.timeout(900)  # several playbooks, each over SSH
DROP_IN = f"{UNIT_D}/botfleet.conf"
FOUND = f"find {STATE} {UNIT_D} -printf '%p %m %u %s %T@\\n' 2> /dev/null | sort"
YAML = """\
for directory in /srv/maker-1/config /backup/config-*; do
  printf 'activation_enabled: true\\n' > $directory/go_live.yaml
  chown bot: $directory/go_live.yaml
done
"""
OTHER_VERSION = f"""\
echo '# others' >> {STATE}/venv/requirements.txt
sed -i 's/halted/stopped/' {DROP_IN}
systemctl daemon-reload
"""
"""As a version of the collection leaves them that pins other packages and has other conditions."""
TROUBLE = f"""\
mkdir {UNIT_D}; printf '[Unit]\\nConditionPathExists=|/srv\\n' > {UNIT_D}/own.conf
systemctl --quiet mask masked; systemctl daemon-reload
mkdir -p /var/lib/busy/other; sleep 600 < /dev/null > /dev/null 2>&1 &
printf '{{"pid": %s, "start_time": %s}}' $! $(cut -d' ' -f22 /proc/$!/stat) > /var/lib/busy/other/lock
"""
"""A condition that would start a halted bot, a unit that nothing starts, a lock whose holder lives."""


class Bare(Host):
    """A host that is not armed, with the live bot of the README's inventory."""

    def __init__(self, host: Host, directory: Path) -> None:
        super().__init__(host.name, host.address)
        self.directory = directory

    def say(self, bot: str = "maker-1", **variables: Any) -> None:
        """More of a bot in the inventory."""
        path = self.directory / "bots.yml"
        inventory = json.loads(path.read_text())
        inventory["bots"]["hosts"].setdefault(bot, {}).update(variables)
        path.write_text(json.dumps(inventory))

    def arm(self, *arguments: str, **inputs: Any) -> tuple[int, str, dict[str, Any]]:
        """Exit code, output and the readiness report."""
        return arm(self.directory, *arguments, **inputs)


@pytest.fixture
def bare(deployed: Host, tmp_path: Path) -> Bare:
    return Bare(deployed, tmp_path)


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
    look = {
        "tradeops.botfleet.transaction": {"rollback_id": "look", "stages": [{"name": "halt", "steps": [step]}]},
        "check_mode": True,
    }
    bare.shell("echo root:CANARY-root | chpasswd")
    su = {"ansible_become_method": "ansible.builtin.su", "ansible_become_password": "CANARY-root"}
    looked = bare.modules(look, {**look, "vars": {"ansible_pipelining": False}}, {**look, "vars": su})
    assert [result["failed"] for result in looked] == [False] * 3, looked
    assert [result["path"] for result in looked] == ["agent", "module", "module"], "neither can pipe a request"

    code, output, record = rollback(bare.directory)
    assert code == 0 and record["outcome"] == "restored", output
    assert paths(output) == {"agent"}
    assert "false" in bare.shell("cat /srv/maker-1/config/go_live.yaml")

    bare.shell(OTHER_VERSION)
    code, output, report = bare.arm()
    assert code == 0 and says(report, "rehearsed").startswith(f"rollback {record['rollback_id']} is "), output
    assert "others" not in bare.shell(f"cat {STATE}/venv/requirements.txt")
    assert f"|!{STATE}/maker-1/halted" in bare.shell("systemctl cat maker-1")


def test_what_cannot_be_armed_is_refused_and_the_rest_is_reported(bare: Bare) -> None:
    """Each with one sentence, and nothing was touched. Here four bots of one host, each with its own trouble."""
    bare.shell(TROUBLE)
    own = json.loads((bare.directory / "bots.yml").read_text())["bots"]["hosts"]["maker-1"]
    bare.say("gone", **{**own, "botfleet_service_name": "gone"})
    bare.say("masked", **{**own, "botfleet_service_name": "masked"})
    bare.say("busy", **{**own, "botfleet_state_dir": "/var/lib/busy"})
    found = f"{FOUND}; find /var/lib/busy"
    was = bare.shell(found)
    code, output, report = bare.arm(scope="bots")
    assert code != 0 and not [row for row in report["bots"] if row["ready"]], output
    assert "unit maker-1.service has ConditionPathExists=|/srv of its own" in says(report, "armed")
    assert "unit gone.service is not-found on this host" in says(report, "armed", "gone")
    assert "unit masked.service is masked on this host" in says(report, "armed", "masked")
    assert "a transaction of other is under way on this host" in says(report, "armed", "busy")
    assert says(report, "contacts") == "On-call Engineer: +1-555-0199"
    assert bare.shell(found) == was


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
