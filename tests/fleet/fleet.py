# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts to test on: Debian with systemd as PID 1 and sshd, each a container with an address of its own.

    fleet.py up [--hosts N]      start hosts 1 to N, build their image if its recipe changed, write the inventory
    fleet.py status [--hosts N]  list them; exit code 1 unless all are up
    fleet.py down                remove them; the image stays

Users on them: ``ops``, who logs in and may use sudo, and ``bot``, who runs bots in /srv/bots. Everything on this side
is in .cache/fleet. Exit code 3: something is missing on this machine, and the one line printed says what.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

CACHE = Path(__file__).resolve().parents[2] / ".cache" / "fleet"
INVENTORY = CACHE / "hosts.yml"
KEY = CACHE / "id_ed25519"
KNOWN_HOSTS = CACHE / "known_hosts"
IMAGE = "localhost/botfleet-host"
BOOT_TIME = 60.0  # s

SUITE = "bookworm"
PACKAGES = "systemd systemd-sysv dbus openssh-server python3 git sudo procps ca-certificates"
SETUP = r"""
useradd --create-home --shell /bin/bash ops
useradd --create-home --home-dir /srv/bots --shell /bin/bash bot
install -d -m 0700 -o ops -g ops /home/ops/.ssh
echo 'ops ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/ops
printf 'UseDNS no\nPasswordAuthentication no\nMaxStartups 100\n' > /etc/ssh/sshd_config.d/fleet.conf
systemctl mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer e2scrub_all.timer
rm -rf /etc/apt/apt.conf.d/99mmdebstrap /usr/share/doc /usr/share/locale /usr/share/man
"""
START = (
    "--runtime runc --systemd=always --ulimit nofile=20000:20000 --ulimit nproc=1000:1000 "
    "--cap-add SYS_PTRACE"  # as root has it on any host, to see where the processes of others work
)
CONFIG = ('CMD ["/sbin/init"]', "STOPSIGNAL SIGRTMIN+3")
RECIPE = hashlib.sha256(repr((SUITE, PACKAGES, SETUP, CONFIG)).encode()).hexdigest()[:12]

INVENTORY_HEAD = """\
---
all:
  vars:
    ansible_user: ops
    ansible_become_method: ansible.builtin.sudo
    ansible_pipelining: true
    ansible_python_interpreter: /usr/bin/python3
    ansible_ssh_private_key_file: {key}
    ansible_ssh_common_args: >-
      -o UserKnownHostsFile={known_hosts} -o StrictHostKeyChecking=accept-new -o IdentitiesOnly=yes
  hosts:
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("command", choices=["up", "down", "status"])
    parser.add_argument("--hosts", type=int, default=1, metavar="N", help="how many (default: 1)")
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
            up(names, arguments.mirror)
        elif arguments.command == "down":
            remove(running_hosts(everything=True))
        running = running_hosts()
    for name, address in running.items():
        print(f"{name}  {address}")
    return 1 if arguments.command == "status" and set(names) - set(running) else 0


def what_is_missing() -> str:
    """One line; empty when hosts can run here."""
    lacking = [name for name in ("podman", "runc", "mmdebstrap", "ssh", "ssh-keygen") if not shutil.which(name)]
    if lacking:
        return f"test hosts need {', '.join(lacking)}, which this machine lacks: install the packages of bindep.txt"
    if os.geteuid() != 0:
        return "test hosts need root, to run systemd in containers with podman: run it as root"
    return ""


def up(names: list[str], mirror: str | None) -> None:
    """Have exactly these hosts running, of the image of today's recipe."""
    image = build(mirror)
    if not KEY.exists():
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ops", "-f", str(KEY))
    present = running_hosts(everything=True)
    kept = set(running_hosts()) & set(names) if all_of_image(image) else set()
    remove(set(present) - kept)
    if not kept:
        KNOWN_HOSTS.unlink(missing_ok=True)
    for name in names:
        if name not in kept:
            run("podman", "run", "--detach", "--name", f"botfleet-{name}", "--hostname", name,
                "--label", f"botfleet={name}", "--volume", f"{KEY}.pub:/home/ops/.ssh/authorized_keys:ro",
                *START.split(), image)  # fmt: skip
    for name in names:
        wait_for_boot(name)
    addresses = running_hosts()
    head = INVENTORY_HEAD.format(key=KEY, known_hosts=KNOWN_HOSTS)
    INVENTORY.write_text(head + "".join(f"    {name}: {{ansible_host: {addresses[name]}}}\n" for name in names))


