# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What halt and the barrier find, one thing for each of twelve bots, in one rollback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.peers.demo import wait_for
from tests.peers.errors import Case, tell
from tests.peers.old_python import make_old_python

from .bad_input import GOOD, RELEASES, Fault, Night, edit, spend
from .conftest import Fleet, make_fleet

STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open("run/ready", "w").close()
time.sleep(300)
"""


def trading(fleet: Fleet, name: str) -> Path:
    return fleet.path(name) / "config" / "trading.yaml"


def break_yaml(fleet: Fleet, name: str) -> None:
    edit(trading(fleet, name), "trading_enabled: true", "trading_enabled: true: yes")


def give_key_twice(fleet: Fleet, name: str) -> None:
    edit(trading(fleet, name), "mode: switched", "mode: switched\ntrading_enabled: false")


def break_json(fleet: Fleet, name: str) -> dict[str, Any]:
    path = fleet.path(name) / "config" / "trading.json"
    path.write_text('{"mode": "switched",\n "trading_enabled": tru}\n')
    return {"botfleet_go_live_config_path": str(path)}


def ignore_sigterm(fleet: Fleet, name: str) -> None:
    """Another program takes the bot's place."""
    path, page = fleet.path(name), fleet.page(name) or {}
    os.kill(page["pid"], signal.SIGKILL)
    (path / "run" / "quantum_trader.py").write_text(STUBBORN)
    port = next(str(bot["port"]) for bot in fleet.bots() if bot["name"] == name)
    command = [sys.executable, "-B", "run/quantum_trader.py", "--bot", name, "--port", port]
    process = subprocess.Popen(command, cwd=path, start_new_session=True)
    (path / "run" / "quantum_trader.pid").write_text(f"{process.pid}\n")
    wait_for((path / "run" / "ready").exists)


def use_old_python(fleet: Fleet, _name: str) -> dict[str, Any]:
    return {"ansible_python_interpreter": make_old_python(fleet.work)}


def take_a_neighbour_in(fleet: Fleet, _name: str) -> dict[str, Any]:
    """By the ports, or it would be one of another test's fleet, too."""
    ports = "|".join(str(bot["port"]) for bot in fleet.bots() if bot["name"] in ("tn-1", "tn-14"))
    return {"botfleet_process_pattern": rf"trading_node\.py --bot tn-14? --port ({ports})$"}


FAULTS = {
    "tn-1": Fault(
        Case("In halt", "The pattern of its process matches another bot's"),
        "exposed",
        arrange=take_a_neighbour_in,
    ),
    "tn-10": Fault(Case("In halt", "The config is malformed YAML"), "exposed", arrange=break_yaml),
    "tn-11": Fault(Case("In halt", "The config has a key twice"), "exposed", arrange=give_key_twice),
    "tn-12": Fault(
        Case("In halt", "The config lacks the key"), "exposed", {"botfleet_go_live_config_key": "trading_enabeld"}
    ),
    "tn-13": Fault(Case("In halt", "The config is malformed JSON"), "exposed", arrange=break_json),
    "qt-1": Fault(
        Case("At the barrier", "No good tag was deployed before the one that runs"),
        "safe",
        {"botfleet_known_bad": [*RELEASES, GOOD]},
    ),
    "qt-10": Fault(
        Case("At the barrier", "Bots of one group would go back to different versions"),
        "safe",
        {"botfleet_target_group": "makers"},
    ),
    "qt-11": Fault(
        Case("At the barrier", "Bots of one group would go back to different versions"),
        "safe",
        {"botfleet_target_group": "makers", "botfleet_known_bad": [GOOD]},
    ),
    "qt-12": Fault(Case("In halt", "The host's Python is too old"), "exposed", arrange=use_old_python),
    "qt-13": Fault(
        Case("In halt", "The bot ignores SIGTERM, and may not be killed"),
        "exposed",
        {"botfleet_stop_force": False, "botfleet_stop_timeout": 2},
        arrange=ignore_sigterm,
    ),
}
CASES = {fault.case for fault in FAULTS.values()}


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    for fleet in make_fleet(tmp_path_factory.mktemp("halt"), 6):
        yield spend(fleet, FAULTS, scope="demo_here:!tn-14")


@pytest.mark.parametrize("name", FAULTS)
def test_one_sentence_says_what_where_and_how_to_mend_it(night: Night, name: str) -> None:
    told = night.told(name)
    assert told.ends == FAULTS[name].ends, night.run.output
    tell(FAULTS[name].case, told)


@pytest.mark.parametrize("name", FAULTS)
def test_nothing_is_changed_that_is_not_reported(night: Night, name: str) -> None:
    assert night.unreported(name) == []


@pytest.mark.parametrize("name", FAULTS)
def test_a_bot_stopped_only_if_that_is_reported(night: Night, name: str) -> None:
    """S1.3: whatever is wrong with its config, its process is stopped; where that cannot be done, it is left alone."""
    runs_still = name in ("tn-1", "qt-12", "qt-13")
    assert (name in {Path(f"/proc/{pid}/cwd").resolve().name for pid in night.fleet.processes()}) is runs_still
    assert ("halt stop" in night.told(name).changed) is (not runs_still or name == "qt-13")


@pytest.mark.parametrize("name", ["tn-10", "tn-11", "tn-12"])
def test_a_config_that_cannot_be_read_is_untouched(night: Night, name: str) -> None:
    """S4.3."""
    assert trading(night.fleet, name).read_bytes() == night.before[name]["config/trading.yaml"]


def test_the_others_are_none_the_worse(night: Night) -> None:
    assert night.run.code == 2 and night.run.states()["qt-14"] == "restored", night.run.output
    assert (night.fleet.page("tn-14") or {}).get("trading"), "a pattern matched it, and it notices nothing"


def test_the_record_is_written_all_the_same(night: Night) -> None:
    assert night.run.record["outcome"] == "exposed"
    assert json.dumps(night.run.record).count("Traceback") == 0
