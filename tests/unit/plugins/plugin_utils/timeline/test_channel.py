# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What workers tell the timeline. The pipe and the processes are real."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from ansible_collections.tradeops.botfleet.plugins.plugin_utils._timeline.channel import Channel


@pytest.fixture
def channel() -> Iterator[Channel]:
    made = Channel()
    made.open()
    yield made
    made.close()


def test_many_workers_at_once_are_all_heard(channel: Channel) -> None:
    pids = []
    for number in range(4):
        pid = os.fork()
        if pid == 0:
            for done in range(20):
                channel.tell(f"bot-{number}", {"done": done, "doing": "x" * 400})
            os._exit(0)
        pids.append(pid)
    heard = []
    while pids or (more := channel.heard()):
        heard += channel.heard() if pids else more
        pids = [pid for pid in pids if os.waitpid(pid, os.WNOHANG)[0] == 0]
    for number in range(4):
        assert [said["done"] for bot, said in heard if bot == f"bot-{number}"] == list(range(20))


def test_a_worker_waits_for_nobody(channel: Channel) -> None:
    for _more in range(1000):
        assert channel.tell("bot-1", {"doing": "x" * 1000})
    assert channel.tell("bot-1", {"doing": "x" * 5000}), "what is too long is lost"
    assert 10 < len(channel.heard()) < 100
    assert channel.heard() == []


def test_nobody_listens_unless_it_is_open() -> None:
    channel = Channel()
    assert not channel.tell("bot-1", {}) and channel.heard() == []
    channel.close()