def build(mirror: str | None) -> str:
    """The image of the recipe, built only if it is not there yet; those of former recipes are removed."""
    image = f"{IMAGE}:{RECIPE}"
    if subprocess.run(["podman", "image", "exists", image], check=False).returncode == 0:
        return image
    print(f"building {image}, which takes a minute or two", flush=True)
    archive = CACHE / "root.tar"
    hook = CACHE / "setup.sh"
    hook.write_text(f"set -e\n{SETUP}")
    # This machine's ways to the mirrors (proxies, certificates) are mmdebstrap's own to know otherwise.
    dumped = output("apt-config", "dump").splitlines() if shutil.which("apt-config") else []
    options = [line.rstrip(";") for line in dumped if re.match(r"Acquire::(https?|Check-|Retries|Force)", line)]
    run("mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES.replace(' ', ',')}",
        *(f"--aptopt={option}" for option in options),
        f"--customize-hook=upload '{hook}' /setup.sh",
        '--customize-hook=chroot "$1" sh /setup.sh && rm "$1/setup.sh"',
        SUITE, str(archive), *([mirror] if mirror else []))  # fmt: skip
    run("podman", "import", *(f"--change={line}" for line in CONFIG), str(archive), image)
    archive.unlink()
    for former in output("podman", "images", "--format", "{{.Repository}}:{{.Tag}}", IMAGE).split():
        if former != image:
            subprocess.run(["podman", "rmi", "--force", former], check=False, stdout=subprocess.DEVNULL)
    return image


def running_hosts(*, everything: bool = False) -> dict[str, str]:
    """Addresses by name; with ``everything`` those that stopped, too."""
    listed = output("podman", "ps", *(["--all"] if everything else []), "--filter", "label=botfleet",
                    "--format", "{{.Names}}").split()  # fmt: skip
    found = {}
    for container in sorted(listed, key=lambda name: (len(name), name)):
        address = output("podman", "inspect", "--format", "{{.NetworkSettings.IPAddress}}", container).strip()
        found[container.removeprefix("botfleet-")] = address
    return found


def all_of_image(image: str) -> bool:
    """Whether no running host is of another image."""
    images = output("podman", "ps", "--filter", "label=botfleet", "--format", "{{.Image}}").split()
    return set(images) <= {image}


def remove(names: dict[str, str] | set[str]) -> None:
    for name in names:
        run("podman", "rm", "--force", "--time", "0", f"botfleet-{name}")


def wait_for_boot(name: str) -> None:
    """Until systemd has started everything; before that, only root may log in."""
    deadline = time.monotonic() + BOOT_TIME
    while (state := ask(name, "is-system-running")) != "running":
        if state not in ("initializing", "starting", "offline", "") or time.monotonic() > deadline:
            sys.exit(f"{name} did not boot ({state or 'it ended'}): {ask(name, '--failed')}")
        time.sleep(0.2)


def ask(name: str, question: str) -> str:
    """What systemctl on a host says, with or without success."""
    command = ["podman", "exec", f"botfleet-{name}", "systemctl", question]
    return subprocess.run(
        command, check=False, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ).stdout.strip()


def run(*command: str) -> None:
    finished = subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if finished.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{finished.stderr}")


def output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    sys.exit(main())
