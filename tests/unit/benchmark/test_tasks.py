# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmark compares the same operations: each step of the plan is a task, and Ansible can read them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import yaml

from tests.benchmark import tasks


def test_each_step_of_the_plan_is_a_task() -> None:
    kinds = yaml.safe_load((tasks.ROOT / "playbooks/vars/plans.yml").read_text())["botfleet_plans"]["emergency"][
        "kinds"
    ]
    halt, rest = tasks.plays("all")
    steps = {(stage, step) for kind in kinds.values() for stage, steps in kind.items() for step in steps}
    operations = [task for play in (halt, rest) for task in play["tasks"] if "when" in task]
    assert len(operations) == len(steps)
    assert [task["name"] for task in operations if "check_mode" in task and "register" not in task] == []


def test_ansible_reads_them(tmp_path: Path) -> None:
    (tmp_path / "tasks.yml").write_text(yaml.safe_dump(tasks.plays("all")))
    command = [sys.executable, "-m", "ansible", "playbook", "--syntax-check", str(tmp_path / "tasks.yml")]
    path = {"ANSIBLE_COLLECTIONS_PATH": str(tasks.ROOT / ".cache" / "collections"), "ANSIBLE_HOME": str(tmp_path)}
    done = subprocess.run(command, env={**os.environ, **path}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
