# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole rollback over SSH as an ordinary user, with sudo and systemd: on a bare host, and on one that is armed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import Host
from .maker import STATE, deploy, paths, rollback

FILES = f"find /srv/maker-1 /etc/systemd {STATE} -type f 2> /dev/null | sort | xargs sha256sum"


class Night:
    """A rollback of the README's bot, in check mode and then for real. path: how its transactions get to the host."""

    def __init__(self, host: Host, directory: Path, path: str, arming: str) -> None:
        self.host = host
        self.path = path
        deploy(host, directory)
        host.shell(arming)
        self.pid = self.main_pid()
        self.before = host.shell(FILES)
        self.check_code, self.check_output, self.check_record = rollback(directory, "--check", "--diff")
        self.after_check = host.shell(FILES)
        self.pid_after_check = self.main_pid()
        since = host.shell("date '+%Y-%m-%d %H:%M:%S'")
        self.code, self.output, self.record = rollback(directory)
        self.logged = host.shell(f"journalctl --no-pager --since '{since}'")
        self.journal = host.shell(f"cat {STATE}/maker-1/rb-*/journal.jsonl")

    def main_pid(self) -> str:
        return self.host.shell("systemctl show -p MainPID --value maker-1")

    def steps(self) -> list[tuple[str, str, str]]:
        """What was done in turn, as the bot's journal has it: event, step, status."""
        lines = [json.loads(line) for line in self.journal.splitlines()]
        return [(line["event"], line.get("step", ""), line.get("outcome", {}).get("status", "")) for line in lines]


@pytest.fixture(scope="module")
def journals() -> dict[str, list[tuple[str, str, str]]]:
    """The steps of each night so far, by path."""
    return {}


@pytest.fixture(scope="module", params=["module", "agent"])
def night(
    request: pytest.FixtureRequest,
    host: Host,
    arming: str,
    journals: dict[str, list[tuple[str, str, str]]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Night:
    """Of a bare host, which has no package but Debian's Python and git, and of one that arm.yml has armed."""
    night = Night(
        host, tmp_path_factory.mktemp(request.param), request.param, arming if request.param == "agent" else ""
    )
    journals[night.path] = night.steps()
    return night


def test_check_mode_accepts_the_readmes_inventory_and_touches_nothing(night: Night) -> None:
    assert night.check_code == 0 and night.check_record["check_mode"], night.check_output
    assert night.check_record["outcome"] == "restored"
    assert (night.after_check, night.pid_after_check) == (night.before, night.pid)
    assert (STATE in night.before) == (night.path == "agent"), "a bare host stays bare"


def test_each_transaction_takes_the_path_of_its_host(night: Night) -> None:
    """S2.3: what does not fit would fall back without a word."""
    assert paths(night.check_output) == paths(night.output) == {night.path}


def test_a_host_goes_back_over_ssh_and_sudo(night: Night) -> None:
    """S1.3 to S1.6, S4.2 to S4.5: the unit is another process, on the earlier release, with trading off."""
    (bot,) = night.record["bots"]
    assert night.code == 0 and bot["restored"] and bot["trading"] == "off", night.output
    assert (bot["from"], bot["to"]) == ("deploy-20251204-142200", "deploy-20251201-083000")
    shell = night.host.shell
    assert shell("systemctl is-active maker-1") == "active" and night.main_pid() != night.pid
    assert shell("cat /srv/maker-1/RELEASE") == "20251201-083000"
    assert shell("sleep 0.5; tail -n 3 /srv/ledger/maker-1 | cut -d' ' -f2 | sort -u") == "skipped"
    assert '"note": "kept"' in shell("cat /srv/maker-1/config/go_live.json")


def test_both_paths_journal_the_same_steps_in_the_same_order(
    night: Night, journals: dict[str, list[tuple[str, str, str]]]
) -> None:
    """S1.6; and without being asked for it, no dead man's switch is among them."""
    assert ("end", "revert/code", "changed") in night.steps() and "switch_armed" not in night.journal
    assert journals[night.path] == journals.get("module", night.steps())


def test_root_leaves_nothing_of_its_own_in_the_bots_tree(night: Night) -> None:
    """S1.4: git runs as the owner of the tree, and files keep their owner; root's state is root's alone."""
    assert night.host.shell("find /srv/maker-1 ! -user bot") == ""
    assert night.host.shell(f"stat -c '%U %a' {STATE}/maker-1") == "root 700"


def test_no_canary_in_output_record_state_or_the_hosts_journal(night: Night) -> None:
    """S4.4: secrets reach neither -vvvv, nor the record, nor the bot's journal, nor that of systemd."""
    assert "BECOME-SUCCESS" in night.logged, "sudo did log"
    state = night.host.shell(f"cat {STATE}/maker-1/rb-*/*")
    shown = (night.check_output, night.output, json.dumps(night.record), night.logged, state)
    assert not [text for text in shown if "CANARY" in text]


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
    others |= dict.fromkeys(["control", "exposure"], "skipped")
    assert statuses == {"flag": "changed", "config_key": "failed", **others}
    assert deployed.shell("systemctl is-active maker-1 || :") == "inactive"
    assert deployed.shell("test -e /srv/maker-1/go_live.active && echo there || echo gone") == "gone"
