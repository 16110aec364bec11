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


class Bot:
    """One bot with a flag, a process and code, live on the bad release."""

    def __init__(self, root: Path, name: str = "bot-1", kind: str = "trading_node", target: str = GOOD) -> None:
        self.name, self.kind, self.target = name, kind, target
        self.path = root / f"{name}.json"
        self.state = root / "state"
        self.set(flag="up", process="running", code=BAD, health="bad")

    def set(self, **values: str) -> None:
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
        result = Transaction(request_from(request), {"setting": Setting, "bot_service": Setting}).run()
        result["controller_times"] = {"sent": DECIDED_EPOCH, "received": DECIDED_EPOCH + received}
        result = json.loads(json.dumps(result))
        return dict(result)

    def halt(
        self, received: float = 2.0, stop_fails: bool = False, target_fails: bool = False, **fields: Any
    ) -> dict[str, Any]:
        steps = [
            self.step("flag", "down"),
            self.step("process", "stopped", "stop", options={"fails": stop_fails}),
            self.step("code", self.target, "target", mode="plan", options={"unreadable": target_fails}),
        ]
        return self.run([{"name": "halt", "on_failure": "continue", "budget": 30, "steps": steps}], received, **fields)

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
            "botfleet_holds_positions": True,
            "halt_result": halt,
            "halt_barrier": None,
            "revert_result": revert,
            **more,
        }
