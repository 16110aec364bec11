# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The virtual environments of noxfile.py beside .cache/venv, each made once and again when what it holds changes."""

from __future__ import annotations

import re
import shutil
import sys
from importlib import metadata
from pathlib import Path

import nox
from pythons import find_python

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache"
REQUIREMENTS = ROOT / "tools" / "requirements"

MANAGED_PYTHONS = ["3.9", "3.10", "3.11", "3.12", "3.13", "3.14"]
"""What a bot's host may have."""

CORES = {
    "2.18": ["3.11", "3.12", "3.13"],
    "2.19": ["3.11", "3.12", "3.13"],
    "2.20": ["3.12", "3.13", "3.14"],
    "2.21": ["3.12", "3.13", "3.14"],
}
"""The ansible-cores that requires_ansible means, and the Pythons that each runs on."""


def older_pythons() -> list[str]:
    """The Pythons of managed nodes that are older than .cache/venv's."""
    return MANAGED_PYTHONS[: MANAGED_PYTHONS.index(f"3.{sys.version_info.minor}")]


def python_environment(session: nox.Session, minor: str) -> Path:
    """The programs of an environment with this Python; without it the part is skipped, in CI too."""
    path = find_python(minor)
    if path is None:
        session.skip(f"this machine has no Python {minor}")
    return environment(session, f"python{minor}", path, REQUIREMENTS / "old-python.txt")


def core_environment(session: nox.Session, core: str) -> Path:
    """The programs of an environment with this ansible-core; without a Python for it the part is skipped, in CI too.

    It is .cache/venv if that has it, else one on the oldest Python that will do, since .cache/venv has the newest.
    """
    if metadata.version("ansible-core").startswith(core + "."):
        return CACHE / "venv" / "bin"
    path = next(filter(None, map(find_python, CORES[core])), None)
    if path is None:
        session.skip(f"this machine has no Python that ansible-core {core} runs on: {', '.join(CORES[core])}")
    return environment(session, f"core-{core}", path, ROOT / "requirements.txt", f"ansible-core=={core}.*")


def galaxy_environment(session: nox.Session) -> Path:
    """The programs of an environment with galaxy-importer and ansible-builder, whose pins are others' trouble."""
    return own_environment(session, "galaxy")


def freqtrade_environment(session: nox.Session) -> Path:
    """The programs of an environment with freqtrade, likewise."""
    return own_environment(session, "freqtrade")


def own_environment(session: nox.Session, name: str) -> Path:
    """One with the Python of .cache/venv, and requirements of this name."""
    path = find_python(f"3.{sys.version_info.minor}")
    if path is None:
        session.error("the Python that .cache/venv was made of is gone: make clean")
    return environment(session, name, path, REQUIREMENTS / f"{name}.txt")


def environment(session: nox.Session, name: str, python: str, requirements: Path, *more: str) -> Path:
    """The programs of ``.cache/<name>``. Pip is .cache/venv's, for a Python may come without."""
    venv = CACHE / name
    stamp = venv / "stamp"
    wanted = "\n".join([python, *more, requirements.read_text(), (ROOT / "requirements.txt").read_text()])
    if not stamp.exists() or stamp.read_text() != wanted:
        shutil.rmtree(venv, ignore_errors=True)
        session.run(python, "-m", "venv", "--without-pip", str(venv), silent=True)
        pip = ["pip", "--python", str(venv / "bin" / "python"), "install", "-q", "--no-compile"]
        session.run(*pip, "-r", str(requirements), *more, silent=True)
        stamp.write_text(wanted)
    return venv / "bin"


def ansible_test_home(session: nox.Session) -> Path:
    """A home for ansible-test, with a pip, which it would else fetch from a host that not every machine reaches.

    It passes no PIP_ variables on, so pip's settings go there too.
    """
    home = CACHE / "sanity"
    if (home / ".ansible").exists():
        return home
    listed = str(session.run("pip", "config", "list", silent=True))
    settings = dict(re.findall(r"^(?:global|:env:)\.([\w-]+)='(.*)'$", listed, re.MULTILINE))
    (home / ".config" / "pip").mkdir(parents=True, exist_ok=True)
    (home / ".config" / "pip" / "pip.conf").write_text(
        "[global]\n" + "".join(f"{name} = {value}\n" for name, value in settings.items())
    )
    seed = home / ".seed"
    shutil.rmtree(seed, ignore_errors=True)
    for version in ("24.2", "25.2"):
        session.run("pip", "download", "-q", "--no-deps", "-d", str(seed), f"pip=={version}", silent=True)
        shutil.copy(ROOT / "tools" / "get_pip.py", seed / f"get_pip_{version.replace('.', '_')}.py")
    shutil.move(seed, home / ".ansible" / "test" / "cache")
    return home
