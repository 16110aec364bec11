# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The example inventories, copied as their comments say, for a bot of one's own."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = {"trading_node": "trading-node-1", "quantum_trader": "quantum-trader-1"}
"""The example inventories, each with its one bot."""

SECRET = "CANARY-testnet-{exchange}-{field}-qt-1"
"""What is filled in for a secret: the exchanges of the demo know it, and it must be seen nowhere."""


class Example:
    """A copy of an example inventory in ``directory``, with secrets of its own, encrypted."""

    def __init__(self, name: str, directory: Path) -> None:
        self.name, self.bot = name, EXAMPLES[name]
        self.path = directory / name
        self.password = directory / f"{name}-password"
        self.password.write_text("example")
        shutil.copytree(ROOT / "inventories" / name, self.path)
        for example in self.path.rglob("*.example"):
            vault = example.with_suffix("")
            filled = re.sub(
                r"^(vault_([a-z]+)_testnet_api_([a-z]+)): testnet_\w+$",
                lambda match: f"{match[1]}: {SECRET.format(exchange=match[2], field=match[3])}",
                example.read_text(),
                flags=re.MULTILINE,
            )
            vault.write_text(filled)
            self.ansible("vault", "encrypt", str(vault))

    @property
    def arguments(self) -> list[str]:
        """What names the inventory on a command line."""
        return ["-i", str(self.path), *self.vault]

    @property
    def vault(self) -> list[str]:
        return ["--vault-password-file", str(self.password)]

    def adapt(self, **variables: Any) -> None:
        """Say of the bot what is different on this machine."""
        (self.path / "host_vars").mkdir(exist_ok=True)
        (self.path / "host_vars" / f"{self.bot}.yml").write_text(json.dumps(variables))

    def values(self, *expressions: str) -> list[Any]:
        """Expressions as Ansible evaluates them for the bot; nothing is reached for it."""
        command = ["adhoc", self.bot, *self.arguments, "-m", "ansible.builtin.debug", "-a"]
        template = json.dumps({"msg": f"{{{{ [{', '.join(expressions)}] | to_json }}}}"})
        shown = self.ansible(*command, template, ANSIBLE_CALLBACK_RESULT_FORMAT="json")
        answer = json.loads(shown[shown.index("{") :])["msg"]
        values: list[Any] = json.loads(answer) if isinstance(answer, str) else answer  # core 2.18 reads JSON itself
        return values

    def ansible(self, *arguments: str, **environment: str) -> str:
        """What one of Ansible's commands prints; it must succeed."""
        if arguments[0] == "vault":
            arguments = (*arguments, *self.vault)
        done = subprocess.run(
            [sys.executable, "-m", "ansible", *arguments],
            env={
                **os.environ,
                "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache" / "collections"),
                "ANSIBLE_HOME": str(self.path.parent / "ansible"),
                "ANSIBLE_NOCOLOR": "1",
                **environment,
            },
            cwd=self.path.parent,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
