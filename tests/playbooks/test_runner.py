# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook under ansible-runner, which is what AWX runs it with: at once, and through transmit, worker and process.

What a playbook came to is read from artifacts/<id>/rc: ``process`` exits with 0 whatever that is.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.peers.demo import INVENTORY
from tests.schemas import problems

from .conftest import ROOT, Fleet, make_fleet

PROGRAMS = Path(sys.executable).parent
PLAYBOOK = "tradeops.botfleet.rollback"
WRAPPER = f"---\n- name: Roll back\n  ansible.builtin.import_playbook: {PLAYBOOK}\n"
NOT_SHIPPED = shutil.ignore_patterns(".*", "__pycache__", "artifacts", "tests")
IDENT = "job-1"
WAYS = ["run", "relay"]


class Job:
    """A private data directory of ansible-runner. It holds all that a worker is sent, and what comes back."""

    def __init__(self, fleet: Fleet, directory: Path) -> None:
        self.directory = directory
        self.artifacts = directory / "artifacts" / IDENT
        shutil.copytree(INVENTORY, directory / "inventory")
        fleet.write_inventory()
        shutil.copy(fleet.work / "here.yml", directory / "inventory")
        self._write(
            "envvars",
            {
                **fleet.environment,
                "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache" / "collections"),
                "ANSIBLE_CALLBACKS_ENABLED": "tradeops.botfleet.timeline",
                "ANSIBLE_HOME": str(fleet.work / "ansible"),
                "ANSIBLE_LOCALHOST_WARNING": "false",
            },
        )
        self._write(
            "extravars",
            {
                "plan": "emergency",
                "scope": "demo_here",
                "reason": "test",
                "rollback_id": "rb-job",
                "botfleet_artifacts_dir": "{{ lookup('ansible.builtin.env', 'AWX_ISOLATED_DATA_DIR') }}/botfleet",
            },
        )

    exited: int
    """The exit code of the ansible-runner that ended last."""

    def run(self, playbook: str = PLAYBOOK, *arguments: str) -> str:
        """Run it here; what was printed."""
        return self._call("run", str(self.directory), "-p", playbook, "-i", IDENT, *arguments).decode()

    def relay(self, playbook: str = PLAYBOOK, *arguments: str) -> str:
        """Have a worker run it, which has nothing but what it is sent, and whose directory goes when it ends."""
        sent = self._call("transmit", str(self.directory), "-p", playbook, "-i", IDENT, *arguments)
        answer = self._call("worker", given=sent)
        return self._call("process", str(self.directory), "-i", IDENT, given=answer).decode()

    def code(self) -> int:
        """The playbook's exit code."""
        return int((self.artifacts / "rc").read_text())

    def record(self, rollback_id: str = "rb-job") -> dict[str, Any]:
        record: dict[str, Any] = json.loads((self.artifacts / "botfleet" / rollback_id / "record.json").read_text())
        assert problems("record", record) == []
        return record

    def events(self) -> list[dict[str, Any]]:
        files = (self.artifacts / "job_events").glob("*.json")
        return sorted((json.loads(path.read_text()) for path in files), key=lambda event: event["counter"])

    def transactions(self, bot: str) -> dict[str, dict[str, Any]]:
        """The results of a bot's transactions in the event stream, by their first stage."""
        found = [
            event["event_data"]["res"]
            for event in self.events()
            if event["event_data"].get("host") == bot and "steps" in event["event_data"].get("res", {})
        ]
        return {result["stages"][0]["name"]: result for result in found}

    def _write(self, name: str, values: dict[str, str]) -> None:
        (self.directory / "env").mkdir(exist_ok=True)
        (self.directory / "env" / name).write_text(json.dumps(values))

    def _call(self, command: str, *arguments: str, given: bytes = b"") -> bytes:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "BOTFLEET_"))}
        done = subprocess.run(
            [str(PROGRAMS / "ansible-runner"), command, *arguments],
            input=given,
            env={**kept, "PATH": os.pathsep.join([str(PROGRAMS), os.environ["PATH"]]), "LC_ALL": "C.UTF-8"},
            capture_output=True,
            timeout=240,
            check=False,
        )
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        self.exited = done.returncode
        return done.stdout


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """One bot of each kind."""
    yield from make_fleet(tmp_path_factory.mktemp("runner"), 1)


@pytest.fixture
def job(pair: Fleet, tmp_path: Path) -> Job:
    """A rollback of the pair, which is live."""
    pair.up()
    return Job(pair, tmp_path / "job")


