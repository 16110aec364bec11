# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the record says of a rollback, from results of the real engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.plugin_utils._barrier import barrier
from ansible_collections.tradeops.botfleet.plugins.plugin_utils._clock import decision, epoch, iso
from ansible_collections.tradeops.botfleet.plugins.plugin_utils._record import build_record

from tests.schemas import problems

from .results import BAD, DECIDED, DECIDED_EPOCH, GOOD, SKIPPED, TIMED_OUT, UNREACHABLE, Bot

NOW = DECIDED_EPOCH + 90


def record(
    variables: list[dict[str, Any]], check_mode: bool = False, standing: Any = None, **inputs: Any
) -> dict[str, Any]:
    by_name = {entry["inventory_hostname"]: entry for entry in variables}
    given = {
        "rollback_id": "rb-1",
        "plan": "emergency",
        "scope": "bots",
        "trigger": "ESS - Capital Loss",
        "reason": "P&L anomaly",
        "decided_at": DECIDED,
        "bots": list(by_name),
        "inputs": {"batch": "25%"},
        **inputs,
    }
    return build_record(given, by_name, check_mode, NOW, standing)


def row(halt: Any, revert: Any, bot: Bot, check_mode: bool = False, **variables: Any) -> dict[str, Any]:
    result: dict[str, Any] = record([bot.variables(halt, revert, **variables)], check_mode)["bots"][0]
    return result


def states(entry: dict[str, Any]) -> tuple[bool, bool, bool, str]:
    return entry["safe"], entry["restored"], entry["verified"], entry["trading"]


@pytest.fixture
def bot(tmp_path: Path) -> Bot:
    return Bot(tmp_path)


def test_a_record_has_what_the_runbook_asks_for(bot: Bot) -> None:
    """S2.16, S3.14, and the fields of the final table."""
    found = record([bot.variables(bot.halt(), bot.revert())], operator="night-shift", automatic=True)
    assert found == {
        "schema_version": 1,
        "rollback_id": "rb-1",
        "check_mode": False,
        "plan": "emergency",
        "phase": None,
        "scope": "bots",
        "trigger": "ESS - Capital Loss",
        "automatic": True,
        "operator": "night-shift",
        "reason": "P&L anomaly",
        "outcome": "restored",
        "status": "Monitoring",
        "start_time": "2026-01-05T03:15:00.000Z",
        "completion_time": "2026-01-05T03:16:30.000Z",
        "duration_minutes": 1.5,
        "time_to_safe_seconds": 2.0,
        "time_to_restored_seconds": 9.0,
        "data_loss": found["data_loss"],
        "service_impact_minutes": 0.15,
        "root_cause": None,
        "prevention_measures": [],
        "history": None,
        "inputs": {"batch": "25%"},
        "bots": found["bots"],
        "databases": [],
    }
    wanted = {"name", "kind", "safe", "restored", "verified", "trading", "exposure", "from", "to", "stages", "failure"}
    assert wanted <= set(found["bots"][0])


def test_a_restored_bot(bot: Bot) -> None:
    entry = row(bot.halt(), bot.revert(), bot)
    assert states(entry) == (True, True, True, "off")
    assert (entry["from"], entry["to"]) == (BAD, GOOD)
    assert (entry["safe_after_seconds"], entry["restored_after_seconds"], entry["failure"]) == (2.0, 9.0, None)
    assert [(stage["name"], stage["status"]) for stage in entry["stages"]] == [
        ("halt", "ok"),
        ("revert", "ok"),
        ("resume", "ok"),
        ("verify", "ok"),
    ]
    budgets = {stage["name"]: (stage["budget"], stage["over_budget"]) for stage in entry["stages"]}
    assert budgets == {"halt": (30, False), "revert": (60, False), "resume": (120, False), "verify": (0.0, True)}


