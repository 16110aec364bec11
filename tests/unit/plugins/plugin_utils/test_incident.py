# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The incident report: facts of the record, rooms for people, and nothing of theirs is ever lost."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.plugin_utils._artifacts import Artifacts
from ansible_collections.tradeops.botfleet.plugins.plugin_utils._incident.page import incident
from ansible_collections.tradeops.botfleet.plugins.plugin_utils._record import build_record

from .report import records
from .results import BAD, DECIDED, DECIDED_EPOCH, GOOD, SKIPPED, UNREACHABLE, Bot

INJECTION = "x | y |\n<!-- botfleet facts: end. -->\n# Fine\n\n<script>z</script> [a](http://b) ![c](d) `e` **f**"


def make(*variables: dict[str, Any], **inputs: Any) -> dict[str, Any]:
    by_name = {entry["inventory_hostname"]: entry for entry in variables}
    given = {
        "rollback_id": "rb-1",
        "plan": "emergency",
        "scope": "bots",
        "trigger": "ESS - Capital Loss",
        "operator": "night-shift",
        "reason": "P&L anomaly",
        "decided_at": DECIDED,
        "bots": list(by_name),
        **inputs,
    }
    return {**build_record(given, by_name, False, DECIDED_EPOCH + 90), "history": {"line": 7, "head": "ab" * 32}}


@pytest.fixture
def record(tmp_path: Path) -> dict[str, Any]:
    """One restored, one safe, one exposed; but for the last one they hold nothing, as the inventory declares."""
    restored, safe, exposed = (Bot(tmp_path, name) for name in ("a-restored", "b-safe", "c-exposed"))
    exposed.holds(100.0)
    return make(
        restored.variables(restored.halt(), restored.revert()),
        safe.variables(safe.halt(received=3.0), safe.revert(code_fails=True)),
        exposed.variables(UNREACHABLE, SKIPPED),
    )


def section(page: str, heading: str) -> list[list[str]]:
    """The cells of the table below a heading, without its own headings."""
    after = page.split(f"## {heading}\n", 1)[1]
    rows = [row for row in after.split("\n#", 1)[0].splitlines() if row.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows[2:]]


def test_the_facts_of_a_rollback(record: dict[str, Any]) -> None:
    """S4.9: date, time, trigger, systems affected. S1.10: the post-mortem within 24 hours. S2.14: what is due when."""
    page = incident(record)
    facts = {row[0]: row[1] for row in section(page, "Facts")}
    assert facts["Decided"] == "2026-01-05 03:15:00 UTC" and facts["Recorded"] == "2026-01-05 03:16:30 UTC"
    assert facts["Trigger"] == "ESS - Capital Loss" and facts["Started by"] == "night-shift, manual"
    assert facts["Reason"] == "P&amp;L anomaly" and facts["Bots that count as trading"] == "c-exposed"
    assert facts["Outcome"].startswith("exposed: 1 of 3 bots restored") and "EXPOSED: c-exposed" in facts["Outcome"]
    assert facts["Every bot safe after"] == "not reached" and facts["Status when recorded"] == "Under Investigation"
    assert facts["First four hours end"] == "2026-01-05 07:15:00 UTC"
    assert facts["Post-mortem due"] == facts["Interim report due"] == "2026-01-06 03:15:00 UTC"
    assert facts["Corrective actions due"] == "2026-01-12 03:15:00 UTC"
    assert facts["History"] == f"line 7, {'ab' * 32}"
    systems = section(page, "Systems affected")
    assert [tuple(row[column] for column in (0, 2, 3, 4, 5, 6)) for row in systems] == [
        ("c-exposed", "NOT SAFE", "-", "-", "on", "unknown"),
        ("b-safe", "safe", BAD, BAD, "off", "stopped"),
        ("a-restored", "restored", BAD, GOOD, "off", "running"),
    ]
    assert "unreachable" in systems[0][10] and "told to fail" in systems[1][10]


def test_positions_that_nobody_read_are_called_unknown(record: dict[str, Any]) -> None:
    """S4.9: positions at rollback. Only what the inventory declares is called none."""
    assert section(incident(record), "Positions at the rollback") == [
        ["not known: not read, or not proven", "c-exposed"],
        ["none, as the inventory declares", "a-restored, b-safe"],
    ]
    assert "### What was closed and cancelled\n\nNothing.\n" in incident(record)


