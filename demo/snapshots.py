# Copyright (c) 2026 The tradeops.botfleet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The snapshots that were taken of a bot's config each time a release was deployed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
from pathlib import Path
from typing import Any


def copy(config: Path, target: Path) -> None:
    """Copy a config directory, as a team's own script does (S1.5)."""
    shutil.copytree(config, target)


def copy_with_manifest(config: Path, target: Path) -> None:
    """Copy a config directory as the module config_snapshot does, with a manifest that says what is whole."""
    copy(config, target)
    manifest = {
        "format": 1,
        "source": os.path.realpath(config),
        "whole": True,
        "taken": "2025-12-04T14:22:00Z",
        "entries": {
            "" if path == config else str(path.relative_to(config)): describe(path)
            for path in [config, *config.rglob("*")]
        },
    }
    written = target / ".botfleet-manifest.json"
    written.write_text(json.dumps(manifest, indent=1, sort_keys=True))
    written.chmod(0o600)


def describe(path: Path) -> dict[str, Any]:
    """Kind, mode, owner and, of a file, digest."""
    state = path.lstat()
    entry = {"mode": f"{stat.S_IMODE(state.st_mode):04o}", "uid": state.st_uid, "gid": state.st_gid}
    if path.is_dir():
        return {**entry, "kind": "directory"}
    return {**entry, "kind": "file", "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
