# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The emergency plan on twelve live bots: checked, carried out, and run again (S1.1 to S1.6, S1.8, S4.1 to S4.6)."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest

from tests.schemas import problems

from .conftest import ROOT, Fleet, Run, make_fleet

BAD, GOOD = "deploy-20251204-142200", "deploy-20251201-083000"
STARTED_BY: dict[str, Any] = {"awx_user_name": "night-shift", "awx_job_launch_type": "webhook"}  # as AWX tells a job


@dataclass
class Story:
    """One fleet's way through the night."""

    fleet: Fleet
    before: str
    check: Run
    after_check: str
    run: Run
    after_run: str
    again: Run
    after_again: str


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    for fleet in make_fleet(tmp_path_factory.mktemp("emergency"), 6):
        fleet.of_all.clear()
        time.sleep(1)
        before = fleet.fingerprint()
        check = fleet.rollback("--check", "--diff", rollback_id="rb-night")
        after_check = fleet.fingerprint()
        run = fleet.rollback(rollback_id="rb-night", trigger="ESS - Capital Loss", **STARTED_BY)
        time.sleep(1)
        with (fleet.artifacts / "rb-night" / "incident.md").open("a") as report:
            report.write("Shared by the night shift.\n")
        after_run = fleet.fingerprint()
        again = fleet.rollback(rollback_id="rb-night")
        yield Story(fleet, before, check, after_check, run, after_run, again, fleet.fingerprint())


def test_check_mode_says_what_it_would_do_and_changes_nothing(story: Story) -> None:
    assert story.check.code == 0, story.check.output
    assert story.after_check == story.before
    assert story.check.record["check_mode"] and story.check.record["outcome"] == "restored"
    assert (story.fleet.artifacts / "rb-night-check" / "record.json").exists()
    assert BAD in story.check.output and GOOD in story.check.output, "the diff names both versions"


def test_every_bot_is_safe_and_restored(story: Story) -> None:
    """S1.1, S1.8: from the decision to safe, back and verified, and exit code 0 only then."""
    assert story.run.code == 0, story.run.output
    assert set(story.run.states().values()) == {"restored"} and len(story.run.states()) == 12
    assert story.run.record["outcome"] == "restored"
    assert all(bot["safe"] and bot["verified"] for bot in story.run.record["bots"])


def test_versions_are_the_predecessors_of_what_ran(story: Story) -> None:
    """S1.4: a newer tag that was fetched but never deployed is not where it goes back from."""
    assert {(bot["from"], bot["to"]) for bot in story.run.record["bots"]} == {(BAD, GOOD)}


def test_running_bots_say_so_themselves(story: Story) -> None:
    """S1.6: read from the bots' own status pages, not from the record."""
    for bot in story.fleet.bots():
        page = story.fleet.page(bot["name"])
        if bot["name"] == "tn-14":
            assert page is None, "trades as soon as it runs, so it stays stopped"
        else:
            assert page is not None and page["version"] == GOOD and page["trading"] is False


def test_no_order_is_later_than_the_safe_time(story: Story) -> None:
    """S1.3, S4.2: the ledger is the witness."""
    decided = datetime.fromisoformat(story.run.record["start_time"]).timestamp()
    for bot in story.run.record["bots"]:
        assert story.fleet.ledger.orders(bot["name"]), "it did trade before"
        safe_at = decided + bot["safe_after_seconds"]
        assert story.fleet.ledger.orders(bot["name"], after=safe_at) == []


def test_only_the_bad_release_misbehaves(story: Story) -> None:
    for name in story.fleet.names():
        assert {order.version for order in story.fleet.ledger.bad(name)} == {BAD}


def test_trading_is_off_and_exposure_is_none_only_where_declared(story: Story) -> None:
    """S1.3, S3.5: what is declared to hold nothing is not asked; the others were read as flat."""
    assert {bot["trading"] for bot in story.run.record["bots"]} == {"off"}
    states = {(bot["kind"], bot["exposure"]["state"]) for bot in story.run.record["bots"]}
    assert states == {("trading_node", "none"), ("quantum_trader", "flat")}


def test_switches_are_off_in_the_files(story: Story) -> None:
    """S4.2, S4.3, S4.4: the checkout and the snapshot brought live values back, and they were lowered again."""
    for name in story.fleet.names("quantum_trader"):
        path = story.fleet.path(name)
        assert not (path / "go_live.active").exists()
        assert re.search(r"^activation_enabled: false\b", (path / "config" / "go_live.yaml").read_text(), re.MULTILINE)
        exchange = (path / "config" / "exchange.yaml").read_text()
        assert "testnet: false" not in exchange and exchange.count("testnet: true") == 3
        assert "CANARY-prod" not in exchange


