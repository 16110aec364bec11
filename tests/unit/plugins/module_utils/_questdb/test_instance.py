# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A QuestDB on disk, held by a server and by this collection."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import OperationError
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.instance import Instance, is_own
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.layout import instance_id

from tests.peers.questdb import QuestDB


@pytest.mark.usefixtures("_needed")
def test_who_holds_an_instance(tmp_path: Path) -> None:
    server = QuestDB(tmp_path / "root").start()
    try:
        instance = Instance(str(server.root))
        assert instance.is_held()
        with pytest.raises(OperationError, match=r"has .* open: stop it first"), instance.kept_from_starting():
            pass
        server.stop()
        assert not instance.is_held()
        with instance.kept_from_starting():
            assert instance.is_held()
            server.launch()
            assert server.process is not None and server.process.wait(60) != 0
        assert not instance.is_held()
    finally:
        if server.process is not None:
            server.kill()


def test_what_is_no_instance_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OperationError, match="is not there"):
        Instance(str(tmp_path / "none"))
    with pytest.raises(OperationError, match="db is not there"):
        Instance(str(tmp_path))
    (tmp_path / "db").mkdir()
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(OperationError, match="is a symlink"):
        Instance(str(tmp_path / "link"))


def test_symlinks_trigger_and_checkpoint_are_seen(tmp_path: Path) -> None:
    (tmp_path / "db" / "t~1").mkdir(parents=True)
    instance = Instance(str(tmp_path))
    assert (instance.symlinks(), instance.has_trigger(), instance.has_checkpoint()) == ([], False, False)
    (tmp_path / "db" / "t~1" / "2026-01-01").symlink_to("/nowhere")
    (tmp_path / "_restore").touch()
    (tmp_path / ".checkpoint" / "db").mkdir(parents=True)
    assert instance.symlinks() == ["t~1/2026-01-01"]
    assert instance.has_trigger() and instance.has_checkpoint()


def test_an_instance_keeps_its_identifier(tmp_path: Path) -> None:
    (tmp_path / "db").mkdir()
    instance = Instance(str(tmp_path))
    assert instance_id(instance, create=False) is None
    made = instance_id(instance, create=True)
    assert made and made == instance_id(instance, create=True) == instance_id(instance, create=False)
    assert (tmp_path / "botfleet").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("directory", "own"),
    [
        *((name, True) for name in ("telemetry", "telemetry_config~2", "_query_trace~3", "sys.text_import_log~4")),
        *((name, False) for name in ("telemetry_fills~7", "_query_traces", "system~8")),
    ],
)
def test_a_table_that_is_called_like_the_servers_own_is_none_of_them(directory: str, own: bool) -> None:
    assert is_own(directory) is own
