# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A halted bot stays down whoever starts it, until it is verified or handed back: its marker, under a real systemd."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import Host
from .maker import STATE, paths, rollback

MARKER, TOKEN = f"{STATE}/maker-1/halted", "/run/botfleet/maker-1/start"
UNDO = """\
rm -f /etc/systemd/system/broken.service
systemctl daemon-reload
systemctl reset-failed
"""
SICK = [{"name": "Nobody listens", "http": {"url": "http://127.0.0.1:9/"}}]


class Armed:
    """A bot that is armed, and comes up with its host."""

    def __init__(self, host: Host, directory: Path, arming: str) -> None:
        self.host = host
        self.directory = directory
        host.shell(f"{arming}\nsystemctl --quiet add-wants multi-user.target maker-1")

    def rollback(self, **inputs: Any) -> dict[str, Any]:
        """The bot's part of the record, with the exit code of the playbook."""
        code, output, record = rollback(self.directory, botfleet_health_deadline=2, **inputs)
        (bot,) = record["bots"]
        assert paths(output) == {"agent"}, output
        return {**bot, "code": code, "output": output}

    def reboot(self) -> None:
        self.host.reboot(self.directory)

    def colleague(self, *verbs: str) -> str:
        """The unit's state after somebody starts it."""
        for verb in verbs or ("start",):
            self.host.shell(f"systemctl {verb} maker-1")
        return self.state()

    def state(self) -> str:
        return self.host.shell("sleep 0.5; systemctl is-active maker-1 || :")

    def marked(self) -> bool:
        return self.host.shell(f"test -e {MARKER} && echo yes || echo no") == "yes"

    def service(self, state: str, **options: Any) -> dict[str, Any]:
        """The result of bot_service."""
        given = {"name": "maker-1", "manager": "systemd", "state": state, "settle": 0.5, **options}
        (result,) = self.host.modules({"tradeops.botfleet.bot_service": given})
        return result


@pytest.fixture
def armed(deployed: Host, arming: str, tmp_path: Path) -> Iterator[Armed]:
    bot = Armed(deployed, tmp_path, arming)
    yield bot
    bot.host.shell(UNDO)


def test_nothing_brings_a_halted_bot_back_but_its_rollback(armed: Armed) -> None:
    """S1.3: neither a colleague nor a reboot; the same rollback starts it, and once verified it is as any other."""
    assert armed.state() == "active"
    halted = armed.rollback(target="deploy-gone", rollback_id="rb-guard")
    assert (halted["safe"], halted["restored"], halted["process"]) == (True, False, "stopped"), halted["output"]
    assert json.loads(armed.host.shell(f"cat {MARKER}"))["by"] == "rollback rb-guard"
    assert armed.colleague("start", "restart") == "inactive"
    armed.reboot()
    assert (armed.state(), armed.marked()) == ("inactive", True)
    assert armed.colleague() == "inactive"

    resumed = armed.rollback(rollback_id="rb-guard")
    assert resumed["restored"], resumed["output"]
    assert (armed.state(), armed.marked()) == ("active", False)
    assert armed.host.shell(f"test -L {TOKEN} && echo there || echo gone") == "gone"
    armed.reboot()
    assert armed.state() == "active"


def test_a_bot_that_fails_its_verification_stays_down(armed: Armed) -> None:
    """S1.6: it was started, is stopped again, and comes up with no reboot."""
    failed = armed.rollback(botfleet_health_checks=SICK)
    statuses = {f"{step['stage']}/{step['id']}": step["status"] for step in failed["steps"]}
    assert (statuses["resume/start"], statuses["verify/health"]) == ("changed", "failed"), failed["output"]
    assert (statuses["verify/unmark"], failed["safe"], failed["process"]) == ("skipped", True, "stopped")
    assert (armed.colleague(), armed.marked()) == ("inactive", True)
    armed.reboot()
    assert armed.state() == "inactive"


def test_systemd_does_not_restart_a_marked_bot(armed: Armed) -> None:
    """S1.3: between marker and stop, Restart=always would bring it back."""
    (marked,) = armed.host.modules({"tradeops.botfleet.halt_marker": {"path": MARKER}})
    assert marked["changed"], marked
    assert armed.state() == "active", "the marker stops nothing by itself"
    armed.host.shell("systemctl kill --signal KILL maker-1; sleep 1")
    assert armed.state() == "inactive"


