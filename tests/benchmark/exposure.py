# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure how long it takes until an account is flat: ``make bench-exposure``.

exchange_exposure and a plain script with ccxt (ways/flatten.py) in turns, each a process of its own, on an emulated
Binance whose answers take 50 ms; then a rollback of 20 bots with three accounts each. Raw figures go to
docs/benchmarks/exposure.json, tables into docs/benchmarks.md.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Any

import ccxt

from tests.peers.demo import INVENTORY, DemoFleet
from tests.peers.exchange.binanceusdm import BinanceUsdm
from tests.peers.exchange.binanceusdm_forms import MARKETS
from tests.peers.exchange.books import SELL, Account, Market
from tests.peers.exchange.server import Exchange, Key, serving

from .report import DOCS, write_between

ROOT = Path(__file__).resolve().parents[2]
PLAIN = Path(__file__).resolve().parent / "ways" / "flatten.py"
BEGIN = "<!-- begin: made by make bench-exposure -->\n"
RAW = DOCS / "benchmarks" / "exposure.json"
COUNTS, ROUNDS = (1, 10, 50), 5
BOTS, RUNS = 20, 3
ANSWER = 0.05
"""Seconds that each answer takes."""
KEYS = {"api_key": "production-key", "api_secret": "production-secret"}
FLATTEN = """
import json, os, sys
from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import Context, carry_out
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations.exchange_exposure import ExchangeExposure
options = {name: option.get("default") for name, option in ExchangeExposure.OPTIONS.items()}
options.update(exchange="binanceusdm", environment="production", confirm_environment="production", base_url=sys.argv[1])
options.update(credentials={"api_key": os.environ["KEY"], "api_secret": os.environ["SECRET"]}, client_id_seed="bench")
outcome = carry_out(ExchangeExposure(options, Context()))
if outcome.status != "changed":
    sys.exit(outcome.message)
print(json.dumps(outcome.change))
"""
Row = dict[str, Any]


def account_of(venue: BinanceUsdm, count: int) -> Account:
    """So many positions, each with a stop."""
    account = venue.account()
    for number in range(count):
        account.hold(f"C{number}USDT", "2")
        account.rest(f"C{number}USDT", SELL, "2", trigger=Decimal(90), reduce_only=True, family="STOP_MARKET")
    return account


def flattened(way: str, count: int) -> Row:
    """One run of one way, from the start of its process to its end."""
    listed = [Market(f"C{number}USDT", f"C{number}", "USDT", "USDT", Decimal(100)) for number in range(max(COUNTS))]
    venue = BinanceUsdm({**MARKETS, **{market.name: market for market in listed}})
    exchange, account = Exchange(venue), account_of(venue, count)
    exchange.add_key(Key(KEYS["api_key"], KEYS["api_secret"], "production", account))
    exchange.fault(".", slow=ANSWER, times=None)
    environment = {**os.environ, "KEY": KEYS["api_key"], "SECRET": KEYS["api_secret"]}
    with serving(exchange) as url:
        place, code = ("{environment}", ["-c", FLATTEN]) if way == "exchange_exposure" else ("production", [str(PLAIN)])
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, *code, f"{url}/{place}"], env=environment, capture_output=True, text=True, check=False
        )
        seconds = time.monotonic() - began
    if done.returncode or not account.flat or account.violations:
        sys.exit(f"{way} left something of {count} positions: {done.stdout}{done.stderr}{account.violations}")
    change = json.loads(done.stdout) if way == "exchange_exposure" else {}
    took = {name: change.get(name) for name in ("network_seconds", "waited_seconds")}
    closed = [
        at - began for at, request in exchange.asked if (request.method, request.path) == ("POST", "/fapi/v1/order")
    ]
    return {
        "way": way,
        "positions": count,
        "seconds": round(seconds, 3),
        "last_close_seconds": round(max(closed), 3),
        "requests": len(exchange.asked),
        **took,
    }


