# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bot's repository with deploy tags, for tests. Real git, real files."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from pathlib import Path
from typing import Any

from ansible_collections.tradeops.botfleet.plugins.module_utils._operation import Context, Outcome, carry_out
from ansible_collections.tradeops.botfleet.plugins.module_utils._operations.git_deploy_tag import GitDeployTag

A, B, C = "deploy-20250101-090000", "deploy-20250102-090000", "deploy-20250103-090000"
NO_CONFIG = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
WHO = {f"GIT_{role}_{part}": "ops@example.com" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}


class Bot:
    """One work tree. Its user is the one that owns it, who runs git here too."""

    def __init__(self, path: Path, user: str | None = None) -> None:
        self.path = path
        self.user = user

    def copy(self, path: Path) -> Bot:
        """The same bot in another place."""
        shutil.copytree(self.path, path, symlinks=True)
        return Bot(path, self.user)

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.path,
            env={**os.environ, **NO_CONFIG, **WHO, "HOME": str(self.path)},
            user=self.user,
            group=pwd.getpwnam(self.user).pw_gid if self.user else None,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def write(self, name: str, text: str) -> None:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        if self.user:
            entry = pwd.getpwnam(self.user)
            for part in (file, file.parent):
                os.chown(part, entry.pw_uid, entry.pw_gid)

    def read(self, name: str) -> str:
        return (self.path / name).read_text()

    def commit(self, text: str, *tags: str) -> str:
        """Commit ``bot.py`` with this text, and all else; returns the commit."""
        self.write("bot.py", text)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", text)
        for tag in tags:
            self.git("tag", "--", tag)
        return self.head()

    def head(self) -> str:
        return self.git("rev-parse", "HEAD")

    def at(self, name: str) -> str:
        return self.git("rev-parse", f"{name}^{{commit}}")

    def operation(self, *, check: bool = False, **options: Any) -> GitDeployTag:
        merged = {name: spec.get("default") for name, spec in GitDeployTag.OPTIONS.items()}
        merged = {name: list(value) if isinstance(value, list) else value for name, value in merged.items()}
        return GitDeployTag({**merged, "path": str(self.path), **options}, Context(check_mode=check))

    def roll_back(self, *, mode: str = "apply", check: bool = False, **options: Any) -> Outcome:
        return carry_out(self.operation(check=check, **{"target": "previous", **options}), mode)

    def must_roll_back(self, **options: Any) -> Outcome:
        outcome = self.roll_back(**options)
        assert outcome.status == "changed", outcome.message
        return outcome

    def must_fail(self, **options: Any) -> str:
        outcome = self.roll_back(**options)
        assert outcome.status == "failed", outcome
        return outcome.message


def new_bot(path: Path, user: str | None = None) -> Bot:
    """A repository on branch ``main`` with three deploys, the last one checked out."""
    path.mkdir(parents=True)
    if user:
        os.chown(path, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
    bot = Bot(path, user)
    bot.git("init", "-q", "-b", "main")
    bot.write("config/live.yml", "live: true\n")
    bot.write(".gitignore", "*.log\nsecret.env\n")
    for number, tag in enumerate((A, B, C), start=1):
        bot.commit(f"version {number}\n", tag)
    return bot


def new_bot_with_obstacles(path: Path) -> Bot:
    """As ``new_bot``; B tracks ``secret.env`` and ``data/x``, which C, checked out, ignores and lacks."""
    bot = new_bot(path)
    bot.git("checkout", "-q", B)
    bot.write("secret.env", "KEY=tracked\n")
    bot.write("data/x", "tracked\n")
    bot.git("add", "-f", "secret.env", "data/x")
    bot.git("commit", "-q", "-m", "track")
    bot.git("tag", "-f", B)
    bot.git("checkout", "-q", "main")
    return bot


def change_of(outcome: Outcome) -> dict[str, Any]:
    """What ``undo`` needs."""
    assert outcome.change is not None
    return outcome.change


def tree_hash(path: Path) -> dict[str, tuple[int, bytes]]:
    """Every file below a path with its time of change and content, to show that nothing was touched."""
    files = (file for file in sorted(path.rglob("*")) if file.is_file() or file.is_symlink())
    return {str(file): (file.lstat().st_mtime_ns, file.read_bytes() if file.is_file() else b"") for file in files}
