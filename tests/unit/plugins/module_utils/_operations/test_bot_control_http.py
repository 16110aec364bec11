# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bot with an HTTP API that the user describes (S1.3)."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._control import course

from tests.peers.web import Asked, Said, serving

from .controlled_bot import change_of, control, proof_of

KEYS = {"token": "CANARY-token"}
STATUS = {"count": "length(positions)", "paused": "mode != 'live'", "stopped": "mode == 'off'"}


@dataclass
class Bot:
    """Its modes are live, halted and off. broken: paths that answer 500; idle: what they do not do all the same."""

    mode: str = "live"
    positions: list[str] = field(default_factory=lambda: ["BTC", "ETH"])
    broken: list[str] = field(default_factory=list)
    idle: bool = False
    asked: list[Asked] = field(default_factory=list)
    url: str = ""

    @property
    def sent(self) -> list[str]:
        return [asked.line for asked in self.asked if asked.method != "GET"]

    def answer(self, asked: Asked) -> Said:
        self.asked.append(asked)
        if asked.path == "/status":
            return 200, {}, json.dumps({"mode": self.mode, "positions": self.positions}).encode()
        if not self.idle:
            if asked.path == "/halt" and self.mode == "live":
                self.mode = "halted"
            elif asked.path == "/close":
                self.positions = []
            elif asked.path == "/off":
                self.mode = "off"
        return (500 if asked.path in self.broken else 202), {}, b"token was CANARY-token"

    def options(self, **of: Any) -> dict[str, Any]:
        requests: dict[str, Any] = {
            step: {"url": f"{self.url}/{path}", "expected": [200, 202]}
            for step, path in (("pause", "halt"), ("exit", "close"), ("stop", "off"))
        }
        requests["status"] = {"url": f"{self.url}/status", **STATUS}
        return {"interface": "http", "state": "flat", "credentials": KEYS, "requests": requests, **of}


@contextmanager
def bot_serving() -> Iterator[Bot]:
    served = Bot()
    with serving(served.answer) as served.url:
        yield served


@pytest.fixture
def bot(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bot]:
    monkeypatch.setattr(course, "POLL", 0.02)
    with bot_serving() as served:
        yield served


def test_s1_3_each_step_is_sent_once_and_read_back(bot: Bot) -> None:
    outcome = control(**bot.options(state="stopped"))
    assert outcome.status == "changed", outcome.message
    assert bot.sent == ["POST /halt", "POST /close", "POST /off"]
    assert all(asked.headers["authorization"] == "Bearer CANARY-token" for asked in bot.asked)
    proof = proof_of(outcome)
    assert (proof["paused"], proof["count"], proof["stopped"], proof["claimed"]) == (True, 0, True, False)
    assert change_of(outcome)["count_before"] == 2


def test_a_second_time_sends_nothing(bot: Bot) -> None:
    control(**bot.options(state="stopped"))
    sent = list(bot.sent)
    assert control(**bot.options(state="stopped")).status == "unchanged"
    assert bot.sent == sent


def test_check_mode_only_reads(bot: Bot) -> None:
    outcome = control(check=True, **bot.options(state="stopped"))
    assert outcome.status == "changed"
    assert bot.sent == []
    assert outcome.before is not None and outcome.before["count"] == 2


def test_what_was_read_decides_not_what_was_answered(bot: Bot) -> None:
    """It says 500, and has done it; it says 202, and has not."""
    bot.broken = ["/close"]
    assert control(**bot.options()).status == "changed"
    bot.positions, bot.broken, bot.idle = ["BTC"], [], True
    outcome = control(**bot.options(deadline=0.5))
    assert outcome.status == "failed"
    assert "is not flat: it has 1 open and takes no new entry" in outcome.message
    assert proof_of(outcome)["count"] == 1


