# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal of restores, cut short where a kill or a full disk would (S1.7)."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import OperationError
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb import layout
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.instance import Instance
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.journal import opened, unfinished


@pytest.fixture(name="instance")
def _instance(tmp_path: Path) -> Instance:
    (tmp_path / "db").mkdir()
    return Instance(str(tmp_path))


def test_s1_7_a_run_is_known_until_it_ends(instance: Instance) -> None:
    assert unfinished(instance.root) is None
    with opened(instance) as journal:
        assert journal.run is None
        with pytest.raises(OperationError, match="no restore is under way"):
            journal.begin("stage")
        journal.start("r1", {"path": "/b"}, was_running=True)
        journal.begin("stage")
        journal.done("stage", staged=7)
        journal.begin("stop")
    run = unfinished(instance.root)
    assert run is not None
    assert (run.id, run.step, run.is_done, run.request) == ("r1", "stop", False, {"path": "/b"})
    assert run.facts == {"was_running": True, "staged": 7}
    with opened(instance) as journal:
        assert journal.run == run
        journal.end("reverted", reason="x")
        assert journal.run is None
    assert unfinished(instance.root) is None
    assert os.stat(layout.journal(instance.root)).st_mode & 0o777 == 0o600


def test_s1_7_a_line_that_was_cut_short_is_none(instance: Instance) -> None:
    """S1.7: at whatever byte."""
    with opened(instance) as journal:
        journal.start("r1", {})
        journal.begin("stage")
    path = Path(layout.journal(instance.root))
    whole = path.read_bytes()
    start = whole.index(b"\n") + 1
    for length in range(start, len(whole)):
        path.write_bytes(whole[:length])
        run = unfinished(instance.root)
        assert run is not None and run.step == ""
        with opened(instance) as journal:
            assert path.stat().st_size == start
            journal.begin("diff")
        run = unfinished(instance.root)
        assert run is not None and run.step == "diff"


def test_s1_7_a_full_disk_hides_no_later_line(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write

    def full(descriptor: int, content: Any) -> int:
        monkeypatch.undo()
        write(descriptor, content[:5])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with opened(instance) as journal:
        journal.start("r1", {})
        monkeypatch.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space"):
            journal.begin("verify")
        assert journal.run is not None and journal.run.step == ""
        journal.begin("revert")
    run = unfinished(instance.root)
    assert run is not None and run.step == "revert"
