# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows are not brought back where the inputs do not say from what to what: one sentence says why (S1.7, S2.3)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .conftest import ROOT

GIVEN: dict[str, Any] = {"host": "db1", "safety_copy": "latest"}


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        ({"host": None}, 'host is "", which are 0 hosts: name the one that the database is on'),
        ({"host": ""}, 'host is "", which are 0 hosts: name the one that the database is on'),
        ({"host": "nobody"}, 'host is "nobody", which are 0 hosts: name the one that the database is on'),
        ({"host": "db1,db2"}, 'host is "db1,db2", which are 2 hosts: name the one that the database is on'),
        ({"safety_copy": None}, "safety_copy is empty: set -e safety_copy to latest, or to the path of a safety copy"),
        ({"safety_copy": " "}, "safety_copy is empty: set -e safety_copy to latest, or to the path of a safety copy"),
        (
            {"host": "db2"},
            "botfleet_database of db2 has no root: set it to the directory that holds QuestDB's db",
        ),
        (
            {"botfleet_database": "/srv/questdb"},
            "botfleet_database of db1 has no root: set it to the directory that holds QuestDB's db",
        ),
        (
            {"botfleet_database_credentials": {"pasword": "CANARY"}},
            "botfleet_database_credentials of db1 holds something else than password or token: leave that out",
        ),
    ],
)
def test_s1_7_what_is_not_said_is_asked_for_and_nothing_is_touched(
    tmp_path: Path, inputs: dict[str, Any], sentence: str
) -> None:
    """S1.7, S2.3: as the first and only failure, before anything is asked of the host."""
    root = tmp_path / "questdb"
    (root / "db").mkdir(parents=True)
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    hosts = {"db1": {**local, "botfleet_database": {"root": str(root)}}, "db2": {**local, "botfleet_database": {}}}
    inventory = tmp_path / "hosts.json"
    inventory.write_text(json.dumps({"all": {"hosts": hosts}}))
    extra = {name: value for name, value in {**GIVEN, **inputs}.items() if value is not None}
    done = subprocess.run(
        [
            *(sys.executable, "-m", "ansible", "playbook", "-i", str(inventory)),
            *(str(ROOT / "playbooks" / "return_rows.yml"), "-e", json.dumps(extra)),
        ],
        env={
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "tests" / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache" / "collections"),
            "ANSIBLE_HOME": str(tmp_path / "ansible"),
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    output = done.stdout + done.stderr
    assert done.returncode == 2, output
    assert output.count(f'"msg": {json.dumps(sentence)}') == output.count('"msg":') == 1, output
    assert "Bring back the rows that the live database lacks" not in output and "CANARY" not in output
    assert [path.name for path in root.rglob("*")] == ["db"]
