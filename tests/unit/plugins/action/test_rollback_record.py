# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record is written whatever one bot's variables are like, by a real playbook."""

from __future__ import annotations

import json
from typing import Any

from .conftest import Controller

SAFE = {"is_safe": True, "trading": "off", "read": [{"name": "flag", "ok": True, "until_resume": False, "message": ""}]}
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
    return {"ansible.builtin.set_fact": {"halt_result": halt, "revert_result": revert}}


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
    times = [result["summary"] for result in (run.results["rb_again"], run.results["stored"])]
    assert times[0] == times[1], "a record that stands is kept"
    assert not run.results["damaged"].get("failed"), "a damaged one is written anew"
    assert json.loads((artifacts / "rb-again" / "record.json").read_text())["rollback_id"] == "rb-again"

    assert not run.results["rb_relative"].get("failed") and list(controller.root.rglob("here/rb-relative/record.json"))
    assert "use letters" in run.results["escape"]["msg"] and not (controller.root / "escape").exists()
    assert run.results["rb_bad"]["failed"]
    assert (artifacts / "latest").is_symlink() and (artifacts / "latest" / "record.json").exists()