def test_when_each_stage_started_by_the_controllers_clock(bot: Bot) -> None:
    halt = bot.halt(received=2.0)
    entry = row(halt, bot.revert(received=9.0), bot)
    assert entry["transactions"] == [
        {"stages": ["halt"], "sent_after_seconds": 0.0, "received_after_seconds": 2.0},
        {"stages": ["revert", "resume", "verify"], "sent_after_seconds": 0.0, "received_after_seconds": 9.0},
    ]
    assert entry["stages"][0]["started_after_seconds"] == pytest.approx(
        2.0 - halt["seconds"] + halt["stages"][0]["began"], abs=0.002
    )
    ends = [stage["started_after_seconds"] + stage["seconds"] for stage in entry["stages"]]
    assert ends == sorted(ends) and ends[0] <= 2.002 < ends[1] and ends[-1] <= 9.002, "each of them is rounded"


SAID = "the dead man's switch of rollback rb-0 fired at 2026-01-05T03:10:00Z"


def test_what_the_hosts_said_beside_the_steps(bot: Bot) -> None:
    """S2.16: that a bot was made safe by its own host, in whichever transaction it came out."""
    halt, revert = bot.halt(), bot.revert()
    assert row(halt, revert, bot)["notes"] == []
    found = row({**halt, "notes": [SAID]}, {**revert, "notes": ["slow"]}, bot)
    assert found["notes"] == [SAID, "slow"] and found["restored"]
    assert row(UNREACHABLE, SKIPPED, bot)["notes"] == []


@pytest.mark.parametrize(("holds", "state"), [(True, "unproven"), (None, "unproven"), (False, "none")])
def test_exposure_is_none_only_where_it_is_declared(bot: Bot, holds: Any, state: str) -> None:
    """What nobody reads may be anything: a bot that is only declared to hold positions is not safe."""
    entry = row(bot.halt(), bot.revert(), bot, botfleet_holds_positions=holds)
    assert entry["exposure"] == {**dict.fromkeys(entry["exposure"]), "state": state}
    assert states(entry)[:2] == (state == "none", state == "none") and entry["trading"] == "off"


def test_what_a_bot_held_and_what_is_left(tmp_path: Path) -> None:
    """S1.3, S3.5, S4.7: neither what is left nor what nobody could read is safe."""
    held = {name: Bot(tmp_path, name) for name in ("flat", "stuck", "silent")}
    held["flat"].holds(8000.0, 1500.0), held["stuck"].holds(900.0, refuses=True), held["silent"].holds(1.0, silent=True)
    found = {name: row(bot.halt(), SKIPPED, bot) for name, bot in held.items()}
    assert {name: (entry["safe"], entry["guarded"]) for name, entry in found.items()} == {
        "flat": (True, False),
        "stuck": (False, False),
        "silent": (False, False),
    }
    assert found["flat"]["exposure"] == {
        "state": "flat",
        "notional_before": 9500.0,
        "notional_after": 0,
        "orders_before": 3,
        "orders_after": 0,
        "seconds_to_flat": 1.5,
        "proof": [{"account": "binanceusdm production", "clean_at": [1.5, 1.75], "not_known_in": ["testnet", "demo"]}],
    }
    stuck, silent = found["stuck"], found["silent"]
    assert (stuck["exposure"]["state"], stuck["exposure"]["notional_after"]) == ("residual", 900.0)
    assert silent["exposure"] == {**dict.fromkeys(silent["exposure"]), "state": "unproven"}
    assert "is not what cancel_and_close wants" in stuck["failure"] and "cannot be read" in silent["failure"]
    assert stuck["trading"] == silent["trading"] == "off"


