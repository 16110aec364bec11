# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Orders and positions in a rollback (S1.3, S3.5, S4.7), held against the books of the emulated exchanges."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .conftest import Fleet, Run
from .test_arm import Armed

TRADERS = "quantum_trader:&demo_here"


@pytest.fixture
def fleet(fleet: Fleet) -> Fleet:
    """Deadlines are short, since some accounts never answer."""
    fleet.of_all.clear()
    for bot in fleet.names("quantum_trader"):
        fleet.overrides[bot] = {"botfleet_exposure": [{**entry, "deadline": 20} for entry in entries(fleet, bot)]}
    return fleet


def entries(fleet: Fleet, bot: str, *exchanges: str) -> list[dict[str, Any]]:
    """As the demo's inventory has them."""
    venues = {"binance": "binanceusdm", "bybit": "bybit", "okx": "okx"}
    urls = {name: url + ("" if name == "okx" else "/{environment}") for name, url in fleet.exchanges().items()}
    return [
        {
            "exchange": venue,
            "credentials_path": str(fleet.path(bot) / "config" / "exchange.yaml"),
            "credentials_key": f"exchanges.{name}.{{field}}",
            "name_in_config": name,
            "base_url": urls[name],
        }
        for name, venue in venues.items()
        if not exchanges or name in exchanges
    ]


def held(fleet: Fleet, bot: str) -> tuple[int, int]:
    """How many positions and orders the exchanges have of it; none of them saw what would grow a position."""
    books = fleet.books(bot).values()
    assert not any(book["violations"] for book in books)
    return sum(len(book["positions"]) for book in books), sum(len(book["orders"]) for book in books)


def steps(run: Run, bot: str, stage: str = "halt", operation: str = "exchange_exposure") -> list[dict[str, Any]]:
    return [step for step in run.bot(bot)["steps"] if (step["stage"], step["operation"]) == (stage, operation)]


def production(fleet: Fleet, bot: str) -> bool:
    """Whether its config still opens real accounts."""
    return "CANARY-prod" in (fleet.path(bot) / "config" / "exchange.yaml").read_text()


def test_positions_are_closed_while_the_bots_halt(fleet: Fleet) -> None:
    """S1.3, S3.5, S4.7 C: by the exchanges' own books, with the bot stopped first, and without another order sent."""
    before = held(fleet, "qt-1")
    assert before == (6, 18)
    run = fleet.rollback()
    assert run.code == 0, run.output
    assert set(run.states().values()) == {"restored"}
    for bot in ("qt-1", "qt-10"):
        assert held(fleet, bot) == (0, 0)
        exposure = run.bot(bot)["exposure"]
        assert exposure["state"] == "flat" and exposure["notional_before"] > 1000 and exposure["notional_after"] == 0
        assert (exposure["orders_before"], exposure["orders_after"]) == (18, 0)
        assert exposure["seconds_to_flat"] > 0
        assert [len(proof["clean_at"]) for proof in exposure["proof"]] == [2, 2, 2]
        order = [step["id"] for step in run.bot(bot)["steps"] if step["stage"] == "halt"]
        assert order.index("stop") < order.index("exposure") < order.index("target")
        (testnet,) = steps(run, bot, "revert", "exchange_testnet")
        assert [account["state"] for account in testnet["change"]["accounts"]] == ["flat"] * 3
        assert len(testnet["proof"]["accounts"]) == 3, "and where the new credentials lead"
        assert not production(fleet, bot)
    assert run.bot("tn-1")["exposure"]["state"] == "none", "so says the inventory"
    said = "\n".join(path.read_text() for path in fleet.artifacts.rglob("*") if path.is_file()) + run.output
    journals = "\n".join(path.read_text() for path in (fleet.root / "state").rglob("journal.jsonl"))
    for secret in ("CANARY", "signature="):
        assert secret not in said and secret not in journals


def test_a_check_shows_the_orders_and_sends_none(fleet: Fleet) -> None:
    run = fleet.rollback("--check", "--diff", scope=TRADERS)
    assert run.code == 0, run.output
    assert held(fleet, "qt-1") == (6, 18)
    assert run.bot("qt-1")["exposure"]["state"] == "residual"
    assert "close long 0.040 BTC/USDT:USDT" in steps(run, "qt-1")[0]["message"]
    assert "-long 0.040 BTC/USDT:USDT" in run.output


