# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writers that nobody stopped: each row that the server took is live or in a safety copy, and in one alone (S1.7)."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import OperationError, Outcome
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.client import Client
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.instance import Instance
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.rehearse import Boot, rehearsed
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.restore import Restoration
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.tables import wait_for_wal
from ansible_collections.tradeops.botfleet.tests.unit.plugins.module_utils._operations.restored_questdb import (
    LATER,
    ROWS,
    Place,
    fresh,
)

PATIENCE = 60.0
"""Seconds that writers get for a few rows."""

Numbers = list[tuple[str, int]]
"""Rows by who wrote them and which of his they are."""


@pytest.fixture(name="place")
def _place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with fresh(tmp_path_factory) as place:
        yield place


class Writer:
    """Writes one row after the other until it ends, goes on after an outage, and knows which rows were taken.

    symbol: what its rows have, which begins with W; pause: s between two
    """

    def __init__(self, place: Place, symbol: str = "W", pause: float = 0.01) -> None:
        self.symbol, self._pause = symbol, pause
        self.taken: Numbers = []
        self.unsure: Numbers = []
        self._client = Client(place.server.access, timeout=5)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._write)

    def __enter__(self) -> Writer:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join()

    def _write(self) -> None:
        number = 0
        while not self._over.is_set():
            number += 1
            row = f"('2026-04-01T00:00:00Z', '{self.symbol}', 'buy', 1.0, {number}, 'written')"
            try:
                self._client.query(f"insert into fills values {row}")
                self.taken.append((self.symbol, number))
                time.sleep(self._pause)
            except OperationError:
                self.unsure.append((self.symbol, number))
                time.sleep(0.02)

    def wait_for(self, more: int) -> None:
        """Wait until so many rows more were taken."""
        enough, limit = len(self.taken) + more, time.monotonic() + PATIENCE
        while len(self.taken) < enough:
            assert time.monotonic() < limit, f"{self.symbol} has written {len(self.taken)} rows"
            time.sleep(0.01)


def restored_under(writers: list[Writer], place: Place, *, rehearse: bool) -> Outcome:
    """A restore while they write, which they did before and do afterwards."""
    with ExitStack() as writing:
        for writer in writers:
            writing.enter_context(writer)
        for writer in writers:
            writer.wait_for(20)
        done = place.run(allow_discard=True, rehearse=rehearse)
        for writer in writers:
            writer.wait_for(5)
    return done


def written(client: Client) -> Numbers:
    """The rows of the writers that a database has, once all have arrived."""
    limit = time.monotonic() + PATIENCE
    wait_for_wal(client, lambda: limit - time.monotonic())
    return [(row[0], int(row[1])) for row in client.query("select symbol, amount from fills where symbol ~ '^W'").rows]


def kept_in(place: Place, copy: Path) -> tuple[Numbers, int]:
    """The rows of the writers in a safety copy, and how many rows of fills there are."""
    instance, boot = Instance(str(place.root)), Boot(place.server.command)
    db, beside = str(copy / "db"), str(place.path / "boot")
    with rehearsed(instance, boot, place.server.access, db, beside, restore=False, timeout=PATIENCE) as client:
        return written(client), client.query("select count() from fills").rows[0][0]


def check_each_once(writers: list[Writer], found: Numbers, kept: Numbers) -> None:
    """What was taken is somewhere; nothing is there twice, or was never written."""
    taken = {row for writer in writers for row in writer.taken}
    unsure = {row for writer in writers for row in writer.unsure}
    assert taken <= {*found, *kept} <= taken | unsure
    assert len(found) + len(kept) == len({*found, *kept})


def test_s1_7_a_writer_that_goes_on_writing_loses_no_row(place: Place) -> None:
    """S1.7: what was rehearsed is what was wanted, so that his rows may come at once. The count is exact."""
    writer = Writer(place)
    done = restored_under([writer], place, rehearse=True)
    assert done.status == "changed" and done.change is not None, done.message
    found = written(place.server.client)
    (copy,) = place.safety()
    kept, rows = kept_in(place, copy)
    check_each_once([writer], found, kept)
    assert len(found) > 0 and len(kept) >= 20
    assert done.change["exact"] is True
    assert done.change["rows_discarded"] == {"fills": rows - ROWS}
    assert rows == ROWS + LATER + len(kept)


def test_s1_7_writers_under_load_and_no_rehearsal_bring_the_old_state_back_with_each_row(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S1.7: their rows on the new tree make it another one than was wanted; these are kept when it is taken back."""
    before = place.content()
    writers = [Writer(place, "W1", pause=0), Writer(place, "W2", pause=0)]
    verify = Restoration._verify

    def written_to(self: Restoration) -> object:
        for writer in writers:
            writer.wait_for(10)
        return verify(self)

    monkeypatch.setattr(Restoration, "_verify", written_to)
    failed = restored_under(writers, place, rehearse=False)
    assert failed.status == "failed" and "keep every writer stopped" in failed.message, failed.message
    assert f"instead of {ROWS}" in failed.message
    (copy,) = place.safety()
    assert f"is kept in {copy}" in failed.message and copy.name.endswith(".failed")
    assert failed.message.endswith("the database is again what it was before")
    found = written(place.server.client)
    kept, rows = kept_in(place, copy)
    check_each_once(writers, found, kept)
    assert len(found) >= 50 and len(kept) >= 20 and rows == ROWS + len(kept)
    content = place.content()
    assert [row for row in content["fills"] if not row[1].startswith("W")] == before["fills"]
    assert content["quotes"] == before["quotes"] and len(place.pids()) == 1