def test_a_pause_that_fails_does_not_keep_positions_open(bot: Bot) -> None:
    """S1.3: money first; it is a failure all the same."""
    bot.broken = ["/halt"]
    options = bot.options(deadline=0.5)
    options["requests"]["pause"]["url"] = f"{bot.url}/nowhere"
    bot.broken = ["/nowhere"]
    outcome = control(**options)
    assert bot.positions == []
    assert outcome.status == "failed"
    assert f"POST {bot.url}/nowhere answered 500, expected 200 or 202: token was ********" in outcome.message


def test_what_was_turned_down_is_not_waited_for(bot: Bot) -> None:
    """S1.3: and the exit is sent all the same."""
    options = bot.options(deadline=30)
    with serving(lambda _asked: (403, {}, b"")) as url:
        options["requests"]["pause"]["url"] = f"{url}/halt"
        started = time.monotonic()
        outcome = control(**options)
    assert time.monotonic() - started < 10
    assert f"POST {url}/halt answered 403, expected 200 or 202, which refuses these credentials" in outcome.message
    assert bot.positions == []


def test_without_a_status_all_is_a_claim(bot: Bot) -> None:
    """The answer is no proof, and each run sends it again; prove alone has nothing to say."""
    options = bot.options()
    del options["requests"]["status"]
    for _time in (1, 2):
        outcome = control(**options)
        assert outcome.status == "changed", outcome.message
        proof = proof_of(outcome)
        assert (proof["claimed"], proof["count"], proof["paused"]) == (True, None, None)
    assert bot.sent == ["POST /halt", "POST /close"] * 2
    assert "is not flat: it does not say what is open" in control("prove", **options).message


def test_a_claim_that_is_refused_is_no_claim(bot: Bot) -> None:
    options = bot.options(deadline=30)
    del options["requests"]["status"]
    bot.broken = ["/close"]
    started = time.monotonic()
    outcome = control(**options)
    assert time.monotonic() - started < 10
    assert outcome.status == "failed"
    assert "/close answered 500" in outcome.message


def test_what_is_missing_is_said_before_anything_is_sent(bot: Bot) -> None:
    options = bot.options(state="stopped")
    del options["requests"]["exit"]
    outcome = control(**options)
    assert "has 2 open and still enters, and requests.exit does not say how to exit it" in outcome.message
    del options["requests"]["stop"]
    assert "state is stopped, for which requests.stop is missing" in control(**options).message
    assert bot.sent == []


def test_a_count_alone_needs_no_expression() -> None:
    """The answer is a number, and no jmespath is needed on the host."""
    with serving(lambda _asked: (200, {}, b" 0\n")) as url:
        outcome = control(interface="http", state="flat", requests={"exit": {"url": url}, "status": {"url": url}})
    assert outcome.status == "unchanged", outcome.message
    assert (proof_of(outcome)["count"], proof_of(outcome)["claimed"]) == (0, False)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        ({"count": "positions"}, 'status.count is ["BTC", "ETH"] at'),
        ({"count": "nothing"}, "status.count is null at"),
        ({"count": "length(nothing)"}, "query cannot be asked of the answer of"),
        ({"paused": "mode"}, "status.paused finds live at"),
        ({}, 'the answer is {"mode": "live", "positions": ["BTC", "ETH"]} at'),
    ],
)
def test_a_status_that_is_of_another_kind_proves_nothing(bot: Bot, status: dict[str, Any], message: str) -> None:
    options = bot.options()
    options["requests"]["status"] = {"url": f"{bot.url}/status", **status}
    outcome = control(**options)
    assert outcome.status == "failed"
    assert message in outcome.message
    assert bot.sent == []


def test_an_expression_that_is_none_is_refused(bot: Bot) -> None:
    options = bot.options()
    options["requests"]["status"]["count"] = "length("
    assert "status.count: query is no JMESPath expression" in control(**options).message
    assert bot.asked == []


