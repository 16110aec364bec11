# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A transaction that outlives the connection that brought it, and who follows it. PRIVATE to the collection.

<state_dir>/<bot>/<rollback_id>/detached.<name>.json  whose process carries it out, in the end with its result
<state_dir>/<bot>/<rollback_id>/detached.<name>.zip   the code that does it, while it runs

The name comes from what the transaction does, so that whoever asks for the same while it runs follows it, too.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from .._files import read_bytes, write_atomic
from .._operation import OperationError
from .._service.detach import start_detached
from .child import start_time
from .code import command, keep, paths
from .lock import end
from .meter import read as read_progress
from .request import Request, request_from
from .state import BotState, Rollback, checked_name, read_lines

if TYPE_CHECKING:  # never run: Ansible packs what it sees imported
    from . import alone  # noqa: F401  # named for Ansible

READY = b"ready"
START_TIMEOUT = 20.0
SCOPE = ["systemd-run", "--scope", "--quiet", "--collect"]
"""A unit of its own: ending a login session ends what runs in it, where logind is told to."""

Record = dict[str, Any]


def start(params: Mapping[str, Any]) -> dict[str, Any] | None:
    """What to ask ``follow`` for; None where nothing needs to be carried out any more: the rollback is closed.

    Raises OperationError, OSError or ValueError when nothing runs detached.
    """
    state, rollback = _place(params)
    if rollback.closed:
        return None
    request = request_from({**params, "safe": (params["safe"] or {}).get("steps")})
    name = _name(request)
    state.create()
    os.makedirs(rollback.path, mode=0o700, exist_ok=True)
    with _one_at_a_time(rollback.path):
        record = _read(rollback.path, name)
        if not record or not _runs(record):
            _launch(rollback.path, name, params)
    return {"changed": False, "following": name}


def follow(params: Mapping[str, Any]) -> dict[str, Any]:
    """Its result, if there is one; else ``following`` again, with the ``step`` under way and its ``progress``."""
    try:
        return _followed(params)
    except (OperationError, OSError, ValueError) as error:
        return _lost(f"rollback {params['rollback_id']} cannot be followed ({error}): run the same id again")


def _followed(params: Mapping[str, Any]) -> dict[str, Any]:
    name = checked_name("follow", params["follow"])
    state, rollback = _place(params)
    record = _read(rollback.path, name)
    if record and _runs(record):
        step = _step_under_way(rollback)
        progress = read_progress(rollback.path)
        fits = progress is not None and progress.get("step") == step
        return {"changed": False, "following": name, "step": step, "progress": progress if fits else None}
    record = _read(rollback.path, name)  # again: it may have ended in between
    if record and record["result"]:
        return {**record["result"], "detached": True}
    step = _step_under_way(rollback)
    process = f" (pid {record['pid']})" if record else ""
    where = f" in step {step}" if step else ""
    return _lost(
        f"rollback {params['rollback_id']}: its detached process{process} ended{where} without a result"
        f"{_taken_by(state, params['rollback_id'])}: run the same id again, which completes what was cut short"
    )


def sign(directory: str, name: str, result: dict[str, Any] | None = None) -> None:
    """This process carries it out, or has."""
    me = {"pid": os.getpid(), "start_time": start_time(os.getpid()), "result": result}
    write_atomic(os.path.join(directory, f"detached.{name}.json"), json.dumps(me).encode(), mode=0o600)


def forget_code(directory: str, name: str) -> None:
    """Nothing is loaded from it any more."""
    with suppress(OSError):
        os.unlink(os.path.join(directory, f"detached.{name}.zip"))


def _place(params: Mapping[str, Any]) -> tuple[BotState, Rollback]:
    state = BotState(params["state_dir"], params["bot"])
    return state, state.rollback(params["rollback_id"])


def _name(request: Request) -> str:
    """Without what differs from run to run of the same id: delays are drawn by lot, secrets are not here."""
    stages = [
        [stage.name, stage.on_failure, [[step.id, step.digest, step.when, step.invalid] for step in stage.steps]]
        for stage in request.stages
    ]
    text = json.dumps([stages, [step.digest for step in request.safe], request.closes, request.preempt])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@contextmanager
def _one_at_a_time(directory: str) -> Iterator[None]:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _launch(directory: str, name: str, params: Mapping[str, Any]) -> None:
    code = keep(directory, f"detached.{name}.zip", "alone")
    asked = {
        "name": name,
        "params": dict(params),
        "path": paths(),
        "environment": dict(os.environ),
        "cwd": os.getcwd(),
    }
    problem = ""
    for prefix in [SCOPE, []] if os.path.isdir("/run/systemd/system") and os.geteuid() == 0 else [[]]:
        try:
            problem = _hand_over([*prefix, *command(code)], directory, json.dumps(asked).encode())
        except (OperationError, OSError) as error:
            problem = str(error)
        if not problem:
            return
    forget_code(directory, name)
    raise OperationError(problem)


def _hand_over(argv: list[str], directory: str, data: bytes) -> str:
    """Start it and give it its request, secrets and all, through a socket that nobody else has; returns a problem."""
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            pid = start_detached(argv, cwd=directory, stdin=theirs.fileno())
        holder = {"pid": pid, "start_time": start_time(pid)}
        ours.settimeout(START_TIMEOUT)
        try:
            ours.sendall(data)
            ours.shutdown(socket.SHUT_WR)
            answer = ours.recv(len(READY))
        except OSError:
            answer = b""
    if answer == READY:
        return ""
    end(holder)
    return f"{argv[0]} did not take the transaction within {START_TIMEOUT:g} s"


def _read(directory: str, name: str) -> Record | None:
    content = read_bytes(os.path.join(directory, f"detached.{name}.json"))
    record: Record | None = json.loads(content) if content else None
    return record


def _runs(record: Record) -> bool:
    return record["result"] is None and start_time(record["pid"]) == record["start_time"]


def _step_under_way(rollback: Rollback) -> str | None:
    """The last step of the journal, if it has begun and not ended."""
    lines = [line for line in read_lines(os.path.join(rollback.path, "journal.jsonl")) if line.get("step")]
    return lines[-1]["step"] if lines and lines[-1]["event"] in ("begin", "undo_begin") else None


def _taken_by(state: BotState, rollback_id: str) -> str:
    """Who holds the bot now, if another rollback does: it may have killed the process."""
    with suppress(OSError, OperationError, ValueError, KeyError):
        holder = json.loads(read_bytes(state.file("lock")) or b"{}")
        if holder.get("rollback_id") != rollback_id and start_time(holder["pid"]) == holder["start_time"]:
            return f", and rollback {holder['rollback_id']} of {holder['controller']} has taken the bot"
    return ""


def _lost(message: str) -> dict[str, Any]:
    return {"changed": False, "failed": True, "detached": True, "msg": message}
