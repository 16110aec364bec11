# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dead man's switch on a real host: the controller is killed, and the bot is looked at from outside."""

from __future__ import annotations

import base64
import io
import json
import os
import signal
import subprocess
import time
import zipfile
from pathlib import Path
from typing import Any, Callable

import pytest

from . import maker
from .conftest import Host
from .fleet import CACHE
from .maker import ANSIBLE, ENVIRONMENT, paths, rollback

SECONDS = 10
A_LITTLE = 5.0
"""Seconds that a busy machine gets to start a Python, stop the bot and read it back."""
CODE = ["module", "agent"]
STATE = f"{maker.STATE}/maker-1"
FLAG = "/srv/maker-1/go_live.active"
ORDERS = "grep -c order /srv/ledger/maker-1"


class Fleet:
    """One bot, and a controller that carries out the stage roles one by one. path: how they get to the host."""

    def __init__(self, host: Host, directory: Path, path: str) -> None:
        self.host = host
        self.directory = directory
        self.path = path

    def start(self, *, verify: bool, pause: float = 0, **variables: Any) -> subprocess.Popen[str]:
        """A controller that halts and resumes, thinks for a while, then verifies."""
        roles: list[dict[str, Any]] = [role("halt"), role("resume")]
        roles += [{"ansible.builtin.pause": {"seconds": pause}}] if pause else []
        roles += [role("verify")] if verify else []
        playbook = self.directory / "roles.yml"
        playbook.write_text(json.dumps([{"hosts": "maker-1", "gather_facts": False, "tasks": roles}]))
        given = {
            "rollback_id": "rb-switch",
            "botfleet_confirm_within": SECONDS,
            "botfleet_safe_only": ["flag", "config_key", "marker", "stopped"],
            "halt_only": ["flag", "marker", "stop", "config_key"],
            "resume_only": ["start"],
            "verify_only": ["flag", "config_key", "process", "unmark"],
            **variables,
        }
        inventories = ["-i", str(CACHE / "hosts.yml"), "-i", str(self.directory / "bots.yml")]
        return subprocess.Popen(
            [ANSIBLE, *inventories, str(playbook), "-vvv", "-e", json.dumps(given)],
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, **variables: Any) -> str:
        controller = self.start(verify=True, **variables)
        output, _none = controller.communicate(timeout=120)
        assert controller.returncode == 0, output
        assert paths(output) == {self.path}, output
        return output

    def kill_after_start(self, **variables: Any) -> None:
        """The controller dies between resume and verify."""
        controller = self.start(verify=True, pause=60, **variables)
        try:
            wait_for(lambda: controller.poll() or ('"switch_armed"' in self.journal() and self.state() == "active"), 60)
        finally:
            os.killpg(controller.pid, signal.SIGKILL)
            output, _none = controller.communicate()
        assert controller.returncode == -signal.SIGKILL, output
        assert paths(output) == {self.path}, output

    def state(self) -> str:
        return self.host.shell("systemctl is-active maker-1 || :")

    def journal(self, rollback_id: str = "rb-switch") -> str:
        return self.host.shell(f"cat {STATE}/{rollback_id}/journal.jsonl 2>/dev/null || :")

    def ran_for(self) -> float:
        """Seconds from its last start to its last stop, as systemd's journal has them."""
        lines = self.host.shell("journalctl -q -u maker-1 -o json").splitlines()
        entries = [(entry["MESSAGE"], int(entry["__MONOTONIC_TIMESTAMP"])) for entry in map(json.loads, lines)]
        started, stopped = (
            max(moment for message, moment in entries if message.startswith(word)) for word in ("Started", "Stopped")
        )
        return (stopped - started) / 1e6

    def timers(self) -> list[str]:
        return self.host.shell("systemctl list-timers --no-legend 'botfleet-switch-*' | tr -s ' '").splitlines()


def role(name: str) -> dict[str, Any]:
    return {"ansible.builtin.include_role": {"name": f"tradeops.botfleet.{name}"}}


def wait_for(condition: Callable[[], Any], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.2)