def test_a_bot_left_stopped_is_handed_back_or_let_go_by_hand(armed: Armed) -> None:
    """It trades as soon as it runs: restored and stopped, it is kept down until somebody says otherwise."""
    stopped = armed.rollback(botfleet_start_trades=True)
    assert (stopped["restored"], stopped["process"]) == (True, "stopped"), stopped["output"]
    assert (armed.colleague(), armed.marked()) == ("inactive", True)

    (freed,) = armed.host.modules({"tradeops.botfleet.halt_marker": {"path": MARKER, "state": "absent"}})
    assert freed["changed"], freed
    assert armed.colleague() == "active"

    back = armed.rollback(botfleet_start_trades=True, hand_back=True)
    assert (back["restored"], back["process"]) == (True, "running"), back["output"]
    statuses = {step["id"]: step["status"] for step in back["steps"]}
    assert (statuses["marker"], statuses["unmark"], armed.marked()) == ("changed", "changed", False)


def test_what_keeps_a_unit_from_starting_is_named(armed: Armed) -> None:
    """S1.5: to systemctl a unit that its conditions keep down was started."""
    armed.host.shell(f"systemctl stop maker-1; mkdir -p {Path(MARKER).parent}; touch {MARKER}")
    kept = armed.service("started")
    assert kept["failed"] and kept["msg"] == (
        f"maker-1 was not started, since it is kept down by {MARKER} (ConditionResult=no): "
        "remove the marker with halt_marker once the bot may run, or give the start_token of its unit"
    )
    assert armed.state() == "inactive"
    service = {"name": "maker-1", "manager": "systemd", "state": "started", "start_token": TOKEN}
    (checked,) = armed.host.modules({"tradeops.botfleet.bot_service": service, "check_mode": True})
    assert checked["changed"] and armed.host.shell("test -e /run/botfleet && echo there || echo not") == "not"

    started = armed.service("started", start_token=TOKEN)
    assert started["changed"] and not started["failed"], started
    assert armed.service("restarted", start_token=TOKEN)["changed"]
    assert (armed.state(), armed.marked()) == ("active", True)
    assert armed.host.shell("find /run/botfleet -printf '%u %m %y %p\\n'").splitlines() == [
        "root 755 d /run/botfleet",
        "root 755 d /run/botfleet/maker-1",
    ]


def test_a_condition_of_somebody_else_is_named_too(armed: Armed) -> None:
    armed.host.shell(
        "systemctl stop maker-1; cd /etc/systemd/system/maker-1.service.d\n"
        "printf '[Unit]\\nConditionPathExists=/srv/keys\\n' > keys.conf; systemctl daemon-reload"
    )
    kept = armed.service("started", start_token=TOKEN)
    assert kept["failed"] and "was not started, since a condition of its unit does not hold" in kept["msg"], kept
    assert "ConditionPathExists=/srv/keys" in kept["msg"]


def test_what_fails_for_another_reason_is_not_put_down_to_the_marker(armed: Armed) -> None:
    """S1.5: with its token the marker keeps it from nothing; here a unit that it requires does."""
    armed.host.shell(
        f"systemctl stop maker-1; mkdir -p {Path(MARKER).parent}; touch {MARKER}; cd /etc/systemd/system\n"
        "printf '[Service]\\nType=oneshot\\nExecStart=/bin/false\\n' > broken.service\n"
        "printf '[Unit]\\nRequires=broken.service\\nAfter=broken.service\\n' > maker-1.service.d/broken.conf\n"
        "systemctl daemon-reload"
    )
    failed = armed.service("started", start_token=TOKEN)
    assert failed["failed"] and "was started and does not run" in failed["msg"], failed
    assert "Dependency failed" in failed["msg"] and "kept down" not in failed["msg"]


def test_a_token_that_a_killed_run_leaves_behind_lets_nobody_start_the_bot(armed: Armed) -> None:
    """To systemd the token is there as long as the process lives that made it, and not an instant longer."""
    armed.host.shell(f"systemctl stop maker-1; mkdir -p {Path(MARKER).parent} {Path(TOKEN).parent}; touch {MARKER}")
    armed.host.shell(f"sleep 600 < /dev/null > /dev/null 2>&1 & ln -s /proc/$! {TOKEN}; echo $! > /run/sleeper")
    assert armed.colleague() == "active", "as a start by bot_service does"
    armed.host.shell("systemctl stop maker-1; kill -9 $(cat /run/sleeper); sleep 0.2")
    assert armed.colleague() == "inactive"
