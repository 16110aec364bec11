# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host whose transactions run in processes of their own that can be killed, and a controller that rolls it back.

Engine, journal and operations are the real ones, and so is what the controller makes of their results. The tasks
between are those of the roles halt, revert and record.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.tradeops.botfleet.plugins.module_utils._operations.exchange_exposure import ExchangeExposure
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations.go_live_flag import GoLiveFlag
from ansible_collections.tradeops.botfleet.plugins.module_utils._transaction.child import descendants
from ansible_collections.tradeops.botfleet.plugins.module_utils._transaction.perform import perform
from ansible_collections.tradeops.botfleet.plugins.module_utils._transaction.spec import OPTIONS
from ansible_collections.tradeops.botfleet.plugins.plugin_utils._barrier import barrier
from ansible_collections.tradeops.botfleet.plugins.plugin_utils._clock import iso
from ansible_collections.tradeops.botfleet.plugins.plugin_utils._exposure import exposure_of, shared_accounts
from ansible_collections.tradeops.botfleet.plugins.plugin_utils._record import build_record
from ansible_collections.tradeops.botfleet.plugins.plugin_utils._summary import summary, verdict

BOT, ACCOUNT = "bot-1", "desk"
DIED = {"failed": True, "changed": False, "msg": "the connection to the host was lost"}

Result = dict[str, Any]


def defaults(options: dict[str, Any]) -> dict[str, Any]:
    return {name: spec.get("default") for name, spec in options.items()}


