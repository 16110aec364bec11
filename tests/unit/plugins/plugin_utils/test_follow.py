# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Following a detached transaction: hosts that are lost for a while, and what is shown without a timeline."""

from __future__ import annotations

import time
from typing import Any

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible_collections.tradeops.botfleet.plugins.plugin_utils._follow import Follower

BEGUN = {"following": "0123"}
PROGRESS = {"doing": "copying trades", "done": 1.2e9, "total": 2.9e9, "rate": 104e6, "left": 16.3}
GOING = {**BEGUN, "step": "preserve/backup", "progress": PROGRESS}
DONE = {"detached": True, "steps": []}
LOST = AnsibleConnectionFailure("no route")


class Host:
    """Gives these answers in turn, the last one again and again; the clock is a test's own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: Any) -> None:
        self.answers = list(answers)
        self.now = 0.0
        self.lines: list[tuple[float, str]] = []
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(time, "sleep", self.sleep)

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def ask(self) -> Any:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def display(self, line: str, stderr: bool = False) -> None:
        assert stderr
        self.lines.append((self.now, line))

    def follow(self) -> Any:
        return Follower("db-1", {"preserve/backup": "Back up the database"}, self.ask, self).wait(BEGUN)


def test_the_first_looks_come_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(monkeypatch, GOING, GOING, DONE)
    assert host.follow() == DONE and host.now == 0.25 + 0.5 + 1
    assert host.lines == []


def test_without_a_timeline_there_is_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(monkeypatch, *[GOING] * 20, {**BEGUN, "step": None, "progress": None}, DONE)
    host.follow()
    line = "db-1: Back up the database, 41 %, 1.2 of 2.9 GB, 104 MB/s, 16 s left, copying trades"
    assert [said for _at, said in host.lines] == [line] * 3
    assert host.lines[1][0] - host.lines[0][0] >= 10


def test_a_host_may_be_gone_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(monkeypatch, GOING, *[LOST] * 20, GOING, *[LOST] * 20, DONE)
    assert host.follow() == DONE


def test_one_that_stays_away_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(monkeypatch, GOING, LOST)
    with pytest.raises(AnsibleConnectionFailure, match="no route"):
        host.follow()
    assert 60 < host.now < 70


def test_one_whose_python_fails_says_that_its_transaction_may_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(monkeypatch, {"failed": True, "msg": "out of memory", "path": "module"})
    result = host.follow()
    assert result["failed"] and result["msg"] == (
        "out of memory: its transaction may still run on the host, follow it with the same id"
    )
