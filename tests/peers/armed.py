# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A state directory that lies ready as the role ``arm`` leaves it, with this Python and what it can import."""

from __future__ import annotations

import site
import subprocess
import sys
from pathlib import Path

from ansible_collections.tradeops.botfleet.plugins.plugin_utils._agent import Agent, packed


def arm(state: Path, of: Agent | None = None) -> Path:
    """Put agent, compiled twin and virtual environment there; returns the agent's path. of: else this collection's."""
    archive = of or packed()
    environment = state / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    packages = next(environment.glob("lib/python*/site-packages"))
    (packages / "these.pth").write_text("".join(f"{path}\n" for path in site.getsitepackages()))
    agent = state / "agent" / f"{archive.digest}.pyz"
    agent.parent.mkdir(mode=0o755)
    agent.write_bytes(archive.content)
    for path in (agent.parent, agent):
        path.chmod(path.stat().st_mode & 0o755)
    subprocess.run([str(environment / "bin" / "python"), "-I", str(agent)], check=True)
    return agent
