# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that a rollback leaves on the controller. PRIVATE to the collection.

<artifacts>/<rollback_id>/record.json    written first; nothing that goes wrong with another file loses it
                          summary.txt, report.html, incident.md
<artifacts>/latest                       the newest of these directories
<artifacts>/history.jsonl, history.md
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..module_utils._files import read_bytes, write_atomic
from ..module_utils._operation import OperationError
from ._clock import epoch
from ._history.files import LINES, add_rollback
from ._incident.page import incident
from ._report import render_report

Record = Mapping[str, Any]


class Artifacts:
    """The directory of one rollback. ``warnings`` and ``not_written`` name what could not be written, and why."""

    def __init__(self, root: str, name: str) -> None:
        self._root, self._name = root, name
        self._written: set[str] = set()
        self.warnings: list[str] = []
        self.not_written: list[str] = []

    def path(self, name: str) -> str:
        return os.path.join(self._root, self._name, name)

    def standing(self) -> dict[str, Any] | None:
        """The record of an earlier run, None if there is none that can be used."""
        try:
            record: dict[str, Any] = json.loads(read_bytes(self.path("record.json")) or b"")
            epoch(record["start_time"])
            usable = record["rollback_id"] == self._name and all(bot["name"] for bot in record["bots"])
        except (OSError, OperationError, ValueError, LookupError, TypeError, AttributeError):
            return None
        return record if usable else None

    def write_record(self, record: Record) -> dict[str, Any]:
        """Add its line to the history, then write it; returns it as it was written.

        A history that cannot be written is a warning. Raises OSError or OperationError if the record cannot be.
        """
        written: dict[str, Any] = json.loads(json.dumps(record, default=str))  # YAML makes a date of a tag like one
        os.makedirs(self.path(""), exist_ok=True)
        if not written["check_mode"]:
            try:
                written["history"], warnings = add_rollback(self._root, written)
                self.warnings += warnings
            except Exception as error:  # noqa: BLE001  # whatever the history trips over, the rollback is recorded
                self._missing(os.path.join(self._root, LINES), error)
        self._write("record.json", json.dumps(written, indent=2, ensure_ascii=False) + "\n")
        return written

    def write_pages(self, record: Record, lines: Sequence[str]) -> None:
        """The files for people. One that cannot be made or written is a warning."""
        pages: dict[str, Callable[[], str]] = {
            "summary.txt": lambda: "\n".join(lines) + "\n",
            "report.html": lambda: render_report(record),
        }
        if not record["check_mode"]:
            pages["incident.md"] = lambda: incident(record, self._present("incident.md"))
        for name, render in pages.items():
            try:
                self._write(name, render())
            except Exception as error:  # noqa: BLE001  # whatever a page trips over, the rollback is recorded
                self._missing(self.path(name), error)
        try:
            self._point("latest")
        except OSError as error:
            self._missing(os.path.join(self._root, "latest"), error)

    def result(self, record: Record) -> dict[str, Any]:
        """Where everything is, for the task's result; None for what is not there."""
        return {
            "path": self.path("record.json"),
            "report": self._path_if_written("report.html"),
            "incident": self._path_if_written("incident.md"),
            "history": os.path.join(self._root, LINES) if record["history"] else None,
            "not_written": self.not_written,
            "warnings": self.warnings,
        }

    def _write(self, name: str, text: str) -> None:
        """Half a character, which a bot's text may hold, is written as its escape; what people wrote stays as it is."""
        errors = "surrogateescape" if name == "incident.md" else "backslashreplace"
        write_atomic(self.path(name), text.encode(errors=errors))
        self._written.add(name)

    def _present(self, name: str) -> str | None:
        content = read_bytes(self.path(name))
        return None if content is None else content.decode(errors="surrogateescape")

    def _path_if_written(self, name: str) -> str | None:
        return self.path(name) if name in self._written else None

    def _missing(self, path: str, error: Exception) -> None:
        self.not_written.append(path)
        self.warnings.append(f"{path} could not be written: {error}")

    def _point(self, link: str) -> None:
        """Replaced by rename, so that it is never missing."""
        temporary = os.path.join(self._root, f".{link}.{secrets.token_hex(6)}")
        os.symlink(self._name, temporary)
        try:
            os.rename(temporary, os.path.join(self._root, link))
        except OSError:
            os.unlink(temporary)
            raise
