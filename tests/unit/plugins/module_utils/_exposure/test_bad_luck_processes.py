# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What anybody on a bot's host sees of the processes that flatten an account, while they do."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations.exchange_exposure import ExchangeExposure
from ansible_collections.tradeops.botfleet.plugins.module_utils._transaction.child import descendants
from ansible_collections.tradeops.botfleet.plugins.module_utils._transaction.spec import OPTIONS
from ansible_collections.tradeops.botfleet.plugins.plugin_utils._agent import Exchange as Asked

from tests.peers.armed import arm
from tests.peers.exchange import okx
from tests.peers.exchange.books import BUY, Account
from tests.peers.exchange.server import Exchange, Key, serving
from tests.unit.plugins.module_utils._exposure.bad_luck_desk import CANARY, signatures
from tests.unit.plugins.module_utils._exposure.bad_luck_host import defaults

KEYS = {name: f"{CANARY}-{name}" for name in ("api_key", "api_secret", "api_passphrase")}
NAMES = {field: f"BOT_{field}".upper() for field in KEYS}
SLOW = 0.1  # s that each answer takes, or nobody would see much of a process


@pytest.fixture(scope="module")
def armed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state directory of an armed host."""
    return arm(tmp_path_factory.mktemp("host") / "state").parents[1]


@contextmanager
def exchange_at(account: Account) -> Iterator[tuple[Exchange, str]]:
    exchange = Exchange(okx.Okx())
    exchange.add_key(Key(KEYS["api_key"], KEYS["api_secret"], "production", account, KEYS["api_passphrase"]))
    exchange.fault("", slow=SLOW, times=None)
    with serving(exchange) as url:
        yield exchange, url


def given(keys: str, root: Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, str]]:
    """Options of the step, secrets of the transaction and environment of its process, by where the keys are."""
    if keys == "inline":
        return {"credentials": {"secret": "keys"}}, {"keys": KEYS}, {}
    if keys == "environment":
        return {"credentials_env": NAMES}, {}, {NAMES[field]: value for field, value in KEYS.items()}
    config = root / "bot.env"
    config.write_text("".join(f"OKX_{field.upper()}={value}\n" for field, value in KEYS.items()))
    return {"credentials_path": str(config)}, {}, {}


def request(state: Path, rollback_id: str, options: dict[str, Any], secrets: dict[str, Any]) -> Asked:
    """Of the agent, as the action plugin sends it."""
    place = {"exchange": "okx", "environment": "production", "confirm_environment": "production"}
    operation = {
        "operation": "exchange_exposure",
        "options": {**defaults(ExchangeExposure.OPTIONS), **place, **options},
    }
    stage = {"name": "halt", "on_failure": "continue", "steps": [{"id": "exposure", "name": "Flatten", **operation}]}
    params = {"rollback_id": rollback_id, "bot": "bot-1", "state_dir": str(state), "stages": [stage]}
    return Asked({**defaults(OPTIONS), **params, "safe": {"steps": []}, "secrets": secrets}, check_mode=False)


class Watched:
    """A process and all that it starts, as ``/proc`` shows them to its user.

    seen: the command lines and environments, by process
    """

    def __init__(self, asked: Asked, printed: Path, environment: dict[str, str]) -> None:
        self.seen: dict[int, dict[str, str]] = {}
        self._asked, self._printed, self._environment = asked, printed, environment

    def run(self) -> dict[str, Any] | None:
        with self._printed.open("wb") as printed:
            process = subprocess.Popen(
                shlex.split(self._asked.command),
                stdin=subprocess.PIPE,
                stdout=printed,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self._environment},
            )
            assert process.stdin
            process.stdin.write(self._asked.data)
            process.stdin.close()
            while process.poll() is None:
                self._look([process.pid, *descendants(process.pid)])
                time.sleep(0.01)
        printed_text = self._printed.read_text()
        return self._asked.result({"stdout": printed_text, "stderr": "", "rc": process.returncode})

    def _look(self, pids: list[int]) -> None:
        for pid in pids:
            for name in ("cmdline", "environ"):
                try:
                    text = Path(f"/proc/{pid}/{name}").read_text(errors="replace").replace("\0", " ")
                except OSError:  # it has just ended
                    continue
                known = self.seen.setdefault(pid, {})
                known[name] = known.get(name, "") + (text if text not in known.get(name, "") else "")


@pytest.mark.parametrize("keys", ["inline", "file", "environment"])
def test_no_secret_is_in_a_process_list(armed: Path, tmp_path: Path, keys: str) -> None:
    """S1.3: nor in an environment, unless the bot has them in its own and the option names that."""
    account = Account(okx.markets())
    market = next(iter(account.markets.values()))
    account.hold(market.name, market.step * 5)
    account.rest(market.name, BUY, market.step, price=market.price)
    options, secrets, environment = given(keys, tmp_path)
    with exchange_at(account) as (exchange, url):
        asked = request(armed, f"rb-{keys}", {**options, "base_url": url}, secrets)
        watched = Watched(asked, tmp_path / "printed", environment)
        result = watched.run()

    assert result and result["steps"][0]["proof"]["state"] == "flat", result
    assert account.flat
    signed = [it for _at, request in exchange.asked for it in signatures(request)]
    assert len(watched.seen) >= 2 and signed, "the agent and the process of its step were seen, and signed orders"
    assert all(len(known) == 2 for known in watched.seen.values())
    listed = "\n".join(known["cmdline"] for known in watched.seen.values())
    if keys != "environment":
        listed += "\n".join(known["environ"] for known in watched.seen.values())
    printed = (tmp_path / "printed").read_text()
    kept = "\n".join(path.read_text() for path in (armed / "bot-1").rglob("*") if path.is_file())
    for text in (listed, printed, kept):
        assert CANARY not in text
        assert [it for it in signed if it in text] == []
