# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One bot for all tests, as it takes a while to start."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers.exchange.binanceusdm_bot import BinanceForBots
from tests.peers.exchange.server import Exchange, Key, serving

from .process import Bot


@pytest.fixture(scope="session")
def programs() -> Path:
    """Where freqtrade is; the part ``freqtrade`` says it."""
    place = os.environ.get("BOTFLEET_FREQTRADE")
    if not place:
        pytest.skip("freqtrade has an environment of its own: make test PARTS=freqtrade")
    return Path(place)


@pytest.fixture(scope="session")
def unstarted(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bot]:
    """A bot, and its exchange, which does not let it enter unless a test says so."""
    venue = BinanceForBots()
    exchange, account = Exchange(venue), venue.account()
    exchange.add_key(Key("the-key", "CANARY-exchange-secret", "production", account))
    with serving(exchange) as url:
        yield Bot(tmp_path_factory.mktemp("freqtrade"), programs, exchange, account, f"{url}/production")


@pytest.fixture(scope="session")
def started(unstarted: Bot) -> Iterator[Bot]:
    unstarted.start()
    yield unstarted
    if unstarted.process is not None and unstarted.process.poll() is None:
        unstarted.end()


@pytest.fixture
def bot(started: Bot) -> Iterator[Bot]:
    """Running, with nothing open."""
    assert started.process is not None
    if started.process.poll() is not None:
        started.start()
    started.run()
    yield started
    assert started.account.violations == []
