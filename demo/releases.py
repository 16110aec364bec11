# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The git side of the demo fleet: what was released, and each bot's clone of it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

SOURCE = Path(__file__).resolve().parent / "bots"

GOOD = (
    "deploy-20251103-081500",
    "deploy-20251110-093000",
    "deploy-20251117-074500",
    "deploy-20251124-090000",
    "deploy-20251201-083000",
)
BAD = "deploy-20251204-142200"
CANDIDATE = "deploy-20251205-101500"
"""Tagged after the bad release and deployed nowhere; half of the bots have fetched it. A rollback that
goes to the second newest tag stays on the bad release there."""


class Releases:
    """A program's releases, as a bare repository that bots deploy from.

    name: names the repository
    sources: directories below ``bots/`` whose files, on those of ``common``, make up the program
    """

    def __init__(self, root: Path, name: str, sources: list[str]) -> None:
        self.origin = root / "origin" / f"{name}.git"
        self._work = root / "origin" / f"{name}.work"
        self._clone = root / "origin" / f"{name}.clone"
        self._work.mkdir(parents=True)
        git(self._work, "init", "--quiet", "--template=", "--initial-branch=main")
        for source in ["common", *sources]:
            shutil.copytree(
                SOURCE / source, self._work, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
            )
        (self._work / "gitignore").rename(self._work / ".gitignore")
        for tag in GOOD:
            self._release(tag)
        shutil.copy(SOURCE / "bad_release" / "strategy.py", self._work)
        self._release(BAD)
        git(self._work, "clone", "--quiet", "--template=", "--bare", ".", str(self.origin))
        git(self._work, "clone", "--quiet", "--template=", "--no-checkout", str(self.origin), str(self._clone))
        git(self._clone, "checkout", "--quiet", "--detach", BAD)
        shutil.copy(SOURCE / "common" / "strategy.py", self._work)
        self._release(CANDIDATE)
        git(self._work, "push", "--quiet", str(self.origin), "main", CANDIDATE)

    def clone(self, path: Path, fetched: bool) -> None:
        """A bot's repository, on the bad release; ``fetched``: it knows the candidate."""
        shutil.copytree(self._clone, path, symlinks=True)
        if fetched:
            git(path, "fetch", "--quiet", "--tags")

    def close(self) -> None:
        """Remove what only the making of the releases needed."""
        shutil.rmtree(self._work)
        shutil.rmtree(self._clone)

    def _release(self, tag: str) -> None:
        (self._work / "RELEASE").write_text(f"{tag}\n")
        stamp = f"{tag[7:11]}-{tag[11:13]}-{tag[13:15]}T{tag[16:18]}:{tag[18:20]}:{tag[20:22]}Z"
        git(self._work, "add", "--all", date=stamp)
        git(self._work, "commit", "--quiet", "--message", f"Release {tag}", date=stamp)
        git(self._work, "tag", "--annotate", "--message", f"Deployed as {tag}", tag, date=stamp)


def git(path: Path, *arguments: str, date: str = "2025-11-01T00:00:00Z") -> None:
    """Run git as nobody in particular, so that the user's configuration and hooks play no part."""
    subprocess.run(
        ["git", *arguments],
        cwd=path,
        check=True,
        env={
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(path),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "Demo",
            "GIT_AUTHOR_EMAIL": "demo@localhost",
            "GIT_COMMITTER_NAME": "Demo",
            "GIT_COMMITTER_EMAIL": "demo@localhost",
            "GIT_AUTHOR_DATE": date,
            "GIT_COMMITTER_DATE": date,
        },
    )
