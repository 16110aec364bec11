# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts to test on: Debian with systemd as PID 1 and sshd, each a container with an address of its own.

    fleet.py up [--hosts N] [--bots | --database]  start hosts 1 to N, build their image if its recipe changed, and
                                                   write the inventory
    fleet.py live [--bare]                         bring the bot of each host back live on its bad release, as up did
    fleet.py status [--hosts N]                    list them; exit code 1 unless all are up
    fleet.py down                                  remove them; the image stays

Users on them: ``ops``, who logs in and may use sudo, and ``bot``, who runs bots in /srv/bots. With ``--bots`` each host
is a bot of the group ``bots``: the demo's quantum trader as the unit trader.service, with its order ledger
/srv/ledger/trader.jsonl as the witness. What arming left stays through ``live``, unless ``--bare`` is given. With
``--database`` each has that, and a QuestDB, the unit questdb.service. Its command ``fleet-database`` starts it on new
data in /srv/questdb.

Everything on this side is in .cache/fleet. The environment variable BOTFLEET_FLEET names another fleet, with
containers, a network and a directory .cache/fleet-NAME of its own, and BOTFLEET_SUITE another Debian. Exit code 3:
something is missing on this machine, and the one line printed says what.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
from tests.fleet.image import RUNTIME, SUITES, build, output, run  # noqa: E402  # found through the path above

NAME = os.environ.get("BOTFLEET_FLEET", "")
FLEET = f"botfleet-{NAME}" if NAME else "botfleet"
"""The network's name, the label's value, and how the names of containers begin."""
CACHE = ROOT / ".cache" / FLEET.removeprefix("bot")
INVENTORY = CACHE / "hosts.yml"
SUITE = os.environ.get("BOTFLEET_SUITE", SUITES[0])
KEY = CACHE / "id_ed25519"
KNOWN_HOSTS = CACHE / "known_hosts"
BOOT_TIME = 120.0  # s
AT_ONCE = 8

SEES_ALL = "--cap-add=SYS_PTRACE"  # as root does on any host: where the processes of others work


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("command", choices=["up", "live", "down", "status"])
    parser.add_argument("--hosts", type=int, default=1, metavar="N", help="how many (default: 1)")
    parser.add_argument("--bots", action="store_true", help="with a live bot on each")
    parser.add_argument("--database", action="store_true", help="with a QuestDB beside each bot")
    parser.add_argument("--bare", action="store_true", help="live: remove what arming left, too")
    parser.add_argument("--suite", choices=SUITES, default=SUITE, help=f"of Debian (default: {SUITE})")
    parser.add_argument("--mirror", help="Debian mirror to build the image from (default: mmdebstrap's)")
    arguments = parser.parse_args()
    missing = what_is_missing()
    if missing:
        print(missing)
        return 3
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        names = [f"host{number}" for number in range(1, arguments.hosts + 1)]
        if arguments.command == "up":
            bots = arguments.bots or arguments.database
            image = build(arguments.suite, bots=bots, database=arguments.database, mirror=arguments.mirror)
            up(names, image, bots=bots)
        elif arguments.command == "live":
            live(hosts(), bare=arguments.bare)
        elif arguments.command == "down":
            down()
        running = hosts()
    for name, address in running.items():
        print(f"{name}  {address}")
    return 1 if arguments.command == "status" and set(names) - set(running) else 0


def what_is_missing() -> str:
    """One line; empty when hosts can run here."""
    if not re.fullmatch(r"([a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?)?", NAME):
        return f"BOTFLEET_FLEET is {NAME!r}: give up to 20 of a to z, 0 to 9 and '-'"
    lacking = [name for name in ("podman", "runc", "mmdebstrap", "ssh", "ssh-keygen") if not shutil.which(name)]
    if lacking:
        return f"test hosts need {', '.join(lacking)}, which this machine lacks: install the packages of bindep.txt"
    if os.geteuid() != 0:
        return "test hosts need root, to run systemd in containers with podman: run it as root"
    return ""


def up(names: list[str], image: str, *, bots: bool) -> None:
    """Have exactly these hosts running, of this image, with their bots live."""
    if not KEY.exists():
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ops", "-f", str(KEY))
    if subprocess.run(["podman", "network", "exists", FLEET], check=False).returncode:
        run("podman", "network", "create", "--disable-dns", FLEET)
    make_room(len(names))
    kept = set(hosts(image=image)) & set(names)
    remove(set(hosts(everything=True)) - kept)
    if not kept:
        KNOWN_HOSTS.unlink(missing_ok=True)
    at_once(lambda name: start(name, image), [name for name in names if name not in kept])
    of = pids()
    at_once(lambda name: wait_for_boot(name, of[name]), names)
    write_inventory(names, bots=bots)
    if bots:
        live(names)


