# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The marker that keeps a halted bot down (S1.3): the unit of an armed bot does not start while it is there."""

from __future__ import annotations

import json
import os
import stat
import time

from .._files import remove_file, write_atomic
from .._operation import NotUndone, Operation, OperationError, Plan, State


class HaltMarker(Operation):
    """Observed: ``path`` and ``state``. Change: ``state``, as it was set.

    Only a regular file counts as the marker: a symlink in its place is replaced or removed, never followed.
    """

    OPTIONS = {
        "path": {"type": "path", "required": True},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "by": {"type": "str"},
    }
    PROOF_IS_STATE = True

    def observe(self) -> State:
        return {"path": self.options["path"], "state": self._state()}

    def plan(self, before: State) -> Plan:
        wanted, path = self.options["state"], before["path"]
        if before["state"] == wanted:
            return Plan()
        headers = {"before_header": path, "after_header": path}
        action = f"{'create' if wanted == 'present' else 'remove'} {path}"
        return Plan([action], [{"before": f"{before['state']}\n", "after": f"{wanted}\n", **headers}])

    def apply(self, plan: Plan) -> State:
        if self.options["state"] == "present":
            self._write()
        else:
            self._remove()
        return {"state": self.options["state"]}

    def prove(self) -> State:
        state = self.observe()
        if state["state"] != self.options["state"]:
            raise OperationError(f"{state['path']} is {state['state']}, it should be {self.options['state']}")
        return state

    def undo(self, change: State) -> str:
        if change["state"] == "present":
            raise NotUndone("a marker that keeps a bot down is never removed by an undo")
        self._write()
        return f"{self.options['path']} was written again"

    def _state(self) -> str:
        """``present``, ``absent`` or ``symlink``; a directory is an OperationError."""
        path = self.options["path"]
        try:
            mode = os.lstat(path).st_mode
        except (FileNotFoundError, NotADirectoryError):
            return "absent"
        except OSError as error:
            raise OperationError(f"{path} cannot be looked at ({error.strerror}): mend its directory") from error
        if stat.S_ISLNK(mode):
            return "symlink"
        if not stat.S_ISREG(mode):
            raise OperationError(f"{path} is not a regular file: remove it, it stands where the marker of a halt goes")
        return "present"

    def _write(self) -> None:
        path = self.options["path"]
        since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        content = json.dumps({"since": since, "by": self.options["by"]})
        try:
            if self._state() == "symlink":
                remove_file(path)
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            write_atomic(path, content.encode() + b"\n", mode=0o600)
        except OSError as error:
            raise OperationError(
                f"{path} cannot be written ({error.strerror}), so nothing keeps the bot down: mend it, start nothing"
            ) from error

    def _remove(self) -> None:
        path = self.options["path"]
        try:
            remove_file(path)
        except OSError as error:
            raise OperationError(
                f"{path} cannot be removed ({error.strerror}), so the bot stays down after a reboot: mend it"
            ) from error
