# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record is written whatever one bot's variables are like, by a real playbook."""

from __future__ import annotations

import json
from typing import Any

from tests.schemas import problems

from .conftest import Controller

FLAG = {"id": "flag", "name": "flag", "operation": "go_live_flag", "observed": {"state": "absent"}}
SAFE = {"is_safe": True, "trading": "off", "read": [{**FLAG, "ok": True, "until_resume": False, "message": ""}]}
STAGE = {"name": "halt", "status": "ok", "seconds": 1.0, "budget": 30.0, "over_budget": False, "message": ""}
ANSWER = {"steps": [], "stages": [], "safe": SAFE, "failed": False, "decided_at": "", "stored": True, "closed": True}


def write(name: str, register: str = "", **options: Any) -> dict[str, Any]:
    arguments = {
        "rollback_id": name,
        "artifacts_dir": "{{ root }}/artifacts",
        "plan": "emergency",
        "scope": "bots",
        "reason": "P&L anomaly",
        "decided_at": "2026-01-05T03:15:00Z",
        "bots": ["bot-1"],
        **options.pop("arguments", {}),
    }
    return {"tradeops.botfleet.rollback_record": arguments, "register": register or name.replace("-", "_"), **options}


def results(halt: Any, revert: Any) -> dict[str, Any]:
    facts = {"halt_result": halt, "revert_result": revert, "botfleet_holds_positions": False}
    return {"ansible.builtin.set_fact": facts}


def test_records_of_all_sorts(controller: Controller) -> None:
    artifacts = controller.root / "artifacts"
    run = controller.play(
        [
            write("rb-first"),
            write("rb-checked", check_mode=True),
            results(ANSWER, {**ANSWER, "stored": False}),
            write("rb-again"),
            results(ANSWER, ANSWER),
            write("rb-again", "stored"),
            {"ansible.builtin.copy": {"dest": str(artifacts / "rb-again" / "record.json"), "content": "{"}},
            write("rb-again", "damaged"),
            write("rb-relative", arguments={"artifacts_dir": "here"}),
            write("../escape", "escape"),
            write("rb-bad", arguments={"bots": None}),
        ],
        botfleet_kind="{{ nowhere }}",
    )
    first = json.loads((artifacts / "rb-first" / "record.json").read_text())
    assert first["outcome"] == "exposed" and first["bots"][0]["kind"] is None, run.output
    assert not run.results["rb_first"]["as_planned"] and "EXPOSED: bot-1" in run.results["rb_first"]["verdict"]
    assert (artifacts / "rb-first" / "summary.txt").read_text().splitlines() == run.results["rb_first"]["summary"]

    checked = json.loads((artifacts / "rb-checked-check" / "record.json").read_text())
    assert checked["check_mode"] and not (artifacts / "rb-checked").exists()

    assert run.results["rb_again"]["as_planned"] and run.results["stored"]["as_planned"]
    first_run, stored = run.results["rb_again"], run.results["stored"]
    assert stored["stored"] and not first_run["stored"] and first_run["notices"] == []
    (notice,) = stored["notices"]
    assert notice.startswith("STORED RESULT: ") and "; recorded 2" in notice
    assert stored["summary"] == [notice, *first_run["summary"], notice], "a record that stands is kept"
    assert not run.results["damaged"].get("failed"), "a damaged one is written anew"
    assert json.loads((artifacts / "rb-again" / "record.json").read_text())["rollback_id"] == "rb-again"

    assert not run.results["rb_relative"].get("failed") and list(controller.root.rglob("here/rb-relative/record.json"))
    assert "use letters" in run.results["escape"]["msg"] and not (controller.root / "escape").exists()
    assert run.results["rb_bad"]["failed"]
    assert (artifacts / "latest").is_symlink() and (artifacts / "latest" / "record.json").exists()

    lines = [json.loads(line) for line in (artifacts / "history.jsonl").read_text().splitlines()]
    assert [line["rollback_id"] for line in lines] == ["rb-first", "rb-again", "rb-again"], (
        "one for each run, none for check mode, none for a run that only returned what was stored"
    )
    assert run.results["rb_checked"]["history"] is None and run.results["rb_checked"]["incident"] is None
    assert run.results["rb_first"]["history"] == str(artifacts / "history.jsonl")
    assert run.results["rb_first"]["incident"] == str(artifacts / "rb-first" / "incident.md")
    assert (artifacts / "rb-first" / "incident.md").exists()
    for name, directory in (("rb_first", "rb-first"), ("rb_checked", "rb-checked-check")):
        report = artifacts / directory / "report.html"
        assert run.results[name]["report"] == str(report) and "bot-1" in report.read_text()
    assert not (artifacts / "rb-checked-check" / "incident.md").exists()
    for record in (first, checked):
        assert problems("record", record) == [] and "@" in record["operator"] and not record["automatic"]


def test_a_record_of_an_earlier_run_does_not_stand(controller: Controller) -> None:
    """The run that completed the rollback died before it wrote its record: the next one must not show the old."""
    artifacts = controller.root / "artifacts"
    run = controller.play(
        [
            results(ANSWER, {"failed": True, "msg": "died", "unreachable": True}),
            write("rb-1", "first"),
            results(ANSWER, ANSWER),
            write("rb-1", "completed"),
            write("rb-1", "stored", arguments={"operator": "somebody else"}),
        ]
    )
    assert [run.results[name]["outcome"] for name in ("first", "completed", "stored")] == [
        "exposed",
        "restored",
        "restored",
    ], run.output
    assert json.loads((artifacts / "rb-1" / "record.json").read_text())["operator"] != "somebody else"
    assert len((artifacts / "history.jsonl").read_text().splitlines()) == 2


