# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bot's state directory: write-ahead journal and stored results. PRIVATE to the collection.

<state_dir>/<bot>/             0700
    lock                       held by flock for a whole transaction
    preempt                    who asked the holder to stop
    open                       the id of the rollback that is not closed yet
    <rollback_id>/journal.jsonl
    <rollback_id>/results.json
    <rollback_id>/progress.json    see meter.py
    <rollback_id>/detached.*       see detached.py
"""

from __future__ import annotations

import errno
import json
import os
import re
import time
from collections.abc import Iterator
from typing import Any

from .._files import NO_FOLLOW, read_bytes, remove_file, write_atomic
from .._operation import OperationError
from .request import RESUME

Line = dict[str, Any]
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,127}\Z")


class BotState:
    """The directory of one bot. ``root`` is an absolute path; it is made with mode 0700."""

    def __init__(self, root: str, bot: str) -> None:
        if not os.path.isabs(root):
            raise OperationError(f"state_dir is {root!r}, which is not an absolute path: write it from the root")
        self.path = os.path.join(root, checked_name("bot", bot))

    def create(self) -> None:
        """Make the directory; raises OperationError when it cannot be written."""
        try:
            os.makedirs(self.path, mode=0o700, exist_ok=True)
            directory = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | NO_FOLLOW)
            try:
                os.fchmod(directory, 0o700)
            finally:
                os.close(directory)
            write_atomic(self.file("writable"), b"", mode=0o600)
            remove_file(self.file("writable"))
        except (OSError, OperationError) as error:
            reason = getattr(error, "strerror", None) or error
            raise OperationError(
                f"state directory {self.path} cannot be written ({reason}): mend it, or set botfleet_state_dir"
            ) from error

    def file(self, name: str) -> str:
        return os.path.join(self.path, name)

    def rollback(self, rollback_id: str) -> Rollback:
        return Rollback(os.path.join(self.path, checked_name("rollback_id", rollback_id)))

    @property
    def open_rollback(self) -> str | None:
        content = read_bytes(self.file("open"))
        return content.decode().strip() or None if content else None

    @open_rollback.setter
    def open_rollback(self, rollback_id: str | None) -> None:
        write_atomic(self.file("open"), (rollback_id or "").encode(), mode=0o600)


class Rollback:
    """One rollback id on one bot: its journal, its results."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._results_path = os.path.join(path, "results.json")
        content = read_bytes(self._results_path) if os.path.isdir(path) else None
        self.results: dict[str, Any] = json.loads(content) if content else {"closed": False, "results": {}}

    @property
    def closed(self) -> bool:
        return bool(self.results["closed"])

    def stored(self, key: str) -> dict[str, Any] | None:
        result: dict[str, Any] | None = self.results["results"].get(key)
        return result

    def store(self, key: str, result: dict[str, Any], *, closed: bool) -> None:
        self.results["results"][key] = result
        self.results["closed"] = closed
        self._save()

    def supersede(self, by: str) -> None:
        """Close it in favour of a later rollback."""
        self.results.update(closed=True, superseded_by=by)
        self._save()

    def _save(self) -> None:
        os.makedirs(self.path, mode=0o700, exist_ok=True)
        write_atomic(self._results_path, json.dumps(self.results).encode(), mode=0o600)

    def journal(self) -> Journal:
        os.makedirs(self.path, mode=0o700, exist_ok=True)
        return Journal(os.path.join(self.path, "journal.jsonl"))


class Journal:
    """Lines of JSON, one before and one after each step, each fsynced before the next thing happens."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.lines: list[Line] = list(read_lines(path))
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        self._descriptor = os.open(path, flags, 0o600)
        if not (read_bytes(path) or b"\n").endswith(b"\n"):
            os.write(self._descriptor, b"\n")

    def write(self, event: str, **fields: Any) -> None:
        line = {"event": event, "at": utc_now(), **fields}
        data = json.dumps(line).encode() + b"\n"
        if os.write(self._descriptor, data) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self._path)
        os.fsync(self._descriptor)
        self.lines.append(line)

    def last(self, step: str) -> Line | None:
        """The newest line about a step, None if it never began. Making the bot safe takes a start back."""
        lines = self._since_made_safe() if step.startswith(RESUME + "/") else self.lines
        return next((line for line in reversed(lines) if line.get("step") == step), None)

    def resume_begun(self) -> bool:
        """Whether a step that may start the bot was begun, and the bot was not made safe since."""
        return any(
            line["event"] == "begin" and line["step"].startswith(RESUME + "/") and line["mode"] == "apply"
            for line in self._since_made_safe()
        )

    def _since_made_safe(self) -> list[Line]:
        made_safe = [index for index, line in enumerate(self.lines) if line["event"] == "made_safe"]
        return self.lines[made_safe[-1] + 1 :] if made_safe else self.lines

    def first(self, event: str) -> Line | None:
        return next((line for line in self.lines if line["event"] == event), None)


class NoJournal(Journal):
    """Writes nothing: check mode, or a halt on a host whose state directory cannot be written."""

    def __init__(self) -> None:
        self.lines = []

    def write(self, event: str, **fields: Any) -> None:
        self.lines.append({"event": event, **fields})


def read_lines(path: str) -> Iterator[Line]:
    """The lines of a journal, none if there is none."""
    for raw in (read_bytes(path) or b"").splitlines():
        try:
            yield json.loads(raw)
        except ValueError:  # the line that a crash cut short: what it announced is observed anew
            continue


def checked_name(what: str, value: str) -> str:
    """A name that is safe as a directory's; raises OperationError for any other."""
    if not NAME.match(value):
        raise OperationError(
            f"{what} is {value!r}: use letters, digits, '.', '_', '@' and '-', starting with a letter or digit"
        )
    return value


def utc_now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