def rolled_back(work: Path) -> Row:
    """Time-to-safe of a fleet that holds positions, from the record."""
    fleet = DemoFleet(work / "fleet", BOTS)
    artifacts = work / "artifacts"
    inputs = {
        "plan": "go_live",
        "scope": "quantum_trader:&demo_here",
        "reason": "benchmark",
        "batch": "100%",
        "botfleet_artifacts_dir": str(artifacts),
    }
    fleet.up()
    try:
        names = [bot["name"] for bot in fleet.bots() if bot["kind"] == "quantum_trader"]
        group = {"demo_here": {"hosts": dict.fromkeys(names)}, "quantum_trader": {"hosts": dict.fromkeys(names)}}
        (work / "here.yml").write_text(json.dumps({"bots": {"children": group}}))
        command = [*(sys.executable, "-m", "ansible", "playbook"), "-i", str(INVENTORY), "-i", str(work / "here.yml")]
        command += ["-f", str(BOTS), "-e", json.dumps(inputs), str(ROOT / "playbooks" / "rollback.yml")]
        environment = {
            **os.environ,
            **fleet.environment,
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache" / "collections"),
            "ANSIBLE_HOME": str(work / "ansible"),
        }
        done = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(done.stdout + done.stderr)
        record = json.loads((artifacts / "latest" / "record.json").read_text())
        left = [name for name in names for book in fleet.books(name).values() if book["positions"] or book["orders"]]
        if left:
            sys.exit(f"not flat by the exchanges' own books: {left}")
    finally:
        fleet.down()
    return {
        "way": "rollback",
        "bots": BOTS,
        "accounts": 3 * BOTS,
        "time_to_safe_seconds": record["time_to_safe_seconds"],
        "seconds_to_flat": max(bot["exposure"]["seconds_to_flat"] for bot in record["bots"]),
    }


def tables(rows: list[Row]) -> str:
    """Medians."""
    lines = [
        "| positions | way | start to end, s | last close after, s | requests | network, s | waits, s | rest, s |",
        "|--:|---|--:|--:|--:|--:|--:|--:|",
    ]
    for count in COUNTS:
        for way in ("exchange_exposure", "plain ccxt"):
            runs = [row for row in rows if (row["way"], row.get("positions")) == (way, count)]
            whole, last, network, waits = (
                median(row[name] or 0 for row in runs)
                for name in ("seconds", "last_close_seconds", "network_seconds", "waited_seconds")
            )
            shares = f"{network:.2f} | {waits:.2f} | {whole - network - waits:.2f}" if network else " |  | "
            requests = f"{median(row['requests'] for row in runs):.0f}"
            lines.append(f"| {count} | {way} | {whole:.2f} | {last:.2f} | {requests} | {shares} |")
    fleet = [row for row in rows if row["way"] == "rollback"]
    safe, flat = (median(row[name] for row in fleet) for name in ("time_to_safe_seconds", "seconds_to_flat"))
    sentence = (
        f"{BOTS} bots with {fleet[0]['accounts']} accounts, medians of {len(fleet)} rollbacks of the plan `go_live`: "
        f"every bot safe after {safe:.1f} s, the slowest account flat {flat:.1f} s after its first reading."
    )
    return "\n".join([*lines, "", sentence, ""])


def main() -> None:
    rows: list[Row] = []
    for number in range(ROUNDS):
        for count in COUNTS:
            for way in ("exchange_exposure", "plain ccxt"):
                rows.append(flattened(way, count))
                print(number + 1, rows[-1], flush=True)
    for _number in range(RUNS):
        with tempfile.TemporaryDirectory() as work:
            rows.append(rolled_back(Path(work)))
        print(rows[-1], flush=True)
    about = {"python": platform.python_version(), "ccxt": ccxt.__version__, "answer_seconds": ANSWER}
    RAW.write_text(json.dumps({**about, "runs": rows}, indent=1) + "\n")
    write_between(BEGIN, tables(rows))


if __name__ == "__main__":
    main()
