# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a checkout ready to run: ``python3 tools/setup.py demo``, ``… test`` or ``… bench``.

Installs the missing packages of bindep.txt (as root, or where sudo asks for no password), makes
the virtual environment .cache/venv and puts the checkout under its collection's name in
.cache/collections. What is there already is left alone. Runs on Python 3.9 with its standard
library alone.
"""

from __future__ import annotations

import fcntl
import glob
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

from pythons import find_python

PROFILES = ["demo", "test", "bench"]  # each includes those before it
PYTHONS = ["3.14", "3.13", "3.12", "3.11"]  # what ansible-core 2.18 to 2.21 runs on, newest first

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
CACHE = os.path.join(ROOT, ".cache")
VENV = os.path.join(CACHE, "venv")
VENV_PYTHON = os.path.join(VENV, "bin", "python")
STAMP = os.path.join(VENV, "stamp")

COMPILE_CCXT = """
import compileall, importlib.util, re
for place in importlib.util.find_spec("ccxt").submodule_search_locations:
    compileall.compile_dir(place, maxlevels=1, rx=re.compile("/(async_support|pro|test)/"), quiet=2)
"""
"""It takes seconds of CPU, which each bot of the first demo would pay while it is made safe. The rest is compiled as
it is used."""


def say(message: str) -> None:
    print("setup: " + message, flush=True)


def succeeds(command: Sequence[str], cwd: str | None = None) -> bool:
    nothing = subprocess.DEVNULL
    try:
        return subprocess.run(command, cwd=cwd, stdout=nothing, stderr=nothing, check=False).returncode == 0
    except OSError:
        return False


def run(command: Sequence[str], cwd: str | None = None) -> None:
    """Run a command that must succeed; what it printed is shown only if it fails.

    It holds the lock with us, so that it is never still at work when the next set-up begins.
    """
    with tempfile.TemporaryFile() as printed:
        try:
            code = subprocess.call(command, cwd=cwd, stdout=printed, stderr=printed, close_fds=False)
        except OSError as error:
            sys.exit(f"setup: {' '.join(command)}: {error.strerror}")
        if code:
            printed.seek(0)
            sys.stderr.write(printed.read().decode(errors="replace"))
            sys.exit(f"setup: this command failed with code {code}: {' '.join(command)}")


def output(command: Sequence[str]) -> str:
    return subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8", check=False
    ).stdout


def wanted_packages(profile: str) -> dict[str, str]:
    """The Debian packages that bindep.txt names for a profile, and what each is good for."""
    with open(os.path.join(ROOT, "bindep.txt"), encoding="utf-8") as lines:
        entries = [re.match(r"(\S+) \[platform:dpkg ([^]]*)\]\s+# (.*)", line) for line in lines]
    return {entry[1]: entry[3] for entry in entries if entry and profile in entry[2].split()}


def install_packages(profile: str) -> None:
    packages = wanted_packages(profile)
    if not shutil.which("dpkg-query"):
        say(f"this is no Debian: the packages of bindep.txt are up to you ({', '.join(packages)})")
        return
    query = ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *packages]
    known = output(query).splitlines()
    missing = [name for name in packages if f"{name} installed" not in known]
    if not missing:
        return
    apt = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-y", "-o", "DPkg::Lock::Timeout=120"]
    if os.geteuid() != 0:
        apt = ["sudo", "-n", *apt]
    install = [*apt, "install", "--no-install-recommends"]
    if os.geteuid() == 0 or succeeds(["sudo", "-n", "true"]):
        say("installing " + ", ".join(missing))
        if succeeds([*install, *missing]) or (succeeds([*apt, "update"]) and succeeds([*install, *missing])):
            return
        missing = [name for name in missing if not succeeds([*install, name])]
        reason = "apt-get cannot install it"
    else:
        reason = "only root can install it"
    for name in missing:
        say(f"skipped {name} ({packages[name]}): {reason}")


def newest_python() -> str:
    for minor in PYTHONS:
        path = find_python(minor)
        if path:
            return path
    sys.exit(f"setup: no Python {PYTHONS[-1]} to {PYTHONS[0]} runs here, on PATH or under pyenv: install one of them")


def pip_wheel() -> str:
    """The path of Debian's own wheel of pip, fetched without root if it is not installed."""
    installed = glob.glob("/usr/share/python-wheels/pip-*.whl")
    if installed:
        return installed[0]
    place = os.path.join(CACHE, "apt")
    own_lists = ["-o", f"Dir::State::Lists={place}/lists", "-o", f"Dir::Cache={place}/cache"]
    os.makedirs(os.path.join(place, "lists", "partial"), exist_ok=True)
    os.makedirs(os.path.join(place, "cache", "archives", "partial"), exist_ok=True)
    if not succeeds(["apt-get", "download", "python3-pip-whl"], cwd=place):
        run(["apt-get", *own_lists, "update"])
        run(["apt-get", *own_lists, "download", "python3-pip-whl"], cwd=place)
    run(["dpkg-deb", "-x", glob.glob(f"{place}/python3-pip-whl_*.deb")[0], place])
    return glob.glob(f"{place}/usr/share/python-wheels/pip-*.whl")[0]


