# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that is down and that is no server for the backup (S1.7)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.tradeops.botfleet.tests.unit.plugins.module_utils._operations.backed_up_questdb import tree_of
from ansible_collections.tradeops.botfleet.tests.unit.plugins.module_utils._operations.restored_questdb import (
    LATER,
    ROWS,
    Place,
    fresh,
)

from tests.peers.questdb import JAR

SAID = "is of QuestDB 8.9.9, and 9.3.4 runs here"


@pytest.fixture(name="place")
def _place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with fresh(tmp_path_factory, running=False) as place:
        place.redescribe("cold", version="8.9.9")
        yield place


def hide_jar(place: Place) -> list[str]:
    """Let the command name the directory that the jar is in, so that nobody sees which version it starts."""
    modules = place.path / "modules"
    modules.mkdir()
    (modules / "questdb.jar").symlink_to(JAR)
    place.service["command"] = [str(modules) if word == JAR else word for word in place.server.command]
    return list(place.service["command"])


def test_s1_7_the_jar_tells_what_would_be_started(place: Place) -> None:
    """S1.7: refused before anything is touched."""
    before = tree_of(place.root / "db")
    failed = place.run(allow_discard=True)
    assert failed.status == "failed" and SAID in failed.message and "again what it was" not in failed.message
    assert tree_of(place.root / "db") == before and place.pids() == [] and place.safety() == []


def test_s1_7_else_the_server_that_was_started_tells_it(place: Place) -> None:
    """S1.7: before what it serves counts as restored; it is taken back, and the server is down again as before."""
    hide_jar(place)
    failed = place.run(allow_discard=True)
    assert failed.status == "failed" and SAID in failed.message
    assert failed.message.endswith("the database is again what it was before")
    assert place.pids() == []
    assert place.run("prove").status == "failed"
    place.start()
    assert place.rows() == ROWS + LATER


def test_s1_7_or_the_one_that_rehearsed_it(place: Place) -> None:
    """S1.7: with nothing of it ever in place."""
    inode = (place.root / "db").stat().st_ino
    failed = place.run(allow_discard=True, rehearse=True, command=hide_jar(place))
    assert failed.status == "failed" and SAID in failed.message and "again what it was" not in failed.message
    assert (place.root / "db").stat().st_ino == inode and place.safety() == []
    assert place.names("botfleet", "stage") == [] and place.pids() == []


def test_s1_7_a_jar_of_the_right_version_is_no_hindrance(place: Place) -> None:
    place.redescribe("cold", version="9.0.1")
    done = place.run(allow_discard=True)
    assert done.status == "changed", done.message
    assert Path(place.root / "botfleet" / "restored.json").exists()