def test_positions_left_to_their_stops_keep_the_keys_that_close_them(fleet: Fleet) -> None:
    """S4.7 A: guarded is not safe; on demand it goes back all the same, and stays stopped; B brings it home."""
    run = fleet.rollback(scope="qt-1", plan="go_live", positions="natural")
    assert run.code == 2 and run.record["outcome"] == "guarded"
    row = run.bot("qt-1")
    assert (row["safe"], row["guarded"], row["restored"]) == (False, True, False)
    assert "guarded: 6 positions of 12900.00 left to their stops" in row["failure"]
    assert held(fleet, "qt-1") == (6, 12), "entries are cancelled, stops are not"
    assert production(fleet, "qt-1")

    accepted = fleet.rollback(
        scope="qt-1", plan="go_live", positions="natural", accept_guarded=True, rollback_id=run.record["rollback_id"]
    )
    assert accepted.code == 0, accepted.output
    row = accepted.bot("qt-1")
    assert (row["safe"], row["guarded"], row["restored"], row["process"]) == (False, True, True, "stopped")
    assert held(fleet, "qt-1") == (6, 12) and production(fleet, "qt-1") and fleet.page("qt-1") is None

    closed = fleet.rollback(scope="qt-1", plan="go_live", positions="close")
    assert closed.code == 0, closed.output
    row = closed.bot("qt-1")
    assert (row["safe"], row["guarded"], row["exposure"]["state"], row["process"]) == (True, False, "flat", "running")
    positions, orders = held(fleet, "qt-1")
    assert positions == 0 and 0 < orders <= 12, "stops are the exchange's"
    assert not production(fleet, "qt-1")


def test_an_exchange_that_does_not_answer_leaves_its_bots_exposed(fleet: Fleet) -> None:
    """S1.3, S3.5: the rest of halt is done, the keys stay, and the same id completes it."""
    for bot in ("qt-1", "qt-10"):
        nowhere = {"base_url": "http://127.0.0.1:9/{environment}", "deadline": 2}
        dead = [{**it, **nowhere} for it in entries(fleet, bot, "bybit")]
        fleet.overrides[bot] = {"botfleet_exposure": entries(fleet, bot, "binance") + dead}
    run = fleet.rollback(scope=TRADERS)
    assert run.code == 2 and run.record["outcome"] == "exposed"
    row = run.bot("qt-1")
    assert not row["safe"] and row["exposure"]["state"] == "unproven"
    assert (row["process"], row["trading"]) == ("stopped", "off")
    assert "bybit" in row["failure"] and "is safe" not in run.output
    statuses = {step["id"]: step["status"] for step in row["steps"] if step["stage"] == "halt"}
    assert [statuses[name] for name in ("exposure", "exposure-2", "target")] == ["changed", "failed", "unchanged"]
    assert not fleet.books("qt-1")["binance"]["positions"] and fleet.books("qt-1")["bybit"]["positions"]
    assert production(fleet, "qt-1")
    fleet.overrides.clear()
    again = fleet.rollback(scope=TRADERS, rollback_id=run.record["rollback_id"])
    assert again.code == 0, again.output
    assert held(fleet, "qt-1") == held(fleet, "qt-10") == (0, 0)


def share(fleet: Fleet, account: str = "desk", **more: Any) -> None:
    """All quantum traders trade with the accounts of qt-1."""
    kept = str(fleet.root / "state" / "qt-1" / "production-credentials.json")
    own = [{**it, "deadline": 20, "replaced_path": kept} for it in entries(fleet, "qt-1", "binance", "bybit")]
    for bot in fleet.names("quantum_trader"):
        fleet.overrides[bot] = {
            "botfleet_exposure": own,
            "botfleet_account": account,
            "botfleet_account_exclusive": False,
            **more,
        }


def test_an_account_that_bots_share_is_made_flat_once_when_all_of_them_have_stopped(fleet: Fleet) -> None:
    """S1.3, S4.7: its proof is that of both."""
    share(fleet)
    run = fleet.rollback(scope=TRADERS)
    assert run.code == 0, run.output
    books = fleet.books("qt-1")
    assert not books["binance"]["positions"] and not books["bybit"]["orders"] and books["okx"]["positions"]
    first, second = (run.bot(bot)["exposure"] for bot in ("qt-1", "qt-10"))
    assert first == second and first["state"] == "flat" and len(first["proof"]) == 2
    assert steps(run, "qt-1") == [] or all(step["status"] == "skipped" for step in steps(run, "qt-1"))
    journal = fleet.journal("account-desk", run.record["rollback_id"])
    assert [line["event"] for line in journal].count("begin") == 2, "an account each, once"
    stopped = [line for line in fleet.journal("qt-10", run.record["rollback_id"]) if line.get("step") == "halt/stop"]
    assert stopped[-1]["at"] <= journal[0]["at"]


def test_s2_3_on_a_good_day_a_shared_account_is_read_once_and_for_all_of_them(fleet: Fleet) -> None:
    share(fleet)
    before = held(fleet, "qt-1")
    report = Armed(fleet, "--check", scope=TRADERS)
    said = "binanceusdm production can be read; bybit production can be read"
    assert report.point("qt-1", "accounts") == report.point("qt-10", "accounts") == (True, said)
    read = report.output.partition("Read its accounts")[2].partition("TASK")[0]
    assert "ok: [qt-1]" in read and "skipping: [qt-10]" in read, read
    assert held(fleet, "qt-1") == before