def make_environment() -> None:
    python = newest_python()
    shutil.rmtree(VENV, ignore_errors=True)
    has_pip = [python, "-c", "import ensurepip"]
    if not succeeds(has_pip):
        install_packages("venv")
    if succeeds(has_pip):
        run([python, "-m", "venv", VENV])
        return
    run([python, "-m", "venv", "--without-pip", VENV])
    wheel = pip_wheel()
    run([VENV_PYTHON, os.path.join(wheel, "pip"), "install", "--no-index", wheel])


def read_stamp() -> list[str]:
    """Digest and profile of a whole environment; nothing for one that was never finished."""
    try:
        with open(STAMP, encoding="utf-8") as stamp:
            return stamp.read().split()
    except OSError:
        return []


def install_requirements(profile: str) -> None:
    hashed = hashlib.sha256(VENV.encode())
    for path in [os.path.join(ROOT, "requirements.txt"), *sorted(glob.glob(f"{ROOT}/tools/requirements/*.txt"))]:
        with open(path, "rb") as requirements:
            hashed.update(requirements.read())
    digest = hashed.hexdigest()

    stamp = read_stamp()
    whole = len(stamp) == 2 and stamp[1] in PROFILES and succeeds([VENV_PYTHON, "-c", ""])
    if whole:
        profile = max(profile, stamp[1], key=PROFILES.index)
        if stamp == [digest, profile]:
            return
    started = time.monotonic()
    if whole:
        os.unlink(STAMP)
    else:
        make_environment()
    requirements_file = os.path.join(ROOT, "tools", "requirements", profile + ".txt")
    run([VENV_PYTHON, "-m", "pip", "install", "--disable-pip-version-check", "--no-compile", "-r", requirements_file])
    run([VENV_PYTHON, "-c", COMPILE_CCXT])
    with open(STAMP + ".new", "w", encoding="utf-8") as new:
        new.write(f"{digest} {profile}\n")
    os.replace(STAMP + ".new", STAMP)
    show = "import sys, ansible.release as core; print(sys.version.split()[0], core.__version__)"
    versions = output([VENV_PYTHON, "-c", show]).split()
    say(f"Python {versions[0]} and ansible-core {versions[1]} in .cache/venv, {time.monotonic() - started:.0f} s")


def link_collection() -> None:
    link = os.path.join(CACHE, "collections", "ansible_collections", "tradeops", "botfleet")
    if os.path.realpath(link) != ROOT:
        os.makedirs(os.path.dirname(link), exist_ok=True)
        if os.path.lexists(link):
            os.unlink(link)
        os.symlink(os.path.relpath(ROOT, os.path.dirname(link)), link)


def main() -> None:
    if len(sys.argv) != 2 or sys.argv[1] not in PROFILES:
        sys.exit(f"usage: python3 tools/setup.py {' | '.join(PROFILES)}")
    os.makedirs(CACHE, exist_ok=True)
    with open(os.path.join(CACHE, "setup.lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.set_inheritable(lock.fileno(), True)
        install_packages(sys.argv[1])
        install_requirements(sys.argv[1])
        link_collection()


if __name__ == "__main__":
    main()
