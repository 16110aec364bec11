# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host says of its readiness (S2.3), read from real directories, processes and archives."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import OperationError
from ansible_collections.tradeops.botfleet.plugins.module_utils._readiness import (
    agents,
    environment,
    newest,
    place,
    read_readiness,
    rehearsal,
    triggering,
    under_way,
)
from ansible_collections.tradeops.botfleet.plugins.module_utils._transaction.lock import Lock
from ansible_collections.tradeops.botfleet.plugins.module_utils._transaction.state import BotState

DROP_IN = "/etc/systemd/system/mm.service.d/botfleet.conf"
OURS = "ConditionPathExists=|!/var/lib/botfleet/mm/halted"
MOUNTS = 'RequiresMountsFor="/var/lib/botfleet/mm"'


def test_a_bare_host(tmp_path: Path) -> None:
    """S2.3: nothing is there, nothing is made, and nothing of that is an error."""
    facts = read_readiness(str(tmp_path / "state"), "mm-1", None, str(tmp_path / "backup-*"))
    assert list(tmp_path.iterdir()) == []
    assert not facts["state"]["writable"] and not facts["halted"] and facts["agents"] == {}
    assert facts["environment"]["problem"] == f"{tmp_path}/state/venv is not there"
    assert (facts["unit"], facts["database_backup"], facts["rehearsal"], facts["under_way"]) == (None, None, None, [])


@pytest.mark.parametrize(
    ("state_dir", "bot", "named"), [("state", "mm-1", "state_dir is 'state'"), ("/srv", "../x", "bot is '../x'")]
)
def test_what_is_no_name_is_refused(state_dir: str, bot: str, named: str) -> None:
    with pytest.raises(OperationError, match=named):
        read_readiness(state_dir, bot, None, None)


def test_a_database_backup_is_named_from_the_root() -> None:
    with pytest.raises(OperationError, match="database_backup is 'backup', which is not an absolute path"):
        newest("backup")


def test_two_bots_share_a_machine_only_if_they_share_the_directory(tmp_path: Path) -> None:
    """Whether it is there yet or not, and whatever way leads to it."""
    (tmp_path / "other").mkdir()
    (tmp_path / "link").symlink_to(tmp_path)
    assert place(f"{tmp_path}/state") == place(f"{tmp_path}/link/state")
    assert len({place(f"{tmp_path}/{name}") for name in ("state", "other", "other/state", "state/deep")}) == 4


def test_the_newest_backup_counts(tmp_path: Path) -> None:
    """S2.3, S1.7: by its time, not its name; a directory counts, too."""
    now = time.time()
    for name, age in (("pre-1.sql", 50), ("pre-2.sql", 7000), ("other.sql", 1)):
        (tmp_path / name).write_text("SELECT 1;")
        os.utime(tmp_path / name, (now - age, now - age))
    found = newest(f"{tmp_path}/pre-*.sql") or {}
    assert found["path"] == f"{tmp_path}/pre-1.sql" and found["bytes"] == 9 and 49 <= found["age_seconds"] <= 60
    (tmp_path / "pre-3.sql").mkdir()
    assert newest(f"{tmp_path}/pre-*.sql") == {"path": f"{tmp_path}/pre-3.sql", "age_seconds": 0, "bytes": None}
    assert newest(f"{tmp_path}/none*") is None


def test_a_backup_that_is_gone_is_left_out(tmp_path: Path) -> None:
    """S2.3, S1.7: a link whose target was rotated away costs neither the other backups nor the whole report."""
    (tmp_path / "latest.sql").symlink_to(tmp_path / "rotated.sql")
    assert newest(f"{tmp_path}/*.sql") is None
    (tmp_path / "pre-1.sql").write_text("SELECT 1;")
    assert (newest(f"{tmp_path}/*.sql") or {})["path"] == f"{tmp_path}/pre-1.sql"


def test_only_a_rollback_that_was_proven_to_its_end_is_a_rehearsal(tmp_path: Path) -> None:
    """S2.3: not one that is open, not one that another took the place of, not a damaged file."""
    for name, content in (
        ("rb-closed", '{"closed": true, "results": {}}'),
        ("rb-open", '{"closed": false, "results": {}}'),
        ("rb-superseded", '{"closed": true, "superseded_by": "rb-closed", "results": {}}'),
        ("rb-damaged", '{"closed": tr'),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "results.json").write_text(content)
    assert (rehearsal(str(tmp_path)) or {})["rollback_id"] == "rb-closed"
    (tmp_path / "rb-closed" / "results.json").unlink()
    assert rehearsal(str(tmp_path)) is None


