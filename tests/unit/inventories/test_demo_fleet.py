# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo fleet of issue section 5: what it is when it starts, and that each way to stop trading works."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.tradeops.botfleet.tests.peers.demo import INVENTORY, DemoFleet, is_free, wait_for
from ansible_collections.tradeops.botfleet.tests.peers.ledger import Ledger

BAD = "deploy-20251204-142200"
GOOD = "deploy-20251201-083000"
CANDIDATE = "deploy-20251205-101500"
TRADING_NODES = ["tn-1", "tn-10", "tn-11", "tn-12", "tn-13", "tn-14"]
QUANTUM_TRADERS = ["qt-1", "qt-10", "qt-11", "qt-12", "qt-13", "qt-14"]
EXCHANGES = {"binance": ("binanceusdm", "testnet"), "bybit": ("bybit", "testnet"), "okx": ("okx", "demo")}
"""By their names in a bot's config: ccxt's name, and the environment without real money."""


@pytest.fixture(name="fleet", scope="module")
def fixture_fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoFleet]:
    """Twelve bots; each test spoils others."""
    fleet = DemoFleet(tmp_path_factory.mktemp("demo") / "fleet")
    started = time.monotonic()
    fleet.up()
    assert time.monotonic() - started < 60
    yield fleet
    fleet.down()


@pytest.fixture(name="ledger")
def fixture_ledger(fleet: DemoFleet) -> Ledger:
    """What the bots ordered."""
    return Ledger(fleet.root)