def test_s2_3_credentials_of_another_environment_are_found_on_a_good_day(fleet: Fleet) -> None:
    fleet.overrides["qt-10"] = {"botfleet_exposure": [{**entries(fleet, "qt-10", "okx")[0], "environment": "demo"}]}
    ok, said = Armed(fleet, "--check", scope="qt-10").point("qt-10", "accounts")
    assert not ok and "the credentials of okx are not of demo, they are of production" in said


def test_a_neighbour_outside_the_scope_is_not_closed_along(fleet: Fleet) -> None:
    share(fleet)
    before = held(fleet, "qt-1")
    run = fleet.rollback(scope="qt-1")
    assert run.code == 2 and held(fleet, "qt-1") == before
    assert "qt-10 outside the scope share the account desk" in run.bot("qt-1")["failure"]
    assert (fleet.page("qt-10") or {}).get("trading")


def test_a_neighbour_of_which_nobody_knows_the_account_is_not_closed_along(fleet: Fleet) -> None:
    share(fleet)
    fleet.overrides["qt-10"] = {"botfleet_account": "{{ nobody_says }}"}
    before = held(fleet, "qt-1")
    run = fleet.rollback(scope="qt-1")
    assert run.code == 2 and held(fleet, "qt-1") == before
    assert "botfleet_account of qt-10 cannot be templated" in run.bot("qt-1")["failure"]


def test_bots_that_say_different_things_of_their_account_are_both_exposed(fleet: Fleet) -> None:
    """What is closed is what one of them says: the other's positions would be left, and called flat."""
    share(fleet)
    first, before = fleet.overrides["qt-1"]["botfleet_exposure"][0], held(fleet, "qt-1")
    for bot, coin in ("qt-1", "BTC"), ("qt-10", "ETH"):
        fleet.overrides[bot]["botfleet_exposure"] = [{**first, "symbols": [f"{coin}/USDT:USDT"]}]
    run = fleet.rollback(scope=TRADERS)
    assert run.code == 2 and held(fleet, "qt-1") == before
    for bot in ("qt-1", "qt-10"):
        row = run.bot(bot)
        assert (row["safe"], row["process"], row["exposure"]["state"]) == (False, "stopped", "unproven")
        assert "qt-1 and qt-10 say different things of the account desk (botfleet_exposure)" in row["failure"]


def test_a_slice_of_a_job_flattens_only_what_is_exclusive(fleet: Fleet) -> None:
    """AWX says so by the names alone: the job that holds the slices is called like the template."""
    share(fleet)
    before = held(fleet, "qt-1")
    of_awx: dict[str, Any] = {"awx_job_template_name": "night", "awx_workflow_job_name": "night"}
    run = fleet.rollback(scope=TRADERS, **of_awx)
    assert run.code == 2 and held(fleet, "qt-1") == before
    assert "this job is a slice" in run.bot("qt-1")["failure"] and run.record["inputs"]["sliced"]
    assert (run.bot("qt-10")["process"], run.bot("qt-10")["trading"]) == ("stopped", "off")
    whole = fleet.rollback(scope=TRADERS, rollback_id=run.record["rollback_id"], sliced=False, **of_awx)
    assert whole.code == 0, whole.output
    assert not fleet.books("qt-1")["binance"]["positions"] and not fleet.books("qt-1")["bybit"]["positions"]


def test_a_bot_whose_host_is_gone_is_made_flat_from_the_controller(fleet: Fleet) -> None:
    """Its process is unknown, so it stays exposed."""
    gone = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 9}
    share(fleet, botfleet_exposure_from="controller")
    fleet.overrides["qt-1"] |= gone
    run = fleet.rollback(scope=TRADERS, max_unsafe=1)
    assert run.code == 2
    row = run.bot("qt-1")
    assert (row["safe"], row["exposure"]["state"]) == (False, "flat") and "unreachable" in row["failure"]
    assert not fleet.books("qt-1")["binance"]["positions"]
    assert run.bot("qt-10")["restored"]
    kept = Path(fleet.work, "ansible", "botfleet", "accounts", "account-desk")
    assert (kept / "open").read_text() == run.record["rollback_id"]


def test_credentials_of_production_are_not_given_to_a_bot_that_goes_to_testnet(fleet: Fleet) -> None:
    """S4.4: the controller shows whose they are, since its host may not ask; the bot waits, safe."""
    share(fleet, botfleet_exposure_from="controller")
    wrong = {f"api_{word}": f"CANARY-prod-binance-{word}-qt-1" for word in ("key", "secret")}
    fleet.overrides["qt-10"]["botfleet_testnet_credentials"] = {"binance": wrong}
    run = fleet.rollback(scope=TRADERS)
    assert run.code == 2 and run.states() == {"qt-1": "restored", "qt-10": "safe"}
    assert "its botfleet_testnet_credentials are not proven to be a testnet's: " in run.bot("qt-10")["failure"]
    assert "are not of testnet, they are of production" in run.bot("qt-10")["failure"]
    assert production(fleet, "qt-10") and not production(fleet, "qt-1")
    assert "CANARY" not in run.output