@pytest.mark.parametrize("accepted", [False, True])
def test_positions_that_are_left_to_their_stops_are_guarded_and_never_safe(bot: Bot, accepted: bool) -> None:
    """S4.7 A: such a bot goes on only when somebody has accepted it."""
    bot.holds(2500.0, strategy="natural")
    variables = bot.variables(bot.halt(), bot.revert(starts=False))
    found = record([variables], inputs={"accept_guarded": accepted})
    (entry,) = found["bots"]
    assert (entry["safe"], entry["guarded"], entry["restored"]) == (False, True, accepted)
    assert (entry["exposure"]["state"], entry["exposure"]["notional_after"]) == ("guarded", 2500.0)
    assert found["outcome"] == ("restored" if accepted else "guarded") and found["time_to_safe_seconds"] is None
    assert (entry["failure"] or "").startswith("" if accepted else "guarded: ")


@pytest.mark.parametrize("halt", [None, UNREACHABLE, TIMED_OUT, {"failed": True, "msg": "MODULE FAILURE\nsee stdout"}])
def test_a_bot_that_gave_no_answer_is_exposed(bot: Bot, halt: Any) -> None:
    entry = row(halt, SKIPPED, bot)
    assert states(entry) == (False, False, False, "on")
    assert entry["failure"] and "\n" not in entry["failure"]
    assert entry["from"] is None and entry["safe_after_seconds"] is None


def test_a_module_that_brought_no_result_is_recorded_with_its_times(bot: Bot) -> None:
    crashed = {"failed": True, "msg": "MODULE FAILURE", "controller_times": {"sent": DECIDED_EPOCH, "received": NOW}}
    entry = row(crashed, SKIPPED, bot)
    assert not entry["safe"] and entry["transactions"][0]["received_after_seconds"] == 90.0


def test_a_bot_that_could_not_be_stopped_is_exposed(bot: Bot) -> None:
    entry = row(bot.halt(stop_fails=True), SKIPPED, bot)
    assert states(entry)[:3] == (False, False, False)
    assert 'no proof of "process stopped": process is running' in entry["failure"]


@pytest.mark.parametrize("revert", [UNREACHABLE, TIMED_OUT])
def test_a_bot_that_went_away_in_its_revert_is_exposed(bot: Bot, revert: Any) -> None:
    """It may run by now, on either version; what halt read is no longer what is."""
    entry = row(bot.halt(), revert, bot)
    assert states(entry) == (False, False, False, "on") and entry["to"] is None and entry["from"] == BAD
    assert "unreachable" in entry["failure"] or "did not answer" in entry["failure"]
    assert entry["safe_after_seconds"] is None


def test_a_bot_whose_revert_failed_is_safe_where_it_was(bot: Bot) -> None:
    entry = row(bot.halt(), bot.revert(code_fails=True), bot)
    assert states(entry) == (True, False, False, "off") and (entry["from"], entry["to"]) == (BAD, BAD)
    assert "told to fail" in entry["failure"] and entry["restored_after_seconds"] is None


def test_a_bot_whose_verification_failed_is_safe_on_the_reverted_code(bot: Bot) -> None:
    entry = row(bot.halt(), bot.revert(healthy=False), bot)
    assert states(entry) == (True, False, False, "off") and entry["to"] == GOOD
    assert "health is bad" in entry["failure"]


def test_a_bot_that_was_held_at_the_barrier_says_why(bot: Bot) -> None:
    gone = Bot(bot.path.parent, "bot-2")
    variables = {"bot-1": bot.variables(bot.halt()), "bot-2": gone.variables(UNREACHABLE)}
    held = barrier(list(variables), variables)
    entry = row(variables["bot-1"]["halt_result"], SKIPPED, bot, halt_barrier=held)
    assert states(entry) == (True, False, False, "off") and entry["failure"].startswith("held at the barrier")
    assert entry["to"] == BAD


def test_a_bot_of_a_batch_that_was_not_begun(bot: Bot) -> None:
    entry = row(bot.halt(), SKIPPED, bot)
    assert states(entry) == (True, False, False, "off") and "an earlier batch failed" in entry["failure"]


