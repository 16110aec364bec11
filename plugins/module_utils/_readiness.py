# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host has ready for a rollback of a bot (S2.3). Reads only. PRIVATE to the collection.

All ages are in seconds by the host's own clock, which may differ from the controller's.
"""

from __future__ import annotations

import glob
import json
import os
import re
import stat
import sys
import sysconfig
import time
from typing import Any

from ._command import run
from ._files import read_bytes, sha256_of
from ._operation import OperationError, absolute_path
from ._service.managers import SYSTEMCTL_TIMEOUT, UNIT
from ._transaction.child import start_time
from ._transaction.state import BotState

Facts = dict[str, Any]
IMPORTS = "import jmespath, redis, ruamel.yaml"
DROP_IN = "/etc/systemd/system/{unit}.d/botfleet.conf"
CONDITION = re.compile(r"(Condition\w+)\s*=\s*(.*)")
LINES = ("RequiresMountsFor=", "ExecCondition=")
AGENT = re.compile(r"[0-9a-f]{64}\.pyz")


def read_readiness(state_dir: str, bot: str, unit: str | None, database_backup: str | None) -> Facts:
    """What ``readiness_info`` returns. Raises OperationError for a name or path that is none."""
    state_dir = absolute_path("state_dir", state_dir)
    state = BotState(state_dir, bot)
    return {
        "python": {
            "executable": sys.executable,
            "version": f"{sys.version_info[0]}.{sys.version_info[1]}",
            "abi": sysconfig.get_config_var("SOABI") or "",
        },
        "place": place(state_dir),
        "state": {"path": state.path, "writable": os.access(state.path, os.R_OK | os.W_OK | os.X_OK)},
        "halted": os.path.lexists(state.file("halted")),
        "under_way": under_way(state_dir),
        "armed": armed_bots(state_dir),
        "environment": environment(state_dir),
        "agents": agents(state_dir),
        "unit": None if unit is None else read_unit(unit),
        "database_backup": None if database_backup is None else newest(database_backup),
        "rehearsal": rehearsal(state.path),
    }


def place(path: str) -> str:
    """Tells whether two bots share a directory, which need not exist yet: what holds it, and the way from there."""
    above, rest = path, ""
    while not os.path.isdir(above):
        above, name = os.path.split(above)
        rest = os.path.join(name, rest)
    status = os.stat(above)
    boot = (read_bytes("/proc/sys/kernel/random/boot_id") or b"").decode().strip()
    return f"{boot}:{status.st_dev}:{status.st_ino}:{rest}"


def under_way(state_dir: str) -> list[str]:
    """The bots of this host whose lock somebody holds; nobody is kept from it by this look."""
    found = []
    for path in sorted(glob.glob(os.path.join(glob.escape(state_dir), "*", "lock"))):
        try:
            holder = json.loads(read_bytes(path) or b"{}")
            held = bool(holder) and start_time(holder["pid"]) == holder["start_time"]
        except (OperationError, ValueError, LookupError, TypeError):  # being signed right now, or another user's
            held = False
        if held:
            found.append(os.path.basename(os.path.dirname(path)))
    return found


def armed_bots(state_dir: str) -> list[str]:
    """The bots of this host that share its agent and environment."""
    marks = glob.glob(os.path.join(glob.escape(state_dir), "*", "armed"))
    return sorted(os.path.basename(os.path.dirname(path)) for path in marks)


def environment(state_dir: str) -> Facts:
    """``requirements`` is the SHA-256 of what it was made from, None without any, and so is ``exchange`` of what only
    those need who flatten accounts; ``problem`` is empty if it works."""
    path = os.path.join(state_dir, "venv")
    found: Facts = {"path": path, "requirements": None, "exchange": None, "problem": f"{path} is not there"}
    for name in ("requirements", "exchange"):
        if os.path.isfile(os.path.join(path, f"{name}.txt")):
            found[name] = sha256_of(os.path.join(path, f"{name}.txt"))
    if found["requirements"]:
        imports = IMPORTS + (", ccxt" if found["exchange"] else "")
        try:
            done = run([os.path.join(path, "bin", "python"), "-I", "-c", imports], timeout=30)
            found["problem"] = f"{path} does not work: {done.last_lines(1)}" if done.code else ""
        except OperationError as error:
            found["problem"] = f"{path} does not work: {error}"
    return found


def agents(state_dir: str) -> dict[str, bool]:
    """The agents that a controller would take, by digest, and whether each is compiled for this Python.

    Those are what their name says, and nobody else may have written them.
    """
    directory = os.path.join(state_dir, "agent")
    names = sorted(os.listdir(directory)) if os.path.isdir(directory) and _ours(directory) else []
    names = [name for name in names if _ours(os.path.join(directory, name))]
    digests = [name[: -len(".pyz")] for name in names if AGENT.fullmatch(name)]
    return {
        digest: any(name.startswith(f"{digest}.{sys.implementation.cache_tag}.") for name in names)
        for digest in digests
        if sha256_of(os.path.join(directory, f"{digest}.pyz")) == digest
    }


def read_unit(name: str) -> Facts:
    """What systemd says of a unit, None of a host that it does not run.

    conditions: those with ``|`` that are not ours; one of them that holds would start a bot that was halted
    ours: the lines of our drop-in; None if it is not there
    loaded: whether systemd knows our drop-in as it is on disk
    """
    if not UNIT.fullmatch(name):
        raise OperationError(f"unit is {name!r}, which is not the name of one systemd unit: mend botfleet_service_name")
    if not os.path.isdir("/run/systemd/system"):
        raise OperationError(f"this host does not run systemd, which is to manage {name}: set botfleet_manager")
    shown = dict(
        line.split("=", 1)
        for line in _systemctl("show", "--property=Id,LoadState,DropInPaths,NeedDaemonReload", name).splitlines()
        if "=" in line
    )
    if "Id" not in shown:
        raise OperationError(f"systemctl says nothing of {name}: look at the host's systemd")
    path = DROP_IN.format(unit=shown["Id"])
    others, ours = triggering(_systemctl("cat", name), path)
    known = path in shown.get("DropInPaths", "").split() and shown.get("NeedDaemonReload") == "no"
    return {
        "name": shown["Id"],
        "load": shown["LoadState"],
        "drop_in": path,
        "conditions": others,
        "ours": ours,
        "loaded": known,
    }


def triggering(text: str, drop_in: str) -> tuple[list[str], list[str] | None]:
    """From what ``systemctl cat`` prints, the conditions with ``|`` of other files, and the lines of the drop-in."""
    others: list[str] = []
    ours: list[str] | None = None
    inside = False
    for line in re.sub(r"\\\n", " ", text).splitlines():
        if line.startswith("# /"):
            inside = line == f"# {drop_in}"
            ours = [] if inside else ours
        found = CONDITION.fullmatch(line.strip())
        if found and not found[2]:
            others.clear()  # an empty one takes back all that came before
            ours = ours and []
        elif found and found[2].startswith("|"):
            (ours if inside and ours is not None else others).append(f"{found[1]}={found[2]}")
        elif inside and ours is not None and line.startswith(LINES):
            ours.append(line)
    return others, ours


def newest(pattern: str) -> Facts | None:
    """The newest file or directory that ``pattern`` matches, which may hold wildcards; None if there is none.

    bytes: None for a directory
    """
    found = []
    for path in glob.glob(absolute_path("database_backup", pattern)):
        try:
            status = os.stat(path)
        except OSError:  # a link that leads nowhere, or it was rotated away since
            continue
        size = None if stat.S_ISDIR(status.st_mode) else status.st_size
        found.append({"path": path, "age_seconds": round(time.time() - status.st_mtime), "bytes": size})
    return min(found, key=lambda backup: float(str(backup["age_seconds"])), default=None)


def rehearsal(path: str) -> Facts | None:
    """The last rollback of a bot that was proven to its end, None if there was none."""
    found: list[Facts] = []
    for results in glob.glob(os.path.join(glob.escape(path), "*", "results.json")):
        try:
            kept = json.loads(read_bytes(results) or b"{}")
        except (OperationError, ValueError):
            continue
        if kept.get("closed") and not kept.get("superseded_by"):
            age = round(time.time() - os.stat(results).st_mtime)
            found.append({"rollback_id": os.path.basename(os.path.dirname(results)), "age_seconds": age})
    return min(found, key=lambda rollback: int(rollback["age_seconds"]), default=None)


def _ours(path: str) -> bool:
    """What starts an agent has the same rule (plugin_utils/_agent.py)."""
    status = os.lstat(path)
    return status.st_uid in (0, os.geteuid()) and not status.st_mode & 0o22


def _systemctl(*arguments: str) -> str:
    return run(
        ["systemctl", "--no-ask-password", "--no-pager", *arguments],
        timeout=SYSTEMCTL_TIMEOUT,
        environment={"LC_ALL": "C"},
    ).out
