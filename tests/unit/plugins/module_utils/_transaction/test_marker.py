# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The marker of a halt among other steps: written whatever fails, no condition of safe, cleared last (S1.3)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._registry import OPERATIONS
from ansible_collections.tradeops.botfleet.plugins.module_utils._transaction.engine import Transaction
from ansible_collections.tradeops.botfleet.plugins.module_utils._transaction.request import request_from


class Bot:
    """A bot that runs as long as a file is there."""

    def __init__(self, root: Path) -> None:
        self.process = root / "running"
        self.marker = root / "state" / "mm-01" / "halted"
        self.health = root / "healthy"
        self.state = root / "state"
        self.process.touch()
        self.health.touch()

    def file(self, name: str, path: Path, state: str, **keywords: Any) -> dict[str, Any]:
        options = {"path": str(path), "state": state, "polarity": "live", "confirm": True}
        return {"id": name, "name": name, "operation": "go_live_flag", "options": options, **keywords}

    def mark(self, name: str = "marker", state: str = "present", **keywords: Any) -> dict[str, Any]:
        options = {"path": str(self.marker), "state": state, "by": None}
        return {"id": name, "name": name, "operation": "halt_marker", "options": options, **keywords}

    def run(self, *stages: dict[str, Any], **fields: Any) -> dict[str, Any]:
        stopped = self.file("stopped", self.process, "absent", until_resume=True)
        request = {"rollback_id": "rb-1", "bot": "mm-01", "state_dir": str(self.state), "stages": list(stages)}
        safe = [self.mark(required=False), stopped]
        return Transaction(request_from({**request, "safe": safe, **fields}), OPERATIONS).run()

    def halt(self) -> dict[str, Any]:
        steps = [self.mark(), self.file("stop", self.process, "absent")]
        return self.run({"name": "halt", "on_failure": "continue", "steps": steps})

    def start_and_verify(self, *later: dict[str, Any]) -> dict[str, Any]:
        resume = {"name": "resume", "requires_safe": True, "steps": [self.file("start", self.process, "present")]}
        health = self.file("health", self.health, "present", mode="prove")
        verify = {"name": "verify", "steps": [health, self.mark("unmark", "absent")]}
        return self.run(resume, verify, *later, closes=True)


@pytest.fixture
def bot(tmp_path: Path) -> Bot:
    return Bot(tmp_path)


def statuses(result: dict[str, Any]) -> dict[str, str]:
    return {f"{step['stage']}/{step['id']}": step["status"] for step in result["steps"]}


def test_a_verified_bot_loses_its_marker(bot: Bot) -> None:
    assert bot.halt()["safe"]["is_safe"] and bot.marker.exists()
    result = bot.start_and_verify()
    assert result["closed"], result["msg"]
    assert bot.process.exists() and not bot.marker.exists()


def test_a_bot_that_fails_its_verification_keeps_it(bot: Bot) -> None:
    bot.halt()
    bot.health.unlink()
    result = bot.start_and_verify()
    assert result["failed"] and result["safe"]["is_safe"]
    assert statuses(result) == {
        "resume/start": "changed",
        "verify/health": "failed",
        "verify/unmark": "skipped",
        "verify/safe/stopped": "changed",
    }
    assert bot.marker.exists()


def test_a_bot_that_fails_after_its_marker_was_cleared_gets_it_back(bot: Bot) -> None:
    """What makes a bot safe marks it, too: a later stage, or a dead man's switch, may come after verify."""
    bot.halt()
    watch = {"name": "watch", "steps": [bot.file("loss", bot.health, "absent", mode="prove")]}
    result = bot.start_and_verify(watch)
    assert statuses(result)["verify/unmark"] == "changed"
    assert (statuses(result)["watch/safe/marker"], statuses(result)["watch/safe/stopped"]) == ("changed", "changed")
    assert bot.marker.exists() and not bot.process.exists()


def test_one_that_cannot_be_written_stops_nothing_and_makes_no_bot_unsafe(bot: Bot) -> None:
    bot.marker.mkdir(parents=True)
    result = bot.halt()
    assert statuses(result) == {"halt/marker": "failed", "halt/stop": "changed"}
    assert result["failed"] and f"marker: {bot.marker} is not a regular file" in result["msg"]
    assert (result["safe"]["is_safe"], result["safe"]["trading"]) == (True, "off")
    assert [reading["id"] for reading in result["safe"]["read"]] == ["stopped"]


def test_without_a_state_directory_the_bot_is_stopped_all_the_same(bot: Bot) -> None:
    bot.state.write_text("a file, no directory")
    result = bot.halt()
    assert statuses(result) == {"halt/marker": "failed", "halt/stop": "changed"}
    assert "not journaled" in result["msg"] and "nothing keeps the bot down" in result["msg"]
    assert result["safe"]["is_safe"]


def test_a_marker_alone_proves_nothing(bot: Bot) -> None:
    """Of a bot that declares nothing else, nothing was read."""
    stages = {"name": "halt", "on_failure": "continue", "steps": [bot.mark()]}
    assert not bot.run(stages, safe=[bot.mark(required=False)])["safe"]["is_safe"]
    resume = {"name": "resume", "requires_safe": True, "steps": [bot.file("start", bot.process, "present")]}
    result = bot.run(resume, safe=[bot.mark(required=False)])
    assert "nothing was declared that would prove it" in result["msg"]


def test_the_same_id_writes_it_again_until_the_bot_was_started(bot: Bot) -> None:
    bot.halt()
    bot.marker.unlink()
    assert statuses(bot.halt())["halt/marker"] == "changed" and bot.marker.exists()
    resume = {"name": "resume", "steps": [bot.file("start", bot.process, "present")]}
    bot.run(resume)
    bot.run({"name": "verify", "steps": [bot.mark("unmark", "absent")]})
    assert statuses(bot.halt())["halt/marker"] == "resumed" and not bot.marker.exists()
