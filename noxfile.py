# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of ``make test``. Each runs in .cache/venv, which tools/setup.py makes: nothing is installed twice."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import nox

ROOT = Path(__file__).resolve().parent
CACHE = ROOT / ".cache"
COLLECTIONS = CACHE / "collections"
sys.path.insert(0, str(ROOT / "tools"))
from pythons import find_python  # noqa: E402  # found through the path above

os.environ["PATH"] = os.pathsep.join([str(CACHE / "venv" / "bin"), os.environ["PATH"]])
os.environ["ANSIBLE_COLLECTIONS_PATH"] = str(COLLECTIONS)
os.environ["ANSIBLE_HOME"] = str(CACHE / "ansible")

nox.options.default_venv_backend = "none"
nox.options.sessions = [
    "lint",
    "typing",
    "sanity",
    "docs",
    "changelog",
    "build",
    "unit",
    "unit-3.9",
    "playbooks",
    "fleet",
]

MANAGED_PYTHONS = ["3.9", "3.10", "3.11", "3.12", "3.13", "3.14"]


def skip(session: nox.Session, reason: str) -> None:
    """Skip a part that this machine cannot run; in CI that is a failure."""
    if os.environ.get("CI") == "true":
        session.error(reason)
    session.skip(reason)


def output(session: nox.Session, *command: str, env: dict[str, str] | None = None) -> str:
    """What a command prints."""
    return str(session.run(*command, silent=True, env=env))


def copy_of_tree(session: nox.Session) -> Path:
    """A copy of what git tracks or would track, at the path that Ansible's tools ask for."""
    tree = CACHE / "tree" / "ansible_collections" / "tradeops" / "botfleet"
    shutil.rmtree(tree, ignore_errors=True)
    for name in output(session, "git", "ls-files", "-coz", "--exclude-standard").rstrip("\0").split("\0"):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tree / name, follow_symlinks=False)
    # else ansible-test finds the checkout's repository, by whose rules all of this is ignored, and tests nothing
    session.run("git", "init", "-q", str(tree), silent=True)
    return tree


@nox.session
def lint(session: nox.Session) -> None:
    """Ruff, yamllint and ansible-lint on the whole tree; each runs, whatever the others find."""
    failed = []
    for command in ("ruff check", "ruff format --check", "yamllint --strict .", "ansible-lint"):
        try:
            session.run(*command.split())
        except nox.command.CommandFailed:
            failed.append(command)
    if failed:
        session.error("failed: " + ", ".join(failed))


@nox.session
def typing(session: nox.Session) -> None:
    """Mypy, strict, on plugins, tests, tools and the demo fleet."""
    session.run("mypy")


@nox.session
def sanity(session: nox.Session) -> None:
    """The ansible-test sanity tests, with every Python that managed nodes may have and this machine has."""
    tree = copy_of_tree(session)
    home = CACHE / "sanity"
    seed_pip(session, home)
    pythons = [os.path.dirname(path) for path in map(find_python, MANAGED_PYTHONS) if path]
    path = os.pathsep.join([str(CACHE / "venv" / "bin"), *pythons, os.environ["PATH"]])
    with session.chdir(tree):
        session.run("ansible-test", "sanity", "--local", "--color", "no", env={"HOME": str(home), "PATH": path})


def seed_pip(session: nox.Session, home: Path) -> None:
    """Give ansible-test a pip, which it would else fetch from a host that not every machine reaches.

    It runs with a home of its own and passes no PIP_ variables on, so pip's settings go there too.
    """
    if (home / ".ansible").exists():
        return
    listed = output(session, "pip", "config", "list")
    settings = dict(re.findall(r"^(?:global|:env:)\.([\w-]+)='(.*)'$", listed, re.MULTILINE))
    (home / ".config" / "pip").mkdir(parents=True, exist_ok=True)
    (home / ".config" / "pip" / "pip.conf").write_text(
        "[global]\n" + "".join(f"{name} = {value}\n" for name, value in settings.items())
    )
    cache = home / ".seed"
    shutil.rmtree(cache, ignore_errors=True)
    for version in ("24.2", "25.2"):
        session.run("pip", "download", "-q", "--no-deps", "-d", str(cache), f"pip=={version}", silent=True)
        shutil.copy(ROOT / "tools" / "get_pip.py", cache / f"get_pip_{version.replace('.', '_')}.py")
    shutil.move(cache, home / ".ansible" / "test" / "cache")


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation of the collection and of each plugin, as antsibull-docs sees it."""
    with session.chdir(copy_of_tree(session)):
        session.run("antsibull-docs", "lint-collection-docs", "--plugin-docs", ".")


@nox.session
def changelog(session: nox.Session) -> None:
    """The changelog fragments."""
    with session.chdir(copy_of_tree(session)):
        session.run("antsibull-changelog", "lint")


@nox.session
def build(session: nox.Session) -> None:
    """The tarball builds from the checkout, installs into an empty place and lists every module there."""
    place = CACHE / "build"
    shutil.rmtree(place, ignore_errors=True)
    session.run("ansible-galaxy", "collection", "build", "--output-path", str(place))
    (tarball,) = place.glob("*.tar.gz")
    env = {"ANSIBLE_COLLECTIONS_PATH": str(place)}
    session.run("ansible-galaxy", "collection", "install", "--offline", "-p", str(place), str(tarball), env=env)
    listed = output(session, "ansible-doc", "--list", "tradeops.botfleet", env=env)
    modules = {path.stem for path in (ROOT / "plugins" / "modules").glob("*.py")}
    missing = modules - set(re.findall(r"^tradeops\.botfleet\.(\w+)", listed, re.MULTILINE))
    if missing:
        session.error("the installed collection lacks " + ", ".join(sorted(missing)))


@nox.session
def unit(session: nox.Session) -> None:
    """Unit tests on the controller's Python."""
    session.run("pytest", "-n", "2", "tests/unit", *session.posargs)


@nox.session(name="unit-3.9")
def unit_oldest(session: nox.Session) -> None:
    """The operations' unit tests on the oldest Python of this machine, from 3.9 on."""
    older = MANAGED_PYTHONS[: MANAGED_PYTHONS.index(f"3.{sys.version_info.minor}")]
    path = next(filter(None, map(find_python, older)), None)
    if path is None:
        skip(session, "no Python from 3.9 on is here that is older than .cache/venv's")
        return
    requirements = ROOT / "tools" / "requirements" / "old-python.txt"
    venv = CACHE / os.path.basename(path)
    python = str(venv / "bin" / "python")
    whole = venv / "whole"
    if not whole.exists() or whole.read_text() != requirements.read_text():
        shutil.rmtree(venv, ignore_errors=True)
        session.run(path, "-m", "venv", str(venv))
        session.run(python, "-m", "pip", "install", "-q", "-r", str(requirements), silent=True)
        whole.write_text(requirements.read_text())
    session.run(python, "-m", "pytest", "-n", "2", "tests/unit/plugins/module_utils", *session.posargs)


@nox.session
def playbooks(session: nox.Session) -> None:
    """The playbooks against the demo fleet and against fleets that fail."""
    session.run("pytest", "tests/playbooks", *session.posargs)


@nox.session
def fleet(session: nox.Session) -> None:
    """A real host with systemd, reached over SSH."""
    lacking = [name for name in ("podman", "runc", "mmdebstrap", "ssh") if not shutil.which(name)]
    if lacking:
        skip(session, "not installed: " + ", ".join(lacking))
    if os.geteuid() != 0:
        skip(session, "only root may build and run the host's image")
    session.run("pytest", "tests/fleet", *session.posargs)
