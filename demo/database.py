# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The QuestDB that the fleet's trading nodes share, with fills of theirs. It needs Java, and the jar of QuestDB."""

from __future__ import annotations

import glob
import json
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

CACHE = Path(__file__).resolve().parents[1] / ".cache" / "questdb"
OFFSET = 7  # of its port from the fleet's first; the next one is that of its health
JAVA = ["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]


def missing() -> str:
    """Why there cannot be one, empty if there can."""
    if not shutil.which("java"):
        return "there is no Java: install Debian's default-jre-headless and maven for one"
    return "" if _jar() else f"no jar of QuestDB is in {CACHE}: tools/questdb.py brings it"


def _jar() -> str:
    return next(iter(sorted(glob.glob(str(CACHE / "questdb-*.jar")))), "")


def home(root: Path) -> Path:
    """Its install root."""
    return root / "questdb"


def command(root: Path) -> list[str]:
    """What runs it."""
    return [*JAVA, "-p", _jar(), "-m", "io.questdb/io.questdb.ServerMain", "-d", str(home(root))]


def runs_it(arguments: list[str], root: Path) -> bool:
    """Whether this is the command line of this fleet's."""
    return ["-d", str(home(root))] in map(list, zip(arguments, arguments[1:]))


def open_it(root: Path, base_port: int) -> None:
    """Start it. It need not answer yet when this returns."""
    settings = {
        "http.bind.to": f"127.0.0.1:{base_port + OFFSET}",
        "http.min.net.bind.to": f"127.0.0.1:{base_port + OFFSET + 1}",
        "pg.enabled": "false",
        "line.tcp.enabled": "false",
        "line.udp.enabled": "false",
        "telemetry.enabled": "false",
        "shared.worker.count": "1",
    }
    conf = home(root) / "conf"
    conf.mkdir(parents=True)
    (conf / "server.conf").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    with (root / "questdb.log").open("wb") as log:
        subprocess.Popen(
            command(root), cwd=home(root), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )


def fill(root: Path, base_port: int, limit: float) -> bool:
    """Write the fills of a day once it answers, and what the inventory says of it; False if it does not within limit s.

    Where its answer is late the demo goes on without it.
    """
    deadline = time.monotonic() + limit
    while _ask(base_port, "select 1") is None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    _ask(
        base_port,
        "create table fills (ts timestamp, bot symbol, side symbol, price double, amount double) "
        "timestamp(ts) partition by hour wal",
    )
    _ask(
        base_port,
        "insert into fills select timestamp_sequence('2025-12-04', 4_000_000), rnd_symbol('tn-1', 'tn-10', 'tn-11'), "
        "rnd_symbol('buy', 'sell'), 60000 + rnd_double() * 100, rnd_double() from long_sequence(20_000)",
    )
    (root / "database.json").write_text(json.dumps(variables(root, base_port), indent=1))
    return True


def variables(root: Path, base_port: int) -> dict[str, Any]:
    """``botfleet_database`` of the bots that use it."""
    return {
        "name": "fills",
        "host": "tn-1",
        "root": str(home(root)),
        "backups": str(root / "backups" / "questdb"),
        "url": f"http://127.0.0.1:{base_port + OFFSET}",
        "health_url": f"http://127.0.0.1:{base_port + OFFSET + 1}/status",
        "service": {"name": "questdb", "manager": "process", "chdir": str(home(root)), "command": command(root)},
    }


def _ask(base_port: int, statement: str) -> Any:
    query = urllib.parse.urlencode({"query": statement})
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{base_port + OFFSET}/exec?{query}", timeout=10) as answer:
            return json.load(answer)
    except urllib.error.HTTPError:
        raise
    except OSError:  # it does not listen yet
        return None
