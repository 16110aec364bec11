# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hummingbot does otherwise than one would think, in a stand-in that does the same (S1.3, S4.4)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._control import course
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import Context, Outcome, carry_out
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations.exchange_testnet import ExchangeTestnet
from ansible_collections.tradeops.botfleet.tests.unit.plugins.module_utils._operations.running_bot import (
    Directory,
    carried_out,
    clear,
    wait_for,
)

from tests.peers.web import Asked, Said, serving

from .controlled_bot import change_of, control, proof_of

# hummingbot-api, which answers before it has verified anything

STOP, STATUS = "/bot-orchestration/stop-bot", "/bot-orchestration/mm/status"


@dataclass
class Api:
    """One that has a bot. obeys: after how many looks at its status the bot is stopped; None: it never is."""

    obeys: int | None = 3
    asked: list[Asked] = field(default_factory=list)
    url: str = ""
    _looks: int = 0

    @property
    def sent(self) -> list[Asked]:
        return [asked for asked in self.asked if asked.method == "POST"]

    def answer(self, asked: Asked) -> Said:
        self.asked.append(asked)
        if asked.path == STOP:
            return 200, {}, json.dumps({"status": "success", "response": {"success": True}}).encode()
        self._looks += bool(self.sent)
        stopped = self.obeys is not None and self._looks > self.obeys
        data = {"status": "stopped" if stopped else "running"}
        return 200, {}, json.dumps({"status": "success", "data": data}).encode()

    def stop(self, *, read_back: bool = True, **of: Any) -> Outcome:
        requests: dict[str, Any] = {"stop": {"url": f"{self.url}{STOP}", "body": {"bot_name": "mm"}}}
        if read_back:
            requests["status"] = {"url": f"{self.url}{STATUS}", "stopped": "data.status == 'stopped'"}
        keys = {"username": "admin", "password": "CANARY-password"}
        return control(interface="http", state="stopped", credentials=keys, requests=requests, **of)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    monkeypatch.setattr(course, "POLL", 0.02)
    served = Api()
    with serving(served.answer) as served.url:
        yield served


def test_s1_3_success_of_its_api_is_no_proof(api: Api) -> None:
    """It answers success, and the bot goes on."""
    api.obeys = None
    outcome = api.stop(deadline=0.5)
    assert outcome.status == "failed"
    assert "is not stopped" in outcome.message
    assert proof_of(outcome)["stopped"] is False
    assert len(api.sent) == 1


def test_s1_3_what_its_api_said_is_waited_for_until_it_is_so(api: Api) -> None:
    outcome = api.stop()
    assert outcome.status == "changed", outcome.message
    assert json.loads(api.sent[0].body) == {"bot_name": "mm"} and len(api.sent) == 1
    assert (proof_of(outcome)["stopped"], proof_of(outcome)["claimed"]) == (True, False)
    assert len(api.asked) >= 1 + 3 + 1
    assert api.stop().status == "unchanged"


def test_s1_3_without_its_status_success_is_a_claim(api: Api) -> None:
    outcome = api.stop(read_back=False)
    assert (proof_of(outcome)["stopped"], proof_of(outcome)["claimed"]) == (None, True)


# hbot stop, which is SIGTERM

PROGRAM = """\
import json, pathlib, signal, sys, time
def note(text):
    with open("notes", "a") as handle:
        handle.write(text + "\\n")
def leave(number, frame):
    time.sleep(0.5)
    pathlib.Path("orders.json").write_text("[]")
    note("left by " + signal.Signals(number).name)
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
pathlib.Path("orders.json").write_text(json.dumps(["buy-1", "sell-1"]))
note("began")
while True:
    time.sleep(60)
"""
HBOT = """\
#!/bin/sh
case $1 in
stop) kill -TERM "$(cat bot.pid)"; echo "mm is stopping" ;;
status) if kill -0 "$(cat bot.pid)" 2>/dev/null; then echo '{"running": true}'; else echo '{"running": false}'; fi ;;
esac
"""


@pytest.fixture
def bot(tmp_path: Path) -> Iterator[Directory]:
    """One that runs, with two orders at its exchange."""
    made = Directory(tmp_path / "mm")
    (made.path / made.program).write_text(PROGRAM)
    made.script("hbot", HBOT)
    outcome = carried_out(made.process(pidfile=str(made.path / "bot.pid")), "started")
    assert outcome.status == "changed", outcome.message
    wait_for(lambda: made.notes() == ["began"])
    yield made
    clear(tmp_path)


def orders(bot: Directory) -> list[str]:
    found: list[str] = json.loads((bot.path / "orders.json").read_text())
    return found


def test_s1_3_hbot_stop_returns_at_once_and_is_waited_for(bot: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has sent SIGTERM by then; the bot is still cancelling."""
    monkeypatch.setattr(course, "POLL", 0.05)
    status = {"argv": ["./hbot", "status"], "stopped": "running == `false`"}
    commands = {"chdir": str(bot.path), "stop": ["./hbot", "stop"], "status": status}
    outcome = control(interface="command", state="stopped", commands=commands)
    assert outcome.status == "changed", outcome.message
    assert change_of(outcome)["seconds"] >= 0.5
    assert proof_of(outcome)["stopped"] is True
    assert (orders(bot), bot.running(), bot.notes()[-1]) == ([], [], "left by SIGTERM")


@pytest.mark.parametrize("by_hbot", [True, False])
def test_s1_5_hbot_stop_and_a_signal_are_the_same(bot: Directory, by_hbot: bool) -> None:
    """Both let it cancel its orders, since nobody kills it before it is done."""
    (pid,) = bot.running()
    of = {"stop_command": ["./hbot", "stop"]} if by_hbot else {}
    outcome = carried_out(bot.scripted(force=True, **of), "stopped")
    assert outcome.change == {"stopped": [pid], "killed": []}
    assert (orders(bot), bot.notes()[-1]) == ([], "left by SIGTERM")


def test_s1_3_killed_it_leaves_its_orders_at_the_exchange(bot: Directory) -> None:
    """Why they are cancelled there, once the process is stopped."""
    outcome = carried_out(bot.scripted(force=True, timeout=0), "stopped")
    assert outcome.change is not None and len(outcome.change["killed"]) == 1
    assert orders(bot) == ["buy-1", "sell-1"]


# Its testnet, which is another connector


@pytest.mark.parametrize(
    ("of", "message"),
    [
        ({"exchanges": ["binance_perpetual"]}, "has no key exchanges.binance_perpetual.testnet"),
        ({"exchanges": ["binance_perpetual"], "key": "connector_name"}, "is a string, not a boolean"),
        ({}, "names no exchange at exchanges.{exchange}.testnet"),
    ],
)
def test_s4_4_a_testnet_that_is_another_connector_is_no_switch(
    tmp_path: Path, of: dict[str, Any], message: str
) -> None:
    """It is refused, and nothing is written that the bot would not read; such a config comes from a snapshot."""
    config = tmp_path / "conf_v2.yml"
    config.write_text("connector_name: binance_perpetual\ntrading_pair: BTC-USDT\n")
    before = config.read_bytes()
    options = {name: option.get("default") for name, option in ExchangeTestnet.OPTIONS.items()}
    outcome = carry_out(ExchangeTestnet({**options, "path": str(config), **of}, Context()), "apply")
    assert outcome.status == "failed"
    assert message in outcome.message
    assert (config.read_bytes(), [path.name for path in tmp_path.iterdir()]) == (before, ["conf_v2.yml"])
