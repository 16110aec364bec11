# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Planted secrets are looked for wherever they could show: result, diff, -vvvv, syslog, journal, process list.

Every place is also shown to hold something, so that an empty one proves nothing by being empty.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import stat
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from .conftest import Controller, Run

DEV_LOG = Path("/dev/log")
LEAK = f"CANARY-{secrets.token_hex(4)}-"  # not those of a test that runs beside this one
PEM = f"-----BEGIN PRIVATE KEY-----\n{LEAK}pem-line-one-5b1c\n{LEAK}pem-line-two-9d0e\n-----END PRIVATE KEY-----"
TESTNET = {"api_key": f"{LEAK}testnet-key-7a31", "api_secret": f"{LEAK}\"quoted\\and'odd-é-8c2f", "pem": PEM}
PRODUCTION = {
    "api_key": f"{LEAK}production-key-11d7",
    "api_secret": f"{LEAK}production-secret-4e90",
    "pem": f"{LEAK}pem-0",
}
TOKEN = f"{LEAK}token-e6b2"
WATCHED = "the-process-of-the-module"


@dataclass
class Seen:
    run: Run
    root: Path
    log: str | None
    processes: set[str] = field(default_factory=set)


class Processes(threading.Thread):
    """Reads the command line and the environment of every process again and again."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.seen: set[str] = set()
        self._enough = threading.Event()

    def run(self) -> None:
        while not self._enough.wait(0.01):
            for entry in Path("/proc").iterdir():
                if not entry.name.isdigit() or int(entry.name) == os.getpid():
                    continue
                for name in ("cmdline", "environ"):
                    with contextlib.suppress(OSError):
                        self.seen.add((entry / name).read_bytes().decode(errors="replace"))

    def stop(self) -> set[str]:
        self._enough.set()
        self.join()
        return self.seen


class Syslog:
    """Listens where syslog messages go, where nobody else does."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        if os.path.lexists(DEV_LOG) or not os.access(DEV_LOG.parent, os.W_OK):
            return
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(DEV_LOG))
        DEV_LOG.chmod(0o666)
        self._socket.setblocking(False)
        self._messages: list[str] = []
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        done = False
        while not done:
            done = self._enough.wait(0.05)
            with contextlib.suppress(BlockingIOError):
                while self._socket:
                    self._messages.append(self._socket.recv(1 << 20).decode(errors="replace"))

    def stop(self) -> str | None:
        """All messages; None if somebody else listens there."""
        if self._socket is None:
            return None
        self._enough.set()
        self._thread.join()
        self._socket.close()
        DEV_LOG.unlink()
        return "\n".join(self._messages)


def steps(port: int) -> list[dict[str, Any]]:
    testnet = {"path": "{{ root }}/exchange.yaml", "keep_replaced": "{{ root }}/replaced.json"}
    url = f"http://127.0.0.1:{port}/status"
    check = {"name": "status", "http": {"url": url, "headers": {"Authorization": {"secret": "token"}}}}
    return [
        {"id": "testnet", "exchange_testnet": {**testnet, "credentials": {"secret": "testnet"}}},
        {"id": "flag", "go_live_flag": {"path": "{{ root }}/flag", "state": "absent"}},
        {"id": "refused", "health_check": {"checks": [check], "deadline": 1.5, "interval": 0.2}},
        {"id": "wrong", "exchange_testnet": {**testnet, "credentials": {"secret": "token"}}},
        {"id": "crash", "exchange_testnet": {**testnet, "credentials": {"secret": "unknown_exchange"}}},
    ]