def test_a_flag_that_is_up_after_the_revert_is_neither_restored_nor_safe(bot: Bot) -> None:
    """Verification passed, and then what is read last says otherwise."""
    halt, revert = bot.halt(), bot.revert()
    revert["safe"]["read"][0].update(ok=False, message="flag is up")
    revert["safe"]["trading"] = "on"
    assert states(row(halt, revert, bot)) == (False, False, False, "on")
    assert 'restored, but not safe: no proof of "flag down": flag is up' in row(halt, revert, bot)["failure"]


def test_a_bot_that_is_not_closed_is_not_restored(bot: Bot) -> None:
    entry = row(bot.halt(), bot.revert(closes=False), bot)
    assert not entry["restored"] and "not closed" in entry["failure"]


def test_a_resumed_rollback_counts_from_the_first_decision(bot: Bot) -> None:
    """The host remembers the first decision; a second run of the same id starts later and was decided then."""
    bot.halt()
    halt, revert = bot.halt(received=62.0, decided_at="2026-01-05T03:16:00Z"), bot.revert(received=70.0)
    found = record([bot.variables(halt, revert)], decided_at="2026-01-05T03:16:00Z")
    assert found["start_time"] == "2026-01-05T03:15:00.000Z"
    assert (found["time_to_safe_seconds"], found["time_to_restored_seconds"]) == (62.0, 70.0)


def test_times_of_an_earlier_run_count_from_a_decision_that_became_known_later(bot: Bot) -> None:
    """Else a second run that says that it was decided ten minutes before would keep a time-to-safe of two seconds."""
    variables = bot.variables(bot.halt(received=2.0), bot.revert(received=9.0))
    first = record([variables])
    again = record([variables], standing=first, decided_at="2026-01-05T03:05:00Z")
    assert again["start_time"] == "2026-01-05T03:05:00.000Z"
    assert (again["time_to_safe_seconds"], again["time_to_restored_seconds"]) == (602.0, 609.0)
    assert record([variables], standing=first) == first


def test_a_stored_result_is_known_since_it_was_read(bot: Bot) -> None:
    """When others of the fleet finish later, under the same id: a time that is too long, never one too short."""
    bot.halt()
    bot.revert()
    halt, revert = bot.halt(received=500.0), bot.revert(received=501.0)
    assert halt["stored"] and revert["stored"]
    entry = row(halt, revert, bot)
    assert states(entry) == (True, True, True, "off") and entry["stored"]
    assert (entry["safe_after_seconds"], entry["restored_after_seconds"]) == (500.0, 501.0)
    assert {stage["started_after_seconds"] for stage in entry["stages"]} == {None}, "nobody knows any more"


def test_a_fleet_is_what_its_worst_bot_is(tmp_path: Path) -> None:
    """Figures that not every bot reached are null."""
    restored, safe, gone = (Bot(tmp_path, f"bot-{number}") for number in (1, 2, 3))
    rows = [restored.variables(restored.halt(), restored.revert(received=9.0))]
    assert (record(rows)["outcome"], record(rows)["status"]) == ("restored", "Monitoring")
    rows.append(safe.variables(safe.halt(received=4.0), safe.revert(code_fails=True)))
    found = record(rows)
    assert (found["outcome"], found["status"]) == ("safe", "Under Investigation")
    assert (found["time_to_safe_seconds"], found["time_to_restored_seconds"]) == (4.0, None)
    assert found["service_impact_minutes"] is None
    rows.append(gone.variables(UNREACHABLE, SKIPPED))
    found = record(rows)
    assert (found["outcome"], found["time_to_safe_seconds"]) == ("exposed", None)


