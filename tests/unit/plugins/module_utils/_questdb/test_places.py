# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Root works in directories of the server's user, who may put a symlink in its way at any moment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import OperationError
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb import beside, layout, tree_copy
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.client import Access
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.instance import Instance
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.rehearse import Boot, rehearsed
from ansible_collections.tradeops.botfleet.plugins.module_utils._questdb.safety import (
    make_directory,
    remove_directory,
)

USER = (65534, 65534)
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away: run the tests as root for this one")


@pytest.fixture(name="foreign")
def _foreign(tmp_path: Path) -> Path:
    """A directory of root's."""
    foreign = tmp_path / "foreign"
    (foreign / "run").mkdir(parents=True)
    (foreign / "passwd").touch()
    return foreign


@pytest.fixture(name="root")
def _root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "db" / "fills").mkdir(parents=True)
    (root / "db" / "fills" / "_txn").write_bytes(b"1")
    return root


def _exchange(directory: Path, foreign: Path) -> None:
    directory.rename(directory.with_name("away"))
    directory.symlink_to(foreign)


@as_root
def test_what_is_given_away_is_what_was_found(tmp_path: Path, foreign: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    top = tmp_path / "top"
    (top / "x").mkdir(parents=True)
    (top / "x" / "passwd").touch()
    chown = os.chown

    def exchanging(path: Any, *owner: Any, **how: Any) -> None:
        if os.path.basename(path) == "passwd":
            _exchange(top / "x", foreign)
        chown(path, *owner, **how)

    monkeypatch.setattr(os, "chown", exchanging)
    tree_copy.give(str(top), USER)
    monkeypatch.undo()
    assert (top / "away" / "passwd").stat().st_uid == USER[0]
    assert (foreign / "passwd").stat().st_uid == 0


def test_a_copy_goes_where_it_was_begun(
    root: Path, tmp_path: Path, foreign: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tree_copy.copy_file
    target = tmp_path / "target"
    (root / "db" / "fills" / "ts.d").write_bytes(b"2")

    def exchanging(*files: Any) -> None:
        if not (target / "away").exists():
            _exchange(target / "fills", foreign)
        copy(*files)

    monkeypatch.setattr(tree_copy, "copy_file", exchanging)
    tree_copy.copy_tree(str(root / "db"), str(target), sync=False)
    assert sorted(os.listdir(target / "away")) == ["_txn", "ts.d"]
    assert sorted(os.listdir(foreign)) == ["passwd", "run"]


@as_root
@pytest.mark.parametrize("place", ["stage", "safety"])
def test_no_directory_is_made_or_removed_through_a_symlink_of_the_user(root: Path, foreign: Path, place: str) -> None:
    (root / "botfleet").mkdir()
    link = root / "botfleet" / place
    link.symlink_to(foreign)
    os.chown(link, *USER, follow_symlinks=False)
    with pytest.raises(OperationError, match="symlink that its owner did not make"):
        make_directory(str(link / "new"), USER)
    with pytest.raises(OperationError, match="symlink that its owner did not make"):
        remove_directory(str(link / "run"))
    assert sorted(os.listdir(foreign)) == ["passwd", "run"]
    with pytest.raises(OperationError, match=f"botfleet/{place} is not on the file system of"):
        layout.check_places(Instance(str(root)))


def test_a_view_holds_symlinks_to_tables_and_refuses_those_that_it_finds(root: Path, tmp_path: Path) -> None:
    (root / "db" / "sys.log").mkdir()
    (root / "db" / "sys.log" / "_txn").touch()
    (root / "db" / "tables.d.0").write_bytes(b"3")
    owner = Instance(str(root)).owner()
    beside._make_view(str(root / "db"), str(tmp_path / "view"), owner)
    assert os.readlink(tmp_path / "view" / "fills" / "_txn") == str(root / "db" / "fills" / "_txn")
    assert not (tmp_path / "view" / "sys.log" / "_txn").is_symlink()
    assert (tmp_path / "view" / "tables.d.0").read_bytes() == b"3"
    (root / "db" / "secret").symlink_to("/etc/shadow")
    with pytest.raises(OperationError, match="secret is a symlink"):
        beside._make_view(str(root / "db"), str(tmp_path / "again"), owner)


def test_the_copys_server_gets_no_secret_of_the_task_and_its_log_shows_none(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_TOKEN", "CANARY-of-the-task")
    conf = root / "conf"
    conf.mkdir()
    (conf / "server.conf").write_text("kept")
    script = "cat $1/conf/server.conf; env | grep CANARY; echo; echo --password CANARY-of-the-log; exit 3"
    boot = Boot(["sh", "-c", script, "-d", str(root)])
    place = root / "botfleet" / "stage" / "run"
    server = rehearsed(
        Instance(str(root)), boot, Access("http://127.0.0.1:1"), str(root / "db"), str(place), restore=False, timeout=20
    )
    with pytest.raises(OperationError, match=r"ended with code 3: kept \| --password \*\*\*$"), server:
        pytest.fail("it has ended")
    assert not place.exists() and (conf / "server.conf").read_text() == "kept"
