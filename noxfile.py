# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of ``make test``. Each runs in .cache/venv, which tools/setup.py makes, or in one of tools/environments.py.

A part that needs a program that is not installed is skipped, and fails in CI. One that needs another Python than the
machine has is skipped, in CI too: a machine with a single Python still tests each ansible-core that runs on it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path

import nox

ROOT = Path(__file__).resolve().parent
CACHE = ROOT / ".cache"
COLLECTIONS = CACHE / "collections"
UNIT = ROOT / "tests" / "unit" / "plugins" / "module_utils"
WITHOUT_QUESTDB = "--ignore-glob=tests/unit/*questdb*"  # a server keeps the cores from tests that watch the clock
sys.path.insert(0, str(ROOT / "tools"))
import environments  # noqa: E402  # found through the path above
import questdb  # noqa: E402  # likewise
import tarball  # noqa: E402  # likewise
from pythons import find_python  # noqa: E402  # likewise

os.environ["PATH"] = os.pathsep.join([str(CACHE / "venv" / "bin"), os.environ["PATH"]])
os.environ["ANSIBLE_COLLECTIONS_PATH"] = str(COLLECTIONS)
os.environ["ANSIBLE_HOME"] = str(CACHE / "ansible")

nox.options.default_venv_backend = "none"
PARTS = [
    "lint",
    "typing",
    "docs",
    "changelog",
    "build",
    "importer",
    "image",
    "unit",
    "data",
    "managed(3.9)",  # the oldest
    "managed(3.10)",  # the oldest that ccxt runs on
    "sanity",
    "integration",
    "installed",
    "freqtrade",
    "playbooks",
    "fleet",
    "faults",
    "molecule",
]
nox.options.sessions = PARTS

CORES = list(environments.CORES)
on_each_core = nox.parametrize("core", CORES, ids=CORES)
on_the_ends = nox.parametrize("core", [CORES[0], CORES[-1]], ids=[CORES[0], CORES[-1]])
on_older_pythons = nox.parametrize("python", environments.older_pythons(), ids=environments.older_pythons())


def skip(session: nox.Session, reason: str) -> None:
    """Skip a part that this machine cannot run; in CI that is a failure."""
    if os.environ.get("CI") == "true":
        session.error(reason)
    session.skip(reason)


def output(session: nox.Session, *command: str, env: dict[str, str] | None = None) -> str:
    """What a command prints."""
    return str(session.run(*command, silent=True, env=env))


def tree_files(session: nox.Session) -> list[str]:
    """What git tracks or would track."""
    return output(session, "git", "ls-files", "-coz", "--exclude-standard").rstrip("\0").split("\0")


def copy_of_tree(session: nox.Session) -> Path:
    """A copy of what git tracks or would track, at the path that Ansible's tools ask for."""
    tree = CACHE / "tree" / "ansible_collections" / "tradeops" / "botfleet"
    shutil.rmtree(tree, ignore_errors=True)
    for name in tree_files(session):
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
    """The tarball builds from the checkout, ships what is in git, installs and lists every module."""
    built = tarball.build(session)
    fail_for(session, tarball.wrong_contents(built, tree_files(session)))
    env = {"ANSIBLE_COLLECTIONS_PATH": str(install(session, built))}
    listed = output(session, "ansible-doc", "--list", "tradeops.botfleet", env=env)
    modules = {path.stem for path in (ROOT / "plugins" / "modules").glob("*.py")}
    missing = sorted(modules - set(re.findall(r"^tradeops\.botfleet\.(\w+)", listed, re.MULTILINE)))
    fail_for(session, [f"the installed collection lacks {name}" for name in missing])


def install(session: nox.Session, built: Path) -> Path:
    """The collections path of an empty place that the tarball was installed into."""
    place = built.parent / "installed"
    env = {"ANSIBLE_COLLECTIONS_PATH": str(place)}
    galaxy = ("ansible-galaxy", "collection", "install", "--offline", "-p", str(place), str(built))
    session.run(*galaxy, env=env, silent=True)
    return place


def fail_for(session: nox.Session, sentences: list[str]) -> None:
    """Fail with each sentence, if there are any."""
    if sentences:
        session.error("\n".join(sentences))


