# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Task results as a rollback registers them, made by the real engine on a file that plays the bot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import Operation, OperationError, Plan, State
from ansible_collections.tradeops.botfleet.plugins.module_utils._transaction.engine import Transaction
from ansible_collections.tradeops.botfleet.plugins.module_utils._transaction.request import request_from

BAD, GOOD = "deploy-20260105-031500", "deploy-20251201-083000"
DECIDED = "2026-01-05T03:15:00Z"
DECIDED_EPOCH = 1767582900.0
UNREACHABLE = {"unreachable": True, "changed": False, "msg": "Failed to connect to the host via ssh:\n timed out"}
TIMED_OUT = {"failed": True, "changed": False, "timedout": {"period": 120}, "msg": "Timed out after 120 seconds."}
SKIPPED = {"changed": False, "skipped": True, "skip_reason": "Conditional result was False"}


class Setting(Operation):
    """One key of a JSON file; code and process are read as git_deploy_tag and bot_service show them."""

    def _read(self) -> dict[str, Any]:
        values: dict[str, Any] = json.loads(Path(self.options["path"]).read_text())
        return values

    def observe(self) -> State:
        value = self._read()[self.options["key"]]
        state: State = {{"code": "tag", "process": "state"}.get(self.options["key"], "value"): value}
        return {**state, "target": {"tag": self.options["value"]}}

    def plan(self, before: State) -> Plan:
        if self.options.get("unreadable"):
            raise OperationError("no tag matches")
        different = self._read()[self.options["key"]] != self.options["value"]
        return Plan(["write"] if different else [])

    def apply(self, plan: Plan) -> State:
        if self.options.get("fails"):
            raise OperationError("told to fail")
        values = self._read()
        before = values[self.options["key"]]
        Path(self.options["path"]).write_text(json.dumps({**values, self.options["key"]: self.options["value"]}))
        return {"was": before}

    def prove(self) -> State:
        if self._read()[self.options["key"]] != self.options["value"]:
            value = self._read()[self.options["key"]]
            raise OperationError(f"{self.options['key']} is {value}", {"state": value})
        return self.observe()

    def undo(self, change: State) -> str:
        values = self._read()
        Path(self.options["path"]).write_text(json.dumps({**values, self.options["key"]: change["was"]}))
        return "put back"


