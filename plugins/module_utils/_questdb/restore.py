# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The restore: steps that are journaled, and that the next run finishes or takes back. PRIVATE to the collection.

======== =============================================================================================
preflight and diff, which read only, and stage: the backup is copied beside the live tree, server up
rehearse  on request the staged copy is booted and verified; it has recovered its checkpoint then
stop      what was written arrives in its tables and is counted; the server is stopped, which flock proves
swap      staged and live tree change places; the live one is the safety copy
trigger   of a checkpoint that was not rehearsed: the server is told to recover it
start     the server is started and answers
settle    its WAL is applied
verify    its tables are compared with the manifest, and their columns read
revert    after a failure from swap on: the safety copy is put back, started and verified
commit    the marker is set
======== =============================================================================================

Killed before ``swap``, the old state is there, at worst with the server stopped: it is started again. Killed later, the
next run goes on forward, and whatever fails then is taken back as ever. So each end is the old state or the new one.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timezone
from typing import Callable

from .._files import sync_directory
from .._operation import OperationError, State
from . import layout
from .instance import CHECKPOINT, DB
from .journal import Run
from .lineage import history_of, restores_of
from .safety import FAILED, read_marker, read_safety, write_marker, write_safety
from .server import transactions
from .signals import Ended, unheard
from .source import BACKUP, LEFT
from .steps import Steps, content_of
from .swap import arrange, inode
from .tables import wait_for_wal
from .verify import verify

EARLY = ("", "preflight", "diff", "stage", "rehearse")
"""Steps that touch nothing live."""

STEPS = ("preflight", "diff", "stage", "rehearse", "stop", "swap", "trigger", "start", "settle", "verify", "commit")

SERVED = ("settle", "verify", "commit")
"""Steps that find the server up."""

ATTEMPTS = 3
"""How often a server is stopped that comes up again while the old tree is put back."""

NOTHING_LOST: State = {"rows_discarded": {}, "changed_tables": [], "exact": True, "data_loss": False}