@nox.session
def importer(session: nox.Session) -> None:
    """Galaxy would import the tarball: no error and no warning in galaxy-importer's log, which exits with 0 on most."""
    programs = environments.galaxy_environment(session)
    built = tarball.build(session)
    env = {
        "GALAXY_IMPORTER_CONFIG": str(ROOT / "tools" / "galaxy-importer.cfg"),
        "PATH": os.pathsep.join([str(programs), os.environ["PATH"]]),
    }
    with session.chdir(built.parent):  # it leaves a file there
        log = output(session, str(programs / "python"), "-m", "galaxy_importer.main", str(built), env=env)
    fail_for(session, tarball.wrong_import(log))


@nox.session
def image(session: nox.Session) -> None:
    """The execution environment has what the collection needs. Ansible-builder's context is read, no image is built."""
    programs = environments.galaxy_environment(session)
    place = install(session, tarball.build(session))
    context = place.parent / "context"
    create = ("create", "-f", "execution-environment.yml", "-c", str(context), "--output-filename", "Containerfile")
    session.run(str(programs / "ansible-builder"), *create, silent=True)
    written = {"pip": context / "requirements.txt", "bindep": context / "bindep.txt"}
    introspect = (
        str(programs / "python"),
        str(context / "_build" / "scripts" / "introspect.py"),
        "introspect",
        str(place),
    )
    session.run(*introspect, *(f"--write-{name}={path}" for name, path in written.items()), silent=True)
    containerfile, python, system, requirements = (
        path.read_text() for path in (context / "Containerfile", *written.values(), ROOT / "requirements.txt")
    )
    fail_for(session, tarball.wrong_image(containerfile, python, system, requirements))


@nox.session
@on_each_core
def installed(session: nox.Session, core: str) -> None:
    """The tarball, installed into an empty place by this ansible-core, arms and rolls back its demo fleet."""
    programs = environments.core_environment(session, core)
    env = {"BOTFLEET_TARBALL": str(tarball.build(session)), "BOTFLEET_PROGRAMS": str(programs)}
    session.run("pytest", "tests/installed", *session.posargs, env=env)


@nox.session
@on_each_core
def sanity(session: nox.Session, core: str) -> None:
    """Ansible-test sanity: of the newest ansible-core all of it, for every Python of managed nodes.

    Of the older ones on their own Python, and without pylint, which takes most of the time and finds what the newest's
    does.
    """
    less = []
    if core != CORES[-1]:
        python = str(environments.core_environment(session, core) / "python")
        own = output(session, python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])").strip()
        less = ["--python", own, "--skip-test", "pylint"]
    ansible_test(session, core, "sanity", *less)


@nox.session
@on_the_ends
def integration(session: nox.Session, core: str) -> None:
    """The targets in tests/integration, one for each module, on the oldest and the newest ansible-core."""
    bring_questdb(session)
    config = {"questdb_jar": questdb.JAR} if os.path.exists(questdb.JAR) else {}
    ansible_test(session, core, "integration", *session.posargs, config=config)


def ansible_test(session: nox.Session, core: str, *command: str, config: dict[str, str] | None = None) -> None:
    """Run ansible-test in a copy of the tree, with a home of its own and all Pythons of this machine on its path.

    config: variables for the targets
    """
    programs = environments.core_environment(session, core)
    home = environments.ansible_test_home(session)
    pythons = [os.path.dirname(path) for path in map(find_python, environments.MANAGED_PYTHONS) if path]
    env = {"HOME": str(home), "PATH": os.pathsep.join([str(programs), *pythons, os.environ["PATH"]])}
    tree = copy_of_tree(session)
    if config:
        (tree / "tests" / "integration" / "integration_config.yml").write_text(json.dumps(config))
    with session.chdir(tree):
        session.run(str(programs / "ansible-test"), *command, "--local", "--color", "no", env=env)


@nox.session
def unit(session: nox.Session) -> None:
    """Unit tests on the controller's Python. More workers than cores: many tests wait."""
    session.run("pytest", "-n", "4", WITHOUT_QUESTDB, "tests/unit", *session.posargs)


