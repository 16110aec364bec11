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
import time
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timezone

from .._files import sync_directory
from .._operation import OperationError, State
from . import layout
from .instance import CHECKPOINT, DB
from .journal import Run
from .safety import FAILED, read_marker, write_marker
from .source import BACKUP
from .steps import Steps, content_of
from .swap import arrange, inode
from .tables import wait_for_wal
from .verify import verify

EARLY = ("", "preflight", "diff", "stage", "rehearse")
"""Steps that touch nothing live."""

STEPS = ("preflight", "diff", "stage", "rehearse", "stop", "swap", "trigger", "start", "settle", "verify", "commit")

NOTHING_LOST: State = {"rows_discarded": {}, "changed_tables": [], "exact": True, "data_loss": False}


class Restoration(Steps):
    """One restore of an instance, fresh or gone on with."""

    def restore(self) -> State:
        """Do all of it; returns what was changed. OperationError: the old state is there, unless it says otherwise."""
        source = self._source()
        request = {"kind": source.kind, "id": source.id, "path": source.path, "columns": self.terms.columns}
        request.update(revert=self.terms.revert, boots=self.terms.boots)
        running = self.server.is_running()
        self._run = self.journal.start(
            datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S.%fZ"),
            request,
            was_running=running,
            was_up=running and self.client.is_up(),
            marker=read_marker(self.root),
            wanted=None if source.tables is None else content_of(source.tables),
            at_least=source.at_least,
            checkpoint=source.checkpoint,
            source_version=source.version,
        )
        return self._go(STEPS)

    def resume(self) -> State | None:
        """Go on with the run that was interrupted: forward from ``swap`` on, else back to the begin (None)."""
        step = self.run.step
        if step in EARLY:
            self._abandon()
            return None
        if step == "revert":
            reason = self.facts["reason"]
            self._take_back(reason)
            raise OperationError(f"{reason}; the database is again what it was before")
        if step == "stop" or (step == "swap" and self.instance.is_held() and not self._is_swapped()):
            self._bring_back()
            return None
        if step in ("swap", "trigger") and self._needs_trigger() and not self.instance.has_trigger():
            # Nobody knows whether a server has run on it since, as one does that comes up with its host.
            self._take_back("the server was not told to recover the checkpoint", started=self._is_swapped())
            return None
        return self._go(STEPS[STEPS.index(step) + self.run.is_done :])

    def take_back(self) -> State:
        """Put back what the interrupted run replaced."""
        if self.run.step in (*EARLY, "stop"):
            self._bring_back()
        else:
            self._take_back(self.facts.get("reason") or "taken back on request")
        return {"state": "reverted", "interrupted": self.run.step, "backup": self.run.request["path"], **NOTHING_LOST}

    def _go(self, steps: tuple[str, ...]) -> State:
        for step in steps:
            try:
                self._do(step)
            except (OperationError, OSError) as error:
                raise self._failed(step, _sentence(error)) from error
            except BaseException:  # a signal to end, above all: there is still time to put things right
                self._failed(step, f"it was ended at {step}")
                raise
        self.journal.end("restored")
        return self._change()

    def _do(self, step: str) -> None:
        self.context.progress({"doing": f"restore: {step}"})
        self.journal.begin(step, **({"starting": True} if step == "start" else {}))
        begun = time.monotonic()
        found: State = getattr(self, f"_{step}")() or {}
        seconds = {**self.facts.get("seconds", {}), step: round(time.monotonic() - begun, 3)}
        self.journal.done(step, **found, seconds=seconds)

    def _failed(self, step: str, reason: str) -> OperationError:
        if step in EARLY:
            self._abandon()
            return OperationError(reason)
        if step == "commit":
            return OperationError(
                f"the database is restored and verified, but that was not recorded ({reason}): run it again"
            )
        if step == "stop":
            try:
                self._bring_back()
            except (OperationError, OSError) as error:
                return OperationError(f"{reason}; and the server is not up again ({_sentence(error)}): run it again")
            return OperationError(reason)
        if self.run.request["revert"] or step in ("swap", "trigger"):  # a tree that was never started helps nobody
            try:
                self._take_back(reason)
            except (OperationError, OSError) as error:
                return OperationError(
                    f"{reason}; and the data from before could not be put back ({_sentence(error)}): it is in "
                    f"{self.root}, named in {layout.journal(self.root)}; mend that, and run it again"
                )
            return OperationError(f"{reason}; the database is again what it was before")
        with suppress(OperationError):
            if not self.client.is_up():
                self.server.stop(force=True)
        self._clear()
        self.journal.end("left", reason=reason)
        copy = layout.safety(self.root, self.run.id)
        return OperationError(
            f"{reason}; it was left so, and the data from before is {copy}: put it back with reverted"
        )

    def _abandon(self) -> None:
        """Nothing live was touched."""
        self._clear()
        self.journal.end("abandoned")

    def _bring_back(self) -> None:
        """The old tree is in place; its server may be stopped."""
        self._take_time()
        if self.facts["was_running"] and not self._is_up():
            if self.server.is_running():
                try:
                    self.server.wait_until_up()
                except OperationError:
                    self.server.stop()
            if not self.server.is_running():
                self.server.start()
        self._abandon()

    def _take_back(self, reason: str, *, started: bool = False) -> None:
        """Put the old tree back. Done again after a kill, it does what is left to do.

        started: a server may have been started on the new one, though none was told to

        A full disk hinders none of it: without its line, the next run would find that the tree in place is not the
        one that is wanted, and come here, too.
        """
        self._take_time()
        noted: State = {"reason": reason, **({"starting": True} if started else {})}
        self.facts.update(noted)
        with suppress(OSError):
            self.journal.begin("revert", **noted)
        if self.server.is_running() or self.instance.is_held():
            self.server.stop(force=True)
        if self.instance.has_trigger():
            os.unlink(self.instance.trigger)
            sync_directory(self.root)
        back = self._place_of_failed() or self.facts["staged_at"]
        places = [DB, f"{self.facts['staged_at']}/{DB}", f"{self._safety_place()}/{DB}", f"{back}/{DB}"]
        self._arrange({DB: self.facts["live"], f"{back}/{DB}": self.facts["staged"]}, places)
        self._put_checkpoint_back(back)
        self._forget(layout.safety(self.root, self.run.id))
        write_marker(self.instance, self.facts["marker"])
        if self.facts["was_running"]:
            self._start_as_before()
        with suppress(OSError):
            self.journal.done("revert")
        if back != self.facts["staged_at"] or not self.facts.get("starting"):
            self._clear()
        self.journal.end("reverted", reason=reason)

    def _place_of_failed(self) -> str | None:
        """Where the tree goes that a server was started on, since somebody may have written to it; None: back."""
        if self.run.request["kind"] != BACKUP or not self.facts.get("starting"):
            return None
        identifier = f"{self.run.id}.failed"
        try:
            self._describe(identifier, FAILED, None, exact=False)
        except OSError:
            return None
        return self._below(layout.safety(self.root, identifier))

    def _take_time(self) -> None:
        """The way back is gone to its end, also where the step's time limit was what failed."""
        self.context = replace(self.context, deadline=None)
        self.server = self.server.within(self.context)

    def _start_as_before(self) -> None:
        """Start the old tree and verify it. A server that did not answer before need not do so now."""
        try:
            self.server.start()
            wait_for_wal(self.client, self._within(self.terms.start_timeout))
            wanted = None if self.facts["before"] is None else self._before()
            verify(
                self.client,
                wanted,
                at_least=not self.facts["exact"],
                columns=False,
                remaining=self._within(self.terms.start_timeout),
            )
        except OperationError:
            if self.facts["was_up"]:
                raise

    def _put_checkpoint_back(self, back: str) -> None:
        there, mine = inode(self.instance.checkpoint), self.facts["live_checkpoint"]
        if there is not None and there != mine:
            target = os.path.join(self.root, back, CHECKPOINT)
            if os.path.lexists(target):
                os.rmdir(self.instance.checkpoint)  # empty, the server recovered what was in it
            else:
                os.rename(self.instance.checkpoint, target)
        kept = os.path.join(layout.safety(self.root, self.run.id), CHECKPOINT)
        if mine is not None and inode(kept) == mine:
            os.rename(kept, self.instance.checkpoint)
        sync_directory(self.root)

    def _is_swapped(self) -> bool:
        return inode(self.instance.db) == int(self.facts["staged"])

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