def fleets(root: Path) -> dict[str, dict[str, Any]]:
    """A record of each sort, by name."""
    names = (
        "held",
        "failed",
        "ill",
        "open",
        "drifted",
        "crashed",
        "checked",
        "back",
        "again",
        "flat",
        "stops",
        "stuck",
    )
    bots = {name: Bot(root, name) for name in names}
    barred = barrier(["held", "gone"], {"held": bots["held"].variables(bots["held"].halt()), "gone": {}})
    drifted = bots["drifted"].halt(), bots["drifted"].revert()
    drifted[1]["safe"]["read"][0].update(ok=False, message="flag is up")
    bots["again"].halt(), bots["again"].revert()
    bots["flat"].holds(8000.0), bots["stops"].holds(2500.0, strategy="natural"), bots["stuck"].holds(1.0, refuses=True)
    found = {
        "held": record([bots["held"].variables(bots["held"].halt(), SKIPPED, halt_barrier=barred)]),
        "failed": record([bots["failed"].variables(bots["failed"].halt(stop_fails=True), SKIPPED)]),
        "undone": record([bots["ill"].variables(bots["ill"].halt(), bots["ill"].revert(healthy=False))]),
        "open": record([bots["open"].variables(bots["open"].halt(), bots["open"].revert(code_fails=True))]),
        "drifted": record([bots["drifted"].variables(*drifted)]),
        "checked": record(
            [bots["checked"].variables(bots["checked"].halt(check_mode=True), bots["checked"].revert(check_mode=True))],
            check_mode=True,
        ),
        "restored": record([bots["back"].variables(bots["back"].halt(), bots["back"].revert())], phase="4"),
        "stored": record([bots["again"].variables(bots["again"].halt(), bots["again"].revert())]),
    }
    for name in ("flat", "stops", "stuck"):
        found[name] = record([bots[name].variables(bots[name].halt(), SKIPPED)])
    for name, result in (("none", None), ("unreachable", UNREACHABLE), ("timed out", TIMED_OUT)):
        found[name] = record([bots["crashed"].variables(result, SKIPPED, botfleet_kind=None)])
    return found


def test_records_of_all_sorts_are_what_the_schema_says(tmp_path: Path) -> None:
    found = fleets(tmp_path)
    assert {entry["outcome"] for entry in found.values()} == {"restored", "safe", "guarded", "exposed"}
    for name, entry in found.items():
        assert problems("record", json.loads(json.dumps(entry))) == [], name


@pytest.mark.parametrize(
    "change",
    [
        {"schema_version": 2},
        {"start_time": "yesterday"},
        {"surplus": 1},
        {"outcome": "fine"},
        {"history": {"line": 1, "head": "abc"}},
        {"data_loss": "none"},
    ],
)
def test_the_schema_refuses_what_a_record_never_is(bot: Bot, change: dict[str, Any]) -> None:
    found = record([bot.variables(bot.halt(), bot.revert())])
    assert problems("record", {**found, **change})
    del found["operator"]
    assert problems("record", found) == ["$: 'operator' is a required property"]


def test_a_fleet_without_bots_is_not_restored() -> None:
    assert record([])["outcome"] == "exposed"


def test_check_mode_tells_what_would_be(bot: Bot) -> None:
    """A live bot whose steps can all be planned would be restored; one whose steps cannot would not."""
    halt, revert = bot.halt(check_mode=True), bot.revert(check_mode=True)
    entry = row(halt, revert, bot, check_mode=True)
    assert (entry["safe"], entry["restored"], entry["from"], entry["to"]) == (True, True, BAD, GOOD)
    assert entry["trading"] == "on", "which is how it is"
    entry = row(bot.halt(check_mode=True, target_fails=True), SKIPPED, bot, check_mode=True)
    assert not entry["safe"] and "no tag matches" in entry["failure"]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (DECIDED, DECIDED_EPOCH),
        ("2026-01-05T03:15:00", DECIDED_EPOCH),
        ("2026-01-05T04:15:00+01:00", DECIDED_EPOCH),
        ("2026-01-05T03:15:00.250000Z", DECIDED_EPOCH + 0.25),
    ],
)
def test_times(text: str, seconds: float) -> None:
    assert epoch(text) == seconds and epoch(iso(seconds)) == seconds
    assert decision([None, {"decided_at": text}, {"decided_at": ""}], "2027-01-01T00:00:00Z") == seconds