@pytest.fixture
def fleet(deployed: Host, arming: str, tmp_path: Path, request: pytest.FixtureRequest) -> Fleet:
    """The code that the timer runs is a module's, which is gone by the time that it is needed, or the agent's."""
    path = getattr(request, "param", "module")
    if path == "agent":
        deployed.shell(arming)
    return Fleet(deployed, tmp_path, path)


@pytest.mark.parametrize("fleet", CODE, indirect=True)
def test_a_bot_whose_controller_was_killed_is_stopped_by_its_host(fleet: Fleet) -> None:
    """S1.3, S4.2: in time, with no network, and a flag that somebody raised since; the next rollback tells it."""
    fleet.kill_after_start()
    with fleet.host.unplugged():
        outside = fleet.host.outside
        ordered = outside(ORDERS)
        assert outside(f"touch {FLAG}; chown bot: {FLAG}; systemctl is-active maker-1") == "active"
        assert outside("systemctl show -p AccuracyUSec --value 'botfleet-switch-maker-1-*.timer'") == "100ms"
        wait_for(lambda: outside("systemctl is-active maker-1 || :") == "inactive", SECONDS + A_LITTLE)
        wait_for(lambda: outside(f"ls {STATE}/switch_fired || :"), A_LITTLE)
        assert outside(f"test -e {FLAG} && echo up || echo down") == "down"
    assert SECONDS - 2 < fleet.ran_for() < SECONDS + A_LITTLE
    assert [json.loads(line)["event"] for line in fleet.journal().splitlines()][-5:-3] == ["switch_fired", "made_safe"]
    assert fleet.host.shell(f"ls {STATE}/rb-switch").split() == ["journal.jsonl", "results.json"]
    assert fleet.timers() == []
    assert fleet.host.shell("cat /srv/maker-1/RELEASE") == "20251204-142200", "it reverts nothing"
    assert fleet.host.shell(ORDERS) == ordered, "it sends no order"

    code, output, record = rollback(fleet.directory, confirm_within=120)
    (bot,) = record["bots"]
    assert code == 0 and bot["restored"], output
    (note,) = bot["notes"]
    assert note.startswith("the dead man's switch of rollback rb-switch fired at 2")
    assert f"was not verified within {SECONDS} s of its start: it was made safe, and read back: " in note
    assert "[WARNING]: maker-1: the dead man's switch of rollback rb-switch fired at" in " ".join(output.split())
    assert record["inputs"]["confirm_within"] == "120" and '"switch_confirmed"' in fleet.journal(record["rollback_id"])
    assert fleet.timers() == []


def test_the_same_rollback_starts_and_verifies_it_anew(fleet: Fleet) -> None:
    """S1.6: and nothing comes after that."""
    fleet.kill_after_start(botfleet_confirm_within=3)
    wait_for(lambda: fleet.host.shell(f"ls {STATE}/switch_fired || :"), 3 + A_LITTLE)
    output = " ".join(fleet.run().split())
    assert "the dead man's switch of rollback rb-switch fired at" in output
    assert fleet.state() == "active" and fleet.timers() == []
    pid = fleet.host.shell("systemctl show -p MainPID --value maker-1")
    time.sleep(SECONDS + 1)
    assert fleet.host.shell("systemctl show -p MainPID --value maker-1") == pid
    assert fleet.journal().count('"switch_fired"') == 1 and '"switch_confirmed"' in fleet.journal()


@pytest.mark.parametrize("fleet", ["agent"], indirect=True)
def test_a_reboot_before_it_fires_leaves_the_bot_down(fleet: Fleet) -> None:
    """S1.3, S1.6: its timer went with the boot, the marker holds; the same rollback is not too late then."""
    fleet.host.shell("systemctl --quiet add-wants multi-user.target maker-1")
    fleet.kill_after_start(botfleet_settle=8)  # so that the reboot comes before its start is proven
    deadline = json.loads(fleet.host.shell(f"cat {STATE}/rb-switch/switch.json"))["deadline"]
    fleet.host.reboot(fleet.directory)
    wait_for(lambda: time.monotonic() > deadline, SECONDS)  # of a container and its machine it is the same clock
    assert fleet.state() == "inactive" and fleet.timers() == []
    assert fleet.host.shell(f"ls {STATE}/halted {STATE}/rb-switch/switch.json").count(STATE) == 2

    fleet.run()
    assert fleet.state() == "active" and fleet.timers() == []
    assert '"switch_fired"' not in fleet.journal() and '"switch_confirmed"' in fleet.journal()