class Restoration(Steps):
    """One restore of an instance, fresh or gone on with."""

    def restore(self) -> State:
        """Do all of it; returns what was changed. OperationError: the old state is there, unless it says otherwise."""
        source = self._source()
        request = {"kind": source.kind, "id": source.id, "path": source.path, "columns": self.terms.columns}
        request.update(revert=self.terms.revert, boots=self.terms.boots)
        running = self.server.is_running()
        marker = read_marker(self.root)
        self._run = self.journal.start(
            datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S.%fZ"),
            request,
            was_running=running,
            was_up=running and self.client.is_up(),
            marker=marker,
            history=history_of(source, restores_of(marker)),
            wanted=None if source.tables is None else content_of(source.tables),
            at_least=source.at_least,
            checkpoint=source.checkpoint,
            source_version=source.version,
        )
        return self._go(STEPS)

    def resume(self) -> State | None:
        """Go on with the run that was interrupted: forward from ``swap`` on, else back to the begin (None)."""
        step, is_done = self.run.step, self.run.is_done
        if step in (*EARLY, "stop"):
            self._begin_anew(self._abandon if step in EARLY else self._bring_back)
            return None
        self._check_place()
        if step == "revert" or (not self._is_swapped() and (is_done or step != "swap")):
            reason = self.facts.get("reason") or "it was being taken back"
            with unheard():
                kept = self._take_back(reason)
            raise OperationError(_as_before(reason, kept))
        if not self._is_swapped() and not self._is_at_rest():
            self._begin_anew(lambda: self._take_back("a server was started after it was stopped"))
            return None
        told = self.instance.has_trigger() or step not in ("swap", "trigger") or (step == "trigger" and is_done)
        if self._needs_trigger() and not told:
            # Nobody knows whether a server has run on it since, as one does that comes up with its host.
            self._begin_anew(lambda: self._take_back("the server was not told to recover the checkpoint"))
            return None
        self._keep_time()
        return self._go(STEPS[STEPS.index(step) + is_done :])

    def take_back(self) -> State:
        """Put back what the interrupted run replaced."""
        lost = NOTHING_LOST
        with unheard():
            if self.run.step in (*EARLY, "stop"):
                self._bring_back()
            else:
                kept = self._take_back(self.facts.get("reason") or "taken back on request")
                if kept:
                    same = transactions(os.path.join(kept, DB)) == self.facts["staged_marks"]
                    lost = {**lost, "exact": same, "data_loss": not same, "safety_copy": kept}
        return {"state": "reverted", "interrupted": self.run.step, "backup": self.run.request["path"], **lost}

    def _go(self, steps: tuple[str, ...]) -> State:
        for step in steps:
            try:
                self._do(step)
            except (OperationError, OSError) as error:
                raise self._failed(step, _sentence(error)) from error
            except Ended as error:  # there is still time to put things right
                raise self._failed(step, f"the restore of {self.root} {error} at {step}") from error
            except BaseException:
                self._failed(step, f"it was ended at {step}")
                raise
        self.journal.end("restored")
        return self._change()

    def _do(self, step: str) -> None:
        self.context.progress({"doing": f"restore: {step}"})
        self.journal.begin(step, **({"starting": True} if step == "start" else {}))
        begun = time.monotonic()
        if step in SERVED and self.run.request["boots"]:
            self._start_again()  # the host may have come up only now
        found: State = getattr(self, f"_{step}")() or {}
        if step == "commit" and self.run.request["boots"]:
            self._start_again()  # it may have ended while copies were counted and removed
        seconds = {**self.facts.get("seconds", {}), step: round(time.monotonic() - begun, 3)}
        self.journal.done(step, **found, seconds=seconds)

    @unheard()
    def _failed(self, step: str, reason: str) -> OperationError:
        if step in (*EARLY, "stop"):
            return self._untouched(step, reason)
        if step == "commit":
            return OperationError(
                f"the database is restored and verified, but that was not recorded ({reason}): run it again"
            )
        if self.run.request["revert"] or step in ("swap", "trigger") or self.instance.has_trigger():
            try:
                kept = self._take_back(reason)
            except (OperationError, OSError) as error:
                if inode(self.instance.db) == self.facts["live"]:
                    return OperationError(
                        f"{reason}; the data from before is in place again, but its server does not serve it "
                        f"({_sentence(error)}): mend that, and run it again"
                    )
                return OperationError(
                    f"{reason}; and the data from before could not be put back ({_sentence(error)}): it is in "
                    f"{self.root}, named in {layout.journal(self.root)}; mend that, and run it again"
                )
            return OperationError(_as_before(reason, kept))
        self._work_until(None)
        with suppress(OperationError):
            if not self.client.is_up():
                self.server.stop(force=True)
        self._clear()
        with suppress(OSError):
            self._mark(LEFT, self.facts.get("born") or self._wanted_exactly())
        self.journal.end("left", reason=reason)
        copy = layout.safety(self.root, self.run.id)
        return OperationError(
            f"{reason}; it was left so, and the data from before is {copy}: put it back with reverted"
        )

    def _untouched(self, step: str, reason: str) -> OperationError:
        """The old tree is in place. Its server runs again, whether it was stopped or has ended by itself."""
        ended = False
        try:
            ended = self.facts["was_running"] and not self._asked_to_stop and not self.server.is_running()
            if step == "stop":
                self._bring_back()
            elif ended:
                self._work_until(None)
                self.server.start()
        except (OperationError, OSError) as error:
            reason, ended = f"{reason}; and the server is not up again ({_sentence(error)}): run it again", False
        if step in EARLY:
            self._abandon()
        again = f"; {self.server.name} had ended by itself and was started again, nothing was replaced: run it again"
        return OperationError(reason + again if ended else reason)

    def _begin_anew(self, back: Callable[[], str | None]) -> None:
        """Go back; where that leaves something that somebody may have written to, a person has to know first."""
        with unheard() as heard:
            kept = back()
        if kept:
            raise OperationError(_as_before(f"the restore was interrupted at {self.run.step}", kept))
        if heard:
            signal.raise_signal(heard[0])

    def _abandon(self) -> None:
        """Nothing live was touched."""
        self._clear()
        self.journal.end("abandoned")

    def _bring_back(self) -> None:
        """The old tree is in place; its server may be stopped, or be about to end."""
        self._work_until(None)
        limit = time.monotonic() + self.terms.start_timeout
        while self._asked_to_stop and self.server.is_running():
            if time.monotonic() > limit:
                raise OperationError(f"{self.server.name} was asked to stop and may yet do so: see that it runs")
            time.sleep(0.1)
        if self.facts["was_running"] and not self._is_up():
            self._start_again()
        self._abandon()

    def _check_place(self) -> None:
        """OperationError where ``db`` is no tree of this restore, so that nobody knows what it is."""
        if inode(self.instance.db) not in (self.facts["live"], self.facts["staged"]):
            raise OperationError(
                f"{self.instance.db} is neither what was live before the restore nor what was restored, so somebody "
                "made it since: stop the server, move it away, and run it again"
            )

    def _take_back(self, reason: str) -> str | None:
        """Put the old tree back. Returns where the other one is if somebody may have written to it, else it is gone.

        Done again after a kill, it does what is left to do. A full disk hinders none of it: without its line, the next
        run finds that the tree in place is not the one that is wanted, and comes here, too.
        """
        self._work_until(None)
        self.facts["reason"] = reason
        with suppress(OSError):
            self.journal.begin("revert", reason=reason)
        write_marker(self.instance, None)  # claims nothing, should a full disk keep the right one from being written
        for attempt in range(1, ATTEMPTS + 1):
            try:
                back, is_written = self._exchange_back()
                break
            except OperationError:
                if attempt == ATTEMPTS or not self.instance.is_held():
                    raise
        self._put_checkpoint_back(back)
        if is_written and self.run.request["kind"] != BACKUP:
            self._doubt_counts()
        self._forget(layout.safety(self.root, self.run.id))
        with suppress(OSError):
            write_marker(self.instance, self.facts["marker"])
        if self.facts["was_running"]:
            self._start_as_before()
        with suppress(OSError):
            self.journal.done("revert")
        if back != self.facts["staged_at"] or not is_written:
            self._clear()
        self.journal.end("reverted", reason=reason)
        return os.path.join(self.root, back) if is_written else None

    def _exchange_back(self) -> tuple[str, bool]:
        """The trees change places. Returns where the restored one is now, and whether it may have been written to."""
        mend_rename(self.root, self.run)
        self._check_place()
        is_back = inode(self.instance.db) == self.facts["live"]
        if not is_back and (self.server.is_running() or self.instance.is_held()):
            self.server.stop(force=True)
        if self.instance.has_trigger():
            os.unlink(self.instance.trigger)
            sync_directory(self.root)
        is_written = self._is_written()
        back = (self._place_of_failed() if is_written else None) or self.facts["staged_at"]
        self._arrange({DB: self.facts["live"], f"{back}/{DB}": self.facts["staged"]}, self._places())
        return back, is_written

    def _is_written(self) -> bool:
        """Whether somebody may have written to the tree that was staged: a server was started on it, or it changed."""
        if self.facts.get("starting"):
            return True
        for place in (os.path.join(self.root, name) for name in self._places()):
            if inode(place) == self.facts["staged"]:
                return bool(transactions(place) != self.facts["staged_marks"])
        return True

    def _place_of_failed(self) -> str | None:
        """Where a tree goes that may have been written to. None: where it came from, as a safety copy does."""
        if self.run.request["kind"] != BACKUP:
            return None
        identifier = f"{self.run.id}.failed"
        try:
            self._describe(identifier, FAILED, None, exact=False)
        except OSError:
            return None
        return self._below(layout.safety(self.root, identifier))

    def _doubt_counts(self) -> None:
        """What the description of a safety copy counts is the least that it holds, now that it was live."""
        with suppress(OSError, OperationError):
            safety = read_safety(self.root, self.run.request["id"])
            if safety is not None:
                write_safety(replace(safety, exact=False), self.instance.owner())

    def _start_as_before(self) -> None:
        """Start the old tree and verify it, which may have more rows by now. One that did not answer need not now."""
        try:
            self._start_again(force=True)
            wait_for_wal(self.client, self._within(self.terms.start_timeout))
            wanted = None if self.facts["before"] is None else self._before()
            limit = self._within(self.terms.start_timeout)
            verify(self.client, wanted, at_least=True, columns=False, remaining=limit)
        except OperationError:
            if self.facts["was_up"]:
                raise

    def _start_again(self, *, force: bool = False) -> None:
        """It answers, at the latest once it was started anew."""
        if self.server.is_running():
            try:
                self.server.wait_until_up()
            except OperationError:
                self.server.stop(force=force)
        if not self.server.is_running():
            self.server.start()

    def _put_checkpoint_back(self, back: str) -> None:
        there, mine = inode(self.instance.checkpoint), self.facts["live_checkpoint"]
        if there is not None and there != mine and not self.instance.is_held():
            target = os.path.join(self.root, back, CHECKPOINT)
            if os.path.lexists(target):
                os.rmdir(self.instance.checkpoint)  # empty, the server recovered what was in it
            else:
                os.rename(self.instance.checkpoint, target)
        kept = os.path.join(layout.safety(self.root, self.run.id), CHECKPOINT)
        if mine is not None and inode(kept) == mine:
            os.rename(kept, self.instance.checkpoint)
        sync_directory(self.root)

    def _is_up(self) -> bool:
        return self.instance.is_held() and self.client.is_up()

    def _change(self) -> State:
        before = self.facts["before"]
        return {
            "state": "restored" if self.run.request["kind"] == BACKUP else "reverted",
            "run": self.run.id,
            "backup": self.run.request["path"],
            "rows_discarded": self.facts["rows_discarded"],
            "changed_tables": self.facts["changed_tables"],
            "exact": self.facts["exact"],
            "data_loss": before is None or bool(self.facts["rows_discarded"] or self.facts["changed_tables"]),
            "safety_copy": layout.safety(self.root, self.run.id),
            "pruned": self.facts.get("pruned", []),
            "was_running": self.facts["was_running"],
            "rehearsed": bool(self.facts.get("rehearsed")),
            "downtime": self.facts.get("downtime"),
            "seconds": self.facts["seconds"],
        }


def mend_rename(root: str, run: Run) -> None:
    """Where a kill between two renames left no ``db``, what was live is in place again."""
    if not os.path.lexists(os.path.join(root, DB)) and run.facts.get("live"):
        relative = os.path.relpath(layout.safety(root, run.id), root)
        places = [DB, f"{relative}/{DB}", f"{relative}.failed/{DB}", f"{run.facts['staged_at']}/{DB}"]
        arrange(root, {DB: run.facts["live"]}, places)


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{error.strerror or error}: {error.filename or 'this host'}"
    return str(error)


def _as_before(reason: str, kept: str | None) -> str:
    where = f"; what was live meanwhile is kept in {kept}, rows may have been written to it" if kept else ""
    return f"{reason}{where}; the database is again what it was before"