def test_a_transaction_is_under_way_only_while_its_process_lives(tmp_path: Path) -> None:
    """A lock that was taken, one that was left, and one that is being signed; none is disturbed by the look."""
    for name in ("left", "signing"):
        (tmp_path / name).mkdir()
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (tmp_path / "left" / "lock").write_text(json.dumps({"pid": dead.pid, "start_time": 1}))
    (tmp_path / "signing" / "lock").write_text("")
    state = BotState(str(tmp_path), "held")
    state.create()
    with Lock(state, "rb-1", "me").held(wait=0, preempt=False, preempt_after=0):
        assert under_way(str(tmp_path)) == ["held"]
        taken = json.loads((tmp_path / "held" / "lock").read_text())
    assert taken["pid"] == os.getpid()


def test_an_agent_counts_only_if_it_is_what_its_name_says(tmp_path: Path) -> None:
    """One cut short would be refused by its digest on the bad day; now it is found on a good one."""
    directory = tmp_path / "agent"
    directory.mkdir()
    digest = hashlib.sha256(b"whole").hexdigest()
    (directory / f"{digest}.pyz").write_bytes(b"whole")
    (directory / f"{'0' * 64}.pyz").write_bytes(b"cut sho")
    (directory / "notes.txt").write_text("")
    assert agents(str(tmp_path)) == {digest: False}
    (directory / f"{digest}.{sys.implementation.cache_tag}.{'1' * 64}.pyz").write_bytes(b"")
    assert agents(str(tmp_path)) == {digest: True}


@pytest.mark.parametrize("mode", [0o020, 0o002])
def test_an_agent_that_others_may_write_counts_as_none(tmp_path: Path, mode: int) -> None:
    """Each run would take the module instead, and say nothing of it."""
    directory = tmp_path / "agent"
    directory.mkdir(mode=0o755)
    digest = hashlib.sha256(b"whole").hexdigest()
    agent = directory / f"{digest}.pyz"
    twin = directory / f"{digest}.{sys.implementation.cache_tag}.{'1' * 64}.pyz"
    for path in (agent, twin):
        path.write_bytes(b"whole")
        path.chmod(0o644)
    for path, left in ((directory, {}), (agent, {}), (twin, {digest: False})):
        was = path.stat().st_mode
        path.chmod(was | mode)
        assert agents(str(tmp_path)) == left
        path.chmod(was)
    assert agents(str(tmp_path)) == {digest: True}


def test_an_environment_that_imports_nothing_is_a_problem(tmp_path: Path) -> None:
    """A Python that was upgraded since, a file that is gone: what it was made from says nothing about that."""
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv" / "requirements.txt").write_text("jmespath\n")
    assert "does not work: " in environment(str(tmp_path))["problem"]
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    assert "No module named 'jmespath'" in environment(str(tmp_path))["problem"]
    (packages,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    for name in ("jmespath.py", "redis.py"):
        (packages / name).touch()
    (packages / "ruamel").mkdir()
    (packages / "ruamel" / "yaml.py").touch()
    found = environment(str(tmp_path))
    assert (found["problem"], found["requirements"]) == ("", hashlib.sha256(b"jmespath\n").hexdigest())
    assert found["exchange"] is None
    (tmp_path / "venv" / "exchange.txt").write_text("ccxt\n")
    found = environment(str(tmp_path))
    assert "No module named 'ccxt'" in found["problem"] and found["exchange"] == hashlib.sha256(b"ccxt\n").hexdigest()


@pytest.mark.parametrize(
    ("text", "others", "ours"),
    [
        ("# /lib/mm.service\n[Unit]\nConditionPathExists=/srv\n", [], None),
        ("# /lib/mm.service\n[Unit]\nConditionPathExists = |/srv\n", ["ConditionPathExists=|/srv"], None),
        ("# /lib/mm.service\n[Unit]\nConditionHost=\\\n |a\n", ["ConditionHost=|a"], None),
        ("# /lib/mm.service\n[Unit]\nConditionHost=|a\n# /lib/b.conf\n[Unit]\nConditionPathExists=\n", [], None),
        (f"# /lib/mm.service\n[Unit]\n\n# {DROP_IN}\n[Unit]\n{OURS}\n", [], [OURS]),
        (f"# {DROP_IN}\n[Unit]\n{OURS}\n# /etc/z.conf\n[Unit]\nConditionHost=|a\n", ["ConditionHost=|a"], [OURS]),
        (f"# {DROP_IN}\n[Unit]\n{OURS}\n# /etc/z.conf\n[Unit]\nConditionHost=\n", [], []),
        (f"# /lib/mm.service\n[Unit]\nRequiresMountsFor=/srv\n# {DROP_IN}\n{MOUNTS}\n{OURS}\n", [], [MOUNTS, OURS]),
    ],
)
def test_conditions_of_a_unit(text: str, others: list[str], ours: list[str] | None) -> None:
    """One with ``|`` that holds would start a bot that was halted, whatever our drop-in says."""
    assert triggering(text, DROP_IN) == (others, ours)
