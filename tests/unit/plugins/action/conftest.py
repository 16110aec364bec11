# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real ansible-playbook runs against this machine, over a local connection."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ansible_collections.tradeops.botfleet as collection
import pytest
from ansible_collections.tradeops.botfleet.plugins.plugin_utils._agent import Agent

from tests.peers.armed import arm

COLLECTIONS = Path(next(iter(collection.__path__))).parents[2]


@dataclass
class Run:
    """What a playbook came to. results: what its tasks registered, by name."""

    code: int
    output: str
    results: dict[str, Any] = field(default_factory=dict)


class Controller:
    """Runs plays in a directory of its own. path: how their transactions are to get to the host.

    collections: where Ansible finds the collection; agent: what an armed host has of it
    """

    def __init__(
        self, root: Path, path: str = "module", collections: Path = COLLECTIONS, agent: Agent | None = None
    ) -> None:
        self.root = root
        self.path = path
        if path == "agent":
            (root / "state").mkdir()
            arm(root / "state", agent)
        self.environment = {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(collections),
            "ANSIBLE_HOME": str(root / "ansible"),
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_NOCOLOR": "1",
            "LC_ALL": "C.UTF-8",
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        }

    def play(self, tasks: list[dict[str, Any]], *arguments: str, files: tuple[str, ...] = (), **variables: Any) -> Run:
        """Run tasks on a host named bot-1, each whatever came before; those with ``register`` are results."""
        results = self.root / f"results-{threading.get_ident()}.json"
        results.unlink(missing_ok=True)
        names = [task["register"] for task in tasks if "register" in task]
        pairs = ", ".join(f"{name!r}: {name} | default(none)" for name in names)
        keep = {"ansible.builtin.copy": {"content": f"{{{{ {{{pairs}}} | to_json }}}}", "dest": str(results)}}
        local = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "ansible_pipelining": True,
            "state": str(self.root / "state"),
            "root": str(self.root),
        }
        play = {
            "hosts": "bot-1",
            "gather_facts": False,
            "vars_files": list(files),
            "vars": {**local, **variables},
            "tasks": [
                *({"ignore_errors": True, **task} for task in tasks),
                {**keep, "check_mode": False, "diff": False},
            ],
        }
        playbook = self.root / f"play-{threading.get_ident()}.yml"
        playbook.write_text(json.dumps([play]))
        done = subprocess.run(
            [sys.executable, "-m", "ansible", "playbook", "-i", "bot-1,", str(playbook), *arguments],
            env=self.environment,
            cwd=self.root,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        run = Run(done.returncode, done.stdout + done.stderr)
        if results.exists():
            run.results = json.loads(results.read_text())
            transactions = [result for result in run.results.values() if result and "controller_times" in result]
            assert {result["path"] for result in transactions} <= {self.path}
        return run


@pytest.fixture(params=["module", "agent"])
def either_path(tmp_path: Path, request: pytest.FixtureRequest) -> Controller:
    """Of a host that is not armed, and of one that is."""
    return Controller(tmp_path, request.param)


@pytest.fixture
def controller(tmp_path: Path) -> Controller:
    return Controller(tmp_path)
