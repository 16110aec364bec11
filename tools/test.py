# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the parts of noxfile.py, all or those named, and count them. Needs ``tools/setup.py test`` first."""

from __future__ import annotations

import json
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
BESIDE = {"fleet", "faults", "molecule", "managed", "freqtrade"}  # they mostly wait, so the others go on meanwhile


class Lane:
    """Parts that run one after another. log: for their output; None shows it as it comes."""

    def __init__(self, name: str, parts: list[str], log: Path | None) -> None:
        self._report, self._log = CACHE / f"{name}.json", log
        self._report.unlink(missing_ok=True)
        nox = [str(CACHE / "venv" / "bin" / "nox"), "--noxfile", str(ROOT / "noxfile.py")]
        output = log.open("wb") if log else None
        self._nox = subprocess.Popen(
            [*nox, "--report", str(self._report), "--sessions", *parts], stdout=output, stderr=output
        )

    def sessions(self) -> list[dict[str, Any]]:
        """What they came to, once all of them ended."""
        ended = self._nox.wait()
        if self._log:
            print(self._log.read_text(errors="replace"), flush=True)
        if not self._report.exists():
            sys.exit(f"the parts did not run to their end: nox ended with code {ended}")
        sessions: list[dict[str, Any]] = json.loads(self._report.read_text())["sessions"]
        return sessions


def main() -> int:
    started = time.monotonic()
    parts = " ".join(sys.argv[1:]).split() or noxfile.PARTS
    beside = [part for part in parts if part.partition("(")[0] in BESIDE]
    first = [part for part in parts if part not in beside]
    lanes = [Lane("parts", first, None)] if first else []
    lanes += [Lane("beside", beside, CACHE / "beside.log" if first else None)] if beside else []
    sessions = [session for lane in lanes for session in lane.sessions()]
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    print()
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