def start(name: str, image: str) -> None:
    """Returns before it has booted."""
    run("podman", "run", "--detach", "--name", f"{FLEET}-{name}", "--hostname", name, "--network", FLEET,
        "--label", f"botfleet={FLEET}", "--volume", f"{KEY}.pub:/home/ops/.ssh/authorized_keys:ro",
        *RUNTIME, "--systemd=always", SEES_ALL, image)  # fmt: skip


def live(names: Iterable[str], *, bare: bool = False) -> None:
    """Bring the bots of these hosts live on their bad release."""
    of = pids()
    at_once(lambda name: run(*enter(of[name]), "/usr/local/sbin/fleet-live", *(["bare"] if bare else [])), list(names))


def pids() -> dict[str, int]:
    """The process of each running host that is its PID 1, by which it can be looked into."""
    names = hosts()
    asked = ["podman", "inspect", "--format", "{{.State.Pid}}", *(f"{FLEET}-{name}" for name in names)]
    return dict(zip(names, map(int, output(*asked).split()), strict=True)) if names else {}


def enter(pid: int) -> list[str]:
    """What a command begins with that root of a host is to run; takes a tenth of what podman exec does."""
    return ["nsenter", f"--target={pid}", "--mount", "--uts", "--ipc", "--net", "--pid"]


def down() -> None:
    """Remove the hosts and their network."""
    remove(hosts(everything=True))
    run("podman", "network", "rm", "--force", FLEET)


def hosts(*, everything: bool = False, image: str = "") -> dict[str, str]:
    """Addresses by name of the hosts that run; ``everything``: or stopped, ``image``: of that image alone."""
    listed = output("podman", "ps", *(["--all"] if everything else []), "--filter", f"label=botfleet={FLEET}",
                    "--format", "{{.Names}} {{.Image}}").splitlines()  # fmt: skip
    containers = [name for name, of in map(str.split, listed) if image in ("", of)]
    if not containers:
        return {}
    found = json.loads(output("podman", "inspect", "--type", "container", *containers))
    addresses = {
        container["Name"].removeprefix(f"{FLEET}-"): container["NetworkSettings"]["Networks"][FLEET]["IPAddress"]
        for container in found
    }
    return dict(sorted(addresses.items(), key=lambda item: (len(item[0]), item[0])))


def remove(names: Iterable[str]) -> None:
    """Remove hosts, running or not."""
    containers = [f"{FLEET}-{name}" for name in names]
    if containers:
        run("podman", "rm", "--force", "--time", "0", *containers)


def make_room(count: int) -> None:
    """Raise what this machine permits root to watch, of which each systemd takes five, if that is too little."""
    limit = Path("/proc/sys/fs/inotify/max_user_instances")
    needed = 64 + 8 * count
    if int(limit.read_text()) < needed:
        print(f"raising fs.inotify.max_user_instances to {needed}", flush=True)
        try:
            limit.write_text(f"{needed}\n")
        except OSError as error:
            sys.exit(
                f"{count} hosts need fs.inotify.max_user_instances={needed} ({error.strerror}): set it with sysctl"
            )


def wait_for_boot(name: str, pid: int) -> None:
    """Until systemd has started everything; before that, only root may log in."""
    deadline = time.monotonic() + BOOT_TIME
    while (state := ask(pid, "is-system-running")) != "running":
        if state not in ("initializing", "starting", "offline", "") or time.monotonic() > deadline:
            sys.exit(f"{name} did not boot ({state or 'it ended'}): {ask(pid, '--failed')}")
        time.sleep(0.3)


def ask(pid: int, question: str) -> str:
    """What systemctl on a host says, with or without success."""
    command = [*enter(pid), "systemctl", question]
    return subprocess.run(
        command, check=False, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ).stdout.strip()


def write_inventory(names: list[str], *, bots: bool) -> None:
    """With bots, the variables of their kind come from group_vars beside this file."""
    addresses = hosts()
    options = f"-o UserKnownHostsFile={KNOWN_HOSTS} -o StrictHostKeyChecking=accept-new -o IdentitiesOnly=yes"
    everyone: dict[str, object] = {
        "vars": {
            "ansible_user": "ops",
            "ansible_become_method": "ansible.builtin.sudo",
            "ansible_pipelining": True,
            "ansible_python_interpreter": "/usr/bin/python3",
            "ansible_ssh_private_key_file": str(KEY),
            "ansible_ssh_common_args": options,
        },
        "hosts": {name: {"ansible_host": addresses[name]} for name in names},
    }
    if bots:
        kinds: dict[str, object] = {"quantum_trader": {"hosts": {name: {} for name in names}}}
        everyone["children"] = {"bots": {"children": kinds}}
    INVENTORY.write_text(json.dumps({"all": everyone}, indent=1) + "\n")
    beside = CACHE / "group_vars"
    if not beside.is_symlink():
        beside.symlink_to(Path(__file__).with_name("group_vars"))


def at_once(work: Callable[[str], None], names: list[str]) -> None:
    """Do it for several hosts at a time; the first that fails ends it."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(work, names))


if __name__ == "__main__":
    sys.exit(main())
