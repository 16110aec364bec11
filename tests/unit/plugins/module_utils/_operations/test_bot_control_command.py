# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bot with scripts of its own: emergency_stop.sh (S1.3), emergency_stop.py --service databento (S2.6)."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._control import course

from .controlled_bot import change_of, control, proof_of

STOP_SH = """#!/bin/sh
echo "emergency_stop $*" >> calls
test -e lies || echo '{"positions": [], "trading": false}' > state.json
test ! -e fails || { echo "no connection to the exchange" >&2; exit 3; }
echo "All positions closed"
"""
STOP_PY = """
import argparse, json, pathlib
parser = argparse.ArgumentParser()
parser.add_argument("--service", required=True)
given = parser.parse_args()
with open("calls", "a") as calls:
    print("emergency_stop --service", given.service, file=calls)
services = json.loads(pathlib.Path("services.json").read_text())
services[given.service] = "off"
pathlib.Path("services.json").write_text(json.dumps(services))
"""


class Bot:
    """A directory with its scripts, and the state that they change."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "emergency_stop.sh").write_text(STOP_SH)
        (path / "emergency_stop.sh").chmod(0o755)
        (path / "emergency_stop.py").write_text(STOP_PY)
        (path / "state.json").write_text(json.dumps({"positions": ["BTC", "ETH"], "trading": True}))
        (path / "services.json").write_text(json.dumps({"databento": "on", "barchart": "off"}))

    @property
    def calls(self) -> list[str]:
        written = self.path / "calls"
        return written.read_text().splitlines() if written.exists() else []

    def say(self, name: str) -> None:
        (self.path / name).touch()

    def run(self, mode: str = "apply", *, check: bool = False, state: str = "flat", **commands: Any) -> Any:
        options = {"interface": "command", "state": state, "deadline": commands.pop("deadline", 10)}
        return control(mode, check=check, **options, commands={"chdir": str(self.path), **commands})


@pytest.fixture
def bot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bot:
    monkeypatch.setattr(course, "POLL", 0.05)
    return Bot(tmp_path)


S1_3: dict[str, Any] = {"exit": ["./emergency_stop.sh"]}
S1_3_READ: dict[str, Any] = {**S1_3, "status": {"argv": ["cat", "state.json"], "count": "length(positions)"}}
S2_6: dict[str, Any] = {"stop": [sys.executable, "emergency_stop.py", "--service", "databento"]}
S2_6_READ: dict[str, Any] = {**S2_6, "status": {"argv": ["cat", "services.json"], "stopped": "databento == 'off'"}}


def test_s1_3_emergency_stop_sh_is_read_back(bot: Bot) -> None:
    outcome = bot.run(**S1_3_READ)
    assert outcome.status == "changed", outcome.message
    assert bot.calls == ["emergency_stop "]
    assert (proof_of(outcome)["count"], proof_of(outcome)["claimed"]) == (0, False)
    assert change_of(outcome)["count_before"] == 2


def test_s1_3_run_again_it_is_not_called(bot: Bot) -> None:
    bot.run(**S1_3_READ)
    assert bot.run(**S1_3_READ).status == "unchanged"
    assert bot.calls == ["emergency_stop "]


def test_s1_3_what_it_claims_with_exit_code_0_is_no_proof(bot: Bot) -> None:
    """It says that all positions are closed, and two are open."""
    bot.say("lies")
    outcome = bot.run(deadline=0.6, **S1_3_READ)
    assert outcome.status == "failed"
    assert "the bot of ./emergency_stop.sh is not flat: it has 2 open" in outcome.message
    assert bot.calls == ["emergency_stop "]


def test_s1_3_without_a_status_it_is_claimed(bot: Bot) -> None:
    bot.say("lies")
    outcome = bot.run(**S1_3)
    assert outcome.status == "changed"
    assert (proof_of(outcome)["count"], proof_of(outcome)["claimed"]) == (None, True)


def test_s1_3_a_script_that_fails_is_a_failure(bot: Bot) -> None:
    bot.say("fails")
    bot.say("lies")
    outcome = bot.run(**S1_3)
    assert outcome.status == "failed"
    assert "./emergency_stop.sh ended with code 3: no connection to the exchange" in outcome.message
    assert "tradeops.botfleet.exchange_exposure" in outcome.message


def test_s1_3_a_script_that_fails_and_has_closed_everything_is_believed_by_the_count(bot: Bot) -> None:
    bot.say("fails")
    assert proof_of(bot.run(**S1_3_READ))["count"] == 0


def test_s2_6_emergency_stop_py_stops_one_service(bot: Bot) -> None:
    outcome = bot.run(state="stopped", **S2_6_READ)
    assert outcome.status == "changed", outcome.message
    assert bot.calls == ["emergency_stop --service databento"]
    assert (proof_of(outcome)["stopped"], proof_of(outcome)["claimed"]) == (True, False)
    assert bot.run(state="stopped", **S2_6_READ).status == "unchanged"
    assert len(bot.calls) == 1


def test_s2_6_without_a_status_it_is_claimed(bot: Bot) -> None:
    outcome = bot.run(state="stopped", **S2_6)
    assert (proof_of(outcome)["stopped"], proof_of(outcome)["claimed"]) == (None, True)
    assert outcome.message == "stop it by its own means"


def test_check_mode_runs_no_command(bot: Bot) -> None:
    """S1.3: nobody knows what one changes, even the one for the status."""
    status = {"argv": ["sh", "-c", "echo status >> calls; echo 2"]}
    outcome = bot.run(check=True, **S1_3, status=status)
    assert outcome.status == "changed"
    assert bot.calls == []
    assert outcome.before["count"] is None


def test_a_script_that_hangs_is_killed(bot: Bot) -> None:
    started = time.monotonic()
    outcome = bot.run(exit=["sleep", "30"], timeout=0.3)
    assert time.monotonic() - started < 10
    assert "sleep did not end within 0.3 s and was killed" in outcome.message


def test_s1_3_a_script_that_takes_all_the_time_is_read_back_all_the_same(bot: Bot) -> None:
    slow = ["sh", "-c", "sleep 0.5; exec ./emergency_stop.sh"]
    outcome = bot.run(deadline=0.4, **{**S1_3_READ, "exit": slow})
    assert outcome.status == "failed"
    assert "sh did not end within" in outcome.message
    assert proof_of(outcome)["count"] == 2
    (bot.path / "state.json").write_text('{"positions": ["BTC"]}')
    quick = ["sh", "-c", "./emergency_stop.sh; sleep 5"]
    outcome = bot.run(deadline=1, **{**S1_3_READ, "exit": quick})
    assert outcome.status == "changed", outcome.message


def test_a_script_that_is_not_there_is_named(bot: Bot) -> None:
    assert "./stop.sh cannot be started" in bot.run(exit=["./stop.sh"]).message
    outcome = bot.run(exit=["./stop.sh"], status={"argv": ["./status.sh"]})
    assert "./status.sh cannot be started" in outcome.message
    assert "nothing was sent" in outcome.message


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"exit": []}, "commands has an empty list"),
        ({"pause": ["true"]}, "state is flat, for which commands.exit is missing: describe it"),
        ({"exit": ["true"], "chdir": "scripts"}, "commands.chdir is 'scripts', which is not an absolute path"),
        ({"exit": ["true"], "user": "no-such-user"}, "user 'no-such-user' does not exist"),
    ],
)
def test_what_can_never_work_is_refused(bot: Bot, given: dict[str, Any], message: str) -> None:
    assert message in bot.run(**given).message


def test_credentials_are_for_an_api() -> None:
    outcome = control(
        interface="command", state="flat", commands={"exit": ["true"]}, credentials={"token": "CANARY-token"}
    )
    assert outcome.message == "credentials are for an API, and interface is command: leave them out"