class Account(Operation):
    """What a bot holds at an exchange, kept in its file, as exchange_exposure reads it and takes it to nothing.

    refuses: the exchange closes no position; silent: it does not even answer
    """

    PROOF_IS_STATE = True

    def observe(self) -> State:
        if self.options.get("silent"):
            raise OperationError(f"{self._named} cannot be read (no answer in time)")
        positions, orders = self._read()
        strategy = self.options["strategy"]
        unwanted = {
            "positions": [] if strategy == "natural" else positions,
            "orders": orders if strategy == "cancel_and_close" else [it for it in orders if not it["reduces"]],
        }
        left = unwanted["positions"] or unwanted["orders"]
        return {
            "account": "binanceusdm production",
            "state": "residual" if left else "guarded" if positions else "flat",
            "positions": positions,
            "orders": orders,
            "notional": round(sum(it["notional"] for it in positions), 2),
            "unwanted": unwanted,
        }

    def plan(self, before: State) -> Plan:
        unwanted = before["unwanted"]
        close = [f"close {it['side']} {it['contracts']} {it['symbol']}" for it in unwanted["positions"]]
        return Plan([*close, *(f"cancel {it['kind']} order {it['id']}" for it in unwanted["orders"])])

    def apply(self, plan: Plan) -> State:
        before = self.observe()
        closed, cancelled = before["unwanted"]["positions"], before["unwanted"]["orders"]
        positions = before["positions"] if self.options.get("refuses") else []
        if self.options["strategy"] == "natural":
            positions = before["positions"]
        kept = [it for it in before["orders"] if it not in cancelled]
        path = Path(self.options["path"])
        path.write_text(json.dumps({**json.loads(path.read_text()), "held": [positions, kept]}))
        after = self.observe()
        came_to = "refused (margin is insufficient)" if self.options.get("refuses") else "accepted"
        read = [[0.25, before, before["orders"]], [1.5, after, kept], [1.75, after, kept]]
        return {
            "closed": [
                {**it, "client_id": f"bf{self.options['seed']}{number:04}", "came_to": came_to}
                for number, it in enumerate(closed)
            ],
            "cancelled": cancelled,
            "rounds": 1,
            "refusals": ["margin is insufficient"] if self.options.get("refuses") else [],
            "notional_before": before["notional"],
            "notional_after": after["notional"],
            "seconds_to_flat": None if after["state"] == "residual" else 1.5,
            "readings": [[seconds, state["notional"], len(orders)] for seconds, state, orders in read],
            "requests": 9,
            "network_seconds": 0.5,
            "waited_seconds": 0.3,
        }

    def prove(self) -> State:
        state = self.observe()
        residual = state["state"] == "residual"
        state["proof"] = {"clean_at": [] if residual else [1.5, 1.75], "not_known_in": ["testnet", "demo"]}
        if residual:
            held = (f"{it['side']} {it['contracts']} {it['symbol']}" for it in state["unwanted"]["positions"])
            raise OperationError(
                f"{self._named} is not what {self.options['strategy']} wants: {'; '.join(held)}", state
            )
        return state

    _named = "the account at binanceusdm (production)"

    def _read(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        positions, orders = json.loads(Path(self.options["path"]).read_text())["held"]
        return positions, orders


class Bot:
    """One bot with a flag, a process and code, live on the bad release. It holds nothing until ``holds`` is called."""

    def __init__(self, root: Path, name: str = "bot-1", kind: str = "trading_node", target: str = GOOD) -> None:
        self.name, self.kind, self.target = name, kind, target
        self.path = root / f"{name}.json"
        self.state = root / "state"
        self.set(flag="up", process="running", code=BAD, health="bad")
        self._exposure: list[dict[str, Any]] = []
        self._shared = ""

    def holds(self, *notionals: float, strategy: str = "cancel_and_close", shared: str = "", **how: bool) -> Bot:
        """Gives it an account with positions of these values, a stop for each, and one order that would open another.

        shared: the name of the account, which ``account`` then reads, not ``halt``
        how: ``refuses`` or ``silent``, as Account has it
        """
        coins = [f"{coin}/USDT:USDT" for coin in ("BTC", "ETH", "SOL", "XRP")]
        held = zip(coins, notionals)
        positions = [{"symbol": it, "side": "long", "contracts": "0.5", "notional": worth} for it, worth in held]
        stops = [(it["symbol"], "conditional", "sell", True, None) for it in positions]
        names = ("symbol", "kind", "side", "reduces", "amount")
        orders = [
            {**dict(zip(names, order)), "id": str(4_000 + number)}
            for number, order in enumerate([(coins[-1], "regular", "buy", False, "10"), *stops] if positions else [])
        ]
        self.set(held=[positions, orders])
        options = {"path": str(self.path), "seed": self.name.replace("-", ""), "strategy": strategy, **how}
        name = "Cancel its orders, close its positions, and read that none is left"
        self._exposure = [{"id": "exposure", "name": name, "operation": "exchange_exposure", "options": options}]
        self._shared = shared
        return self

    def set(self, **values: Any) -> None:
        present = json.loads(self.path.read_text()) if self.path.exists() else {}
        self.path.write_text(json.dumps({**present, **values}))

    def step(self, key: str, value: str, step_id: str = "", **more: Any) -> dict[str, Any]:
        options = {"path": str(self.path), "key": key, "value": value, **more.pop("options", {})}
        operation = "bot_service" if key == "process" else "setting"
        return {"id": step_id or key, "name": f"{key} {value}", "operation": operation, "options": options, **more}

    def safe(self) -> list[dict[str, Any]]:
        return [self.step("flag", "down"), self.step("process", "stopped", until_resume=True)]

    def run(self, stages: list[dict[str, Any]], received: float, **fields: Any) -> dict[str, Any]:
        request = {
            "rollback_id": "rb-1",
            "bot": self.name,
            "state_dir": str(self.state),
            "decided_at": DECIDED,
            "safe": self.safe(),
            "stages": stages,
            **fields,
        }
        operations = {"setting": Setting, "bot_service": Setting, "exchange_exposure": Account}
        result = Transaction(request_from(request), operations).run()
        result["controller_times"] = {"sent": DECIDED_EPOCH, "received": DECIDED_EPOCH + received}
        result = json.loads(json.dumps(result))
        return dict(result)

    def halt(
        self, received: float = 2.0, stop_fails: bool = False, target_fails: bool = False, **fields: Any
    ) -> dict[str, Any]:
        steps = [
            self.step("flag", "down"),
            self.step("process", "stopped", "stop", options={"fails": stop_fails}),
            *([] if self._shared else self._exposure),
            self.step("code", self.target, "target", mode="plan", options={"unreadable": target_fails}),
        ]
        return self.run([{"name": "halt", "on_failure": "continue", "budget": 30, "steps": steps}], received, **fields)

    def account(self, received: float = 4.0, **fields: Any) -> dict[str, Any]:
        """Of the account that it shares, as halt's second task registers it."""
        stage = {"name": "halt", "on_failure": "continue", "budget": 30, "steps": self._exposure}
        return self.run([stage], received, **{"bot": f"account-{self._shared}", "safe": [], **fields})

    def revert(
        self, received: float = 9.0, code_fails: bool = False, healthy: bool = True, starts: bool = True, **fields: Any
    ) -> dict[str, Any]:
        stages = [
            {
                "name": "revert",
                "on_failure": "undo",
                "requires_safe": True,
                "budget": 60,
                "steps": [self.step("code", self.target, options={"fails": code_fails})],
            },
            {
                "name": "resume",
                "requires_safe": True,
                "budget": 120,
                "steps": [self.step("process", "running", "start", when=starts)],
            },
            {
                "name": "verify",
                "budget": 0.0,
                "steps": [
                    self.step("code", self.target, "version", mode="prove"),
                    self.step("health", "bad" if healthy else "good", mode="prove"),
                ],
            },
        ]
        return self.run(stages, received, **{"closes": True, **fields})

    def variables(self, halt: Any = None, revert: Any = None, **more: Any) -> dict[str, Any]:
        return {
            "inventory_hostname": self.name,
            "botfleet_kind": self.kind,
            "botfleet_holds_positions": bool(self._exposure),
            "botfleet_exposure": [{"exchange": "binanceusdm"}] if self._exposure else [],
            "botfleet_exposure_from": "host",
            "botfleet_account": self._shared or self.name,
            "botfleet_account_exclusive": not self._shared,
            "halt_result": halt,
            "halt_barrier": None,
            "revert_result": revert,
            **more,
        }
