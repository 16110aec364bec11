# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring the QuestDB that is tested against: ``python3 tools/questdb.py``. Maven fetches it once, its digest is checked.

Runs on Python 3.9 with the standard library alone.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile

VERSION = "9.3.4"  # the newest that Java 17 runs, and that is to be had
SHA256 = "939bc53ab22f93dbaa6545143a6e7c536d4904c07b7f2d381e8eef10436be062"

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
CACHE = os.path.join(ROOT, ".cache", "questdb")
JAR = os.path.join(CACHE, f"questdb-{VERSION}.jar")


def lacking() -> str:
    """What is missing to bring it and to run it, as a sentence; empty if nothing is."""
    for program, package in (("java", "default-jre-headless"), ("mvn", "maven")):
        if not shutil.which(program):
            return f"{program} is missing: install Debian's {package} to test with a real QuestDB"
    return ""


def digest(path: str) -> str:
    """SHA-256 of a file, empty if it is not there."""
    found = hashlib.sha256()
    try:
        with open(path, "rb") as handle:
            for block in iter(lambda: handle.read(1 << 20), b""):
                found.update(block)
    except FileNotFoundError:
        return ""
    return found.hexdigest()


def bring() -> str:
    """The path of the jar; a sentence on standard error and exit code 1 if it cannot be had."""
    os.makedirs(CACHE, exist_ok=True)
    with open(os.path.join(CACHE, "lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if digest(JAR) == SHA256:
            return JAR
        if lacking():
            sys.exit(lacking())
        with tempfile.TemporaryDirectory(dir=CACHE) as place:
            repository = os.path.join(CACHE, "maven")
            command = ["mvn", "-q", "-B", f"-Dmaven.repo.local={repository}", "dependency:copy"]
            command += [f"-Dartifact=org.questdb:questdb:{VERSION}", f"-DoutputDirectory={place}"]
            if subprocess.call(command, stdout=sys.stderr):
                sys.exit(f"Maven could not bring org.questdb:questdb:{VERSION}: see what it says above")
            brought = os.path.join(place, os.path.basename(JAR))
            if digest(brought) != SHA256:
                sys.exit(f"{os.path.basename(JAR)} as Maven brought it is not the one that is expected: see SHA256")
            os.replace(brought, JAR)
            shutil.rmtree(repository, ignore_errors=True)
    return JAR


if __name__ == "__main__":
    print(bring())
