# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real hosts, on which things go wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers.missing import skip

from .fleet import Cannot, Controller, Fleet
from .night import Outcome, spend


@pytest.fixture(scope="session")
def hosts() -> Iterator[Fleet]:
    """Started for the tests, and removed after them unless they were up before."""
    try:
        fleet = Fleet()
    except Cannot as reason:
        skip(str(reason))
    yield fleet
    fleet.down()


@pytest.fixture
def fleet(hosts: Fleet) -> Iterator[Fleet]:
    """The hosts, each with its bot live on the bad release, mended after the test."""
    hosts.fresh()
    yield hosts
    for host in hosts.hosts:
        host.heal()


@pytest.fixture
def controller(fleet: Fleet, tmp_path: Path) -> Controller:
    """One controller of them."""
    return Controller(fleet, tmp_path / "controller")


@pytest.fixture(scope="module")
def night(hosts: Fleet, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """What became of each of the module's FAULTS."""
    return spend(hosts, request.module.FAULTS, tmp_path_factory.mktemp("controller"))
