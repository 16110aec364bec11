# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The example inventories, adapted to this machine, roll real bots back as their runbooks ask (S1, S4).

Each bot has the names that its runbook uses. It is checked first, then rolled back; what a person would run to
verify it, word for word in the runbook, is run here.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.peers.demo import wait_for
from tests.peers.examples import Example

from .conftest import PLAYBOOK, Fleet, Run

BAD, GOOD = "deploy-20251204-142200", "deploy-20251201-083000"
DEMO_BOTS = {"trading_node": "tn-1", "quantum_trader": "qt-1"}
UVICORN = """\
'''Stands in for uvicorn, which is not needed to show how it is started and stopped.'''
import importlib, sys
module, _colon, name = sys.argv[1].partition(":")
getattr(importlib.import_module(module), name)(sys.argv[sys.argv.index("--port") + 1])
"""
APP = """\
'''The demo's quantum trader behind the name that the runbook has for it.'''
import runpy, sys
def app(port):
    sys.argv = ["quantum_trader.py", "--bot", "qt-1", "--port", port]
    runpy.run_path("quantum_trader.py", run_name="__main__")
"""


class Bots(Fleet):
    """One live bot of each runbook, and the example inventories that describe them."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, per_kind=1)
        self.examples = {name: Example(name, root) for name in DEMO_BOTS}

    def adapt(self) -> None:
        """What a stranger changes: how the host is reached, where things are, and what is not to be waited for."""
        ports = {bot["kind"]: bot["port"] for bot in self.bots()}
        patterns = {
            "trading_node": f"trading_node\\.py --bot tn-1 --port {ports['trading_node']}$",
            "quantum_trader": f"uvicorn.*main:app.* --port {ports['quantum_trader']}$",
        }
        for name, bot in DEMO_BOTS.items():
            self.examples[name].adapt(
                ansible_connection="local",
                ansible_become=False,
                ansible_python_interpreter="{{ ansible_playbook_python }}",
                botfleet_path=str(self.path(bot)),
                botfleet_user=pwd.getpwuid(os.geteuid()).pw_name,
                botfleet_config_backups=str(self.root / "backups" / bot),
                botfleet_state_dir=str(self.root / "state"),
                botfleet_process_pattern=patterns[name],
                botfleet_settle=1,
                **{f"{name}_port": ports[name]},
                **self._accounts(name),
            )

    def _accounts(self, name: str) -> dict[str, Any]:
        """Each exchange in its emulated place; the demo's trading node has no account."""
        if name == "trading_node":
            return {"botfleet_holds_positions": False}
        places = self.exchanges()
        (entries,) = self.examples[name].values("botfleet_exposure")
        urls = {"binanceusdm": f"{places['binance']}/{{environment}}", "bybit": f"{places['bybit']}/{{environment}}"}
        config = str(self.path("qt-1") / "config" / "exchange.yaml")
        return {
            "botfleet_exposure": [
                {**it, "credentials_path": config, "base_url": urls.get(it["exchange"], places["okx"])}
                for it in entries
            ]
        }

    def start_by_hand(self) -> None:
        """Start the quantum trader again, as its runbook does it."""
        path, port = self.path("qt-1"), next(bot["port"] for bot in self.bots() if bot["name"] == "qt-1")
        os.kill((self.page("qt-1") or {})["pid"], signal.SIGTERM)
        wait_for(lambda: self.page("qt-1") is None)
        (path / "uvicorn.py").write_text(UVICORN)
        (path / "backend").mkdir()
        (path / "backend" / "main.py").write_text(APP)
        (path / "venv" / "bin").mkdir(parents=True)
        (path / "venv" / "bin" / "python").symlink_to(sys.executable)
        (path / ".git" / "info").mkdir(exist_ok=True)
        (path / ".git" / "info" / "exclude").write_text("/uvicorn.py\n/backend/\n/venv/\n")
        command = f"venv/bin/python -m uvicorn backend.main:app --reload --port {port}"
        subprocess.Popen(shlex.split(command), cwd=path, start_new_session=True)
        wait_for(lambda: (self.page("qt-1") or {}).get("trading"))

    def argv(self, *arguments: str, **inputs: Any) -> list[str]:
        example = self.examples[inputs.pop("inventory")]
        extra = [f"{name}={shlex.quote(str(value))}" for name, value in inputs.items()]
        extra.append(f"botfleet_artifacts_dir={self.artifacts}")
        command = [sys.executable, "-m", "ansible", "playbook", *example.arguments, str(PLAYBOOK), *arguments]
        return [*command, "-e", "scope=bots", *(word for pair in extra for word in ("-e", pair))]

    def shell(self, bot: str, command: str) -> str:
        """What a line of the runbook prints in the bot's directory."""
        done = subprocess.run(command, shell=True, cwd=self.path(bot), capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    def end(self) -> None:
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.down()


@dataclass
class Story:
    """The fleet, the check and what it left changed, and the runs by plan."""

    bots: Bots
    unchanged: bool
    check: Run
    runs: dict[str, Run]
    seen: dict[str, Any]


@pytest.fixture(scope="module")
def bots(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bots]:
    bots = Bots(tmp_path_factory.mktemp("inventories"))
    try:
        bots.up()
        bots.adapt()
        bots.start_by_hand()
        yield bots
    finally:
        bots.end()


@pytest.fixture(scope="module")
def trading_node(bots: Bots) -> Story:
    """Checked, then rolled back and handed back, as ``scripts/rollback.sh`` starts it again."""
    inputs: dict[str, Any] = {
        "inventory": "trading_node",
        "plan": "emergency",
        "reason": "P&L anomaly",
        "hand_back": "true",
    }
    before = bots.fingerprint()
    check = bots.rollback("--check", "--diff", **inputs)
    unchanged = bots.fingerprint() == before
    run = bots.rollback(**inputs, trigger="P&L anomaly")
    return Story(bots, unchanged, check, {"emergency": run}, {})


@pytest.fixture(scope="module")
def quantum_trader(bots: Bots) -> Story:
    """Checked, deactivated on the version that runs, then also brought back to the version before."""
    inputs: dict[str, Any] = {"inventory": "quantum_trader"}
    before = bots.fingerprint()
    check = bots.rollback("--check", "--diff", plan="go_live", reason="check", **inputs)
    unchanged = bots.fingerprint() == before
    runs = {"go_live": bots.rollback(plan="go_live", reason="Capital Loss", trigger="ESS", **inputs)}
    seen = {"version": (bots.page("qt-1") or {}).get("version"), "command": command_line(bots, "qt-1")}
    runs["emergency"] = bots.rollback(plan="emergency", reason="bad release", **inputs)
    return Story(bots, unchanged, check, runs, seen)


def command_line(bots: Bots, bot: str) -> list[str]:
    pid = (bots.page(bot) or {}).get("pid", "self")
    return Path(f"/proc/{pid}/cmdline").read_text().rstrip("\0").split("\0")


def step(run: Run, stage: str, name: str) -> dict[str, Any]:
    """A step of the one bot of a run."""
    return next(entry for entry in run.record["bots"][0]["steps"] if (entry["stage"], entry["id"]) == (stage, name))


class TestTradingNode:
    def test_check_mode_accepts_it_and_changes_nothing(self, trading_node: Story) -> None:
        """S1.8: on a good day, while the bot trades."""
        assert trading_node.check.code == 0, trading_node.check.output
        assert trading_node.check.record["outcome"] == "restored" and trading_node.unchanged

    def test_it_is_restored_within_the_target_time(self, trading_node: Story) -> None:
        """S1.1, S1.2: less than five minutes from the decision, each stage within its budget, the trigger on record."""
        run = trading_node.runs["emergency"]
        assert run.code == 0, run.output
        assert run.states() == {"trading-node-1": "restored"}
        assert run.record["time_to_restored_seconds"] < 300
        stages = {stage["name"]: stage["budget"] for stage in run.record["bots"][0]["stages"]}
        assert stages["halt"] == 30 and stages["revert"] == 60 and stages["resume"] == 120 and stages["verify"] == 60
        assert not any(stage["over_budget"] for stage in run.record["bots"][0]["stages"])
        assert (run.record["trigger"], run.record["reason"]) == ("P&L anomaly", "P&L anomaly")

    def test_trading_stops_before_anything_else(self, trading_node: Story) -> None:
        """S1.3, S1.8: the process is proven stopped, and between then and its start there is no order."""
        run, ledger = trading_node.runs["emergency"], trading_node.bots.ledger
        stop = step(run, "halt", "stop")
        assert stop["status"] == "changed" and stop["proof"]["state"] == "stopped" and stop["change"]["killed"] == []
        bot = run.record["bots"][0]
        decided = datetime.fromisoformat(run.record["start_time"]).timestamp()
        resumed = decided + next(s for s in bot["stages"] if s["name"] == "resume")["started_after_seconds"]
        orders = ledger.orders("tn-1", after=decided + bot["safe_after_seconds"])
        assert orders and all(order.t > resumed for order in orders)

    def test_code_and_config_are_those_of_the_previous_deploy(self, trading_node: Story) -> None:
        """S1.4, S1.5: the predecessor of what ran, and /backup/config-<stamp> as config, not nested in it."""
        bot = trading_node.runs["emergency"].record["bots"][0]
        assert (bot["from"], bot["to"]) == (BAD, GOOD)
        config = trading_node.bots.path("tn-1") / "config"
        backup = trading_node.bots.root / "backups" / "tn-1" / f"config-{GOOD[7:]}"
        assert {path.name: path.read_text() for path in config.iterdir()} == {
            path.name: path.read_text() for path in backup.iterdir()
        }

    def test_the_state_before_is_kept(self, trading_node: Story) -> None:
        """S1.8: data at risk, so the present config is copied first."""
        kept = step(trading_node.runs["emergency"], "preserve", "config")["change"]["snapshot"]
        assert "leverage: 10" in Path(kept, "local.yaml").read_text()

    def test_what_the_runbook_runs_to_verify(self, trading_node: Story) -> None:
        """S1.5 Step 3, S1.6 Step 4: its own lines, typed by hand."""
        bots = trading_node.bots
        assert "is healthy on" in bots.shell("tn-1", "./scripts/health_check.sh")
        assert f"Release {GOOD}" in bots.shell("tn-1", "git log -1 --oneline")
        assert f"version={GOOD}" in bots.shell("tn-1", "tail -20 logs/trading.log").splitlines()[-1]
        assert (bots.page("tn-1") or {})["version"] == GOOD

    def test_the_checks_of_the_inventory_were_carried_out(self, trading_node: Story) -> None:
        """S1.5, S1.6: health_check.sh, the log's last 20 lines, the status page."""
        checks = step(trading_node.runs["emergency"], "verify", "health")["proof"]["checks"]
        assert len(checks) == 3 and all(check["ok"] for check in checks)


class TestQuantumTrader:
    def test_check_mode_accepts_it_and_changes_nothing(self, quantum_trader: Story) -> None:
        """S4.1: with the encrypted secrets of the example, while the bot is live."""
        assert quantum_trader.check.code == 0, quantum_trader.check.output
        assert quantum_trader.check.record["outcome"] == "restored" and quantum_trader.unchanged

    def test_go_live_is_deactivated_on_the_version_that_runs(self, quantum_trader: Story) -> None:
        """S4.1, S4.5: restarted with the inventory's command, in place of the one that was started by hand."""
        run = quantum_trader.runs["go_live"]
        assert run.code == 0, run.output
        assert run.states() == {"quantum-trader-1": "restored"} and run.record["trigger"] == "ESS"
        assert quantum_trader.seen["version"] == BAD
        assert quantum_trader.seen["command"][1:4] == ["-m", "uvicorn", "backend.main:app"]
        assert "--reload" not in quantum_trader.seen["command"]
        assert step(run, "resume", "start")["change"] == {"started": True}

    def test_no_order_is_sent_after_it_is_safe(self, quantum_trader: Story) -> None:
        """S4.2, S4.8: the ledger is the witness, over both rollbacks."""
        run = quantum_trader.runs["go_live"]
        decided = datetime.fromisoformat(run.record["start_time"]).timestamp()
        ledger = quantum_trader.bots.ledger
        assert ledger.orders("qt-1", env="production")
        assert not ledger.orders("qt-1", after=decided + run.record["time_to_safe_seconds"])

    @pytest.mark.parametrize("plan", ["go_live", "emergency"])
    def test_the_checks_of_the_inventory_were_carried_out(self, quantum_trader: Story, plan: str) -> None:
        """S4.6: preflight, ORDER_SKIPPED in the last 50 lines, emergency stop system."""
        checks = step(quantum_trader.runs[plan], "verify", "health")["proof"]["checks"]
        assert len(checks) == 3 and all(check["ok"] for check in checks)

    def test_positions_are_closed_and_read_back(self, quantum_trader: Story) -> None:
        """S4.7 C, S4.8: by the exchanges' own books, and before the keys were taken away."""
        (bot,) = quantum_trader.runs["go_live"].record["bots"]
        exposure = bot["exposure"]
        assert (exposure["state"], exposure["orders_after"], exposure["notional_after"]) == ("flat", 0, 0)
        assert exposure["notional_before"] > 1000 and len(exposure["proof"]) == 3
        books = quantum_trader.bots.books("qt-1").values()
        assert not any(book["positions"] or book["orders"] or book["violations"] for book in books)

    def test_then_the_previous_version_stays_deactivated(self, quantum_trader: Story) -> None:
        """S4.2, S4.3, S4.4: checkout and config backup bring live values back, and they are taken away again."""
        run = quantum_trader.runs["emergency"]
        assert run.code == 0, run.output
        assert run.states() == {"quantum-trader-1": "restored"}
        assert (run.record["bots"][0]["from"], run.record["bots"][0]["to"]) == (BAD, GOOD)
        assert step(run, "revert", "testnet")["status"] == step(run, "revert", "config_key")["status"] == "changed"

    def test_what_the_runbook_runs_to_verify(self, quantum_trader: Story) -> None:
        """S4.2, S4.3, S4.6 STEP 5: its own lines, typed by hand, after both rollbacks."""
        bots = quantum_trader.bots
        assert "No such file or directory" in bots.shell("qt-1", "ls go_live.active")
        assert "activation_enabled: false" in bots.shell("qt-1", 'grep "activation_enabled" config/go_live.yaml')
        preflight = bots.shell("qt-1", "venv/bin/python scripts/preflight_check.py")
        assert "PREFLIGHT PASSED, GO-LIVE is DISABLED" in preflight
        assert "ORDER_SKIPPED" in bots.shell("qt-1", 'tail -50 logs/backend.log | grep "ORDER_SKIPPED"')
        page = bots.page("qt-1", "/api/risk/ess/status")
        assert page in ({"active": True, "reason": "manual_deactivation"}, {"active": False})

    def test_the_checklist(self, quantum_trader: Story) -> None:
        """S4.8, S4.4: what of the nine items is read from files; the accounts hold the keys of the vault."""
        config = (quantum_trader.bots.path("qt-1") / "config" / "exchange.yaml").read_text()
        assert config.count("testnet: true") == 3 and "testnet: false" not in config
        assert config.count("CANARY-testnet-") == 7 and "CANARY-prod" not in config

    def test_both_rollbacks_are_reported_and_in_the_history(self, quantum_trader: Story) -> None:
        """S4.9, S4.13: a report with the trigger and the positions, and a row for each."""
        artifacts = quantum_trader.bots.artifacts
        history = (artifacts / "history.md").read_text()
        for plan, run in quantum_trader.runs.items():
            name, reason = run.record["rollback_id"], run.record["reason"]
            assert f"[{name}]({name}/incident.md) | {reason} |" in history, plan
            report = (artifacts / name / "incident.md").read_text()
            assert reason in report and "quantum-trader-1" in report
            assert ("BTC/USDT:USDT" in report) == (plan == "go_live"), "the second one found none"

    def test_secrets_are_seen_nowhere(self, quantum_trader: Story) -> None:
        """S4.4: neither in what was printed, nor in what was written about it."""
        bots = quantum_trader.bots
        shown = [run.output for run in (quantum_trader.check, *quantum_trader.runs.values())]
        written = [path for top in (bots.artifacts, bots.root / "state") for path in top.rglob("*") if path.is_file()]
        kept = [
            path for path in written if path.name != "production-credentials.json" and "preserved" not in path.parts
        ]
        assert kept and not [path for path in kept if "CANARY" in path.read_text(errors="replace")]
        assert not [text for text in shown if "CANARY" in text]


def test_the_ledger_knows_when_trading_was_off(trading_node: Story) -> None:
    """S1.2: rolled back first; the version that it went back to breaks no limit."""
    ledger = trading_node.bots.ledger
    wait_for(lambda: ledger.orders("tn-1", after=time.time() - 1))
    assert {order.version for order in ledger.bad("tn-1")} == {BAD}
