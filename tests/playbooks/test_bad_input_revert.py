# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What shows only after a bot was made safe, and two things of halt, one for each of twelve bots, in one rollback."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any

import pytest
import yaml

from tests.peers.demo import ROOT
from tests.peers.errors import Case, Told, tell
from tests.peers.ssh import free_port

from .bad_input import GOOD, Fault, Night, edit, plain, spend
from .conftest import Fleet, make_fleet

sys.path.insert(0, str(ROOT / "tools"))
from pythons import find_python  # found through the path above

OLD_PYTHON = next(filter(None, map(find_python, ["3.8", "3.7", "3.6"])), None)
TAKEN = Case("In halt", "Another rollback holds the bot: halt takes it, with a warning")

# Holds a bot until it is asked to let go, and again as soon as it can
HOLDER = """
import sys, time
from ansible_collections.tradeops.botfleet.plugins.module_utils._transaction.lock import Lock, Locked
from ansible_collections.tradeops.botfleet.plugins.module_utils._transaction.state import BotState
state = BotState(*sys.argv[1:])
state.create()
lock = Lock(state, "rb-other", "alice@desk")
while True:
    try:
        with lock.held(wait=0, preempt=False, preempt_after=0):
            print("held", flush=True)
            while not lock.preempted_by():
                time.sleep(0.02)
    except Locked:
        pass
    time.sleep(0.05)
"""


class Endpoint(BaseRequestHandler):
    """A status page that is not well."""

    def handle(self) -> None:
        page = self.request.recv(4096).split(b" ")[1]
        if page == b"/silence":
            time.sleep(3)
        self.request.sendall({b"/500": b"HTTP/1.0 500 Oops\r\n\r\nno feed", b"/garbage": b"\0\xff\r\n"}.get(page, b""))


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with ThreadingTCPServer(("127.0.0.1", 0), Endpoint) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def change_snapshot(fleet: Fleet, name: str) -> None:
    """By hand, after it was taken."""
    edit(fleet.root / "backups" / name / f"config-{GOOD[7:]}" / "local.yaml", "leverage: 2", "leverage: 50")


def break_manifest(fleet: Fleet, name: str) -> None:
    (fleet.root / "backups" / name / f"config-{GOOD[7:]}" / ".botfleet-manifest.json").write_text('{"format": 1, ')


def lose_tag(fleet: Fleet, name: str) -> None:
    """Here, and its remote never had it."""
    for arguments in (["tag", "-d", GOOD], ["remote", "set-url", "origin", str(fleet.path(name))]):
        subprocess.run(["git", "-C", str(fleet.path(name)), *arguments], check=True, capture_output=True)


def put_state_into_a_file(fleet: Fleet, _name: str) -> dict[str, Any]:
    return {"botfleet_state_dir": str(fleet.root / "fleet.json" / "state")}


FAULTS = {
    "tn-1": Fault(Case("In revert", "The build fails"), "safe", {"botfleet_build": ["false"]}),
    "tn-10": Fault(
        Case("In resume and verify", "A status page answers 500, garbage, nothing, or is not there"), "safe"
    ),
    "tn-11": Fault(
        Case("In revert", "The state directory cannot be written: halt went on, with a warning"),
        "safe",
        arrange=put_state_into_a_file,
    ),
    "tn-12": Fault(
        Case("In resume and verify", "The start command fails"), "safe", {"botfleet_start_command": ["false"]}
    ),
    "tn-13": Fault(
        Case("At the barrier", "A step after halt has an option that there is not"),
        "safe",
        {"botfleet_health_checks": [{"name": "Healthy", "http": {"ulr": "http://127.0.0.1/"}}]},
    ),
    "qt-1": Fault(Case("In revert", "Another rollback holds the bot"), "safe"),
    "qt-10": Fault(Case("In revert", "A snapshot is not what its manifest says"), "safe", arrange=change_snapshot),
    "qt-11": Fault(Case("In revert", "The manifest of a snapshot is broken"), "safe", arrange=break_manifest),
    "qt-12": Fault(Case("In halt", "A step of halt has an option that there is not"), "exposed"),
    "qt-13": Fault(
        Case("In halt", "The host's Python is not there"),
        "exposed",
        {"ansible_python_interpreter": "/opt/python/bin/python3"},
    ),
    "qt-14": Fault(Case("At the barrier", "One bot does not have the target"), "safe", arrange=lose_tag),
}
CASES = {TAKEN, *(fault.case for fault in FAULTS.values())}


