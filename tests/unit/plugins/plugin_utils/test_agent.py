# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent is packed the same everywhere, and runs only what its name proves. Its Python and its files are real."""

from __future__ import annotations

import io
import json
import os
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations.go_live_flag import GoLiveFlag
from ansible_collections.tradeops.botfleet.plugins.module_utils._transaction.spec import OPTIONS
from ansible_collections.tradeops.botfleet.plugins.plugin_utils import _agent
from ansible_collections.tradeops.botfleet.plugins.plugin_utils._agent import SOURCES, Broken, Exchange, packed

from tests.peers.armed import arm


@pytest.fixture
def agent(tmp_path: Path) -> Path:
    return arm(tmp_path / "state")


def twin_of(agent: Path) -> Path:
    (twin,) = set(agent.parent.iterdir()) - {agent}
    return twin


def defaults(options: dict[str, Any]) -> dict[str, Any]:
    return {name: spec.get("default") for name, spec in options.items()}


def request(agent: Path, **options: Any) -> dict[str, Any]:
    """Lowers the flag that lies beside the state directory."""
    flag = {**defaults(GoLiveFlag.OPTIONS), "path": str(agent.parents[2] / "flag"), "state": "absent"}
    step = {"id": "flag", "name": "Lower the flag", "operation": "go_live_flag", "options": flag}
    stage = {"name": "halt", "on_failure": "continue", "steps": [step]}
    given = {"rollback_id": "rb-1", "bot": "bot-1", "state_dir": str(agent.parents[1]), "stages": [stage]}
    return {**defaults(OPTIONS), **given, "safe": {"steps": [step]}, **options}


def ask(agent: Path, *, check_mode: bool = False, **options: Any) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """What the exchange makes of what the command printed, and that."""
    exchange = Exchange(request(agent, **options), check_mode=check_mode)
    done = subprocess.run(shlex.split(exchange.command), input=exchange.data, capture_output=True, check=False)
    printed = {"stdout": done.stdout.decode(), "stderr": done.stderr.decode(), "rc": done.returncode}
    return exchange.result(printed), printed


def raise_flag(agent: Path) -> Path:
    flag = agent.parents[2] / "flag"
    flag.write_text("live")
    return flag


def test_the_same_sources_are_the_same_archive() -> None:
    again = packed.__wrapped__()
    assert again == packed()
    with zipfile.ZipFile(io.BytesIO(again.content)) as archive:
        names = archive.namelist()
        assert not [name for name in names if b"import ansible" in archive.read(name)], "a bot's host has no Ansible"
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert "botfleet/_operations/bot_service.py" in names and names[1:] == sorted(names[1:])


def test_another_checkout_and_process_pack_the_same_bytes(tmp_path: Path) -> None:
    """Another place, other times, modes and order on disk, another umask, none of Ansible."""
    plugins = tmp_path / "plugins"
    for path in sorted([*SOURCES.rglob("*.py"), Path(_agent.__file__).resolve()], reverse=True):
        copy = plugins / path.relative_to(SOURCES.parent)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
        copy.chmod(0o600)
        os.utime(copy, (86400.0, 86400.0))
    script = "import os; os.umask(0o077); import _agent; print(_agent.packed().digest)"
    printed = subprocess.run(
        [sys.executable, "-S", "-c", script], cwd=plugins / "plugin_utils", capture_output=True, text=True, check=True
    )
    assert printed.stdout.strip() == packed().digest


def test_a_transaction_runs_through_it(agent: Path) -> None:
    flag = raise_flag(agent)
    planned, _printed = ask(agent, check_mode=True)
    assert planned and planned["changed"] and flag.exists()
    result, _printed = ask(agent)
    assert result and result["changed"] and result["safe"]["is_safe"] and not flag.exists()
    assert (agent.parents[1] / "bot-1" / "rb-1" / "journal.jsonl").exists()


def test_the_twin_is_made_once_and_is_what_runs(agent: Path) -> None:
    twin = twin_of(agent)
    python = agent.parents[1] / "venv" / "bin" / "python"
    subprocess.run([str(python), "-I", str(agent)], check=True)
    assert twin_of(agent) == twin
    agent.unlink()
    result, _printed = ask(agent)
    assert result and not result["failed"]


def test_a_damaged_twin_is_passed_over_and_made_anew(agent: Path) -> None:
    twin = twin_of(agent)
    twin.write_bytes(twin.read_bytes()[:-1])
    result, _printed = ask(agent)
    assert result and not result["failed"], "the agent itself ran"
    subprocess.run([str(agent.parents[1] / "venv" / "bin" / "python"), "-I", str(agent)], check=True)
    assert twin_of(agent).stat().st_size > 1000 and zipfile.is_zipfile(twin_of(agent))


@pytest.mark.parametrize("harm", ["altered", "another version", "writable", "writable directory", "symlink", "gone"])
def test_nothing_begins_with_what_is_not_proven(agent: Path, harm: str) -> None:
    flag = raise_flag(agent)
    twin_of(agent).unlink()
    if harm == "altered":
        agent.write_bytes(agent.read_bytes() + b"\n")
    elif harm == "another version":
        agent.rename(agent.with_name("0" * 64 + ".pyz"))
    elif harm == "writable":
        agent.chmod(0o664)
    elif harm == "writable directory":
        agent.parent.chmod(0o777)
    elif harm == "symlink":
        agent.rename(agent.parents[2] / "elsewhere")
        agent.symlink_to(agent.parents[2] / "elsewhere")
    else:
        agent.unlink()
    result, printed = ask(agent)
    assert result is None and flag.exists(), printed
    assert not (agent.parents[1] / "bot-1").exists()


def test_a_host_that_is_not_armed_begins_nothing(tmp_path: Path) -> None:
    exchange = Exchange({"state_dir": str(tmp_path / "state")}, check_mode=False)
    done = subprocess.run(exchange.command, shell=True, input=exchange.data, capture_output=True, check=False)
    assert exchange.result({"stdout": done.stdout.decode(), "stderr": "", "rc": done.returncode}) is None
    assert done.returncode == 127


def test_an_agent_that_dies_at_work_is_not_followed_by_the_module(agent: Path) -> None:
    """Something may have been done: whoever runs again with the same id finds the journal."""
    exchange = Exchange(request(agent), check_mode=False)
    mark = json.loads(exchange.data)["mark"]
    with pytest.raises(Broken, match="with code 137: out of memory"):
        exchange.result({"stdout": f"hello\nbegin {mark}\n", "stderr": "x\nout of memory\n", "rc": 137})


def test_the_command_holds_no_secret(agent: Path) -> None:
    exchange = Exchange(request(agent, secrets={"token": "CANARY-token"}), check_mode=False)
    assert "CANARY" not in exchange.command and b"CANARY-token" in exchange.data
    assert os.sep + "agent" in exchange.command
