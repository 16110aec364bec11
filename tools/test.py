# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the parts of noxfile.py, all or those named, and count them. Needs ``tools/setup.py test`` first."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REPORT = ROOT / ".cache" / "parts.json"
WORDS = {"success": "passed", "skipped": "skipped"}


def main() -> int:
    nox = [str(ROOT / ".cache" / "venv" / "bin" / "nox"), "--noxfile", str(ROOT / "noxfile.py")]
    parts = " ".join(sys.argv[1:]).split()
    REPORT.unlink(missing_ok=True)
    ended = subprocess.call([*nox, "--report", str(REPORT), *(["--sessions", *parts] if parts else [])])
    if not REPORT.exists():
        sys.exit(f"the parts did not run to their end: nox ended with code {ended}")
    sessions = json.loads(REPORT.read_text())["sessions"]
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    print()
    for session in sessions:
        word = WORDS.get(session["result"], "failed")
        counts[word] += 1
        print(f"{session['signatures'][0]:18} {word:8} {session['duration']:6.1f} s", session["reason"] or "")
    skipped = f", {counts['skipped']} skipped" if counts["skipped"] else ""
    print(f"{counts['passed']} passed, {counts['failed']} failed{skipped}", flush=True)
    return 1 if counts["failed"] or ended else 0


if __name__ == "__main__":
    sys.exit(main())
