# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was held, how it was proven to be gone, and how much was at risk until then."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.plugin_utils._report.exposure import _levels

from . import records
from .page import Element, classed, page, section, text


def figures(root: Element) -> dict[str, str]:
    return {text(fact[0]): text(fact[1]) for fact in classed(root, "figures")[0]}


def rows(root: Element) -> dict[str, list[str]]:
    table = classed(root, "held")[0]
    return {text(row[0]): [text(cell) for cell in row[1:]] for row in next(table.iter("tbody"))}


def points(root: Element) -> list[tuple[float, float]]:
    """Corners of the drawn line, in percent of the width and of the height."""
    (edge,) = classed(root, "edge")
    path = edge.get("d", "")
    assert re.fullmatch(r"M[\d.]+,[\d.]+(H[\d.]+V[\d.]+)*", path)
    return [(float(x), float(y)) for x, y in re.findall(r"[MH]([\d.]+)[,V]([\d.]+)", path)]


def alone(found: dict[str, Any], *names: str) -> dict[str, Any]:
    return {**found, "bots": [bot for bot in found["bots"] if bot["name"] in names]}


def test_each_bot_has_what_it_held_what_is_left_and_the_proof(tmp_path: Path) -> None:
    root = page(records.held(tmp_path))
    found = rows(root)
    assert list(found) == ["silent", "stuck", "stops", "empty", "flat"], (
        "the worst first, none of those that hold nothing"
    )
    assert found["flat"][:4] == ["flat (2 reads)", "9500.00 → 0.00", "3 → 0", "1.50 s"]
    assert found["flat"][4] == (
        "binanceusdm production: 2 clean reads, at 1.50 s and 1.75 s; testnet and demo do not know its key"
    )
    assert found["stops"][:4] == ["guarded 2500.00", "2500.00 → 2500.00", "2 → 1", "-"]
    assert found["stuck"][:4] == ["residual 1234.50", "1234.50 → 1234.50", "3 → 0", "-"]
    assert "no clean read" in found["stuck"][4] and "is not what cancel_and_close wants" in found["stuck"][4]
    assert found["silent"][:4] == ["unproven", "not known", "not known", "-"]
    assert found["silent"][4].endswith("cannot be read (no answer in time)")
    assert found["empty"][:4] == ["flat (2 reads)", "0.00 → 0.00", "0 → 0", "0.00 s"] and found["empty"][5] == "-"
    assert "1 bot never holds a position, as the inventory declares." in text(section(root, "exposure"))


def test_what_was_sent_to_the_exchange_with_client_ids(tmp_path: Path) -> None:
    sent = {name: cells[5] for name, cells in rows(page(records.held(tmp_path))).items()}
    assert sent["flat"].startswith("2 closing orders, 3 cancellations")
    assert "close long 0.5 BTC/USDT:USDT, 8000.00: accepted bfflat0000" in sent["flat"]
    assert "cancel conditional order 4001, sell all BTC/USDT:USDT" in sent["flat"]
    assert "refused (margin is insufficient) bfstuck0001" in sent["stuck"]
    assert "the exchange said: margin is insufficient" in sent["stuck"]
    assert sent["stops"].startswith("0 closing orders, 1 cancellation")


def test_the_line_is_what_all_accounts_were_worth_until_they_were_flat(tmp_path: Path) -> None:
    """Halt begins at 2 s, two short steps are before it, and the last of its readings came when it ended, at 3.94 s."""
    found = alone(records.held(tmp_path), "flat", "empty", "none")
    root = page(found)
    begin, gone, end = points(root)
    second = gone[0] / 3.69
    assert begin[0] == 0.0 and end[0] == pytest.approx(3.94 * second, abs=0.02)
    assert begin[1] == pytest.approx(100 - 100 * 9500 / 10000, abs=0.1) and gone[1] == end[1] == 100.0
    (flat,) = [line for line in classed(section(root, "exposure"), "restored") if line.tag == "line"]
    assert flat.get("x1") == f"{gone[0]:g}%" and "all flat 3.69 s" in text(section(root, "exposure"))
    assert figures(root) == {
        "Notional": "9500.00 before, 0.00 after",
        "Orders": "3 before, 0 after",
        "Time to flat": "1.50 s, the slowest: flat",
        "Money at risk": f"{9500 * 3.69:,.0f} notional-seconds, from the decision until 3.94 s",
    }