def test_a_stored_result_of_another_plan_is_no_success(controller: Controller) -> None:
    """What was proven of an emergency proves nothing of a go_live."""
    artifacts = controller.root / "artifacts"
    run = controller.play(
        [
            results(ANSWER, {**ANSWER, "stored": False}),
            write("mine-1", "first"),
            results(ANSWER, ANSWER),
            write("mine-1", "other", arguments={"plan": "go_live"}),
        ]
    )
    other, sentence = (
        run.results["other"],
        ("rollback mine-1 is of the plan emergency: leave rollback_id out for a rollback of the plan go_live"),
    )
    assert run.results["first"]["as_planned"] and not other["as_planned"] and other["verdict"] == sentence, run.output
    assert other["summary"][1] == other["summary"][-1] == other["notices"][1] == sentence
    assert json.loads((artifacts / "mine-1" / "record.json").read_text())["plan"] == "emergency"
    assert sentence not in (artifacts / "mine-1" / "summary.txt").read_text()
    assert len((artifacts / "history.jsonl").read_text().splitlines()) == 1


def test_nothing_that_cannot_be_written_loses_the_record(controller: Controller) -> None:
    """S2.16: a page is a warning; without the record the task fails, and still says how it went."""
    artifacts = controller.root / "artifacts"
    for name in ("incident.md", "report.html", "summary.txt"):
        (artifacts / "rb-1" / name / "in-the-way").mkdir(parents=True)
    (artifacts / "latest").mkdir()
    (artifacts / "history.jsonl").mkdir()
    (artifacts / "rb-2").write_text("in the way")
    run = controller.play(
        [results(ANSWER, {**ANSWER, "stored": False}), write("rb-1", "pages"), write("rb-2", "record")],
    )
    assert not list(artifacts.glob(".latest.*"))
    pages = run.results["pages"]
    assert not pages.get("failed") and pages["as_planned"], run.output
    record = json.loads((artifacts / "rb-1" / "record.json").read_text())
    assert record["outcome"] == "restored" and record["history"] is None and problems("record", record) == []
    lost = ["history.jsonl", "rb-1/summary.txt", "rb-1/report.html", "rb-1/incident.md", "latest"]
    assert pages["not_written"] == [str(artifacts / name) for name in lost]
    assert pages["incident"] is None and pages["report"] is None and pages["history"] is None
    assert len(pages["warnings"]) == len(lost) and all(
        "could not be written" in warning for warning in pages["warnings"]
    )
    assert "in-the-way" in [path.name for path in (artifacts / "rb-1" / "incident.md").iterdir()]

    failed = run.results["record"]
    assert failed["failed"] and failed["summary"] and failed["as_planned"]
    assert failed["summary"][-1].split() == ["record", "NOT", "WRITTEN"]
    assert "the record could not be written" in failed["msg"] and "run the same id again; 1 of 1" in failed["msg"]


def test_nothing_that_is_odd_in_the_inputs_or_in_an_earlier_record_loses_the_record(controller: Controller) -> None:
    path = controller.root / "artifacts" / "rb-1" / "record.json"
    damaged = {"rollback_id": "rb-1", "start_time": "2026-01-05T03:15:00Z", "bots": [{"name": "bot-1", "stages": [{}]}]}
    day = "{{ '2026-01-05' | to_datetime('%Y-%m-%d') }}"  # what YAML makes of a tag like a date
    run = controller.play(
        [
            results({**ANSWER, "stages": [STAGE]}, {**ANSWER, "stored": False}),
            write("rb-1", "dated", arguments={"inputs": {"target": day}}),
            {"ansible.builtin.copy": {"dest": str(path), "content": json.dumps(damaged)}},
            write("rb-1", "after_damage"),
        ]
    )
    assert [run.results[name]["outcome"] for name in ("dated", "after_damage")] == ["restored"] * 2, run.output
    assert "warnings" not in run.results["dated"]
    (warning,) = run.results["after_damage"]["warnings"]
    assert "is damaged, its times are lost" in warning
    assert problems("record", json.loads(path.read_text())) == []


def test_a_narrower_run_of_the_same_id_forgets_no_bot(controller: Controller) -> None:
    """One of two exposed is not restored, one of one, because the other one was run again alone."""
    gone = {"failed": True, "msg": "died", "unreachable": True}
    reverted = {**ANSWER, "stored": False}
    both = {"bots": ["bot-1", "bot-2"]}
    run = controller.play(
        [
            results(gone, {}),
            {"ansible.builtin.add_host": {"name": "bot-2", "halt_result": ANSWER, "revert_result": reverted}},
            write("rb-1", "both", arguments=both),
            write("rb-1", "narrower", arguments={"bots": ["bot-2"], "scope": "bot-2"}),
            results(ANSWER, reverted),
            write("rb-1", "completed"),
        ]
    )
    told = [(run.results[name]["outcome"], run.results[name]["as_planned"]) for name in ("both", "narrower")]
    assert told == [("exposed", False)] * 2 and "EXPOSED: bot-1" in run.results["narrower"]["verdict"], run.output
    assert run.results["completed"]["as_planned"] and "2 of 2 bots restored" in run.results["completed"]["verdict"]
    record = json.loads((controller.root / "artifacts" / "rb-1" / "record.json").read_text())
    assert [(bot["name"], bot["in_this_run"]) for bot in record["bots"]] == [("bot-1", True), ("bot-2", False)]
    assert problems("record", record) == []
