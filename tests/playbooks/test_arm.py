# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""arm.yml on live demo bots, which share a machine (S2.3)."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.schemas import problems

from .conftest import PLAYBOOK, ROOT, Fleet, make_fleet
from .test_inputs import refusal

sys.path.insert(0, str(ROOT / "tools"))
from pythons import find_python  # found through the path above

pytestmark = pytest.mark.timeout(900)  # several playbooks in each
WHEELS = ROOT / ".cache" / "wheels"
BAD = "deploy-20251204-142200"
OLD = find_python("3.9")
KEYS = {"api_key": "API_KEY", "api_secret": "API_SECRET"}
TRADES = {
    "botfleet_holds_positions": True,
    "botfleet_exposure": [{"exchange": "binanceusdm", "credentials_env": KEYS}],
    "botfleet_exposure_from": "host",
}


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """One bot of each kind, live."""
    yield from make_fleet(tmp_path, 1)


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """The same, for what is refused."""
    yield from make_fleet(tmp_path_factory.mktemp("refused"), 1)


class Armed:
    """A run of arm.yml: exit code, output, readiness report."""

    def __init__(self, fleet: Fleet, *arguments: str, environment: dict[str, str] | None = None, **inputs: Any) -> None:
        report = fleet.artifacts / "readiness.json"
        report.unlink(missing_ok=True)
        given = {"plan": None, "reason": None, "arm_wheels": str(WHEELS), **inputs}
        command = fleet.argv(*arguments, **given)
        command[command.index(str(PLAYBOOK))] = str(ROOT / "playbooks" / "arm.yml")
        done = subprocess.run(
            command,
            env={**fleet.env(), **(environment or {})},
            cwd=fleet.cwd,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        self.code, self.output = done.returncode, done.stdout + done.stderr
        self.report: dict[str, Any] = json.loads(report.read_text()) if report.exists() else {}
        assert not self.report or problems("readiness", self.report) == []

    def changed(self) -> dict[str, int]:
        found = re.findall(r"^(\S+) +: ok=\d+ +changed=(\d+)", self.output, re.MULTILINE)
        return {name: int(count) for name, count in found if int(count)}

    def point(self, bot: str, point: str) -> tuple[bool, str]:
        (row,) = [row for row in self.report["bots"] if row["name"] == bot]
        (entry,) = [entry for entry in row["points"] if entry["id"] == point]
        return entry["ok"], entry["says"]


@contextmanager
def always_there(path: Path) -> Iterator[None]:
    """Look again and again: at no moment it is missing."""
    over, missing = threading.Event(), []

    def look() -> None:
        while not over.wait(0.001):
            if not path.exists():
                missing.append(time.monotonic())

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    assert not missing


def test_all_that_a_rollback_needs_is_brought_once(fleet: Fleet) -> None:
    """S2.3: reported without being touched, armed, and armed again without a change; then as root of one bot alone."""
    before = fleet.fingerprint()
    check = Armed(fleet, "--check", "--diff")
    assert check.code == 2 and fleet.fingerprint() == before, check.output
    assert not check.report["ready"] and check.report["check_mode"]
    assert "venv is not there" in check.point("tn-1", "armed")[1] and set(check.changed()) == {"tn-1", "qt-1"}

    armed = Armed(fleet)
    assert armed.code == 0 and armed.report["ready"], armed.output
    assert (
        armed.output.count("changed: [tn-1] => (item=pip-") == 1 and "changed: [qt-1] => (item=pip-" not in armed.output
    )
    assert "No record" not in armed.output
    state = fleet.root / "state"
    assert sorted(path.name for path in state.iterdir()) == ["agent", "qt-1", "tn-1", "venv"]
    assert (state / "tn-1").stat().st_mode & 0o777 == 0o700
    subprocess.run([state / "venv" / "bin" / "python", "-c", "import jmespath, ruamel.yaml"], check=True)
    assert not list(state.glob("venv/lib/*/site-packages/pip"))

    before = fleet.fingerprint()
    for arguments in ([], ["--check", "--diff"], ["--limit", "qt-1"]):
        again = Armed(fleet, *arguments)
        assert (again.code, again.changed()) == (0, {}), again.output
        assert fleet.fingerprint() == before
    assert [row["name"] for row in again.report["bots"]] == ["qt-1"]
    assert all((fleet.page(name) or {}).get("trading") for name in fleet.names())


def test_what_flattens_accounts_is_brought_where_a_bot_needs_it(fleet: Fleet) -> None:
    """S1.3, S2.3: not before one does, once, and kept for a bot that is out of scope; for the Python of the host."""
    python = fleet.root / "state" / "venv" / "bin" / "python"
    only: dict[str, Any] = {"arm_required": ["armed"]}
    fleet.overrides = {name: {"botfleet_exposure": []} for name in fleet.names()}
    assert Armed(fleet, **only).code == 0
    assert subprocess.run([python, "-I", "-c", "import ccxt"], capture_output=True, check=False).returncode == 1

    fleet.overrides["tn-1"] = TRADES
    before = fleet.fingerprint()
    check = Armed(fleet, "--check", "--diff", **only)
    assert check.code == 2 and fleet.fingerprint() == before, check.output
    lacks = f"{python.parents[1]} has no ccxt, which botfleet_exposure needs"
    assert check.point("tn-1", "armed") == (False, lacks) and check.point("qt-1", "armed")[0]

    with always_there(python.parents[1]):
        armed = Armed(fleet, **only)
    assert armed.code == 0 and "(item=ccxt-" in armed.output, armed.output
    assert sorted(path.name for path in (fleet.root / "state").iterdir()) == ["agent", "qt-1", "tn-1", "venv"]
    ok, said = armed.point("tn-1", "accounts")
    assert not ok and "the environment (API_KEY, API_SECRET) has no api_key and no api_secret" in said
    subprocess.run([python, "-I", "-c", "import ccxt, jmespath, ruamel.yaml; ccxt.binanceusdm()"], check=True)
    before = fleet.fingerprint()
    for arguments in ([], ["--check", "--diff"], ["--limit", "qt-1"]):
        again = Armed(fleet, *arguments, **only)
        assert (again.code, again.changed()) == (0, {}), again.output
        assert fleet.fingerprint() == before


def test_an_agent_that_others_may_write_is_brought_anew(fleet: Fleet) -> None:
    """S2.3: each run would silently take the module instead."""
    only: dict[str, Any] = {"arm_required": ["armed"]}
    assert Armed(fleet, **only).code == 0
    agent = fleet.root / "state" / "agent"
    subprocess.run(["chmod", "-R", "g+w", agent], check=True)
    check = Armed(fleet, "--check", **only)
    assert check.point("tn-1", "armed") == (False, "the agent of this version is not there"), check.output
    assert Armed(fleet, **only).code == 0
    assert [path.stat().st_mode & 0o777 for path in (agent, *agent.iterdir())] == [0o755, 0o644, 0o644]


def test_the_config_of_the_version_that_runs_is_kept(fleet: Fleet) -> None:
    """S2.3, S1.5: where nobody kept it; what somebody has kept stays as it is."""
    kept = {name: fleet.root / "backups" / name / f"config-{BAD[7:]}" for name in fleet.names()}
    shutil.rmtree(kept["qt-1"])
    (kept["tn-1"] / "local.yaml").write_text("# by hand\n")
    armed = Armed(fleet)
    assert armed.code == 0, armed.output
    assert (kept["qt-1"] / "local.yaml").read_text() == (fleet.path("qt-1") / "config" / "local.yaml").read_text()
    assert (kept["tn-1"] / "local.yaml").read_text() == "# by hand\n"


def test_what_each_bot_lacks_is_reported(fleet: Fleet) -> None:
    """S2.3, S1.4, S1.7: an old backup, nobody to call, no version to go back to, a plan that cannot be carried out."""
    backup = fleet.work / "pre-deploy.sql"
    backup.write_text("SELECT 1;")
    os.utime(backup, (time.time() - 172800,) * 2)
    fleet.overrides["tn-1"] = {
        "botfleet_has_database": True,
        "botfleet_database_backup": f"{fleet.work}/*.sql",
        "botfleet_contacts": [],
        "botfleet_tag_pattern": "release-*",
    }
    fleet.overrides["qt-1"] = {"botfleet_health_checks": [{"name": "Luck", "luck": {}}]}
    armed = Armed(fleet)
    assert armed.code == 2 and "0 of 2 bots are ready" in armed.output, armed.output
    assert armed.point("tn-1", "armed")[0] and armed.point("qt-1", "armed")[0]
    assert armed.point("tn-1", "database") == (False, f"{backup} is 2 days old, more than 24h")
    assert armed.point("tn-1", "contacts")[0] is False
    assert "release-*" in armed.point("tn-1", "version")[1]
    assert "emergency: step 'The bot is healthy' of stage verify" in armed.point("qt-1", "plans")[1]
    table = " ".join(armed.output.split())
    assert "bot kind ready armed version config database accounts plans contacts rehearsed" in table
    assert "tn-1 trading_node NO ok NO " in table and "qt-1 quantum_trader NO ok ok " in table
    backup.touch()
    fleet.overrides = {"tn-1": {**fleet.overrides["tn-1"], "botfleet_tag_pattern": "deploy-*"}}
    armed = Armed(fleet, arm_required=["armed", "database"])
    assert armed.code == 0 and armed.report["ready"], armed.output


def test_disarming_leaves_what_others_on_the_machine_need(fleet: Fleet) -> None:
    """The last bot of a machine takes agent and environment with it, and no state."""
    assert Armed(fleet).code == 0
    state = fleet.root / "state"
    for scope, left in (("qt-1", ["agent", "qt-1", "tn-1", "venv"]), ("demo_here", ["qt-1", "tn-1"])):
        disarmed = Armed(fleet, scope=scope, arm_state="absent")
        assert (disarmed.code, disarmed.report) == (0, {}), disarmed.output
        assert sorted(path.name for path in state.iterdir()) == left, disarmed.output


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        ({"scope": None}, "scope is empty"),
        ({"scope": "nobody*"}, "leaves no bot"),
        ({"scope": "all"}, "names stranger, outside the group bots"),
        ({"arm_state": "gone"}, "value of arm_state must be one of: present, absent, got: gone"),
        ({"arm_required": ["luck"]}, "value of arm_required must be one or more of: armed, "),
        ({"arm_wheels": "empty", "environment": {"PIP_NO_INDEX": "1"}}, "where async-timeout 5.0.1, jmespath "),
    ],
)
def test_refused_before_any_host_is_reached(untouched: Fleet, inputs: dict[str, Any], sentence: str) -> None:
    untouched.overrides = {"stranger": {"ansible_connection": "local"}}
    before = untouched.fingerprint()
    if "arm_wheels" in inputs:
        inputs = {**inputs, "arm_wheels": str(untouched.work / "empty")}
    refused = Armed(untouched, **inputs)
    assert refused.code == 2 and not refused.report, refused.output
    assert sentence in " ".join(refusal(refused.output).split())
    assert untouched.fingerprint() == before