@pytest.fixture(scope="module", params=["module", "agent"])
def seen(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Seen:
    """One run, watched: steps that change, steps that fail while they hold a secret; then the module alone."""
    controller = Controller(tmp_path_factory.mktemp("canaries"), request.param)
    controller.environment["ANSIBLE_INJECT_INVOCATION"] = (
        "true"  # shows the arguments, as all did before ansible-core 2.20
    )
    root = controller.root
    (root / "flag").write_text("live")
    for name in ("exchange.yaml", "other.yaml"):
        (root / name).write_text(json.dumps({"exchanges": {"binance": {"testnet": False, **PRODUCTION}}}))
    (root / "secrets.json").write_text(json.dumps({"canaries": {"binance": TESTNET}, "canary_token": TOKEN}))
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    stage = {"name": "halt", "on_failure": "continue", "steps_from": "bot_steps"}
    task = {
        "name": "Halt",
        "register": "halted",
        "environment": {"BOTFLEET_WATCHED": WATCHED},
        "tradeops.botfleet.transaction": {
            "rollback_id": "rb-1",
            "state_dir": "{{ state }}",
            "stages": [stage],
            "safe": {"steps_from": "bot_steps", "only": ["testnet", "flag"]},
            "secrets_from": "bot_secrets",
        },
    }
    alone = {
        "name": "Alone",
        "register": "alone",
        "tradeops.botfleet.exchange_testnet": {
            "path": "{{ root }}/other.yaml",
            "credentials": "{{ canaries }}",
        },
    }
    secrets = {
        "testnet": "{{ canaries }}",
        "token": "{{ canary_token }}",
        "unknown_exchange": {"kraken": {"api_key": "{{ canary_token }}"}},
    }
    syslog, processes = Syslog(), Processes()
    processes.start()
    try:
        run = controller.play(
            [task, alone],
            *("--diff", "-vvvv"),
            files=(str(root / "secrets.json"),),
            bot_steps=steps(port),
            bot_secrets=secrets,
        )
    finally:
        log, commands = syslog.stop(), processes.stop()
    return Seen(run, root, log, commands)


def assert_no_canary(text: str) -> None:
    """Shows where it stands, instead of all of the text."""
    where = text.find(LEAK)
    assert where < 0, text[max(0, where - 200) : where + 100]


def test_the_steps_did_their_work(seen: Seen) -> None:
    found = {step["id"]: step["status"] for step in seen.run.results["halted"]["steps"]}
    assert found == {
        "testnet": "changed",
        "flag": "changed",
        "refused": "failed",
        "wrong": "failed",
        "crash": "failed",
    }, seen.run.output
    config = (seen.root / "exchange.yaml").read_text()
    assert TESTNET["api_key"] in config and PRODUCTION["api_key"] not in config
    assert seen.run.results["alone"]["changed"]


def test_results_and_diffs_show_none(seen: Seen) -> None:
    text = json.dumps(seen.run.results, ensure_ascii=False)
    assert "exchanges.binance.api_key" in text
    assert_no_canary(text)


def test_the_most_verbose_output_shows_none(seen: Seen) -> None:
    assert "exchanges.binance.api_key" in seen.run.output and "invocation" in seen.run.output
    assert_no_canary(seen.run.output)


def test_the_state_directory_keeps_none(seen: Seen) -> None:
    """What was replaced is kept on purpose, in a file of its own that nobody else can read."""
    files = [path for path in (seen.root / "state" / "bot-1").rglob("*") if path.is_file()]
    assert {"journal.jsonl", "results.json"} <= {path.name for path in files}
    assert [path for path in files if LEAK in path.read_text()] == []
    kept = seen.root / "replaced.json"
    assert PRODUCTION["api_key"] in kept.read_text() and TESTNET["api_key"] not in kept.read_text()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_syslog_receives_none(seen: Seen) -> None:
    """Ansible logs a module's arguments there, of which an agent has none."""
    if seen.log is None:
        pytest.skip("somebody else listens at /dev/log, or it takes root to listen there")
    assert "Invoked with" in seen.log
    assert ("go_live_flag" in seen.log) == (seen.run.results["halted"]["path"] == "module")
    assert_no_canary(seen.log)


def test_no_process_shows_one(seen: Seen) -> None:
    assert any(WATCHED in text for text in seen.processes), "the module's own process was seen"
    for text in seen.processes:
        assert_no_canary(text)