class Host:
    """What is on disk stays: the flag, the bot's own files, and the state directory."""

    def __init__(self, root: Path) -> None:
        self.root, self.state, self.flag, self.health = root, root / "state", root / "flag", root / "health"
        self.printed = root / "printed"
        self._pid = 0
        self._killed = False

    def run(self, stages: list[Result], *, check_mode: bool, environment: dict[str, str], **of: Any) -> Result:
        """What the transaction came to; DIED if it was killed, with all of its processes."""
        params = {**defaults(OPTIONS), "state_dir": str(self.state), "stages": stages, "controller": "ops@here", **of}
        self._killed = False
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            gc.freeze()  # else each collection would copy the memory of these tests
            os.environ.update(environment)
            self._answer(params, check_mode, writer)
        self._pid = pid
        os.close(writer)
        with os.fdopen(reader, "rb") as answer:
            said = answer.read()  # until the last of its processes is gone
        self._pid = 0
        os.waitpid(pid, 0)
        assert said or self._killed, self.printed.read_text()
        return json.loads(said) if said else dict(DIED)

    def kill(self) -> None:
        """The transaction; the kernel then ends the process of its step."""
        if self._pid:
            self._killed = True
            os.kill(self._pid, signal.SIGKILL)

    def kill_step(self) -> None:
        """As the kernel does that has no memory left: the transaction goes on."""
        for pid in descendants(self._pid) if self._pid else []:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def lose_power(self, rollback_id: str) -> bool:
        """Leave the journal as if that had happened when its bot was about to start; False if it never was."""
        journal = self.state / BOT / rollback_id / "journal.jsonl"
        if not journal.exists():  # in check mode
            return False
        lines = journal.read_text().splitlines(keepends=True)
        begun = [number for number, line in enumerate(lines) if '"begin"' in line and '"resume/' in line]
        if begun:
            journal.write_text("".join(lines[: begun[-1] + 1]))
        return bool(begun)

    def told(self) -> str:
        """All that it keeps, and all that was printed on it."""
        files = [path for path in self.state.rglob("*") if path.is_file()]
        return "\n".join(path.read_text(errors="replace") for path in [*files, self.printed] if path.exists())

    def _answer(self, params: Result, check_mode: bool, writer: int) -> None:
        try:
            printed = os.open(self.printed, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            for descriptor in (1, 2):
                os.dup2(printed, descriptor)
            sys.stdout = sys.stderr = os.fdopen(printed, "w")
            said = json.dumps(perform(params, check_mode))
            sys.stdout.flush()
            with os.fdopen(writer, "w") as answer:
                answer.write(said)
        except Exception:  # noqa: BLE001  # it is shown by whoever misses the answer
            traceback.print_exc()
            sys.stdout.flush()
        finally:
            os._exit(0)


@dataclass(frozen=True)
class Rollback:
    """What the controller is told to do.

    entry: of ``botfleet_exposure``
    options: of its step, besides; a secret is a placeholder
    mode: of its step
    loses_power: whether the host does, right after the bot was allowed to start
    """

    rollback_id: str
    entry: Result
    options: Result
    secrets: Result
    environment: dict[str, str]
    check_mode: bool
    mode: str
    shared: bool
    accept_guarded: bool
    loses_power: bool


@dataclass(frozen=True)
class Came:
    """What became of it, as the collection says.

    steps: those that read the account
    text: all that it puts out
    """

    record: Result
    exposure: Result
    steps: list[Result]
    closed: bool
    stored: bool
    text: str

    @property
    def exit_code(self) -> int:
        """As the last task of record sets it."""
        return 0 if self.record["outcome"] == "restored" else 2


def roll_back(host: Host, rollback: Rollback, standing: Result | None) -> Came:
    """Halt, flatten the account, and go on if the barrier lets it pass. standing: the record of an earlier run."""
    decided = iso(time.time())
    variables: Result = {
        "inventory_hostname": BOT,
        "botfleet_kind": "quantum_trader",
        "botfleet_holds_positions": True,
        "botfleet_exposure": [rollback.entry],
        "botfleet_exposure_from": "host",
        "botfleet_account": ACCOUNT,
        "botfleet_account_exclusive": not rollback.shared,
        "halt_accounts": {},
        "revert_result": None,
    }
    everyone = {BOT: variables}
    steps = [flag_step(host) if rollback.shared else exposure_step(rollback)]
    variables["halt_result"] = _run(host, rollback, [_halt("halt", steps)], decided, safe=[flag_step(host)])
    variables["halt_accounts"] = accounts = shared_accounts([BOT], everyone, [BOT])
    account = accounts.get(ACCOUNT)
    if account and account["leader"] == BOT and not account["refused"]:
        stage = _halt("exposure", [exposure_step(rollback)])
        variables["halt_account_result"] = _run(host, rollback, [stage], decided, bot=f"account-{ACCOUNT}")
    passes = barrier([BOT], everyone, check_mode=rollback.check_mode, accept_guarded=rollback.accept_guarded)
    variables["halt_barrier"] = passes
    if passes["bots"][BOT]["passes"]:
        gone_on = _run(host, rollback, _rest(host), decided, safe=[flag_step(host)], closes=True)
        down = rollback.loses_power and not gone_on.get("closed") and host.lose_power(rollback.rollback_id)
        variables["revert_result"] = dict(DIED) if down else gone_on
    return _came(rollback, everyone, decided, standing)


def flag_step(host: Host, step_id: str = "flag", **of: Any) -> Result:
    options = {**defaults(GoLiveFlag.OPTIONS), "path": str(host.flag), "state": "absent", **of}
    return {"id": step_id, "name": "Lower the go-live flag", "operation": "go_live_flag", "options": options}


def exposure_step(rollback: Rollback) -> Result:
    options = {**defaults(ExchangeExposure.OPTIONS), **rollback.entry, **rollback.options}
    name = "Cancel its orders, close its positions, and read that none is left"
    operation = {"operation": "exchange_exposure", "options": options, "mode": rollback.mode, "timeout": 75.0}
    return {"id": "exposure", "name": name, **operation}


def _halt(name: str, steps: list[Result]) -> Result:
    return {"name": name, "on_failure": "continue", "budget": 30, "steps": steps}


def _rest(host: Host) -> list[Result]:
    """What comes behind the barrier, with as little in it as can be."""
    alive = flag_step(host, "health", path=str(host.health), state="present")
    return [
        {"name": "resume", "on_failure": "stop", "steps": [flag_step(host, "start")]},
        {"name": "verify", "on_failure": "stop", "steps": [{**alive, "mode": "prove"}]},
    ]


def _run(
    host: Host, rollback: Rollback, stages: list[Result], decided: str, *, safe: list[Result] | None = None, **of: Any
) -> Result:
    given = {"rollback_id": rollback.rollback_id, "bot": BOT, "decided_at": decided, "preempt": True, **of}
    sent = time.time()
    result = host.run(
        stages,
        check_mode=rollback.check_mode,
        environment=rollback.environment,
        safe={"steps": safe or []},
        secrets=rollback.secrets,
        **given,
    )
    return {**result, "controller_times": {"sent": sent, "received": time.time()}}


def _came(rollback: Rollback, everyone: dict[str, Result], decided: str, standing: Result | None) -> Came:
    inputs = {
        "rollback_id": rollback.rollback_id,
        "plan": "emergency",
        "scope": "bots",
        "trigger": "manual",
        "reason": "a bad night",
        "decided_at": decided,
        "bots": [BOT],
        "inputs": {"accept_guarded": rollback.accept_guarded},
    }
    record = build_record(inputs, everyone, rollback.check_mode, time.time(), standing)
    its = everyone[BOT]
    results = [its[name] for name in ("halt_result", "halt_account_result", "revert_result") if its.get(name)]
    shown = [json.dumps(it) for it in (results, record)] + summary(record, "record.json") + [verdict(record)]
    return Came(
        record=record,
        exposure=exposure_of(BOT, everyone, rollback.check_mode),
        steps=[it for result in results for it in result.get("steps", []) if it["operation"] == "exchange_exposure"],
        closed=bool(its["halt_result"].get("closed")),
        stored=any(result.get("stored") for result in results),
        text="\n".join(shown),
    )
