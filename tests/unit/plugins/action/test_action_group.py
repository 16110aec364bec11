# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``module_defaults: group/tradeops.botfleet.all`` reaches every module."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import ansible_collections.tradeops.botfleet as collection
import pytest
import yaml

from .conftest import Controller, Run

ROOT = Path(next(iter(collection.__path__)))
MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py"))

ACCOUNT = {"exchange": "okx", "environment": "demo", "credentials_path": "/nowhere"}
MORE: dict[str, dict[str, Any]] = {
    "bot_control": {"url": "http://127.0.0.1:9"},
    "cache_purge": {"path": "/nowhere"},
    "exchange_exposure": ACCOUNT,
    "exchange_exposure_info": ACCOUNT,
    "go_live_flag": {"path": "/nowhere"},
    "questdb_backup": {"root": "/nowhere"},
    "questdb_info": {"root": "/nowhere"},
    "questdb_restore": {"root": "/nowhere", "service": {"name": "questdb", "manager": "systemd"}, "backup": "/nowhere"},
    "questdb_rows": {"root": "/nowhere"},
    "sqlite_rows": {"table": "t", "column": "c", "unit": "s", "window": "1h"},
}
"""Of modules that ask for one of several options, or whose options are documented elsewhere."""


def required(module: str) -> dict[str, Any]:
    """What a module asks for, so that a missing option is not what it complains of."""
    code = (ROOT / "plugins" / "modules" / f"{module}.py").read_text()
    found = re.search(r'^DOCUMENTATION = r"""\n(.*?)^"""', code, re.MULTILINE | re.DOTALL)
    assert found
    options = yaml.safe_load(found[1])["options"]
    values = {
        name: [] if option["type"] == "list" else option.get("choices", ["/nowhere"])[0]
        for name, option in options.items()
        if option.get("required")
    }
    return {**MORE.get(module, {}), **values}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Each module, to which the group's defaults give an option that no module has."""
    defaults = {"group/tradeops.botfleet.all": {"given_by_group": True}}
    tasks = [
        {f"tradeops.botfleet.{name}": required(name), "module_defaults": defaults, "register": name} for name in MODULES
    ]
    return Controller(tmp_path_factory.mktemp("group")).play(tasks)


def test_the_group_lists_the_modules() -> None:
    runtime = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())
    assert sorted(runtime["action_groups"]["all"]) == MODULES


@pytest.mark.parametrize("name", MODULES)
def test_defaults_of_the_group_reach_it(run: Run, name: str) -> None:
    assert run.results[name]["failed"]
    assert "given_by_group" in run.results[name]["msg"]