def test_config_is_the_snapshots_not_nested(story: Story) -> None:
    """S1.5: the snapshot of the version that it went back to, and no config inside config."""
    for name in story.fleet.names():
        config = story.fleet.path(name) / "config"
        assert "leverage: 2" in (config / "local.yaml").read_text()
        assert not (config / "config").exists() and not list(config.glob("config-*"))


def test_the_record_has_what_the_runbooks_ask_for(story: Story) -> None:
    """S1.1, S2.16: fields, figures and budgets."""
    record = story.run.record
    for name in (
        *("rollback_id", "plan", "phase", "scope", "trigger", "reason", "outcome", "start_time", "completion_time"),
        *("duration_minutes", "time_to_safe_seconds", "time_to_restored_seconds", "data_loss"),
        *("service_impact_minutes", "root_cause", "prevention_measures", "bots"),
    ):
        assert name in record, name
    assert 0 < record["time_to_safe_seconds"] < record["time_to_restored_seconds"] < 120
    budgets = {stage["name"]: stage["budget"] for stage in record["bots"][0]["stages"]}
    assert budgets == {"halt": 30, "preserve": 60, "revert": 60, "resume": 120, "verify": 60}
    assert not any(stage["over_budget"] for bot in record["bots"] for stage in bot["stages"])


def test_all_that_was_done_is_documented(story: Story) -> None:
    """S1.9, S1.10: for the post-mortem, each step with what was, what is, and how it was proven."""
    for bot in story.run.record["bots"]:
        changed = [step for step in bot["steps"] if step["status"] == "changed"]
        assert {"stop", "code", "config"} <= {step["id"] for step in changed}
        for step in changed:
            assert step["before"] is not None and step["after"] is not None and step["proof"] is not None, step
            assert step["message"] and step["seconds"] > 0
        assert {reading["ok"] for reading in bot["read"] if not reading["until_resume"]} <= {True}
    assert story.run.record["root_cause"] is None and story.run.record["prevention_measures"] == []


def test_the_run_is_in_the_history_once(story: Story) -> None:
    """S4.13, S3.14: no line for check mode, none for a run that only returned what was stored. All of it verifies."""
    lines = [json.loads(line) for line in (story.fleet.artifacts / "history.jsonl").read_text().splitlines()]
    assert [problems("history", line) for line in lines] == [[]]
    assert (lines[0]["rollback_id"], lines[0]["from"], lines[0]["to"], lines[0]["bots"]) == (
        "rb-night",
        [BAD],
        [GOOD],
        12,
    )
    assert (
        lines[0]["trigger"] == "ESS - Capital Loss" and lines[0]["automatic"] and lines[0]["operator"] == "night-shift"
    )
    assert story.check.record["history"] is None and story.run.record["history"]["line"] == 1
    assert "| ESS - Capital Loss | auto, night-shift |" in (story.fleet.artifacts / "history.md").read_text()
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "history.py"), "verify", str(story.fleet.artifacts)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_incident_report_is_begun(story: Story) -> None:
    """S1.9, S1.10, S4.9: its facts are those of the record; what people wrote is there after the same id ran again."""
    page = (story.fleet.artifacts / "rb-night" / "incident.md").read_text()
    assert "restored: 12 of 12 bots restored" in page and page.count(f"| {BAD} | {GOOD} | off |") == 12
    assert "Post-mortem due" in page and page.endswith("Shared by the night shift.\n")
    assert not (story.fleet.artifacts / "rb-night-check" / "incident.md").exists()


def test_nothing_is_lost(story: Story) -> None:
    """S1.8: the config as it was, and local edits of tracked files, can be brought back."""
    for name in story.fleet.names():
        assert list((story.fleet.root / "state" / name / "preserved").glob("config-rb-night*"))


def test_the_same_id_returns_the_stored_result_and_touches_nothing(story: Story) -> None:
    assert story.again.code == 0, story.again.output
    assert story.after_again == story.after_run
    assert story.again.record == story.run.record
    assert "changed=0" in story.again.output and "changed=1" not in story.again.output


def test_no_canary_anywhere_it_should_not_be(story: Story) -> None:
    shown = [run.output for run in (story.check, story.run, story.again)]
    written = [path.read_text(errors="replace") for path in story.fleet.artifacts.rglob("*") if path.is_file()]
    journals = [
        path.read_text() for path in (story.fleet.root / "state").rglob("*.json*") if "credentials" not in path.name
    ]
    assert journals
    assert not [text for text in [*shown, *written, *journals] if "CANARY" in text]