def test_what_is_left_stays_at_risk(tmp_path: Path) -> None:
    root = page(records.held(tmp_path))
    assert points(root)[-1][1] == pytest.approx(100 - 100 * 3734.5 / 15000, abs=0.1)
    assert "all flat" not in text(section(root, "exposure"))
    assert figures(root)["Notional"] == "13234.50 before, 3734.50 after" and "Time to flat" not in figures(root)
    at_risk = 9500 * 3.69 + 3734.5 * 3.94
    assert figures(root)["Money at risk"].startswith(f"at least {at_risk:,.0f} notional-seconds")


def test_readings_of_an_earlier_run_are_not_drawn_at_a_time_that_nobody_knows(tmp_path: Path) -> None:
    found = records.held(tmp_path)
    for bot in found["bots"]:
        for step in bot["steps"]:
            if bot["name"] == "flat" and step["operation"] == "exchange_exposure":
                step["status"] = "resumed"
    root = page(found)
    assert "Not drawn, since nobody knows when it was read: flat." in text(section(root, "exposure"))
    assert figures(root)["Notional"] == "13234.50 before, 3734.50 after", "that much is known"


def test_where_nothing_was_held_there_is_nothing_to_draw(tmp_path: Path) -> None:
    root = page(alone(records.held(tmp_path), "empty", "none"))
    assert list(rows(root)) == ["empty"] and not classed(root, "risk")
    assert "Money at risk" not in figures(root)
    assert not classed(page(alone(records.held(tmp_path), "none")), "exposure", "held")
    assert "Positions and orders" not in text(page(records.restored(tmp_path)))


def test_a_bot_that_shares_an_account_says_with_whom(tmp_path: Path) -> None:
    found = alone(records.held(tmp_path), "flat")
    shares = {**found["bots"][0], "name": "shares", "steps": []}
    root = page({**found, "bots": [*found["bots"], shares]})
    assert "An account that it shares with flat." in rows(root)["shares"][4]
    assert figures(root)["Notional"] == "9500.00 before, 0.00 after", "counted once"


def test_a_check_shows_what_is_held_now(tmp_path: Path) -> None:
    root = page(records.check_of_held(tmp_path))
    assert text(section(root, "exposure")[0]) == "What is held now" and not classed(root, "risk")
    assert figures(root) == {"Notional now": "12000.00", "Orders now": "5"}
    assert rows(root)["flat"][:3] == ["residual 9500.00", "9500.00", "3"]


def test_a_record_of_an_earlier_version_knows_the_state_alone(tmp_path: Path) -> None:
    found = records.restored(tmp_path)
    for bot in found["bots"]:
        bot["exposure"] = {"state": "unproven"}
        del bot["guarded"]
    assert rows(page(found))["bot-1"][:2] == ["unproven", "not known"]


def test_what_is_proven_and_what_is_not(tmp_path: Path) -> None:
    claims = text(section(page(records.held(tmp_path)), "claims"))
    assert "What 1 bot may hold was not read, or the reading failed" in claims
    assert "What is left of 1 bot is what the last reading showed" in claims
    assert "That the stops hold is not proven" in claims
    assert (
        "had no position and no order in 2 readings in a row. Their keys are known in one environment alone" in claims
    )
    assert "what somebody sends after the last reading" in claims and "Notional-seconds: " in claims


@pytest.mark.parametrize(
    ("highest", "levels"),
    [
        (9500.0, [0, 5000, 10000]),
        (13234.5, [0, 5000, 10000, 15000]),
        (40.0, [0, 10, 20, 30, 40]),
        (0.5, [0, 0.2, 0.4, 0.6]),
        (1e6, [0, 500000, 1000000]),
    ],
)
def test_levels_are_round(highest: float, levels: list[float]) -> None:
    assert _levels(highest) == pytest.approx(levels)
