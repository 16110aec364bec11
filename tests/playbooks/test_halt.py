# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Halt on its worst day: what is taken out of it shows, and what is broken in it spoils nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.peers.demo import ROOT

from .conftest import Fleet

HALT = {"tn": ["stop", "config_key", "target"], "qt": ["flag", "stop", "config_key", "target"]}


@pytest.mark.parametrize(
    ("bot", "missing"), [(bot, step) for bot in ("tn", "qt") for step in HALT[bot] if step != "target"]
)
def test_a_halt_without_one_of_its_steps_is_not_safe(fleet: Fleet, bot: str, missing: str) -> None:
    """S1.3, S4.2, S4.3: nothing is called safe that was not read back."""
    name = f"{bot}-1"
    run = fleet.rollback(scope=name, halt_only=[step for step in HALT[bot] if step != missing])
    assert run.code != 0
    assert run.states() == {name: "exposed"}, run.output
    assert not any(step["stage"] != "halt" for step in run.bot(name)["steps"]), "and is not taken further"


def test_a_halt_that_read_no_target_goes_nowhere(fleet: Fleet) -> None:
    """S1.4, S1.5: without a tag there is no telling which config belongs to the code."""
    run = fleet.rollback(scope="tn-1", halt_only=["stop", "config_key"])
    assert run.code != 0 and run.states() == {"tn-1": "safe"}, run.output
    assert "the version to go back to was not read" in run.bot("tn-1")["failure"]


def test_no_version_to_go_back_to(fleet: Fleet) -> None:
    """S1.4: an error that lists the last five tags, and a bot that is safe all the same."""
    fleet.overrides["tn-1"] = {"botfleet_tag_pattern": "release-*"}
    run = fleet.rollback(scope="tn-1:tn-10", mixed_targets=True)
    assert run.code != 0 and run.states() == {"tn-1": "safe", "tn-10": "restored"}, run.output
    assert "release-*" in run.bot("tn-1")["failure"]


def test_an_undefined_path_spoils_its_own_step_only(fleet: Fleet) -> None:
    fleet.overrides["qt-1"] = {"botfleet_go_live_flag": "{{ nobody_defined_this }}/go_live.active"}
    run = fleet.rollback(scope="qt-1:qt-10")
    assert run.code != 0
    statuses = {step["id"]: step["status"] for step in run.bot("qt-1")["steps"] if step["stage"] == "halt"}
    others = {
        "marker": "changed",
        "control": "skipped",
        "stop": "changed",
        "config_key": "changed",
        "exposure": "skipped",
        "target": "unchanged",
    }
    assert statuses == {"flag": "failed", **others}
    assert "nobody_defined_this" in run.bot("qt-1")["failure"]
    assert run.states() == {"qt-1": "exposed", "qt-10": "safe"}
    assert fleet.page("qt-1") is None


def test_a_marker_that_cannot_be_written_is_named_and_the_bot_is_safe(fleet: Fleet) -> None:
    """S1.3: it spoils its own step only; a bot that no reboot would bring up again is not called restored."""
    (fleet.root / "state" / "qt-1" / "halted").mkdir(parents=True)
    run = fleet.rollback(scope="qt-1:qt-10", batch="100%")
    assert run.states() == {"qt-1": "safe", "qt-10": "restored"}, run.output
    steps = {f"{step['stage']}/{step['id']}": step for step in run.bot("qt-1")["steps"]}
    assert {steps[f"halt/{name}"]["status"] for name in ("flag", "stop", "config_key")} == {"changed"}
    for name in ("halt/marker", "verify/unmark"):
        assert steps[name]["status"] == "failed" and "is not a regular file: remove it" in steps[name]["message"]
    assert "Let it be started again, after a reboot too: " in run.bot("qt-1")["failure"]
    assert not (fleet.root / "state" / "qt-10" / "halted").exists()


def test_every_plan_marks_a_bot_before_it_stops_it_and_lets_it_go_last() -> None:
    """S1.3: nothing may start it between the two, and whatever makes it safe later marks it again."""
    plans = yaml.safe_load((ROOT / "playbooks" / "vars" / "plans.yml").read_text())["botfleet_plans"]
    roles = {
        name: yaml.safe_load((ROOT / "roles" / name / "vars" / "main.yml").read_text())
        for name in ("botfleet", "halt", "verify")
    }
    orders = {"halt": roles["halt"]["halt_steps"], "verify": roles["verify"]["verify_steps"]}
    orders["safe"] = roles["botfleet"]["botfleet_safe"]
    assert [step["id"] for step in orders["safe"] if step.get("required") is False] == ["marker"]
    for kind in [kind for plan in plans.values() for kind in plan["kinds"].values()]:
        halt, verify, safe = (
            [step["id"] for step in orders[stage] if step["id"] in kind[stage]] for stage in ("halt", "verify", "safe")
        )
        assert halt[halt.index("marker") :][:3] == ["marker", "control", "stop"]
        assert safe[-2:] == ["marker", "stopped"]
        assert verify[-1] == "unmark"


def test_a_wrong_vault_password_spoils_its_own_step_only(fleet: Fleet, tmp_path: Path) -> None:
    """S4.4: the secret cannot be read, so testnet cannot be had; the bot is safe all the same."""
    (tmp_path / "password").write_text("wrong")
    vaulted = (
        "$ANSIBLE_VAULT;1.1;AES256\n"
        "33363965326261303234613639333866646362356631643866633931623863363530393939316536\n"
        "3638643639313064326537303062376238396365316536340a656266643131623061373833326235\n"
        "35653361323232623762656238333063616133303463306434313464363334313837616639613730\n"
        "3730393664666265370a306265353062656432643435643862663432383066613134356161653462\n"
        "3732\n"
    )
    extra = tmp_path / "vaulted.yml"
    indented = vaulted.replace("\n", "\n      ").rstrip()
    extra.write_text(f"botfleet_testnet_credentials:\n  binance:\n    api_key: !vault |\n      {indented}\n")
    run = fleet.rollback("-e", f"@{extra}", "--vault-password-file", str(tmp_path / "password"), scope="qt-1")
    assert run.code != 0
    assert run.states() == {"qt-1": "safe"}, run.output
    assert "testnet_credentials" in run.bot("qt-1")["failure"]
    assert {s["status"] for s in run.bot("qt-1")["steps"] if s["stage"] == "halt"} <= {
        "changed",
        "unchanged",
        "skipped",
    }
