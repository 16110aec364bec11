# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the parts of noxfile.py, all or those named, and count them. Needs ``tools/setup.py test`` first."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache"
sys.path.insert(0, str(ROOT))
import noxfile  # noqa: E402  # found through the path above

WORDS = {"success": "passed", "skipped": "skipped"}
FAILURE = re.compile(r"^(?:FAILED|ERROR) +tests/.*|^nox > Command .* failed.*", re.MULTILINE)
BESIDE = {"unit", "data", "managed", "fleet", "faults", "molecule"}  # about half of the time


class Lane:
    """Parts that run one after another. failures: the lines of their output that say what failed."""

    def __init__(self, name: str, parts: list[str]) -> None:
        self._report, self._log = CACHE / f"{name}.json", CACHE / f"{name}.log"
        self._report.unlink(missing_ok=True)
        self.failures: list[str] = []
        nox = [str(CACHE / "venv" / "bin" / "nox"), "--noxfile", str(ROOT / "noxfile.py")]
        command = [*nox, "--report", str(self._report), "--sessions", *parts]
        with self._log.open("wb") as output:
            self._nox = subprocess.Popen(command, stdout=output, stderr=output)

    def sessions(self) -> list[dict[str, Any]]:
        """Show their output as it comes, and say what they came to once all of them ended."""
        with self._log.open(errors="replace") as output:
            ended = None
            while ended is None:
                ended = self._nox.poll()
                print(output.read(), end="", flush=True)
                time.sleep(0.2)
        self.failures = FAILURE.findall(self._log.read_text(errors="replace"))
        if not self._report.exists():
            sys.exit(f"the parts did not run to their end: nox ended with code {ended}")
        sessions: list[dict[str, Any]] = json.loads(self._report.read_text())["sessions"]
        return sessions


def main() -> int:
    started = time.monotonic()
    parts = " ".join(sys.argv[1:]).split() or noxfile.PARTS
    beside = [part for part in parts if part.partition("(")[0] in BESIDE]
    first = [part for part in parts if part not in beside]
    lanes = [Lane(name, some) for name, some in (("parts", first), ("beside", beside)) if some]
    sessions = [session for lane in lanes for session in lane.sessions()]
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    print("", *(failure for lane in lanes for failure in lane.failures), sep="\n")
    for session in sessions:
        word = WORDS.get(session["result"], "failed")
        counts[word] += 1
        print(f"{session['signatures'][0]:18} {word:8} {session['duration']:6.1f} s", session["reason"] or "")
    skipped = f", {counts['skipped']} skipped" if counts["skipped"] else ""
    seconds = time.monotonic() - started
    print(f"{counts['passed']} passed, {counts['failed']} failed{skipped}, {seconds:.0f} s in all", flush=True)
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