def test_without_jmespath_nothing_is_sent(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jmespath", None)
    outcome = control(**bot.options())
    assert "query needs the Python package jmespath on this host" in outcome.message
    assert bot.sent == []


def test_a_body_is_sent_as_json_and_text_as_it_is(bot: Bot) -> None:
    options = bot.options()
    options["requests"]["pause"].update(body={"mode": "halted"}, headers={"X-Reason": "CANARY-reason"})
    options["requests"]["exit"].update(body="all", method="PUT")
    control(**options)
    pause, leave = (asked for asked in bot.asked if asked.method != "GET")
    assert json.loads(pause.body) == {"mode": "halted"}
    assert pause.headers["content-type"] == "application/json"
    assert pause.headers["x-reason"] == "CANARY-reason"
    assert (leave.method, leave.body) == ("PUT", b"all")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed_and_takes_no_credentials_elsewhere(bot: Bot, status: int) -> None:
    """Neither to another host nor on the same one."""
    other: list[Asked] = []

    def take(asked: Asked) -> Said:
        other.append(asked)
        return 200, {}, b"0"

    with serving(take) as elsewhere, serving(lambda _asked: (status, {"Location": elsewhere}, b"")) as url:
        options = bot.options()
        options["requests"]["status"] = {"url": f"{url}/status"}
        outcome = control(**options)
    assert f"{url}/status answered {status}, expected 200, a redirect, which is not followed" in outcome.message
    assert other == []


def test_an_api_that_nobody_can_reach_is_one_sentence() -> None:
    """The URL without what may be secret in it, and the mend."""
    requests = {
        "exit": {"url": "http://127.0.0.1:9/close"},
        "status": {"url": "http://127.0.0.1:9/status?key=CANARY-key"},
    }
    outcome = control(interface="http", state="flat", requests=requests)
    assert outcome.message == (
        "GET http://127.0.0.1:9/status cannot be reached (Connection refused); nothing was sent: see that it runs and "
        "answers there, or close what it holds with tradeops.botfleet.exchange_exposure"
    )


def test_a_bot_that_does_not_run_may_be_left_alone() -> None:
    """That nothing listens is another matter than an answer that does not come."""
    requests = {"exit": {"url": "http://127.0.0.1:9/close"}, "status": {"url": "http://127.0.0.1:9/status"}}
    outcome = control(interface="http", state="flat", requests=requests, absent="skip")
    assert outcome.status == "skipped" and "Connection refused): it does not run" in outcome.message
    with serving(lambda _asked: (500, {}, b"")) as url:
        requests["status"]["url"] = url
        assert control(interface="http", state="flat", requests=requests, absent="skip").status == "failed"


def test_an_api_that_hangs_takes_its_time_limit() -> None:
    with serving(lambda _asked: time.sleep(4) or (200, {}, b"0")) as url:  # type: ignore[func-returns-value]  # None
        started = time.monotonic()
        outcome = control(
            interface="http", state="flat", timeout=0.2, requests={"exit": {"url": url}, "status": {"url": url}}
        )
        assert time.monotonic() - started < 3.8
    assert "gave no whole answer within 0.2 s" in outcome.message


def test_credentials_in_a_url_are_refused(bot: Bot) -> None:
    options = bot.options()
    options["requests"]["exit"]["url"] = "http://operator:CANARY-password@127.0.0.1/close"
    assert control(**options).message == (
        "requests.exit.url holds credentials: give them in credentials or credentials_env"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"state": "reloaded"}, "state reloaded is for freqtrade, and interface is http"),
        ({"expect_dry_run": False}, "expect_dry_run is for freqtrade, and interface is http"),
        ({"deadline": 0}, "deadline is 0: give more than 0 s"),
        ({"timeout": -1}, "timeout is -1: give more than 0 s"),
        ({"credentials": {"username": "CANARY"}}, "credentials are not whole"),
        ({"credentials": {"user": "CANARY"}}, "credentials have user: give username and password, or token"),
    ],
)
def test_what_can_never_work_is_refused(bot: Bot, options: dict[str, Any], message: str) -> None:
    assert message in control(**bot.options(**options)).message
    assert bot.asked == []
