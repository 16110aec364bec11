# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The purge of Redis keys by prefix, or of a whole database by an explicit word (S2.7). PRIVATE to the collection."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from typing import Any

from .._operation import NotUndone, OperationError, Plan, State
from .journal import Line
from .server import Server, Taken
from .shown import LISTED, diff, named, shown
from .trash import Entry, Trash

DEFAULT_TRASH = "/var/lib/botfleet-trash"
FLUSH = "flushdb"
PASSES = 5


@dataclass
class Count:
    """What a walk through the database came to. names: the first of those that would go."""

    ours: int
    others: int
    names: list[bytes]


class Stopped(Exception):
    """A walk that failed, and how many keys it had removed."""

    def __init__(self, reason: OperationError, removed: int) -> None:
        super().__init__(str(reason))
        self.reason = reason
        self.removed = removed


class Keys:
    """Observed: how many keys would go. Change: how many went, and where their dump is."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = redis = options["redis"]
        self._max_age: float = options["trash_max_age"]
        self._flush = redis["flush"] == FLUSH
        self._prefix = (redis["prefix"] or "").encode()
        _refuse(redis)
        self._server = Server(redis)
        self._what = "all of it" if self._flush else f"keys {redis['prefix']!r}"
        self._trash = Trash(
            options["trash"] or DEFAULT_TRASH, f"{self._server.name}, {self._what}", f"redis-db{redis['db']}"
        )
        self._emptied = False

    def observe(self) -> State:
        self._server.refuse_others()
        return self._state(self._count())

    def plan(self, before: State) -> Plan:
        actions, where = [], self._server.name
        self._server.refuse_unpermitted(self._prefix, dump=self._options["dump"], flush=self._flush)
        if before["matches"]:
            if self._options["dump"]:
                self._trash.device()
            if self._flush:
                prefix = self._options["prefix"]
                others = f", {before['others']} of them without the prefix {prefix!r}" if prefix else ""
                actions.append(f"flush {where} of all its {before['matches']} keys{others}, whoever else uses them")
            else:
                actions.append(f"remove {before['matches']} keys {self._options['prefix']!r} from {where}")
            kept = f"keep their dump in {self._trash.path}" if self._options["dump"] else "keep no dump of them"
            actions.append(kept)
        actions += self._trash.actions(before)
        return Plan(actions, [self._diff(before)] if actions else [], {"before": before})

    def apply(self, plan: Plan) -> State:
        before: State = plan.data["before"]
        change: State = {"redis": self._server.name, "trash": None, "removed": 0}
        if before["matches"] or before["interrupted"]:
            change.update(self._take())
        return {**change, "expired": self._trash.remove(before["expired"])}

    def prove(self) -> State:
        """Walk again. What is there is new only if the server counted each key that it was told to remove.

        A walk meets every key that was there all the while, so what it did not meet was written since.
        """
        self._server.refuse_others()
        count = self._count()
        left = count.ours + (count.others if self._flush else 0)
        if left and not self._emptied:
            raise OperationError(
                f"{self._server.name} still has {left} of {self._what} (such as {shown(count.names[0])}): "
                "purge it, the bot stopped"
            )
        return {**self._state(count), "created_since": left}

    def undo(self, change: State) -> str:
        """Put the keys back, each with the time that it had left, but over none that is there by now."""
        if not change["trash"] and not change["removed"]:
            return f"no key of {self._server.name} was removed, so none is put back"
        if not change["trash"]:
            raise NotUndone(f"{change['removed']} keys of {self._server.name} stay removed: no dump of them was wanted")
        self._server.refuse_others()
        back, expired, left = 0, 0, []
        with self._trash.kept(change["trash"]) as entry:
            latest = {line["key"]: number for number, line in enumerate(entry.journal.lines()) if "key" in line}
            lines = (line for number, line in enumerate(entry.journal.lines()) if latest.get(line.get("key")) == number)
            while batch := list(islice(lines, self._options["batch"])):
                alive = [(line, left_to_live) for line in batch if (left_to_live := _left(line)) != 0]
                expired += len(batch) - len(alive)
                taken = self._restore(alive)
                back += len(alive) - len(taken)
                left += taken
            if not left:
                entry.remove()
        gone = f", {expired} had expired since" if expired else ""
        if left:
            again = named([shown(name) for name in left])
            raise NotUndone(
                f"{back} keys are back in {self._server.name}{gone}, but {again} were there again and were left alone: "
                f"what they were stays in {change['trash']}"
            )
        return f"{back} keys are back in {self._server.name}{gone}"

    def _take(self) -> State:
        removed = 0
        with ExitStack() as opened:
            entry = opened.enter_context(self._trash.entry(time.time())) if self._options["dump"] else None
            try:
                for _pass in range(PASSES):  # a key that has expired just then was not removed: walk again
                    told, gone = self._flush_all(entry) if self._flush else self._remove(entry)
                    removed += gone
                    self._emptied = told == gone
                    if self._emptied:
                        break
            except Stopped as stopped:
                kept = f" and their dump is in {entry.path}" if entry else ""
                done = f"{removed + stopped.removed} keys had been removed before{kept}"
                raise OperationError(f"{stopped.reason}; {done}: mend that, and run it again") from stopped
            if entry is not None:
                removed = len({line["key"] for line in entry.journal.lines() if "key" in line})
                entry.finish()
        return {"trash": entry.path if entry else None, "removed": removed}

    def _remove(self, entry: Entry | None) -> tuple[int, int]:
        """Walk once; returns how many keys the server was told to remove, and how many it says it has."""
        told = gone = 0
        try:
            for names in self._walk():
                known = names if entry is None else self._dump(names, entry)
                if known:
                    told += len(known)
                    gone += self._server.ask("UNLINK", *known)
        except OperationError as error:
            raise Stopped(error, gone) from error
        return told, gone

    def _flush_all(self, entry: Entry | None) -> tuple[int, int]:
        """As ``_remove``; the server answers only once its database is empty."""
        count = 0
        try:
            for names in self._walk():
                count += len(names if entry is None else self._dump(names, entry))
            if count:
                self._server.ask("FLUSHDB", "ASYNC")
        except OperationError as error:
            raise Stopped(error, 0) from error
        return count, count

    def _dump(self, names: list[bytes], entry: Entry) -> list[bytes]:
        """Have keys on disk; returns those that are. One that expires meanwhile is none."""
        answers = self._server.ask_all([(command, name) for name in names for command in ("DUMP", "PTTL")])
        for answer in answers:
            if isinstance(answer, OperationError):
                raise answer
        lines: list[Line] = []
        known = []
        for name, dump, left in zip(names, answers[::2], answers[1::2]):
            if dump is not None and left != -2:
                known.append(name)
                lines.append({"key": _encoded(name), "dump": _encoded(dump), "ttl": left, "at": time.time()})
        if lines:
            entry.journal.write(lines)
        return known

    def _restore(self, lines: list[tuple[Line, int]]) -> list[bytes]:
        """Restore keys, each with the milliseconds that it has left; returns those of which another value is there."""
        names = [_decoded(line["key"]) for line, _left_to_live in lines]
        dumps = [_decoded(line["dump"]) for line, _left_to_live in lines]
        lefts = [max(left_to_live, 0) for _line, left_to_live in lines]  # RESTORE says 0 for ever
        answers = self._server.ask_all(("RESTORE", *item) for item in zip(names, lefts, dumps))
        for answer in answers:
            if isinstance(answer, OperationError) and not isinstance(answer, Taken):
                raise answer
        taken = [(name, dump) for name, dump, answer in zip(names, dumps, answers) if isinstance(answer, Taken)]
        present = self._server.ask_all(("DUMP", name) for name, _dump in taken)
        return [name for (name, dump), now in zip(taken, present) if now != dump]  # else it was put back before

    def _walk(self) -> Iterator[list[bytes]]:
        """The keys that are to go, some of them twice, in lists of at most ``batch``."""
        size = self._options["batch"]
        match = [] if self._flush else ["MATCH", escaped(self._prefix) + b"*"]
        cursor: Any = 0
        while True:
            cursor, names = self._server.ask("SCAN", cursor, *match, "COUNT", size)
            wanted = [name for name in names if self._flush or name.startswith(self._prefix)]
            for start in range(0, len(wanted), size):
                yield list(dict.fromkeys(wanted[start : start + size]))
            if int(cursor) == 0:
                return

    def _count(self) -> Count:
        count = Count(0, 0, [])
        for names in self._walk():
            for name in names:
                if name.startswith(self._prefix):
                    count.ours += 1
                else:
                    count.others += 1
                if len(count.names) < LISTED:
                    count.names.append(name)
        return count

    def _state(self, count: Count) -> State:
        entries = [entry for entry in self._trash.found() if entry.finished or self._options["dump"]]
        return {
            "redis": self._server.name,
            "matches": count.ours + count.others,
            "others": count.others,
            "names": sorted(shown(name) for name in count.names),
            **self._trash.state(entries, self._max_age),
        }

    def _diff(self, before: State) -> dict[str, str]:
        totals = (f"{before['matches']} keys", "0 keys")
        return diff(self._server.name, before["names"], before["matches"], totals, before["expired"])


def escaped(prefix: bytes) -> bytes:
    """A prefix as SCAN's MATCH takes it, where ``* ? [ ] \\`` stand for themselves."""
    return b"".join(b"\\" + bytes([byte]) if byte in b"*?[]\\" else bytes([byte]) for byte in prefix)


