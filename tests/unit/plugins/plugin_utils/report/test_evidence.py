# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was proven of each bot, and how."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.tradeops.botfleet.plugins.plugin_utils._report.evidence import proof_of

from . import records
from .page import Element, classed, page, section, text


def bots(root: Element) -> dict[str, Element]:
    return {text(next(details.iter("b"))): details for details in classed(section(root, "evidence"), "bot")}


def test_every_bot_has_its_steps_with_status_and_seconds(tmp_path: Path) -> None:
    found = records.mixed(tmp_path)
    shown = bots(page(found))
    assert set(shown) == {bot["name"] for bot in found["bots"]}
    for bot in found["bots"]:
        for step in bot["steps"]:
            assert step["name"] in text(shown[bot["name"]])
    stages = [text(caption) for caption in shown["good"].iter("caption")]
    assert stages == [
        "halt ok, 2.00 s of 30 s",
        "revert ok, 1.00 s of 60 s",
        "resume ok, 1.00 s of 120 s",
        "verify ok, 1.00 s of 5 s",
    ]


def test_what_was_read_at_last(tmp_path: Path) -> None:
    shown = bots(page(records.mixed(tmp_path)))
    assert [element.get("class") for element in classed(shown["sick"], "checks")[0]] == ["ok", "ok"]
    stuck = classed(shown["stuck"], "checks")[0]
    assert [(line.get("class"), text(line)) for line in stuck][1] == (
        "bad",
        "process stopped: process is running state running",
    )
    assert "Nothing was read of it" in text(shown["gone"])


def test_what_the_hosts_said_beside_the_steps(tmp_path: Path) -> None:
    found = records.mixed(tmp_path)
    found["bots"][0]["notes"] = ["its switch fired at <noon>"]
    del found["bots"][1]["notes"]  # of a record that an earlier version wrote
    assert "its switch fired at <noon>" in text(bots(page(found))[found["bots"][0]["name"]])


def test_a_bot_that_runs_again_is_rightly_not_stopped(tmp_path: Path) -> None:
    """until_resume: the reading shows, and is no failure."""
    line = classed(bots(page(records.mixed(tmp_path)))["good"], "checks")[0][1]
    assert line.get("class") == "moot" and "no longer asked for, it was started again" in text(line)


def test_health_checks_are_named_with_what_was_observed(tmp_path: Path) -> None:
    found = records.restored(tmp_path, 1)
    found["bots"][0]["steps"][-1]["proof"] = {
        "checks": [
            {"name": "answers", "ok": True, "observed": "200, trading is false", "attempts": 1, "seconds": 0.25},
            {"name": "quiet", "ok": False, "observed": "3 errors", "attempts": 4, "seconds": 0.5},
            {"name": "later", "ok": None, "observed": "not carried out", "attempts": 0, "seconds": 0.0},
        ]
    }
    checks = classed(bots(page(found))["bot-1"], "checks")[-1]
    assert [(line.get("class"), text(line)) for line in checks] == [
        ("ok", "answers: 200, trading is false 0.25 s"),
        ("bad", "quiet: 3 errors 0.50 s, 4 attempts"),
        ("moot", "later: not carried out 0.00 s"),
    ]


def test_a_long_value_is_cut_by_the_style_only_and_is_there_in_full(tmp_path: Path) -> None:
    found = records.restored(tmp_path, 1)
    digest = "0123456789abcdef" * 8
    found["bots"][0]["steps"][-1]["proof"] = {"digest": digest, "empty": "", "none": None, "deep": {"er": 1}}
    root = bots(page(found))["bot-1"]
    (value,) = [element for element in root.iter("code") if text(element) == digest]
    assert value.get("tabindex") == "0", "so that a keyboard can open it"
    assert "2 more values" in text(root)


def test_facts_that_tell_come_first() -> None:
    proof = proof_of({"empty": "", "state": "absent", "deep": {"tag": "v1"}, "pids": [], "zero": 0, "no": False})
    assert proof.first == [("state", "absent"), ("deep.tag", "v1"), ("zero", "0"), ("no", "false")]
    assert proof.rest == [("empty", ""), ("pids", "[]")]
    assert proof_of(None).first == [] and proof_of("text").first == [("", "text")]


def test_what_was_read_before_it_was_put_back_is_not_passed_off_as_what_is(tmp_path: Path) -> None:
    found = records.restored(tmp_path, 1)
    step = next(step for step in found["bots"][0]["steps"] if step["stage"] == "revert")
    step.update(status="undone", message="put back")
    assert "read before it was put back: tag deploy-20251201-083000" in text(bots(page(found))["bot-1"])


def test_skipped_steps_are_one_line_for_each_reason(tmp_path: Path) -> None:
    shown = bots(page(records.mixed(tmp_path)))["undone"]
    (verify,) = [table for table in shown.iter("table") if text(table).startswith("verify")]
    (line,) = classed(verify, "skipped")
    assert text(line).startswith("- skipped code deploy-20251201-083000, health bad: ")