@pytest.fixture(scope="module")
def loud_job(pair: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Job:
    """A rollback of the pair at the highest verbosity, which has ended."""
    pair.up()
    job = Job(pair, tmp_path_factory.mktemp("loud") / "job")
    printed = job.run(PLAYBOOK, "-vvvvv", "--forks", "7")
    assert job.code() == 0, printed
    return job


@pytest.mark.parametrize("way", WAYS)
def test_a_fleet_is_restored(job: Job, pair: Fleet, way: str) -> None:
    """The results are in the event stream, the record comes back with the artifacts."""
    printed = getattr(job, way)()
    assert (job.code(), job.exited) == (0, 0), printed
    assert (job.artifacts / "status").read_text() == "successful"
    for bot in ("tn-1", "qt-1"):
        assert (pair.page(bot) or {})["trading"] is False
        results = job.transactions(bot)
        assert [stage["name"] for stage in results["halt"]["stages"]] == ["halt"]
        assert [stage["name"] for stage in results["preserve"]["stages"]] == ["preserve", "revert", "resume", "verify"]
        assert {stage["status"] for result in results.values() for stage in result["stages"]} == {"ok"}
    record = job.record()
    assert record["outcome"] == "restored" and record["inputs"]["positions"] == "cancel_and_close"
    assert (job.artifacts / "botfleet" / "latest" / "report.html").exists()
    assert (job.artifacts / "botfleet" / "history.jsonl").read_text().count("\n") == 1


@pytest.mark.parametrize("way", WAYS)
def test_a_bot_that_is_not_safe_fails_the_job(
    pair: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """The exit code is the playbook's, the failed step is in the stream, and the record comes back all the same."""
    pair.up()
    monkeypatch.setitem(pair.overrides, "qt-1", {"botfleet_go_live_flag": str(pair.path("qt-1"))})
    job = Job(pair, tmp_path / "job")
    printed = getattr(job, way)()
    assert job.code() == 2, printed
    assert job.exited == (2 if way == "run" else 0), "process says only that it has processed"
    assert (job.artifacts / "status").read_text() == "failed"
    statuses = {step["id"]: step["status"] for step in job.transactions("qt-1")["halt"]["steps"]}
    assert statuses["flag"] == "failed" and statuses["stop"] == "changed"
    assert list(job.transactions("tn-1")) == ["halt"], "held at the barrier"
    assert {bot["name"]: bot["safe"] for bot in job.record()["bots"]} == {"tn-1": True, "qt-1": False}
    assert job.record()["outcome"] == "exposed"


def test_the_timeline_has_its_lines_beside_those_of_the_runner(loud_job: Job) -> None:
    """They are in the event stream, which is what AWX shows, each in one event; nothing is drawn."""
    shown = (loud_job.artifacts / "stdout").read_text()
    assert shown.count("TASK [tradeops.botfleet.halt : Make the bot safe]") == 1 and "PLAY RECAP" in shown
    assert "█" not in shown and "\x1b[?25l" not in shown and "DEPRECAT" not in shown
    for line in (r"\] halt begins: 2 bots", r"\] halt ends: 2 ok, after ", r"^outcome +restored"):
        assert len(re.findall(line, shown, re.MULTILINE)) == 1, shown
        assert len([event for event in loud_job.events() if re.search(line, event["stdout"], re.MULTILINE)]) == 1


def test_the_runner_passes_forks_on_and_checks_no_host_keys_unless_told(loud_job: Job) -> None:
    ran = json.loads((loud_job.artifacts / "command").read_text())
    assert "--forks 7" in " ".join(ran["command"]) and ran["env"]["ANSIBLE_HOST_KEY_CHECKING"] == "False"


def test_secrets_are_in_no_artifact(loud_job: Job) -> None:
    """S4.4: neither in what was shown, nor in events, facts, the record or what else is kept."""
    files = [path for path in loud_job.artifacts.rglob("*") if path.is_file()]
    assert {path.parent.name for path in files} >= {"job_events", "rb-job", IDENT}
    assert not [path for path in files if "CANARY" in path.read_text()]


def test_a_project_that_brings_the_collection_with_it(job: Job, pair: Fleet) -> None:
    """As in AWX: the playbook is a file of the project, the collection lies beside it, and the worker has no other."""
    project = job.directory / "project"
    shutil.copytree(ROOT, project / "collections" / "ansible_collections" / "tradeops" / "botfleet", ignore=NOT_SHIPPED)
    (project / "rollback.yml").write_text(WRAPPER)
    settings = job.directory / "env" / "envvars"
    variables = json.loads(settings.read_text())
    del variables["ANSIBLE_COLLECTIONS_PATH"]
    settings.write_text(json.dumps(variables))
    printed = job.relay("rollback.yml", "--cmdline=--check")
    assert job.code() == 0, printed
    assert job.record("rb-job-check")["check_mode"]
    assert all((pair.page(bot) or {})["trading"] for bot in ("tn-1", "qt-1")), "nothing was changed"