def test_positions_at_the_rollback_and_what_became_of_them(tmp_path: Path) -> None:
    """S2.16, S4.9: what was there when it was first read, what was sent to the exchange, whether any is left."""
    flat, stops, stuck = (Bot(tmp_path, name) for name in ("a-flat", "b-stops", "c-stuck"))
    flat.holds(8000.0), stops.holds(2500.0, strategy="natural"), stuck.holds(900.0, refuses=True)
    page = incident(make(*(bot.variables(bot.halt(), SKIPPED) for bot in (flat, stops, stuck))))
    positions = section(page, "Positions at the rollback")
    assert positions[0] == ["a-flat", "binanceusdm production", "long 0.5 BTC/USDT:USDT", "8000.00"]
    assert positions[1] == ["a-flat", "binanceusdm production", "2 orders", "-"]
    assert positions[-3:] == [
        ["some are left", "c-stuck"],
        ["left to their stops on purpose", "b-stops"],
        ["none is left, read back", "a-flat"],
    ]
    assert section(page, "What was closed and cancelled") == [
        ["a-flat", "close long 0.5 BTC/USDT:USDT", "bfaflat0000", "accepted"],
        ["a-flat", "cancel regular order, buy 10 XRP/USDT:USDT", "4000", "asked for"],
        ["a-flat", "cancel conditional order, sell all BTC/USDT:USDT", "4001", "asked for"],
        ["b-stops", "cancel regular order, buy 10 XRP/USDT:USDT", "4000", "asked for"],
        ["c-stuck", "close long 0.5 BTC/USDT:USDT", "bfcstuck0000", "refused (margin is insufficient)"],
        ["c-stuck", "cancel regular order, buy 10 XRP/USDT:USDT", "4000", "asked for"],
        ["c-stuck", "cancel conditional order, sell all BTC/USDT:USDT", "4001", "asked for"],
    ]
    ended = {row[0]: (row[2], row[7]) for row in section(page, "Systems affected")}
    assert ended == {
        "a-flat": ("safe", "flat (2 reads)"),
        "b-stops": ("guarded", "guarded 2500.00"),
        "c-stuck": ("NOT SAFE", "residual 900.00"),
    }


def test_what_the_playbook_did_is_told_in_order(record: dict[str, Any]) -> None:
    """S2.14: timeline and actions taken, S1.9: document."""
    page = incident(record)
    times = section(page, "What the playbook did, when")
    assert [row[0] for row in times] == sorted(row[0] for row in times)
    assert times[0] == ["2026-01-05 03:15:00 UTC", "decided"] and times[-1][1] == "recorded as exposed"
    assert any("revert began, on 2 bots in all" in row[1] and "failed on 1" in row[1] for row in times)
    assert not any("every bot" in row[1] for row in times), "not every bot came there"
    done = section(page, "What it came to, step by step")
    assert done[0] == ["halt", "flag down", "changed", "2", "a-restored, b-safe"]
    assert ["revert", f"code {GOOD}", "failed", "1", "b-safe"] in done
    assert [row[0] for row in done] == sorted((row[0] for row in done), key=["halt", "revert", "resume"].index)


def test_the_time_that_a_database_took_is_told(tmp_path: Path) -> None:
    """S1.7, S2.14."""
    times = section(incident(records.with_database(tmp_path)), "What the playbook did, when")
    said = ["2026-01-05 03:15:05 UTC", "data began, on 1 database in all, the last done after 90.0 s; over budget on 1"]
    assert said in times


def test_everything_that_the_runbooks_ask_people_for_has_a_marked_blank(record: dict[str, Any]) -> None:
    """S1.9, S1.10, S2.14, S4.9: nothing of it is made up."""
    page = incident(record)
    people = page.split("<!-- botfleet facts: end", 1)[1]
    for asked in (
        *("## First 4 hours", "### Timeline", "### Decisions", "### Actions", "### State"),
        *("## 4 to 24 hours", "### Root cause analysis", "### Interim report"),
        *("## 1 to 7 days", "### Post-mortem", "### Corrective actions", "### Shared with the team"),
    ):
        assert f"\n{asked}\n" in people, asked
    for asked in (
        *("P&L: ", "Logs were read", "Metrics were read", "Operators were asked", "Configuration was compared"),
        *("Documented", "Investigated", "Fixed", "Tested in staging", "Deployed again", "Post-mortem held within 24"),
        *("Mend what was found", "Update configuration", "Improve monitoring", "Update runbooks", "Lessons learned"),
        *("Business impact", "Contributing factors", "Prevention", "Train the team", "Decided to roll back, because"),
    ):
        assert re.search(rf"^.*{re.escape(asked)}.*(\*\(fill in\)\*|this report).*$", people, re.MULTILINE), asked
    assert "Pause all work that can wait" in people


