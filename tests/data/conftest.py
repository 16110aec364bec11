# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real host with a QuestDB that systemd runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.peers.missing import skip

from .host import Cannot, DatabaseHost, are_up, bring_up, fleet


@pytest.fixture(scope="session")
def started() -> Iterator[DatabaseHost]:
    """Started for the tests, and removed after them unless it was up before."""
    was_up = are_up(1)
    try:
        (host,) = bring_up(1)
    except Cannot as reason:
        skip(str(reason))
    yield host
    host.heal()
    if not was_up:
        fleet("down")


@pytest.fixture
def host(started: DatabaseHost) -> DatabaseHost:
    """With a server that has no table yet."""
    started.fresh()
    return started
