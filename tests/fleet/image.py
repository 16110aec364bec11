# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The images of test hosts, each built again when what it is made of changes.

They are built from Debian's packages alone, which any machine reaches that can install podman; a registry of images is
one more thing to reach, and what it has has neither systemd nor sshd, so most of the work would be left.
"""

from __future__ import annotations

import fcntl
import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache"
BOTS, DATABASE = (Path(__file__).with_name(name) for name in ("bots", "database"))
SUITES = ("bookworm", "trixie")
sys.path.insert(0, str(ROOT / "tools"))
import questdb  # noqa: E402  # found through the path above

RUNTIME = ["--runtime", "runc", "--ulimit", "nofile=20000:20000", "--ulimit", "nproc=1000:1000"]
"""How podman runs them: not every machine permits it to raise limits, and crun refuses hybrid cgroups."""

BARE = "localhost/botfleet-host"
WITH_BOTS = "localhost/botfleet-bots"
WITH_DATABASE = "localhost/botfleet-database"
PACKAGES = "systemd systemd-sysv dbus openssh-server python3 git sudo procps ca-certificates"
FOR_BOTS = "python3-ruamel.yaml python3-jmespath"
"""What bots in YAML ask of a host that is not armed: a bare host has them as files only."""
FOR_DATABASE = "default-jre-headless"

SETUP = r"""
useradd --create-home --shell /bin/bash ops
useradd --create-home --home-dir /srv/bots --shell /bin/bash bot
install -d -m 0700 -o ops -g ops /home/ops/.ssh
echo 'ops ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/ops
printf 'UseDNS no\nPasswordAuthentication no\nMaxStartups 100\n' > /etc/ssh/sshd_config.d/fleet.conf
systemctl mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer e2scrub_all.timer
rm -rf /etc/apt/apt.conf.d/99mmdebstrap /usr/share/doc /usr/share/locale /usr/share/man
"""
FETCH = """\
set -e
rm -f "$1"/var/cache/apt/archives/*.deb
APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get -qq --download-only install {packages}
mkdir -p "$1/usr/local/lib/fleet/{name}"
mv "$1"/var/cache/apt/archives/*.deb "$1/usr/local/lib/fleet/{name}/"
"""
"""Outside of the tree, whose path is the first argument: packages for an image that is made from this one."""
CONFIG = ('CMD ["/sbin/init"]', "STOPSIGNAL SIGRTMIN+3")


def build(suite: str, *, bots: bool, database: bool = False, mirror: str | None = None) -> str:
    """The name of the image: a bare Debian, one that carries a bot, or one with a bot and a QuestDB."""
    with _alone():
        bare = f"{BARE}:{suite}-{_digest(PACKAGES, FOR_BOTS, FOR_DATABASE, FETCH, SETUP, *CONFIG)}"
        _build(bare, lambda: _build_bare(bare, suite, mirror))
        if not bots:
            return bare
        image = f"{WITH_BOTS}:{suite}-{_digest(bare, *_texts(BOTS, ROOT / 'demo'))}"
        _build(image, lambda: _build_upon(bare, image, BOTS, {"/demo": ROOT / "demo"}))
        if not database:
            return image
        whole = f"{WITH_DATABASE}:{suite}-{_digest(image, questdb.VERSION, *_texts(DATABASE))}"
        _build(whole, lambda: _build_upon(image, whole, DATABASE, {"/questdb.jar": Path(questdb.bring())}))
        return whole


def _build_bare(image: str, suite: str, mirror: str | None) -> None:
    # This machine's ways to the mirrors (proxies, certificates) are mmdebstrap's own to know otherwise.
    dumped = output("apt-config", "dump").splitlines() if shutil.which("apt-config") else []
    options = [line.rstrip(";") for line in dumped if re.match(r"Acquire::(https?|Check-|Retries|Force)", line)]
    with tempfile.TemporaryDirectory(dir=CACHE) as directory:
        archive, hook = Path(directory, "root.tar"), Path(directory, "setup.sh")
        hook.write_text(f"set -e\n{SETUP}")
        run("mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES.replace(' ', ',')}",
            *(f"--aptopt={option}" for option in options),
            f"--customize-hook={FETCH.format(name='bots', packages=FOR_BOTS)}",
            f"--customize-hook={FETCH.format(name='database', packages=FOR_DATABASE)}",
            f"--customize-hook=upload '{hook}' /setup.sh",
            '--customize-hook=chroot "$1" sh /setup.sh && rm "$1/setup.sh"',
            suite, str(archive), *([mirror] if mirror else []))  # fmt: skip
        run("podman", "import", *(f"--change={line}" for line in CONFIG), str(archive), image)


def _build_upon(base: str, image: str, recipe: Path, mounted: dict[str, Path]) -> None:
    """Run the recipe's install.sh in the base, without a network."""
    volumes = [f"--volume={path}:{place}:ro" for place, path in {"/recipe": recipe, **mounted}.items()]
    container = output("podman", "create", *RUNTIME, "--network=none", *volumes, base, "sh", "/recipe/install.sh")
    try:
        run("podman", "start", "--attach", container.strip())
        run("podman", "commit", "--quiet", *(f"--change={line}" for line in CONFIG), container.strip(), image)
    finally:
        run("podman", "rm", "--force", container.strip())


def _build(image: str, make: Callable[[], None]) -> None:
    """Make it unless it is there. Those of former recipes go, except where a host still runs one."""
    if subprocess.run(["podman", "image", "exists", image], check=False).returncode == 0:
        return
    print(f"building {image}, which takes a minute or two", flush=True)
    make()
    name, suite = image.rsplit("-", 1)[0].split(":")
    for former in output("podman", "images", "--format", "{{.Repository}}:{{.Tag}}", name).split():
        if former.startswith(f"{name}:{suite}-") and former != image:
            subprocess.run(["podman", "rmi", former], check=False, capture_output=True)


def _texts(*directories: Path) -> Iterator[str]:
    """Of all files in them that make a difference."""
    for directory in directories:
        for path in sorted(directory.rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                yield path.read_text()


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


@contextmanager
def _alone() -> Iterator[None]:
    """Two fleets build no image at the same time."""
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "fleet-image.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run(*command: str) -> None:
    """Run a command that must succeed."""
    finished = subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if finished.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{finished.stderr}")


def output(*command: str) -> str:
    """What a command prints that must succeed."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