def checks(endpoint: str) -> dict[str, Any]:
    urls = {page: f"{endpoint}/{page}" for page in ("500", "garbage", "nothing", "silence")}
    urls["nobody"] = f"http://127.0.0.1:{free_port()}/"
    return {
        "botfleet_health_deadline": 0,
        "botfleet_health_checks": [{"name": name, "http": {"url": url, "timeout": 1}} for name, url in urls.items()],
    }


def halt_steps() -> Any:
    """Those of the role, with a misspelt option for one bot."""
    steps = yaml.safe_load((ROOT / "roles" / "halt" / "vars" / "main.yml").read_text())["halt_steps"]
    misspelt = "{'stat': 'absent'} if inventory_hostname == 'qt-12' else {}"
    steps[0]["go_live_flag"] = f"{{{{ botfleet_flag_off | combine({misspelt}) }}}}"
    return steps


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory, endpoint: str) -> Iterator[Night]:
    for fleet in make_fleet(tmp_path_factory.mktemp("revert"), 6):
        fleet.overrides["tn-10"] = checks(endpoint)
        command = [sys.executable, "-c", HOLDER, str(fleet.root / "state"), "qt-1"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / ".cache" / "collections")}
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as holder:
            assert holder.stdout and holder.stdout.readline() == b"held\n"
            try:
                yield spend(fleet, FAULTS, target=GOOD, rollback_id="rb-night", halt_steps=halt_steps())
            finally:
                holder.kill()


@pytest.mark.parametrize("name", FAULTS)
def test_one_sentence_says_what_where_and_how_to_mend_it(night: Night, name: str) -> None:
    told = night.told(name)
    assert told.ends == FAULTS[name].ends, night.run.output
    tell(FAULTS[name].case, told)


@pytest.mark.parametrize("name", FAULTS)
def test_nothing_is_changed_that_is_not_reported(night: Night, name: str) -> None:
    assert night.unreported(name) == []


@pytest.mark.parametrize("name", ["tn-1", "qt-10", "qt-11"])
def test_code_that_was_put_back_is_what_it_was(night: Night, name: str) -> None:
    bot = night.run.bot(name)
    assert bot["from"] == bot["to"] and (night.fleet.path(name) / "RELEASE").read_text().strip() == bot["from"]


def test_the_other_steps_of_a_halt_run_whatever_one_has_for_an_option(night: Night) -> None:
    statuses = {step["id"]: step["status"] for step in night.run.bot("qt-12")["steps"]}  # which are halt's alone
    others = {
        "marker": "changed",
        "control": "skipped",
        "stop": "changed",
        "config_key": "changed",
        "exposure": "skipped",
        "target": "unchanged",
    }
    assert statuses == {"flag": "failed", **others}


def test_halt_takes_a_bot_from_its_holder_and_says_so(night: Night) -> None:
    """S1.3: no lock keeps a bot from being stopped; the journal names whose it was."""
    said = re.search(r"qt-1: took the lock .*? step\b", " ".join(night.run.output.split()))
    assert said, night.run.output
    tell(TAKEN, Told(plain(night.fleet, said[0]), "safe", "halt flag, halt marker, halt stop, halt config_key"))
    (preempted,) = [line for line in night.fleet.journal("qt-1", "rb-night") if line["event"] == "preempted"]
    assert preempted["holder"]["rollback_id"] == "rb-other" and preempted["holder"]["controller"] == "alice@desk"


def test_a_halt_that_is_not_journaled_says_so(night: Night) -> None:
    assert "tn-11: not journaled: state directory" in " ".join(night.run.output.split()), night.run.output


def test_the_other_bot_is_none_the_worse(night: Night) -> None:
    assert night.run.code == 2 and night.run.states()["tn-14"] == "restored", night.run.output


@pytest.mark.skipif(OLD_PYTHON is None, reason="no Python before 3.9 is here: the one that plays it was tried instead")
def test_a_real_python_that_is_too_old(night: Night) -> None:
    """What Ansible itself says of it differs from version to version of both; the sentence does not."""
    night.fleet.overrides["qt-13"]["ansible_python_interpreter"] = OLD_PYTHON
    run = night.fleet.rollback("--check", scope="qt-13")
    assert run.code == 2
    assert re.search(r"/python3\.\d is Python 3\.\d\.\d+, which is too old", run.bot("qt-13")["failure"]), run.output