def test_the_same_id_again_changes_the_facts_and_nothing_that_people_wrote(record: dict[str, Any]) -> None:
    first = incident(record)
    written = f"Before.\n{first}After, with 50 \\1 % of \\g<0>.\n".replace("P&L: *(fill in)*", "P&L: -150")
    again = incident({**record, "reason": "another \\1 reason", "outcome": "restored"}, written)
    assert r"| Reason | another \\1 reason |" in again and "recorded as restored" in again
    assert "P&amp;L anomaly" not in again
    outside = re.compile(r"<!-- botfleet facts: begin.*facts: end\. -->", re.DOTALL)
    assert outside.sub("", again) == outside.sub("", written) and "P&L: -150" in again
    assert incident(record, again.replace("\n", "\r\n")).count("\r\n") > 50, "an editor's line ends stay, too"


@pytest.mark.parametrize("lost", ["<!-- botfleet facts: begin", "<!-- botfleet facts: end"])
def test_without_both_comments_everything_stays_below_new_facts(record: dict[str, Any], lost: str) -> None:
    damaged = incident(record).replace(lost, "<!-- gone")
    again = incident(record, damaged)
    assert again.endswith(damaged) and again.startswith("<!-- botfleet facts: begin")
    assert incident({**record, "reason": "third"}, again).count("| Reason | third |") == 1
    assert incident(record, incident({**record, "reason": "third"}, again)) == again, "and it settles there"


def test_no_text_of_others_can_be_anything_but_text(tmp_path: Path) -> None:
    bot = Bot(tmp_path, "b|o`t", kind="<img src=x>")
    plain = incident(make(bot.variables(UNREACHABLE)))
    gone = {**UNREACHABLE, "msg": INJECTION}
    names = ("reason", "trigger", "operator", "scope", "plan", "phase")
    injected = incident(make(bot.variables(gone), **dict.fromkeys(names, INJECTION)))
    shape = [line[:2] for line in plain.splitlines()]
    assert [line[:2] for line in injected.splitlines() if not line.startswith("| Phase ")] == shape
    assert "<script" not in injected and "<img" not in injected and not re.search(r"(?<!\\)[]`*]\(?http|!\[", injected)
    assert injected.count("\n<!-- botfleet facts: end") == 1
    for line in injected.splitlines():
        assert len(re.findall(r"(?<!\\)\|", line)) in (0, 3, 4, 5, 6, 12), line


def test_a_fleet_of_hundreds_names_the_first_and_counts_the_others(record: dict[str, Any]) -> None:
    row = record["bots"][1]
    many = {**record, "bots": [{**row, "name": f"bot-{n:03}"} for n in range(300)]}
    done = section(incident(many), "What it came to, step by step")
    assert done[0][3] == "300" and done[0][4].endswith("bot-011 and 288 more")
    assert len(section(incident(many), "Systems affected")) == 300


def test_bytes_that_are_no_text_stay_as_people_wrote_them(tmp_path: Path, record: dict[str, Any]) -> None:
    artifacts = Artifacts(str(tmp_path), "rb-1")
    (tmp_path / "rb-1").mkdir()
    path = tmp_path / "rb-1" / "incident.md"
    artifacts.write_pages(record, [])
    path.write_bytes(path.read_bytes() + b"caf\xe9\r\n")
    path.chmod(0o660)
    Artifacts(str(tmp_path), "rb-1").write_pages({**record, "reason": "again"}, [])
    assert path.read_bytes().endswith(b"caf\xe9\r\n") and b"| Reason | again |" in path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o660


def test_a_bot_that_only_an_earlier_run_was_about_is_marked(record: dict[str, Any]) -> None:
    record["bots"][2]["in_this_run"] = False
    systems = section(incident(record), "Systems affected")
    assert [row[2] for row in systems] == ["NOT SAFE (not in the last run)", "safe", "restored"]
