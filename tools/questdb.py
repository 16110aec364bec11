# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring the QuestDB that is tested against: ``python3 tools/questdb.py``. Maven fetches it once, its digest is checked.

With ``--classes`` it is run once, and what Java has made of its classes by then is kept: tests start it hundreds of
times. Runs on Python 3.9 with the standard library alone.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

VERSION = "9.3.4"  # the newest that Java 17 runs, and that is to be had
SHA256 = "939bc53ab22f93dbaa6545143a6e7c536d4904c07b7f2d381e8eef10436be062"

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
CACHE = os.path.join(ROOT, ".cache", "questdb")
JAR = os.path.join(CACHE, f"questdb-{VERSION}.jar")
CLASSES = os.path.join(CACHE, f"questdb-{VERSION}.jsa")
JAVA = ["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
"""Flags that halve the time until it answers."""
START_TIME = 60.0  # s
WORK = (
    "create table t (ts timestamp, s symbol, v varchar, d double) timestamp(ts) partition by day wal",
    "insert into t values ('2026-01-01', 'a', 'b', 1)",
    "select * from tables()",
    "select count() from t",
)


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


def command(root: str, *flags: str) -> list[str]:
    """What starts it on a root directory."""
    return [*JAVA, *flags, "-p", JAR, "-m", "io.questdb/io.questdb.ServerMain", "-d", root]


def kept_classes() -> list[str]:
    """The flag with which it is up in half of the time again. Java does without where another Java kept them."""
    return [f"-XX:SharedArchiveFile={CLASSES}"] if os.path.exists(CLASSES) else []


def keep_classes() -> None:
    """Run it, have it work a little, and keep its classes. Where that fails, nothing is lost but time."""
    with open(os.path.join(CACHE, "lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.exists(CLASSES):
            return
        with tempfile.TemporaryDirectory(dir=CACHE) as place:
            kept, root = os.path.join(place, "classes.jsa"), os.path.join(place, "root")
            os.mkdir(root)
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                url = f"127.0.0.1:{probe.getsockname()[1]}"
            settings = {"QDB_HTTP_BIND_TO": url, "QDB_TELEMETRY_ENABLED": "false"}
            settings.update({f"QDB_{name}_ENABLED": "false" for name in ("HTTP_MIN", "PG", "LINE_TCP")})
            server = subprocess.Popen(
                command(root, f"-XX:ArchiveClassesAtExit={kept}"),
                env={**os.environ, **settings},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            limit = time.monotonic() + START_TIME
            while not ask(url, "select 1") and server.poll() is None and time.monotonic() < limit:
                time.sleep(0.1)
            for statement in WORK:
                ask(url, statement)
            server.terminate()
            try:
                server.wait(START_TIME)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
            if os.path.exists(kept):
                os.replace(kept, CLASSES)


def ask(url: str, statement: str) -> bool:
    """Whether it carried out a statement."""
    try:
        with urllib.request.urlopen(f"http://{url}/exec?query={urllib.parse.quote(statement)}", timeout=10) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


if __name__ == "__main__":
    print(bring())
    if "--classes" in sys.argv[1:]:
        keep_classes()
