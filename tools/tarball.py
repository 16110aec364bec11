# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What users install: the tarball, what is in it, and what others make of it. Used by noxfile.py."""

from __future__ import annotations

import re
import shutil
import tarfile
from collections.abc import Iterable
from pathlib import Path

import nox

PLACE = Path(__file__).resolve().parent.parent / ".cache" / "build"
GENERATED = {"FILES.json", "MANIFEST.json"}
NEEDED = {
    "README.md",
    "bindep.txt",
    "demo/fleet.py",
    "inventories/demo/hosts.yml",
    "requirements.txt",
    "scripts/history.py",
    "tests/peers/exchange/__main__.py",  # the demo's exchanges
}


def build(session: nox.Session) -> Path:
    """The tarball, built from the checkout as it is."""
    shutil.rmtree(PLACE, ignore_errors=True)
    session.run("ansible-galaxy", "collection", "build", "--output-path", str(PLACE), silent=True)
    (built,) = PLACE.glob("*.tar.gz")
    return built


def wrong_contents(built: Path, tracked: Iterable[str]) -> list[str]:
    """Sentences: what is shipped that git does not know, and what is not that users need."""
    with tarfile.open(built) as tar:
        shipped = {member.name for member in tar if member.isfile()} - GENERATED
    strangers = sorted(shipped - set(tracked))
    missing = sorted(NEEDED - shipped)
    return [
        *(f"{name} is shipped and not in git: add it to build_ignore in galaxy.yml" for name in strangers),
        *(f"{name} is not shipped: take it out of build_ignore in galaxy.yml" for name in missing),
    ]


def wrong_import(log: str) -> list[str]:
    """The lines of galaxy-importer's log that tell of trouble, whatever its exit code was."""
    lines = log.splitlines()
    ends = ["...ansible-lint run complete", "Importer processing completed successfully"]
    return [
        *(line for line in lines if re.match(r"(WARNING|ERROR|CRITICAL|Traceback)\b", line)),
        *(f"the log lacks the line {end!r}" for end in ends if end not in lines),
    ]


def wrong_image(containerfile: str, python: str, system: str, requirements: str) -> list[str]:
    """Sentences: what an execution environment would have too much or too little.

    python, system: the files that ansible-builder collected from the installed collection
    requirements: the collection's requirements.txt
    """
    packages = [line.split("  #")[0] for line in python.splitlines() if line]
    wanted = [line for line in requirements.splitlines() if line and not line.startswith("#")]
    programs = re.findall(r"^(\S+) \[platform:rpm\]", system, re.MULTILINE)
    steps = ["ansible-core>=2.18,<2.22", "ansible-galaxy collection install", "introspect.py introspect"]
    problems = [f"the Containerfile lacks {step!r}" for step in steps if step not in containerfile]
    if packages != wanted:
        problems.append(f"it would have the Python packages {packages} instead of those of requirements.txt, {wanted}")
    if programs != ["openssh-clients"]:
        problems.append(f"it would have the system's packages {programs}, where only openssh-clients is needed")
    return problems
