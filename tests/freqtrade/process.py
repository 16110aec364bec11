# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real freqtrade in live mode, whose exchange is the emulator."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from tests.peers.exchange.books import Account
from tests.peers.exchange.server import Exchange

USERNAME, PASSWORD = "operator", "CANARY-freqtrade-password"
PAIR, MARKET = "BTC/USDT:USDT", "BTCUSDT"
STARTS_WITHIN = 180  # s, on a machine that has other things to do
STRATEGY = """
from freqtrade.strategy import IStrategy


class Idle(IStrategy):
    INTERFACE_VERSION = 3
    timeframe = "5m"
    can_short = True
    minimal_roi = {}
    stoploss = -0.5
    startup_candle_count = 0

    def populate_indicators(self, dataframe, metadata):
        return dataframe

    def populate_entry_trend(self, dataframe, metadata):
        return dataframe

    def populate_exit_trend(self, dataframe, metadata):
        return dataframe
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@dataclass
class Bot:
    """One bot in a directory of its own.

    programs: where freqtrade is installed
    exchange: the emulator, of which ``account`` is the bot's, at ``base_url`` with its environment
    settings: what else its config has
    """

    path: Path
    programs: Path
    exchange: Exchange
    account: Account
    base_url: str
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def options(self) -> dict[str, Any]:
        """Of bot_control."""
        keys = {"username": USERNAME, "password": PASSWORD}
        return {"interface": "freqtrade", "url": self.url, "credentials": keys, "timeout": 20, "deadline": 60}

    def start(self, **environment: str) -> None:
        """And wait until its loop has run once."""
        strategies = self.path / "user_data" / "strategies"
        strategies.mkdir(parents=True, exist_ok=True)
        (strategies / "idle.py").write_text(STRATEGY)
        (self.path / "config.json").write_text(json.dumps(self._config()))
        argv = [str(self.programs / "freqtrade"), "trade", "-c", "config.json", "--userdir", "user_data"]
        with (self.path / "log").open("ab") as log:
            self.process = subprocess.Popen(
                argv, cwd=self.path, env={**os.environ, **environment}, stdout=log, stderr=log
            )
        try:
            self.wait(lambda: self.get("health")["last_process"], STARTS_WITHIN)
        except BaseException:
            self.end()
            raise

    def end(self) -> int:
        """With SIGTERM. Returns its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(60)
        finally:
            self.process.kill()
            self.process.wait()

    def enter(self, price: int | None = None) -> None:
        """Have it open a trade, as its operator may; with a price, by an order that waits for it."""
        with self.exchange.lock:
            before, self.account.admits = self.account.admits, lambda _order: True
        try:
            kind = {"ordertype": "market"} if price is None else {"ordertype": "limit", "price": price}
            stake = {"pair": PAIR, "side": "long", "stakeamount": 1000, **kind}
            status, content = self.ask("POST", "forceenter", stake)
            assert status == 200, content
            waits = price is not None
            self.wait(lambda: [trade["has_open_orders"] for trade in self.get("status")] == [waits])
        finally:
            with self.exchange.lock:
                self.account.admits = before

    def run(self) -> None:
        """Set it running, with nothing open."""
        if self.state != "running":
            self.ask("POST", "start")
            self.wait(lambda: self.state == "running")
        for trade in self.get("status"):
            self.ask("POST", f"trades/{trade['trade_id']}/reload")
        if self.get("count")["current"]:
            self.ask("POST", "forceexit", {"tradeid": "all", "ordertype": "market"})
        self.wait(lambda: self.get("count")["current"] == 0)

    @property
    def state(self) -> str:
        return str(self.get("show_config")["state"])

    def get(self, path: str) -> Any:
        status, content = self.ask("GET", path)
        assert status == 200, (path, content)
        return content

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and content of what its API answers."""
        pair = b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
        headers = {"Authorization": f"Basic {pair}", "Content-Type": "application/json"}
        data = None if method == "GET" else json.dumps(body or {}).encode()
        request = Request(f"{self.url}/api/v1/{path}", data, headers, method=method)
        try:
            with urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except HTTPError as error:
            return error.code, json.load(error)

    def wait(self, condition: Callable[[], Any], seconds: float = 60) -> None:
        """Until it holds; while its API is away, it does not."""
        end = time.monotonic() + seconds
        while not _holds(condition):
            assert self.process is not None
            assert self.process.poll() is None and time.monotonic() < end, self.last_lines()
            time.sleep(0.1)

    def last_lines(self) -> str:
        """Of its log."""
        return "\n".join((self.path / "log").read_text(errors="replace").splitlines()[-20:])

    def _config(self) -> Mapping[str, Any]:
        book = {"price_side": "other", "use_order_book": True, "order_book_top": 1}
        types = {"entry": "market", "exit": "market", "stoploss": "market", "stoploss_on_exchange": False}
        (key,) = (key for key in self.exchange.keys.values() if key.account is self.account)
        return {
            "dry_run": False,
            "trading_mode": "futures",
            "margin_mode": "isolated",
            "timeframe": "5m",
            "max_open_trades": 2,
            "stake_currency": "USDT",
            "stake_amount": 1000,
            "tradable_balance_ratio": 0.9,
            "exchange": {
                "name": "binance",
                "key": key.id,
                "secret": key.secret,
                "pair_whitelist": [PAIR],
                "enable_ws": False,
                "ccxt_config": {"urls": {"api": self._addresses()}},
            },
            "entry_pricing": book,
            "exit_pricing": book,
            "order_types": types,
            "pairlists": [{"method": "StaticPairList"}],
            "api_server": {
                "enabled": True,
                "listen_ip_address": "127.0.0.1",
                "listen_port": self.port,
                "username": USERNAME,
                "password": PASSWORD,
                "jwt_secret_key": "not-used-here-but-has-to-be-long-enough",
            },
            "initial_state": "running",
            "force_entry_enable": True,
            "internals": {"process_throttle_secs": 1},
            "strategy": "Idle",
            "db_url": f"sqlite:///{self.path}/trades.sqlite",
            **self.settings,
        }

    def _addresses(self) -> dict[str, str]:
        """Every address that its own ccxt knows of Binance, at the emulator: none is left that leads outside."""
        code = "import ccxt, json; print(json.dumps(ccxt.binance().urls['api']))"
        listed = subprocess.run([str(self.programs / "python"), "-c", code], capture_output=True, check=True).stdout
        return {name: self.base_url + urlsplit(url).path for name, url in json.loads(listed).items()}


def _holds(condition: Callable[[], Any]) -> bool:
    try:
        return bool(condition())
    except OSError:
        return False