def test_a_bot_whose_variables_are_wrong_is_refused_alone(untouched: Fleet) -> None:
    """S2.3: each with one sentence in the report; nothing is put on its host, while the other is armed."""
    wrong = {
        "botfleet_rehearsal_max_age": ("soon", 'botfleet_rehearsal_max_age is "soon", which is no age'),
        "botfleet_database_backup": ("backups/*.sql", "is 'backups/*.sql', which is not an absolute path"),
        "botfleet_contacts": ("ops", "botfleet_contacts"),
        "botfleet_contact": ([], "did you mean botfleet_contacts?"),
    }
    for variable, (value, sentence) in wrong.items():
        untouched.overrides = {"tn-1": {variable: value}}
        refused = Armed(untouched, "--check")
        ok, says = refused.point("tn-1", "armed")
        assert not ok and sentence in says, refused.output
        assert "venv is not there" in refused.point("qt-1", "armed")[1]


@pytest.mark.skipif(not OLD, reason="needs a Python that ccxt does not run on")
def test_a_python_that_accounts_cannot_be_flattened_with_is_refused(untouched: Fleet) -> None:
    """S2.3: a bot that asks for less is not."""
    old = {"ansible_python_interpreter": OLD}
    untouched.overrides = {"tn-1": {**old, **TRADES}, "qt-1": {**old, "botfleet_exposure": []}}
    refused = Armed(untouched, "--check")
    ok, says = refused.point("tn-1", "armed")
    assert not ok and "botfleet_exposure needs ccxt, whose wheels are pinned for CPython 3.10 to 3.14 on" in says
    assert f"but {OLD} is cpython-39-" in says
    assert "botfleet_exposure" not in refused.point("qt-1", "armed")[1]


def test_without_wheels_for_the_python_of_the_host_nothing_is_changed(untouched: Fleet) -> None:
    """S2.3: what every host gets is there; the sentence says how to get the others."""
    wheels = untouched.work / "wheels"
    pins = [f"--requirement={ROOT / 'roles' / 'arm' / 'files' / name}" for name in ("requirements.txt", "pip.txt")]
    pip = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:")
    subprocess.run([*pip, f"--dest={wheels}", *pins], check=True)
    untouched.overrides = {"tn-1": TRADES}
    before = untouched.fingerprint()
    refused = Armed(untouched, arm_wheels=str(wheels), environment={"PIP_NO_INDEX": "1"})
    ok, says = refused.point("tn-1", "armed")
    assert not ok and "ccxt 4." in says and "is missing and pip could not fetch it (ERROR: " in says, refused.output
    minor = "".join(map(str, sys.version_info[:2]))
    assert f"--python-version={minor} --platform=manylinux2014_" in says and f"--dest={wheels}/cpython-{minor}-" in says
    assert untouched.fingerprint() == before