@nox.session
@on_older_pythons
def managed(session: nox.Session, python: str) -> None:
    """The operations' unit tests on this Python of managed nodes, but for those with a QuestDB.

    On the oldest that ccxt runs on, only what an older one does without, and no random nights once more.
    """
    programs = environments.python_environment(session, python)
    pytest = (str(programs / "python"), "-m", "pytest")
    nights = "--ignore-glob=tests/unit/*/test_bad_luck.py"
    tests = [UNIT / "_exposure", *UNIT.glob("_operations/test_exchange_*.py")] if python == "3.10" else [UNIT]
    files = [str(path.relative_to(ROOT)) for path in tests]
    session.run(*pytest, "-n", "4", WITHOUT_QUESTDB, nights, *files, *session.posargs)


@nox.session
def data(session: nox.Session) -> None:
    """A real QuestDB: its operations, rollbacks that back it up or restore it, and its host when that goes wrong."""
    bring_questdb(session, "--classes")
    patience = ["--timeout", "900"]  # s: the server is started again after each kill
    demo = "tests/data/test_rollback.py"
    session.run("pytest", "-n", "3", *patience, *with_questdb(), demo, *session.posargs)
    host = [*patience, f"--ignore={demo}", "tests/data", *session.posargs]  # one, so one test at a time
    session.run("pytest", *host, env={"BOTFLEET_FLEET": "data"})


@nox.session
def freqtrade(session: nox.Session) -> None:
    """A real freqtrade on an emulated exchange, which bot_control brings to a halt."""
    programs = environments.freqtrade_environment(session)
    session.run("pytest", "tests/freqtrade", *session.posargs, env={"BOTFLEET_FREQTRADE": str(programs)})


@nox.session
def playbooks(session: nox.Session) -> None:
    """The playbooks against the demo fleet and against fleets that fail. Two at a time, since many wait."""
    session.run("pytest", "-n", "2", "--dist", "loadfile", "tests/playbooks", *session.posargs)


@nox.session
def fleet(session: nox.Session) -> None:
    """A real host with systemd, reached over SSH."""
    need_hosts(session)
    session.run("pytest", "tests/fleet", *session.posargs, env={"BOTFLEET_FLEET": "tests"})  # beside anybody's own


@nox.session
def faults(session: nox.Session) -> None:
    """Six real hosts on which things go wrong; BOTFLEET_FAULTS=all takes each moment of which this takes a sample."""
    need_hosts(session)
    patience = ["--timeout", "900"]  # s: the first test waits for the hosts and for two nights of its module
    session.run("pytest", *patience, "tests/faults", *session.posargs, env={"BOTFLEET_FLEET": "faults"})


@nox.session
def molecule(session: nox.Session) -> None:
    """Molecule's scenarios, on two hosts with systemd."""
    need_hosts(session)
    state = CACHE / "molecule"
    shutil.rmtree(state, ignore_errors=True)  # what a run that was cut short left would be taken for this one's
    session.run("molecule", "test", "--all", *session.posargs, env={"MOLECULE_EPHEMERAL_DIRECTORY": str(state)})


def with_questdb() -> list[str]:
    """The unit tests that start one."""
    return sorted(
        str(path.relative_to(ROOT)) for path in UNIT.rglob("test_*.py") if "questdb" in path.name + path.parent.name
    )


def bring_questdb(session: nox.Session, *options: str) -> None:
    """The QuestDB that tests start. Without it they are skipped; in CI that is a failure."""
    problem = questdb.lacking()
    if problem and not os.path.exists(questdb.JAR):
        if os.environ.get("CI") == "true":
            session.error(problem)
        session.warn(problem)
    else:
        session.run("python", str(ROOT / "tools" / "questdb.py"), *options, silent=True)


def need_hosts(session: nox.Session) -> None:
    """Skip a part where no test host can be run."""
    lacking = [name for name in ("podman", "runc", "mmdebstrap", "ssh") if not shutil.which(name)]
    if lacking:
        skip(session, "not installed: " + ", ".join(lacking))
    if os.geteuid() != 0:
        skip(session, "only root may build and run the host's image")