@pytest.mark.parametrize(
    ("part", "key"), [("read", "until_resume"), ("safe", "read"), ("steps", "touched"), ("stages", "budget")]
)
@pytest.mark.parametrize("stage", ["halt", "revert"])
def test_a_result_of_another_shape_costs_only_its_own_bot(tmp_path: Path, stage: str, part: str, key: str) -> None:
    """As an older version may have stored it: nobody can say what it proves."""
    good, old = Bot(tmp_path, "good"), Bot(tmp_path, "old")
    told = {"halt": old.halt(), "revert": old.revert()}
    parts = {**told[stage], "read": told[stage]["safe"]["read"]}
    del (parts["safe"] if part == "safe" else parts[part][0])[key]
    variables = [good.variables(good.halt(), good.revert()), old.variables(**told)]
    found = record(variables)
    assert [states(entry)[:3] for entry in found["bots"]] == [(True, True, True), (False, False, False)]
    assert found["outcome"] == "exposed" and found["bots"][1]["failure"].startswith("did not answer: its result has no")
    assert key in found["bots"][1]["failure"] and problems("record", json.loads(json.dumps(found))) == []
    by_name = {entry["inventory_hostname"]: entry for entry in variables}
    assert barrier(["good", "old"], by_name)["unsafe"] == (["old"] if stage == "halt" else [])


def test_a_clock_that_was_set_back_gives_no_figure_below_zero(bot: Bot) -> None:
    found = record([bot.variables(bot.halt(received=-5.0), bot.revert(received=-1.0))])
    assert (found["time_to_safe_seconds"], found["time_to_restored_seconds"]) == (0.0, 0.0)
    entry = found["bots"][0]
    assert [sent["received_after_seconds"] for sent in entry["transactions"]] == [0.0, 0.0]
    assert min(stage["started_after_seconds"] for stage in entry["stages"]) == 0.0
    assert problems("record", json.loads(json.dumps(found))) == []


@pytest.mark.parametrize("received", [float("nan"), float("inf")])
def test_what_is_no_number_is_no_figure(bot: Bot, received: float) -> None:
    halt, revert = bot.halt(received=received), bot.revert()
    found = record([bot.variables(halt, revert)])
    assert found["time_to_safe_seconds"] is None and found["time_to_restored_seconds"] == 9.0
    assert len(found["bots"][0]["transactions"]) == 1 and problems("record", found) == []
    json.dumps(found, allow_nan=False)


def test_a_narrower_run_of_the_same_id_keeps_the_other_bots(tmp_path: Path) -> None:
    """Else one of two bots exposed would become restored, one of one."""
    good, gone = Bot(tmp_path, "good"), Bot(tmp_path, "gone")
    restored = good.variables(good.halt(received=2.0), good.revert(received=9.0))
    first = record([gone.variables(UNREACHABLE, SKIPPED), restored])
    assert [entry["in_this_run"] for entry in first["bots"]] == [True, True]
    again = record([restored], standing=first, scope="good")
    assert again["scope"] == "good" and again["bots"] == [first["bots"][1], {**first["bots"][0], "in_this_run": False}]
    assert (again["outcome"], again["status"]) == ("exposed", "Under Investigation")
    assert again["time_to_safe_seconds"] is None and again["time_to_restored_seconds"] is None
    assert problems("record", json.loads(json.dumps(again))) == []

    back = gone.variables(gone.halt(received=60.0), gone.revert(received=70.0))
    completed = record([back], standing=again, decided_at="2026-01-05T03:14:00Z")
    assert [(entry["name"], entry["in_this_run"]) for entry in completed["bots"]] == [("gone", True), ("good", False)]
    assert (completed["outcome"], completed["time_to_safe_seconds"]) == ("restored", 120.0)
    assert completed["bots"][1]["safe_after_seconds"] == 62.0, "counted from the decision that became known later"
    assert [entry["in_this_run"] for entry in record([back, restored], standing=completed)["bots"]] == [True, True]