def git(path: Path, *arguments: str) -> str:
    """Git's answer."""
    return subprocess.run(["git", *arguments], cwd=path, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def edit(path: Path, old: str, new: str) -> None:
    """Replace text in a file that has it, by rename."""
    text = path.read_text()
    assert old in text
    path.with_suffix(".new").write_text(text.replace(old, new))
    path.with_suffix(".new").replace(path)


def script(fleet: DemoFleet, bot: str, *command: str) -> subprocess.CompletedProcess[str]:
    """Run one of a bot's scripts as an operator does."""
    return subprocess.run(
        command,
        cwd=fleet.path(bot),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=20,
        check=False,
    )


def assert_stopped_trading(fleet: DemoFleet, ledger: Ledger, bot: str, log: str) -> None:
    """No more orders from a bot that goes on running, and its log says so."""
    wait_for(lambda: not (fleet.page(bot) or {"trading": True})["trading"])
    count = len(ledger.orders(bot))
    time.sleep(0.3)
    assert len(ledger.orders(bot)) == count
    assert "ORDER_SKIPPED" in "".join((fleet.path(bot) / "logs" / log).read_text().splitlines()[-50:])


def test_all_live_on_the_bad_release(fleet: DemoFleet, ledger: Ledger) -> None:
    """Every bot of both kinds trades in production, and the bad release shows."""
    assert [bot["name"] for bot in fleet.bots()] == TRADING_NODES + QUANTUM_TRADERS
    for bot in fleet.bots():
        status = fleet.page(bot["name"])
        assert status is not None
        assert (status["version"], status["trading"]) == (BAD, True)
        assert status["commit"] == git(Path(bot["path"]), "rev-parse", f"{BAD}^{{commit}}")
        assert "ERROR P&L anomaly: 1 orders" in next((Path(bot["path"]) / "logs").glob("[tb]*.log")).read_text()
        last = ledger.last(bot["name"])
        assert last is not None
        assert (last.bad, last.env, last.version) == (True, "production", BAD)
    assert ledger.bots() == sorted(TRADING_NODES + QUANTUM_TRADERS)
    wait_for(lambda: len(ledger.orders("tn-13")) > 10)
    orders = ledger.orders("tn-13")[-11:]
    assert 0.9 < orders[-1].mono - orders[0].mono < 3


def test_tags(fleet: DemoFleet) -> None:
    """S1.4: six deployed tags or more; on half of the bots the second newest is the one that runs."""
    second_newest = []
    for bot in fleet.bots():
        path = Path(bot["path"])
        tags = git(path, "tag", "--list", "deploy-*").splitlines()
        assert len(tags) >= 6
        assert git(path, "describe", "--tags", "--exact-match") == BAD
        assert tags[tags.index(BAD) - 1] == GOOD
        second_newest.append(tags[-2])
        assert CANDIDATE in git(path, "ls-remote", "--tags", "origin")
        assert git(path, "status", "--porcelain") == ""
    assert second_newest.count(BAD) == 6
    assert second_newest.count(GOOD) == 6


def test_live_values_in_git_and_in_snapshots(fleet: DemoFleet) -> None:
    """S1.5: config is tracked with live values and so are the snapshots of it."""
    live = {
        "trading_node": ("trading.yaml", "trading_enabled: true"),
        "quantum_trader": ("go_live.yaml", "activation_enabled: true"),
    }
    for bot in fleet.bots():
        name, text = live[bot["kind"]]
        if bot["name"] == "tn-14":
            text = "mode: always"
        assert text in git(Path(bot["path"]), "show", f"{GOOD}:config/{name}")
        snapshot = fleet.root / "backups" / bot["name"] / f"config-{GOOD[7:]}"
        assert text in (snapshot / name).read_text()
        assert "leverage: 2" in (snapshot / "local.yaml").read_text()
        assert "leverage: 10" in (Path(bot["path"]) / "config" / "local.yaml").read_text()


def test_flag_lowered(fleet: DemoFleet, ledger: Ledger) -> None:
    """S4.2, S4.6: without the flag the running bot skips its orders, and says so everywhere."""
    assert fleet.page("qt-1", "/api/risk/ess/status") == {"active": False}
    preflight = [sys.executable, "scripts/preflight_check.py", "--expect", "disabled"]
    refused = script(fleet, "qt-1", *preflight)
    assert (refused.returncode, "GO-LIVE is ENABLED" in refused.stdout) == (1, True)
    (fleet.path("qt-1") / "go_live.active").unlink()
    assert_stopped_trading(fleet, ledger, "qt-1", "backend.log")
    assert fleet.page("qt-1", "/api/risk/ess/status") == {"active": True, "reason": "manual_deactivation"}
    passed = script(fleet, "qt-1", *preflight)
    assert (passed.returncode, "PASSED, GO-LIVE is DISABLED" in passed.stdout) == (0, True)
    assert git(fleet.path("qt-1"), "status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("bot", "config", "log", "old", "new"),
    [
        ("qt-10", "go_live.yaml", "backend.log", "activation_enabled: true", "activation_enabled: false"),
        ("qt-11", "go_live.yaml", "backend.log", "activation_enabled: true", "activation_enabled"),
        ("qt-12", "risk.yaml", "backend.log", "max_order_size", "max_size"),
        ("tn-1", "trading.yaml", "trading.log", "trading_enabled: true", "trading_enabled: false"),
        ("tn-10", "trading.yaml", "trading.log", "trading_enabled: true", 'trading_enabled: "on"'),
    ],
)
def test_config_does_not_permit(
    fleet: DemoFleet, ledger: Ledger, bot: str, config: str, log: str, old: str, new: str
) -> None:
    """S4.3: a lowered key stops orders without a restart, and so does a config that cannot be understood."""
    edit(fleet.path(bot) / "config" / config, old, new)
    assert_stopped_trading(fleet, ledger, bot, log)


def test_testnet(fleet: DemoFleet, ledger: Ledger) -> None:
    """S4.4: orders go where the exchange config says."""
    edit(fleet.path("qt-13") / "config" / "exchange.yaml", "testnet: false", "testnet: true")
    wait_for(lambda: (order := ledger.last("qt-13")) and order.env == "testnet")
    switched = next(order.t for order in ledger.orders("qt-13", env="testnet"))
    assert not ledger.orders("qt-13", after=switched, env="production")


def test_rolled_back_by_hand(fleet: DemoFleet, ledger: Ledger) -> None:
    """S1.5: stop, checkout, start with the bot's own scripts; what git tracks is live, so trading is back."""
    edit(fleet.path("tn-11") / "config" / "trading.yaml", "trading_enabled: true", "trading_enabled: false")
    stopped = script(fleet, "tn-11", "scripts/shutdown.sh", "force")
    assert (stopped.returncode, fleet.page("tn-11")) == (0, None)
    assert script(fleet, "tn-11", "scripts/health_check.sh").returncode == 1
    moment = time.time()
    git(fleet.path("tn-11"), "checkout", "--quiet", "--force", GOOD)
    assert script(fleet, "tn-11", "scripts/start.sh").returncode == 0
    wait_for(lambda: fleet.page("tn-11"))
    healthy = script(fleet, "tn-11", "scripts/health_check.sh")
    assert (healthy.returncode, healthy.stdout) == (0, f"tn-11 is healthy on {GOOD}\n")
    wait_for(lambda: ledger.orders("tn-11", after=moment))
    assert not ledger.bad("tn-11", after=moment)
    assert {order.version for order in ledger.orders("tn-11", after=moment)} == {GOOD}
    assert "runs already" in script(fleet, "tn-11", "scripts/start.sh").stdout


def test_a_stopped_bot_orders_nothing(fleet: DemoFleet, ledger: Ledger) -> None:
    """S1.3: SIGTERM ends a bot at once, and its last order is before that; SIGKILL leaves the ledger readable."""
    for bot, number in (("tn-12", signal.SIGTERM), ("qt-14", signal.SIGKILL)):
        pid = (fleet.page(bot) or {})["pid"]
        os.kill(pid, number)
        wait_for(lambda: pid not in fleet.processes(), limit=2)  # noqa: B023  # called before the loop goes on
        moment = time.time()
        time.sleep(0.25)
        assert not ledger.orders(bot, after=moment)
        assert not ledger.gaps(bot, longer_than=2.0)


def test_one_bot_has_no_switch(fleet: DemoFleet) -> None:
    """A restart of tn-14 trades at once, whatever a key says: it declares botfleet_start_trades."""
    edit(fleet.path("tn-14") / "config" / "trading.yaml", "mode: always", "mode: always\ntrading_enabled: false")
    script(fleet, "tn-14", "scripts/shutdown.sh")
    script(fleet, "tn-14", "scripts/start.sh")
    wait_for(lambda: (fleet.page("tn-14") or {}).get("trading"))


def test_canaries_are_in_one_file(fleet: DemoFleet) -> None:
    """The planted credentials are where people keep them, and a bot shows them nowhere."""
    for bot in QUANTUM_TRADERS:
        holding = script(fleet, bot, "grep", "-rl", "--exclude-dir=.git", "CANARY-prod", ".")
        assert holding.stdout == "./config/exchange.yaml\n"
        assert "CANARY" not in str(fleet.page(bot))
    assert subprocess.run(["grep", "-rq", "CANARY", str(fleet.root / "ledger")], check=False).returncode == 1


def test_each_quantum_trader_has_accounts_of_its_own(fleet: DemoFleet) -> None:
    """S1.3, S4.7: positions on each exchange, with entries and conditional orders; no two bots hold the same."""
    assert list(fleet.exchanges()) == list(EXCHANGES)
    books = {bot: fleet.books(bot) for bot in QUANTUM_TRADERS}
    for bot, of_it in books.items():
        for name, account in of_it.items():
            assert (len(account["positions"]), len(account["orders"])) == (2, 6), (bot, name)
            assert float(account["notional"]) > 0 and account["violations"] == []
    notional = {bot: sum(float(account["notional"]) for account in of_it.values()) for bot, of_it in books.items()}
    assert len(set(notional.values())) == len(QUANTUM_TRADERS)
    shown = {line.split()[0]: line for line in fleet.command("status").stdout.splitlines()}
    assert all(f"  {worth:,.0f} USDT, 18 orders" in shown[bot] for bot, worth in notional.items())
    assert not any("USDT" in shown[bot] for bot in TRADING_NODES)


def test_keys_open_the_accounts(fleet: DemoFleet) -> None:
    """S4.4: a bot's config has those in production, the inventory those without real money; no bot has another's."""
    names = ("botfleet_testnet_credentials", "botfleet_exposure")
    values = inventory_values(fleet, *(f"{name} | default({{}})" for name in names))
    seen: set[str] = set()
    for bot in QUANTUM_TRADERS:
        testnet, exposure = values[bot]
        config = yaml.safe_load((fleet.path(bot) / "config" / "exchange.yaml").read_text())["exchanges"]
        assert list(config) == list(testnet) == list(EXCHANGES)
        for entry, (name, (venue, practice)) in zip(exposure, EXCHANGES.items()):
            place = "" if name == "okx" else "/{environment}"
            assert (entry["exchange"], entry["base_url"]) == (venue, fleet.exchanges()[name] + place)
            assert entry["credentials_key"] == f"exchanges.{name}.{{field}}"
            known = json.loads((fleet.root / "exchanges" / f"{name}.json").read_text())["accounts"]
            for environment, keys in (("production", config[name]), (practice, testnet[name])):
                (account,) = (it for it in known if (it["bot"], it["environment"]) == (bot, environment))
                assert (account["key"], account["secret"]) == (keys["api_key"], keys["api_secret"])
                assert account["password"] == keys.get("api_passphrase", "")
                secrets = [value for field, value in keys.items() if field != "testnet"]
                assert all(value.startswith("CANARY-") for value in secrets)
                seen.update(secrets)
    assert len(seen) == len(QUANTUM_TRADERS) * 14


def inventory_values(fleet: DemoFleet, *names: str) -> dict[str, list[Any]]:
    """Variables of each bot in the demo inventory, as Ansible sees them."""
    pytest.importorskip("ansible", reason="the inventory is the controller's, which has Ansible")
    command = [sys.executable, "-m", "ansible", "adhoc", "bots", "-i", str(INVENTORY), "-m", "ansible.builtin.debug"]
    shown = subprocess.run(
        [*command, "-a", json.dumps({"msg": [f"{{{{ {name} }}}}" for name in names]})],
        env={**os.environ, **fleet.environment, "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    results = re.findall(r"^(\S+) \| SUCCESS => (\{.*?^\})", shown.stdout, re.MULTILINE | re.DOTALL)
    assert sorted(name for name, _result in results) == sorted(TRADING_NODES + QUANTUM_TRADERS)
    return {name: json.loads(result)["msg"] for name, result in results}


def test_inventory_describes_the_fleet(fleet: DemoFleet) -> None:
    """The inventory's paths and ports are those of the processes, for any root and base port."""
    values = inventory_values(fleet, "botfleet_path", "demo_url", "botfleet_kind", "botfleet_pidfile")
    expected = {
        bot["name"]: [
            bot["path"],
            f"http://127.0.0.1:{bot['port']}",
            bot["kind"],
            f"{bot['path']}/run/{bot['kind']}.pid",
        ]
        for bot in fleet.bots()
    }
    assert values == expected


def test_patterns_own_one_process(fleet: DemoFleet) -> None:
    """Names begin alike, tn-1 and tn-10; each pattern of the inventory matches one bot all the same."""
    values = inventory_values(fleet, "botfleet_process_pattern")
    fleet.up()
    lines = [
        (Path("/proc") / str(pid) / "cmdline").read_bytes().decode().rstrip("\0").replace("\0", " ")
        for pid in fleet.processes()
    ]
    assert len(lines) == 12
    assert len([line for line in lines if re.search("--bot tn-1", line)]) == 6
    for name, (pattern,) in values.items():
        assert [line for line in lines if re.search(pattern, line)] == [
            line for line in lines if f"--bot {name} " in line
        ]


def test_up_again(tmp_path: Path) -> None:
    """A fleet that was spoiled is live on the bad release again; down ends its own processes and no other."""
    fleet = DemoFleet(tmp_path / "fleet", per_kind=1)
    decoy_home = tmp_path / "bots" / "tn-1"
    decoy_home.mkdir(parents=True)
    waiting = "import time; time.sleep(60)"
    decoy = subprocess.Popen(
        [sys.executable, "-c", waiting, "trading_node.py", "--bot", "tn-1", "--port"], cwd=decoy_home
    )
    try:
        fleet.up()
        (fleet.path("qt-1") / "go_live.active").unlink()
        git(fleet.path("tn-1"), "checkout", "--quiet", GOOD)
        first = set(fleet.processes())
        fleet.up()
        assert len(first) == 2
        assert not first & set(fleet.processes())
        assert len(fleet.books("qt-1")["okx"]["positions"]) == 2
        ports = [int(url.rpartition(":")[2]) for url in fleet.exchanges().values()]
        assert not any(map(is_free, ports))
        assert {(fleet.page(bot) or {})["version"] for bot in ("tn-1", "qt-1")} == {BAD}
        fleet.down()
        assert not list(fleet.processes())
        assert all(map(is_free, ports))
        assert not fleet.root.exists()
        assert decoy.poll() is None
    finally:
        decoy.kill()
        decoy.wait()


def test_refusals(tmp_path: Path) -> None:
    """A taken port and a directory of somebody else are named, and left alone."""
    fleet = DemoFleet(tmp_path / "fleet", per_kind=1)
    for offset, name in ((3, "qt-1"), (5, "bybit")):
        with socket.create_server(("127.0.0.1", fleet.base_port + offset)):
            done = fleet.command("up")
            assert (done.returncode, f"port {fleet.base_port + offset} of {name}" in done.stderr) == (1, True)
            assert "give another --base-port" in done.stderr
    assert "there is no demo fleet" in fleet.command("status").stderr
    fleet.root.mkdir()
    (fleet.root / "mine").touch()
    for command in ("up", "down"):
        done = fleet.command(command)
        assert (done.returncode, "it was left alone" in done.stderr) == (1, True)
    assert (fleet.root / "mine").exists()