@pytest.mark.parametrize("fleet", CODE, indirect=True)
def test_nothing_of_it_holds_a_secret(fleet: Fleet, request: pytest.FixtureRequest) -> None:
    """S4.4: neither what it keeps, nor its unit, nor the processes of the host; the testnet keys went along."""
    fleet.kill_after_start(botfleet_confirm_within=90)
    listing = fleet.host.shell(f"cd {STATE}/rb-switch; stat -c '%a %U %n' switch*; base64 -w0 switch.*.zip")
    *kept, code = listing.splitlines()
    assert [entry.split()[:2] for entry in kept] == [["600", "root"], ["600", "root"]], kept
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(code))) as archive:
        packages = {name.split("/")[0] for name in archive.namelist()}
        told = b"".join(archive.read(name) for name in archive.namelist()).decode(errors="replace")
    told += fleet.host.shell(
        f"cat {STATE}/rb-switch/switch.json; ps -ef\n"
        "systemctl cat 'botfleet-switch-*'; systemctl show 'botfleet-switch-*'"
    )
    assert "go_live.active" in told and "ExecStart" in told
    assert "CANARY" not in told
    assert ("botfleet" in packages) is ("[agent]" in request.node.name), packages
    fleet.host.shell("systemctl stop 'botfleet-switch-*.timer'")


def test_another_rollback_that_took_over_is_left_alone(fleet: Fleet) -> None:
    """S1.3: the newer one answers for the bot that it started."""
    fleet.kill_after_start(botfleet_confirm_within=30)
    step = {"bot_service": {"name": "maker-1", "manager": "systemd", "state": "stopped"}}
    halt = {"name": "halt", "on_failure": "continue", "steps": [step]}
    own = {"rollback_id": "rb-newer", "bot": "maker-1", "stages": [halt], "preempt": True}
    (result,) = fleet.host.modules({"tradeops.botfleet.transaction": own})
    assert not result["failed"], result
    fleet.host.shell("systemctl start maker-1")
    wait_for(lambda: "rollback rb-newer has taken over" in fleet.journal(), 30 + A_LITTLE)
    assert fleet.state() == "active"
    assert fleet.host.shell(f"ls {STATE}/rb-switch").split() == ["journal.jsonl", "results.json"]


def test_without_root_a_process_outlives_the_connection(deployed: Host) -> None:
    """S4.5: it belongs to no session, and holds neither the bot's lock nor the connection."""
    alone = {"become": False, "vars": {"ansible_ssh_args": "-o ControlMaster=no -o ControlPath=none"}}
    service = {
        "name": "own",
        "manager": "process",
        "chdir": "/home/ops/own",
        "command": ["sleep", "600"],
        "settle": 0.5,
    }
    resume = {"name": "resume", "confirm_within": 20, "steps": [{"bot_service": {**service, "state": "started"}}]}
    own: dict[str, Any] = {"rollback_id": "rb-own", "bot": "own", "state_dir": "/home/ops/state", "stages": [resume]}
    own["safe"] = {"steps": [{"name": "Down", "until_resume": True, "bot_service": {**service, "state": "stopped"}}]}
    deployed.shell("pkill -u ops sleep || :; rm -rf /home/ops/own /home/ops/state; install -d -o ops /home/ops/own")
    started, still = deployed.modules(
        {"tradeops.botfleet.transaction": own, **alone},
        {"tradeops.botfleet.bot_service": {**service, "state": "started"}, "check_mode": True, **alone},
    )
    assert not started["failed"] and not still["changed"], started
    (waiting,) = deployed.shell("pgrep -u ops -f 'fire wait'").splitlines()
    assert deployed.shell(f"ps -o tty=,ppid= -p {waiting}").split() == ["?", "1"]
    assert deployed.shell("flock -n /home/ops/state/own/lock echo free") == "free"
    wait_for(lambda: not deployed.shell("pgrep -u ops sleep || :"), 20 + A_LITTLE)
    wait_for(lambda: '"made_safe"' in deployed.shell("cat /home/ops/state/own/rb-own/journal.jsonl"), A_LITTLE)
