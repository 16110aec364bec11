# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rollback playbook on private demo fleets."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.peers.demo import INVENTORY, DemoFleet
from tests.peers.ledger import Ledger
from tests.schemas import problems

ROOT = Path(__file__).resolve().parents[2]
PLAYBOOK = ROOT / "playbooks" / "rollback.yml"


@dataclass
class Run:
    """What one ansible-playbook run came to."""

    code: int
    output: str
    artifacts: Path
    record: dict[str, Any] = field(default_factory=dict)

    def bot(self, name: str) -> dict[str, Any]:
        return next(bot for bot in self.record["bots"] if bot["name"] == name)

    def states(self) -> dict[str, str]:
        """``restored``, ``safe`` or ``exposed`` of each bot."""
        return {
            bot["name"]: "restored" if bot["restored"] else "safe" if bot["safe"] else "exposed"
            for bot in self.record["bots"]
        }


class Fleet(DemoFleet):
    """A demo fleet that playbooks are run on."""

    def __init__(self, root: Path, per_kind: int) -> None:
        super().__init__(root / "fleet", per_kind)
        self.work = self.cwd = root
        self.ledger = Ledger(self.root)
        self.artifacts = root / "artifacts"
        self.of_all: dict[str, Any] = {"botfleet_holds_positions": False}  # or each halt would wait for exchanges
        self.overrides: dict[str, dict[str, Any]] = {}

    def names(self, kind: str = "") -> list[str]:
        return [bot["name"] for bot in self.bots() if kind in ("", bot["kind"])]

    def argv(self, *arguments: str, **inputs: Any) -> list[str]:
        """An ansible-playbook command; inputs become extra variables, None leaves one out."""
        given = {"plan": "emergency", "scope": "demo_here", "reason": "test", **inputs}
        extra = {name: value for name, value in given.items() if value is not None}
        self.write_inventory()
        return [
            *(sys.executable, "-m", "ansible", "playbook"),
            *("-i", str(INVENTORY), "-i", str(self.work / "here.yml"), "-f", "12", str(PLAYBOOK)),
            *("-e", json.dumps(extra), *arguments),
        ]

    def rollback(self, *arguments: str, environment: dict[str, str] | None = None, **inputs: Any) -> Run:
        """Run rollback.yml to its end; in one batch, unless a test wants others, since each takes its time."""
        done = subprocess.run(
            self.argv(*arguments, **{"batch": "100%", **inputs}),
            env={**self.env(), **(environment or {})},
            cwd=self.cwd,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        return self.read(done.returncode, done.stdout + done.stderr)

    def read(self, code: int, output: str, rollback_id: str = "latest") -> Run:
        run = Run(code, output, self.artifacts)
        record = self.artifacts / rollback_id / "record.json"
        if record.exists():
            run.record = json.loads(record.read_text())
            assert problems("record", run.record) == [], output
        return run

    def env(self) -> dict[str, str]:
        return {
            **os.environ,
            **self.environment,
            "ANSIBLE_CONFIG": str(ROOT / "tests" / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache" / "collections"),
            "ANSIBLE_HOME": str(self.work / "ansible"),
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml",
            "LC_ALL": "C.UTF-8",
        }

    def journal(self, bot: str, rollback_id: str) -> list[dict[str, Any]]:
        path = self.root / "state" / bot / rollback_id / "journal.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def fingerprint(self) -> str:
        """A hash of every file of the fleet but those that living bots write."""
        digest = hashlib.sha256()
        for path in sorted(self.root.rglob("*")):
            relative = path.relative_to(self.root)
            if relative.parts[0] == "ledger" or "logs" in relative.parts:
                continue
            digest.update(f"{relative} {path.lstat().st_mode}\n".encode())
            digest.update(os.readlink(path).encode() if path.is_symlink() else b"")
            digest.update(path.read_bytes() if path.is_file() and not path.is_symlink() else b"")
        return digest.hexdigest()

    def write_inventory(self) -> None:
        """The group of the bots that really run, and what a test changes about them."""
        hosts = {name: {**self.of_all, **self.overrides.get(name, {})} for name in self.names()}
        others = {name: values for name, values in self.overrides.items() if name not in hosts}
        everyone = {
            "vars": {"botfleet_artifacts_dir": str(self.artifacts)},
            "children": {"demo_here": {"hosts": hosts}},
        }
        (self.work / "here.yml").write_text(json.dumps({"all": everyone, "strangers": {"hosts": others}}))


def make_fleet(root: Path, per_kind: int) -> Iterator[Fleet]:
    fleet = Fleet(root, per_kind)
    try:
        fleet.up()
        yield fleet
    finally:
        fleet.down()
        shutil.rmtree(root / "ansible", ignore_errors=True)


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """Two bots of each kind, live on the bad release."""
    yield from make_fleet(tmp_path, 2)


@pytest.fixture
def whole_fleet(tmp_path: Path) -> Iterator[Fleet]:
    """Six bots of each kind, live on the bad release."""
    yield from make_fleet(tmp_path, 6)