def _refuse(redis: dict[str, Any]) -> None:
    """Raise OperationError for options that would remove more, or other keys, than somebody meant."""
    flush = redis["flush"] == FLUSH
    if not redis["prefix"] and not flush:
        raise OperationError("prefix is empty, which all keys have: give the one of this bot's keys")
    if flush and redis["flush_db"] != redis["db"]:
        raise OperationError(
            f"flush is {FLUSH}, and flush_db is {redis['flush_db']} where db is {redis['db']}: repeat the number "
            "of the database that loses everything"
        )
    if not flush and redis["flush_db"] is not None:
        raise OperationError(f"flush_db is for a flush, and flush is not {FLUSH}: leave it out")
    for option in ("batch", "timeout"):
        if redis[option] <= 0:
            raise OperationError(f"{option} is {redis[option]:g}: give more than 0")
    unknown = sorted(set(redis["credentials"] or {}) - {"username", "password"})
    if unknown:
        raise OperationError(f"credentials have {', '.join(unknown)}: give username and password")


def _left(line: Line) -> int:
    """Milliseconds that a key has left to live, by this host's clock: 0 if none, -1 if it lives for ever."""
    if line["ttl"] < 0:
        return -1
    return max(0, int(line["ttl"] - (time.time() - line["at"]) * 1000))


def _encoded(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _decoded(text: str) -> bytes:
    return base64.b64decode(text)
