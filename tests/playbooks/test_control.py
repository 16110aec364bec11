# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bots that are asked by their own interface before their process is stopped (S1.3, S2.6)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.peers.web import Asked, Said, serving

from .conftest import Fleet, Run


@dataclass
class Api:
    """That of one bot, with two positions. deaf: it answers, and does nothing."""

    url: str = ""
    paused: bool = False
    positions: int = 2
    deaf: bool = False
    sent: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)

    def answer(self, asked: Asked) -> Said:
        self.tokens.add(asked.headers.get("authorization", ""))
        if asked.method != "GET":
            self.sent.append(asked.path)
        if asked.path == "/pause" and not self.deaf:
            self.paused = True
        elif asked.path == "/exit" and not self.deaf:
            self.positions = 0
        return 200, {}, json.dumps({"paused": self.paused, "positions": self.positions}).encode()

    def variables(self, **more: Any) -> dict[str, Any]:
        requests: dict[str, Any] = {step: {"url": f"{self.url}/{step}"} for step in ("pause", "exit")}
        requests["status"] = {"url": f"{self.url}/status", "count": "positions", "paused": "paused"}
        control = {"interface": "http", "credentials": {"secret": "control_credentials"}, "requests": requests}
        return {
            "botfleet_control": {**control, "deadline": 3, **more},
            "botfleet_control_credentials": {"token": "CANARY-token"},
        }


@pytest.fixture
def api(fleet: Fleet) -> Iterator[Api]:
    served = Api()
    with serving(served.answer) as served.url:
        fleet.overrides["tn-1"] = served.variables()
        yield served


def control(run: Run) -> dict[str, Any]:
    return next(step for step in run.bot("tn-1")["steps"] if step["id"] == "control")


def test_s1_3_a_bot_exits_by_itself_before_its_process_is_stopped(fleet: Fleet, api: Api) -> None:
    run = fleet.rollback(scope="tn-1")
    assert run.code == 0, run.output
    assert (api.sent, api.positions, api.tokens) == (["/pause", "/exit"], 0, {"Bearer CANARY-token"})
    assert control(run)["status"] == "changed" and control(run)["proof"]["count"] == 0
    journal = fleet.journal("tn-1", run.record["rollback_id"])
    ended = [line["step"] for line in journal if line["event"] == "end"]
    assert ended.index("halt/marker") < ended.index("halt/control") < ended.index("halt/stop")
    assert "CANARY" not in run.output + json.dumps(run.record) + json.dumps(journal)


def test_s4_7_one_that_may_keep_its_positions_is_only_paused(fleet: Fleet, api: Api) -> None:
    run = fleet.rollback(scope="tn-1", positions="natural")
    assert run.code == 0, run.output
    assert (api.sent, api.positions) == (["/pause"], 2)


def test_one_that_does_not_obey_is_stopped_all_the_same(fleet: Fleet, api: Api) -> None:
    api.deaf = True
    run = fleet.rollback(scope="tn-1")
    assert run.code == 0 and run.bot("tn-1")["restored"], run.output
    assert control(run)["status"] == "failed" and "it has 2 open and still enters" in control(run)["message"]


def test_one_that_does_not_run_is_left_alone(fleet: Fleet, api: Api) -> None:
    requests = {step: {"url": f"http://127.0.0.1:9/{step}"} for step in ("pause", "exit", "status")}
    fleet.overrides["tn-1"] = api.variables(requests=requests)
    run = fleet.rollback(scope="tn-1")
    assert run.code == 0, run.output
    assert control(run)["status"] == "skipped" and "Connection refused" in control(run)["message"]


def test_a_check_asks_and_sends_nothing(fleet: Fleet, api: Api) -> None:
    run = fleet.rollback("--check", scope="tn-1")
    assert run.code == 0, run.output
    assert api.sent == [] and api.tokens and "have it close what it has open" in control(run)["message"]
