# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries out the steps of one or more stages on a bot, journaled. PRIVATE to the collection."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from .._operation import Operation, OperationError, State
from . import switch
from .lock import Lock, Locked
from .meter import Meter
from .request import EXPOSURE, HALT, NOT_IN_CHECK_MODE, PROOFS, RESUME, REVERT, VERIFY, Request, Stage, Step
from .runner import Runner
from .safety import Safety
from .state import BotState, Journal, NoJournal, Rollback, checked_name

Result = dict[str, Any]
PAUSE = 0.2


class Closed(OperationError):
    """The rollback is over, and what is asked for is not among its results."""


class Transaction:
    """One run of a request; ``run`` returns its result and does not raise."""

    def __init__(self, request: Request, registry: Mapping[str, type[Operation]]) -> None:
        self._request = request
        self._runner = Runner(registry, request.secrets, request.check_mode, self._hear)
        self._meter = Meter()
        self._stage = ""
        self._safety = Safety(request.safe, self._runner)
        self._journal: Journal = NoJournal()
        self._lock: Lock | None = None
        self._switch: switch.Switch | None = None
        self._steps: list[Result] = []
        self._stages: list[Result] = []
        self._notes: list[str] = []
        self._failures: list[str] = []
        self._began = time.monotonic()

    def run(self) -> Result:
        request = self._request
        try:
            state = BotState(request.state_dir, request.bot)
            checked_name("rollback_id", request.rollback_id)
            if request.check_mode:
                self._hear_of_firing(state)
                return self._carry_out()
            try:
                rollback = state.rollback(request.rollback_id)
                if rollback.closed:  # before the lock, which would leave its mark
                    self._hear_of_firing(state)
                    return self._stored(rollback)
                state.create()
                return self._locked(state)
            except (Closed, Locked):
                raise
            except (OperationError, OSError, ValueError) as error:
                # a full disk, a damaged file, a holder that nobody can kill
                return self._without_state(error)
        except OperationError as error:
            return self._result(refused=str(error))

    def _without_state(self, error: Exception) -> Result:
        """A halt goes on all the same. Anything else goes no further, and what it began is made safe."""
        stages = self._request.stages
        if not isinstance(error, OperationError):
            reason = getattr(error, "strerror", None) or error
            place = f"state directory {self._request.state_dir}/{self._request.bot}"
            error = OperationError(f"{place} cannot be used ({reason}): mend it, or set botfleet_state_dir")
        begun = [line for line in self._journal.lines if line["event"] == "begin"]
        self._journal, self._lock, self._switch, self._meter = NoJournal(), None, None, Meter()
        if all(stage.on_failure == "continue" for stage in stages):
            self._notes.append(f"not journaled: {error}")
            self._steps, self._stages, self._failures = [], [], []
            return self._carry_out()
        if begun:
            self._make_safe(stages[-1])
        return self._result(refused=f"went no further: {error}")

    def _locked(self, state: BotState) -> Result:
        request = self._request
        self._lock = Lock(state, request.rollback_id, request.controller)
        with self._lock.held(wait=request.lock_wait, preempt=request.preempt, preempt_after=request.preempt_after):
            rollback = state.rollback(request.rollback_id)
            if rollback.closed:
                return self._stored(rollback)
            self._supersede(state)
            self._journal = rollback.journal()
            self._meter = Meter(rollback.path, self._began)
            self._switch = switch.Switch(state, rollback, self._journal)
            self._journal.write(
                "open", transaction=request.key, controller=request.controller, decided_at=request.decided_at
            )
            for holder in self._lock.taken_from:
                self._notes.append(
                    f"took the lock from rollback {holder.get('rollback_id')} of {holder.get('controller')}, "
                    f"which was {holder['how']}"
                )
                self._journal.write("preempted", holder=holder)
            if self._switch.too_late():  # its timer is about to fire, or was lost
                self._make_safe(request.stages[0])
            heard = self._hear_of_firing(state)
            result = self._carry_out()
            closed = request.closes and not result["failed"]
            if closed:
                self._journal.write("closed")
                state.open_rollback = None
            result["closed"] = closed
            rollback.store(request.key, result, closed=closed)
            self._meter.forget()
            switch.forget(state, heard)
            return result

    def _hear(self, step: Step, told: State) -> None:
        self._meter.hear(f"{self._stage}/{step.id}", told)

    def _hear_of_firing(self, state: BotState) -> bytes | None:
        """Note what a dead man's switch did to this bot since the last transaction; returns what ``forget`` takes."""
        kept, sentence = switch.told_by(state)
        self._notes += [sentence] if sentence else []
        return kept

    def _supersede(self, state: BotState) -> None:
        earlier = state.open_rollback
        if earlier and earlier != self._request.rollback_id:
            state.rollback(earlier).supersede(self._request.rollback_id)
        if earlier != self._request.rollback_id:
            state.open_rollback = self._request.rollback_id

    def _stored(self, rollback: Rollback) -> Result:
        by = rollback.results.get("superseded_by")
        stored = rollback.stored(self._request.key)
        if stored is None or by:
            raise Closed(
                f"rollback {self._request.rollback_id} is closed"
                + (f", superseded by {by}: follow that one, or" if by else f" without a stage {self._request.key}:")
                + " start a new one"
            )
        return {**stored, "stored": True, "changed": False, "closed": True, "notes": self._notes}

    def _carry_out(self) -> Result:
        stopped = self._refusal()
        if stopped:
            self._failures.append(stopped)
        tight = switch.tight(self._request.stages)
        self._notes += [tight] if tight and not stopped else []
        for stage in self._request.stages:
            if stopped:
                self._skip(stage, stopped)
            elif self._request.check_mode and stage.name in NOT_IN_CHECK_MODE:
                self._skip(stage, "not in check mode: it needs the bot as the earlier stages leave it")
            else:
                failure = self._run_stage(stage)
                if failure:
                    self._failures.append(failure)
                if failure and stage.on_failure != "continue":
                    stopped = f"stage {stage.name} failed"
        return self._result()

    def _refusal(self) -> str:
        """Why no stage after halt may begin: one bad step refuses them all, before anything is touched."""
        for stage in self._request.stages:
            for step in stage.steps:
                if step.invalid and stage.on_failure != "continue":
                    return (
                        f"refused before anything was touched: step {step.name!r} of stage {stage.name}: {step.invalid}"
                    )
            obstacle = switch.obstacle(stage, self._safety.steps, self._request.secrets)
            if obstacle:
                return f"refused before anything was touched: {obstacle}"
        return ""

    def _run_stage(self, stage: Stage) -> str:
        """Returns the first failure, empty if there was none."""
        if not self._request.check_mode:
            self._wait(stage.delay)
        started = time.monotonic()
        self._stage = stage.name
        failure = self._run_steps(stage)
        if failure and stage.on_failure != "continue" and not self._request.check_mode and not self._preempted():
            if stage.on_failure == "undo":
                self._undo(stage)
            self._make_safe(stage)
        if self._switch and stage.name == VERIFY and not failure:
            self._switch.confirm()
        self._end_stage(stage, "failed" if failure else "ok", failure, started)
        return failure

    def _end_stage(self, stage: Stage, status: str, message: str, started: float) -> None:
        seconds = time.monotonic() - started
        self._stages.append(
            {
                "name": stage.name,
                "status": status,
                "began": round(started - self._began, 3),
                "seconds": round(seconds, 3),
                "budget": stage.budget,
                "over_budget": stage.budget is not None and seconds > stage.budget,
                "message": message,
            }
        )

    def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self._preempted():
            time.sleep(min(PAUSE, max(0.0, end - time.monotonic())))

    def _run_steps(self, stage: Stage) -> str:
        failure = "" if stage.steps else f"stage {stage.name} has no steps for this bot"
        proven_safe = not stage.requires_safe or self._request.check_mode
        for index, step in enumerate(stage.steps):
            stopped = self._preempted() or self._too_late(stage)
            if stopped:
                self._skip_rest(stage, index, stopped)
                return stopped
            earlier = self._proven_earlier(stage, step)
            if not proven_safe and earlier is None and step.when:
                may_run = stage.name != REVERT and self._journal.resume_begun()
                missing = self._safety.missing(resumed=may_run)
                if missing:
                    failure = f"the bot is not proven safe ({'; '.join(missing)}): nothing was changed"
                    self._skip_rest(stage, index, failure)
                    return failure
                proven_safe = True
            result = self._run_step(stage, step, earlier)
            if result["status"] == "failed":
                late = self._too_late(stage)
                failure = failure or f"{late and late + '; '}{step.name}: {result['message']}"
                if stage.on_failure != "continue":
                    self._skip_rest(stage, index + 1, "an earlier step failed")
                    return failure
        return failure

    def _run_step(self, stage: Stage, step: Step, earlier: Result | None) -> Result:
        if step.invalid:
            return self._report(stage, step, {"status": "failed", "message": step.invalid})
        if not step.when:
            return self._report(stage, step, {"status": "skipped", "message": "not wanted for this bot"})
        if earlier is not None and step.mode == "plan":  # what was decided stays so, whatever has changed since
            return self._report(stage, step, {**earlier, "status": "resumed"})
        if earlier is not None:
            present = self._runner.run(step, "plan")
            if present["status"] == "unchanged" or not self._reassert(stage):
                drift = "" if present["status"] == "unchanged" else f"proven before, differs now: {present['message']}"
                told = {"status": "resumed", "message": drift, "seconds": present["seconds"]}
                return self._report(stage, step, {**earlier, **told, "proof": _as_it_is(earlier, present)})
        if stage.confirm_within and step.mode == "apply":
            problem = self._arm(stage)
            if problem:
                return self._report(stage, step, {"status": "failed", "message": problem})
        key = f"{stage.name}/{step.id}"
        self._journal.write("begin", step=key, operation=step.operation, mode=step.mode, digest=step.digest)
        timed = self._switch.bounded(step) if self._switch and stage.name in (RESUME, *PROOFS) else step
        outcome = self._runner.run(timed, step.mode)
        if step.mode == "plan" and outcome["status"] == "changed":
            outcome["status"] = "unchanged"
        self._journal.write("end", step=key, operation=step.operation, digest=step.digest, outcome=outcome)
        return self._report(stage, step, outcome)

    def _proven_earlier(self, stage: Stage, step: Step) -> Result | None:
        """The outcome of the same step in an earlier run of this rollback id, if it was proven then.

        None for what only proves something: that is worth nothing later.
        """
        if step.mode == "prove" or stage.name in PROOFS:
            return None
        line = self._journal.last(f"{stage.name}/{step.id}")
        if line is None or line["event"] != "end" or line["digest"] != step.digest:
            return None
        outcome: Result = line["outcome"]
        return outcome if outcome["status"] in ("unchanged", "changed") else None

    def _reassert(self, stage: Stage) -> bool:
        """A proven step of halt is applied again until the bot was allowed to start."""
        return stage.name in (HALT, EXPOSURE) and not self._journal.resume_begun()

    def _undo(self, stage: Stage) -> None:
        for result in [result for result in reversed(self._steps) if result["stage"] == stage.name]:
            if not result.get("change"):
                continue
            step = next(step for step in stage.steps if step.id == result["id"])
            key = f"{stage.name}/{step.id}"
            self._journal.write("undo_begin", step=key)
            undone = self._runner.undo(step, result["change"])
            self._journal.write("undo_end", step=key, outcome=undone)
            result.update(status=undone["status"], message=undone["message"])

    def _make_safe(self, stage: Stage) -> None:
        """What undo or a started bot brought back is taken down again."""
        late = bool(self._switch and self._switch.too_late())
        if self._switch and late:
            self._switch.fires("transaction")
        made = True
        for step, outcome in self._safety.make():
            made = made and not (step.required and outcome["status"] == "failed")
            self._journal.write("made_safe", step=f"{stage.name}/safe/{step.id}", outcome=outcome)
            if outcome["status"] != "unchanged":
                self._report(stage, step, outcome, id=f"safe/{step.id}")
        if self._switch and made:  # else it stays armed, and tries again
            if late:
                self._switch.fired(self._safety.read(resumed=False))
            self._switch.disarm()

    def _arm(self, stage: Stage) -> str:
        """Why the dead man's switch could not be armed before the start, empty when it is."""
        try:
            if self._switch is None:
                raise OperationError("the state directory cannot be used")
            if not self._switch.fresh:
                request = self._request
                self._switch.arm(
                    stage.confirm_within, self._safety.steps, bot=request.bot, rollback_id=request.rollback_id
                )
        except (OperationError, OSError) as error:
            return f"the bot was not started, since its dead man's switch cannot be armed: {error}"
        return ""

    def _too_late(self, stage: Stage) -> str:
        """Why a bot that was started may not run any longer, empty as long as it may."""
        return self._switch.too_late() if self._switch and stage.name in (RESUME, *PROOFS) else ""

    def _preempted(self) -> str:
        request = self._lock.preempted_by() if self._lock else None
        if not request or request["rollback_id"] == self._request.rollback_id:
            return ""
        return f"preempted by rollback {request['rollback_id']} of {request['controller']}: that one goes on from here"

    def _skip(self, stage: Stage, reason: str) -> None:
        self._skip_rest(stage, 0, reason)
        self._end_stage(stage, "skipped", reason, time.monotonic())

    def _skip_rest(self, stage: Stage, index: int, reason: str) -> None:
        for step in stage.steps[index:]:
            status = "failed" if step.invalid else "skipped"
            self._report(stage, step, {"status": status, "message": step.invalid or reason})

    def _report(self, stage: Stage, step: Step, outcome: Result, **overrides: Any) -> Result:
        result = {
            "stage": stage.name,
            "id": step.id,
            "name": step.name,
            "operation": step.operation,
            "status": outcome["status"],
            "seconds": outcome.get("seconds", 0.0),
            "before": outcome.get("before"),
            "after": outcome.get("after"),
            "proof": outcome.get("proof"),
            "change": outcome.get("change"),
            "message": outcome.get("message", ""),
            "diff": outcome.get("diff", []),
            **overrides,
        }
        result["touched"] = outcome["status"] == "changed" or bool(
            outcome["status"] == "failed" and outcome.get("applied")
        )
        self._steps.append(result)
        return result

    def _result(self, refused: str = "") -> Result:
        failures = [refused] if refused else self._failures
        opened = self._journal.first("open") or {}
        return {
            "rollback_id": self._request.rollback_id,
            "bot": self._request.bot,
            "changed": any(step["touched"] for step in self._steps),
            "failed": bool(failures),
            "msg": "; ".join(self._notes + failures[:1]),
            "notes": self._notes,
            "stored": False,
            "closed": False,
            "decided_at": opened.get("decided_at") or self._request.decided_at,
            "resume_begun": self._journal.resume_begun(),
            "confirm_left": self._switch.left() if self._switch else None,
            "seconds": round(time.monotonic() - self._began, 3),
            "stages": self._stages,
            "steps": self._steps,
            "safe": self._safety.read(resumed=self._journal.resume_begun()),
        }


def _as_it_is(earlier: Result, present: Result) -> Any:
    """The proof of an earlier run with what is read now, where that is as wanted and told in the same words.

    A position that was left to its stops need not have been there then.
    """
    proof: Any = earlier["proof"]
    state: Any = present.get("before")  # a step that was killed has read nothing
    alike = isinstance(proof, dict) and isinstance(state, dict) and state.keys() <= proof.keys()
    return {**proof, **state} if alike and present["status"] == "unchanged" else proof
