# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A test host as whoever owns its machine has it: root in it, its disks, its link, its power."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from functools import cached_property
from pathlib import Path
from typing import Any

from .oracle import Bot

ORDERS = "/run/botfleet-faults"
SABOTEUR = Path(__file__).with_name("saboteur.py")
COMMAND = "/usr/bin/python3 -B quantum_trader.py --bot trader --port 8000"
DROP_INS = "/run/systemd/system/trader.service.d"
STATE = "/var/lib/botfleet"
TREE = "/srv/bots/trader"
END_TRANSACTIONS = r"""
for process in /proc/[0-9]*; do
  tr '\0' ' ' < "$process/cmdline" 2> /dev/null | grep -q 'ansible\|botfleet' && kill -9 "${process#/proc/}" || :
done
"""


class Host:
    """One container. ``address`` is where SSH finds it."""

    def __init__(self, name: str, container: str, address: str) -> None:
        self.name = name
        self.container = container
        self.address = address
        self._heals: list[str] = []
        self._pid = 0
        self.bot = Bot(
            name=name,
            container=container,
            unit="trader",
            path=TREE,
            log=f"{TREE}/logs/backend.log",
            ledger="/srv/ledger/trader.jsonl",
            flag=f"{TREE}/go_live.active",
            config=f"{TREE}/config/go_live.yaml",
            key="activation_enabled",
        )

    def run(self, script: str, *, timeout: float = 60) -> str:
        """What a script prints that root runs in it; its failure is the test's."""
        done = self._try(script, timeout)
        assert done.returncode == 0, f"{self.name}: {script}\n{done.stdout}{done.stderr}"
        return done.stdout.strip()

    def succeeds(self, script: str) -> bool:
        """Whether a script does that root runs in it."""
        return self._try(script, 60).returncode == 0

    def _try(self, script: str, timeout: float) -> subprocess.CompletedProcess[str]:
        command = ["podman", "exec", "--interactive", "--user", "root", self.container, "sh", "-es"]
        return subprocess.run(command, input=script, capture_output=True, text=True, timeout=timeout, check=False)

    def live(self) -> None:
        """Mend whatever a test did to it, and have its bot live on its bad release."""
        self.heal()
        self.run(END_TRANSACTIONS)
        self.run(f"rm -rf {ORDERS} {DROP_INS}; fleet-live")

    # Its Python

    def order(self, what: str, text: str) -> None:
        """Have its Python do what saboteur.py says."""
        self._copy(SABOTEUR, f"{self._library}/sitecustomize.py")
        self.run(f"mkdir -p {ORDERS}; echo '{text}' > {ORDERS}/{what}")

    def forget_orders(self) -> None:
        """Its Python tells the truth again."""
        self.run(f"rm -rf {ORDERS}")

    @cached_property
    def _library(self) -> str:
        """Where its Python's own modules lie; asked without site, which would run a sitecustomize that lies."""
        return self.run("/usr/bin/python3 -S -c 'import sysconfig; print(sysconfig.get_path(\"stdlib\"))'")

    def _copy(self, source: Path, target: str) -> None:
        podman("cp", str(source), f"{self.container}:{target}")

    # Its bot

    def change_unit(self, *lines: str) -> None:
        """Have these in the bot's unit until it is fresh again, and start it anew."""
        text = "\n".join(["[Service]", *lines])
        self.run(
            f"mkdir -p {DROP_INS}\ncat > {DROP_INS}/fault.conf <<'END'\n{text}\nEND\n"
            "systemctl daemon-reload; systemctl restart trader; sleep 0.5"
        )

    def make_deaf(self) -> None:
        """Have the bot hear no SIGTERM."""
        self.change_unit("TimeoutStopSec=600", "ExecStart=", f"ExecStart=/usr/bin/env --block-signal=TERM {COMMAND}")

    # Its disks

    def fill(self, path: str) -> None:
        """Put what is there on a file system that has no room left."""
        self._replace(path, f"mount -t tmpfs -o size=64m,mode=$(stat -c %a {path}) tmpfs {path}")
        self.run(f"cat /dev/zero > {path}/.filled 2> /dev/null || :; chmod 0600 {path}/.filled")

    def forbid_writing(self, path: str) -> None:
        """Make what is there read-only."""
        self._replace(path, f"mount -t tmpfs -o size=64m,mode=$(stat -c %a {path}) tmpfs {path}")
        self._in_its_mounts(f"mount -o remount,ro {path}")

    def _replace(self, path: str, mount: str) -> None:
        """Mount over a directory what holds the same; the heal brings the changes that were made there back."""
        kept = f"/root/kept{path.replace('/', '-')}"
        copy = f"{{ rm -rf {kept}; cp -a {path} {kept}; }}"  # fails when what it lists is gone before it is read
        self.run(f"mkdir -p {path}; {copy} || {{ sleep 0.2; {copy}; }}")
        owner = self.run(f"stat -c %u:%g {path}")
        self._in_its_mounts(mount)
        self.run(f"cp -a {kept}/. {path}; chown {owner} {path}")
        self._heals.append(f"""
rm -f {path}/.filled 2> /dev/null || :
rm -rf {kept}; cp -a {path} {kept}; rm -f {kept}/.filled
umount --lazy {path} || :
find {path} -mindepth 1 -delete; cp -a {kept}/. {path}; rm -rf {kept}
""")

    def _in_its_mounts(self, command: str) -> None:
        done = subprocess.run(
            ["nsenter", "--target", str(self.pid), "--mount", "--pid", "sh", "-ec", command],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    # Its link and its power

    def cut(self) -> None:
        """Nothing arrives any more in either direction, and nobody says so."""
        subprocess.run(["ip", "route", "replace", "blackhole", f"{self.address}/32"], check=True)
        subprocess.run([*self._in_its_network, "replace", "blackhole", f"{self._controller}/32"], check=True)

    @property
    def _in_its_network(self) -> list[str]:
        return ["nsenter", "--target", str(self.pid), "--net", "ip", "route"]

    @property
    def _controller(self) -> str:
        """The address that the controller has for it."""
        return podman("inspect", "--format", "{{range .NetworkSettings.Networks}}{{.Gateway}}{{end}}", self.container)

    def pause(self) -> None:
        """It answers nothing, and its clock and its connections live on."""
        try:
            podman("pause", self.container)
        except AssertionError:  # what forks just then keeps runc from freezing all of it
            podman("pause", self.container)

    def reboot(self) -> None:
        """Power off without a word, and on again; it may get another address."""
        podman("restart", "--time", "0", self.container)
        self.wait()
        shown = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        self.address = podman("inspect", "--format", shown, self.container)

    def wait(self, limit: float = 60) -> None:
        """Until it has booted."""
        deadline = time.monotonic() + limit
        while subprocess.run(
            ["podman", "exec", self.container, "systemctl", "--quiet", "is-system-running"],
            capture_output=True,
            check=False,
        ).returncode:
            assert time.monotonic() < deadline, f"{self.name} does not boot"
            time.sleep(0.1)

    def heal(self) -> None:
        """Link, power and disks are as they should be. What was done to files stays done."""
        subprocess.run(["ip", "route", "del", "blackhole", f"{self.address}/32"], capture_output=True, check=False)
        if self.state == "paused":
            podman("unpause", self.container)
        elif self.state != "running":
            podman("start", self.container)
            self.wait()
        command = [*self._in_its_network, "del", "blackhole", f"{self._controller}/32"]
        subprocess.run(command, capture_output=True, check=False)
        while self._heals:
            script = self._heals.pop()
            self._in_its_mounts(script)

    # What it holds

    @property
    def state(self) -> str:
        """``running``, ``paused`` or ``exited``."""
        return podman("inspect", "--format", "{{.State.Status}}", self.container)

    @property
    def pid(self) -> int:
        """Its first process, as the machine numbers it."""
        if not Path(f"/proc/{self._pid}/root/run").exists():
            self._pid = int(podman("inspect", "--format", "{{.State.Pid}}", self.container))
        return self._pid

    def path(self, path: str) -> Path:
        """A file of it, as the machine finds it: without a process in it. None of its links leads out."""
        return Path(f"/proc/{self.pid}/root{path}")

    def journal(self, rollback_id: str) -> list[dict[str, Any]]:
        """The lines of a rollback's journal, whole ones."""
        try:
            text = self.path(f"{STATE}/{self.name}/{rollback_id}/journal.jsonl").read_text()
        except OSError:
            return []
        lines = []
        for line in text.splitlines():
            with contextlib.suppress(ValueError):  # a host that was killed tore it, maybe behind a brace within it
                lines.append(json.loads(line))
        return lines


def podman(*arguments: str) -> str:
    """What podman prints, which must succeed."""
    done = subprocess.run(["podman", *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"podman {' '.join(arguments)}: {done.stderr}"
    return done.stdout.strip()


def bury(inventory: str) -> None:
    """End what killed controllers have left: ansible-core's workers are sessions of their own, and wait for ever."""
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if inventory.encode() in (entry / "cmdline").read_bytes().split(b"\0"):
                os.kill(int(entry.name), signal.SIGKILL)