def test_what_an_earlier_record_does_not_say_of_a_bot_outside_the_run_is_not_known(tmp_path: Path) -> None:
    good, other = Bot(tmp_path, "good"), Bot(tmp_path, "other")
    variables = [bot.variables(bot.halt(), bot.revert()) for bot in (good, other)]
    first = record(variables)
    del first["bots"][1]["exposure"], first["bots"][1]["in_this_run"]
    again = record(variables[:1], standing=first)
    unproven = {**dict.fromkeys(again["bots"][0]["exposure"]), "state": "unproven"}
    assert again["outcome"] == "restored" and again["bots"][1]["exposure"] == unproven
    assert problems("record", json.loads(json.dumps(again))) == []


def test_the_tag_that_was_read_last(bot: Bot) -> None:
    """Never the target just because the bot is restored."""
    halt, revert = bot.halt(), bot.revert()
    steps = {step["id"]: step for step in revert["steps"]}

    def without(*names: str) -> dict[str, Any]:
        return {**revert, "steps": [step for step in revert["steps"] if step["id"] not in names]}

    assert row(halt, without("version"), bot)["to"] == GOOD, "read when it was checked out"
    moved_by_nobody = row(halt, without("version", "code"), bot)
    assert moved_by_nobody["restored"] and moved_by_nobody["to"] == BAD, "as go_live: halt read it last"
    for step in (steps["version"], steps["code"]):
        step["proof"] = step["after"] = {"tag": None}
    assert row(halt, revert, bot)["to"] is None, "it is on a commit without a tag"


def test_the_tag_of_a_bot_that_an_earlier_run_moved(bot: Bot) -> None:
    """Halt keeps what it read in the first run: what moved since is what the record of that run says."""
    first = record([bot.variables(bot.halt(), bot.revert(healthy=False))])
    held = bot.variables(bot.halt(), SKIPPED)
    assert first["bots"][0]["to"] == GOOD
    assert record([held], standing=first)["bots"][0]["to"] == GOOD
    assert record([held])["bots"][0]["to"] is None


def test_the_tag_of_a_bot_whose_version_is_not_proven(bot: Bot) -> None:
    halt, revert = bot.halt(), bot.revert(healthy=False)
    version = next(step for step in revert["steps"] if step["id"] == "version")
    version.update(status="failed", proof=None, after=None, message="another tag is checked out")
    assert row(halt, revert, bot)["to"] is None


def test_whether_the_process_runs_as_it_was_read_last(tmp_path: Path) -> None:
    """A bot that trades as soon as it runs ends restored and stopped."""
    back, stays, failed, held, stuck, gone, went, checked = (Bot(tmp_path, f"bot-{number}") for number in range(8))
    unread = stuck.halt(stop_fails=True)
    for reading in unread["safe"]["read"]:
        reading["observed"] = None
    told = {
        "running": row(back.halt(), back.revert(), back),
        "stopped": row(stays.halt(), stays.revert(starts=False), stays),
        "stopped again": row(failed.halt(), failed.revert(healthy=False), failed),
        "held": row(held.halt(), SKIPPED, held),
        "not stopped": row(stuck.halt(stop_fails=True), SKIPPED, stuck),
        "not read": row(unread, SKIPPED, stuck),
        "gone": row(UNREACHABLE, SKIPPED, gone),
        "went": row(went.halt(), TIMED_OUT, went),
        "checked": row(checked.halt(check_mode=True), checked.revert(check_mode=True), checked, check_mode=True),
    }
    assert told["stopped"]["restored"] and told["running"]["restored"]
    assert {name: entry["process"] for name, entry in told.items()} == {
        "running": "running",
        "stopped": "stopped",
        "stopped again": "stopped",
        "held": "stopped",
        "not stopped": "running",
        "not read": "unknown",
        "gone": "unknown",
        "went": "unknown",
        "checked": "running",
    }
