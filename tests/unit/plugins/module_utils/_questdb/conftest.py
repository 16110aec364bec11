# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One QuestDB for all tests of this directory that leave it running."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.peers.missing import skip
from tests.peers.questdb import QuestDB, lacking, questdb_serving


@pytest.fixture(scope="session")
def _needed() -> None:
    if reason := lacking():
        skip(reason)


@pytest.fixture(name="shared", scope="session")
def _shared(_needed: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuestDB]:
    with questdb_serving(tmp_path_factory.mktemp("questdb") / "root") as server:
        yield server
