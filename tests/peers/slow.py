# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy of this collection with one operation more, ``slow_copy``, which takes as long as a test wants."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from ansible_collections.tradeops.botfleet.plugins.plugin_utils._agent import Agent

ROOT = Path(__file__).resolve().parents[2]
OPERATION = '''\
from __future__ import annotations

import os
import time

from .._operation import Operation, OperationError, Plan


class SlowCopy(Operation):
    """Writes ``path``, at a thousandth of ``total`` bytes each 0.05 s, until a file lies at ``gate``."""

    OPTIONS = {
        "path": {"type": "path", "required": True},
        "gate": {"type": "path", "required": True},
        "total": {"type": "int", "default": 3_000_000_000},
        "credentials": {"type": "dict"},
    }

    def observe(self):
        return {"present": os.path.exists(self.options["path"])}

    def plan(self, before):
        return Plan([] if before["present"] else [f"write {self.options['path']}"])

    def apply(self, plan):
        done, total = 0.4 * self.options["total"], self.options["total"]
        with open(f"{self.options['path']}.log", "a") as log:
            log.write(f"{os.getpid()}\\n")
        while not os.path.exists(self.options["gate"]):
            said = "copying trades " + "".join((self.options["credentials"] or {}).values())
            self.context.progress({"doing": said.strip(), "done": done, "total": total})
            done = min(done + total / 1000, total)
            time.sleep(0.05)
        with open(self.options["path"], "w") as file:
            file.write("".join((self.options["credentials"] or {}).values()))
        return {"wrote": self.options["path"]}

    def prove(self):
        if not self.observe()["present"]:
            raise OperationError(f"{self.options['path']} is not there")
        return self.observe()
'''


def make_collections(root: Path) -> Path:
    """A collections path for Ansible that holds the copy."""
    copy = root / "ansible_collections" / "tradeops" / "botfleet"
    shutil.copytree(ROOT / "plugins", copy / "plugins", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "meta", copy / "meta")
    shutil.copy(ROOT / "galaxy.yml", copy)
    utils = copy / "plugins" / "module_utils"
    (utils / "_operations" / "slow_copy.py").write_text(OPERATION)
    registry = (utils / "_registry.py").read_text()
    registry = registry.replace("        sqlite_rows,\n", "        slow_copy,\n        sqlite_rows,\n")
    registry = registry.replace("CLASSES = {\n", 'CLASSES = {\n    "slow_copy": "SlowCopy",\n')
    (utils / "_registry.py").write_text(registry)
    return root


def packed(collections: Path) -> Agent:
    """The agent of the copy."""
    utils = collections / "ansible_collections" / "tradeops" / "botfleet" / "plugins" / "plugin_utils"
    script = "import _agent, json; it = _agent.packed(); print(json.dumps([it.digest, it.content.hex()]))"
    done = subprocess.run([sys.executable, "-S", "-c", script], cwd=utils, capture_output=True, text=True, check=True)
    digest, content = json.loads(done.stdout)
    return Agent(digest, bytes.fromhex(content))
